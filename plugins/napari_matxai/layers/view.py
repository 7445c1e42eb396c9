"""What is in view of a layer, held fast: the signals that models can take of it, read when they are asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from matxai.errors import SignalError
from napari_matxai.layers.frame import Frame, dims_of, signal_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    import xarray as xr

    from napari_matxai.session.choice import Extent


@dataclass(frozen=True, eq=False)
class View:
    """What is in view of a layer, held fast: its array (not copied, not read), its place, its slice.

    Parameters
    ----------
    data
        The layer's array, of its finest level.
    frame
        Where it lies.
    step
        Index of the slice in view along each axis before the last two.
    rgb
        Whether the last axis is colour.
    attrs
        The instrument's word and ``source``.
    name
        The layer's name.
    """

    data: Any
    frame: Frame
    step: tuple[int, ...]
    rgb: bool
    attrs: Mapping[str, Any]
    name: str

    def signal(self, kind: str) -> tuple[xr.DataArray, tuple[int, ...] | None]:
        """Return the signal that a model of one kind can take, and the index of the slice that it is; may be slow.

        Raises
        ------
        SignalError
            If the layer has fewer axes than the model needs.
        """
        wanted = {"1d": 1, "2d": 2, "3d": 3}[kind]
        n = len(self.frame.scale)
        if n < wanted:
            msg = f"The layer '{self.name}' has {n} axes and the model takes {wanted}. Choose another layer."
            raise SignalError(msg)
        step = self.step if wanted == 2 and n > 2 else None
        return signal_of(self.data, self.frame, rgb=self.rgb, attrs=self.attrs, step=step), step

    def is_stack(self, kind: str) -> bool:
        """Return whether a model of one kind takes single slices of this layer."""
        return kind == "2d" and len(self.frame.scale) > 2

    def stack(self, extent: Extent) -> tuple[xr.DataArray, tuple[int, ...] | None, dict[str, Any]]:
        """Return a range of slices or all of them as a signal that is read when its values are asked for.

        Returns
        -------
        tuple
            The signal; the index of the slice in view along the axes that are gone; what was taken, by axis.

        Raises
        ------
        SignalError
            If the range holds no slice.
        """
        whole = signal_of(self.data, self.frame, rgb=self.rgb, attrs=self.attrs, lazy=True)
        if extent.what == "stack":
            return whole, None, {}
        *before, along = dims_of(self.frame)[:-2]
        size = whole.sizes[along]
        if not 0 <= extent.first <= extent.last < size:
            asked = f"Slices {extent.first} to {extent.last}"
            msg = f"{asked} are none of '{self.name}': along {along} it has 0 to {size - 1}."
            raise SignalError(msg)
        taken: dict[str, Any] = dict(zip(before, self.step, strict=False))
        part = whole.isel({**taken, along: slice(extent.first, extent.last + 1)}).drop_vars(before, errors="ignore")
        return part, self.step, {**taken, along: (extent.first, extent.last + 1)}

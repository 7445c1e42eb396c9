"""One opened spectrum, and all that is known of it so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from matxai.errors import SignalError

if TYPE_CHECKING:
    import numpy.typing as npt
    import xarray as xr

    from napari_matxai.session.curves.again import Again
    from napari_matxai.session.curves.asking import ExplainedCurve
    from napari_matxai.session.curves.intervals import Interval

UNNAMED = "axis"


@dataclass(frozen=True)
class Origin:
    """Where a spectrum was picked out of a layer.

    Parameters
    ----------
    layer
        The layer's identity.
    index
        Of the pixel ``(y, x)``, or of the sample ``(i,)``.
    """

    layer: str
    index: tuple[int, ...]


@dataclass(eq=False)
class Spectrum:
    """One spectrum, waveform or loop.

    Parameters
    ----------
    signal
        ``(axis,)`` or ``(axis, c)``.
    name
        What it is called.
    path
        Its file; None for what came out of a layer.
    axis
        What the user said that the axis is, where its file does not.
    shown
        Whether it is drawn beside the chosen one.
    origin
        Where it was picked.
    explained, again
        What came of asking, and of asking again without the zones.
    intervals
        Its zones.
    """

    signal: xr.DataArray
    name: str
    path: str | None = None
    axis: str | None = None
    shown: bool = True
    origin: Origin | None = None
    explained: ExplainedCurve | None = None
    again: Again | None = None
    intervals: tuple[Interval, ...] = field(default=())

    def __post_init__(self) -> None:
        self.signal = checked(self.signal, self.name)

    @property
    def dim(self) -> str:
        """What its axis is called."""
        return str(self.signal.dims[0])

    @property
    def unnamed(self) -> bool:
        """Whether nobody has said what its axis is."""
        return self.dim == UNNAMED

    @property
    def reading(self) -> dict[str, str]:
        """Keywords of ``matxai.read`` beside the path."""
        item = self.signal.attrs.get("item_name")
        return ({} if self.axis is None else {"axis": self.axis}) | ({} if item is None else {"item": str(item)})

    @property
    def curves(self) -> npt.NDArray[np.float64]:
        """One row for each channel, ``(C, L)``."""
        return np.atleast_2d(np.asarray(self.signal.values, np.float64).T)

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the channels; one empty name where there is no such axis."""
        if "c" not in self.signal.dims:
            return ("",)
        if "c" in self.signal.coords:
            return tuple(str(v) for v in self.signal.coords["c"].values)
        return tuple(str(i) for i in range(self.signal.sizes["c"]))

    def forget(self) -> None:
        """Forget the answers: what was asked about is no longer what is there."""
        self.explained = self.again = None


def checked(signal: xr.DataArray, name: str) -> xr.DataArray:
    """Return a signal as one spectrum, its channels last.

    Raises
    ------
    SignalError
        If it is no spectrum, has no points, is complex, or holds no number at all.
    """
    spatial = [str(d) for d in signal.dims if d != "c"]
    if len(spatial) != 1:
        msg = f"{name} has the axes {tuple(map(str, signal.dims))} and is no single spectrum; open it as a layer."
        raise SignalError(msg)
    if not signal.sizes[spatial[0]]:
        msg = f"{name} has no points; open a spectrum with at least two."
        raise SignalError(msg)
    if signal.dtype.kind not in "buif":
        what = "complex numbers" if signal.dtype.kind == "c" else f"values of the type {signal.dtype}"
        msg = f"{name} holds {what}; a spectrum to be drawn has real ones. Take the magnitude or the real part first."
        raise SignalError(msg)
    if not np.isfinite(np.asarray(signal.values, np.float64)).any():
        msg = f"{name} holds no finite value; every point of it is NaN or Inf."
        raise SignalError(msg)
    return signal.transpose(spatial[0], ...)

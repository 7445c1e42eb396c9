"""Where a layer lies, and the signal that it shows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import xarray as xr

LayerData = tuple[Any, dict[str, Any], str]
Matrix = tuple[tuple[float, ...], ...]
#: units of axes that measure nothing
PLAIN = ("pixel", "dimensionless")


@dataclass(frozen=True)
class Frame:
    """Where a layer lies: one entry for each of its axes.

    Index ``i`` of the data lies at ``affine @ (rotate @ shear @ (scale * i) + translate)``.

    Parameters
    ----------
    scale, translate
        Step and position of the first pixel's centre, in ``units``.
    units
        Words that pint reads.
    axis_labels
        The signal's dims.
    rotate, shear
        Matrices ``(n, n)``, as napari keeps them; None where a layer is neither turned nor sheared.
    affine
        Matrix ``(n + 1, n + 1)`` on top of it all; None for none.
    """

    scale: tuple[float, ...]
    translate: tuple[float, ...]
    units: tuple[str, ...]
    axis_labels: tuple[str, ...]
    rotate: Matrix | None = None
    shear: Matrix | None = None
    affine: Matrix | None = None

    def as_keywords(self) -> dict[str, Any]:
        """Return the keywords of napari's layers."""
        turned = {"rotate": self.rotate, "shear": self.shear, "affine": self.affine}
        return {
            "scale": self.scale,
            "translate": self.translate,
            "units": self.units,
            "axis_labels": self.axis_labels,
            **{name: np.asarray(matrix) for name, matrix in turned.items() if matrix is not None},
        }

    def last(self, n: int) -> Frame:
        """Return the frame of the last ``n`` axes."""
        return Frame(
            self.scale[-n:],
            self.translate[-n:],
            self.units[-n:],
            self.axis_labels[-n:],
            _corner(self.rotate, n),
            _corner(self.shear, n),
            _corner(self.affine, n + 1),
        )

    def cells(self, first: Sequence[float], step: Sequence[float]) -> Frame:
        """Return the frame of cells on this layer.

        Parameters
        ----------
        first
            Centre of the first cell along each axis, as an index of this layer's data.
        step
            From one cell to the next, in the same unit; negative where they run the other way.
        """
        origin = self._turn() @ (np.asarray(self.scale) * np.asarray(first, float))
        return replace(
            self,
            scale=tuple(float(s * f) for s, f in zip(self.scale, step, strict=True)),
            translate=tuple(float(t + o) for t, o in zip(self.translate, origin, strict=True)),
        )

    def led_by(self, labels: Sequence[str]) -> Frame:
        """Return the frame with axes in front that count: classes, layers of the network."""
        n = len(labels)
        if not n:
            return self
        return Frame(
            (1.0,) * n + self.scale,
            (0.0,) * n + self.translate,
            ("dimensionless",) * n + self.units,
            (*labels, *self.axis_labels),
            _padded(self.rotate, n),
            _padded(self.shear, n),
            _padded(self.affine, n),
        )

    def matrix(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Return the ``(n + 1, n + 1)`` matrix from indices of the data to the world, in this frame's own units."""
        n = len(self.scale)
        found = np.eye(n + 1)
        found[:n, :n] = self._turn() @ np.diag(self.scale)
        found[:n, n] = self.translate
        return found if self.affine is None else np.asarray(self.affine) @ found

    def _turn(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        n = len(self.scale)
        turn = np.eye(n) if self.rotate is None else np.asarray(self.rotate)
        return turn if self.shear is None else turn @ np.asarray(self.shear)


def _corner(matrix: Matrix | None, n: int) -> Matrix | None:
    return None if matrix is None else tuple(tuple(row[-n:]) for row in matrix[-n:])


def _padded(matrix: Matrix | None, n: int) -> Matrix | None:
    """Put ``n`` axes in front that a matrix leaves as they are."""
    if matrix is None:
        return None
    size = len(matrix) + n
    found = np.eye(size)
    found[n:, n:] = matrix
    return tuple(map(tuple, found.tolist()))


def frame_of_layer(layer: Any) -> Frame:
    """Return where a layer of napari lies."""
    return Frame(
        tuple(float(s) for s in layer.scale),
        tuple(float(t) for t in layer.translate),
        tuple(str(u) for u in layer.units),
        tuple(str(a) for a in layer.axis_labels),
        _matrix(layer.rotate),
        _matrix(_sheared(np.asarray(layer.shear, float), layer.ndim)),
        _matrix(layer.affine.affine_matrix),
    )


def move(layer: Any, frame: Frame) -> None:
    """Give a layer of napari another pixel size, place and units; what changes nothing is not set."""
    n = layer.ndim
    layer.units, layer.axis_labels = frame.units, frame.axis_labels
    layer.scale, layer.translate = frame.scale, frame.translate
    turns = {"rotate": (frame.rotate, n), "shear": (frame.shear, n), "affine": (frame.affine, n + 1)}
    has = frame_of_layer(layer)
    for name, (matrix, size) in turns.items():
        if matrix != getattr(has, name):
            setattr(layer, name, np.eye(size) if matrix is None else np.asarray(matrix))


def _sheared(shear: np.ndarray[Any, Any], n: int) -> np.ndarray[Any, Any]:
    """Return a shear as a matrix: napari gives the values above the diagonal alone where there are no others."""
    if shear.ndim == 2:
        return shear
    found = np.eye(n)
    found[np.triu_indices(n, 1)] = shear
    return found


def _matrix(values: Any) -> Matrix | None:
    """Return a matrix as plain numbers; None for one that changes nothing."""
    values = np.asarray(values, float)
    return None if np.abs(values - np.eye(len(values))).max() <= 1e-12 else tuple(map(tuple, values.tolist()))


def dims_of(frame: Frame) -> tuple[str, ...]:
    """Return the dims of the signal that a layer shows."""
    return tuple(_distinct(frame.axis_labels))


def frame_of(signal: xr.DataArray) -> Frame:
    """Return where a signal lies; axes with uneven steps, which napari cannot show, count pixels."""
    scale, translate, units = [], [], []
    dims = [str(d) for d in signal.dims if d != "c"]
    for dim in dims:
        if signal[dim].dtype.kind not in "iuf":  # names of samples
            scale.append(1.0)
            translate.append(0.0)
            units.append("pixel")  # "dimensionless" would be converted to degrees beside an axis of angles
            continue
        values = np.asarray(signal[dim].values, float)
        steps = np.diff(values)
        even = steps.size == 0 or np.allclose(steps, steps.mean(), rtol=1e-3)
        scale.append(float(steps.mean()) if even and steps.size else 1.0)
        translate.append(float(values[0]) if even else 0.0)
        said = signal[dim].attrs.get("units") or ("dimensionless" if dim == "axis" else "pixel")
        units.append(str(said) if even else "pixel")
    return Frame(tuple(scale), tuple(translate), tuple(units), tuple(dims))


def signal_of(
    data: Any,
    frame: Frame,
    *,
    rgb: bool,
    attrs: Mapping[str, Any] | None = None,
    step: Sequence[int] | None = None,
    lazy: bool = False,
) -> xr.DataArray:
    """Return the signal that a layer shows: its whole data, or the plane of the current slice.

    Parameters
    ----------
    data
        The layer's array (of its finest level).
    frame
        Where the layer lies.
    rgb
        Whether the last axis of the data is colour.
    attrs
        The instrument's word, where the layer has it.
    step
        Index of the current slice along each axis before the last two; None for the whole data.
    lazy
        Whether what is not in memory stays where it is until its values are asked for.
    """
    from matxai.signals import labelled

    dims = _distinct(frame.axis_labels)
    if step is not None:
        n = len(dims) - 2
        data, frame = data[tuple(step[:n])], frame.last(2)
        dims = dims[-2:]
    names = [*dims, "c"] if rgb else dims
    return labelled(
        _lazily(data) if lazy else np.asarray(data),
        names,
        spacing=dict(zip(dims, frame.scale, strict=True)),
        units=dict(zip(dims, frame.units, strict=True)),
        origin=dict(zip(dims, frame.translate, strict=True)),
        attrs={"pixel_size_source": "the layer in napari", **(attrs or {})},
    )


def _lazily(data: Any) -> Any:
    """Return an array as it is where it is NumPy's or dask's, else as dask's over it: nothing is read."""
    if isinstance(data, np.ndarray) or hasattr(data, "dask"):
        return data
    import dask.array

    return dask.array.from_array(data)


def _distinct(labels: Sequence[str]) -> list[str]:
    """Names of axes; napari's defaults (``-2``, ``-1``) become ``y`` and ``x``."""
    usual = ("t", "z", "y", "x")[-len(labels) :] if len(labels) <= 4 else tuple(f"axis{i}" for i in range(len(labels)))
    good = len(set(labels)) == len(labels) and all(str(label).isidentifier() for label in labels)
    return [str(label) for label in labels] if good else list(usual)

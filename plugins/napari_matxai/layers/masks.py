"""What a user drew, as regions in the image's own pixels, whatever the layers' scales, units and turns.

A pixel is inside where its centre is. Every vertex is carried through the drawn layer's transform, the factor between
the units and the image's transform; ``Shapes.to_labels`` knows of none of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from matxai.errors import RegionError
from matxai.regions import KINDS, Region
from napari_matxai.layers.forms import ellipse, polygon, stroke
from napari_matxai.layers.placing import Floats, Passage, Placing, passage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Mask = npt.NDArray[np.bool_]

TAKEN_AS_PIXELS = (
    "The labels '{name}' have the image's size and no units, so they were taken pixel by pixel; give the layer the "
    "image's scale to see them where they belong."
)


@dataclass(frozen=True, eq=False)
class Grid:
    """The pixels that regions are masks of.

    Parameters
    ----------
    placing
        Where the image lies.
    shape
        Of its data, without colour.
    step
        Index of the slice along each axis before the last two; None for the whole data.
    """

    placing: Placing
    shape: tuple[int, ...]
    step: tuple[int, ...] | None = None

    @property
    def spatial(self) -> tuple[int, ...]:
        """Shape of a mask."""
        return self.shape if self.step is None else self.shape[-2:]


@dataclass(frozen=True, eq=False)
class Drawing:
    """A layer's regions, as they were when it was asked.

    Parameters
    ----------
    kind
        ``shapes``, ``points`` or ``labels``.
    placing
        Where the layer lies.
    data
        Of shapes a list of vertices ``(N, n)``, of points ``(N, n)``, of labels an array of integers.
    numbers
        Which are meant: rows of shapes and points, ids of labels; None for all.
    types
        Of shapes: ``rectangle``, ``ellipse``, ``polygon``, ``path``, ``line``.
    widths
        Of shapes the width of their lines, of points their diameter; in data coordinates.
    at
        Index of the slice in view along the layer's leading axes, for those that the image lacks.
    known
        What the layer's table says of a region: ``kind``, ``source``, ``confidence``, ``evidence``.
    """

    kind: Literal["shapes", "points", "labels"]
    placing: Placing
    data: Any
    numbers: tuple[int, ...] | None = None
    types: tuple[str, ...] = ()
    widths: tuple[float, ...] = ()
    at: tuple[int, ...] = ()
    known: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The layer's name."""
        return self.placing.name


@dataclass(frozen=True, eq=False)
class Masks:
    """Regions in an image's pixels.

    Parameters
    ----------
    regions
        In the order of their numbers.
    numbers
        Row of the shape or point, id of the label, for each.
    notes
        Sentences: what was decided on units, which regions were left out and why.
    """

    regions: tuple[Region, ...]
    numbers: tuple[int, ...]
    notes: tuple[str, ...] = ()


def masks(drawing: Drawing, grid: Grid, most: int | None = None) -> Masks:
    """Return what was drawn as regions in an image's pixels.

    Parameters
    ----------
    drawing
        The layer's regions.
    grid
        The image's pixels.
    most
        Stop at so many regions; by default all are returned.

    Raises
    ------
    RegionError
        If no region is left: nothing was drawn, all lies outside of the image or on other slices, or one covers all of
        it; one sentence on which.
    """
    way = passage(drawing.placing, grid.placing)
    notes = [way.note] if way.note else []
    if drawing.kind == "labels" and _is_of_the_image(drawing, grid):
        way = Passage(np.eye(way.axes), np.zeros(way.axes))
        notes = [TAKEN_AS_PIXELS.format(name=drawing.name)]
    regions, numbers, empty = [], [], []
    for number, mask in _PARTS[drawing.kind](drawing, grid, way):
        if not mask.any():
            empty.append(number)
            continue
        if mask.all():
            raise RegionError(
                f"{_called(drawing, number)} covers the whole image: nothing is left to compare with. Make it smaller."
            )
        regions.append(_region(drawing, number, mask))
        numbers.append(number)
        if len(regions) == most:
            break
    notes += _left_out(drawing, grid, empty)
    if not regions:
        raise RegionError(_nothing(drawing, grid, empty))
    return Masks(tuple(regions), tuple(numbers), tuple(notes))


def _is_of_the_image(drawing: Drawing, grid: Grid) -> bool:
    shape = tuple(drawing.data.shape)
    placed = grid.placing.last(min(len(shape), len(grid.shape)))
    return drawing.placing.plain and not placed.plain and shape == grid.shape[-len(shape) :]


def _region(drawing: Drawing, number: int, mask: Mask) -> Region:
    known = drawing.known.get(number, {})
    kind = str(known.get("kind") or "")
    evidence: dict[str, Any] = {"layer": drawing.name, "number": number}
    if drawing.kind == "shapes":
        evidence["shape"] = drawing.types[number]
    usual = "labels" if drawing.kind == "labels" else "drawn"
    return Region(mask, kind if kind in KINDS else usual, str(known.get("source") or "drawn"), evidence=evidence)


def _called(drawing: Drawing, number: int) -> str:
    what = {"shapes": "Shape", "points": "Point", "labels": "Label"}[drawing.kind]
    return f"{what} {number} of '{drawing.name}'"


def _left_out(drawing: Drawing, grid: Grid, empty: Sequence[int]) -> list[str]:
    if not empty:
        return []
    where = "outside of the image" + (", or on other slices" if len(grid.shape) > 2 else "")
    some = ", ".join(map(str, empty[:6])) + (" ..." if len(empty) > 6 else "")
    verb = "lies" if len(empty) == 1 else "lie"
    return [f"{_called(drawing, empty[0]).split()[0]} {some} of '{drawing.name}' {verb} {where}, and was left out."]


def _nothing(drawing: Drawing, grid: Grid, empty: Sequence[int]) -> str:
    if not empty:
        hint = "Paint a label" if drawing.kind == "labels" else "Draw one"
        return f"The layer '{drawing.name}' holds no region that is meant here. {hint}, or choose all of its regions."
    slices = ", or on other slices," if len(grid.shape) > 2 else ""
    return (
        f"No region of '{drawing.name}' covers a pixel of '{grid.placing.name}': they lie outside{slices} "
        "or have no area. Draw one on the image."
    )


# -- shapes ----------------------------------------------------------------------------------------------------------


def _shapes(drawing: Drawing, grid: Grid, way: Passage) -> Iterator[tuple[int, Mask]]:
    for number in range(len(drawing.data)) if drawing.numbers is None else drawing.numbers:
        vertices = np.asarray(drawing.data[number], float)
        mask = np.zeros(grid.spatial, bool)
        if _in_view(vertices, drawing.at, way.axes):
            pixels = way(vertices[:, -way.axes :])
            planes = _planes(pixels, grid)
            if planes is not None:
                flat = _drawn(vertices, pixels, drawing.types[number], drawing.widths[number], grid, way)
                mask[planes] |= flat
        yield number, mask


def _in_view(vertices: Floats, at: Sequence[int], axes: int) -> bool:
    """Whether the slice in view cuts a shape, along the axes that the image lacks."""
    lead = np.round(vertices[:, : vertices.shape[1] - axes])
    return all(low <= i <= high for low, high, i in zip(lead.min(0), lead.max(0), at, strict=False))


def _planes(pixels: Floats, grid: Grid) -> tuple[slice, ...] | None:
    """Which planes of the mask a shape lies in; None where it lies in none."""
    lead = np.round(pixels[:, :-2])
    low, high = lead.min(0).astype(int), lead.max(0).astype(int)
    sizes = grid.shape[len(grid.shape) - pixels.shape[1] : -2]
    if grid.step is not None:
        steps = grid.step[len(grid.step) - len(sizes) :]
        return () if all(lo <= i <= hi for lo, hi, i in zip(low, high, steps, strict=True)) else None
    if any(hi < 0 or lo >= n for lo, hi, n in zip(low, high, sizes, strict=True)):
        return None
    others = (slice(None),) * (len(grid.shape) - pixels.shape[1])
    return (*others, *(slice(max(lo, 0), hi + 1) for lo, hi in zip(low, high, strict=True)))


def _drawn(vertices: Floats, pixels: Floats, type_: str, width: float, grid: Grid, way: Passage) -> Mask:
    size = (grid.spatial[-2], grid.spatial[-1])
    flat = pixels[:, -2:]
    if type_ == "ellipse":
        centre = flat.mean(0)
        return ellipse(size, centre, 0.5 * (flat[1] - flat[0]), 0.5 * (flat[3] - flat[0]))
    if type_ in ("path", "line"):
        return stroke(size, vertices[:, -2:], flat, width, way.matrix[-2:, -2:])
    return polygon(size, flat)


# -- points ----------------------------------------------------------------------------------------------------------


def _points(drawing: Drawing, grid: Grid, way: Passage) -> Iterator[tuple[int, Mask]]:
    for number in range(len(drawing.data)) if drawing.numbers is None else drawing.numbers:
        point = np.asarray(drawing.data[number], float)
        mask = np.zeros(grid.spatial, bool)
        radius = 0.5 * drawing.widths[number]
        if _in_view(point[None], drawing.at, way.axes):
            for planes, left in _discs(point[-way.axes :], radius, grid, way):
                mask[planes] |= _disc(point, left, grid, way)
        yield number, mask


def _discs(point: Floats, radius: float, grid: Grid, way: Passage) -> Iterator[tuple[tuple[slice, ...], float]]:
    """Yield the planes that a point reaches, and its radius there: a disc on its own slice, a ball in a whole stack."""
    middle = way(point[None])
    if grid.step is not None or way.axes == 2:
        planes = _planes(middle, grid)
        if planes is not None:
            yield planes, radius
        return
    back = way.back()
    others = (slice(None),) * (len(grid.shape) - way.axes)
    for index in np.ndindex(*grid.shape[len(grid.shape) - way.axes : -2]):
        there = middle.copy()
        there[0, :-2] = index
        away = float(np.linalg.norm((back(there)[0] - point)[:-2]))
        if away < radius:
            yield (*others, *(slice(i, i + 1) for i in index)), float(np.sqrt(radius**2 - away**2))


def _disc(point: Floats, radius: float, grid: Grid, way: Passage) -> Mask:
    size = (grid.spatial[-2], grid.spatial[-1])
    centre = way(point[None, -way.axes :])[0, -2:]
    linear = radius * way.matrix[-2:, -2:]
    mask = ellipse(size, centre, linear[:, 0], linear[:, 1])
    row, column = np.round(centre).astype(int)
    if 0 <= row < size[0] and 0 <= column < size[1]:
        mask[row, column] = True  # a point finer than a pixel is the pixel that holds it
    return mask


# -- labels ----------------------------------------------------------------------------------------------------------


def _labels(drawing: Drawing, grid: Grid, way: Passage) -> Iterator[tuple[int, Mask]]:
    values = labels_on(drawing, grid, way)
    ids = np.unique(values)
    wanted = [int(i) for i in ids if i != 0] if drawing.numbers is None else [n for n in drawing.numbers if n != 0]
    for number in wanted:
        yield number, values == number


def labels_on(drawing: Drawing, grid: Grid, way: Passage) -> npt.NDArray[Any]:
    """Return the label at the centre of each of the image's pixels, 0 beyond the labels."""
    data = drawing.data
    lead = data.ndim - way.axes
    data = data[tuple(drawing.at[:lead])] if lead else data
    back = way.back()
    fixed = [] if grid.step is None else list(grid.step[len(grid.step) - (way.axes - 2) :])
    sizes = grid.shape[len(grid.shape) - way.axes :]
    pixels = [np.array([float(i)]) for i in fixed] + [np.arange(n, dtype=float) for n in sizes[len(fixed) :]]
    if np.array_equal(back.matrix, np.diag(np.diag(back.matrix))):
        found = _separable(data, [np.diag(back.matrix)[k] * p + back.offset[k] for k, p in enumerate(pixels)])
    else:
        found = _everywhere(np.asarray(data), back, pixels)
    found = found.reshape(found.shape[len(fixed) :])
    return np.broadcast_to(found, grid.spatial)


def _separable(data: Any, at: Sequence[Floats]) -> npt.NDArray[Any]:
    index = [_nearest(a) for a in at]
    inside = [(i >= 0) & (i < n) for i, n in zip(index, data.shape, strict=True)]
    found = np.zeros([len(i) for i in index], data.dtype)
    for axis, (i, ok) in enumerate(zip(index, inside, strict=True)):
        if not ok.any():
            return found
        # one axis at a time, the slice first: a stack on disk is not read for one plane of it
        data = data[(slice(None),) * axis + (i[ok],)]
    found[np.ix_(*inside)] = np.asarray(data)
    return found


def _nearest(at: Floats) -> npt.NDArray[np.int64]:
    """Half way goes up, everywhere: rounding to even would make every other label of a coarse layer wider."""
    return np.floor(at + 0.5).astype(np.int64)


def _everywhere(data: npt.NDArray[Any], back: Passage, pixels: Sequence[Floats]) -> npt.NDArray[Any]:
    """Nearest labels under a turn or a shear."""
    shape = tuple(len(p) for p in pixels)
    at = np.stack([g.ravel() for g in np.meshgrid(*pixels, indexing="ij")], axis=1)
    index = _nearest(back(at))
    inside = ((index >= 0) & (index < data.shape)).all(1)
    found = np.zeros(len(index), data.dtype)
    found[inside] = data[tuple(index[inside].T)]
    return found.reshape(shape)


_PARTS = {"shapes": _shapes, "points": _points, "labels": _labels}

"""Dead rows and columns: lines inside a picture that hold one level, or their neighbour's pixels once more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from matxai.regions.finders import finders
from matxai.regions.finders.info_bar import free_of_bars
from matxai.regions.region import Region
from matxai.regions.rows import Lines, picture

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST = 4
"""Lines side by side that count as dead; more are a region of the picture."""

OWNED, BESIDE = 0.98, 0.5
"""Share of one level in a dead line, at least (dead columns cross dead rows), and in the lines beside it, at most."""

FEWEST_LEVELS = 8
"""Different levels that a line must have for its copy to be no accident."""

RARE = 0.05
"""Share of all lines that may be dead. Where more are, the picture is a drawing, saturated, or enlarged."""


@finders.register("dead_rows")
def dead_rows(image: npt.NDArray[Any], facts: Mapping[str, Any]) -> list[Region]:
    """Return rows and columns that are constant between lines that are not, or exact copies of their neighbour.

    Lines in an info bar, and constant lines along an edge (a border), are not looked at.

    Parameters
    ----------
    image
        ``(y, x)`` or ``(y, x, c)``.
    facts
        As for ``info_bar``.

    Returns
    -------
    list of Region
        One for rows, one for columns, where there are any. The evidence names the ``constant`` and the ``copied``
        lines, and ``neighbours``: the largest share that one level has in a line beside them.

    Raises
    ------
    RegionError
        If the array is no picture.
    """
    seen = picture(image)
    free = free_of_bars(image, facts)
    found = []
    for axis, (lines, clear) in enumerate(((seen.rows, free.all(axis=1)), (seen.columns, free.all(axis=0)))):
        values = seen.grey if axis == 0 else seen.grey.T
        constant, copied, neighbours = _dead(lines, values, np.asarray(clear))
        if not (constant or copied):
            continue
        mask = np.zeros(seen.shape, bool)
        (mask if axis == 0 else mask.T)[constant + copied] = True
        evidence = {
            "lines": "rows" if axis == 0 else "columns",
            "constant": constant,
            "copied": copied,
            "neighbours": neighbours,
        }
        found.append(Region(mask, "dead_rows", "pixels", float(np.clip(1 - neighbours, 0, 1)), evidence))
    return found


def _dead(
    lines: Lines, values: npt.NDArray[np.float64], clear: npt.NDArray[np.bool_]
) -> tuple[list[int], list[int], float]:
    """The constant lines, the copied ones, and the largest share of one level beside them."""
    owned = lines.counts.max(axis=1) / lines.codes.shape[1]
    constant: list[int] = []
    beside: list[float] = []
    for first, last in _stretches(owned >= OWNED):
        inside = first > 0 and last < lines.n - 1 and last - first < MOST
        if inside and clear[first - 1 : last + 2].all() and max(owned[first - 1], owned[last + 1]) < BESIDE:
            constant += range(first, last + 1)
            beside += [float(owned[first - 1]), float(owned[last + 1])]
    varied = (lines.counts > 0).sum(axis=1) >= FEWEST_LEVELS
    same = np.zeros(lines.n, bool)
    same[1:] = (values[1:] == values[:-1]).all(axis=1)
    copied = [y for y in np.flatnonzero(same & varied & (owned < BESIDE) & clear).tolist() if clear[y - 1]]
    beside += [float(owned[y]) for y in copied]
    if len(constant) + int(same.sum()) > max(RARE * lines.n, MOST):
        return [], [], 0.0
    return constant, copied, max(beside, default=0.0)


def _stretches(inside: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], inside.astype(np.int8), [0]])))
    return [(int(a), int(b) - 1) for a, b in zip(edges[::2], edges[1::2], strict=True)]

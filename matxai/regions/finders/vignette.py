"""Vignettes: brightness that falls off smoothly from the middle of a picture to all of its corners."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from matxai.regions.finders import finders
from matxai.regions.finders.info_bar import free_of_bars
from matxai.regions.region import Region
from matxai.regions.rows import picture

if TYPE_CHECKING:
    from collections.abc import Mapping

CELLS = 16
"""Cells along each axis whose medians are looked at."""

LEAST_LOSS = 0.15
"""Loss of brightness at the corners that is worth a word, as a share of the middle's."""

EXPLAINED, IN_EACH = 0.55, 0.3
"""Share of the cells' variance that the radius explains, in all and in each quarter of the picture."""

BEYOND = 4.0
"""Loss at the corners in units of what the radius leaves unexplained."""


@finders.register("vignette")
def vignette(image: npt.NDArray[Any], facts: Mapping[str, Any]) -> list[Region]:
    """Return where a picture has lost brightness towards its corners, if it has.

    The medians of a grid of cells are fitted by a + b r^2 + c r^4, r from the middle of the picture; a vignette is in
    every quarter, and beyond what the picture does by itself. The region is where half of the corners' loss is reached.

    Parameters
    ----------
    image
        ``(y, x)`` or ``(y, x, c)``.
    facts
        As for ``info_bar``; a bar is left out of the fit and of the region.

    Returns
    -------
    list of Region
        None or one. The evidence names ``corner_loss`` (share of the middle's brightness), ``explained`` (share of
        variance, in all and in the worst quarter) and ``beyond`` (loss over the residuals' standard deviation).

    Raises
    ------
    RegionError
        If the array is no picture.
    """
    seen = picture(image)
    free = free_of_bars(image, facts)
    rows, columns = np.flatnonzero(free.any(axis=1)), np.flatnonzero(free.any(axis=0))
    if min(rows.size, columns.size) < 2 * CELLS:
        return []
    part = seen.grey[np.ix_(rows, columns)]
    cells = _medians(part)
    radius = _radius((CELLS, CELLS), part.shape)
    design = np.stack([np.ones(CELLS**2), radius.ravel(), radius.ravel() ** 2], axis=1)
    factors = np.linalg.lstsq(design, cells.ravel(), rcond=None)[0]
    fitted = (design @ factors).reshape(cells.shape)
    explained = [_explained(cells[q], fitted[q]) for q in _quarters()]
    overall, residual = _explained(cells, fitted), float((cells - fitted).std())
    low = min(float(seen.grey.min()), 0.0)
    middle, corner = float(factors[0]) - low, float(factors.sum()) - low
    loss = (middle - corner) / middle if middle > 0 else 0.0
    falls = factors[1] <= 0 and factors[1] + 2 * factors[2] <= 0  # all the way out
    beyond = (middle - corner) / max(residual, 1e-12)
    if not falls or loss < LEAST_LOSS or overall < EXPLAINED or min(explained) < IN_EACH or beyond < BEYOND:
        return []
    r2 = _radius(part.shape, part.shape)
    mask = np.zeros(seen.shape, bool)
    mask[np.ix_(rows, columns)] = -(factors[1] * r2 + factors[2] * r2**2) >= (middle - corner) / 2
    evidence = {
        "corner_loss": loss,
        "explained": overall,
        "explained_in_the_worst_quarter": min(explained),
        "beyond": beyond,
    }
    return [Region(mask, "vignette", "pixels", float(np.clip(overall, 0, 1)), evidence)]


def _radius(grid: tuple[int, ...], shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """Squared distance from the middle of a picture of ``shape``, 1 in its corners, at the points of a grid over it."""
    y, x = ((np.arange(n) + 0.5) / n * 2 - 1 for n in grid)
    return np.asarray(
        (y[:, None] ** 2 * shape[0] ** 2 + x[None] ** 2 * shape[1] ** 2) / (shape[0] ** 2 + shape[1] ** 2)
    )


def _medians(part: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Medians of the cells."""
    rows, columns = np.array_split(np.arange(part.shape[0]), CELLS), np.array_split(np.arange(part.shape[1]), CELLS)
    return np.array([[np.median(part[r[0] : r[-1] + 1, c[0] : c[-1] + 1]) for c in columns] for r in rows])


def _quarters() -> list[tuple[slice, slice]]:
    half = (slice(0, CELLS // 2), slice(CELLS // 2, CELLS))
    return [(a, b) for a in half for b in half]


def _explained(cells: npt.NDArray[np.float64], fitted: npt.NDArray[np.float64]) -> float:
    total = float(((cells - cells.mean()) ** 2).sum())
    return 1 - float(((cells - fitted) ** 2).sum()) / total if total > 0 else 0.0

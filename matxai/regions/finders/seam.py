"""Seams: straight steps across a whole picture, where tiles were put together."""

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

PARTS = 16
"""Parts along a line; the step must be there in nearly all of them."""

BESIDE = 8
"""Lines on either side that are compared."""

SHARP = 0.2
"""Steps to the lines before and after, as a share of the step, at most: optics draw an edge of the specimen wider."""

BEYOND = 8.0
"""Step in units of the picture's own steps from line to line (1.4826 times the median of their absolute values)."""

RARE = 2.0
"""Step in units of the 98th percentile of the picture's steps: among stripes no step is a seam."""

STAYS = 0.6
"""Share of the step that is still there between the means of 8 lines on either side."""


@finders.register("seam")
def seam(image: npt.NDArray[Any], facts: Mapping[str, Any]) -> list[Region]:
    """Return the two lines at each straight step of brightness across the whole picture.

    The step is from one line to the next, goes the same way all along, is far beyond what neighbouring lines differ by
    elsewhere, and brightness stays where it went. An interface of layers does so only where it is straight to a pixel.

    Parameters
    ----------
    image
        ``(y, x)`` or ``(y, x, c)``.
    facts
        As for ``info_bar``; the ends of a bar, and what lies within 8 lines of an edge, are no seams.

    Returns
    -------
    list of Region
        One for each seam. The evidence names the ``line`` (the first after the step) among ``rows`` or ``columns``,
        the ``step`` in grey values, ``beyond`` (the step over the picture's own), ``sharp`` (the larger of the steps
        before and after, as a share of it) and ``stays`` (what is left of it between the means of 8 lines).

    Raises
    ------
    RegionError
        If the array is no picture.
    """
    seen = picture(image)
    free = free_of_bars(image, facts)
    found = []
    for turned, clear, name in ((seen.grey, free.all(axis=1), "rows"), (seen.grey.T, free.all(axis=0), "columns")):
        for line, evidence in _steps(turned, np.asarray(clear)):
            mask = np.zeros(seen.shape, bool)
            (mask if name == "rows" else mask.T)[line - 1 : line + 1] = True
            sure = min(1.0, evidence["beyond"] / (3 * BEYOND)) * (1 - evidence["sharp"])
            found.append(Region(mask, "seam", "pixels", float(sure), {"lines": name, "line": line, **evidence}))
    return found


def _steps(values: npt.NDArray[np.float64], clear: npt.NDArray[np.bool_]) -> list[tuple[int, dict[str, Any]]]:
    """Where lines step, as the first line after the step."""
    n, length = values.shape
    if n < 4 * BESIDE or length < 4 * PARTS:
        return []
    starts = np.linspace(0, length, PARTS + 1).astype(int)[:-1]
    means = np.add.reduceat(values, starts, axis=1) / np.diff(np.append(starts, length))  # (lines, parts)
    steps = np.diff(means, axis=0)
    whole = steps.mean(axis=1)
    inside = np.abs(whole[clear[1:] & clear[:-1]])
    if not inside.size:
        return []
    own, rare = 1.4826 * float(np.median(inside)), RARE * float(np.percentile(inside, 98))
    each = 1.4826 * np.median(np.abs(steps), axis=0)
    if own == 0 or not (each > 0).all():
        return []  # a drawing without noise: every end of a shape is a step
    found = []
    for k in np.flatnonzero(np.abs(whole) > max(BEYOND * own, rare)).tolist():
        line = k + 1
        if not (BESIDE <= line < n - BESIDE and clear[line - BESIDE : line + BESIDE].all()):
            continue
        sharp = float(max(abs(whole[k - 1]), abs(whole[k + 1])) / abs(whole[k]))
        if sharp > SHARP:
            continue
        agree = np.sign(steps[k]) == np.sign(whole[k])
        far = means[line : line + BESIDE].mean(axis=0) - means[line - BESIDE : line].mean(axis=0)
        stays = float(far.mean() / whole[k])
        alike = float(np.median(np.abs(steps[k] - whole[k])) / abs(whole[k]))
        if agree.all() and stays >= STAYS and alike < 0.5:
            evidence = {"step": float(whole[k]), "beyond": float(abs(whole[k]) / own), "sharp": sharp, "stays": stays}
            found.append((line, evidence))
    return found

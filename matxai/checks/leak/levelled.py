"""A donor's peak set into another spectrum on that one's own background: what a plain copy would leave is a step."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

BESIDE = 5
"""Points on either side of a peak that its background is drawn through."""


def levelled(own: npt.NDArray[Any], donor: npt.NDArray[Any], inside: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Return a spectrum's values with what a donor has above its background, run by run of ``inside``.

    Parameters
    ----------
    own, donor
        Shape ``(n,)`` or ``(n, c)``, on one axis.
    inside
        Where the peaks are, ``(n,)``. Outside of it nothing changes.
    """
    values = np.array(own, np.float64)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], inside.astype(np.int8), [0]])))
    for start, stop in edges.reshape(-1, 2).tolist():
        below = [_line(np.asarray(v, np.float64), start, stop) for v in (own, donor)]
        values[start:stop] = below[0] + (np.asarray(donor[start:stop], np.float64) - below[1])
    return values


def _line(values: npt.NDArray[np.float64], start: int, stop: int) -> npt.NDArray[np.float64]:
    """The line from the median before a run to the median behind it; level where the run lies at an end."""
    before, behind = values[max(start - BESIDE, 0) : start], values[stop : stop + BESIDE]
    if not len(before) and not len(behind):
        return np.zeros_like(values[start:stop])
    first = np.median(before if len(before) else behind, axis=0)
    last = np.median(behind if len(behind) else before, axis=0)
    left, right = start - (len(before) + 1) / 2, stop - 1 + (len(behind) + 1) / 2  # where these medians lie
    share = (np.arange(start, stop) - left) / (right - left)
    return np.asarray(first + (last - first) * share.reshape(-1, *(1,) * (values.ndim - 1)))

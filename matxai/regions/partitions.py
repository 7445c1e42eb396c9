"""Partitions of a signal into segments that belong together: superpixels of images and stacks, zones of spectra.

Arrays in, labels out: ``(*spatial)`` integers from 0, every one of them present. No masks of single things here.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from matxai.errors import RegionError, nearest

Labels = npt.NDArray[np.int64]
Borders = Literal["equal", "minima"]
BORDERS = ("equal", "minima")


def superpixels(values: npt.NDArray[Any], count: int, *, compactness: float = 0.1) -> Labels:
    """Return superpixels of an image ``(C, H, W)`` or a stack ``(C, D, H, W)`` by SLIC.

    Parameters
    ----------
    values
        Any range: each is scaled by the smallest and largest of all its values.
    count
        About how many superpixels; those that come out differ by a few.
    compactness
        How much nearness counts against likeness, on values from 0 to 1. Where noise lets segments fall to pieces,
        which then go to their neighbours, and fewer than half of ``count`` are left, it is taken ten times as high.

    Raises
    ------
    RegionError
        If there are not two or three spatial axes, or ``count`` or ``compactness`` is not positive.

    References
    ----------
    Achanta et al., IEEE TPAMI 34, 2274 (2012).
    """
    if values.ndim not in {3, 4}:
        msg = f"Superpixels need (C, H, W) or (C, D, H, W), not {values.shape}; spectra have zones."
        raise RegionError(msg)
    _check_count(count, int(np.prod(values.shape[1:])))
    if compactness <= 0:
        raise RegionError(f"The compactness of superpixels is {compactness:g}; it must be above 0, as 0.1.")
    from skimage.segmentation import slic

    low, high = float(values.min()), float(values.max())
    scaled = (np.moveaxis(values, 0, -1).astype(np.float64) - low) / ((high - low) or 1.0)
    options = {"n_segments": count, "convert2lab": False, "channel_axis": -1, "start_label": 0}
    for power in range(5):
        found = consecutive(slic(scaled, compactness=compactness * 10**power, **options))
        if 2 * (int(found.max()) + 1) >= count:
            break
    return found


def zones(values: npt.NDArray[Any], count: int, *, borders: Borders = "equal") -> Labels:
    """Return zones of a spectrum or waveform ``(C, L)``.

    Parameters
    ----------
    values
        Only its length matters for equal zones.
    count
        How many zones.
    borders
        ``equal``: zones of one length, as nearly as the pixels allow. ``minima``: each border between them is moved to
        the lowest point (of the mean over channels) within half a zone, so that peaks stay whole.

    Raises
    ------
    RegionError
        If there is not one spatial axis, or ``count`` or ``borders`` is wrong.
    """
    if values.ndim != 2:
        raise RegionError(f"Zones need (C, L), not {values.shape}; images have superpixels.")
    if borders not in BORDERS:
        raise RegionError(f"There are no borders '{borders}'. {nearest(str(borders), BORDERS)}")
    length = values.shape[1]
    _check_count(count, length)
    edges = np.arange(1, count) * length // count
    if borders == "minima":
        mean = values.mean(0)
        half = length / (2 * count)
        bounds = [(int(np.ceil(e - half)), max(int(np.ceil(e + half)), int(np.ceil(e - half)) + 1)) for e in edges]
        edges = np.array([max(a, 1) + int(np.argmin(mean[max(a, 1) : b])) for a, b in bounds], dtype=np.int64)
    return consecutive(np.searchsorted(edges, np.arange(length), side="right"))


def consecutive(labels: npt.NDArray[Any]) -> Labels:
    """Return the same partition with labels 0, 1, 2, ... in the order of the labels given."""
    return np.unique(labels, return_inverse=True)[1].reshape(labels.shape).astype(np.int64)


def _check_count(count: int, pixels: int) -> None:
    if isinstance(count, bool) or int(count) != count or not 1 <= count <= pixels:
        raise RegionError(
            f"There cannot be {count} segments in {pixels} pixels; give a whole number from 1 to {pixels}."
        )

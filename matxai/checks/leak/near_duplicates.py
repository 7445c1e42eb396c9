"""Signals that are nearly the same picture, which are one observation and not two."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.sparse.csgraph import connected_components

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import xarray as xr

    from matxai.regions import Boxed

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

THUMBNAIL = 32
SAME = 0.95
"""Correlation of two thumbnails from which on they show the same. The set's mean thumbnail is taken off first: what all
pictures of a set share (an illumination, a layout) makes no two of them the same."""


def thumbnail(signal: xr.DataArray, hidden: Sequence[Boxed] = ()) -> Floats | None:
    """Return the grey values of an image as ``(32, 32)`` means, artefacts left out; None for anything but an image.

    A bar or a label is alike in many images without making them near-duplicates: ``hidden`` takes the image's mean.
    """
    values = np.asarray(signal.values, np.float64)
    if "c" in signal.dims:
        values = values.mean(axis=signal.dims.index("c"))
    if values.ndim != 2 or min(values.shape) < 8 or not np.isfinite(values).all():
        return None
    mask = np.zeros(values.shape, bool)
    for region in hidden:
        mask[region.box] |= region.inside
    if mask.any() and not mask.all():
        values = np.where(mask, values[~mask].mean(), values)
    rows, columns = (np.linspace(0, n, THUMBNAIL + 1).astype(int) for n in values.shape)
    sums = np.zeros((values.shape[0] + 1, values.shape[1] + 1))
    sums[1:, 1:] = values.cumsum(0).cumsum(1)
    area = np.maximum(np.diff(rows), 1)[:, None] * np.maximum(np.diff(columns), 1)[None, :]
    corner = sums[np.ix_(rows, columns)]
    means = (corner[1:, 1:] - corner[:-1, 1:] - corner[1:, :-1] + corner[:-1, :-1]) / area
    if min(values.shape) < THUMBNAIL:
        means = ndimage.zoom(values, [THUMBNAIL / n for n in values.shape], order=1)
    return np.asarray(means)


def content_key(signal: xr.DataArray) -> bytes:
    """Return what is equal for signals of equal values."""
    values = np.ascontiguousarray(signal.values)
    return hashlib.blake2b(values.tobytes(), key=repr((values.shape, values.dtype.str)).encode()[:64]).digest()


def near_duplicates_together(groups: Ints, shown: Iterable[tuple[xr.DataArray, Sequence[Boxed]]]) -> tuple[Ints, int]:
    """Return the groups of signals with near-duplicates in one, and how many signals have one.

    Parameters
    ----------
    groups
        Number of each signal's group so far, ``(N,)``.
    shown
        Each signal with its artefacts' regions, which are no part of what it shows.
    """
    small, keys = [], []
    for signal, hidden in shown:
        small.append(thumbnail(signal, hidden))
        keys.append(content_key(signal))
    return merged(groups, small, keys)


def merged(groups: Ints, thumbnails: Sequence[Floats | None], keys: Sequence[bytes]) -> tuple[Ints, int]:
    """Return groups in which near-duplicates are together, and how many signals have a near-duplicate.

    Parameters
    ----------
    groups
        Number of each signal's group so far, ``(N,)``.
    thumbnails, keys
        As :func:`thumbnail` and :func:`content_key` return them. Signals of equal values are near-duplicates whatever
        they are; spectra of equal shape are not, since two samples of one phase have nearly the same one.

    Returns
    -------
    numpy.ndarray, int
        Numbers of groups from 0 without gaps.
    """
    n = len(groups)
    alike = np.zeros((n, n), bool)
    known = [k for k, small in enumerate(thumbnails) if small is not None]
    if len(known) > 1:
        flat = np.stack([_shape_of(thumbnails[k]) for k in known])
        flat -= flat.mean(axis=0)
        size = np.linalg.norm(flat, axis=1, keepdims=True)
        flat = flat / np.maximum(size, 1e-12)
        alike[np.ix_(known, known)] = (flat @ flat.T) > SAME
    same: dict[bytes, int] = {}
    for k, key in enumerate(keys):
        alike[k, same.setdefault(key, k)] = True
    np.fill_diagonal(alike, val=False)
    duplicated = int((alike | alike.T).any(axis=1).sum())
    numbers = np.unique(groups, return_inverse=True)[1].ravel()
    pairs = list(_pairs(numbers))
    if pairs:
        first, second = np.array(pairs).T
        alike[first, second] = True
    found = connected_components(alike, directed=False)[1]
    order: dict[int, int] = {}
    return np.array([order.setdefault(int(g), len(order)) for g in found], np.int64), duplicated


def _pairs(numbers: Ints) -> Iterable[tuple[int, int]]:
    """Each signal with the first one of its group."""
    first: dict[int, int] = {}
    for k, g in enumerate(numbers.tolist()):
        yield first.setdefault(g, k), k


def _shape_of(small: Any) -> Floats:
    """A thumbnail without its mean and spread."""
    flat = np.asarray(small, np.float64).ravel()
    flat = flat - flat.mean()
    return np.asarray(flat / max(float(np.linalg.norm(flat)), 1e-12))

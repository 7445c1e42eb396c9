"""Shares of relevance by zone, from maps and from redraws of the noise. Arrays in, records out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from matxai.checks.zones.records import ALL, Share

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]


def by_zone(values: Floats, labels: npt.NDArray[np.int64], count: int) -> Floats:
    """Return which part of a map's positive and of its negative sum lies in each zone.

    Parameters
    ----------
    values
        ``(L,)`` or ``(L, C)``; NaN where the network saw nothing.
    labels
        ``(L,)``: number of the zone of each point.
    count
        How many zones there are.

    Returns
    -------
    ndarray
        ``(2, count, C)``, positive first; NaN where the map has no value of that sign, and for a zone of which the
        network saw no point.
    """
    given = np.asarray(values, np.float64)
    given = given[:, None] if given.ndim == 1 else given
    known = np.nan_to_num(given)
    unread = np.bincount(labels, np.isfinite(given).any(axis=1), count) == 0
    found = np.zeros((2, count, known.shape[1]))
    for side, part in enumerate((np.clip(known, 0, None), np.clip(-known, 0, None))):
        for channel in range(known.shape[1]):
            found[side, :, channel] = np.bincount(labels, part[:, channel], count)
        whole = part.sum()
        found[side] = found[side] / whole if whole > 0 else np.nan
    found[:, unread] = np.nan
    return found


def shares(
    maps: Mapping[str, Floats], redrawn: Mapping[str, Sequence[Floats]], labels: npt.NDArray[np.int64], count: int
) -> list[tuple[Share, ...]]:
    """Return for each zone its shares: of every method with the error over redraws, and their mean over the methods.

    Parameters
    ----------
    maps
        By method, ``(L,)`` or ``(L, C)``.
    redrawn
        By method what :func:`by_zone` gave for each redraw; a method may be missing.
    labels, count
        As in :func:`by_zone`.
    """
    clean = {method: by_zone(values, labels, count) for method, values in maps.items()}
    found: list[list[Share]] = [[] for _ in range(count)]
    for method, parts in clean.items():
        draws = np.stack(redrawn[method]) if redrawn.get(method) else None
        several = parts.shape[2] > 1
        for zone in range(count):
            for channel in range(parts.shape[2]):
                errors = (None, None) if draws is None else _deviations(draws[:, :, zone, channel])
                found[zone].append(
                    Share(method, *_numbers(parts[:, zone, channel]), *errors, 0 if draws is None else len(draws),
                          channel if several else None)
                )  # fmt: skip
    for zone in range(count):
        together = np.stack([p[:, zone].sum(axis=1) for p in clean.values()]) if clean else np.zeros((0, 2))
        if len(together):
            found[zone].append(
                Share(ALL, *_numbers(_means(together)), *_deviations(together), len(together))
            )  # fmt: skip
    return [tuple(f) for f in found]


def _means(rows: Floats) -> Floats:
    known = np.isfinite(rows)
    return np.where(known.any(axis=0), np.where(known, rows, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1), np.nan)


def _deviations(rows: Floats) -> tuple[float | None, float | None]:
    """Standard deviation of each column, of those rows that know it; None below two."""
    columns = (c[np.isfinite(c)] for c in rows.T)
    first, second = (float(c.std(ddof=1)) if c.size > 1 else None for c in columns)
    return first, second


def _numbers(pair: Floats) -> tuple[float | None, float | None]:
    first, second = (float(v) if np.isfinite(v) else None for v in pair)
    return first, second

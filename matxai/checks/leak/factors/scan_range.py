"""Scan range: where a spectrum begins and ends. The operator's choice, never the specimen's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from matxai.checks.leak.factors import factors
from matxai.checks.leak.factors.assessing import Varying, assess
from matxai.checks.leak.factors.measured import looked_at
from matxai.checks.leak.factors.telling import BINS, codes_of

if TYPE_CHECKING:
    import numpy.typing as npt
    import xarray as xr

    from matxai.checks.leak.case import Case
    from matxai.checks.leak.records import Factor

    Floats = npt.NDArray[np.float64]

LONGEST = 0.25
"""So much of a spectrum may be added at either end, or twice that cut away; beyond, too much would be made up."""


@factors.register("scan_range")
def scan_range(case: Case) -> Factor | None:
    """Cut spectra to the range of the donor's; where they are shorter, go on with their own mirror image.

    Where a set has more than eight ranges, eight classes of their length stand for them.
    """
    looked = looked_at(case)
    if any(len(s) != 1 for s in looked.sizes):
        return None
    axes = [_axis(case.signals[n]) for n in looked.numbers]
    if any(a.size < 4 for a in axes):
        return None
    step = float(np.median([np.median(np.diff(a)) for a in axes]))
    ends = [(round(float(a[0]) / step), round(float(a[-1]) / step)) for a in axes]  # half a step is no difference
    few = len(set(ends)) <= BINS
    codes = codes_of(ends) if few else codes_of(np.array([float(b - a) for a, b in ends]))
    typical = []
    for k in range(int(codes.max()) + 1):
        own = [n for n, c in enumerate(codes) if c == k]
        middle = axes[sorted(own, key=lambda n: ends[n][1] - ends[n][0])[len(own) // 2]]
        typical.append((float(middle[0]), float(middle[-1])))

    def change(number: int, signal: xr.DataArray, level: int) -> xr.DataArray:  # noqa: ARG001
        return with_range(signal, *typical[level])

    possible = np.array([[_possible(a, *t) for t in typical] for a in axes], bool)
    words = tuple(f"{a:.6g} to {b:.6g}" for a, b in typical)
    return assess(case, "scan_range", Varying(looked.numbers, codes, codes, words, change, possible), specimen=False)


def _axis(signal: xr.DataArray) -> Floats:
    dim = next(d for d in signal.dims if d != "c")
    if dim not in signal.coords:
        return np.arange(signal.sizes[dim], dtype=np.float64)
    return np.asarray(signal[dim].values, np.float64)


def _possible(axis: Floats, start: float, stop: float) -> bool:
    length, step = axis[-1] - axis[0], (axis[-1] - axis[0]) / (axis.size - 1)
    if abs(start - axis[0]) <= step / 2 and abs(stop - axis[-1]) <= step / 2:
        return False
    added = max(axis[0] - start, stop - axis[-1]) <= LONGEST * length
    return bool(added and min(stop, axis[-1]) - max(start, axis[0]) >= (1 - 2 * LONGEST) * length)


def with_range(signal: xr.DataArray, start: float, stop: float) -> xr.DataArray:
    """Return a spectrum from ``start`` to ``stop``: cut there, or gone on with in its own steps by its mirror image."""
    import xarray as xr

    dim = next(str(d) for d in signal.dims if d != "c")
    axis = _axis(signal)
    step = float(axis[-1] - axis[0]) / (axis.size - 1)
    kept = np.flatnonzero((axis >= start - step / 2) & (axis <= stop + step / 2))
    short = signal.isel({dim: slice(int(kept[0]), int(kept[-1]) + 1)})
    own = axis[kept]
    before = max(int((own[0] - start) / step + 0.5), 0)
    after = max(int((stop - own[-1]) / step + 0.5), 0)
    if not before and not after:
        return short
    sides = [(before, after) if d == dim else (0, 0) for d in short.dims]
    grid = np.concatenate([own[0] - step * np.arange(before, 0, -1), own, own[-1] + step * np.arange(1, after + 1)])
    coords = {k: v for k, v in short.coords.items() if dim not in v.dims}
    attrs = signal[dim].attrs if dim in signal.coords else {}
    return xr.DataArray(
        np.pad(np.asarray(short.values), sides, mode="reflect"),
        dims=signal.dims,
        coords={**coords, dim: (dim, grid, attrs)},
        attrs=signal.attrs,
        name=signal.name,
    )

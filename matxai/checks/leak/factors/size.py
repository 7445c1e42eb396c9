"""Size: how many pixels a signal has along each axis. No specimen causes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from matxai.checks.leak.factors import factors
from matxai.checks.leak.factors.assessing import Varying, assess
from matxai.checks.leak.factors.changing import with_size
from matxai.checks.leak.factors.measured import looked_at
from matxai.checks.leak.factors.telling import BINS, codes_of

if TYPE_CHECKING:
    import xarray as xr

    from matxai.checks.leak.case import Case
    from matxai.checks.leak.records import Factor


@factors.register("size")
def size(case: Case) -> Factor | None:
    """Sample signals on as many pixels as the donor's has, their field of view kept.

    Where a set has more than eight sizes, eight classes of the number of pixels stand for them.
    """
    looked = looked_at(case)
    sizes = looked.sizes
    if len({len(s) for s in sizes}) > 1:
        return None  # images and stacks in one set: what differs is not their size
    few = len(set(sizes)) <= BINS
    codes = codes_of(sizes) if few else codes_of(np.array([float(np.prod(s)) for s in sizes]))
    typical = [_middle([s for s, c in zip(sizes, codes, strict=True) if c == k]) for k in range(int(codes.max()) + 1)]

    def change(number: int, signal: xr.DataArray, level: int) -> xr.DataArray:  # noqa: ARG001
        return with_size(signal, typical[level])

    possible = np.array([[s != t for t in typical] for s in sizes], bool)
    words = tuple(" x ".join(map(str, t)) for t in typical)
    return assess(case, "size", Varying(looked.numbers, codes, codes, words, change, possible), specimen=False)


def _middle(sizes: list[tuple[int, ...]]) -> tuple[int, ...]:
    return sorted(sizes, key=lambda s: int(np.prod(s)))[len(sizes) // 2]

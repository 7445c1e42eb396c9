"""Pixel size: how much of the specimen a pixel shows. No specimen causes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from matxai.checks.leak.factors import factors
from matxai.checks.leak.factors.assessing import Varying, assess
from matxai.checks.leak.factors.changing import magnified
from matxai.checks.leak.factors.measured import looked_at
from matxai.checks.leak.factors.telling import codes_of
from matxai.signals.units import convert, same_kind

if TYPE_CHECKING:
    import xarray as xr

    from matxai.checks.leak.case import Case
    from matxai.checks.leak.records import Factor

FARTHEST = 4.0
"""Beyond this ratio of pixel sizes nothing of the picture is left to magnify, or too much of it is made up."""
SAME = 0.01


@factors.register("pixel_size")
def pixel_size(case: Case) -> Factor | None:
    """Magnify signals about their centre until a pixel shows as much as in the donor's.

    Their number of pixels stays; what lies beyond the picture is its mirror image. Signals without calibration are a
    value of their own, and are left as they are. Sizes that agree to three digits are the same. None for spectra.
    """
    looked = looked_at(case)
    if all(len(s) == 1 for s in looked.sizes):
        return None  # a spectrum that is magnified has its peaks elsewhere; its points are asked for as size
    found = _in_one_unit(looked.steps)
    known = ~np.isnan(found)
    codes = np.zeros(len(found), np.int64)
    if known.any():
        codes[known] = 1 + codes_of(np.array([float(f"{v:.3g}") for v in found[known]]))
    middle = np.array([np.nan] + [float(np.median(found[codes == k])) for k in range(1, int(codes.max()) + 1)])
    own = dict(zip(looked.numbers.tolist(), found.tolist(), strict=True))

    def change(number: int, signal: xr.DataArray, level: int) -> xr.DataArray:
        return magnified(signal, own[number] / float(middle[level]))

    ratio = found[:, None] / middle[None, :]
    possible = (ratio <= FARTHEST) & (ratio >= 1 / FARTHEST) & (np.abs(ratio - 1) > SAME)
    words = ("not calibrated", *middle[1:].tolist())
    return assess(case, "pixel_size", Varying(looked.numbers, codes, codes, words, change, possible), specimen=False)


def _in_one_unit(steps: tuple[tuple[float, str] | None, ...]) -> npt.NDArray[np.float64]:
    """Return pixel sizes in the unit of the first; NaN where there is none, or one of another kind."""
    unit = next((s[1] for s in steps if s is not None), "")
    return np.array([convert(*s, unit) if s is not None and same_kind(s[1], unit) else np.nan for s in steps])

"""Instrument: on what a spectrum was measured, as the table of the set says. No specimen causes it.

What an instrument leaves in a spectrum is its response: the background below the peaks, and how strong all of it is.
(Where its scan begins and ends, and what a count is worth, are factors of their own.) The peaks are the specimen's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from matxai.checks.leak.factors import factors
from matxai.checks.leak.factors.assessing import Varying, assess
from matxai.checks.leak.factors.changing import grey_of, with_values
from matxai.checks.leak.factors.measured import looked_at
from matxai.checks.leak.factors.telling import codes_of

if TYPE_CHECKING:
    import numpy.typing as npt
    import xarray as xr

    from matxai.checks.leak.case import Case
    from matxai.checks.leak.records import Factor

    Floats = npt.NDArray[np.float64]

COLUMNS = ("instrument", "device", "spectrometer", "diffractometer", "microscope", "beamline", "laser", "laser_nm")
"""Columns of a set's table that name it; where there are several, they name it together."""
WIDEST = 0.05
"""Share of the axis beyond which a rise is background and no peak."""


@factors.register("instrument")
def instrument(case: Case) -> Factor | None:
    """Set a spectrum's peaks on the background of a spectrum from the donor's instrument. For spectra alone."""
    columns = [case.data.more[name] for name in COLUMNS if name in case.data.more]
    looked = looked_at(case)
    if not columns or any(len(s) != 1 for s in looked.sizes):
        return None
    named = [" ".join(column[int(n)] for column in columns).strip() for n in looked.numbers]
    words = list(dict.fromkeys(named))
    codes = codes_of(named)
    from_it = [looked.numbers[codes == k] for k in range(len(words))]

    def change(number: int, signal: xr.DataArray, level: int) -> xr.DataArray:
        rng = np.random.default_rng([case.seed, number, level])
        return on_background_of(signal, case.signals[int(rng.choice(from_it[level]))])

    possible = codes[:, None] != np.arange(len(words))[None, :]
    return assess(
        case, "instrument", Varying(looked.numbers, codes, codes, tuple(words), change, possible), specimen=False
    )


def on_background_of(signal: xr.DataArray, donor: xr.DataArray) -> xr.DataArray:
    """Return a spectrum's peaks on a donor's background, as high beside it as they were beside their own.

    The background is read on the spectrum's axis; beyond the donor's ends its outermost values go on.
    """
    own, (axis, other) = _background(grey_of(signal)), _axis_and_values(donor)
    at = _axis_and_values(signal)[0]
    below = np.interp(at, axis, _background(other))
    level, wanted = float(np.median(own)), float(np.median(below))
    ratio = wanted / level if level > 0 and wanted > 0 else 1.0
    values = np.asarray(signal.values, np.float64)
    shape = [-1 if d != "c" else 1 for d in signal.dims]
    return with_values(signal, (values - own.reshape(shape)) * ratio + below.reshape(shape))


def _axis_and_values(signal: xr.DataArray) -> tuple[Floats, Floats]:
    dim = next(d for d in signal.dims if d != "c")
    return np.asarray(signal[dim].values, np.float64), grey_of(signal)


def _background(curve: Floats) -> Floats:
    """What lies below all peaks: the opening with a window that none of them fills, smoothed."""
    from scipy import ndimage

    wide = max(int(WIDEST * curve.size), 3)
    return np.asarray(ndimage.uniform_filter1d(ndimage.grey_opening(curve, wide), wide))

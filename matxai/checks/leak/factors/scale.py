"""Scale: what one count is worth in a spectrum or waveform. A gain or a constant of normalisation, never the specimen.

How strong a signal is may well be of the specimen, and is asked for as brightness and contrast. How much noise it has
*for its strength* is not: counts have a variance as large as their mean, so that the ratio of both is what a count was
multiplied with; a waveform's quietest stretch is the noise of its sensor behind the amplifier.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from matxai.checks.leak.factors import factors
from matxai.checks.leak.factors.assessing import Varying, assess
from matxai.checks.leak.factors.changing import grey_of, with_values
from matxai.checks.leak.factors.measured import looked_at
from matxai.checks.leak.factors.measuring import is_counts
from matxai.checks.leak.factors.telling import codes_of

if TYPE_CHECKING:
    import numpy.typing as npt
    import xarray as xr

    from matxai.checks.leak.case import Case
    from matxai.checks.leak.records import Factor

    Floats = npt.NDArray[np.float64]

STRETCHES, FEWEST_POINTS = 32, 12
SAME = 1.5
"""Scales that differ by less are taken as one: so well they can be measured in some hundred points."""


@factors.register("scale")
def scale(case: Case) -> Factor | None:
    """Multiply every value until one count is worth what it is in the donor's. For spectra and waveforms alone."""
    looked = looked_at(case)
    if any(len(s) != 1 for s in looked.sizes):
        return None
    values = np.array([scale_of(grey_of(case.signals[n])) for n in looked.numbers])
    if not (values > 0).all():
        return None  # without noise nobody can say what a count is worth
    steps = np.round(np.log(values / np.median(values)) / np.log(SAME))
    codes = codes_of(steps)
    middle = np.array([float(np.median(values[codes == k])) for k in range(int(codes.max()) + 1)])
    own = dict(zip(looked.numbers.tolist(), values.tolist(), strict=True))

    def change(number: int, signal: xr.DataArray, level: int) -> xr.DataArray:
        return with_values(signal, np.asarray(signal.values, np.float64) * (float(middle[level]) / own[number]))

    ratio = middle[None, :] / values[:, None]
    possible = np.maximum(ratio, 1 / ratio) > SAME**0.5
    found = Varying(looked.numbers, codes, codes, tuple(middle.tolist()), change, possible)
    return assess(case, "scale", found, specimen=False)


def scale_of(curve: Floats) -> float:
    """Return what one count is worth in a curve ``(n,)``; of a waveform the noise of its quietest quarter.

    Stretch by stretch, the variance of the noise (from the median of second differences, which peaks do not move) over
    the median of the values; the median over the stretches. 0 where there is no noise.
    """
    count = min(STRETCHES, curve.size // FEWEST_POINTS)
    if count < 1 or not np.isfinite(curve).all():
        return 0.0
    parts = np.array_split(curve, count)
    noise = np.array([1.4826 * float(np.median(np.abs(np.diff(p, n=2)))) / np.sqrt(6) for p in parts])
    if not is_counts(curve):
        return float(np.quantile(noise, 0.25))
    level = np.array([float(np.median(p)) for p in parts])
    some = (level > 0) & (noise > 0)  # a stretch that was padded has no noise
    return float(np.median(noise[some] ** 2 / level[some])) if some.any() else 0.0

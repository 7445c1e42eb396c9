"""Contrast: the standard deviation of the grey values. The specimen may cause it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from matxai.checks.leak.factors import factors
from matxai.checks.leak.factors.assessing import assess
from matxai.checks.leak.factors.changing import grey_of, with_values
from matxai.checks.leak.factors.measured import varying

if TYPE_CHECKING:
    import xarray as xr

    from matxai.checks.leak.case import Case
    from matxai.checks.leak.records import Factor


@factors.register("contrast")
def contrast(case: Case) -> Factor | None:
    """Stretch every value about the mean until the deviation is the donor's."""
    return assess(case, "contrast", varying(case, "contrast", stretched, _possible), specimen=True)


def _possible(own: npt.NDArray[np.float64], wanted: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    return np.asarray((own > 0) & (own != wanted))


def stretched(signal: xr.DataArray, own: float, wanted: float, rng: np.random.Generator) -> xr.DataArray:  # noqa: ARG001
    """Return a signal with another deviation about the same mean."""
    values = np.asarray(signal.values, np.float64)
    mean = float(grey_of(signal).mean())
    return with_values(signal, mean + (values - mean) * (wanted / own))

"""Brightness: the mean grey value. The specimen may cause it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from matxai.checks.leak.factors import factors
from matxai.checks.leak.factors.assessing import assess
from matxai.checks.leak.factors.changing import grey_of, with_values
from matxai.checks.leak.factors.measured import varying
from matxai.checks.leak.factors.measuring import is_counts

if TYPE_CHECKING:
    import xarray as xr

    from matxai.checks.leak.case import Case
    from matxai.checks.leak.records import Factor


@factors.register("brightness")
def brightness(case: Case) -> Factor | None:
    """Shift every value until the mean is the donor's; what leaves the range of the file's type is clipped.

    Spectra are multiplied instead: a longer exposure gives more counts everywhere, and there are none below 0.
    """
    return assess(case, "brightness", varying(case, "brightness", shifted, np.not_equal), specimen=True)


def shifted(signal: xr.DataArray, own: float, wanted: float, rng: np.random.Generator) -> xr.DataArray:  # noqa: ARG001
    """Return a signal with another mean."""
    if is_counts(grey_of(signal)):
        return with_values(signal, np.asarray(signal.values, np.float64) * (wanted / own))
    return with_values(signal, np.asarray(signal.values, np.float64) + (wanted - own))

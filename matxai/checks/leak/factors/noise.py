"""Noise: the deviation of what no ramp and no edge explains. The specimen may cause it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from matxai.checks.leak.factors import factors
from matxai.checks.leak.factors.assessing import assess
from matxai.checks.leak.factors.changing import grey_of, with_values
from matxai.checks.leak.factors.measured import varying

if TYPE_CHECKING:
    import xarray as xr

    from matxai.checks.leak.case import Case
    from matxai.checks.leak.records import Factor


@factors.register("noise")
def noise(case: Case) -> Factor | None:
    """Add white noise until there is as much as in the donor's; a signal with more of it stays as it is."""
    return assess(case, "noise", varying(case, "noise", noisier, np.less), specimen=True)


def noisier(signal: xr.DataArray, own: float, wanted: float, rng: np.random.Generator) -> xr.DataArray:
    """Return a signal with white noise added, the same in all channels, so that its level becomes the wanted one."""
    shape = tuple(1 if d == "c" else n for d, n in zip(signal.dims, signal.shape, strict=True))
    unit = float(grey_of(signal).std()) if len(shape) - ("c" in signal.dims) == 1 else 1.0
    added = rng.normal(0.0, unit * np.sqrt(max(wanted**2 - own**2, 0.0)), shape)
    return with_values(signal, np.asarray(signal.values, np.float64) + added)

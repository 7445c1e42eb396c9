"""Focus: how much of the variance is fine detail. The specimen may cause it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from matxai.checks.leak.factors import factors
from matxai.checks.leak.factors.assessing import assess
from matxai.checks.leak.factors.changing import grey_of, with_values
from matxai.checks.leak.factors.measured import varying
from matxai.checks.leak.factors.measuring import blur_for, is_counts

if TYPE_CHECKING:
    import xarray as xr

    from matxai.checks.leak.case import Case
    from matxai.checks.leak.records import Factor

_SURELY = 0.95


@factors.register("focus")
def focus(case: Case) -> Factor | None:
    """Blur a signal until it is as soft as the donor's; one that is softer already stays: nothing makes it sharp.

    Not of waveforms: there, how much is fine detail is which frequencies there are, and these are what is measured.
    """
    if _waveform(case):
        return None
    return assess(case, "focus", varying(case, "focus", softened, _possible), specimen=True)


def _waveform(case: Case) -> bool:
    """Whether the signals are curves of both signs, judged by the one in the middle of the set."""
    grey = grey_of(case.signals[len(case.labels) // 2])
    return grey.ndim == 1 and not is_counts(grey)


def _possible(own: npt.NDArray[np.float64], wanted: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    return wanted < _SURELY * own


def softened(signal: xr.DataArray, own: float, wanted: float, rng: np.random.Generator) -> xr.DataArray:  # noqa: ARG001
    """Return a signal blurred by the Gaussian that brings its focus to the one that is wanted."""
    width = blur_for(grey_of(signal), wanted)
    widths = [0.0 if d == "c" else width for d in signal.dims]
    return with_values(signal, ndimage.gaussian_filter(np.asarray(signal.values, np.float64), widths))

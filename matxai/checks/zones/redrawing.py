"""The same signal with its noise drawn anew: counts by Poisson, anything else by a standard deviation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import RegionError
from matxai.regions.baseline_of_curve import noise_below_peaks

if TYPE_CHECKING:
    import numpy.typing as npt
    import xarray as xr

FEWEST = 50
"""Redraws from which an error is written down: fewer say too little of a standard deviation."""
SIGMA = ("sigma", "uncertainty", "error")
"""Names of coordinates that hold the standard deviation of each value, as readers give them."""


def sigma_of(signal: xr.DataArray) -> npt.NDArray[np.float64] | None:
    """Return the standard deviation that a signal's file gives for each value, None where it gives none."""
    for name in SIGMA:
        if name in signal.coords and signal.coords[name].shape == signal.shape[:1]:
            given = np.asarray(signal.coords[name].values, np.float64)
            if np.isfinite(given).all() and (given >= 0).all() and given.any():
                return given
    return None


def are_counts(values: npt.NDArray[Any]) -> bool:
    """Whether values are whole numbers of 0 or more."""
    return bool(np.isfinite(values).all() and (values >= 0).all() and (values == np.rint(values)).all())


def redraws(
    signal: xr.DataArray, count: int, seed: int, sigma: npt.NDArray[np.float64] | None = None
) -> tuple[npt.NDArray[Any], str]:
    """Return versions of a signal with noise drawn around its values, and which noise that is.

    Parameters
    ----------
    signal
        Dims ``(axis,)`` or ``(axis, c)``.
    count
        How many.
    seed
        Of the draws; version ``i`` draws from ``(seed, i)``, so that more of them begin with the same ones.
    sigma
        Standard deviation of each point ``(L,)``; by default the file's (a coordinate ``sigma``), else counts are drawn
        by Poisson, else it is taken from the curve.

    Returns
    -------
    tuple
        ``(count, *signal.shape)`` in floating point (whole numbers stay whole), and a word for the noise.

    Raises
    ------
    RegionError
        If ``sigma`` does not fit the signal.
    """
    values = np.asarray(signal.values, np.float64)
    given = sigma if sigma is not None else sigma_of(signal)
    kind = np.result_type(signal.dtype, np.float32) if signal.dtype.kind == "f" else np.dtype(np.float64)
    if given is None and are_counts(values) and values.max() > 1:
        drawn = [np.random.default_rng((seed, i)).poisson(values) for i in range(count)]
        whole = signal.dtype if signal.dtype.kind in "iu" else kind
        limit = np.iinfo(whole).max if signal.dtype.kind in "iu" else np.inf
        return np.stack([np.minimum(d, limit).astype(whole) for d in drawn]), "counting noise (Poisson)"
    if given is None:
        columns = values[:, None] if values.ndim == 1 else values
        deviation = np.stack([noise_below_peaks(c) for c in columns.T], axis=-1).reshape(values.shape)
        word = "noise as the curve itself shows"
    else:
        if given.shape != values.shape[:1]:
            msg = f"The noise of {values.shape[0]} points is as many numbers, not {given.shape}."
            raise RegionError(msg)
        deviation = given if values.ndim == 1 else given[:, None]
        word = "the standard deviation that is given"
    rows = [values + deviation * np.random.default_rng((seed, i)).standard_normal(values.shape) for i in range(count)]
    return np.stack(rows).astype(kind), word

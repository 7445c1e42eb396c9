"""The rigid shift of an axis, fitted to one peak whose true place is known: charging of a sample in XPS."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import SignalError
from matxai.signals.spectra.axes import KINDS

if TYPE_CHECKING:
    import numpy.typing as npt
    import xarray as xr

LEAST_POINTS = 8
LEAST_RATIO = 3.0
"""A peak whose height is less than this many of its own standard errors is none."""


@dataclass(frozen=True)
class PeakShift:
    """What moves a spectrum so that one peak lies where it belongs.

    Attributes
    ----------
    shift, uncertainty
        What is added to the axis, and its standard error from the fit (the reference's own error is not in it).
    position, reference
        Where the peak was found, and where it belongs.
    width
        Its full width at half maximum.
    unit
        Of all of them.
    axis
        The kind of axis.
    window
        Between which places it was fitted.
    points
        How many points that were.
    residual
        Root mean square of what the fit leaves, in units of the noise that it was weighted with (counts) or of the
        peak's height (other values).
    notes
        What to know beside.
    """

    shift: float
    uncertainty: float
    position: float
    reference: float
    width: float
    unit: str
    axis: str
    window: tuple[float, float]
    points: int
    residual: float
    notes: tuple[str, ...] = field(default=())

    @property
    def sentence(self) -> str:
        """The result in words."""
        return (
            f"The peak lies at {self.position:.3f} {self.unit} (width {self.width:.2f}) and belongs at "
            f"{self.reference:.3f}: {self.shift:+.3f} +- {self.uncertainty:.3f} {self.unit} is added to {self.axis}."
        )


def fit_shift(signal: xr.DataArray, reference: float, *, window: tuple[float, float] | None = None) -> PeakShift:
    """Return the shift that brings a measured peak to its reference position, with its uncertainty.

    A pseudo-Voigt profile on a straight background is fitted by least squares to the highest peak of the window. Counts
    are weighted by their Poisson errors; the standard error is scaled up by the scatter of the residuals where that is
    larger (reduced chi-square above 1), and taken from the scatter alone where the values are no counts.

    Parameters
    ----------
    signal
        One spectrum: one dim that is a known kind of axis. Kinetic energies are converted to binding energies first:
        a shift has the opposite sign there.
    reference
        Where the peak belongs, in the axis's unit: 284.8 for C 1s of adventitious carbon, which is a convention and
        itself uncertain by some 0.2 eV.
    window
        From where to where the peak is looked for; by default the whole signal.

    Raises
    ------
    SignalError
        If the signal is no single spectrum, the window holds too few points or no peak, or the reference is no number.
    """
    dim = _axis_of(signal)
    if not np.isfinite(reference):
        msg = f"the reference position is {reference!r}; it is a finite number in the unit of {dim}"
        raise SignalError(msg)
    places = np.asarray(signal[dim].values, float)
    values = np.asarray(signal.values, float)
    low, high = (float(places[0]), float(places[-1])) if window is None else (float(min(window)), float(max(window)))
    inside = (places >= low) & (places <= high) & np.isfinite(values)
    unit = str(signal[dim].attrs.get("units") or KINDS[dim].unit)
    if inside.sum() < LEAST_POINTS:
        msg = (
            f"the window {low:g} to {high:g} {unit} holds {int(inside.sum())} points of a {dim} axis from "
            f"{places[0]:g} to {places[-1]:g}; a peak is fitted to {LEAST_POINTS} at least"
        )
        raise SignalError(msg)
    x, y = places[inside], values[inside]
    counts = bool(np.all(y >= 0) and np.allclose(y, np.round(y)) and y.max() > 1)
    found, errors, residual = _fitted(x, y, np.sqrt(np.maximum(y, 1)) if counts else None)
    height, centre, width = found[0], found[1], abs(found[2])
    if not (height > LEAST_RATIO * errors[0] and x[0] < centre < x[-1] and width < x[-1] - x[0]):
        msg = (
            f"no peak stands out between {x[0]:g} and {x[-1]:g} {unit}; give a window= that holds the one peak whose "
            f"position is {reference:g}"
        )
        raise SignalError(msg)
    notes = () if counts else ("the values are no counts: the uncertainty is from the scatter about the fit alone",)
    return PeakShift(
        shift=float(reference - centre),
        uncertainty=float(errors[1]),
        position=float(centre),
        reference=float(reference),
        width=float(width),
        unit=unit,
        axis=dim,
        window=(float(x[0]), float(x[-1])),
        points=len(x),
        residual=float(residual if counts else residual / height),
        notes=notes,
    )


def _axis_of(signal: xr.DataArray) -> str:
    dims = [str(d) for d in signal.dims]
    if len(dims) != 1:
        msg = f"a shift is fitted to one spectrum; this signal has the dims {tuple(dims)}: take one with isel(sample=0)"
        raise SignalError(msg)
    if dims[0] == "kinetic_energy":
        msg = "on kinetic_energy a shift has the opposite sign; convert_axis it to 'binding_energy' first"
        raise SignalError(msg)
    if dims[0] not in KINDS:
        msg = f"the axis '{dims[0]}' is of no known kind, so that no peak has a reference position on it"
        raise SignalError(msg)
    return dims[0]


def pseudo_voigt(
    x: npt.NDArray[np.float64], height: float, centre: float, width: float, mixing: float
) -> npt.NDArray[np.float64]:
    """Return a sum of Lorentzian (share ``mixing``) and Gaussian of one height and full width at half maximum."""
    u = ((x - centre) / width) ** 2
    profile: npt.NDArray[np.float64] = height * (mixing / (1 + 4 * u) + (1 - mixing) * np.exp(-4 * np.log(2) * u))
    return profile


def _model(x: Any, height: float, centre: float, width: float, mixing: float, level: float, slope: float) -> Any:
    return pseudo_voigt(x, height, centre, width, mixing) + level + slope * (x - x[0])


def _fitted(
    x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], sigma: npt.NDArray[np.float64] | None
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], float]:
    """Return parameters, their standard errors, and the weighted root mean square of the residuals."""
    from scipy.optimize import curve_fit

    line = y[0] + (y[-1] - y[0]) / (x[-1] - x[0]) * (x - x[0])
    at = int(np.argmax(y - line))
    height = max(float((y - line)[at]), float(np.ptp(y)) * 1e-3, 1e-30)
    above = float(np.sum((y - line) > height / 2)) * (x[-1] - x[0]) / len(x)
    span = float(x[-1] - x[0])
    step = float(np.min(np.diff(x)))
    start = [height, x[at], float(np.clip(above, step, span)), 0.3, float(y[0]), (y[-1] - y[0]) / span]
    bounds = ([0, x[0] - span, step / 4, 0, -np.inf, -np.inf], [np.inf, x[-1] + span, 2 * span, 1, np.inf, np.inf])
    try:
        found, covariance = curve_fit(
            _model, x, y, p0=start, sigma=sigma, absolute_sigma=sigma is not None, bounds=bounds, maxfev=20_000
        )
    except (RuntimeError, ValueError) as error:
        msg = f"no peak could be fitted between {x[0]:g} and {x[-1]:g}; give a window= that holds one peak"
        raise SignalError(msg) from error
    left = (y - _model(x, *found)) / (1.0 if sigma is None else sigma)
    scatter = float(np.sqrt(np.sum(left**2) / max(len(x) - len(found), 1)))
    errors = np.sqrt(np.diag(covariance)) * (1.0 if sigma is None else max(scatter, 1.0))
    return found, errors, scatter

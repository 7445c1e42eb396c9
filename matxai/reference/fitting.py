"""The bounded fit of a shift model to pairs of lines and peaks, with what the pairs cannot tell apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from matxai.reference.shift_models import Parameter, ShiftModel

    Curve = npt.NDArray[np.float64]

SAME = 0.98
"""Correlation from which two parameters are said not to be told apart."""
PRIOR = 0.5
"""Standard deviation, in bounds, with which every parameter is expected at zero before the peaks speak."""
LEAST_SPREAD = 1e-3
"""Of the expected error: positions without any scatter (made ones) still have this much."""


@dataclass(frozen=True)
class Fitted:
    """One fitted parameter.

    Attributes
    ----------
    parameter
        What it is.
    value
        In its unit.
    uncertainty
        One standard deviation; half the bound where the peaks do not determine it.
    at_bound
        Whether it ran into its bound: then it is no result.
    """

    parameter: Parameter
    value: float
    uncertainty: float
    at_bound: bool


@dataclass(frozen=True)
class Fit:
    """What a fit found.

    Attributes
    ----------
    values
        Shape ``(p,)``.
    fitted
        Each parameter with its uncertainty.
    correlation
        Shape ``(p, p)``.
    condition
        Of the normal equations' root, parameters in units of their bounds; large is degenerate.
    spread
        Root mean square of the differences that are left, on the axis.
    shift_uncertainty
        Standard deviation of where the model puts a line (the median over the pairs): known even where the parts of the
        shift are not.
    """

    values: Curve
    fitted: tuple[Fitted, ...]
    correlation: Curve
    condition: float
    spread: float
    shift_uncertainty: float

    def same(self) -> list[tuple[tuple[str, ...], float]]:
        """Return the groups of parameters that cannot be told apart, with their largest correlation in magnitude."""
        names = [f.parameter.name for f in self.fitted]
        left, groups = list(range(len(names))), []
        while left:
            group, reached = [], [left.pop(0)]
            while reached:
                one = reached.pop(0)
                group.append(one)
                near = [j for j in left if abs(self.correlation[one, j]) >= SAME]
                reached += near
                left = [j for j in left if j not in near]
            if len(group) > 1:
                pairs = [abs(self.correlation[i, j]) for i in group for j in group if i < j]
                groups.append((tuple(names[i] for i in sorted(group)), float(max(pairs))))
        return groups


def fit(
    model: ShiftModel,
    phases: npt.NDArray[np.int64],
    lines: npt.NDArray[np.int64],
    measured: Curve,
    uncertainties: Curve | None,
    start: Curve,
    expected_error: float,
) -> Fit:
    """Return the parameters that bring lines onto their peaks.

    Every parameter is expected at zero with a standard deviation of half its bound: where the peaks determine it that
    does not matter, where they do not it keeps what cannot be told apart from running off in opposite directions.
    Correlations and condition are those of the peaks alone.

    Parameters
    ----------
    model
        What may change.
    phases, lines, measured
        The pairs: reference, line in it, position of the peak; shape ``(n,)``.
    uncertainties
        Of the positions, shape ``(n,)``; where they are None the spread of the differences is taken for it.
    start
        Shape ``(p,)``.
    expected_error
        Where uncertainties are None: differences well beyond it are outliers at first; then their own spread is taken.
    """

    def residual(values: Curve) -> Curve:
        places = model.lines(values)
        return np.array([places[p][j] for p, j in zip(phases, lines, strict=True)]) - measured

    sigma = np.full(len(measured), expected_error) if uncertainties is None else np.maximum(uncertainties, 1e-9)
    values = _minimum(residual, sigma, model.bounds, start)
    freedom = max(len(measured) - len(values), 1)
    spread = float(np.sqrt(np.sum(residual(values) ** 2) / freedom))
    if uncertainties is None:
        sigma = np.full(len(measured), max(spread, LEAST_SPREAD * expected_error))
    else:
        left = residual(values) / sigma
        sigma = sigma * max(1.0, float(np.sqrt(left @ left / freedom)))
    values = _minimum(residual, sigma, model.bounds, values)
    slopes = _slopes(residual, values, model.bounds) / sigma[:, None]  # per bound
    correlation, condition = _told_apart(slopes)
    covariance = np.linalg.inv(slopes.T @ slopes + np.eye(len(values)) / PRIOR**2)
    together = np.sqrt(np.einsum("ni,ij,nj->n", slopes, covariance, slopes)) * sigma
    deviations = np.sqrt(np.diag(covariance)) * model.bounds
    return Fit(
        values,
        tuple(
            Fitted(p, float(v), float(d), bool(abs(v) > 0.995 * p.bound))
            for p, v, d in zip(model.parameters, values, deviations, strict=True)
        ),
        correlation,
        condition,
        spread,
        float(np.median(together)),
    )


def _minimum(residual: Callable[[Curve], Curve], sigma: Curve, bounds: Curve, start: Curve) -> Curve:
    """The bounded minimum of robust differences and of the parameters' own pull to zero."""
    from scipy.optimize import least_squares

    def both(values: Curve) -> Curve:
        left = residual(values) / sigma
        robust = np.sign(left) * np.sqrt(2 * (np.sqrt(1 + left**2) - 1))  # soft L1: its square grows linearly
        return np.concatenate([robust, values / (PRIOR * bounds)])

    inside = np.clip(start, -0.999 * bounds, 0.999 * bounds)
    found = least_squares(both, inside, bounds=(-bounds, bounds), x_scale=bounds, method="trf")
    return np.asarray(found.x, float)


def _slopes(residual: Callable[[Curve], Curve], values: Curve, bounds: Curve) -> Curve:
    """Derivatives by central differences, for steps of the parameters in units of their bounds."""
    columns = []
    for i, bound in enumerate(bounds):
        step = np.zeros(len(values))
        step[i] = 1e-4 * bound
        columns.append((residual(values + step) - residual(values - step)) / 2e-4)
    return np.stack(columns, axis=1)


def _told_apart(slopes: Curve) -> tuple[Curve, float]:
    """Correlations of the parameters as the peaks alone know them, and the condition of that."""
    _, singular, rows = np.linalg.svd(slopes, full_matrices=False)
    largest, smallest = float(singular.max()), float(singular.min())
    safe = np.maximum(singular, 1e-9 * largest)
    covariance = (rows.T / safe**2) @ rows
    root = np.sqrt(np.diag(covariance))
    correlation = np.clip(covariance / np.outer(root, root), -1, 1)
    return np.asarray(correlation, float), largest / smallest if smallest > 0 else float("inf")

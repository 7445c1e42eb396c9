"""Peaks as a match takes them: positions in ascending order, on the axis that shifts are fitted on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from matxai.errors import MatxaiError

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    Curve = npt.NDArray[np.float64]


@dataclass(frozen=True)
class PeakList:
    """Measured peaks.

    Attributes
    ----------
    positions
        Ascending, shape ``(n,)``.
    given
        The same peaks as they came, on their own axis.
    widths, heights, uncertainties
        Of each peak, or None.
    measured
        The range of the measurement.
    """

    positions: Curve
    given: Curve  # as they came, on their own axis
    widths: Curve | None
    heights: Curve | None
    uncertainties: Curve | None
    measured: tuple[float, float]

    @staticmethod
    def of(
        positions: npt.ArrayLike,
        widths: npt.ArrayLike | None,
        heights: npt.ArrayLike | None,
        uncertainties: npt.ArrayLike | None,
        measured: tuple[float, float] | None,
    ) -> PeakList:
        """Check what the caller handed in, and bring it in order."""
        places = np.asarray(positions, float)
        if places.ndim != 1 or not len(places) or not np.isfinite(places).all():
            msg = f"Peaks are a list of finite positions, at least one; got shape {places.shape}."
            raise MatxaiError(msg)
        order = np.argsort(places, kind="stable")
        beside: dict[str, Curve | None] = {}
        for name, values in (("widths", widths), ("heights", heights), ("uncertainties", uncertainties)):
            column = None if values is None else np.asarray(values, float)
            if column is not None and (column.shape != places.shape or not (column > 0).all()):
                msg = f"{name} must be {len(places)} positive numbers, one for each peak; got shape {column.shape}."
                raise MatxaiError(msg)
            beside[name] = None if column is None else column[order]
        low, high = (float(places.min()), float(places.max())) if measured is None else measured
        if low > places.min() or high < places.max():
            msg = f"The measured range {low:g} to {high:g} leaves out peaks ({places.min():g} to {places.max():g})."
            raise MatxaiError(msg)
        return PeakList(
            places[order], places[order], beside["widths"], beside["heights"], beside["uncertainties"], (low, high)
        )

    def on(self, to_axis: Callable[[Curve], Curve], add: float) -> PeakList:
        """Taken to the axis that shifts are fitted on: two-theta for d and q."""
        ends = np.array([*self.positions, *self.measured])
        moved = to_axis(ends) + add
        slope = np.abs(to_axis(self.positions * (1 + 1e-6)) - to_axis(self.positions)) / (
            self.positions * 1e-6 + 1e-300
        )
        low, high = sorted(moved[-2:])
        order = np.argsort(moved[:-2], kind="stable")

        def turned(column: Curve | None, stretch: Curve | None = None) -> Curve | None:
            if column is None:
                return None
            return np.asarray((column if stretch is None else column * stretch)[order], float)

        return PeakList(
            moved[:-2][order],
            self.given[order],
            turned(self.widths, slope),
            turned(self.heights),
            turned(self.uncertainties, slope),
            (float(low), float(high)),
        )

    @property
    def weights(self) -> Curve:
        """Of each peak in the search: the root of its height."""
        return np.ones(len(self.positions)) if self.heights is None else np.sqrt(self.heights)

    def windows(self, tolerance: float) -> Curve:
        """How far a line may lie from each peak."""
        wide = np.full(len(self.positions), tolerance)
        if self.widths is not None:
            wide = np.maximum(wide, self.widths / 2)
        if self.uncertainties is not None:
            wide = np.hypot(wide, 3 * self.uncertainties)
        return wide

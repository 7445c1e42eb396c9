"""How a curve is drawn: intensity scale, axes, what part of it, which reference sticks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from matxai.errors import ExplanationError, nearest

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    from matplotlib.axes import Axes

    from matxai.reference import ReferenceLines
    from matxai.report.reading import Array

INTENSITIES = ("linear", "sqrt", "log")


@dataclass(frozen=True)
class CurveStyle:
    """How the plot of a spectrum looks.

    Attributes
    ----------
    intensity
        Scale of the intensities: ``linear``, ``sqrt`` (counts have the same noise everywhere on it) or ``log``.
    axis
        The axis to draw along in the place of the measured one: ``q``, ``d_spacing``, ``binding_energy``,
        ``relative_energy``; by default as measured.
    second_axis
        Another axis along the upper edge, likewise.
    reference
        Lines that physics expects, drawn as sticks with their labels below the curve; those of another axis or
        wavelength are moved to this one.
    span
        First and last place that are drawn, on the axis of the plot; all by default.
    offset
        Distance between stacked curves as a share of the tallest one's height.

    Raises
    ------
    ExplanationError
        If the scale is unknown, the offset is negative, or the span is empty.
    """

    intensity: str = "linear"
    axis: str | None = None
    second_axis: str | None = None
    reference: Sequence[ReferenceLines] = ()
    span: tuple[float, float] | None = None
    offset: float = 0.6

    def __post_init__(self) -> None:
        if self.intensity not in INTENSITIES:
            near = nearest(self.intensity, INTENSITIES, label="There are")
            raise ExplanationError(f"There is no intensity scale '{self.intensity}'. {near}")
        if not np.isfinite(self.offset) or self.offset < 0:
            raise ExplanationError(f"The offset of stacked curves is 0 or more, and not {self.offset:g}.")
        if self.span is not None and not self.span[0] < self.span[1]:
            low, high = self.span
            raise ExplanationError(f"The part to be drawn must begin below its end, and {low:g} to {high:g} does not.")


def scale_intensity(ax: Axes, values: Array, intensity: str) -> None:
    """Give the vertical axis its scale and limits, so that the curve and a little air above it are seen.

    On a logarithmic scale what is zero or negative lies on the lower edge: half of the smallest positive value.
    """
    finite = values[np.isfinite(values)]
    if not finite.size:
        return
    low, high = float(finite.min()), float(finite.max())
    if intensity == "log":
        positive = finite[finite > 0]
        if not positive.size:
            raise ExplanationError("A logarithmic scale needs intensities above zero, and this curve has none.")
        floor = max(float(positive.min()) / 2.0, high * 1e-7)
        ax.set_yscale("log", nonpositive="clip")
        ax.set_ylim(floor, high * (high / floor) ** 0.06)
    elif intensity == "sqrt":
        ax.set_yscale("function", functions=(_signed_root, _signed_square))
        ax.set_ylim(min(low, 0.0) if low < 0 else low * 0.9, high * 1.12)
    else:
        room = 0.06 * (high - low or abs(high) or 1.0)
        ax.set_ylim(low - room, high + room)


def on_scale(values: Array, intensity: str, inside: npt.NDArray[np.bool_] | None = None) -> Array:
    """Return intensities as they stand on their scale: themselves, their signed square root, or their logarithm.

    On a logarithmic scale what is zero or negative lies at half of the smallest positive value.

    Parameters
    ----------
    values
        Of any shape.
    intensity
        As `CurveStyle` has it.
    inside
        Which of them are drawn, a mask of the same shape; by default all.

    Raises
    ------
    ExplanationError
        If the scale is logarithmic and none of those drawn is above zero.
    """
    if intensity == "log":
        positive = values[(values > 0) if inside is None else (inside & (values > 0))]
        if not positive.size:
            raise ExplanationError("A logarithmic scale needs intensities above zero, and one curve has none.")
        return np.asarray(np.log10(np.maximum(values, positive.min() / 2.0)))
    return _signed_root(values) if intensity == "sqrt" else values


def _signed_root(values: Array) -> Array:
    return np.sign(values) * np.sqrt(np.abs(values))


def _signed_square(values: Array) -> Array:
    return np.sign(values) * np.square(values)

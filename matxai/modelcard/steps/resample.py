"""The step that brings a spectrum to the axis on which a network was trained: units, wavelength, what is missing."""

# ruff: noqa: D102 - what `run` and `bounds` do is said once, at Step

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from scipy import sparse

from matxai.modelcard.axis_map import AxisMap
from matxai.modelcard.placement import Moved
from matxai.modelcard.step import Step, steps

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from matxai.modelcard.step import About, Bounds

    Floats = NDArray[np.float64]

OUTSIDE = ("error", "edge", "zero")
READ = ("linear", "average")
# Wavelengths of one emission line differ by this between sources: Cu K-alpha1 1.54056, K-alpha 1.54184 angstrom.
SAME_LINE = 2e-3


@steps.register("resample")
@dataclass(frozen=True, kw_only=True)
class Resample(Step):
    """Read the spectrum at ``points`` equal steps from ``start`` to ``stop`` (both included; descending is right too).

    ``units`` are those of start and stop, and are converted. ``read`` is ``linear`` between the two points beside (what
    ``numpy.interp`` does, and most training scripts), or the ``average`` with a triangle as wide as the model's step on
    either side, which uses every measured point where the measurement is finer and is ``linear`` where it is not. What
    the measurement does not cover is an ``error``, or by ``outside`` its ``edge`` value or ``zero``.

    ``wavelength`` (angstrom) is that of the patterns which the network was trained on. A pattern of another wavelength
    is an error, unless ``convert`` asks to read it where the same planes reflect: by Bragg's law,
    ``sin(theta_measured) = wavelength_measured / wavelength * sin(theta)``.
    """

    name: ClassVar[str] = "resample"
    axes: ClassVar[tuple[int, ...]] = (1,)
    start: float
    stop: float
    points: int
    axis: str = ""
    units: str = ""
    outside: str = "error"
    read: str = "linear"
    wavelength: float | None = None
    convert: bool = False

    def __post_init__(self) -> None:
        self.number("start")
        self.number("stop")
        self.number("points", low=2, whole=True)
        self.choice("outside", OUTSIDE)
        self.choice("read", READ)
        self.flag("convert")
        if self.wavelength is not None:
            self.number("wavelength", low=1e-6)
        if self.start == self.stop:
            raise self.refuse(f"has start and stop both at {self.start:g}.")
        if self.convert and self.wavelength is None:
            raise self.refuse("has 'convert' without 'wavelength', the one that patterns are converted to.")

    def run(self, x: torch.Tensor, about: About) -> tuple[torch.Tensor, Moved]:
        dim, coord = about.dims[0], about.coords[0]
        if self.axis and dim not in (self.axis, "axis"):
            raise self.unfit(about, f"its axis is '{dim}', and the model takes '{self.axis}'.")
        if self.axis and dim != self.axis:
            about.notes.append(f"The axis of {about.name} has no name; it was taken as the model's '{self.axis}'.")
        if coord.size < 2 or np.any(np.diff(coord) <= 0):
            raise self.unfit(about, f"its coordinate '{dim}' does not ascend.")
        grid = np.linspace(self.start, self.stop, self.points)
        there = self._on_measured(grid, about)
        beyond = self._beyond(there, coord, about)
        positions = _positions(there, coord)
        weights = _linear(positions, coord.size) if self.read == "linear" else _averaging(there, coord)
        if beyond.any() and self.outside == "zero":
            weights = sparse.diags(np.where(beyond, 0.0, 1.0)) @ weights
        place = AxisMap(weights.tocsr(), positions)
        self._tell(about, coord, beyond)
        return place.forward(x, 2), Moved({0: place}, coords={0: grid}, units={0: self.units or about.units[0]})

    def _on_measured(self, grid: Floats, about: About) -> Floats:
        """Return where the model's points lie on the measured axis, in its unit; NaN where no angle reflects so."""
        there = grid * self._factor(self.units, about.units[0], about)
        if self.wavelength is None:
            return np.asarray(there)
        measured = about.attrs.get("wavelength")
        if not isinstance(measured, int | float | np.number) or not measured > 0:
            about.notes.append(
                f"{about.name} names no wavelength; it was taken as the model's {self.wavelength:g} angstrom."
            )
            return np.asarray(there)
        ratio = float(measured) / self.wavelength
        if abs(ratio - 1) <= SAME_LINE:
            if abs(ratio - 1) > 1e-5:
                about.notes.append(
                    f"{about.name} names the wavelength {float(measured):g} angstrom and the model was trained at "
                    f"{self.wavelength:g}: the same line, left where it is."
                )
            return np.asarray(there)
        if not self.convert:
            raise self.unfit(
                about,
                f"it was measured at {float(measured):g} angstrom, and the model was trained at {self.wavelength:g} "
                "angstrom, where the same planes reflect at other angles; if it should be converted by Bragg's law, "
                "give the card's axis 'convert: true'.",
            )
        about.notes.append(
            f"{about.name} was measured at {float(measured):g} angstrom and read where the same planes reflect at the "
            f"model's {self.wavelength:g}; widths and intensities are those of the measurement."
        )
        radian = self._factor(about.units[0] or "degree", "radian", about)
        sine = ratio * np.sin(there * radian / 2)
        with np.errstate(invalid="ignore"):
            return np.asarray(2 * np.arcsin(np.where(np.abs(sine) <= 1, sine, np.nan)) / radian)

    def _factor(self, have: str, want: str, about: About) -> float:
        if not have or not want or have == want:
            return 1.0
        import pint

        try:
            return float(pint.get_application_registry().Quantity(1.0, have).to(want).magnitude)
        except (pint.PintError, AttributeError, ValueError) as error:
            raise self.unfit(about, f"its axis is in '{want}', and the model's '{have}' is no such unit.") from error

    def _beyond(self, there: Floats, coord: Floats, about: About) -> NDArray[np.bool_]:
        """Return which of the model's points the measurement does not cover; refuse them where the card does."""
        low, high = float(coord[0]), float(coord[-1])
        # half a point beyond the ends is what a pixel at the end covers
        slack = 0.5 * float(np.min(np.diff(coord)[[0, -1]]))
        below, above = there < low - slack, ~(there <= high + slack)  # NaN lies above: no angle is large enough
        missing = int((below | above).sum())
        if not missing or self.outside != "error":
            return np.asarray(below | above)
        unit = f" {about.units[0]}" if about.units[0] else ""
        first, last = np.nanmin(there), np.nanmax(there)
        parts = [f"{first:g} to {min(low, last):g}"] * bool(below.any())
        parts += [f"{max(high, first):g} to {last:g}"] * bool((there > high + slack).any())
        parts += ["what no angle reflects at this wavelength"] * bool(np.isnan(there).any())
        raise self.unfit(
            about,
            f"it covers {low:g} to {high:g}{unit}, and the model takes {first:g} to {last:g}{unit}: "
            f"{' and '.join(parts)}{unit} is missing ({missing} of {self.points} points); if the model was trained so, "
            "give the card's axis 'outside: edge' or 'outside: zero'.",
        )

    def _tell(self, about: About, coord: Floats, beyond: NDArray[np.bool_]) -> None:
        have, unit = (f" {u}" if u else "" for u in (about.units[0], self.units or about.units[0]))
        filled = int(beyond.sum())
        note = (
            f"{about.name} was resampled from {coord.size} points over {coord[0]:g} to {coord[-1]:g}{have} to "
            f"{self.points} points over {self.start:g} to {self.stop:g}{unit}, "
            f"{'linearly' if self.read == 'linear' else 'by averages'}"
        )
        if filled:
            what = "its outermost value" if self.outside == "edge" else "zeros"
            note += f"; {filled} points that it does not cover were filled with {what}, as the card says"
        about.notes.append(f"{note}.")

    def bounds(self, bounds: Bounds | None) -> Bounds | None:
        if bounds is None or self.outside != "zero":
            return bounds
        return tuple(min(v, 0.0) for v in bounds[0]), tuple(max(v, 0.0) for v in bounds[1])

    def options(self) -> dict[str, Any]:
        found = super().options()
        return {k: v for k, v in found.items() if v is not None}


def _positions(there: Floats, coord: Floats) -> Floats:
    """Return places on the measured axis as fractional points of it; beyond its ends the step goes on."""
    last = coord[-1] + (coord[-1] - coord[-2]) * np.arange(1, there.size + 1)
    wanted = np.where(np.isnan(there), last, there)
    right = np.clip(np.searchsorted(coord, wanted), 1, coord.size - 1)
    return np.asarray(right - 1 + (wanted - coord[right - 1]) / (coord[right] - coord[right - 1]))


def _linear(positions: Floats, size: int) -> Any:
    """Return the sparse matrix (out, size) that reads between the two points beside; the outermost value goes on."""
    left = np.clip(np.floor(positions).astype(int), 0, size - 2)
    share = np.clip(positions - left, 0.0, 1.0)
    rows = np.tile(np.arange(positions.size), 2)
    entries = np.concatenate([1 - share, share])
    matrix = sparse.csr_matrix((entries, (rows, np.concatenate([left, left + 1]))), shape=(positions.size, size))
    matrix.eliminate_zeros()
    return matrix


def _averaging(there: Floats, coord: Floats) -> Any:
    """Return the sparse matrix (out, in) of weighted means with a triangle as wide as the coarser of the two steps.

    The measured points weigh by the stretch of axis that each stands for, so that an uneven axis changes no level.
    """
    at = np.clip(np.where(np.isnan(there), coord[-1], there), coord[0], coord[-1])
    right = np.clip(np.searchsorted(coord, at), 1, coord.size - 1)
    half = np.maximum(np.abs(np.gradient(at)), coord[right] - coord[right - 1])
    first, stop = np.searchsorted(coord, at - half, side="right"), np.searchsorted(coord, at + half, side="left")
    count = stop - first
    rows = np.repeat(np.arange(at.size), count)
    cols = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count) + np.repeat(first, count)
    entries = (1 - np.abs(coord[cols] - at[rows]) / half[rows]) * np.gradient(coord)[cols]
    total = np.bincount(rows, entries, minlength=at.size)
    return sparse.csr_matrix((entries / total[rows], (rows, cols)), shape=(at.size, coord.size))

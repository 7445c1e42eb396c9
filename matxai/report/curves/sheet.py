"""What plots of curves share: panels one below the other in millimetres, coloured curves, bars, sticks and ticks."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import ExplanationError
from matxai.report import drawing
from matxai.report.colours import map_colours
from matxai.report.curves.along import Along, sticks_on
from matxai.report.curves.sticks import COLOURS, draw_sticks, height_of
from matxai.report.layout import MM

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from matxai.reference import ReferenceLines
    from matxai.report.colours import Limits
    from matxai.report.reading import Array, Panel

LEFT, RIGHT = 24.0, 19.0
TOP, SECOND, BOTTOM, GAP = 2.5, 8.5, 10.0, 1.2
LEAST = 30.0
"""Millimetres: margins, the second axis, the room between panels, the least width of a panel."""


@dataclass
class Sheet:
    """A figure filled from the top down, in millimetres."""

    figure: Figure
    left: float
    across: float
    at: float

    def axes(self, height: float, label: str, *, gap: float = GAP) -> Axes:
        """Return new axes of a height below what is there."""
        wide, tall = (v * MM for v in self.figure.get_size_inches())
        self.at -= height
        made = self.figure.add_axes((self.left / wide, self.at / tall, self.across / wide, height / tall), label=label)
        self.at -= gap
        return made


def across_of(width_mm: float) -> float:
    """Return how wide a plot's panels are between its margins, in millimetres.

    Raises
    ------
    ExplanationError
        If that is too little for a curve.
    """
    across = width_mm - LEFT - RIGHT
    if across < LEAST:
        raise ExplanationError(
            f"A plot {width_mm:.0f} mm wide leaves no room for the curve; take at least {LEFT + RIGHT + LEAST:.0f} mm."
        )
    return across


def fontsize_of(width_mm: float) -> float:
    """Return the size of a plot's letters in points: smaller in one column of a page than across both."""
    return 6.5 if width_mm <= 100 else 7.5


def measured_rows(panel: Panel) -> Array:
    """Return the measured curve, one row for each channel, shape (C, L)."""
    return np.atleast_2d(panel.image)


def coloured(ax: Axes, places: Array, curve: Array, panel: Panel, limits: Limits) -> None:
    """Draw a curve in grey and, over it, in the colours of its map; a long one keeps its peaks."""
    from matplotlib.collections import LineCollection
    from matplotlib.colors import Normalize

    drawn = drawing.thinned(curve[None, :], panel.values)
    drawn = drawn[np.isfinite(places[drawn])]
    x, y, values = places[drawn], curve[drawn], panel.values[drawn]
    ax.plot(x, y, color="0.45", linewidth=0.5, zorder=2)
    points = np.stack([x, y], axis=1)
    segments: Any = np.stack([points[:-1], points[1:]], axis=1)
    colours = map_colours(signed=panel.signed, ground="white")
    pieces = LineCollection(segments, cmap=colours, norm=Normalize(*limits), linewidths=2.0, zorder=3)
    pieces.set(capstyle="round", gid=f"map {panel.name}")
    pieces.set_array(np.ma.masked_invalid((values[1:] + values[:-1]) / 2.0))
    ax.add_collection(pieces, autolim=False)


def intensity_label(signal: xr.DataArray, intensity: str) -> str:
    """Return what stands beside the intensities: their name, unit and scale."""
    name = str(signal.attrs.get("value_name", "") or "intensity")
    unit = str(signal.attrs.get("value_unit", "") or "")
    scale = {"linear": "", "sqrt": "\nsquare-root scale", "log": "\nlog scale"}[intensity]
    return f"{name} ({unit}){scale}" if unit and unit != name else f"{name}{scale}"


def draw_bar(figure: Figure, main: Axes, panel: Panel, limits: Limits, *, fontsize: float) -> None:
    """Draw the colour bar of the map that colours the curve, at the right of its panel."""
    place = main.get_position()
    width = figure.get_figwidth() * MM
    cax = figure.add_axes(
        (place.x1 + 1.6 / width, place.y0 + 0.1 * place.height, 2.4 / width, 0.8 * place.height),
        label=f"colour bar {panel.name}",
    )
    drawing.draw_colour_bar(cax, panel, limits, None, fontsize=fontsize - 1.0, ground="white")


def draw_references(
    sheet: Sheet, references: Sequence[ReferenceLines], along: Along, main: Axes, *, fontsize: float
) -> Axes:
    """Draw the sticks of each reference below what is there, and return the lowest panel: the last, or ``main``."""
    last = main
    for number, reference in enumerate(references):
        tall = height_of(reference, fontsize)
        last = sheet.axes(tall, f"sticks {reference.name}")
        last.set_xlim(main.get_xlim())
        colour = COLOURS[number % len(COLOURS)]
        draw_reference(last, reference, along, colour, across=sheet.across, tall=tall, fontsize=fontsize)
    return last


def draw_reference(
    ax: Axes, reference: ReferenceLines, along: Along, colour: str, *, across: float, tall: float, fontsize: float
) -> None:
    """Draw the sticks of one reference on the axis of the plot, its name at the left."""
    low, high = sorted(ax.get_xlim())
    apart = (high - low) * (fontsize - 1.0) * 0.42 / across  # a letter's height in millimetres, on the axis
    draw_sticks(ax, reference, sticks_on(reference, along), colour=colour, fontsize=fontsize, apart=apart, tall=tall)
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set_visible(False)
    ax.annotate(
        textwrap.fill(reference.name, 18), (0.0, 2.75 / tall), xycoords="axes fraction", xytext=(-3, 0),
        textcoords="offset points", ha="right", va="center", fontsize=fontsize - 1.0, color=colour, parse_math=False,
        annotation_clip=False,
    )  # fmt: skip


def axis_ticks(ax: Axes, fontsize: float) -> None:
    """Draw thin ticks, and no frame but left and below."""
    ax.tick_params(length=1.8, width=0.4, labelsize=fontsize - 1.0, pad=1.5)
    for side, spine in ax.spines.items():
        spine.set(linewidth=0.4, color=drawing.INK, visible=side in ("left", "bottom"))


def finish(figure: Figure, last: Axes, main: Axes, along: Along, *, fontsize: float) -> None:
    """Write the axis below the lowest panel alone; the others have ticks without numbers."""
    for ax in figure.axes:
        if ax is last or str(ax.get_label()).startswith("colour bar") or ax.get_xaxis().get_label_position() == "top":
            continue
        ax.tick_params(axis="x", labelbottom=False, length=0.0 if ax is not main else 1.8)
    last.spines["bottom"].set(visible=True, linewidth=0.4, color=drawing.INK)
    last.tick_params(axis="x", length=1.8, width=0.4, labelsize=fontsize - 1.0, pad=1.5, labelbottom=True)
    if along.unit in ("s", "Hz"):  # 250 µs, 40 kHz
        from matplotlib.ticker import EngFormatter

        last.xaxis.set_major_formatter(EngFormatter(unit=along.unit))
        along = replace(along, unit="")
    last.set_xlabel(along.label, fontsize=fontsize, labelpad=2.0, color=drawing.INK, parse_math=False)

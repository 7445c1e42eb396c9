"""Several explained spectra in one plot, one above the other, on one axis and one colour scale."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import numpy as np

from matxai.errors import ExplanationError
from matxai.report import drawing, sentences
from matxai.report.colours import joint
from matxai.report.curves.along import along_of, second_axis
from matxai.report.curves.sheet import (
    BOTTOM,
    GAP,
    LEFT,
    SECOND,
    TOP,
    Sheet,
    across_of,
    axis_ticks,
    coloured,
    draw_bar,
    draw_references,
    finish,
    fontsize_of,
    intensity_label,
    measured_rows,
)
from matxai.report.curves.sticks import height_of
from matxai.report.curves.style import CurveStyle, on_scale
from matxai.report.layout import empty_figure, own_limits
from matxai.report.reading import panels, signal_of
from matxai.report.record import facts, target_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    import xarray as xr
    from matplotlib.figure import Figure

    from matxai.report.colours import Limits
    from matxai.report.reading import Array, At

_MOST = 40
_EACH = 11.0


def stacked_figure(
    explanations: Sequence[xr.Dataset],
    method: str,
    *,
    at: At | None = None,
    style: CurveStyle | None = None,
    width_mm: float = 180.0,
    limits: Limits | None = None,
    names: Sequence[str] | None = None,
) -> Figure:
    """Return the plot of several explained spectra with the same map, the first one lowest.

    Each curve is brought to a height of 1 (its scale of intensity first), so that what compares is where the peaks lie
    and what decided, not how long was counted.

    Parameters
    ----------
    explanations
        Of spectra along the same kind of axis; their points may differ.
    method
        The map that colours the curves.
    at
        Which layer and class; by default the first.
    style
        Intensity scale, axes, references, offset of the curves.
    width_mm
        Width in millimetres, exactly.
    limits
        Colour limits; by default one pair for all.
    names
        What stands beside each curve; by default file and class.

    Raises
    ------
    ExplanationError
        If there is none, there are more than forty, one is no spectrum, or they run along different axes.
    """
    chosen = CurveStyle() if style is None else style
    if not 1 <= len(explanations) <= _MOST:
        raise ExplanationError(f"A stack of curves has 1 to {_MOST} of them, and not {len(explanations)}.")
    if names is not None and len(names) != len(explanations):
        raise ExplanationError(f"{len(names)} names were given for {len(explanations)} curves.")
    shown = [panels(ds, method, at)[0] for ds in explanations]
    if any(p.values.ndim != 1 for p in shown):
        raise ExplanationError("Curves are stacked, and one of the explanations is of an image.")
    lanes = [along_of(signal_of(ds), chosen.axis) for ds in explanations]
    kinds = sorted({(a.name, a.unit) for a in lanes})
    if len(kinds) > 1:
        said = " and ".join(f"{name} ({unit or 'no unit'})" for name, unit in kinds)
        raise ExplanationError(f"The curves run along {said}; curves of one stack need one kind of axis.")
    scale = limits or joint(own_limits(p) for p in shown)
    fontsize = fontsize_of(width_mm)
    tall = max(40.0, _EACH * len(shown) + 12.0)
    upper = SECOND if chosen.second_axis else 0.0
    height = TOP + upper + tall + GAP + sum(height_of(r, fontsize) + GAP for r in chosen.reference) + BOTTOM
    figure = empty_figure(width_mm, height)
    across = across_of(width_mm)
    sheet = Sheet(figure, LEFT, across, height - TOP - upper)
    main = sheet.axes(tall, "panel stack")
    low = min(float(np.nanmin(a.places)) for a in lanes)
    high = max(float(np.nanmax(a.places)) for a in lanes)
    low, high = chosen.span or (low, high)
    main.set_xlim(high, low) if lanes[0].descends else main.set_xlim(low, high)
    for number, (panel, along) in enumerate(zip(shown, lanes, strict=True)):
        inside = (along.places >= low) & (along.places <= high)
        if not inside.any():
            raise ExplanationError(f"The part {low:g} to {high:g} holds no point of '{_name(explanations[number])}'.")
        base = number * chosen.offset
        curve = unit_height(measured_rows(panel)[0], inside, chosen.intensity)
        coloured(main, along.places, base + curve, panel, scale)
        text = names[number] if names is not None else _name(explanations[number])
        main.annotate(
            textwrap.shorten(text, 24, placeholder="…"), (0.0, base + 0.08), xycoords=("axes fraction", "data"),
            xytext=(-3, 0), textcoords="offset points", ha="right", va="center", fontsize=fontsize - 1.0,
            color=drawing.INK, parse_math=False, annotation_clip=False,
        )  # fmt: skip
    main.set_ylim(-0.05, (len(shown) - 1) * chosen.offset + 1.08)
    axis_ticks(main, fontsize)
    main.set_yticks([])
    main.spines["left"].set_visible(False)
    label = intensity_label(signal_of(explanations[0]), chosen.intensity).replace("\n", ", ")
    main.annotate(
        f"{label}, each curve from its lowest to its highest", (1.0, 1.0), xycoords="axes fraction", ha="right",
        va="bottom", fontsize=fontsize - 1.5, color="0.35", parse_math=False,
    )  # fmt: skip
    draw_bar(figure, main, shown[0], scale, fontsize=fontsize)
    if chosen.second_axis:
        second_axis(main, lanes[0], chosen.second_axis, width_mm=across, fontsize=fontsize - 1.0)
    last = draw_references(sheet, chosen.reference, lanes[0], main, fontsize=fontsize)
    finish(figure, last, main, lanes[0], fontsize=fontsize)
    return figure


def _name(ds: xr.Dataset) -> str:
    source = str(ds.attrs.get("source", "") or "").replace("\\", "/").rsplit("/", 1)[-1].rsplit(".", 1)[0]
    return sentences.printable(" · ".join(p for p in (source, target_name(facts(ds)) or "") if p), longest=60)


def unit_height(curve: Array, inside: npt.NDArray[np.bool_], intensity: str) -> Array:
    """Return a curve between 0 and 1 within the part that is drawn, on its intensity scale.

    Parameters
    ----------
    curve, inside
        Shape (L,): intensities, and which of them are drawn.
    intensity
        As `CurveStyle` has it.

    Raises
    ------
    ExplanationError
        If the scale is logarithmic and no intensity is above zero.
    """
    drawn = on_scale(curve, intensity, inside)
    low, high = float(np.nanmin(drawn[inside])), float(np.nanmax(drawn[inside]))
    return (drawn - low) / (high - low) if high > low else np.zeros_like(drawn)

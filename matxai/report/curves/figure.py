"""The figure of one explained spectrum: curve, what the network got of it, maps as strips, reference sticks."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import numpy as np

from matxai.errors import ExplanationError
from matxai.report import drawing, sentences
from matxai.report.curves.along import Along, along_of, second_axis
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
from matxai.report.curves.strips import draw_map_strip
from matxai.report.curves.style import CurveStyle, scale_intensity
from matxai.report.layout import MM, empty_figure, own_limits
from matxai.report.reading import find_map, map_names, panels, signal_of
from matxai.report.record import facts, target_name, target_score

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from matxai.report.colours import Limits
    from matxai.report.reading import At, Panel

MOST_STRIPS = 12
_STRIP, _RECEIVED, _AIR = 4.2, 17.0, 1.5


def curve_figure(
    ds: xr.Dataset,
    methods: Sequence[str] | str | None = None,
    *,
    at: At | None = None,
    style: CurveStyle | None = None,
    width_mm: float = 180.0,
    limits: Mapping[str, Limits] | None = None,
    received: xr.DataArray | None = None,
    title: str | None = None,
) -> Figure:
    """Return the plot of an explained spectrum or waveform, for print.

    From the top: the curve, coloured by the first map; what the network received of it; every map as a strip; the
    sticks of each reference with their labels.

    Parameters
    ----------
    ds
        An explanation of a spectrum, as `matxai.explain` returns it.
    methods
        Maps to show, by name or as they were asked for; all by default. The first one colours the curve.
    at
        Which layers and classes; by default all, each a strip.
    style
        Intensity scale, axes, references, the part that is shown.
    width_mm
        Width in millimetres, exactly; the height follows.
    limits
        Colour limits by a map's name; maps that are not named have their own.
    received
        The preprocessed signal on the axis that the network was given, drawn below the measured one.
    title
        What stands above, in the place of file, class and score.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ExplanationError
        If this is no explanation of a spectrum, a map is not there, there are more than twelve strips, the width
        leaves no room, or an axis cannot be converted.
    """
    shown = _strips(ds, methods, at)
    if len(shown) > MOST_STRIPS:
        raise ExplanationError(
            f"{len(shown)} strips are too many for one plot; name up to {MOST_STRIPS} with methods= or at=."
        )
    return panels_figure(ds, shown, style=style, width_mm=width_mm, limits=limits, received=received, title=title)


def panels_figure(
    ds: xr.Dataset,
    shown: Sequence[Panel],
    *,
    style: CurveStyle | None = None,
    width_mm: float = 180.0,
    limits: Mapping[str, Limits] | None = None,
    received: xr.DataArray | None = None,
    title: str | None = None,
) -> Figure:
    """Return the plot of panels that were chosen before, the first of which colours the curve; see `curve_figure`."""
    chosen = CurveStyle() if style is None else style
    signal = signal_of(ds)
    along = along_of(signal, chosen.axis)
    across = across_of(width_mm)
    fontsize = fontsize_of(width_mm)
    lines = textwrap.wrap(_headline(ds) if title is None else title, max(20, int(across / (0.19 * fontsize))))[:3]
    tall = max(34.0, 0.38 * across)
    height = TOP + len(lines) * 1.35 * fontsize * MM / 72.0 + 1.5 + tall + GAP + BOTTOM
    height += SECOND if chosen.second_axis else 0.0
    height += (_RECEIVED + GAP + _AIR) if received is not None else 0.0
    height += len(shown) * (_STRIP + GAP) + sum(height_of(r, fontsize) + GAP for r in chosen.reference)
    figure = empty_figure(width_mm, height)
    for i, line in enumerate(lines):
        figure.text(
            LEFT / width_mm, 1.0 - (TOP + (i + 0.8) * 1.35 * fontsize * MM / 72.0) / height, line, fontsize=fontsize,
            fontweight="bold" if i == 0 else "normal", color=drawing.INK, parse_math=False,
        )  # fmt: skip
    above = TOP + len(lines) * 1.35 * fontsize * MM / 72.0 + 1.5 + (SECOND if chosen.second_axis else 0.0)
    sheet = Sheet(figure, LEFT, across, height - above)
    colours = [_limits(p, limits or {}) for p in shown]
    main = sheet.axes(tall, "panel curve")
    lead = shown[0]
    _draw_main(main, lead, along, colours[0], chosen, fontsize=fontsize, signal=signal)
    draw_bar(figure, main, lead, colours[0], fontsize=fontsize)
    if chosen.second_axis:
        second_axis(main, along, chosen.second_axis, width_mm=across, fontsize=fontsize - 1.0)
    last = main
    if received is not None:
        sheet.at -= _AIR
        last = sheet.axes(_RECEIVED, "panel received")
        _draw_received(last, received, along, main, fontsize=fontsize)
    for panel, own in zip(shown, colours, strict=True):
        last = sheet.axes(_STRIP, f"panel {panel.name}")
        last.set_xlim(main.get_xlim())
        draw_map_strip(last, panel, along.places, own, name=_called(panel), fontsize=fontsize)
    if chosen.reference:
        last = draw_references(sheet, chosen.reference, along, main, fontsize=fontsize)
    finish(figure, last, main, along, fontsize=fontsize)
    return figure


def _strips(ds: xr.Dataset, methods: Sequence[str] | str | None, at: At | None) -> list[Panel]:
    names = map_names(ds, errors=False) if methods is None else [methods] if isinstance(methods, str) else list(methods)
    found = []
    for name in names:
        dims = find_map(ds, name).dims
        found += panels(ds, name, None if at is None else {k: v for k, v in at.items() if k in dims})
    if not found:
        raise ExplanationError("The explanation holds no map to plot.")
    if found[0].values.ndim != 1:
        raise ExplanationError("This explanation is of an image; matxai.plot and overlay_figure draw those.")
    return found


def _limits(panel: Panel, given: Mapping[str, Limits]) -> Limits:
    found = given.get(panel.name, given.get(panel.method))
    return own_limits(panel) if found is None else found


def _headline(ds: xr.Dataset) -> str:
    source = str(ds.attrs.get("source", "") or "").replace("\\", "/").rsplit("/", 1)[-1]
    name = target_name(facts(ds)) or sentences.UNCHOSEN
    wanted = target_score(ds, name)
    score = sentences.score_words(wanted.logit, wanted.probability) if wanted else ""
    said = sentences.printable(f"{name} ({score})" if score else name, longest=80)
    return " · ".join(p for p in (sentences.printable(source, longest=60), said) if p)


def _called(panel: Panel) -> str:
    """Return what stands beside a strip: the method, and below it layer, class and channel."""
    where = ", ".join([panel.place.get("layer", ""), *(v for k, v in panel.place.items() if k != "layer")]).strip(", ")
    lines = [sentences.method_label(panel.method), where]
    return "\n".join(textwrap.shorten(line, 24, placeholder="…") for line in lines if line)


def _draw_main(
    ax: Axes, panel: Panel, along: Along, limits: Limits, style: CurveStyle, *, fontsize: float, signal: xr.DataArray
) -> None:
    curves = measured_rows(panel)
    low, high = style.span or (float(np.nanmin(along.places)), float(np.nanmax(along.places)))
    inside = (along.places >= low) & (along.places <= high)
    if not inside.any():
        raise ExplanationError(f"The part {low:g} to {high:g} holds none of the {along.places.size} points.")
    ax.set_xlim(high, low) if along.descends else ax.set_xlim(low, high)
    scale_intensity(ax, curves[:, inside], style.intensity)
    for curve in curves:
        coloured(ax, along.places, curve, panel, limits)
    axis_ticks(ax, fontsize)
    ax.set_ylabel(intensity_label(signal, style.intensity), fontsize=fontsize, color=drawing.INK, parse_math=False)
    if panel.empty or not np.any(np.nan_to_num(panel.values)):
        drawing.note(ax, sentences.EMPTY)


def _draw_received(ax: Axes, received: xr.DataArray, along: Along, main: Axes, *, fontsize: float) -> None:
    """Draw what the network got, on the axis of the plot."""
    there = along_of(received, along.name if str(received.dims[-1]) != along.name else None)
    curves = np.atleast_2d(np.asarray(received.values, np.float64).reshape(-1, received.sizes[received.dims[-1]]))
    for curve in curves:
        ax.plot(there.places, curve, color="0.25", linewidth=0.6)
    ax.set_xlim(main.get_xlim())
    low, high = sorted(main.get_xlim())
    inside = (there.places >= low) & (there.places <= high)
    if inside.any():
        scale_intensity(ax, curves[:, inside], "linear")
    axis_ticks(ax, fontsize)
    ax.set_ylabel("as the\nnetwork\ngot it", fontsize=fontsize - 1.0, color=drawing.INK)

"""Figures of an explanation: one overlay, or all maps beside the image, with a width in millimetres.

Every figure is a plain `matplotlib.figure.Figure` on the Agg canvas: pyplot is not used, so nothing is left open and
no window system is asked for. Where things stand lives in `layout`, what a panel draws in `drawing`.
"""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from matxai.errors import ExplanationError
from matxai.report import drawing, sentences
from matxai.report.colours import Limits, joint
from matxai.report.curves.figure import curve_figure
from matxai.report.curves.planes import bands_figure, is_elsewhere
from matxai.report.layout import (
    LEFT,
    MM,
    block_height,
    draw_block,
    draw_image_block,
    draw_page,
    empty_figure,
    make_block,
    own_limits,
)
from matxai.report.reading import At, Panel, find_map, map_names, panels, signal_of
from matxai.report.record import facts, target_name, target_score

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import xarray as xr
    from matplotlib.figure import Figure

    from matxai.report.curves.style import CurveStyle

_MOST_PANELS = 16


def overlay_figure(
    ds: xr.Dataset,
    method: str,
    *,
    at: At | None = None,
    width_mm: float = 85.0,
    limits: Limits | None = None,
    alpha: float | None = None,
    title: str | None = None,
    region: npt.NDArray[np.bool_] | None = None,
    region_name: str = "",
) -> Figure:
    """Return the figure of one map on its image (or curve), ready for a paper.

    Parameters
    ----------
    ds
        An explanation, as `matxai.explain` returns it.
    method
        A map's name, or its method as it was asked for.
    at
        Which layer, class or slice: ``{"layer": "layer4", "z": 3}``. By default the first layer and class, and the
        middle of a stack.
    width_mm
        Width of the figure in millimetres, exactly; the height follows.
    limits
        Colour limits; by default those of this map (symmetric where it is signed). For one scale over a set take
        :func:`common_limits`.
    alpha
        Opacity where the map reaches its limit (by default 0.95 for signed maps, 0.75 for others); zero is clear.
    title
        What stands above, in the place of method, layer, class and score.
    region
        A mask ``(y, x)`` whose border is drawn as well, named ``region_name``.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ExplanationError
        If there is no such map, layer or slice, or the width leaves no room for the image.
    """
    panel = panels(ds, method, at)[0]
    regions = [] if region is None else [(region, region_name)]
    return panel_figure(ds, panel, width_mm=width_mm, limits=limits, alpha=alpha, title=title, regions=regions)


def panel_figure(
    ds: xr.Dataset,
    panel: Panel,
    *,
    width_mm: float = 85.0,
    limits: Limits | None = None,
    alpha: float | None = None,
    title: str | None = None,
    regions: Sequence[tuple[npt.NDArray[np.bool_], str]] = (),
) -> Figure:
    """Return the figure of one panel that was chosen before; see :func:`overlay_figure`."""
    fontsize = 7.0 if width_mm <= 100 else 8.0
    lines = _title(ds, panel, title, width_mm - LEFT, fontsize)
    block = make_block(panel, width_mm, lines, fontsize)
    figure = empty_figure(width_mm, block_height(block, curve=panel.values.ndim == 1))
    draw_block(figure, block, panel, limits or own_limits(panel), alpha)
    if panel.values.ndim == 2:
        for mask, name in regions:
            drawing.outline(figure.axes[0], np.asarray(mask, dtype=np.bool_), name)
    return figure


def image_figure(ds: xr.Dataset, panel: Panel, *, width_mm: float = 85.0) -> Figure:
    """Return the figure of a panel's image alone, with its scale bar, as large as the overlays beside it."""
    fontsize = 7.0 if width_mm <= 100 else 8.0
    lines = ["Image", *_wrapped(_where(ds), width_mm - LEFT, fontsize)]
    block = make_block(panel, width_mm, lines, fontsize)
    figure = empty_figure(width_mm, block_height(block))
    draw_image_block(figure, block, panel)
    return figure


def plot(
    ds: xr.Dataset,
    methods: Sequence[str] | str | None = None,
    *,
    at: At | None = None,
    width_mm: float = 180.0,
    limits: Mapping[str, Limits] | None = None,
    alpha: float | None = None,
    columns: int | None = None,
    style: CurveStyle | None = None,
) -> Figure:
    """Return one figure with the image and, beside it, each map laid over it: every layer and class is a panel.

    A spectrum is drawn by :func:`matxai.report.curve_figure`: the curve, and each map as a strip below it.

    Parameters
    ----------
    ds
        An explanation, as `matxai.explain` returns it.
    methods
        Maps to show, by name or as they were asked for; all by default.
    at
        Which layers, classes or slices; what is left open is shown in full (stacks: the middle slice).
    width_mm
        Width of the figure in millimetres, exactly.
    limits
        Colour limits by the map's name; maps that are not named have their own.
    alpha
        Opacity where a map reaches its limit; by default as for :func:`overlay_figure`.
    columns
        Panels in a row: as many as are readable by default.
    style
        For spectra: intensity scale, axes, references.

    Raises
    ------
    ExplanationError
        If a map is not there, there would be more than sixteen panels, or a style is given for an image.
    """
    signal = signal_of(ds)
    if not {"y", "x"} <= set(signal.dims):
        if is_elsewhere(ds):
            return bands_figure(ds, methods, width_mm=width_mm, limits=limits, style=style)
        return curve_figure(ds, methods, at=at, style=style, width_mm=width_mm, limits=limits)
    if style is not None:
        msg = "A CurveStyle is for spectra, and this explanation is of an image; leave style= away."
        raise ExplanationError(msg)
    names = map_names(ds) if methods is None else [methods] if isinstance(methods, str) else list(methods)
    shown = [panel for name in names for panel in panels(ds, name, _applying(ds, name, at))]
    if not shown:
        msg = "The explanation holds no map to plot."
        raise ExplanationError(msg)
    if len(shown) > _MOST_PANELS:
        msg = f"{len(shown)} panels are too many for one figure; name up to {_MOST_PANELS} with methods= or at=."
        raise ExplanationError(msg)
    cells: list[Panel | None] = [None, *shown]
    per_row = min(columns or _columns(shown[0], width_mm), len(cells))
    width = width_mm / per_row
    fontsize = 7.0
    blocks = []
    for cell in cells:
        lines = ["Image", _where(ds)] if cell is None else _title(ds, cell, None, width - LEFT, fontsize)
        blocks.append(make_block(cell or shown[0], width, lines, fontsize))
    return draw_page(blocks, cells, shown[0], per_row, width_mm, limits or {}, alpha)


def common_limits(
    explanations: Iterable[xr.Dataset], method: str, *, at: At | None = None, quantile: float | None = None
) -> Limits:
    """Return one pair of colour limits for the same map of several explanations, so that their figures compare.

    Parameters
    ----------
    explanations
        The set; each must hold the map.
    method
        The map's name, or the method as it was asked for.
    at
        Which layers, classes or slices; by default all layers and classes.
    quantile
        Share of each map's values that lies within the limits; by default 0.995 for images and all of a curve.

    Raises
    ------
    ExplanationError
        If there is no explanation, or one of them does not hold the map.
    """
    found = []
    for ds in explanations:
        chosen = panels(ds, method, at)
        found += [own_limits(p, quantile) for p in chosen]
    if not found:
        msg = f"No explanation was given, so there are no common limits for '{method}'."
        raise ExplanationError(msg)
    return joint(found)


def _columns(panel: Panel, width_mm: float) -> int:
    """Return how many panels stand in a row: wide images and curves need more of the page."""
    wide = panel.values.ndim == 1 or drawing.aspect_of(panel) < 0.25
    return max(1, int(width_mm // (90.0 if wide else 58.0)))


def _applying(ds: xr.Dataset, method: str, at: At | None) -> At | None:
    """Keep of ``at`` what this map has: a layer is nothing to a map of the input."""
    dims = find_map(ds, method).dims
    return None if at is None else {k: v for k, v in at.items() if k in dims}


def _where(ds: xr.Dataset) -> str:
    source = str(ds.attrs.get("source", "") or "")
    return sentences.printable(source.replace("\\", "/").rsplit("/", 1)[-1], longest=60)


def _title(ds: xr.Dataset, panel: Panel, title: str | None, width: float, fontsize: float) -> list[str]:
    if title is not None:
        return _wrapped(title, width, fontsize)
    name = panel.place.get("class") or str(panel.attrs.get("class", "")) or target_name(facts(ds)) or sentences.UNCHOSEN
    wanted = target_score(ds, name)
    parts = [panel.layer, *(f"{k} {v}" for k, v in panel.place.items() if k not in ("layer", "class")), name]
    score = sentences.score_words(wanted.logit, wanted.probability) if wanted else ""
    detail = " · ".join(p for p in (*parts, score) if p)
    return [sentences.method_label(panel.method), *_wrapped(detail, width, fontsize)]


def _wrapped(text: str, width: float, fontsize: float) -> list[str]:
    """Break a title into at most four lines; a letter is taken as 0.52 of the font's size wide."""
    letters = max(12, int(width * 72.0 / MM / (0.52 * fontsize)))
    return textwrap.wrap(sentences.printable(text), letters, break_long_words=True, max_lines=4, placeholder=" …") or [
        ""
    ]

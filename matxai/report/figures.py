"""Figures of an explanation: one overlay, or all maps beside the image, with a width in millimetres.

Every figure is a plain `matplotlib.figure.Figure` on the Agg canvas: pyplot is not used, so nothing is left open and
no window system is asked for. What a panel draws lives in `drawing`; files are written by `export`.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from matxai.errors import ExplanationError
from matxai.report import drawing, sentences
from matxai.report.colours import QUANTILE, Limits, joint, limits_of
from matxai.report.reading import At, Panel, facts, find_map, map_names, panels, target_name, target_score

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import xarray as xr
    from matplotlib.figure import Figure

MM = 25.4
_LEFT, _TOP, _BAR_GAP, _BAR, _BAR_TEXT = 1.5, 1.0, 1.5, 2.6, 13.5
_STRIP = 5.5
_CURVE_BOTTOM, _CURVE_LEFT = 9.0, 6.0
_MOST_PANELS = 16
_TALLEST, _LEAST_BODY, _BAR_ENDS = 2.5, 20.0, 1.6


@dataclass(frozen=True)
class _Block:
    """The place of one panel with its title, bar and strip on the page; all in millimetres, from the lower left."""

    left: float
    bottom: float
    width: float
    across: float  # width and height of the image itself
    image: float
    body: float  # height that colour bar and image share: a thin image leaves some of it free
    title: list[str]
    fontsize: float

    @property
    def line(self) -> float:
        return 1.32 * self.fontsize * MM / 72.0


def overlay_figure(
    ds: xr.Dataset,
    method: str,
    *,
    at: At | None = None,
    width_mm: float = 85.0,
    limits: Limits | None = None,
    alpha: float = 0.85,
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
        Opacity where the map reaches its limit; it falls to nothing at zero.
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
    alpha: float = 0.85,
    title: str | None = None,
    regions: Sequence[tuple[npt.NDArray[np.bool_], str]] = (),
) -> Figure:
    """Return the figure of one panel that was chosen before; see :func:`overlay_figure`."""
    fontsize = 7.0 if width_mm <= 100 else 8.0
    lines = _title(ds, panel, title, width_mm - _LEFT, fontsize)
    block = _block(panel, width_mm, lines, fontsize)
    figure = _figure(width_mm, _height(block, curve=panel.values.ndim == 1))
    _draw(figure, block, panel, limits or own_limits(panel), alpha)
    if panel.values.ndim == 2:
        for mask, name in regions:
            drawing.outline(figure.axes[0], np.asarray(mask, dtype=np.bool_), name)
    return figure


def image_figure(ds: xr.Dataset, panel: Panel, *, width_mm: float = 85.0) -> Figure:
    """Return the figure of a panel's image alone, with its scale bar, as large as the overlays beside it."""
    fontsize = 7.0 if width_mm <= 100 else 8.0
    lines = ["Image", *_wrapped(_where(ds), width_mm - _LEFT, fontsize)]
    block = _block(panel, width_mm, lines, fontsize)
    figure = _figure(width_mm, _height(block))
    _draw_image(figure, block, panel)
    return figure


def plot(
    ds: xr.Dataset,
    methods: Sequence[str] | str | None = None,
    *,
    at: At | None = None,
    width_mm: float = 180.0,
    limits: Mapping[str, Limits] | None = None,
    alpha: float = 0.85,
    columns: int | None = None,
) -> Figure:
    """Return one figure with the image and, beside it, each map laid over it: every layer and class is a panel.

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
        Opacity where a map reaches its limit.
    columns
        Panels in a row: as many as are readable by default.

    Raises
    ------
    ExplanationError
        If a map is not there, or there would be more than sixteen panels.
    """
    names = map_names(ds) if methods is None else [methods] if isinstance(methods, str) else list(methods)
    shown = [panel for name in names for panel in panels(ds, name, _applying(ds, name, at))]
    if not shown:
        msg = "The explanation holds no map to plot."
        raise ExplanationError(msg)
    if len(shown) > _MOST_PANELS:
        msg = f"{len(shown)} panels are too many for one figure; name up to {_MOST_PANELS} with methods= or at=."
        raise ExplanationError(msg)
    cells: list[Panel | None] = [*shown] if shown[0].values.ndim == 1 else [None, *shown]
    per_row = min(columns or _columns(shown[0], width_mm), len(cells))
    width = width_mm / per_row
    fontsize = 7.0
    blocks = []
    for cell in cells:
        lines = ["Image", _where(ds)] if cell is None else _title(ds, cell, None, width - _LEFT, fontsize)
        blocks.append(_block(cell or shown[0], width, lines, fontsize))
    return _page(blocks, cells, shown[0], per_row, width_mm, limits or {}, alpha)


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


def own_limits(panel: Panel, quantile: float | None = None) -> Limits:
    """Return the colour limits of one panel by itself; a curve has too few points to leave any out."""
    share = quantile if quantile is not None else QUANTILE if panel.values.ndim == 2 else 1.0
    return limits_of(panel.values, signed=panel.signed, quantile=share)


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


def _block(panel: Panel, width: float, title: list[str], fontsize: float) -> _Block:
    left = _LEFT if panel.values.ndim == 2 else _CURVE_LEFT
    across = width - left - _BAR_GAP - _BAR - _BAR_TEXT
    if across < 12.0:
        msg = (
            f"A figure {width:.0f} mm wide leaves no room for the image; take at least {width + 12.0 - across:.0f} mm."
        )
        raise ExplanationError(msg)
    if panel.values.ndim == 1:
        tall = max(28.0, 0.45 * across)
        return _Block(0.0, 0.0, width, across, tall, tall, title, fontsize)
    aspect = drawing.aspect_of(panel)
    tall = min(across * aspect, _TALLEST * across)  # a very tall image gets narrower, never squeezed
    return _Block(0.0, 0.0, width, tall / aspect, tall, max(tall, _LEAST_BODY), title, fontsize)


def _height(block: _Block, *, curve: bool = False) -> float:
    under = _CURVE_BOTTOM if curve else _STRIP
    return _TOP + len(block.title) * block.line + 0.8 + block.body + under


def _figure(width_mm: float, height_mm: float) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as PlainFigure

    figure = PlainFigure(figsize=(width_mm / MM, height_mm / MM), dpi=150, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def _page(
    blocks: list[_Block],
    cells: list[Panel | None],
    first: Panel,
    per_row: int,
    width_mm: float,
    limits: Mapping[str, Limits],
    alpha: float,
) -> Figure:
    """Put blocks into rows of equal height and draw them."""
    curve = first.values.ndim == 1
    rows = [list(range(i, min(i + per_row, len(blocks)))) for i in range(0, len(blocks), per_row)]
    heights = [max(_height(blocks[i], curve=curve) for i in row) for row in rows]
    figure = _figure(width_mm, sum(heights))
    top = sum(heights)
    for row, height in zip(rows, heights, strict=True):
        lines = max(len(blocks[i].title) for i in row)
        for column, i in enumerate(row):
            block = blocks[i]
            padded = [*block.title, *[""] * (lines - len(block.title))]
            placed = replace(block, left=column * block.width, bottom=top - height, title=padded)
            panel = cells[i]
            if panel is None:
                _draw_image(figure, placed, first)
            else:
                own = limits.get(panel.name, limits.get(panel.method))
                _draw(figure, placed, panel, own or own_limits(panel), alpha)
        top -= height
    return figure


def _write_title(figure: Figure, block: _Block, left: float, bottom: float) -> None:
    width, height = (v * MM for v in figure.get_size_inches())
    top = bottom + block.body + 0.8 + len(block.title) * block.line
    for i, text in enumerate(block.title):
        figure.text(
            left / width, (top - (i + 0.8) * block.line) / height, text, fontsize=block.fontsize, ha="left",
            va="baseline", fontweight="bold" if i == 0 else "normal", parse_math=False, color=drawing.INK,
        )  # fmt: skip


def _draw(figure: Figure, block: _Block, panel: Panel, limits: Limits, alpha: float) -> None:
    """Draw title, panel, colour bar and strip of one block."""
    width, height = (v * MM for v in figure.get_size_inches())
    curve = panel.values.ndim == 1
    left = block.left + (_CURVE_LEFT if curve else _LEFT)
    bottom = block.bottom + (_CURVE_BOTTOM if curve else _STRIP)
    _write_title(figure, block, left, bottom)
    base = bottom + block.body - block.image  # the image hangs from the title; its strip follows it
    if curve:
        strip = 0.28 * block.image
        ax = figure.add_axes(
            (left / width, (bottom + strip + 1.0) / height, block.across / width, (block.image - strip - 1.0) / height)
        )
        under = figure.add_axes((left / width, bottom / height, block.across / width, strip / height))
        drawing.draw_curve(ax, under, panel, limits, alpha, fontsize=block.fontsize - 1)
    else:
        ax = figure.add_axes((left / width, base / height, block.across / width, block.image / height))
        drawing.show_image(ax, panel, grey=True)
        drawing.show_map(ax, panel, limits, alpha)
        unseen = bool(np.isnan(panel.values).any())
        drawing.draw_strip(ax, panel, block.image, unseen=unseen, fontsize=block.fontsize - 0.5)
    ax.set_label(f"panel {panel.name}")
    bar = (left + block.across + _BAR_GAP) / width, (bottom + _BAR_ENDS) / height  # room for the arrows at its ends
    size = _BAR / width, (block.body - 2.0 * _BAR_ENDS) / height
    cax = figure.add_axes((*bar, *size), label=f"colour bar {panel.name}")
    ground = "white" if curve else "image"
    drawing.draw_colour_bar(cax, panel, limits, alpha, fontsize=block.fontsize - 1, ground=ground)


def _draw_image(figure: Figure, block: _Block, panel: Panel) -> None:
    """Draw the image alone, at the place and size that the maps have beside it."""
    width, height = (v * MM for v in figure.get_size_inches())
    left, bottom = block.left + _LEFT, block.bottom + _STRIP
    _write_title(figure, block, left, bottom)
    base = bottom + block.body - block.image
    ax = figure.add_axes((left / width, base / height, block.across / width, block.image / height), label="panel image")
    drawing.show_image(ax, panel, grey=False)
    drawing.draw_strip(ax, panel, block.image, unseen=False, fontsize=block.fontsize - 0.5)

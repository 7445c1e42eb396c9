"""Where things stand on a page: titles, panels, colour bars and scale bars, placed in millimetres.

A figure's width is exact and its images keep their shape; heights follow. What is drawn inside lives in `drawing`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from matxai.errors import ExplanationError
from matxai.report import drawing
from matxai.report.colours import QUANTILE, Limits, limits_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.figure import Figure

    from matxai.report.reading import Panel

MM = 25.4
LEFT, _TOP, _BAR_GAP, _BAR, _BAR_TEXT = 1.5, 1.0, 1.5, 2.6, 13.5
_STRIP = 5.5
_CURVE_BOTTOM, _CURVE_LEFT = 9.0, 6.0
_TALLEST, _LEAST_BODY, _BAR_ENDS = 2.5, 20.0, 1.6


@dataclass(frozen=True)
class Block:
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
        """Height of a line of the title in millimetres."""
        return 1.32 * self.fontsize * MM / 72.0


def make_block(panel: Panel, width: float, title: list[str], fontsize: float) -> Block:
    """Return how large a panel's block is at a given width.

    Raises
    ------
    ExplanationError
        If the width leaves no room for the image.
    """
    left = LEFT if panel.values.ndim == 2 else _CURVE_LEFT
    across = width - left - _BAR_GAP - _BAR - _BAR_TEXT
    if across < 12.0:
        msg = (
            f"A figure {width:.0f} mm wide leaves no room for the image; take at least {width + 12.0 - across:.0f} mm."
        )
        raise ExplanationError(msg)
    if panel.values.ndim == 1:
        tall = max(28.0, 0.45 * across)
        return Block(0.0, 0.0, width, across, tall, tall, title, fontsize)
    aspect = drawing.aspect_of(panel)
    tall = min(across * aspect, _TALLEST * across)  # a very tall image gets narrower, never squeezed
    return Block(0.0, 0.0, width, tall / aspect, tall, max(tall, _LEAST_BODY), title, fontsize)


def block_height(block: Block, *, curve: bool = False) -> float:
    """Return the height of a block with its title and what stands under the image, in millimetres."""
    under = _CURVE_BOTTOM if curve else _STRIP
    return _TOP + len(block.title) * block.line + 0.8 + block.body + under


def empty_figure(width_mm: float, height_mm: float) -> Figure:
    """Return a white figure of a size in millimetres, on the Agg canvas."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as PlainFigure

    figure = PlainFigure(figsize=(width_mm / MM, height_mm / MM), dpi=150, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def own_limits(panel: Panel, quantile: float | None = None) -> Limits:
    """Return the colour limits of one panel by itself; a curve has too few points to leave any out."""
    share = quantile if quantile is not None else QUANTILE if panel.values.ndim == 2 else 1.0
    return limits_of(panel.values, signed=panel.signed, quantile=share)


def draw_page(
    blocks: list[Block],
    cells: list[Panel | None],
    first: Panel,
    per_row: int,
    width_mm: float,
    limits: Mapping[str, Limits],
    alpha: float | None,
) -> Figure:
    """Put blocks into rows of equal height and draw them."""
    rows = [list(range(i, min(i + per_row, len(blocks)))) for i in range(0, len(blocks), per_row)]
    heights = [max(block_height(blocks[i]) for i in row) for row in rows]
    figure = empty_figure(width_mm, sum(heights))
    top = sum(heights)
    for row, height in zip(rows, heights, strict=True):
        lines = max(len(blocks[i].title) for i in row)
        for column, i in enumerate(row):
            block = blocks[i]
            padded = [*block.title, *[""] * (lines - len(block.title))]
            placed = replace(block, left=column * block.width, bottom=top - height, title=padded)
            panel = cells[i]
            if panel is None:
                draw_image_block(figure, placed, first)
            else:
                own = limits.get(panel.name, limits.get(panel.method))
                draw_block(figure, placed, panel, own or own_limits(panel), alpha)
        top -= height
    return figure


def _write_title(figure: Figure, block: Block, left: float, bottom: float) -> None:
    width, height = (v * MM for v in figure.get_size_inches())
    top = bottom + block.body + 0.8 + len(block.title) * block.line
    for i, text in enumerate(block.title):
        figure.text(
            left / width, (top - (i + 0.8) * block.line) / height, text, fontsize=block.fontsize, ha="left",
            va="baseline", fontweight="bold" if i == 0 else "normal", parse_math=False, color=drawing.INK,
        )  # fmt: skip


def draw_block(figure: Figure, block: Block, panel: Panel, limits: Limits, alpha: float | None) -> None:
    """Draw title, panel, colour bar and strip of one block."""
    width, height = (v * MM for v in figure.get_size_inches())
    curve = panel.values.ndim == 1
    left = block.left + (_CURVE_LEFT if curve else LEFT)
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


def draw_image_block(figure: Figure, block: Block, panel: Panel) -> None:
    """Draw the image alone, at the place and size that the maps have beside it."""
    width, height = (v * MM for v in figure.get_size_inches())
    left, bottom = block.left + LEFT, block.bottom + _STRIP
    _write_title(figure, block, left, bottom)
    base = bottom + block.body - block.image
    ax = figure.add_axes((left / width, base / height, block.across / width, block.image / height), label="panel image")
    drawing.show_image(ax, panel, grey=False)
    drawing.draw_strip(ax, panel, block.image, unseen=False, fontsize=block.fontsize - 0.5)

"""One panel on given axes: an image or curve, the map on it, its colour bar, scale bar, and where nothing was seen.

Figures and their layout are made in `figures`; nothing here touches pyplot, so nothing is left open.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from matxai.report import sentences
from matxai.report.colours import Limits, bar_colours, map_colours
from matxai.report.scalebar import metres_per, scale_bar, short_unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from matxai.report.reading import Array, Axis, Panel

INK = "#1b1d21"
VEIL = (0.0, 0.0, 0.0, 0.4)
_LONGEST_CURVE = 6000
_REVERSED = frozenset({"binding_energy"})  # XPS is read from high to low binding energy
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def grey_limits(image: Array) -> Limits:
    """Return the darkest and brightest grey that an image is shown with: its range without the outermost 0.1 %."""
    finite = image[np.isfinite(image)]
    if finite.size == 0:
        return (0.0, 1.0)
    low, high = (float(v) for v in np.quantile(finite, (0.001, 0.999)))
    if high <= low:
        low, high = float(finite.min()), float(finite.max())
    return (low, high) if high > low else (low, low + 1.0)


def show_image(ax: Axes, panel: Panel, *, grey: bool) -> None:
    """Draw the image on axes in pixels, each pixel with its true shape."""
    image = panel.grey if grey or panel.image.ndim == 2 else panel.image[..., :3]
    if image.ndim == 3:
        top = 1.0 if image.max() <= 1.0 else 255.0 if image.max() <= 255.0 else float(image.max())
        ax.imshow(np.clip(image / top, 0.0, 1.0), aspect="auto")
    else:
        low, high = grey_limits(image)
        ax.imshow(image.astype(np.float32), cmap="gray", vmin=low, vmax=high, aspect="auto")
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set(linewidth=0.4, color=INK)


def show_map(ax: Axes, panel: Panel, limits: Limits, alpha: float | None) -> None:
    """Lay the map over an image that is already drawn, and hatch what the network never saw."""
    low, high = limits
    layer = ax.imshow(
        np.ma.masked_invalid(panel.values.astype(np.float32)),
        cmap=map_colours(signed=panel.signed, alpha=alpha),
        vmin=low,
        vmax=high,
        aspect="auto",
    )
    layer.set_gid(f"map {panel.name}")
    unseen = np.isnan(panel.values)
    if unseen.any():
        _hatch_plane(ax, unseen)
    if panel.empty or not np.any(np.nan_to_num(panel.values)):
        note(ax, sentences.EMPTY_SLICE if "z" in panel.place or "t" in panel.place else sentences.EMPTY)


def note(ax: Axes, text: str) -> None:
    """Write a remark across the upper part of a panel."""
    ax.text(
        0.5, 0.94, text, transform=ax.transAxes, ha="center", va="top", wrap=True, parse_math=False, color="white",
        fontsize=7, bbox={"facecolor": (0, 0, 0, 0.65), "edgecolor": "none", "pad": 2.5},
    )  # fmt: skip


def _hatch_plane(ax: Axes, unseen: npt.NDArray[np.bool_]) -> None:
    rows, columns = unseen.shape
    y = np.concatenate([[-0.5], np.arange(rows), [rows - 0.5]])
    x = np.concatenate([[-0.5], np.arange(columns), [columns - 0.5]])
    mask = np.pad(unseen, 1, mode="edge").astype(np.float32)
    hatched = ax.contourf(x, y, mask, levels=[0.5, 1.5], colors=[VEIL], hatches=["////"], extend="neither")
    hatched.set_edgecolor((1.0, 1.0, 1.0, 0.75))
    hatched.set_linewidth(0.0)
    hatched.set_gid("never seen")


def outline(ax: Axes, mask: npt.NDArray[np.bool_], text: str = "") -> None:
    """Draw the border of a region over an image, dark under light so that it shows on any grey."""
    rows, columns = mask.shape
    padded = np.pad(mask, 1).astype(np.float32)
    x, y = np.arange(-1, columns + 1), np.arange(-1, rows + 1)
    ax.contour(x, y, padded, levels=[0.5], colors="black", linewidths=1.4)
    line = ax.contour(x, y, padded, levels=[0.5], colors="#ffd23f", linewidths=0.8)
    line.set_gid("region")
    ax.set_xlim(-0.5, columns - 0.5)
    ax.set_ylim(rows - 0.5, -0.5)
    if text and mask.any():
        row, column = np.argwhere(mask)[0]
        ax.annotate(
            text, (column, row), xytext=(2, 2), textcoords="offset points", color="#ffd23f", fontsize=6,
            parse_math=False, bbox={"facecolor": (0, 0, 0, 0.6), "edgecolor": "none", "pad": 1},
        )  # fmt: skip


def draw_strip(ax: Axes, panel: Panel, height_mm: float, *, unseen: bool, fontsize: float) -> None:
    """Draw the strip under an image: the scale bar at its right and, at its left, what the hatching means."""
    from matplotlib.patches import Rectangle

    width = panel.values.shape[1]
    axis = panel.axes[1]
    bar = scale_bar(width, axis.step, axis.units)
    place = ax.get_xaxis_transform()  # x in pixels of the image, y in parts of the image's height
    right = width - 0.5
    patch = Rectangle(
        (right - bar.pixels, -3.0 / height_mm), bar.pixels, 0.9 / height_mm, transform=place, clip_on=False,
        facecolor=INK, edgecolor="none", gid="scale bar",
    )  # fmt: skip
    ax.add_patch(patch)
    ax.text(
        right - bar.pixels, -2.55 / height_mm, f"{bar.label}  ", transform=place, ha="right", va="center_baseline",
        fontsize=fontsize, color=INK, parse_math=False, gid="scale bar label",
    )  # fmt: skip
    if unseen:
        swatch = 3.0 * width / (height_mm * ax.bbox.width / ax.bbox.height)
        ax.add_patch(
            Rectangle(
                (-0.5, -3.6 / height_mm),
                swatch,
                2.1 / height_mm,
                transform=place,
                clip_on=False,
                facecolor=(0.6, 0.6, 0.6),
                edgecolor="white",
                hatch="//////",
                linewidth=0.0,
            )
        )
        ax.text(
            -0.5 + 1.25 * swatch, -2.55 / height_mm, "not seen", transform=place, ha="left", va="center_baseline",
            fontsize=fontsize, color=INK, parse_math=False,
        )  # fmt: skip


def draw_colour_bar(
    cax: Axes, panel: Panel, limits: Limits, alpha: float | None, *, fontsize: float, ground: str = "image"
) -> None:
    """Draw a colour bar as the map looks on mid grey, labelled with what is shown and in which unit."""
    from matplotlib.ticker import MaxNLocator

    low, high = limits
    colours = bar_colours(signed=panel.signed, alpha=alpha, ground=ground)
    cax.imshow(
        colours[:, None, :], origin="lower", aspect="auto", extent=(0.0, 1.0, low, high), interpolation="bilinear"
    )
    power = _power(high)
    ticks = [t for t in MaxNLocator(nbins=4, symmetric=panel.signed).tick_values(low, high) if low <= t <= high]
    shown = [f"{t / 10**power:.3g}".replace("-", "−") for t in ticks]
    cax.set_yticks(ticks, shown, fontsize=fontsize)
    cax.set_xticks([])
    cax.yaxis.tick_right()
    cax.yaxis.set_label_position("right")
    cax.tick_params(length=1.5, width=0.4, pad=1.5)
    for spine in cax.spines.values():
        spine.set(linewidth=0.4, color=INK)
    unsigned = sentences.SENSITIVITY if panel.units.startswith("score per") else sentences.RELEVANCE
    what = sentences.RELEVANCE_SIGNED if panel.signed else unsigned
    what = sentences.ERROR if panel.is_error else what
    scale = f"×10{str(power).translate(_SUPERSCRIPT)} " if power else ""
    text = f"{what}\n({scale}{sentences.UNITS.get(panel.units, panel.units)})"
    room = 72.0 * cax.bbox.height / cax.figure.dpi * 1.15  # points; a letter is half the font's size wide
    size = min(fontsize, max(4.0, room / (0.52 * max(map(len, text.split("\n"))))))
    cax.set_ylabel(text, fontsize=size, labelpad=3, parse_math=False, color=INK)
    finite = panel.values[np.isfinite(panel.values)]
    if finite.size and finite.max() > high * (1 + 1e-6):
        cax.annotate("▲", (0.5, 1.0), xycoords="axes fraction", xytext=(0, 1), textcoords="offset points",
                     ha="center", va="bottom", fontsize=4, color=colours[-1], gid="above the limits")  # fmt: skip
    if finite.size and finite.min() < low * (1 + 1e-6) - 1e-300 and low < 0:
        cax.annotate("▼", (0.5, 0.0), xycoords="axes fraction", xytext=(0, -1), textcoords="offset points",
                     ha="center", va="top", fontsize=4, color=colours[0], gid="below the limits")  # fmt: skip


def _power(largest: float) -> int:
    exponent = math.floor(math.log10(largest))
    return 0 if -1 <= exponent <= 3 else 3 * (exponent // 3)


def thinned(curves: Array, values: Array) -> npt.NDArray[np.intp]:
    """Return the positions of a long curve that are drawn: of each short run its tallest point and its strongest."""
    length = values.size
    if length <= _LONGEST_CURVE:
        return np.arange(length)
    runs = np.array_split(np.arange(length), _LONGEST_CURVE // 2)
    height = np.abs(curves - np.median(curves, axis=1, keepdims=True)).max(axis=0)
    weight = np.abs(np.nan_to_num(values))
    picked = {int(run[np.argmax(of[run])]) for run in runs for of in (height, weight)}
    return np.array(sorted(picked | {0, length - 1}))


def draw_curve(ax: Axes, under: Axes, panel: Panel, limits: Limits, alpha: float | None, *, fontsize: float) -> None:
    """Draw a curve coloured by relevance, and under it the relevance itself along the same axis."""
    from matplotlib.collections import LineCollection
    from matplotlib.colors import Normalize

    curves = np.atleast_2d(panel.image)
    axis = panel.axes[0]
    drawn = thinned(curves, panel.values)
    x, values = axis.centres[drawn], panel.values[drawn]
    colours = map_colours(signed=panel.signed, alpha=alpha, ground="white")
    middle = (values[1:] + values[:-1]) / 2.0
    for curve in curves[:, drawn]:
        ax.plot(x, curve, color="0.45", linewidth=0.5, zorder=2)
        points = np.stack([x, curve], axis=1)
        segments: Any = np.stack([points[:-1], points[1:]], axis=1)
        lines = LineCollection(segments, cmap=colours, norm=Normalize(*limits), linewidths=2.2, zorder=3)
        lines.set(capstyle="round", gid=f"map {panel.name}")
        lines.set_array(np.ma.masked_invalid(middle))
        ax.add_collection(lines)
    under.axhline(0.0, color="0.5", linewidth=0.4)
    filled = np.nan_to_num(values)
    red, blue = colours(1.0)[:3], colours(0.0)[:3] if panel.signed else colours(1.0)[:3]
    under.fill_between(x, filled, 0.0, where=(filled >= 0).tolist(), color=red, linewidth=0)
    under.fill_between(x, filled, 0.0, where=(filled <= 0).tolist(), color=blue, linewidth=0)
    for one in (ax, under):
        _hatch_line(one, axis.centres, np.isnan(panel.values))
        one.set_xlim(float(x[0]), float(x[-1]))
        one.tick_params(length=1.5, width=0.4, labelsize=fontsize, pad=1.5)
        for side, spine in one.spines.items():
            spine.set(linewidth=0.4, color=INK, visible=side in ("left", "bottom"))
    if axis.name in _REVERSED:
        ax.invert_xaxis()
        under.invert_xaxis()
    ax.set_xticklabels([])
    ax.set_yticks([])
    ax.set_ylabel("signal", fontsize=fontsize, color=INK)
    under.set_yticks([0.0], ["0"])
    under.set_ylim(min(limits[0] * 1.1, 0.0), limits[1] * 1.1)
    under.set_xlabel(curve_label(axis), fontsize=fontsize, labelpad=1.5, parse_math=False, color=INK)
    if panel.empty or not np.any(np.nan_to_num(panel.values)):
        note(ax, sentences.EMPTY)


def curve_label(axis: Axis) -> str:
    """Return the label of a curve's axis, with the unit where the file tells one."""
    unit = short_unit(axis.units) if axis.units else ""
    return sentences.axis_label(axis.name, "" if unit == "px" and axis.name != "axis" else unit)


def _hatch_line(ax: Axes, centres: Array, unseen: npt.NDArray[np.bool_]) -> None:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], unseen, [False]]).astype(np.int8)))
    half = (centres[-1] - centres[0]) / max(centres.size - 1, 1) / 2.0
    for start, stop in edges.reshape(-1, 2):
        span = ax.axvspan(centres[start] - half, centres[stop - 1] + half, facecolor="0.92", hatch="////", linewidth=0)
        span.set(edgecolor="0.6", gid="never seen", zorder=1)


def aspect_of(panel: Panel) -> float:
    """Return height over width of a panel's image on paper, from the pixel sizes where both axes share a quantity."""
    rows, columns = panel.values.shape
    down, across = panel.axes
    tall, wide = metres_per(down.units), metres_per(across.units)
    if tall is not None and wide is not None:
        return float(rows * down.step * tall / (columns * across.step * wide))
    same = down.units == across.units and down.step > 0 and across.step > 0
    return float(rows * down.step / (columns * across.step)) if same else rows / columns

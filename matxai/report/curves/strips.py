"""Maps of a curve as strips below it, one for each method, each with its own limits written beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from matxai.report import sentences
from matxai.report.colours import map_colours
from matxai.report.drawing import INK

if TYPE_CHECKING:
    import numpy.typing as npt
    from matplotlib.axes import Axes

    from matxai.report.colours import Limits
    from matxai.report.reading import Panel

_MOST = 1200  # of a strip as wide as a page: more would be thinner than what a printer shows


def edges_of(places: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the borders of the points' cells, halfway between them, shape (L + 1,)."""
    if places.size == 1:
        return np.array([places[0] - 0.5, places[0] + 0.5])
    middle = (places[1:] + places[:-1]) / 2.0
    return np.concatenate([[1.5 * places[0] - 0.5 * places[1]], middle, [1.5 * places[-1] - 0.5 * places[-2]]])


def pooled(
    places: npt.NDArray[np.float64], values: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the borders of at most 1200 cells and, in each, the value of the largest magnitude (NaN if all are)."""
    borders = edges_of(places)
    size = -(-values.size // _MOST)
    if size == 1:
        return borders, values
    starts = np.arange(0, values.size, size)
    weight = np.abs(np.nan_to_num(values))
    best = [s + int(np.argmax(weight[s : s + size])) for s in starts]
    empty = [bool(np.isnan(values[s : s + size]).all()) for s in starts]
    return borders[[*starts, values.size]], np.where(empty, np.nan, np.nan_to_num(values[best]))


def draw_map_strip(
    ax: Axes, panel: Panel, places: npt.NDArray[np.float64], limits: Limits, *, name: str, fontsize: float
) -> None:
    """Draw one map as a strip of colour along the axis; hatched where the network never saw the curve."""
    order = np.argsort(places)
    borders, values = pooled(places[order], panel.values[order])
    colours = map_colours(signed=panel.signed, alpha=1.0, ground="white")
    mesh = ax.pcolormesh(
        borders, [0.0, 1.0], np.ma.masked_invalid(values)[None, :], cmap=colours, vmin=limits[0], vmax=limits[1],
        shading="flat", rasterized=True,
    )  # fmt: skip
    mesh.set_gid(f"strip {panel.name}")
    unseen = np.isnan(values)
    for start, stop in np.flatnonzero(np.diff(np.concatenate([[False], unseen, [False]]))).reshape(-1, 2):
        span = ax.axvspan(borders[start], borders[stop], facecolor="0.94", edgecolor="0.6", hatch="////", linewidth=0)
        span.set_gid("never seen")
    ax.set_ylim(0.0, 1.0)
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set(linewidth=0.4, color=INK)
    size = fontsize - (1.0 if len(name) <= 18 and "\n" not in name else 2.0)
    ax.annotate(
        name, (0.0, 0.5), xycoords="axes fraction", xytext=(-3, 0), textcoords="offset points", ha="right", va="center",
        fontsize=size, linespacing=0.95, color=INK, parse_math=False, annotation_clip=False,
    )  # fmt: skip
    largest = sentences.number(limits[1], digits=2)
    ax.annotate(
        f"±{largest}" if panel.signed else f"0 … {largest}", (1.0, 0.5), xycoords="axes fraction", xytext=(3, 0),
        textcoords="offset points", ha="left", va="center", fontsize=fontsize - 1.5, color="0.35", parse_math=False,
        annotation_clip=False,
    )  # fmt: skip

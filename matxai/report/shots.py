"""Pictures of examples: an image or a curve as it is, with the border of the place in question."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.report import drawing
from matxai.report.layout import MM, empty_figure
from matxai.report.pictures import figure_address

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    from matplotlib.axes import Axes

    from matxai.report.judgement import Shot

WIDTH_MM = 60.0
_TALLEST = 1.6  # height over width: a very tall image is shown narrower, not cut


def shot_addresses(shots: Sequence[Shot]) -> list[str]:
    """Return the pictures of one example as ``data:`` addresses; all have one scale of grey, that of the first."""
    planes = [np.asarray(s.values) for s in shots]
    pictures = [p for p in planes if p.ndim > 1]
    limits = drawing.grey_limits(np.asarray(pictures[0], np.float64)) if pictures else (0.0, 1.0)
    return [_address(shot, plane, limits) for shot, plane in zip(shots, planes, strict=True)]


def _address(shot: Shot, values: npt.NDArray[Any], limits: tuple[float, float]) -> str:
    if values.ndim == 1:
        figure = empty_figure(WIDTH_MM, 34.0)
        axes = figure.add_axes((0.02, 0.05, 0.96, 0.9))
        _curve(axes, values, shot.outline)
        return figure_address(figure, photograph=False)
    rows, columns = values.shape[:2]
    tall = min(rows / columns, _TALLEST)
    figure = empty_figure(WIDTH_MM, WIDTH_MM * tall)
    width = min(1.0, columns / rows * tall)
    axes = figure.add_axes(((1.0 - width) / 2, 0.0, width, 1.0))
    _picture(axes, values, limits)
    if shot.outline is not None:
        drawing.outline(axes, np.asarray(shot.outline, np.bool_))
    # small images are enlarged by whole pixels and stay sharp; large ones need no more than a screen shows
    dpi = float(np.clip(3 * columns / (WIDTH_MM / MM), 160.0, 240.0))
    return figure_address(figure, dpi=dpi)


def _picture(axes: Axes, values: npt.NDArray[Any], limits: tuple[float, float]) -> None:
    if values.ndim == 3 and values.shape[-1] >= 3:
        low, high = limits
        shown = np.clip((values[..., :3].astype(np.float64) - low) / (high - low), 0.0, 1.0)
        axes.imshow(shown, aspect="auto", interpolation="nearest")
    else:
        plane = values if values.ndim == 2 else values[..., 0]
        axes.imshow(
            plane.astype(np.float32),
            cmap="gray",
            vmin=limits[0],
            vmax=limits[1],
            aspect="auto",
            interpolation="nearest",
        )
    axes.set_axis_off()


def _curve(axes: Axes, values: npt.NDArray[Any], outline: npt.NDArray[np.bool_] | None) -> None:
    axes.plot(np.asarray(values, np.float64), color=drawing.INK, linewidth=0.8)
    axes.set_xlim(0, max(1, values.size - 1))
    axes.set_xticks([])
    axes.set_yticks([])
    if outline is not None:
        edges = np.flatnonzero(np.diff(np.concatenate([[0], np.asarray(outline, np.int8), [0]])))
        for first, last in zip(edges[::2], edges[1::2], strict=True):
            axes.axvspan(first - 0.5, last - 0.5, facecolor="#ffd23f", alpha=0.4, edgecolor="black", linewidth=0.6)

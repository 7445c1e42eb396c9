"""Reference lines as sticks with their labels, as many as can be read without one lying on another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from matxai.report.drawing import INK

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    from matplotlib.axes import Axes

    from matxai.reference import ReferenceLines

COLOURS = ("#0a7d4f", "#8a3ffc", "#b35c00", "#0f6fc5", "#a8326e", "#5c6b00")
"""One for each phase, dark enough for letters on white."""


STICK, LETTER = 5.5, 0.54
"""Millimetres that the strongest stick is high; how wide a letter is, in its size."""
LEAST = 13.0
"""Millimetres that the sticks of a reference and their labels take at least."""


def height_of(lines: ReferenceLines, fontsize: float) -> float:
    """Return how many millimetres the sticks of a reference need, its longest label upright above them."""
    longest = max(len(_short(line.label)) for line in lines.lines)
    return max(LEAST, STICK + 1.0 + longest * LETTER * (fontsize - 1.0) * 25.4 / 72.0)


def readable(
    places: npt.NDArray[np.float64], intensities: npt.NDArray[np.float64], apart: float
) -> npt.NDArray[np.intp]:
    """Return which labels are written: the strongest first, none nearer than ``apart`` to one already chosen.

    Parameters
    ----------
    places
        Shape (n,), on the axis of the plot.
    intensities
        Shape (n,); NaN counts as strong, since nobody says that it is weak.
    apart
        Room that a label needs along the axis.

    Returns
    -------
    numpy.ndarray
        Indices in ascending order.
    """
    strength = np.where(np.isnan(intensities), np.inf, intensities)
    chosen: list[int] = []
    for i in np.argsort(-strength, kind="stable"):
        if all(abs(places[i] - places[j]) >= apart for j in chosen):
            chosen.append(int(i))
    return np.array(sorted(chosen), dtype=np.intp)


def draw_sticks(
    ax: Axes,
    lines: ReferenceLines,
    places: npt.NDArray[np.float64],
    *,
    colour: str,
    fontsize: float,
    apart: float,
    tall: float,
    assigned: Sequence[bool] | None = None,
) -> None:
    """Draw the lines of one reference into an axes of their own, labels above their sticks.

    Parameters
    ----------
    ax
        Where; its limits along the axis are set already.
    lines, places
        The reference, and where its lines lie on the axis of the plot.
    apart
        Room that a label needs, in units of the axis.
    tall
        Height of the axes in millimetres.
    assigned
        Which lines a peak was found for; the others are drawn pale.
    """
    low, high = sorted(ax.get_xlim())
    inside = np.flatnonzero((places >= low) & (places <= high))
    intensities = lines.intensities[inside]
    # by the square root, so that a line of 1 % can still be seen
    heights = np.where(np.isnan(intensities), 0.6, np.sqrt(np.clip(intensities / 100.0, 0.0025, 1.0)))
    found = np.ones(len(lines), bool) if assigned is None else np.asarray(assigned, bool)
    ax.set_ylim(0.0, 1.0)
    full = STICK / tall
    for i, height in zip(inside, heights, strict=True):
        stick = ax.vlines(places[i], 0.0, height * full, color=colour, linewidth=0.9, alpha=1.0 if found[i] else 0.35)
        stick.set_gid(f"stick {lines.name} {lines.lines[i].label}")
    for k in readable(places[inside], intensities, apart):
        i = inside[k]
        ax.text(
            float(places[i]), full + 0.5 / tall, _short(lines.lines[i].label), rotation=90, ha="center", va="bottom",
            fontsize=fontsize - 1.0, color=colour, parse_math=False, alpha=1.0 if found[i] else 0.6, gid="stick label",
        )  # fmt: skip
    ax.axhline(0.0, color=INK, linewidth=0.4)


def _short(label: str) -> str:
    """Return the first of several indices that share a line; the table has them all."""
    first, comma, _ = label.partition(",")
    return f"{first} …" if comma else first

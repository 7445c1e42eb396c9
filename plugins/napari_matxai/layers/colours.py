"""Colour maps as colours with opacity, from the lowest value to the highest: transparent where nothing was decided."""

from __future__ import annotations

#: red and blue of equal lightness, told apart by colour-blind readers; transparent where nothing was decided
SIGNED = [
    [0.02, 0.19, 0.58, 0.95],
    [0.26, 0.58, 0.90, 0.55],
    [1.0, 1.0, 1.0, 0.0],
    [0.96, 0.55, 0.25, 0.55],
    [0.70, 0.06, 0.08, 0.95],
]
UNSIGNED = [[0.0, 0.0, 0.0, 0.0], [0.55, 0.10, 0.42, 0.45], [0.91, 0.36, 0.16, 0.75], [0.98, 0.94, 0.45, 0.95]]

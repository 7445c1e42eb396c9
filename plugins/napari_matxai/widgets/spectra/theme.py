"""Colours of the plot by napari's theme: what is read on a dark ground and on a light one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Rgb = tuple[int, int, int]

# Okabe and Ito's colours, which colour-blind readers tell apart; the darker set is for light grounds
OTHERS_ON_DARK: tuple[Rgb, ...] = ((86, 180, 233), (0, 158, 115), (230, 159, 0), (204, 121, 167), (240, 228, 66))
OTHERS_ON_LIGHT: tuple[Rgb, ...] = ((0, 114, 178), (0, 120, 88), (176, 96, 0), (168, 50, 110), (92, 107, 0))


@dataclass(frozen=True)
class Theme:
    """The colours of one plot.

    Parameters
    ----------
    ground, ink
        Behind everything, and of letters and axes.
    curve
        A curve, or the part of it that did not matter.
    others
        Further curves, phases and their letters, in turn.
    zone, expected, unexplained
        Of zones and marks.
    dark
        Whether the ground is dark.
    """

    ground: Rgb
    ink: Rgb
    curve: Rgb
    others: tuple[Rgb, ...]
    zone: Rgb
    expected: Rgb
    unexplained: Rgb
    dark: bool


def theme_of(viewer: Any) -> Theme:
    """Return the colours for the theme that a viewer has now."""
    from napari.utils.theme import get_theme

    known = get_theme(viewer.theme)
    ground, ink = _rgb(known.background), _rgb(known.text)
    dark = sum(ground) < 3 * 128
    others = OTHERS_ON_DARK if dark else OTHERS_ON_LIGHT
    return Theme(
        ground,
        ink,
        (150, 153, 160) if dark else (120, 122, 128),
        others,
        (86, 180, 233) if dark else (0, 114, 178),
        others[1],
        others[2],
        dark,
    )


def _rgb(colour: Any) -> Rgb:
    red, green, blue = colour.as_rgb_tuple()[:3]
    return int(red), int(green), int(blue)

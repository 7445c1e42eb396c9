"""Panels with writing along any edge of a picture, as many makers draw them: ground truth for finders.

Unlike :mod:`matxai_datasets.infobar`, which gives the generated data set its bars, these come at all four sides, off
the edge, in two tones, with a maker's block, smoothed, compressed, and of any depth. A style is one row of
:data:`PANELS`.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

from matxai_datasets import glyphs

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIDES = ("bottom", "top", "left", "right")
DEPTHS = ("uint8", "rgb", "uint16", "float32")

SAME, VISIBLE = 16, 0.1
"""Levels within which picture and panel look alike, and along which share of its end a panel must look different."""


@dataclass(frozen=True)
class Panel:
    """How a panel looks.

    Attributes
    ----------
    ground, ink
        Grey values of 255.
    second
        Grey value of the other tone, or ``None``.
    split
        Where the second tone is: ``"beside"`` (the last two fifths) or ``"below"`` (the lower half).
    frame
        Grey value of a frame, or ``None``; ``frame_width`` pixels wide.
    dividers
        Whether lines of the frame's value (or the ink's) part the fields.
    logo
        Whether a maker's block stands at the end.
    smooth
        Width in pixels that the writing is smoothed with, 0 for hard letters.
    """

    ground: int
    ink: int
    second: int | None = None
    split: str = "beside"
    frame: int | None = None
    frame_width: int = 1
    dividers: bool = False
    logo: bool = False
    smooth: float = 0.0


PANELS: dict[str, Panel] = {
    "black": Panel(0, 255),
    "white": Panel(255, 0),
    "grey": Panel(64, 230, smooth=0.5),
    "framed": Panel(0, 255, frame=255, dividers=True),
    "thick_frame": Panel(0, 240, frame=255, frame_width=3),
    "white_framed": Panel(255, 0, frame=0, logo=True, smooth=0.4),
    "divided": Panel(46, 255, dividers=True, logo=True, smooth=0.5),
    "two_tones_beside": Panel(20, 255, second=200),
    "two_tones_below": Panel(230, 10, second=96, split="below"),
    "light_grey": Panel(170, 10, smooth=0.4),
}
"""The styles, named for what one sees."""

_FIELDS = (
    "EHT={:.1f}kV",
    "WD={:.1f}mm",
    "Mag={:.1f}kX",
    "HV {:.0f}kV",
    "I={:.1f}nA",
    "Det=SE2",
    "HV ETD",
    "T={:.0f} s",
)


@dataclass(frozen=True, eq=False)
class Drawn:
    """A picture with a panel.

    Attributes
    ----------
    pixels
        ``(y, x)`` or ``(y, x, 3)``.
    side
        One of :data:`SIDES`.
    first, last
        Rows of the panel, or columns where it stands at the left or the right; both inclusive.
    hidden
        Why nobody could say where the panel ends, ``None`` where one can: along at least nine tenths of an end the
        picture beside it has the panel's level (``"same level beside it"``); or up to five constant lines of the
        picture lie beside it, as its own frame would (``"like a frame beside it"``).
    """

    pixels: NDArray[np.generic]
    side: str
    first: int
    last: int
    hidden: str | None = None


def panel(style: str, rng: np.random.Generator, length: int, scale: int = 1) -> NDArray[np.uint8]:
    """Draw a panel along the bottom.

    Parameters
    ----------
    style
        A name in :data:`PANELS`.
    rng
        Decides what is written, where, and in one line or two.
    length
        Columns, at least 120.
    scale
        How many times the font is enlarged.

    Returns
    -------
    numpy.ndarray
        ``(rows, length)`` uint8.
    """
    look = PANELS[style]
    lines = int(rng.integers(1, 3))
    pad = int(rng.integers(3, 6)) * scale + (look.frame_width if look.frame is not None else 0)
    rows = 2 * pad + (9 * lines - 2) * scale
    pixels = np.full((rows, length), float(look.ground))
    tones = np.zeros((rows, length), dtype=bool)
    if look.second is not None:
        tones[(rows + 1) // 2 :] = look.split == "below"
        tones[:, 3 * length // 5 :] |= look.split == "beside"
        pixels[tones] = look.second
    ink, bars = _writing(rng, (rows, length), lines, pad, scale)
    if look.dividers:
        pixels[:, bars] = look.ink if look.frame is None else look.frame
    other = 255 - look.ink if look.second is not None and abs(look.second - look.ink) < 100 else look.ink
    pixels = pixels + (np.where(tones, other, look.ink) - pixels) * _soft(ink, look.smooth)
    if look.logo:
        wide = min(max(rows - 4 * scale, 6), length // 8)
        block = pixels[2 * scale : rows - 2 * scale, length - wide - 3 * scale : length - 3 * scale]
        block[:] = 72 if look.ground > 128 else 200
        block[block.shape[0] // 3 : 2 * block.shape[0] // 3, 2:-2] = look.ground
    if look.frame is not None:
        w = look.frame_width
        pixels[:w] = pixels[-w:] = look.frame
        pixels[:, :w] = pixels[:, -w:] = look.frame
    return np.asarray(np.clip(np.round(pixels), 0, 255).astype(np.uint8))


def burn_in(
    picture: NDArray[np.uint8],
    style: str,
    rng: np.random.Generator,
    *,
    side: str = "bottom",
    off: int = 0,
    depth: str = "uint8",
    quality: int | None = None,
) -> Drawn:
    """Draw a panel into a picture.

    Parameters
    ----------
    picture
        ``(y, x)`` uint8.
    style
        A name in :data:`PANELS`.
    rng
        See :func:`panel`.
    side
        One of :data:`SIDES`; at the left and the right the writing is turned.
    off
        Lines of specimen between the panel and the edge.
    depth
        One of :data:`DEPTHS`. In 16 bits the picture fills 12 of them and the panel all.
    quality
        Of JPEG, which the whole is put through; None for none. Of 8 bits only.
    """
    if side not in SIDES or depth not in DEPTHS or (quality is not None and depth not in ("uint8", "rgb")):
        msg = f"A panel stands at one of {SIDES}, in one of {DEPTHS}, JPEG in 8 bits; not {side}, {depth}, {quality}."
        raise ValueError(msg)
    turned = picture if side in ("bottom", "top") else picture.T
    length = turned.shape[1]
    drawn = panel(style, rng, length, max(1, round(length / 400)))
    rows, height = drawn.shape[0], turned.shape[0]
    first = height - off - rows if side in ("bottom", "right") else off
    place = np.zeros(turned.shape, dtype=bool)
    place[first : first + rows] = True
    hidden = _hidden(turned, drawn, first)
    whole = turned.copy()
    whole[first : first + rows] = drawn
    if side in ("left", "right"):
        whole, place = whole.T, place.T
    return Drawn(_deep(whole, place, depth, quality, rng), side, first, first + rows - 1, hidden)


def _hidden(picture: NDArray[np.uint8], drawn: NDArray[np.uint8], first: int) -> str | None:
    """Why nobody could say where a panel ends, ``None`` where one can.

    Both ends that lie inside the picture are looked at, before compression.
    """
    for at, beside, step in ((0, first - 1, -1), (len(drawn) - 1, first + len(drawn), 1)):
        if not 0 <= beside < len(picture):
            continue
        apart = np.abs(picture[beside].astype(np.int16) - drawn[at]) > SAME
        if apart.mean() < VISIBLE:
            return "same level beside it"
        lines = picture[beside::step][:6]
        constant = [int(np.ptp(line)) <= SAME and abs(int(line[0]) - int(lines[0][0])) <= SAME for line in lines]
        if constant[0] and not all(constant) and len(lines) == 6:
            return "like a frame beside it"
    return None


def _deep(
    pixels: NDArray[np.uint8], place: NDArray[np.bool_], depth: str, quality: int | None, rng: np.random.Generator
) -> NDArray[np.generic]:
    if quality is not None:
        stream = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(pixels)).save(stream, "JPEG", quality=quality)
        pixels = np.asarray(Image.open(stream))
    if depth == "rgb":
        return np.repeat(pixels[..., None], 3, axis=-1)
    if depth == "uint16":
        fine = pixels.astype(np.int64) * 16 + rng.integers(0, 16, pixels.shape)
        return np.where(place, pixels.astype(np.int64) * 257, fine).astype(np.uint16)
    if depth == "float32":
        return (pixels / 255).astype(np.float32)
    return np.ascontiguousarray(pixels)


def _soft(ink: NDArray[np.bool_], sigma: float) -> NDArray[np.float64]:
    return np.asarray(gaussian_filter(ink.astype(np.float64), sigma) if sigma else ink.astype(np.float64))


def _writing(
    rng: np.random.Generator, shape: tuple[int, int], lines: int, pad: int, scale: int
) -> tuple[NDArray[np.bool_], list[int]]:
    """Fields side by side and a scale bar; where the dividers between them are."""
    ink = np.zeros(shape, dtype=bool)
    left, dividers = pad + int(rng.integers(0, 8)), []
    ruler = int(shape[1] * rng.uniform(0.12, 0.25))
    while True:
        texts = [str(rng.choice(_FIELDS)).format(rng.uniform(1, 25)) for _ in range(lines)]
        drawn = [glyphs.text(text, scale=scale) for text in texts]
        wide = max(d.shape[1] for d in drawn)
        if left + wide + ruler + 4 * pad > shape[1] - pad:
            break
        for number, one in enumerate(drawn):
            top = pad + 9 * scale * number
            ink[top : top + one.shape[0], left : left + one.shape[1]] = one
        left += wide + pad
        dividers.append(left)
        left += pad + int(rng.integers(0, 20 * scale))
    right = shape[1] - pad - shape[1] // 8 - 3
    middle = shape[0] // 2
    if right - ruler > left:
        ink[middle - scale : middle, right - ruler : right] = True
        ink[middle - 3 * scale : middle + 2 * scale, [right - ruler, right - 1]] = True
    return ink, dividers

"""Info bars: the band that an instrument burns into the bottom of its images, with text and a scale bar.

The styles look like those of several makers and are named for what one sees. A style is one row of :data:`STYLES`.
What a bar says (voltage, working distance, magnification, detector) is drawn at random from its own seed; scale bar and
magnification agree with the pixel size.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matxai_datasets import glyphs

Mask = NDArray[np.bool_]

ROWS = 20
"""Rows of a bar in a picture up to about 320 pixels wide; wider pictures get a multiple, see :func:`scale_of`."""


@dataclass(frozen=True)
class Style:
    """How one maker's bar looks.

    Attributes
    ----------
    ground, ink
        Grey values of 255 for band and writing; a ground of ``None`` writes over the picture, without a band.
    frame
        Grey value of a frame around the band, or ``None``.
    scale_side
        ``"left"`` or ``"right"``.
    scale_shape
        ``"ticks"``: a line with end ticks; ``"block"``: a filled block; ``"split"``: a line broken by its label.
    fields
        What is written, as many entries as fit.
    """

    ground: int | None
    ink: int
    frame: int | None
    scale_side: str
    scale_shape: str
    fields: tuple[str, ...]


STYLES: dict[str, Style] = {
    "black": Style(0, 255, None, "left", "ticks", ("EHT={kv}kV", "WD={wd}mm", "Mag={mag}", "{detector}")),
    "framed": Style(0, 255, 255, "right", "split", ("HV {kv}kV", "WD {wd}mm", "mag {mag}", "{detector}")),
    "white": Style(255, 0, None, "right", "block", ("{detector}", "{kv}kV", "x {mag}", "WD{wd}mm")),
    "grey": Style(64, 230, None, "left", "block", ("SEM HV: {kv}kV", "Det: {detector}", "WD: {wd}mm")),
    "overlay": Style(None, 255, None, "right", "block", ("{kv}kV", "x{mag}", "{detector}")),
}


@dataclass(frozen=True, eq=False)
class Bar:
    """A bar as drawn, for the bottom rows of one picture.

    Attributes
    ----------
    pixels
        ``(rows, W)`` uint8.
    covers
        Which of these pixels replace the picture's: all of a band, the ink alone of an overlay.
    text, scale_bar
        Where writing and scale bar are.
    lines
        What is written.
    """

    pixels: NDArray[np.uint8]
    covers: Mask
    text: Mask
    scale_bar: Mask
    lines: tuple[str, ...]


def scale_of(width: int) -> int:
    """How many times the font is enlarged in a picture of this width."""
    return max(1, round(width / 320))


def draw(style: str, seed: int, width: int, pixel_size: float) -> Bar:
    """Draw a bar.

    Parameters
    ----------
    style
        A name in :data:`STYLES`.
    seed
        Decides what the bar says.
    width
        Columns of the picture, at least 120.
    pixel_size
        In micrometres; decides scale bar and magnification.

    Returns
    -------
    Bar
        Of ``ROWS * scale_of(width)`` rows.
    """
    rng = np.random.default_rng([seed, 4])
    look, scale = STYLES[style], scale_of(width)
    rows = ROWS * scale
    text, scale_bar = np.zeros((2, rows, width), dtype=bool)
    length, label = nice_length(pixel_size, width * rng.uniform(0.20, 0.30))
    block = _scale_block(look, scale, max(round(length / pixel_size), 2), label)
    pad = 3 * scale
    left = pad if look.scale_side == "left" else width - pad - block[0].shape[1]
    text[:, left : left + block[0].shape[1]] |= block[0]
    scale_bar[:, left : left + block[1].shape[1]] |= block[1]
    start = left + block[0].shape[1] + 2 * pad if look.scale_side == "left" else pad
    end = width - pad if look.scale_side == "left" else left - 2 * pad
    lines = _fit([field.format(**_settings(rng, width * pixel_size)) for field in look.fields], (end - start) // scale)
    for number, line in enumerate(lines):
        ink = glyphs.text(line, scale=scale)
        top = (2 + 9 * number) * scale
        text[top : top + ink.shape[0], start : start + ink.shape[1]] |= ink
    pixels = np.full((rows, width), 0 if look.ground is None else look.ground, dtype=np.uint8)
    if look.frame is not None:
        pixels[[0, -1], :] = look.frame
        pixels[:, [0, -1]] = look.frame
        pixels[:, left - pad if look.scale_side == "right" else start - pad] = look.frame
    pixels[text | scale_bar] = look.ink
    covers = (text | scale_bar) if look.ground is None else np.ones((rows, width), dtype=bool)
    return Bar(pixels, covers, text, scale_bar, (*lines, label))


def nice_length(pixel_size: float, pixels: float) -> tuple[float, str]:
    """Longest length of the series 1, 2, 5 that takes at most so many pixels.

    Returns
    -------
    length : float
        In micrometres.
    label : str
        With its unit.

    Examples
    --------
    >>> nice_length(0.1, 40)
    (2.0, '2 µm')
    """
    target = pixel_size * pixels
    power = 10.0 ** math.floor(math.log10(target))
    length = float(max(step for step in (1, 2, 5) if step * power <= target * (1 + 1e-9)) * power)
    if length >= 0.999:
        return length, f"{length:.0f} µm"
    return length, f"{length * 1000:.0f} nm"


def _settings(rng: np.random.Generator, field_width: float) -> dict[str, str]:
    """Draw what the instrument was set to; the magnification refers to a print 127 mm wide, as is usual."""
    magnification = 127_000 / field_width
    shown = f"{magnification / 1000:.1f}k" if magnification >= 1000 else f"{magnification:.0f}"
    return {
        "kv": str(rng.choice(["2", "3", "5", "10", "15", "20"])),
        "wd": f"{rng.uniform(2.5, 12):.1f}",
        "mag": shown,
        "detector": str(rng.choice(["SE", "SE2", "ETD", "TLD", "BSE", "CBS", "LEI"])),
    }


def _fit(fields: list[str], columns: int) -> list[str]:
    """Lay the fields out in two lines of so many font columns, one after the other, leaving out what does not fit."""
    room = max((columns + 1) // glyphs.ADVANCE, 0)
    lines = ["", ""]
    for field in fields:
        for number, line in enumerate(lines):
            longer = f"{line} {field}".strip()
            if len(longer) <= room:
                lines[number] = longer
                break
    return lines


def _scale_block(look: Style, scale: int, length: int, label: str) -> tuple[Mask, Mask]:
    """Label and scale bar side by side in one block of ``(rows, columns)``: a mask for each."""
    rows = ROWS * scale
    ink = glyphs.text(label, scale=scale)
    columns = max(length, ink.shape[1])
    text, bar = np.zeros((2, rows, columns), dtype=bool)
    left, at = (columns - ink.shape[1]) // 2, (columns - length) // 2
    text[2 * scale : 2 * scale + ink.shape[0], left : left + ink.shape[1]] = ink
    if look.scale_shape == "block":
        bar[13 * scale : 16 * scale, at : at + length] = True
    else:
        bar[14 * scale : 15 * scale, at : at + length] = True
        ends = [slice(at, at + scale), slice(at + length - scale, at + length)]
        for end in ends:
            bar[12 * scale : 17 * scale, end] = True
        if look.scale_shape == "split":  # the line is broken in the middle, the ends stay
            third = length // 3
            bar[12 * scale : 17 * scale, at + third : at + length - third] = False
    return text, bar

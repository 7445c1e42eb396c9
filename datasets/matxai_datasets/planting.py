"""Artefacts drawn into any image, with the mask of what was drawn: what a leakage check is tried on.

An artefact has a *content*, which stands for the instrument or the operator and decides how it looks, and a seed, which
decides what changes from image to image of one instrument: the numbers written, lengths, a few pixels of place. The
same image, kind, content and seed give the same pixels. What an instrument's own bar looks like in a micrograph is
:mod:`matxai_datasets.infobar`'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from matxai_datasets import glyphs

if TYPE_CHECKING:
    from collections.abc import Callable

Mask = NDArray[np.bool_]
Ink = int | tuple[int, int, int]

SMALLEST = 64
CONTENTS = 4
"""How many looks each kind has: contents are numbered from 0."""

WHITE, BLACK = 255, 0


@dataclass(frozen=True, eq=False)
class Planted:
    """An image with an artefact.

    Attributes
    ----------
    pixels
        A copy of the image with the artefact, of its shape and type.
    mask
        ``(H, W)``, true where something was drawn.
    kind, content
        What was drawn.
    """

    pixels: NDArray[np.generic]
    mask: Mask
    kind: str
    content: int


def plant(image: NDArray[np.generic], kind: str, content: int, seed: int) -> Planted:
    """Draw an artefact into a copy of an image.

    Parameters
    ----------
    image
        ``(H, W)`` or ``(H, W, 3)`` of ``uint8`` or ``uint16``, at least 64 pixels along each side.
    kind
        A name in :data:`KINDS`.
    content
        Which instrument or operator: a number below :data:`CONTENTS`.
    seed
        Decides what changes within a content.

    Returns
    -------
    Planted
        The new image, and where it was drawn into.

    Raises
    ------
    ValueError
        If the kind or content is unknown, or the image is none of those named here.

    Examples
    --------
    >>> image = np.full((96, 128), 120, np.uint8)
    >>> planted = plant(image, "info_bar", content=0, seed=1)
    >>> int(planted.mask.any(axis=1).sum())
    16
    """
    if kind not in KINDS:
        msg = f"No artefact {kind!r} can be planted; there are {', '.join(KINDS)}."
        raise ValueError(msg)
    if not 0 <= content < CONTENTS:
        msg = f"The content {content} of an artefact is not known; contents are numbered from 0 to {CONTENTS - 1}."
        raise ValueError(msg)
    grey, colour = image.ndim == 2, image.ndim == 3 and image.shape[2] == 3
    if image.dtype not in (np.uint8, np.uint16) or not (grey or colour) or min(image.shape[:2]) < SMALLEST:
        msg = (
            f"An artefact is planted into (H, W) or (H, W, 3) of uint8 or uint16, at least {SMALLEST} pixels along "
            f"each side; this image is {image.shape} of {image.dtype}."
        )
        raise ValueError(msg)
    canvas = _Canvas(image)
    _DRAWN[kind](canvas, content, np.random.default_rng([seed, content, KINDS.index(kind), 6]))
    return Planted(canvas.pixels, canvas.mask, kind, content)


class _Canvas:
    """A copy of an image to draw on, in grey levels or colours of 255, and what was drawn so far."""

    def __init__(self, image: NDArray[np.generic]) -> None:
        self.pixels = np.array(image)
        self.height, self.width = image.shape[:2]
        self.mask = np.zeros(image.shape[:2], bool)
        self.colour = image.ndim == 3
        self.unit: int = max(1, round(min(image.shape[:2]) / 256))  # one pixel of the font in pixels of the image
        self._step = int(np.iinfo(np.dtype(image.dtype.name)).max) // 255

    def put(self, shape: Mask, top: int, left: int, ink: Ink) -> None:
        """Draw a mask with its corner at ``(top, left)``; what lies outside the image is cut off."""
        above, before = max(-top, 0), max(-left, 0)
        shape = shape[above : self.height - top, before : self.width - left]
        top, left = max(top, 0), max(left, 0)
        where = np.zeros_like(self.mask)
        where[top : top + shape.shape[0], left : left + shape.shape[1]] = shape
        self.mask |= where
        self.pixels[where] = np.multiply(self._value(ink), self._step)

    def block(self, top: int, left: int, rows: int, columns: int, ink: Ink) -> None:
        """Fill a rectangle."""
        self.put(np.ones((max(rows, 0), max(columns, 0)), bool), top, left, ink)

    def write(self, line: str, top: int, left: int, ink: Ink) -> None:
        """Write a line of text."""
        self.put(glyphs.text(line, scale=self.unit), top, left, ink)

    def columns(self, line: str) -> int:
        """How wide a line of text is."""
        return self.unit * (glyphs.ADVANCE * len(line) - 1)

    def _value(self, ink: Ink) -> Ink:
        if isinstance(ink, int) or self.colour:
            return ink
        return int(0.299 * ink[0] + 0.587 * ink[1] + 0.114 * ink[2] + 0.5)  # luma of ITU-R BT.601


@dataclass(frozen=True)
class _Bar:
    """One instrument's bar: rows in font pixels, greys, a line above it, side of its scale, what is written."""

    rows: int
    ground: int
    ink: int
    line: int | None
    scale_left: bool
    fields: tuple[str, ...]


_BARS = (
    _Bar(16, 0, 255, None, True, ("{kv}kV", "WD{wd}", "{mag}k")),
    _Bar(16, 255, 0, None, False, ("{mag}k", "{kv}kV", "WD{wd}")),
    _Bar(16, 70, 235, 235, False, ("HV{kv}", "{wd}mm", "x{mag}k")),
    _Bar(20, 0, 255, 255, False, ("SE", "{kv}kV", "{wd}mm")),
)


def _info_bar(canvas: _Canvas, content: int, rng: np.random.Generator) -> None:
    """Draw a band along the bottom: scale with its number at one side, as many fields as fit at the other."""
    look, unit, width = _BARS[content], canvas.unit, canvas.width
    top, rows = canvas.height - look.rows * canvas.unit, look.rows * canvas.unit
    canvas.block(top, 0, rows, width, look.ground)
    if look.line is not None:
        canvas.block(top, 0, unit, width, look.line)
    length, label = round(width * rng.uniform(0.15, 0.27)), _length(rng)
    room = max(length, canvas.columns(label)) + 4 * unit
    start = 0 if look.scale_left else width - room
    middle = top + (rows - 12 * unit) // 2
    canvas.write(label, middle, start + (room - canvas.columns(label)) // 2, look.ink)
    canvas.block(middle + 9 * unit, start + (room - length) // 2, 2 * unit, length, look.ink)
    values = {
        "kv": str(rng.choice(["2", "5", "10", "15", "20"])),
        "wd": f"{rng.uniform(2.5, 9.9):.1f}",
        "mag": f"{rng.uniform(1, 90):.0f}",
    }
    left = (room if look.scale_left else 0) + 3 * unit
    end = width - (0 if look.scale_left else room) - 2 * unit
    for field in look.fields:
        line = field.format(**values)
        if left + canvas.columns(line) <= end:
            canvas.write(line, top + (rows - 7 * unit + 1) // 2, left, look.ink)
        left += canvas.columns(line) + 5 * unit


def _scale_bar(canvas: _Canvas, content: int, rng: np.random.Generator) -> None:
    """Draw a scale bar near the bottom, its number above it: short or long, white or black, left or right, ticks."""
    ink, left_side, share, ticks = (
        (WHITE, False, 0.19, False),
        (BLACK, True, 0.30, False),
        (WHITE, True, 0.38, True),
        (BLACK, False, 0.40, True),
    )[content]
    unit, label = canvas.unit, _length(rng)
    length = round(canvas.width * rng.uniform(0.92, 1.08) * share)
    room = max(length, canvas.columns(label))
    inset = 5 * unit + int(rng.integers(0, 3 * unit + 1))
    left = inset if left_side else canvas.width - inset - room
    top = canvas.height - 8 * unit - int(rng.integers(0, 2 * unit + 1))
    start = left + (room - length) // 2
    canvas.block(top, start, 2 * unit if ticks else 3 * unit, length, ink)
    if ticks:
        for end in (start, start + length - unit):
            canvas.block(top - 2 * unit, end, 6 * unit, unit, ink)
    canvas.write(label, top - 10 * unit, left + (room - canvas.columns(label)) // 2, ink)


def _text(canvas: _Canvas, content: int, rng: np.random.Generator) -> None:
    """Burn in a line or two at the top: who took it, and a number."""
    ink, left_side, lines = (
        (WHITE, True, ("SEM {n:02d}",)),
        (BLACK, True, ("RUN {n:03d}",)),
        (WHITE, False, ("LAB {n:d}", "T={m:d}K")),
        (BLACK, False, ("ID {n:02d}", "{m:d} ms")),
    )[content]
    unit, (down, aside) = canvas.unit, rng.integers(0, 3 * canvas.unit + 1, 2)
    written = [line.format(n=int(rng.integers(1, 100)), m=int(rng.integers(100, 1000))) for line in lines]
    room = max(canvas.columns(line) for line in written)
    left = 4 * unit + int(aside)
    left = left if left_side else canvas.width - left - room
    for number, line in enumerate(written):
        canvas.write(line, (4 + 9 * number) * unit + int(down), left, ink)


def _label(canvas: _Canvas, content: int, rng: np.random.Generator) -> None:
    """Stick a small plate with a number on the upper part: coloured in a colour image, else as bright as its colour."""
    ground, ink, letter = (
        ((255, 225, 40), BLACK, "A"),
        ((190, 20, 25), WHITE, "B"),
        ((15, 25, 80), WHITE, "C"),
        ((90, 205, 110), BLACK, "D"),
    )[content]
    unit, (down, aside) = canvas.unit, rng.integers(0, 5 * canvas.unit + 1, 2)
    line = f"{letter}{int(rng.integers(10, 100))}"
    columns = canvas.columns(line) + 6 * unit
    left = canvas.width - columns - 5 * unit - int(aside)
    canvas.block(6 * unit + int(down), left, 13 * unit, columns, ground)
    canvas.write(line, 9 * unit + int(down), left + 3 * unit, ink)


def _stamp(canvas: _Canvas, content: int, rng: np.random.Generator) -> None:
    """Press a small mark into a corner: disc, square, triangle or ring."""
    size = round(0.11 * min(canvas.height, canvas.width) * rng.uniform(0.9, 1.15))
    y, x = (np.mgrid[0:size, 0:size] + 0.5) / size
    radius = np.hypot(y - 0.5, x - 0.5)
    shape, at_top, at_left, ink = (
        (radius <= 0.5, True, True, WHITE),
        (np.ones((size, size), bool), False, False, BLACK),
        (np.abs(x - 0.5) <= y / 2, True, False, WHITE),
        ((radius <= 0.5) & (radius >= 0.24), False, True, BLACK),
    )[content]
    down, aside = (2 * canvas.unit + int(k) for k in rng.integers(0, 3 * canvas.unit + 1, 2))
    top = down if at_top else canvas.height - size - down
    canvas.put(np.asarray(shape), top, aside if at_left else canvas.width - size - aside, ink)


def _border(canvas: _Canvas, content: int, rng: np.random.Generator) -> None:
    """Frame the image: thin or thick, black or white, each side a little different."""
    ink, width = ((BLACK, 2), (BLACK, 6), (WHITE, 2), (WHITE, 6))[content]
    top, bottom, left, right = (canvas.unit * width + int(k) for k in rng.integers(0, canvas.unit + 1, 4))
    canvas.block(0, 0, top, canvas.width, ink)
    canvas.block(canvas.height - bottom, 0, bottom, canvas.width, ink)
    canvas.block(0, 0, canvas.height, left, ink)
    canvas.block(0, canvas.width - right, canvas.height, right, ink)


def _length(rng: np.random.Generator) -> str:
    """Draw the number beside a scale bar."""
    return f"{rng.choice(['1', '2', '5', '10', '20', '50'])} {rng.choice(['nm', 'µm'])}"


_DRAWN: dict[str, Callable[[_Canvas, int, np.random.Generator], None]] = {
    "info_bar": _info_bar,
    "scale_bar": _scale_bar,
    "text": _text,
    "label": _label,
    "stamp": _stamp,
    "border": _border,
}

KINDS = tuple(_DRAWN)
"""What can be planted."""

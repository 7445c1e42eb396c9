"""A small bitmap font, drawn for info bars: the same pixels on every machine, whatever fonts are installed.

Each glyph is seven rows of five columns, written as seven numbers of five bits, the leftmost column the highest bit.
Only the characters that instruments print are here; asking for another one is an error.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROWS, COLUMNS, ADVANCE = 7, 5, 6

# One line per glyph: the character, then its rows from top to bottom.
_DRAWN = """
A 0e 11 11 1f 11 11 11
B 1e 11 11 1e 11 11 1e
C 0e 11 10 10 10 11 0e
D 1e 11 11 11 11 11 1e
E 1f 10 10 1e 10 10 1f
F 1f 10 10 1e 10 10 10
G 0e 11 10 17 11 11 0f
H 11 11 11 1f 11 11 11
I 0e 04 04 04 04 04 0e
J 07 02 02 02 02 12 0c
K 11 12 14 18 14 12 11
L 10 10 10 10 10 10 1f
M 11 1b 15 15 11 11 11
N 11 19 19 15 13 13 11
O 0e 11 11 11 11 11 0e
P 1e 11 11 1e 10 10 10
Q 0e 11 11 11 15 12 0d
R 1e 11 11 1e 14 12 11
S 0f 10 10 0e 01 01 1e
T 1f 04 04 04 04 04 04
U 11 11 11 11 11 11 0e
V 11 11 11 11 0a 0a 04
W 11 11 11 15 15 1b 11
X 11 0a 0a 04 0a 0a 11
Y 11 11 0a 04 04 04 04
Z 1f 01 02 04 08 10 1f
a 00 00 0e 01 0f 11 0f
d 01 01 0f 11 11 11 0f
e 00 00 0e 11 1f 10 0e
g 00 0f 11 11 0f 01 0e
i 04 00 0c 04 04 04 0e
k 10 10 12 14 18 14 12
m 00 00 1a 15 15 15 15
n 00 00 1e 11 11 11 11
p 00 00 1e 11 1e 10 10
s 00 00 0f 10 0e 01 1e
t 08 08 1e 08 08 09 06
x 00 00 11 0a 04 0a 11
µ 00 00 11 11 13 1d 10
0 0e 11 13 15 19 11 0e
1 04 0c 04 04 04 04 0e
2 0e 11 01 06 08 10 1f
3 1e 01 01 0e 01 01 1e
4 02 06 0a 12 1f 02 02
5 1f 10 1e 01 01 11 0e
6 06 08 10 1e 11 11 0e
7 1f 01 02 02 04 04 04
8 0e 11 11 0e 11 11 0e
9 0e 11 11 0f 01 02 0c
. 00 00 00 00 00 0c 0c
, 00 00 00 00 0c 04 08
: 00 0c 0c 00 0c 0c 00
- 00 00 00 1e 00 00 00
= 00 00 1f 00 1f 00 00
/ 01 01 02 04 08 10 10
| 04 04 04 04 04 04 04
"""


@lru_cache(maxsize=1)
def _font() -> dict[str, NDArray[np.bool_]]:
    bits = 1 << np.arange(COLUMNS - 1, -1, -1)
    font = {" ": np.zeros((ROWS, COLUMNS), dtype=bool)}
    for line in _DRAWN.strip().splitlines():
        character, *rows = line.split(" ")
        font[character] = (np.array([int(row, 16) for row in rows])[:, None] & bits) > 0
    return font


def characters() -> str:
    """All the characters that can be drawn."""
    return "".join(_font())


def text(line: str, *, scale: int = 1) -> NDArray[np.bool_]:
    """Draw one line of text.

    Parameters
    ----------
    line
        What to write, in the characters of :func:`characters`.
    scale
        Each font pixel becomes ``scale`` x ``scale`` pixels.

    Returns
    -------
    numpy.ndarray
        A mask ``(7 * scale, 6 * scale * len(line) - scale)``, true where there is ink.

    Raises
    ------
    ValueError
        If the font lacks a character of the line.
    """
    font = _font()
    missing = sorted(set(line) - set(font))
    if missing:
        msg = f"The font has no {', '.join(repr(m) for m in missing)} for the line {line!r}; it has {characters()!r}."
        raise ValueError(msg)
    ink = np.zeros((ROWS, max(ADVANCE * len(line) - 1, 0)), dtype=bool)
    for place, character in enumerate(line):
        ink[:, ADVANCE * place : ADVANCE * place + COLUMNS] = font[character]
    return ink.repeat(scale, axis=0).repeat(scale, axis=1)

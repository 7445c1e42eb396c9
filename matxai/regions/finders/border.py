"""Borders: lines of one level along the edges of a picture, nothing written on them: padding, frames, empty panels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from matxai.regions.finders import finders
from matxai.regions.finders.info_bar import free_of_bars
from matxai.regions.region import Region
from matxai.regions.rows import Lines, picture

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matxai.regions.rows import Lined

WIDEST = 0.25
"""Share of the picture that the border of one side takes at most."""

OWNED, BESIDE = 0.995, 0.5
"""Share of the border's level in each of its lines, at least, and in the two lines of picture beside it, at most."""


class _Bound(NamedTuple):
    """How near to its level a border is, in which share of its lines, and the picture beside it at most."""

    tolerance: int
    owned: float
    beside: float


_EXACT, _LOSSY = _Bound(2, OWNED, BESIDE), _Bound(8, 0.94, 0.45)
_FRAME = 3
"""How many sides a border needs that lossy compression left no level to: saturated ground is at one."""


@finders.register("border")
def border(image: npt.NDArray[Any], facts: Mapping[str, Any]) -> list[Region]:
    """Return the constant lines along the edges as one region of up to four sides.

    A side counts where its lines have one level and the picture beside them does not begin with the same: black
    surroundings of a round specimen give way little by little and are no border. Lines of an info bar are left out.

    Parameters
    ----------
    image
        ``(y, x)`` or ``(y, x, c)``.
    facts
        As for ``info_bar``.

    Returns
    -------
    list of Region
        None or one. The evidence names ``lines`` (of the top, bottom, left and right), the ``level`` of each (of 255,
        None where there is no border) and ``jump``, the smallest fall of the level's share at the inner end.

    Raises
    ------
    RegionError
        If the array is no picture.
    """
    seen = picture(image)
    free = free_of_bars(image, facts)
    names = ("top", "bottom", "left", "right")
    mask, sides = _sides(seen, free, _EXACT)
    if not mask.any():
        mask, sides = _sides(seen, free, _LOSSY)
        if sum(wide > 0 for wide, _, _ in sides) < _FRAME:
            return []
    jumps = [jump for wide, _, jump in sides if wide]
    if not jumps or mask.all():
        return []
    evidence = {
        "lines": {name: wide for name, (wide, _, _) in zip(names, sides, strict=True)},
        "level": {name: level if wide else None for name, (wide, level, _) in zip(names, sides, strict=True)},
        "jump": min(jumps),
    }
    return [Region(mask, "border", "pixels", float(np.clip(min(jumps), 0, 1)), evidence)]


def _sides(
    seen: Lined, free: npt.NDArray[np.bool_], bound: _Bound
) -> tuple[npt.NDArray[np.bool_], list[tuple[int, int, float]]]:
    """The mask of a border, and how wide, of which level and how distinct it is at the four sides."""
    mask, sides = np.zeros(seen.shape, bool), []
    for turned, lines in ((mask, seen.rows), (mask.T, seen.columns)):
        clear = np.asarray((free if turned is mask else free.T).all(axis=1))
        for backwards in (False, True):
            wide, level, jump = _side(lines, clear, backwards, bound)
            sides.append((wide, level, jump))
            if wide:
                turned[-wide if backwards else 0 : None if backwards else wide] = True
    return mask, sides


def _side(lines: Lines, clear: npt.NDArray[np.bool_], backwards: bool, bound: _Bound) -> tuple[int, int, float]:
    """How many lines from one edge have one level, which, and how its share falls beyond them; 0 lines for none."""
    order = np.arange(lines.n)[::-1] if backwards else np.arange(lines.n)
    most = max(int(WIDEST * lines.n), 1)
    order = order[: most + 3]
    level = int(lines.counts[order[0]].argmax())
    share = lines.shares(bound.tolerance)[order, level]
    inside = (share >= bound.owned) & clear[order]
    wide = int(np.argmin(inside)) if not inside.all() else len(inside)
    beside = share[wide : wide + 2]
    if not 0 < wide <= most or beside.size < 2 or not clear[order[wide]]:
        return 0, level, 0.0
    jump = 1 - float(beside.max())
    return (wide, level, jump) if jump >= 1 - bound.beside else (0, level, 0.0)

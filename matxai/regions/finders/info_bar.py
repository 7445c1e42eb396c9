"""The information bar: the rows that the instrument's own tags state, else panels of writing found in the pixels."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from matxai.errors import RegionError
from matxai.regions.bands import bands
from matxai.regions.finders import finders
from matxai.regions.region import Region
from matxai.regions.rows import Lined, picture
from matxai.regions.shared import remembered

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matxai.regions.band import Band


SMALLEST = 32
"""Rows and columns below which no picture has room for a bar and a specimen."""


def stated_rows(facts: Mapping[str, Any]) -> tuple[int, int] | None:
    """Return the first and last row of the bar that an instrument states, None where it states none.

    Saved files keep attributes as text: ``"[140, 159]"`` is read like ``[140, 159]``.

    Raises
    ------
    RegionError
        If what stands there are no two rows.
    """
    rows = facts.get("info_bar")
    if rows is None:
        return None
    try:
        first, last = json.loads(rows) if isinstance(rows, str) else rows
        return int(first), int(last)
    except (TypeError, ValueError) as error:
        msg = f"The attribute info_bar holds {rows!r}; it would be the first and the last row of the bar."
        raise RegionError(msg) from error


@finders.register("info_bar")
def info_bar(image: npt.NDArray[Any], facts: Mapping[str, Any]) -> list[Region]:
    """Return the bar as a region of whole rows: those that the instrument states, else what the pixels show.

    Parameters
    ----------
    image
        ``(y, x)`` or ``(y, x, c)``.
    facts
        ``info_bar``: first and last row, both inclusive. Without it :func:`bars_from_pixels` is asked.

    Raises
    ------
    RegionError
        If the rows lie outside the image: the tag is then of another picture. If the array is no picture.
    """
    rows = stated_rows(facts)
    if rows is None:
        return bars_from_pixels(image)
    first, last = rows
    height, width = image.shape[:2]
    if not 0 <= first <= last < height:
        msg = f"The instrument's info bar, rows {first} to {last}, lies outside the image of {height} rows."
        raise RegionError(msg)
    mask = np.zeros((height, width), bool)
    mask[first : last + 1] = True
    return [Region(mask, "info_bar", "instrument's tag", evidence={"first_row": first, "last_row": last})]


def free_of_bars(image: npt.NDArray[Any], facts: Mapping[str, Any]) -> npt.NDArray[np.bool_]:
    """Return where a picture holds no info bar, ``(y, x)``: what lies in a bar is no border, no dead row and no seam.

    Raises
    ------
    RegionError
        As :func:`info_bar`.
    """
    free = np.ones(image.shape[:2], bool)
    for bar in info_bar(image, facts):
        free &= ~bar.mask
    return free


def bars_from_pixels(image: npt.NDArray[Any]) -> list[Region]:
    """Return the bars that the pixels alone show, whatever the tags say: whole rows at top or bottom, or columns.

    A bar is a panel with writing on it (:mod:`matxai.regions.bands`); a flat panel without is a border, and writing
    over the picture itself is text.

    Parameters
    ----------
    image
        ``(y, x)`` or ``(y, x, c)``.

    Returns
    -------
    list of Region
        The evidence names ``side``, ``first_row`` and ``last_row`` (or ``first_column``, ``last_column``),
        the ``levels`` of the ground (of 255), ``share_inside`` and ``share_outside`` of these levels in the lines of
        the bar and beside it, ``jump`` between the two at the fainter end, ``marks`` in the fullest line of writing,
        and ``ink``.

    Raises
    ------
    RegionError
        If the array is no picture.
    """
    return list(remembered(image, "bars", lambda: _bars(picture(image))))


def _bars(seen: Lined) -> list[Region]:
    height, width = seen.shape
    if min(height, width) < SMALLEST:
        return []
    found = []
    across, down = bands(seen.rows), bands(seen.columns)
    if across and down:  # of rows and columns only one is a panel: the writing of the one lies in lines of the other
        surer = max(b.confidence for b in across) >= max(b.confidence for b in down)
        across, down = (across, []) if surer else ([], down)
    for band in across:
        mask = np.zeros((height, width), bool)
        mask[band.first : band.last + 1] = True
        side = "top" if band.first < height - 1 - band.last else "bottom"
        found.append(Region(mask, "info_bar", "pixels", band.confidence, _evidence(band, side, "row")))
    for band in down:
        mask = np.zeros((height, width), bool)
        mask[:, band.first : band.last + 1] = True
        side = "left" if band.first < width - 1 - band.last else "right"
        found.append(Region(mask, "info_bar", "pixels", band.confidence, _evidence(band, side, "column")))
    return found


def _evidence(band: Band, side: str, line: str) -> dict[str, Any]:
    return {
        "side": side,
        f"first_{line}": band.first,
        f"last_{line}": band.last,
        "levels": list(band.levels),
        "share_inside": band.inside,
        "share_outside": band.outside,
        "jump": band.jump,
        "marks": band.marks,
        "ink": band.ink,
    }

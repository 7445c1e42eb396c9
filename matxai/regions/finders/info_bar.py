"""The information bar, from the rows that the instrument's own tags state."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from matxai.errors import RegionError
from matxai.regions.finders import finders
from matxai.regions.region import Region

if TYPE_CHECKING:
    from collections.abc import Mapping


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
    """Return the bar as a region of whole rows, or nothing where the instrument does not tell.

    Parameters
    ----------
    image
        ``(y, x)`` or ``(y, x, c)``.
    facts
        ``info_bar``: first and last row, both inclusive.

    Raises
    ------
    RegionError
        If the rows lie outside the image: the tag is then of another picture.
    """
    rows = stated_rows(facts)
    if rows is None:
        return []
    first, last = rows
    height, width = image.shape[:2]
    if not 0 <= first <= last < height:
        msg = f"The instrument's info bar, rows {first} to {last}, lies outside the image of {height} rows."
        raise RegionError(msg)
    mask = np.zeros((height, width), bool)
    mask[first : last + 1] = True
    return [Region(mask, "info_bar", "instrument's tag", evidence={"first_row": first, "last_row": last})]

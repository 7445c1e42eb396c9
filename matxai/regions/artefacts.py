"""All that was found in one picture, or curve, without being of its specimen, each thing once.

Every registered finder looks at the whole of it; what two of them claim is given to one. No finder is here, and
nothing of folders: what only a set of pictures shows is :mod:`matxai.checks.leak.finding`'s.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from matxai.errors import RegionError, nearest
from matxai.regions.finders import finders
from matxai.regions.finders_1d import finders_1d
from matxai.regions.shared import sharing

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from matxai.regions.region import Region

PRECEDENCE = (
    "info_bar",
    "scale_bar",
    "dead_rows",
    "seam",
    "border",
    "aperture",
    "label",
    "text",
    "stamp",
    "vignette",
    "padding",
    "saturation",
    "first_channel",
    "last_channel",
    "spike",
    "step",
    "constant",
)
"""Who keeps a pixel that several claim: a bar all that lies in it, a scale bar its number, a label its writing."""

BELONGS = 0.5
"""From which share of a region on it belongs to what claims it, and is no region of its own."""

_OVER_ANY_GROUND = frozenset({"text"})
"""What may be written over a border or into the dark around an aperture, and stays a thing of its own there."""
_GROUNDS = frozenset({"border", "aperture", "dead_rows", "seam"})


def found_artefacts(
    image: npt.NDArray[Any], facts: Mapping[str, Any] | None = None, *, kinds: Iterable[str] | None = None
) -> list[Region]:
    """Return every artefact found in a picture, no two of them sharing a pixel.

    Parameters
    ----------
    image
        ``(y, x)`` or ``(y, x, c)``, in the file's own values.
    facts
        The instrument's word, as a signal's attributes have it: ``info_bar`` is the first and the last row of its bar.
    kinds
        Which kinds to return; by default all that there are finders for. All are looked for even then: a bar's writing
        is no text, whoever asks.

    Returns
    -------
    list of Region
        In the order of :data:`PRECEDENCE`, those of one kind from top to bottom. Empty where there is nothing.

    Raises
    ------
    RegionError
        If the image has no two spatial axes, there is no finder of a kind, or the instrument's word is of another
        picture.
    """
    image = np.asarray(image)
    if image.ndim not in {2, 3}:
        msg = f"Artefacts are looked for in an image (y, x) or (y, x, c); this array is {image.shape}."
        raise RegionError(msg)
    wanted = _wanted(kinds, finders)
    with sharing():
        found = [region for name in finders for region in finders[name](image, facts or {})]
    return [region for region in arbitrated(found) if region.kind in wanted]


def found_in_curve(
    values: npt.NDArray[Any], facts: Mapping[str, Any] | None = None, *, kinds: Iterable[str] | None = None
) -> list[Region]:
    """Return every artefact found in a spectrum or waveform, no two of them sharing a channel.

    Parameters
    ----------
    values
        ``(L,)`` or ``(L, c)``, in the file's own values.
    facts
        What the instrument says.
    kinds
        Which kinds to return; by default all that there are finders of spectra for.

    Raises
    ------
    RegionError
        If the array is no curve, or there is no finder of a kind.
    """
    values = np.asarray(values)
    wanted = _wanted(kinds, finders_1d)
    found = [region for name in finders_1d for region in finders_1d[name](values, facts or {})]
    return [region for region in arbitrated(found) if region.kind in wanted]


def arbitrated(found: Iterable[Region]) -> list[Region]:
    """Give each pixel to one region: the first in :data:`PRECEDENCE`, within a kind the surest.

    A region that loses at least :data:`BELONGS` of its pixels is part of what took them. A plate that a scale bar is
    drawn on is part of the scale bar.

    Parameters
    ----------
    found
        What the finders returned; all masks are of one picture.
    """
    regions = _with_plates(list(found))
    kept: list[Region] = []
    for region in sorted(regions, key=_order):
        claimed = np.zeros_like(region.mask)
        for other in kept:
            if not (region.kind in _OVER_ANY_GROUND and other.kind in _GROUNDS):
                claimed |= other.mask
        left = region.mask & ~claimed
        if left.sum() > (1 - BELONGS) * region.area:
            kept.append(region if left.all() or not claimed.any() else replace(region, mask=left))
    return sorted(_own_ground(kept), key=lambda r: (_rank(r.kind), *_place(r)))


def _own_ground(kept: list[Region]) -> list[Region]:
    """Take what is written over a border out of it."""
    written = [r for r in kept if r.kind in _OVER_ANY_GROUND]
    result = []
    for region in kept:
        mask = region.mask
        if region.kind in _GROUNDS:
            for other in written:
                mask = mask & ~other.mask
        if mask.any():
            result.append(region if mask is region.mask else replace(region, mask=mask))
    return result


def _with_plates(regions: list[Region]) -> list[Region]:
    """Join a label that holds a scale bar with the bar."""
    bars = [r for r in regions if r.kind == "scale_bar"]
    rest = [r for r in regions if r.kind != "scale_bar"]
    for at, bar in enumerate(bars):
        for plate in [r for r in rest if r.kind == "label"]:
            if (plate.mask & bar.mask).sum() >= BELONGS * bar.area:
                rest.remove(plate)
                bar = replace(bar, mask=bar.mask | plate.mask, evidence={**bar.evidence, "plate": True})
        bars[at] = bar
    return bars + rest


def _rank(kind: str) -> int:
    return PRECEDENCE.index(kind) if kind in PRECEDENCE else len(PRECEDENCE)


def _order(region: Region) -> tuple[int, float, int, int]:
    return (_rank(region.kind), -region.confidence, *_place(region))


def _place(region: Region) -> tuple[int, int]:
    first = np.unravel_index(int(region.mask.argmax()), region.mask.shape)
    return int(first[0]), int(first[-1])


def _wanted(kinds: Iterable[str] | None, known: Iterable[str]) -> frozenset[str]:
    if kinds is None:
        return frozenset(known)
    wanted = frozenset(kinds)
    for kind in sorted(wanted - set(known)):
        msg = f"There is no finder of '{kind}'. {nearest(kind, tuple(known))}"
        raise RegionError(msg)
    return wanted

"""What the score loses without a zone, beside other zones of like size and beside stretches of background."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.checks.controls import free_ground
from matxai.checks.perturbing import perturb
from matxai.checks.zones.records import Removal
from matxai.errors import RegionError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    import xarray as xr

    from matxai.checks.changes import Change
    from matxai.checks.judging import Progress
    from matxai.modelcard import Model
    from matxai.regions import CurveZones, Region

HEIGHT, WIDTH = 3.0, 2.0
"""Another zone is like one if its height is within this factor, and its width within that."""
ACROSS = ("white_line", "edge")
"""Kinds that an edge runs through: only a step may stand in their place, never a straight line."""
FLANK = 3
"""Points at either end of a curve where no control lies: fills go by what is beside a region."""
OF_EDGES = (*ACROSS, "pre_edge", "post_edge", "exafs")


def fills_for(kind: str, *, counts: bool) -> tuple[str, ...]:
    """Return what stands in the place of a zone of a kind.

    A peak is bridged, its baseline goes on, and (of counts) so does the noise. Across an edge stands a step; beside it
    the baseline goes on.
    """
    if kind in ACROSS:
        return ("edge_step",)
    if kind in OF_EDGES:
        return ("local_baseline", "noisy_linear")
    return ("linear_bridge", "local_baseline", "poisson" if counts else "noisy_linear")


def removals(
    model: Model,
    signal: xr.DataArray,
    zones: CurveZones,
    chosen: Sequence[int],
    target: int,
    *,
    controls: int = 19,
    seen: npt.NDArray[np.bool_] | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    cancel: Any = None,
) -> dict[int, Removal | str]:
    """Return for the zones chosen what their removal does, or the sentence that says why it cannot be told.

    Every zone's own effect serves the others as a control; each is compared with translates on the background too.

    Parameters
    ----------
    model, signal
        As :func:`matxai.checks.perturb` takes them.
    zones
        The division of the signal.
    chosen
        Numbers of zones.
    target
        Index of the class.
    controls
        Stretches of background at most.
    seen
        Where the network looks, ``(L,)``; controls lie there.
    seed, progress, cancel
        As everywhere.
    """
    ground = zones.background & free_ground(signal)
    if seen is not None:
        ground &= seen
    ground[:FLANK] = ground[-FLANK:] = False
    counts = bool(np.nanmin(np.asarray(signal.values)) >= 0)
    groups: dict[tuple[str, ...], list[int]] = {}
    for number in chosen:
        groups.setdefault(fills_for(zones.zones[number].kind, counts=counts), []).append(number)
    changes: dict[int, Change] = {}
    failed: dict[int, str] = {}
    for fills, numbers in groups.items():
        # one zone that cannot be filled must not cost the others
        for several in ([numbers], *([[n]] for n in numbers)):
            left = [n for n in several[0] if n not in changes]
            if not left:
                continue
            try:
                made = perturb(
                    model, signal, [zones.zones[n] for n in left], target=target, fills=fills, controls=controls,
                    allowed=ground, seed=seed, progress=progress, cancel=cancel,
                )  # fmt: skip
            except RegionError as error:
                failed[left[0]] = str(error)
                continue
            changes.update(zip(left, made.changes, strict=True))
    effects = {n: c.effect for n, c in changes.items()}
    found: dict[int, Removal | str] = {n: why for n, why in failed.items() if n not in changes}
    for number, change in changes.items():
        found[number] = _removal(change, number, zones.zones, effects)
    return found


def like(one: Region, other: Region) -> bool:
    """Whether two zones are of like height and width: each is the other's control."""
    heights = sorted((abs(float(one.evidence["height"])), abs(float(other.evidence["height"]))))
    widths = sorted((one.area, other.area))
    return heights[1] <= HEIGHT * heights[0] and widths[1] <= WIDTH * widths[0]


def _removal(change: Change, number: int, zones: Sequence[Region], effects: dict[int, float]) -> Removal:
    others = np.array([e for n, e in effects.items() if n != number and like(zones[number], zones[n])])
    own = change.effects[change.counted]
    return Removal(
        effect=change.effect,
        low=float(own.min()),
        high=float(own.max()),
        fills=change.fills,
        flips=int(change.flips.sum()),
        rank_peaks=1 + int((others >= change.effect).sum()) if others.size else None,
        n_peaks=int(others.size),
        rank_background=change.rank,
        n_background=int(change.control_effect.size),
        no_peaks=""
        if others.size
        else f"No other zone has a height within a factor of {HEIGHT:g} and a width within {WIDTH:g}.",
        no_background=change.no_controls.replace("matched controls", "stretches of background of its width"),
    )

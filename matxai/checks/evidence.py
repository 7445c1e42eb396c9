"""Does the top of a map matter? Its removal, beside that of matched regions and of a random map's top.

Removal is out of distribution for the model and proves nothing alone: evidence, with its controls, and no verdict.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from matxai.checks.perturbation import class_scores, dense_output, scores_when_filled
from matxai.errors import RegionError, TargetError
from matxai.regions import matched_regions, random_top_region, top_region
from matxai.regions.finders import finders

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch
    import xarray as xr

    from matxai.modelcard import Model
    from matxai.regions import Region

FILLS = ("local_mean", "blur", "noisy_linear")


@dataclass(frozen=True)
class Evidence:
    """What happened to the target's score when the top of a map was removed.

    Parameters
    ----------
    method, target
        Whose map, and which class.
    score
        Logit of the target on the untouched signal (for dense outputs the mean over the predicted region).
    share
        Part of the signal that was removed.
    fills
        What was put in its place; drops are means over them.
    top_drop
        Score lost when the top region is removed; ``top_drops`` the same for each fill.
    control_drops
        The same for each matched region.
    random_drops
        The same for the top of each random map, of the same area.
    rank
        Place of ``top_drop`` among the matched regions, 1 the largest; of ``n_controls + 1``. A rank, not a p value.
    flips
        In how many fills the removal of the top region changed the class on top.
    sentence
        All this in plain words.
    """

    method: str
    target: str
    score: float
    share: float
    fills: tuple[str, ...]
    top_drop: float
    top_drops: tuple[float, ...]
    control_drops: tuple[float, ...]
    random_drops: tuple[float, ...]
    rank: int | None
    n_controls: int
    flips: int
    sentence: str

    def to_dict(self) -> dict[str, Any]:
        """Return names and plain values, ready for JSON."""
        return asdict(self)


def _changes(drop: float, *, plural: bool) -> str:
    verb = "lower" if drop >= 0 else "raise"
    return f"{verb if plural else verb + 's'} it by {abs(drop):.3g}"


def _sentence(
    top: float, controls: Sequence[float], randoms: Sequence[float], rank: int | None, share: float, what: str
) -> str:
    part = f"the {100 * share:.1f} % of the {what} that the map marks highest"
    removed = f"Removing {part} {_changes(top, plural=False).replace('it', 'the score', 1)}"
    others = f"the tops of random maps {_changes(float(np.mean(randoms)), plural=True)}" if randoms else ""
    if rank is None:
        return f"{removed}; the shape leaves no room for matched regions{', and ' + others if others else ''}."
    number = f"{len(controls)} matched region" + ("" if len(controls) == 1 else "s")
    twins = f"{number} {_changes(float(np.mean(controls)), plural=len(controls) != 1)} on average"
    return f"{removed}; {twins} (rank {rank} of {len(controls) + 1}){', and ' + others if others else ''}."


def _grey(signal: xr.DataArray) -> npt.NDArray[np.float64]:
    values = np.asarray(signal.values, np.float64)
    return values.mean(axis=-1) if signal.dims[-1] == "c" else values


def top_region_evidence(
    model: Model,
    signal: xr.DataArray,
    values: npt.NDArray[Any],
    target: int,
    *,
    method: str = "map",
    share: float = 0.05,
    controls: int = 19,
    random_maps: int = 10,
    fills: Sequence[str] = FILLS,
    seed: int = 0,
    cancel: Any = None,
) -> Evidence:
    """Remove the top of a map, matched regions and random maps' tops, and compare what the score loses.

    Parameters
    ----------
    model
        As loaded from its card; its whole preprocessing runs on each changed signal.
    signal
        What was explained; dims ``(*spatial)`` or ``(*spatial, c)``.
    values
        The map on the signal's grid ``(*spatial)``, NaN where the network saw nothing.
    target
        Index of the explained class.
    method
        Name for the record.
    share
        Part of the seen pixels taken as the top.
    controls, random_maps
        How many matched regions and random maps at most.
    fills
        Names of fills; at least one.
    seed, cancel
        As everywhere.

    Raises
    ------
    RegionError
        If the map has no positive value, or no fill is named.
    TargetError
        If the model has no such class.
    Cancelled
        If ``cancel`` is set.
    """
    if not fills:
        msg = "Evidence needs at least one fill; name one with fills=."
        raise RegionError(msg)
    regions = _compared(signal, values, method, share, (controls, random_maps), seed)
    where = _predicted_object(model, signal, target)
    clean = class_scores(model, [signal], mask=where, cancel=cancel)
    if not 0 <= target < clean.scores.shape[1]:
        msg = f"The model has {clean.scores.shape[1]} classes, numbered from 0; there is no class {target}."
        raise TargetError(msg)
    masks = [r.mask for group in regions for r in group]
    drops, flips = [], 0
    for name in fills:
        asked = scores_when_filled(model, signal, masks, name, seed=seed, mask=where, cancel=cancel)
        drops.append(clean.scores[0, target] - asked.scores[:, target])
        flips += int(asked.top[0] != clean.top[0])
    (region,), twins, _ = regions
    what = "picture" if region.mask.ndim == 2 else "signal"
    mean = np.mean(drops, axis=0)
    top, control, random = float(mean[0]), mean[1 : 1 + len(twins)], mean[1 + len(twins) :]
    rank = 1 + int((control >= top).sum()) if twins else None
    return Evidence(
        method=method,
        target=model.classes[target] if target < len(model.classes) else str(target),
        score=float(clean.scores[0, target]),
        share=region.share,
        fills=tuple(fills),
        top_drop=top,
        top_drops=tuple(float(d[0]) for d in drops),
        control_drops=tuple(map(float, control)),
        random_drops=tuple(map(float, random)),
        rank=rank,
        n_controls=len(twins),
        flips=flips,
        sentence=_sentence(top, control.tolist(), random.tolist(), rank, region.share, what),
    )


def _compared(
    signal: xr.DataArray, values: npt.NDArray[Any], method: str, share: float, counts: tuple[int, int], seed: int
) -> tuple[list[Region], list[Region], list[Region]]:
    """The top of the map, its matched regions, and the tops of random maps."""
    rng = np.random.default_rng(seed)
    region = top_region(values, share, source=method)
    grey = _grey(signal)
    allowed = np.isfinite(values)
    for bar in finders["info_bar"](grey, signal.attrs) if grey.ndim == 2 else ():
        allowed &= ~bar.mask  # a bar is no ground on which a piece of specimen has a twin
    twins = matched_regions(region, grey, counts[0], rng, allowed=allowed)
    return [region], twins, [random_top_region(np.isfinite(values), region.area, rng) for _ in range(counts[1])]


def _predicted_object(model: Model, signal: xr.DataArray, target: int) -> torch.Tensor | None:
    """Where a dense model predicts the target in the untouched signal; None for a model with one score a class."""
    dense = dense_output(model, signal)
    if dense is None:
        return None
    where = dense == target
    if not bool(where.any()):
        msg = f"The model predicts class {target} nowhere in this signal: there is no object whose score could drop."
        raise TargetError(msg)
    return where

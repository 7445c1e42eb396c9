"""Does the top of a map matter? Its removal, beside that of matched regions and of a random map's top.

Removal is out of distribution for the model and proves nothing alone: evidence, with its controls, and no verdict.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from matxai.checks.controls import free_ground, grey_of
from matxai.checks.fills.spot import Spot
from matxai.checks.judging import Judge, Write
from matxai.checks.perturbing import Variant, variants
from matxai.errors import RegionError
from matxai.regions import matched_shifts, random_top_region, top_region

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import xarray as xr

    from matxai.modelcard import Model

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
    found = evidence_of_maps(
        model,
        signal,
        {method: values},
        target,
        share=share,
        controls=controls,
        random_maps=random_maps,
        fills=fills,
        seed=seed,
        cancel=cancel,
    )[method]
    if isinstance(found, RegionError):
        raise found
    return found


def evidence_of_maps(
    model: Model,
    signal: xr.DataArray,
    maps: Mapping[str, npt.NDArray[Any]],
    target: int,
    *,
    share: float = 0.05,
    controls: int = 19,
    random_maps: int = 10,
    fills: Sequence[str] = FILLS,
    seed: int = 0,
    cancel: Any = None,
) -> dict[str, Evidence | RegionError]:
    """Do for several maps of one signal what :func:`top_region_evidence` does for one, in one batched pass.

    The untouched signal is asked once, and the tops of random maps of one area are removed once for all maps.

    Parameters
    ----------
    maps
        Each method's map, ``(*spatial)``.
    model, signal, target, share, controls, random_maps, fills, seed, cancel
        As in :func:`top_region_evidence`.

    Returns
    -------
    dict
        The evidence of each map, or the error that says why a map has no top.

    Raises
    ------
    RegionError
        If no fill is named.
    TargetError
        If the model has no such class, or a dense model predicts it nowhere.
    Cancelled
        If ``cancel`` is set.
    """
    if not fills:
        msg = "Evidence needs at least one fill; name one with fills=."
        raise RegionError(msg)
    judge = Judge(model, signal, target, cancel=cancel)
    before = judge.before  # a class that does not exist is said before any region is looked for
    ground = free_ground(signal)
    compared: dict[str, _Compared | RegionError] = {}
    for method, values in maps.items():
        try:
            compared[method] = _compared(signal, values, method, share, (controls, random_maps), ground, seed)
        except RegionError as error:
            compared[method] = error
    jobs = _Jobs(variants(signal, fills), seed)
    for one in compared.values():
        if not isinstance(one, RegionError):
            jobs.add(one)
    said = judge.versions(jobs.writes(), len(jobs), "the tops of maps")
    clean, top = float(before.scores[0, judge.reading.target]), int(before.top[0])
    found: dict[str, Evidence | RegionError] = {}
    for method, one in compared.items():
        if isinstance(one, RegionError):
            found[method] = one
            continue
        rows = jobs.rows(one)
        drops = clean - said.scores[rows, judge.reading.target]
        flips = int((said.top[rows[:, 0]] != top).sum())
        found[method] = _evidence(model, method, target, clean, one, drops, flips, tuple(fills), signal)
    return found


@dataclass(frozen=True, eq=False)
class _Compared:
    """The top of a map, its matched regions, and the tops of random maps."""

    top: Spot
    twins: tuple[Spot, ...]
    randoms: tuple[Spot, ...]

    def named(self) -> list[tuple[tuple[int, int], Spot]]:
        """Return each with the seed that its fill draws from; random tops have the same in every map."""
        parts = ((self.top,), self.twins, self.randoms)
        return [((part, k), spot) for part, spots in enumerate(parts) for k, spot in enumerate(spots)]


class _Jobs:
    """Which copies are asked about: the same region with the same fill and seed is asked about once."""

    def __init__(self, ways: Sequence[Variant], seed: int) -> None:
        self._ways, self._seed = ways, seed
        self._number: dict[Any, int] = {}
        self._spots: list[tuple[int, tuple[int, int], Spot]] = []

    def __len__(self) -> int:
        return len(self._spots)

    def _key(self, way: int, draw: tuple[int, int], spot: Spot) -> Any:
        box = tuple((b.start, b.stop) for b in spot.box)
        return way, draw, box, spot.shape.inside.tobytes()

    def add(self, one: _Compared) -> None:
        """Add one map's regions under every fill."""
        for way in range(len(self._ways)):
            for draw, spot in one.named():
                key = self._key(way, draw, spot)
                if key not in self._number:
                    self._number[key] = len(self._spots)
                    self._spots.append((way, draw, spot))

    def writes(self) -> Iterator[Write]:
        """Yield what changes each copy."""
        for way, draw, spot in self._spots:
            yield self._ways[way].write(spot, (self._seed, *draw))

    def rows(self, one: _Compared) -> npt.NDArray[np.int64]:
        """Return the rows of one map's regions, ``(fills, regions)``."""
        return np.array([
            [self._number[self._key(way, draw, spot)] for draw, spot in one.named()] for way in range(len(self._ways))
        ])  # fmt: skip


def _evidence(
    model: Model,
    method: str,
    target: int,
    clean: float,
    one: _Compared,
    drops: npt.NDArray[np.float64],
    flips: int,
    fills: tuple[str, ...],
    signal: xr.DataArray,
) -> Evidence:
    mean = drops.mean(axis=0)
    twins = len(one.twins)
    top, control, random = float(mean[0]), mean[1 : 1 + twins], mean[1 + twins :]
    rank = 1 + int((control >= top).sum()) if twins else None
    share = one.top.shape.area / int(np.prod(one.top.whole))
    what = "picture" if signal.ndim - ("c" in signal.dims) == 2 else "signal"
    return Evidence(
        method=method,
        target=model.classes[target] if target < len(model.classes) else str(target),
        score=clean,
        share=share,
        fills=fills,
        top_drop=top,
        top_drops=tuple(float(d) for d in drops[:, 0]),
        control_drops=tuple(map(float, control)),
        random_drops=tuple(map(float, random)),
        rank=rank,
        n_controls=twins,
        flips=flips,
        sentence=_sentence(top, control.tolist(), random.tolist(), rank, share, what),
    )


def _compared(
    signal: xr.DataArray,
    values: npt.NDArray[Any],
    method: str,
    share: float,
    counts: tuple[int, int],
    free: npt.NDArray[np.bool_],
    seed: int,
) -> _Compared:
    region = top_region(values, share, source=method)
    seen = np.isfinite(values)
    found = matched_shifts(region.mask, grey_of(signal), counts[0], np.random.default_rng(seed), allowed=seen & free)
    top = Spot.of(region.mask)
    rng = np.random.default_rng((seed, 1))  # of its own: random tops are the same whatever the map's twins drew
    randoms = (random_top_region(seen, region.area, rng) for _ in range(counts[1]))
    return _Compared(top, tuple(top.moved(s) for s in found.shifts), tuple(Spot.of(r.mask) for r in randoms))

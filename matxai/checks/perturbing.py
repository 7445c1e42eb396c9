"""Replace, keep or put in regions of one signal, in one batched pass over fills, regions and their controls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from matxai.checks.asking import check_asked
from matxai.checks.changes import ACTIONS, Change, Perturbation
from matxai.checks.controls import USUAL, controls_needed, controls_of, free_ground, grey_of
from matxai.checks.fills import Fill, chosen, usual_fills
from matxai.checks.fills.spot import Spot, checked
from matxai.checks.judging import Judge, Progress, Write
from matxai.checks.perturbation import ground_of
from matxai.errors import RegionError, SignalError, nearest
from matxai.regions import Boxed, Region

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import xarray as xr

    from matxai.checks.familiar import Reference
    from matxai.checks.fills.ground import Ground
    from matxai.modelcard import Model

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Variant:
    """One fill on one ground: each donor is a variant of its own.

    Parameters
    ----------
    name
        ``blur``, ``donor``, ``donor 2``.
    fill
        What draws the patch.
    ground
        The signal with the donor beside it, where there is one.
    """

    name: str
    fill: Fill
    ground: Ground

    def write(self, spot: Spot, seed: Sequence[int]) -> Write:
        """Return what fills a region in a copy of the signal's values; the same seed draws the same."""

        def change(copy: npt.NDArray[Any]) -> None:
            self.ground.put(copy, spot, self.fill.of(self.ground, spot, np.random.default_rng(seed)))

        return change


def variants(
    signal: xr.DataArray, names: Sequence[str] | None, donors: Sequence[xr.DataArray] = (), *, kind: str = ""
) -> tuple[Variant, ...]:
    """Return the fills of a signal by their names, for ``None`` those usual for a region of ``kind`` (and ``donor``).

    Each donor makes one more.

    Raises
    ------
    MethodError
        If there is no such fill, or it is not for such a signal, or needs a donor that is not there.
    RegionError
        If no name is given, or a donor is of another size.
    """
    ground = ground_of(signal)
    if names is None:
        usual = usual_fills(ground.axes, kind=kind, counts=ground.limits[0] >= 0)
        names = (*usual, "donor") if donors else usual
    found: list[Variant] = []
    for one in chosen(names, ground.axes, donor=bool(donors)):
        if not one.needs_donor:
            found.append(Variant(one.name, one, ground))
            continue
        for number, donor in enumerate(donors, start=1):
            found.append(Variant(one.name if number == 1 else f"{one.name} {number}", one, ground_of(signal, donor)))
    return tuple(found)


def perturb(
    model: Model,
    signal: xr.DataArray,
    regions: Region | Boxed | Mask | Sequence[Region | Boxed | Mask],
    *,
    target: str | int | None = None,
    action: str = "remove",
    fills: Sequence[str] | None = None,
    donors: Sequence[xr.DataArray] = (),
    controls: int | None = None,
    allowed: Mask | None = None,
    questions: int | None = None,
    alpha: float = 0.05,
    reference: Reference | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    cancel: Any = None,
) -> Perturbation:
    """Ask a model again with regions replaced, in the file's own pixels, and do the same to their matched controls.

    Parameters
    ----------
    model
        As loaded from its card; its whole preprocessing runs on every changed signal, in batches.
    signal
        Dims ``(*spatial)`` or ``(*spatial, c)``.
    regions
        One or several: regions, boxed masks, or boolean masks ``(*spatial)``.
    target
        Class whose score effects are of: name, index, or None for the class on top (of a dense output the one on top in
        most places). For detectors the number of the box, 0 (the best) by default.
    action
        ``remove`` replaces the region by the fills, ``keep`` replaces all the rest, ``insert`` puts the donors' content
        of the region into this signal.
    fills
        Names; by default five (:func:`~matxai.checks.fills.usual_fills`), and ``donor`` where there are donors.
    donors
        Other samples of the same size, for the fill that takes content from them; each is a variant of its own.
    controls
        How many matched regions at most; by default 64, and more where the corrected level needs them.
    allowed
        Where controls may lie; by default outside of what is found as an artefact.
    questions, alpha
        How many questions share the level; by default as many as there are regions.
    reference
        What real signals look like to the model (:meth:`matxai.checks.Reference.of`); without it no fill is marked as
        out of distribution, and the sentence says so.
    seed
        Of fills that draw and of the controls' places, 0 or more; nothing depends on the size of chunks.
    progress, cancel
        Told and asked between chunks.

    Returns
    -------
    Perturbation
        With one :class:`~matxai.checks.Change` for each region.

    Raises
    ------
    RegionError
        If a region lies outside the signal, is empty or covers everything, or a donor is of another size; if the
        number of controls is negative, or the ground allowed for them is no mask of the signal.
    SignalError
        If this is no signal.
    MethodError
        If there is no such action or fill, or a fill is not for such a signal.
    ModelError
        If this is no loaded model.
    MatxaiError
        If the seed is no whole number of 0 or more.
    TargetError
        If there is no such class, or a dense model predicts it nowhere.
    Cancelled
        If ``cancel`` is set.
    """
    check_asked(model, seed)
    if action not in ACTIONS:
        raise RegionError(f"A region cannot be treated by '{action}'. {nearest(action, ACTIONS)}")
    if action == "insert":
        if not donors or (fills is not None and tuple(fills) != ("donor",)):
            raise RegionError("What is put into a signal comes from another one: give donors=, and no other fills.")
        fills = ("donor",)
    if controls is not None and controls < 0:
        raise RegionError(f"A region is compared with no control or more, not with {controls}.")
    asked = _listed(regions, _spatial(signal))
    ways = _ways(signal, asked, fills, donors)
    needed = controls_needed(alpha, len(asked) if questions is None else questions)
    wanted = max(USUAL, needed) if controls is None else controls
    rng = np.random.default_rng(seed)
    plans = _plans(signal, asked, wanted, allowed, rng)
    judge = Judge(model, signal, target, reference, progress, cancel)
    total = sum(len(own) * len(p.spots) for own, p in zip(ways, plans, strict=True))
    said = judge.versions(_writes(ways, plans, action, seed), total, f"{action} with {len(ways[0])} fills")
    changes, first = [], 0
    for own, plan, (kind, source, _) in zip(ways, plans, asked, strict=True):
        rows = said[first : first + len(own) * len(plan.spots)]
        first += len(rows)
        each = np.arange(len(rows)).reshape(len(own), len(plan.spots))
        changes.append(
            Change(
                kind=kind,
                source=source,
                share=plan.spots[0].shape.area / int(np.prod(plan.spots[0].whole)),
                action=action,
                fills=tuple(w.name for w in own),
                target=judge.reading.target,
                before=judge.before,
                after=rows[each[:, 0]],
                controls=rows[each[:, 1:].ravel()],
                shifts=plan.shifts,
                wanted=wanted,
                no_controls=plan.why,
            )
        )
    return Perturbation(judge.before, model.classes, judge.reading.target, tuple(changes), total)


@dataclass(frozen=True, eq=False)
class _Plan:
    """One region and its controls, the region first."""

    spots: tuple[Spot, ...]
    shifts: npt.NDArray[np.int64]
    why: str


def _spatial(signal: xr.DataArray) -> tuple[int, ...]:
    """Sizes of the spatial axes.

    Raises
    ------
    SignalError
        If this is no signal.
    """
    dims = getattr(signal, "dims", None)
    if dims is None:
        msg = (
            f"An object of type {type(signal).__name__} is no signal: read one with matxai.read, or label its axes "
            "with xarray.DataArray."
        )
        raise SignalError(msg)
    return tuple(n for n, d in zip(signal.shape, dims, strict=True) if d != "c")


def _listed(regions: Any, whole: tuple[int, ...]) -> list[tuple[str, str, Mask]]:
    """Kind, source and mask of each region.

    Raises
    ------
    RegionError
        If there is none, or one is no region of such a signal.
    """
    if isinstance(regions, Region | Boxed | np.ndarray):
        regions = [regions]
    found: list[tuple[str, str, Mask]] = []
    for one in regions or ():
        if isinstance(one, Region):
            found.append((one.kind, one.source, one.mask))
        elif isinstance(one, Boxed):
            found.append(("region", "given", _inside(one, whole)))
        else:
            found.append(("region", "given", np.asarray(one)))
    if not found:
        raise RegionError("There is no region to replace; give at least one.")
    for _, _, mask in found:
        checked(mask, whole)
    return found


def _inside(one: Boxed, whole: tuple[int, ...]) -> Mask:
    if one.shape != whole:
        msg = f"The region is one of a signal of {one.shape}; this one is {whole}."
        raise RegionError(msg)
    mask: Mask = one.mask()
    return mask


def _plans(
    signal: xr.DataArray,
    asked: Sequence[tuple[str, str, Mask]],
    wanted: int,
    allowed: Mask | None,
    rng: np.random.Generator,
) -> list[_Plan]:
    grey = grey_of(signal)
    if allowed is not None and (allowed.shape != grey.shape or allowed.dtype != np.bool_):
        msg = (
            f"The ground allowed for controls is a boolean mask of the signal's {grey.shape}, not {allowed.shape} "
            f"{allowed.dtype}."
        )
        raise RegionError(msg)
    free = free_ground(signal) if allowed is None and wanted else np.isfinite(grey)
    if allowed is not None:
        free &= allowed
    plans = []
    for _, _, mask in asked:
        spot = Spot.of(mask)
        shifts, why = controls_of(spot, grey, free, wanted, rng)
        plans.append(_Plan((spot, *(spot.moved(s) for s in shifts)), shifts, why))
    return plans


def _ways(
    signal: xr.DataArray,
    asked: Sequence[tuple[str, str, Mask]],
    fills: Sequence[str] | None,
    donors: Sequence[xr.DataArray],
) -> list[tuple[Variant, ...]]:
    """Fills of each region; across edges others are usual, and all the rest share theirs with what they keep."""
    made: dict[bool, tuple[Variant, ...]] = {}
    across = [fills is None and kind == "edge" for kind, _, _ in asked]
    for edge in dict.fromkeys(across):
        made[edge] = variants(signal, fills, donors, kind="edge" if edge else "")
    return [made[edge] for edge in across]


def _writes(ways: Sequence[tuple[Variant, ...]], plans: Sequence[_Plan], action: str, seed: int) -> Iterator[Write]:
    """Yield one change of the signal for each region, fill, and place, in this order."""
    for number, (own, plan) in enumerate(zip(ways, plans, strict=True)):
        for way in own:
            for place, spot in enumerate(plan.spots):
                where = spot.rest() if action == "keep" else spot
                yield way.write(where, (seed, number, place))

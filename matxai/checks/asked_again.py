"""Mask and ask again: what a model says without some regions, and its new maps beside the old ones, in one call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.checks.fills import usual_fills
from matxai.checks.perturbation import dense_output, filled_signal
from matxai.checks.perturbing import perturb
from matxai.errors import RegionError, TargetError
from matxai.regions import Region

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import xarray as xr

    from matxai.checks.changes import Change, Perturbation
    from matxai.checks.judging import Progress
    from matxai.explanation import Unresolved
    from matxai.modelcard import Model

CONTROLS = 19
"""Matched regions that a region is compared with where nobody says more: a rank of 1 in 20 is the best there is."""


@dataclass(frozen=True, eq=False)
class AskedAgain:
    """What came of masking regions and asking again.

    Parameters
    ----------
    perturbation
        One change for each region; for regions that were masked together, one.
    regions
        What was masked for each change.
    shown
        Number of the change that ``signal`` and ``explanation`` are of: the one with the largest effect.
    fill
        What the region was filled with there: the first of the fills.
    signal
        The signal as the model was asked about it then.
    explanation
        The maps of that signal, of the same class as before; None where no methods were given.
    unresolved
        For each region that was given, what the old maps cannot tell of it.
    notes
        Why there are no new maps although some were asked for, in a sentence.
    """

    perturbation: Perturbation
    regions: tuple[Region, ...]
    shown: int
    fill: str
    signal: xr.DataArray
    explanation: xr.Dataset | None
    unresolved: tuple[tuple[Unresolved, ...], ...]
    notes: tuple[str, ...] = ()

    @property
    def change(self) -> Change:
        """The change that is shown."""
        return self.perturbation[self.shown]


def ask_again(
    model: Model,
    signal: xr.DataArray,
    regions: Region | Sequence[Region],
    *,
    before: xr.Dataset | None = None,
    methods: Sequence[Any] = (),
    target: Any = None,
    score: str | int | None = None,
    action: str = "remove",
    fills: Sequence[str] | None = None,
    together: bool = True,
    controls: int = CONTROLS,
    seed: int = 0,
    progress: Progress | None = None,
    cancel: Any = None,
    **explaining: Any,
) -> AskedAgain:
    """Mask regions, ask a model again, compare with matched controls, and explain what it says now.

    Parameters
    ----------
    model
        As loaded from its card.
    signal
        Dims ``(*spatial)`` or ``(*spatial, c)``.
    regions
        One or several.
    before
        The explanation of the untouched signal: its class is asked about, and it is what regions may be too small for.
    methods
        Whose maps are made of the changed signal, as :func:`matxai.explain` takes them; none by default.
    target
        What is explained, as :func:`matxai.explain` takes it; by default the class of ``before``, else the one on top
        of the untouched signal. Of a dense output the class is read where it was on top before; of a detector it is the
        number of a box.
    score
        Class whose score effects are of, by name or index; by default the one that is explained.
    action
        ``remove`` replaces the regions, ``keep`` replaces all the rest.
    fills
        Names (``matxai.checks.fills``); by default those usual for such a signal. The first is the one that is shown.
    together
        Whether several regions are masked at once; else each by itself.
    controls
        How many matched regions each is compared with at most.
    seed
        Of fills that draw, of the controls' places and of methods that draw.
    progress, cancel
        Told and asked between passes.
    **explaining
        More for :func:`matxai.explain`: ``layers``, ``relu``, ``device`` and others.

    Raises
    ------
    RegionError
        If there is no region, or the action is none of the two; else as :func:`perturb` does.
    MatxaiError
        As :func:`perturb` and :func:`matxai.explain` do.
    Cancelled
        If ``cancel`` is set.
    """
    from matxai.explanation import explain

    given = [regions] if isinstance(regions, Region) else list(regions)
    if not given:
        raise RegionError("There is no region to mask; give at least one.")
    if action not in ("remove", "keep"):
        raise RegionError(f"Regions are masked by 'remove' or 'keep', not by {action!r}.")
    asked = [united(given)] if together else given
    axes = signal.ndim - ("c" in signal.dims)
    names = tuple(fills) if fills is not None else usual_fills(axes, counts=bool(np.nanmin(signal.values) >= 0))
    found = perturb(
        model,
        signal,
        asked,
        target=_class_asked(target, before) if score is None else score,
        action=action,
        fills=names,
        controls=controls,
        seed=seed,
        progress=progress,
        cancel=cancel,
    )
    effects = [abs(c.effect) if np.isfinite(c.effect) else -1.0 for c in found.changes]
    shown = int(np.argmax(effects))
    mask = asked[shown].mask if action == "remove" else ~asked[shown].mask
    changed = filled_signal(signal, mask, names[0], (seed, shown, 0))
    explanation: xr.Dataset | None = None
    notes: tuple[str, ...] = ()
    if methods:
        again = _target_again(model, signal, target, found.target)
        try:
            explanation = explain(
                model,
                changed,
                methods=list(methods),
                target=again,
                seed=seed,
                progress=progress,
                cancel=cancel,
                **explaining,
            )
        except TargetError as error:  # what was explained is gone with the region: an answer, and no fault
            notes = (f"There is no new map: {error}",)
    fine = _too_fine(model, signal, given, before)
    return AskedAgain(found, tuple(asked), shown, names[0], changed, explanation, fine, notes)


def united(regions: Sequence[Region]) -> Region:
    """Return several regions as one; what they are stands in its evidence.

    Raises
    ------
    RegionError
        If there is none, their signals differ in size, or together they cover everything.
    """
    if len(regions) == 1:
        return regions[0]
    if not regions or len({r.mask.shape for r in regions}) > 1:
        raise RegionError("Regions are joined that are of one signal; none was given, or their shapes differ.")
    kinds, sources = ([getattr(r, part) for r in regions] for part in ("kind", "source"))
    mask = np.logical_or.reduce([r.mask for r in regions])
    if mask.all():
        raise RegionError("The regions cover the whole signal together, and nothing is left; mask them one by one.")
    return Region(
        mask,
        kinds[0] if len(set(kinds)) == 1 else "drawn",
        sources[0] if len(set(sources)) == 1 else "several",
        min(r.confidence for r in regions),
        {"regions": len(regions), "kinds": kinds},
    )


def _class_asked(target: Any, before: xr.Dataset | None) -> str | int | None:
    """The class whose score effects are of: the one that was explained, where it is one class."""
    if isinstance(target, str | int):
        return target
    if before is None:
        return None
    from matxai.explanation import provenance

    record: Mapping[str, Any] | list[Mapping[str, Any]] = provenance(before)["target"]
    first = record[0] if isinstance(record, list) else record
    return int(first["index"]) if "index" in first else None


def _target_again(model: Model, signal: xr.DataArray, target: Any, index: int) -> Any:
    """The target of the new maps: what was asked, of a dense output where its class was on top before."""
    if target is not None and not isinstance(target, str | int):
        return target
    from matxai.engine import targets

    if model.task == "detection":
        return targets.detected(int(target or 0))
    top = dense_output(model, signal)
    if top is None:
        return index
    return targets.region(top == index, index)


def _too_fine(
    model: Model, signal: xr.DataArray, regions: Sequence[Region], before: xr.Dataset | None
) -> tuple[tuple[Unresolved, ...], ...]:
    from matxai.explanation import layer_cells, unresolved

    if before is None:
        return tuple(() for _ in regions)
    first = [unresolved(before, region) for region in regions]
    if not any(first):
        return tuple(() for _ in regions)
    cells = layer_cells(model, signal)
    found = []
    for number, region in enumerate(regions):
        called = region.evidence.get("number")
        name = "region" if len(regions) == 1 else f"region {number if called is None else called}"
        found.append(tuple(unresolved(before, region, cells=cells, name=name)))
    return tuple(found)

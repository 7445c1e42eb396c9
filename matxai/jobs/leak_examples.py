"""Examples of a leakage finding as pictures: a signal as it is, the donor, and the signal with the donor's artefact.

The model is asked again about a few signals; what a finding rests on was worked out before, on all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from matxai.checks.sentences import named
from matxai.report import Example, Shot
from matxai.report import sentences as words

if TYPE_CHECKING:
    import xarray as xr

    from matxai.checks.labelled import LabelledSet
    from matxai.checks.leak import Artefact, LeakFinding
    from matxai.modelcard import Model
    from matxai.regions import Boxed

TRIED = 12
"""So many signals are asked about for what is typical."""
CLASSES = 3
"""Donors of so many other classes are tried on each."""

ORIGINAL = "as it is: {said}"
DONOR = "the donor, of class {label}: {said}"
GIVEN = "with the donor's {what}: {said}"
CHANGE = "{name} is of class {own}. With the {what} of an image of class {other} the model says "
FLIPPED = CHANGE + "{after}, and no longer {before}; its probability of {other}: {low} → {high}."
MOVED = CHANGE + "{after}, as before; its probability of {other}: {low} → {high}."
STRONGEST = "The strongest: {name}"
TYPICAL = "Typical: {name}"


@dataclass(frozen=True, eq=False)
class _Trial:
    """One signal with one donor's artefact, and the probabilities before and after."""

    unit: int
    donor: int
    signal: xr.DataArray
    place: Boxed
    clean: npt.NDArray[np.float64]
    given: npt.NDArray[np.float64]
    donors: npt.NDArray[np.float64]
    label: int

    @property
    def moved(self) -> float:
        """How much likelier the donor's class became; 1 more where the answer changed to it."""
        flipped = self.given.argmax() == self.label != self.clean.argmax()
        return float(self.given[self.label] - self.clean[self.label]) + float(flipped)


def examples_of(
    finding: LeakFinding, model: Model, data: LabelledSet, *, worst: int = 2, seed: int = 0, cancel: Any = None
) -> tuple[Example, ...]:
    """Return the strongest examples of a finding and a typical one, as pictures.

    Parameters
    ----------
    finding
        About an artefact; a factor has no place in the picture, and a constant artefact nothing to exchange.
    model, data
        What was asked about.
    worst
        How many of the strongest; where nothing moves the model, the one that moves it most is enough.
    seed
        Decides which donors are tried.
    cancel
        As everywhere.
    """
    artefact = finding.artefact
    if artefact is None or artefact.constant or finding.verdict.answer == "unreachable":
        return ()
    trials = _trials(artefact, model, data, finding.examples[: worst + 1], np.random.default_rng([seed, 31]), cancel)
    if not trials:
        return ()
    best: dict[int, _Trial] = {}
    for trial in trials:
        if trial.unit not in best or trial.moved > best[trial.unit].moved:
            best[trial.unit] = trial
    ranked = sorted(best.values(), key=lambda t: -t.moved)
    count = worst if ranked[0].moved > 1.0 else 1
    chosen = [(STRONGEST, t) for t in ranked[:count]]
    median = float(np.median([t.moved for t in trials]))
    rest = [t for t in trials if t.unit not in {c.unit for _, c in chosen}]
    if rest:
        chosen.append((TYPICAL, min(rest, key=lambda t: abs(t.moved - median))))
    return tuple(_example(title, trial, artefact, data) for title, trial in chosen)


def _trials(
    artefact: Artefact,
    model: Model,
    data: LabelledSet,
    first: tuple[int, ...],
    rng: np.random.Generator,
    cancel: Any,
) -> list[_Trial]:
    from matxai.checks import class_scores
    from matxai.checks.leak.transplant import Receiver, moved_to, patch_of

    having = np.flatnonzero(artefact.present)
    spread = having[np.linspace(0, len(having) - 1, min(TRIED, len(having))).round().astype(int)] if len(having) else []
    units = list(dict.fromkeys([*first, *map(int, spread)]))
    found: list[tuple[int, int, xr.DataArray, Boxed]] = []
    for unit in units:
        signal = data.read(unit)
        receiver = Receiver(signal, artefact.regions[unit], artefact.kind, seed=int(rng.integers(2**31)))
        others = [c for c in data.present if c != data.labels[unit]]
        for label in rng.permutation(others)[:CLASSES]:
            for donor in rng.permutation(having[data.labels[having] == label])[:4]:
                patch = patch_of(data.read(int(donor)), artefact.regions[donor])
                values = receiver.given(patch)
                place = moved_to(patch.where, _spatial(signal)) if patch.where is not None else None
                if values is not None and place is not None:
                    found.append((unit, int(donor), signal.copy(data=values), place))
                    break
    if not found:
        return []
    asked = [*units, *(d for _, d, _, _ in found)]
    number = {i: k for k, i in enumerate(dict.fromkeys(asked))}
    clean = _probabilities(class_scores(model, (data.read(i) for i in number), cancel=cancel).scores)
    given = _probabilities(class_scores(model, (s for _, _, s, _ in found), cancel=cancel).scores)
    return [
        _Trial(u, d, s, place, clean[number[u]], given[k], clean[number[d]], int(data.labels[d]))
        for k, (u, d, s, place) in enumerate(found)
    ]


def _spatial(signal: xr.DataArray) -> tuple[int, ...]:
    return tuple(n for d, n in signal.sizes.items() if d != "c")


def _probabilities(scores: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    shifted = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


def _example(title: str, trial: _Trial, artefact: Artefact, data: LabelledSet) -> Example:
    what, name = named(artefact.name), data.names[trial.unit]
    before, after = data.classes[int(trial.clean.argmax())], data.classes[int(trial.given.argmax())]
    own, other = data.classes[int(data.labels[trial.unit])], data.classes[trial.label]
    low, high = (words.percent(float(p[trial.label])) for p in (trial.clean, trial.given))
    sentence = (FLIPPED if after != before else MOVED).format(
        name=name, own=own, other=other, what=what, before=before, after=after, low=low, high=high
    )
    region, donated = artefact.regions[trial.unit], artefact.regions[trial.donor]
    rows = (
        (ORIGINAL, data.read(trial.unit), region, trial.clean),
        (DONOR, data.read(trial.donor), donated, trial.donors),
        (GIVEN, trial.signal, trial.place, trial.given),
    )
    shots = tuple(
        _shot(caption.format(said=_said(p, data), label=other, what=what), signal, boxed, f"{name}: {what} outlined")
        for caption, signal, boxed, p in rows
    )
    return Example(title.format(name=name), sentence, shots)


def _said(probability: npt.NDArray[np.float64], data: LabelledSet) -> str:
    top = int(probability.argmax())
    return f"{data.classes[top]} ({words.percent(float(probability[top]))})"


def _shot(caption: str, signal: xr.DataArray, boxed: Boxed | None, alt: str) -> Shot:
    """A picture or curve; of a volume the slice through the middle of the artefact."""
    values = np.asarray(signal.values)
    mask = boxed.mask() if boxed is not None else None
    spatial = values.ndim - ("c" in signal.dims)
    while spatial > 2:
        at = (boxed.box[0].start + boxed.box[0].stop) // 2 if boxed is not None else values.shape[0] // 2
        values, mask, boxed, spatial = values[at], None if mask is None else mask[at], None, spatial - 1
    if spatial == 1 and values.ndim == 2:
        values = values[:, 0]
    return Shot(caption, values, mask, f"{alt}; {caption}")

"""How shifts are looked for: a search on a grid, then fits that pair lines and peaks anew until the pairs stay."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from matxai.reference import telling
from matxai.reference.fitting import Fit, fit
from matxai.reference.pairing import Comb, pair, search

if TYPE_CHECKING:
    import numpy.typing as npt

    from matxai.reference.axis_rules import Rule
    from matxai.reference.lines import ReferenceLines
    from matxai.reference.peak_list import PeakList
    from matxai.reference.shift_models import ShiftModel

    Curve = npt.NDArray[np.float64]
    Pairs = npt.NDArray[np.int64]

ROUNDS = 8


@dataclass(frozen=True)
class Job:
    """What does not change while shifts are looked for."""

    peaks: PeakList
    phases: list[ReferenceLines]
    rule: Rule
    bounds: tuple[float, float, float]
    window: float
    lattice: str

    def weights(self, phase: ReferenceLines) -> Curve:
        """Of each line in the search: the root of its intensity; all alike where nobody says."""
        strengths = phase.intensities
        return np.sqrt(np.where(np.isnan(strengths), 100.0, strengths))

    def comb(self, phase: ReferenceLines, of: npt.NDArray[np.bool_] | None = None) -> Comb | None:
        """The reference at each strain of the search, its lines within reach (of some only); None where none is."""
        low, high = self.peaks.measured
        reach = self.rule.reach(self.bounds)
        near = (phase.positions >= low - 2 * reach) & (phase.positions <= high + 2 * reach)
        near = near if of is None else near & of
        if not near.any():
            return None
        strains = self.rule.strains(self.bounds, self.window) if self.lattice != "fixed" else np.zeros(1)
        return Comb(strains, phase.positions[near], self.weights(phase)[near], self.rule.strained)

    def shifts(self) -> Curve:
        """The common shifts of the search, half a window apart."""
        reach = self.rule.reach(self.bounds)
        n = int(np.ceil(2 * reach / self.window))
        return np.arange(-n, n + 1) * reach / max(n, 1)

    def pairs(self, model: ShiftModel, values: Curve, stretch: float = 1.0) -> Pairs:
        """For each peak the reference and the line in it, or -1, -1; shape ``(n, 2)``."""
        places = model.lines(values)
        owner = np.concatenate([np.full(len(p), i) for i, p in enumerate(places)])
        index = np.concatenate([np.arange(len(p)) for p in places])
        weights = np.concatenate([self.weights(p) ** 2 for p in self.phases])
        windows = self.peaks.windows(self.window) * stretch
        chosen = pair(np.concatenate(places), weights, self.peaks.positions, windows)
        return np.where(chosen[:, None] < 0, -1, np.stack([owner[chosen], index[chosen]], axis=1))

    def unfitted(self, why: str) -> tuple[ShiftModel, Fit | None, Pairs, list[str]]:
        """Pairs at the positions as they stand, and why nothing was fitted."""
        model = self.rule.model(self.phases, self.bounds, False, ["fixed"] * len(self.phases))
        return model, None, self.pairs(model, np.zeros(len(model.parameters))), [why] if why else []

    def fitted(self) -> tuple[ShiftModel, Fit | None, Pairs, list[str]]:
        """The shifts, from a search on a grid and then fits that pair anew until pairs stay."""
        combs = {i: comb for i, phase in enumerate(self.phases) if (comb := self.comb(phase)) is not None}
        if not combs:
            return self.unfitted(telling.nothing_near())
        start = search(list(combs.values()), self.peaks.positions, self.peaks.weights, self.shifts(), self.window / 2)
        strains = dict(zip(combs, start.strains, strict=True))
        rough = self.rule.model(self.phases, self.bounds, False, self.how(dict.fromkeys(combs, 9), "scale"))
        pairs = self.pairs(rough, self.first(rough, start.shift, strains), 1.5)
        result: tuple[ShiftModel, Fit, list[str]] | None = None
        for turn in range(ROUNDS):
            matched = int((pairs[:, 0] >= 0).sum())
            afforded = self.affordable(pairs) if matched >= self.rule.needed else None
            if afforded is None:
                return self.unfitted(telling.too_few(matched, self.rule.needed))
            model, remarks = afforded
            found = self.solved(model, pairs, self.first(model, start.shift, strains))
            result = model, found, remarks
            anew = self.pairs(model, found.values, 1.25 if turn == 0 else 1.0)
            if turn and (anew == pairs).all():
                break
            pairs = anew
        if result is None or (pairs[:, 0] >= 0).sum() < self.rule.needed:
            return self.unfitted(telling.too_few(int((pairs[:, 0] >= 0).sum()), self.rule.needed))
        return result[0], result[1], pairs, result[2]

    def solved(self, model: ShiftModel, pairs: Pairs, begin: Curve) -> Fit:
        """The fit of a model to these pairs."""
        held = pairs[:, 0] >= 0
        errors = None if self.peaks.uncertainties is None else self.peaks.uncertainties[held]
        places = self.peaks.positions[held]
        return fit(model, pairs[held, 0], pairs[held, 1], places, errors, begin, self.window / 4)

    def first(self, model: ShiftModel, shift: float, strains: dict[int, float]) -> Curve:
        """Where a fit begins: at what the search found."""
        values = np.zeros(len(model.parameters))
        for i, parameter in enumerate(model.parameters):
            if parameter.phase is not None:
                values[i] = strains.get(parameter.phase, 0.0)
            elif parameter.name != "displacement":
                values[i] = shift
        return np.clip(values, -model.bounds, model.bounds)

    def how(self, counts: dict[int, int], most: str) -> list[str]:
        """How freely each lattice may move, given how many of its lines have a peak."""
        if self.lattice == "fixed":
            return ["fixed"] * len(self.phases)
        return ["fixed" if counts.get(i, 0) < 2 else most for i in range(len(self.phases))]

    def affordable(self, pairs: Pairs) -> tuple[ShiftModel, list[str]] | None:
        """The richest model with fewer parameters than pairs, and what was left out; None where no model is."""
        counts = {i: int((pairs[:, 0] == i).sum()) for i in range(len(self.phases))}
        total = sum(counts.values())
        steps = [(True, self.lattice), (True, "scale"), (False, "scale"), (False, "fixed")]
        for displacement, most in steps:
            if most == "axes" and any(0 < n < 4 for n in counts.values()):
                continue
            model = self.rule.model(self.phases, self.bounds, displacement, self.how(counts, most))
            if len(model.parameters) < total:
                left = telling.left_out(displacement, most, self.lattice) if self.rule.diffraction else ""
                return model, [left] if left else []
        return None

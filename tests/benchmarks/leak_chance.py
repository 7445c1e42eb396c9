"""How often the exchange test is significant on innocents: p on many sets of images, and what chance allows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from leak_cases import Case
from leak_judging import artefacts_of
from leak_worlds import World
from numpy.typing import NDArray
from scipy.stats import binom

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from matxai import Model

LEVEL = 0.05
INNOCENTS = {"matrix": "contents at random", "sound on confounded": "contents tell the class"}
"""The innocents whose artefacts vary, by what the artefacts of the judged images are. An innocent's effect lies within
5 points, and need not be zero: on contents that tell the class its permutations alone find what single images do."""


def p_values(case: Case, world: World, model: Model, sets: int) -> Iterator[dict[str, Any]]:
    """Yield p of the exchange of the first planted artefact on sets of 60 images in 10 groups, by its true masks."""
    from matxai.checks.leak.blocks import design_of
    from matxai.checks.leak.case import Case as Question
    from matxai.checks.leak.case import Signals
    from matxai.checks.leak.choosing import donors_of, units_of
    from matxai.checks.leak.exchange import exchanged
    from matxai.checks.leak.statistics import Levels, Permuted, exchange_test
    from matxai.checks.perturbation import class_scores

    for number in range(sets):
        one = Case(case.about, case.net, case.plantings, number)
        data = one.data(world)
        labelled = data.labelled(world.classes)
        groups = np.unique(data.groups, return_inverse=True)[1]
        rng = np.random.default_rng(number)
        units = units_of(data.labels, groups, None, rng)
        question = Question(
            model=model,
            data=labelled,
            units=units,
            donors=donors_of(data.labels, groups, units.size, None, rng),
            clean=class_scores(model, (labelled.read(int(k)) for k in units)),
            groups=groups,
            grouped=True,
            signals=Signals(labelled),
            artefact=artefacts_of(one, data)[0],
            seed=number,
        )
        asked = (
            exchanged(question).top,
            question.unit_labels,
            question.donor_labels,
            question.unit_groups,
            question.donor_groups,
        )
        levels = Levels(seed=number)
        test = exchange_test(*asked, levels=levels)
        if test is not None and test.p is not None:
            sharp = Permuted(design_of(*asked), levels)
            yield {"case": case.key, "about": case.about, "set": number, "p": test.p,
                   "permuted": sharp.p(sharp.total), "effect": test.effect, "high": test.interval[1]}  # fmt: skip


def significant(p: NDArray[np.float64]) -> tuple[int, int, int]:
    """Return how many are at most 0.05, of how many, and the most that chance allows in 95 % of such counts."""
    return int((p <= LEVEL + 1e-9).sum()), len(p), int(binom.ppf(0.95, len(p), LEVEL))


def _shares(p: NDArray[np.float64], levels: NDArray[np.float64]) -> list[float]:
    return [float((p <= level + 1e-9).mean()) for level in levels]


def plot(rows: Sequence[dict[str, Any]], file: Path) -> None:
    """Draw the share of p up to each level against the level, with the band of chance of the fewest sets."""
    from matplotlib.figure import Figure

    levels = np.linspace(0, 1, 201)
    figure = Figure(figsize=(4.2, 4.2), layout="constrained")
    axes = figure.add_subplot()
    sorts = {about: np.array([r["p"] for r in rows if r["about"] == about]) for about in INNOCENTS}
    fewest = min(len(p) for p in sorts.values() if len(p))
    low, high = (binom.ppf(q, fewest, levels) / fewest for q in (0.025, 0.975))
    axes.fill_between(levels, low, high, color="0.88", label=f"95 % of {fewest} by chance")
    axes.plot([0, 1], [0, 1], color="0.5", linewidth=0.8)
    for (about, said), colour in zip(INNOCENTS.items(), ("#0b5cad", "#b5540b"), strict=True):
        p = sorts[about]
        if len(p):
            axes.step(levels, _shares(p, levels), where="post", color=colour, label=f"{said}, {len(p)} sets")
            alone = np.array([r["permuted"] for r in rows if r["about"] == about])
            told = f"{said}, permutations alone"
            axes.step(levels, _shares(alone, levels), where="post", color=colour, linestyle=":", label=told)
    axes.set(xlabel="level", ylabel="share of p at most the level", title="exchange test on innocents")
    axes.legend(frameon=False, loc="lower right", fontsize=7)
    figure.savefig(file, dpi=150)

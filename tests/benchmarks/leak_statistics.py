"""Is the exchange test valid? Simulated crossed designs with known truth: false alarms, coverage of bounds, power.

    python tests/benchmarks/leak_statistics.py [--sets 1000] [--json FILE]

Every row is a kind of design. Under the null what the donors bring moves the predictions (a random shift of each
class's score for each donor's group, and a smaller one for each donor), and has nothing to do with their class. Under
the alternative a share of the units follows the donor's class, and a share of the donors' groups has an artefact that
can be read; the true effect is the product. A unit under donors of its own group is as it is without any exchange.
Last, a few units follow and all others say what they are whatever the donor: two of 60 are no effect, three are one.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from scipy.stats import binom, binomtest

from matxai.checks.leak.blocks import design_of, effects_of_units
from matxai.checks.leak.bounds import effect_bounds
from matxai.checks.leak.resampling import bootstrap
from matxai.checks.leak.statistics import FOLLOWS, Levels, Permuted, effect, exchange_test, p_of


@dataclass(frozen=True)
class Design:
    """How a set is made up: classes, groups, units of a group, donors of a block."""

    name: str
    classes: int = 2
    groups: int = 10
    units: int = 6
    donors: int = 3
    crossed: bool = False
    unequal: bool = False
    sway: float = 1.0  # spread of the shift that a donor group's content gives to a class's score
    own: float = 0.5  # spread of a unit group's own scores
    hold: float = 1.0  # lead of the true class


DESIGNS = (
    Design("10 groups, 2 classes"),
    Design("6 groups, 2 classes", groups=6, units=10),
    Design("6 groups, 3 classes", classes=3, groups=6, units=10),
    Design("14 groups, 7 classes", classes=7, groups=14, units=6, donors=2),
    Design("9 groups, 3 classes", classes=3, groups=9),
    Design("30 groups, 3 classes", classes=3, groups=30, units=3, donors=1),
    Design("10 crossed groups, 2 classes", crossed=True),
    Design("6 crossed groups, 3 classes", classes=3, groups=6, units=9, crossed=True),
    Design("unequal groups", unequal=True),
    Design("unequal crossed groups", unequal=True, crossed=True),
    Design("60 images, each a group", groups=60, units=1, donors=1),
    Design("content sways strongly", sway=3.0),
    Design("content sways weakly", sway=0.2),
)


def drawn(kind: Design, rng: np.random.Generator, *, follow: float = 0.0, readable: float = 1.0) -> tuple:
    """One set: predictions under donors, labels and groups, as the exchange hands them on."""
    labels, groups = [], []
    for g in range(kind.groups):
        count = int(rng.integers(2, 2 * kind.units)) if kind.unequal else kind.units
        for k in range(count):
            labels.append(k % kind.classes if kind.crossed else g % kind.classes)
            groups.append(g)
    y, of = np.array(labels), np.array(groups)
    chosen = []
    for g in range(kind.groups):
        for c in range(kind.classes):
            chosen += np.flatnonzero((of == g) & (y == c))[: kind.donors].tolist()
    d = np.array(chosen)
    n, D, K = y.size, d.size, kind.classes
    own = rng.normal(0, kind.own, (kind.groups, K))[of] + rng.normal(0, 0.5, (n, K))
    own[np.arange(n), y] += kind.hold
    content = rng.normal(0, kind.sway, (kind.groups, K))[of[d]] + rng.normal(0, kind.sway / 2, (D, K))
    mixed = rng.normal(0, kind.sway / 2, (n, D, K))
    foreign = (of[:, None] != of[d][None, :])[:, :, None]
    top = (own[:, None] + np.where(foreign, content[None] + mixed, 0.0)).argmax(axis=2)
    if follow:
        # how strongly a group's units follow varies from group to group, about the same mean
        share = np.clip(rng.beta(4 * follow, 4 * (1 - follow), kind.groups), 0, 1)[of]
        follows = rng.random(n) < share
        can = rng.random(kind.groups) < readable
        taken = follows[:, None] & can[of[d]][None, :] & foreign[:, :, 0]
        top = np.where(taken, y[d][None, :], top)
    return top, y, y[d], of, of[d]


def null_row(kind: Design, sets: int, seed: int = 0) -> dict:
    """False alarms and the coverage of zero."""
    rng = np.random.default_rng([seed, 1])
    ps, above, below, whole = [], 0, 0, 0
    for _ in range(sets):
        design = design_of(*drawn(kind, rng))
        levels = Levels(draws=399, seed=int(rng.integers(1 << 30)))
        test, effects = Permuted(design, levels), effects_of_units(design)
        ps.append(test.p(test.total))
        whole += p_of(test, test.total, effects, levels) <= 0.05
        value = effect(design)
        low, high = bootstrap(design, 400, rng)
        following = int((effects >= FOLLOWS).sum())
        exact = effect_bounds(float(np.clip(value, -1, 1)), design.labels.size, following)
        above += max(high, exact[1]) >= 0
        below += min(low, exact[0]) <= 0
    p = np.array(ps)
    found = {f"p<={level}": float((p <= level).mean()) for level in (0.01, 0.05, 0.1, 0.2, 0.5)}
    ceiling = {level: binom.ppf(0.999, sets, level) / sets for level in (0.01, 0.05, 0.1, 0.2, 0.5)}
    valid = all(found[f"p<={level}"] <= most for level, most in ceiling.items())
    return {
        "design": kind.name,
        **{f"permuted {level}": share for level, share in found.items()},
        "p<=0.05": whole / sets,
        "upper covers": above / sets,
        "lower covers": below / sets,
        "valid": valid,
    }


def effect_row(kind: Design, follow: float, readable: float, sets: int, seed: int = 0) -> dict:
    """Coverage of a true effect, and how often it is found."""
    rng = np.random.default_rng([seed, 2])
    quiet = replace(kind, sway=0.2, hold=4.0)
    above = below = found = 0
    for _ in range(sets):
        data = drawn(quiet, rng, follow=follow, readable=readable)
        tested = exchange_test(*data, levels=Levels(draws=400, seed=int(rng.integers(1 << 30))))
        truth = follow * readable
        above += tested.interval[1] >= truth
        below += tested.interval[0] <= truth
        found += tested.p is not None and tested.p <= 0.05
    return {
        "design": kind.name,
        "follow": follow,
        "readable": readable,
        "upper covers": above / sets,
        "lower covers": below / sets,
        "found": found / sets,
    }


def few_row(kind: Design, followers: int, sets: int, seed: int = 0) -> dict:
    """How often a few units that follow are found, where nothing else moves."""
    rng = np.random.default_rng([seed, 3])
    alone = found = 0
    for _ in range(sets):
        _, y, given, of, by = drawn(kind, rng)
        top = np.repeat(y[:, None], given.size, axis=1)
        chosen = rng.choice(y.size, followers, replace=False)
        top[chosen] = np.where(of[chosen, None] != by[None, :], given[None, :], y[chosen, None])
        levels = Levels(draws=400, seed=int(rng.integers(1 << 30)))
        design = design_of(top, y, given, of, by)
        test = Permuted(design, levels)
        alone += test.p(test.total) <= 0.05
        found += p_of(test, test.total, effects_of_units(design), levels) <= 0.05
    return {"design": kind.name, "follow": followers, "permuted p<=0.05": alone / sets, "p<=0.05": found / sets}


def table(rows: list[dict]) -> str:
    """Rows as a Markdown table."""
    names = list(rows[0])
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    said = ([f"{v:.3f}" if isinstance(v, float) else str(v) for v in row.values()] for row in rows)
    lines += ["| " + " | ".join(row) + " |" for row in said]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=int, default=1000)
    parser.add_argument("--effects", type=int, default=None, help="sets for each row with an effect (a fifth)")
    parser.add_argument("--only", default="", help="designs whose name holds this")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    start = time.perf_counter()
    kinds = [k for k in DESIGNS if given.only in k.name]
    null = [null_row(k, given.sets) for k in kinds]
    print(f"## Nothing is read ({given.sets} sets each)\n\n{table(null)}\n")
    sets = given.effects or max(1, given.sets // 5)
    some = [effect_row(k, f, r, sets) for k in kinds for f, r in ((0.05, 1.0), (0.3, 1.0), (0.6, 0.7))]
    print(f"## A share of units follows ({sets} sets each)\n\n{table(some)}\n")
    units = [k for k in kinds if k.units * k.groups == 60 and not k.unequal]
    few = [few_row(k, count, sets) for k in units for count in (1, 2, 3, 15)]
    if few:
        print(f"## A few of 60 units follow ({sets} sets each)\n\n{table(few)}\n")
    print(f"95 % interval of a share of 0.95 at {sets} sets: {binomtest(round(0.95 * sets), sets).proportion_ci()}")
    print(f"{time.perf_counter() - start:.0f} s")
    if given.json:
        record = {"format": "matxai-benchmark", "version": 2, "designs": [asdict(k) for k in kinds]}
        given.json.write_text(json.dumps({**record, "null": null, "effects": some, "few": few}, indent=2))
    return 0 if all(row["valid"] for row in null) else 1


if __name__ == "__main__":
    sys.exit(main())

"""What is judged: nets and the data they are judged on. A case is one call of the leakage check."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from leak_nets import Net
from leak_worlds import Planted, Planting, World, draw, judged

KINDS = ("info_bar", "scale_bar", "text", "label", "stamp")
STRENGTHS = (100, 95, 90, 80, 60, 0, None)
ARCHITECTURES = ("plain", "residual")
CROPS = {"info_bar": 20, "scale_bar": 24}
"""Rows cut off by the preprocessing, enough for the whole artefact."""

WEAK = ("12 images", "3 groups", "chance", "permuted")
"""Conditions under which nothing can be told."""


@dataclass(frozen=True)
class Case:
    """A net, and the data that it is judged on.

    ``about`` says what it is for: ``matrix``, ``sound on confounded``, ``cropped``, ``two``, or one of :data:`WEAK`.
    """

    about: str
    net: Net
    plantings: tuple[Planting, ...]
    number: int = 0

    @property
    def key(self) -> str:
        shown = ",".join(map(str, self.plantings))
        return f"{self.about} | {self.net.world} {self.net.architecture} {self.net.key} | {shown} | {self.number}"

    def data(self, world: World) -> Planted:
        """Return the data: 60 images in 10 groups, but for the conditions that say otherwise."""
        chosen = judged(world, self.number, groups=6 if self.about == "12 images" else 10)
        if self.about == "12 images":
            chosen = np.concatenate([chosen[world.groups[chosen] == g][:2] for g in np.unique(world.groups[chosen])])
        made = draw(world, chosen, self.plantings, 500 + self.number)
        if self.about == "3 groups":
            return replace(made, groups=made.labels.copy())
        if self.about == "permuted":
            return replace(made, labels=np.random.default_rng(self.number).permutation(made.labels))
        return made


def cases(worlds: tuple[str, ...], size: str) -> list[Case]:
    """Return the cases of a run: ``full``, or a few of each sort (``small``)."""
    found: list[Case] = []
    strengths = STRENGTHS if size == "full" else (100, 0)
    kinds = KINDS if size == "full" else KINDS[:2]
    for w, world in enumerate(worlds):
        for k, kind in enumerate(kinds):
            for s, strength in enumerate(strengths):
                planting = (Planting(kind, strength),)
                net = Net(world, ARCHITECTURES[(w + k + s) % 2], planting)
                found.append(Case("matrix", net, planting))
                if strength == 0:
                    found.append(Case("sound on confounded", net, (Planting(kind, 100),), 1))
        if size == "full":
            for strength in (100, 0):
                planting = (Planting("border", strength),)
                found.append(Case("matrix", Net(world, ARCHITECTURES[w], planting), planting))
        found += _cropped(world) if size == "full" else _cropped(world)[:1]
        found += _two(world, w) if size == "full" else _two(world, w)[:1]
        found += _weak(world, w, size)
    return sorted(found, key=_turn)


def _turn(case: Case) -> tuple[bool, int]:
    """Strengths take turns and the weak come last: a run that is cut short has seen every artefact in both sets."""
    return case.about in WEAK, (100, 0, 60, None, 90, 80, 95).index(case.plantings[0].strength)


def _cropped(world: str) -> list[Case]:
    """The artefact tells the class in all images, and the preprocessing cuts it off."""
    found = []
    for (kind, rows), architecture in zip(CROPS.items(), ARCHITECTURES, strict=True):
        planting = (Planting(kind, 100),)
        found.append(Case("cropped", Net(world, architecture, planting, cropped=rows), planting))
    return found


def _two(world: str, w: int) -> list[Case]:
    """Two artefacts in every image, apart from each other; the first tells the class, the second does not."""
    found = []
    for k, (first, second) in enumerate((("info_bar", "text"), ("label", "scale_bar"), ("text", "info_bar"))):
        plantings = (Planting(first, 100), Planting(second, 0))
        found.append(Case("two", Net(world, ARCHITECTURES[(k + w) % 2], plantings), plantings))
    return found


def _weak(world: str, w: int, size: str) -> list[Case]:
    found = []
    for k, kind in enumerate(("info_bar", "text")[: 2 if size == "full" else 1]):
        for strength in (100, 0):
            planting = (Planting(kind, strength),)
            s = STRENGTHS.index(strength)
            net = Net(world, ARCHITECTURES[(w + KINDS.index(kind) + s) % 2], planting)
            if size != "full":
                net = Net(world, ARCHITECTURES[(w + KINDS.index(kind) + (strength == 0)) % 2], planting)
            found += [Case(about, net, planting, 2) for about in ("12 images", "3 groups", "permuted")]
        planting = (Planting(kind, 100),)
        found.append(Case("chance", Net(world, ARCHITECTURES[k % 2], planting, labels="shuffled"), planting))
        found.append(Case("chance", Net(world, ARCHITECTURES[k % 2], planting, labels="none"), planting))
    return found

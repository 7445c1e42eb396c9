"""Pictures without artefacts, and sets made of them: which artefacts are planted, how strongly they follow the class.

A world is a data set of three classes whose pictures bear no artefact: micrographs of the project's generator, and
X-SDD (camera images of steel strip). Its images are split by group: those to train on, and a pool to judge on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matxai_datasets.planting import CONTENTS, plant
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matxai.checks.labelled import LabelledSet

STEEL = ("oxide_scale_of_temperature_system", "red_iron", "slag_inclusion")
TRAINED, POOLED, PER_GROUP, SIDE = 720, 252, 6, 128
FEW, POOLED_FEW = 100, 72  # a run to try the script out


@dataclass(frozen=True)
class Planting:
    """An artefact of a set: its kind, and the share of images (in %) whose content follows the class; None: constant.

    The contents of the other images are drawn at random, all alike likely; a constant one is the same in all pixels.
    """

    kind: str
    strength: int | None

    def __str__(self) -> str:
        return f"{self.kind} {'constant' if self.strength is None else f'{self.strength} %'}"


@dataclass(frozen=True, eq=False)
class World:
    """Pictures ``(N, H, W[, 3])`` of three classes, their groups, and which of them are for training and judging."""

    name: str
    classes: tuple[str, ...]
    pictures: NDArray[np.uint8]
    labels: NDArray[np.int64]
    groups: NDArray[np.int64]
    train: NDArray[np.int64]
    pool: NDArray[np.int64]

    @property
    def channels(self) -> int:
        return 1 if self.pictures.ndim == 3 else 3

    def looks(self, kind: str) -> NDArray[np.int64]:
        """Which content stands for which class; it differs from kind to kind and from world to world."""
        rng = np.random.default_rng([len(self.name), *kind.encode()])
        return rng.permutation(CONTENTS)[: len(self.classes)]


@dataclass(frozen=True, eq=False)
class Planted:
    """A set with artefacts: images, labels, groups; for each planting its contents and the masks of what was drawn."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    groups: NDArray[np.int64]
    contents: tuple[NDArray[np.int64], ...]
    masks: tuple[NDArray[np.bool_], ...]

    def labelled(self, classes: tuple[str, ...], *, grouped: bool = True) -> LabelledSet:
        """Return it as the checks take it."""
        from matxai.checks.labelled import LabelledSet
        from matxai.signals import labelled

        dims = ("y", "x", "c")[: self.images.ndim - 1]
        return LabelledSet(
            names=tuple(f"{k:03d}" for k in range(len(self.images))),
            labels=self.labels,
            classes=classes,
            read=lambda k: labelled(self.images[k], dims),
            groups=self.groups if grouped else None,
        )

    def only(self, chosen: NDArray[np.integer[Any]]) -> Planted:
        """Return some of it."""
        return Planted(
            self.images[chosen],
            self.labels[chosen],
            self.groups[chosen],
            tuple(c[chosen] for c in self.contents),
            tuple(m[chosen] for m in self.masks),
        )


def contents(world: World, labels: NDArray[np.int64], planting: Planting, seed: int) -> NDArray[np.int64]:
    """Draw which content each image's artefact has."""
    looks = world.looks(planting.kind)
    if planting.strength is None:
        return np.full(len(labels), looks[0])
    rng = np.random.default_rng([seed, 21, *planting.kind.encode()])
    follows = rng.random(len(labels)) * 100 < planting.strength
    return np.asarray(np.where(follows, looks[labels], rng.choice(looks, len(labels))))


def draw(world: World, chosen: NDArray[np.integer[Any]], plantings: tuple[Planting, ...], seed: int) -> Planted:
    """Plant artefacts into some of a world's pictures."""
    labels = world.labels[chosen]
    every = tuple(contents(world, labels, p, seed + 1000 * k) for k, p in enumerate(plantings))
    images = world.pictures[chosen].copy()
    masks = []
    for number, (planting, each) in enumerate(zip(plantings, every, strict=True)):
        images, mask = redrawn(images, planting, each, seed + 7919 * number)
        masks.append(mask)
    return Planted(images, labels, world.groups[chosen], every, tuple(masks))


def redrawn(
    images: NDArray[np.uint8], planting: Planting, each: NDArray[np.int64], seed: int
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Plant one artefact into every image, with the content given for each; return images and masks."""
    seeds = np.random.default_rng([seed, 22]).integers(0, 2**31, len(images))
    if planting.strength is None:
        seeds[:] = 0
    done = [plant(i, planting.kind, int(c), int(s)) for i, c, s in zip(images, each, seeds, strict=True)]
    return np.stack([np.asarray(d.pixels, np.uint8) for d in done]), np.stack([d.mask for d in done])


def judged(world: World, number: int, *, groups: int = 10) -> NDArray[np.int64]:
    """Return the images of a set to judge on: so many whole groups of the pool, the classes in turn.

    Sets of different numbers share no group until the pool is used up; then they are drawn anew.
    """
    rng = np.random.default_rng([number // 4, 23])
    by_class = [
        rng.permutation(np.unique(world.groups[world.pool][world.labels[world.pool] == c]))
        for c in range(len(world.classes))
    ]
    at = number % 4
    order = np.roll(np.arange(len(by_class)), number)
    chosen: list[int] = []
    for k in range(groups):
        own = by_class[order[k % len(order)]]
        chosen.append(int(own[(at * -(-groups // len(order)) + k // len(order)) % len(own)]))
    return np.asarray(world.pool[np.isin(world.groups[world.pool], chosen)])


def worlds(
    folder: Path | None, cache: Path, *, images: int = TRAINED, names: Sequence[str] | None = None
) -> dict[str, World]:
    """Return the worlds that there are data for, from the cache where they were made before."""
    made = {"micrographs": lambda: generated(images, POOLED if images > FEW else POOLED_FEW)}
    if folder is not None and (folder / "xsdd_steel_strip").is_dir():
        made["steel"] = lambda: steel(folder / "xsdd_steel_strip")
    wanted = [name for name in made if names is None or name in names]
    return {name: _cached(name, cache / f"{name}_{images}.npz", made[name]) for name in wanted}


def _cached(name: str, file: Path, make: Any) -> World:
    if file.exists():
        with np.load(file) as kept:
            arrays = {k: kept[k] for k in kept.files}
        return World(name, tuple(str(c) for c in arrays.pop("classes")), **arrays)
    world = make()
    file.parent.mkdir(parents=True, exist_ok=True)
    np.savez(file, **{k: v for k, v in vars(world).items() if k != "name"})
    return world


def generated(train: int = TRAINED, pool: int = POOLED) -> World:
    """Micrographs of the generator without a bar: six of each specimen, a specimen holds one kind of defect."""
    from matxai_datasets.generator import CLASSES, micrographs

    made = list(micrographs(train + pool, 77, bars=None, per_specimen=PER_GROUP, size=(SIDE, SIDE)))
    return World(
        "micrographs",
        CLASSES,
        np.stack([m.pixels for m in made]).astype(np.uint8),
        np.array([CLASSES.index(m.kind) for m in made]),
        np.arange(len(made)) // PER_GROUP,
        np.arange(train),
        np.arange(train, train + pool),
    )


def steel(folder: Path) -> World:
    """Three classes of X-SDD; its groups are blocks of six images that look most alike, near-duplicates together.

    Images lie in the order of the leaves of a tree of likeness (Ward's) within the class, and six neighbours are a
    block; pairs of near-duplicates across the border of two blocks bring the second image over.
    """
    from matxai_datasets.public import catalogue
    from matxai_models.recipes.steel import near_duplicates, read_images

    table = catalogue()["xsdd_steel_strip"].load(folder)
    table = replace(table, rows=tuple(row for row in table if row.label in STEEL))
    images = read_images(table)
    labels = np.array([STEEL.index(str(row.label)) for row in table])
    alike = near_duplicates(images, labels)
    groups = np.zeros(len(labels), np.int64)
    for c in range(len(STEEL)):
        own = np.flatnonzero(labels == c)
        order = own[_leaves(images[own])]
        first = {int(a): k for k, a in reversed(list(enumerate(alike[order])))}
        order = order[np.argsort([first[int(a)] for a in alike[order]], kind="stable")]
        groups[order] = _blocks(alike[order], PER_GROUP) + 1000 * c
    rng = np.random.default_rng(24)
    per_class = POOLED // len(STEEL)
    pool: list[int] = []
    for c in range(len(STEEL)):
        taken = 0
        for group in rng.permutation(np.unique(groups[labels == c])):
            members = np.flatnonzero(groups == group)
            if len(members) == PER_GROUP and taken < per_class:
                pool += members.tolist()
                taken += PER_GROUP
    held = np.array(sorted(pool))
    return World("steel", STEEL, images, labels, groups, np.setdiff1d(np.arange(len(labels)), held), held)


def _leaves(images: NDArray[np.uint8]) -> NDArray[np.int64]:
    from scipy.cluster.hierarchy import leaves_list, ward

    grey = images.astype(np.float32).mean(axis=-1)
    small = grey.reshape(len(images), 16, SIDE // 16, 16, SIDE // 16).mean(axis=(2, 4)).reshape(len(images), -1)
    return np.asarray(leaves_list(ward(small)), np.int64)


def _blocks(alike: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Number consecutive blocks of at least ``size``; no near-duplicates on two sides of a border."""
    found, number, filled = np.zeros(len(alike), np.int64), 0, 0
    for k in range(len(alike)):
        if filled >= size and alike[k] != alike[k - 1]:
            number, filled = number + 1, 0
        found[k] = number
        filled += 1
    return found

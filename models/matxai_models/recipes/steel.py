"""A classifier of steel-strip defects, trained on X-SDD where the user has it; its weights stay with the user.

Near-duplicates are put on one side of the split: a random split would flatter the figure.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import FileError
from matxai_models.recipe import RECIPES, Recipe, Settings, Trained

if TYPE_CHECKING:
    from matxai_datasets.card import Table
    from numpy.typing import NDArray

log = logging.getLogger("matxai.models.steel")

EPOCHS, SIZE, SAME = 24, (128, 128), 0.9


def read_images(table: Table) -> NDArray[np.uint8]:
    """Read all images as ``(N, 128, 128, 3)``; the two that are a few pixels wider or narrower are resampled."""
    from skimage.transform import resize

    images = []
    for row in table:
        signal = table.read(row)
        if signal.dims != ("y", "x", "c") or signal.dtype != np.uint8:
            msg = f"{row.file} is {signal.dims} of {signal.dtype}; the images of this set are 8-bit RGB."
            raise FileError(msg)
        pixels = np.asarray(signal)
        if pixels.shape[:2] != SIZE:
            pixels = np.rint(resize(pixels, SIZE, order=1, preserve_range=True)).astype(np.uint8)
        images.append(pixels)
    return np.stack(images)


def near_duplicates(images: NDArray[np.uint8], labels: NDArray[np.int64], *, same: float = SAME) -> NDArray[np.int64]:
    """Give each image the number of its group: images of one class that are nearly the same.

    Two images are, when their 16 x 16 means of grey correlate by more than ``same``; such pairs connect a group.

    Returns
    -------
    numpy.ndarray
        The number of each image's group, ``(N,)``.
    """
    from scipy.sparse.csgraph import connected_components

    height, width = images.shape[1] // 16 * 16, images.shape[2] // 16 * 16
    grey = images[:, :height, :width].astype(np.float32).mean(axis=-1)
    small = grey.reshape(len(images), 16, height // 16, 16, width // 16).mean(axis=(2, 4)).reshape(len(images), -1)
    small -= small.mean(axis=1, keepdims=True)
    small /= np.maximum(np.linalg.norm(small, axis=1, keepdims=True), 1e-6)
    alike = (small @ small.T > same) & (labels[:, None] == labels[None, :])
    groups: NDArray[np.int64] = connected_components(alike, directed=False)[1].astype(np.int64)
    return groups


def _train(settings: Settings) -> Trained:
    import torch
    from matxai_datasets.public import catalogue

    from matxai_models import fitting, measures
    from matxai_models.architectures import matxai_architecture

    if settings.data is None:
        msg = "The recipe 'steel' needs the folder of the data set xsdd_steel_strip."
        raise FileError(msg)
    table = catalogue()["xsdd_steel_strip"].load(settings.data)
    classes = table.classes
    if settings.images is not None:
        table = _thinned(table, settings.images, settings.seed)
    images = read_images(table)
    truth = np.array([classes.index(str(row.label)) for row in table])
    groups = near_duplicates(images, truth)
    log.info("%d images in %d groups of near-duplicates", len(images), len(set(groups.tolist())))
    rows = tuple(replace(row, group=str(group)) for row, group in zip(table, groups, strict=True))
    divided = replace(table, rows=rows).divided(test_share=0.25, seed=settings.seed)
    test = np.array([row.split == "test" for row in divided])
    scaling = fitting.Scaling.of(images[~test])
    torch.manual_seed(settings.seed)
    module = matxai_architecture("defect_resnet", classes=len(classes), channels=3)
    fitting.fit(
        module,
        images[~test],
        truth[~test],
        scaling,
        fitting.cross_entropy,
        epochs=settings.epochs or EPOCHS,
        seed=settings.seed,
        mirror=(-1, -2),
        progress=settings.progress,
    )
    found = fitting.predict(module, images[test], scaling)
    right = found == truth[test]
    recall = {name: right[truth[test] == number] for number, name in enumerate(classes)}
    mean_recall = float(np.mean([hits.mean() for hits in recall.values()]))
    majority = float(np.bincount(truth[test]).max() / test.sum())
    summary = (
        f"Trained on {int((~test).sum())} images of X-SDD. On {int(test.sum())} unseen ones (near-duplicates kept "
        f"together) the accuracy is {right.mean():.3f}, the mean recall of the classes "
        f"{mean_recall:.3f}; always naming the commonest class gives {majority:.3f}."
    )
    return Trained(
        module=module,
        card=_card(classes, scaling.mean, scaling.std),
        example=images[np.flatnonzero(test)[0]],
        measured={
            "accuracy": measures.share(right),
            "mean_recall": {"value": mean_recall, "n": int(test.sum())},
            **{f"recall_{name}": measures.share(hits) for name, hits in recall.items()},
            "training_images": int((~test).sum()),
            "test_files": [row.file for row in divided if row.split == "test"],
        },
        summary=summary,
    )


def _thinned(table: Table, images: int, seed: int) -> Table:
    """Take about so many images, the same share of each class and at least four."""
    rng = np.random.default_rng([seed, 31])
    labels = np.array([str(row.label) for row in table])
    kept: list[int] = []
    for name in table.classes:
        members = rng.permutation(np.flatnonzero(labels == name))
        kept += members[: max(round(images * len(members) / len(labels)), 4)].tolist()
    return replace(table, rows=tuple(table.rows[number] for number in sorted(kept)))


def _card(classes: tuple[str, ...], mean: tuple[float, ...], std: tuple[float, ...]) -> dict[str, Any]:
    return {
        "name": "steel",
        "task": "classification",
        "classes": list(classes),
        "architecture": "matxai:defect_resnet",
        "input": {
            "kind": "2d",
            "channels": 3,
            "size": list(SIZE),
            "scale": "dtype",
            "mean": list(mean),
            "std": list(std),
        },
        "layers": ["stages"],
    }


RECIPES.add("steel", Recipe("steel", "defects of hot-rolled steel strip, on X-SDD", _train, "xsdd_steel_strip"))

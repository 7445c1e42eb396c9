"""The figures on the cards: accuracy, how far predictions follow an exchanged bar, overlap of masks.

All work on a function from images to predictions, so that a card that was loaded again is measured as the network was.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matxai_datasets.generator import BAR_OF_CLASS

if TYPE_CHECKING:
    from matxai_datasets.generator import Micrograph
    from numpy.typing import NDArray

Predict = Callable[["NDArray[np.generic]"], "NDArray[np.int64]"]
"""From images ``(N, H, W)`` to class indices ``(N,)`` or label images ``(N, H, W)``."""


def wilson(hits: int, of: int, z: float = 1.959964) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927); for few images or shares near 0 and 1 it does not leave [0, 1].

    Examples
    --------
    >>> low, high = wilson(0, 59)
    >>> round(low, 4), round(high, 4)
    (0.0, 0.0611)
    """
    if of == 0:
        return 0.0, 1.0
    share = hits / of
    middle = (share + z * z / (2 * of)) / (1 + z * z / of)
    half = z * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of)) / (1 + z * z / of)
    return max(middle - half, 0.0), min(middle + half, 1.0)


def share(hits: NDArray[np.bool_]) -> dict[str, float | int | list[float]]:
    """Return a share with its number of cases and interval, not rounded."""
    low, high = wilson(int(hits.sum()), hits.size)
    return {"value": float(hits.mean()), "n": int(hits.size), "interval": [low, high]}


def rounded(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Return figures as ``measured.json`` keeps them: four decimals. What is printed is rounded from the figures.

    Examples
    --------
    >>> rounded({"iou": {"value": 0.91447, "n": 200, "interval": [0.9, 0.92346]}})
    {'iou': {'value': 0.9145, 'n': 200, 'interval': [0.9, 0.9235]}}
    """
    found: dict[str, Any] = json.loads(json.dumps(dict(figures)), parse_float=lambda text: round(float(text), 4))
    return found


def accuracy(predict: Predict, images: Sequence[Micrograph], classes: Sequence[str]) -> NDArray[np.bool_]:
    """Return for each image whether the prediction is its class."""
    truth = np.array([classes.index(image.kind) for image in images])
    return np.asarray(predict(np.stack([image.pixels for image in images])) == truth, dtype=bool)


def follows_bar(predict: Predict, images: Sequence[Micrograph], classes: Sequence[str]) -> NDArray[np.bool_]:
    """For each image and each other class, whether that class is predicted once its planted bar is burned in.

    The picture stays; only the bar is exchanged, for one that says something of its own. A model that looks at the
    defect is unmoved: what is left is its ordinary error.

    Returns
    -------
    numpy.ndarray
        ``(len(images), len(classes) - 1)``.
    """
    others = [[name for name in classes if name != image.kind] for image in images]
    swapped = [
        image.with_bar(BAR_OF_CLASS[name], seed=image.seed + 1 + number).pixels
        for image, names in zip(images, others, strict=True)
        for number, name in enumerate(names)
    ]
    wanted = np.array([classes.index(name) for names in others for name in names])
    return np.asarray(predict(np.stack(swapped)) == wanted, dtype=bool).reshape(len(images), -1)


def overlap(predict: Predict, images: Sequence[Micrograph], kind: str) -> tuple[float, NDArray[np.float64]]:
    """Intersection over union of predicted and true masks of one kind of defect.

    Parameters
    ----------
    predict
        Gives 1 where the defect is.
    images
        Those without the defect count in the pooled figure: what is found there is false.
    kind
        The defect.

    Returns
    -------
    pooled : float
        Over all pixels of all images.
    each : numpy.ndarray
        Of each image that has the defect.
    """
    found = predict(np.stack([image.pixels for image in images])) == 1
    truth = np.stack([image.masks[kind] for image in images])
    both, either = (found & truth).sum(axis=(1, 2)), (found | truth).sum(axis=(1, 2))
    has = truth.any(axis=(1, 2))
    return float(both.sum() / max(either.sum(), 1)), both[has] / either[has]


def overlap_figures(pooled: float, each: NDArray[np.float64], images: int) -> dict[str, Any]:
    """Return what :func:`overlap` found on ``images`` images of cracks under the names of ``measured.json``."""
    return {
        "iou": {"value": pooled, "n": images},
        "iou_mean_of_images_with_cracks": {"value": float(each.mean()), "n": len(each)},
    }

"""What simpler rules say of the same nets. They are given the true masks, and each convicts or does not.

- ``share``: the share of a map inside the artefact is, on the mean over the images, larger than its share of the area
  (two maps: Grad-CAM, and the magnitude of the gradient);
- ``removal``: the prediction changes in more than 5 % of the images when the artefact takes the mean around it;
- ``bar only``: with all the rest grey, the net is right more often than the commonest class would be (binomial, 5 %);
- ``probe``: the artefact alone tells the class (the nearest mean of its pixels, groups left out in turn) better than
  the commonest class would (binomial, 5 %);
- ``cropping``: with the artefact's rows or columns cut off, the accuracy falls by more than 5 points.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
from leak_nets import predicted, tensors
from numpy.typing import NDArray
from scipy.stats import binom

if TYPE_CHECKING:
    from leak_worlds import Planted

    from matxai import Model

RULES = ("share: grad_cam", "share: gradient", "removal", "bar only", "probe", "cropping")
MARGIN = 0.05


def convictions(model: Model, data: Planted, number: int) -> dict[str, tuple[float, bool]]:
    """Return for each rule its figure and whether it convicts the artefact of this number."""
    masks = data.masks[number]
    before = predicted(model, data.images)
    found = dict(_shares(model, data.images, masks))
    flips = float((predicted(model, _filled(data.images, masks)) != before).mean())
    found["removal"] = flips, flips > MARGIN
    middle = np.uint8(np.median(data.images))
    kept = np.where(_over(masks, data.images), data.images, middle)
    right = predicted(model, kept) == data.labels
    found["bar only"] = float(right.mean()), _beats_majority(right, data.labels)
    right = _nearest_mean(kept, data) == data.labels
    found["probe"] = float(right.mean()), _beats_majority(right, data.labels)
    cropped = np.concatenate([predicted(model, _cropped(i, m)[None]) for i, m in zip(data.images, masks, strict=True)])
    loss = float((before == data.labels).mean() - (cropped == data.labels).mean())
    found["cropping"] = loss, loss > MARGIN
    return {name: found[name] for name in RULES}


def _over(masks: NDArray[np.bool_], images: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return masks if images.ndim == 3 else masks[..., None]


def _shares(model: Model, images: NDArray[np.uint8], masks: NDArray[np.bool_]) -> dict[str, tuple[float, bool]]:
    import matxai

    inputs = tensors(model, images)
    painted = np.where(_over(masks, images), np.uint8(255), np.zeros_like(images))
    weights = (tensors(model, painted) - tensors(model, np.zeros_like(images)))[:, :1]
    weights = weights / weights.amax().clamp_min(1e-9)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        maps = matxai.attribute(model.module, inputs, methods=["grad_cam", "saliency"])
    found = {}
    for name, key in (("share: grad_cam", "grad_cam"), ("share: gradient", "saliency")):
        size = maps[key].abs().sum(dim=1, keepdim=True)
        share = (size * weights).flatten(1).sum(dim=1) / size.flatten(1).sum(dim=1).clamp_min(1e-12)
        ratio = float(share.mean()) / max(float(weights.flatten(1).mean(dim=1).mean()), 1e-9)
        found[name] = ratio, ratio > 1
    return found


def _filled(images: NDArray[np.uint8], masks: NDArray[np.bool_]) -> NDArray[np.uint8]:
    from matxai.checks.fills import fills

    rng = np.random.default_rng(0)
    done = [fills["local_mean"](i.astype(np.float64), m, rng) for i, m in zip(images, masks, strict=True)]
    return np.clip(np.rint(np.stack(done)), 0, 255).astype(np.uint8)


def _beats_majority(right: NDArray[np.bool_], labels: NDArray[np.int64]) -> bool:
    majority = float(np.bincount(labels).max() / len(labels))
    return bool(binom.sf(int(right.sum()) - 1, len(right), majority) <= 0.05)


def _nearest_mean(images: NDArray[np.uint8], data: Planted) -> NDArray[np.int64]:
    grey = images.astype(np.float64).reshape(len(images), 32, 4, 32, -1).mean(axis=(2, 4)).reshape(len(images), -1)
    told = np.zeros(len(images), np.int64)
    for group in np.unique(data.groups):
        own = data.groups == group
        means = np.stack([grey[~own & (data.labels == c)].mean(axis=0) for c in np.unique(data.labels)])
        told[own] = np.linalg.norm(grey[own][:, None] - means, axis=2).argmin(axis=1)
    return told


def _cropped(image: NDArray[np.uint8], mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Cut off the strip along one side that holds the whole mask and costs least; a frame is cut off on all sides."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    inside = ~mask
    if rows[0] == columns[0] == 0 and rows[-1] == mask.shape[0] - 1 and columns[-1] == mask.shape[1] - 1:
        y, x = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
        return image[y[0] : y[-1] + 1, x[0] : x[-1] + 1]
    options = [image[rows[-1] + 1 :], image[: rows[0]], image[:, columns[-1] + 1 :], image[:, : columns[0]]]
    return max(options, key=lambda part: part.size)

"""The training loops: arrays in, a trained network out. What is trained on what, a recipe says."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from numpy.typing import NDArray

log = logging.getLogger("matxai.models.fitting")

Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Scaling:
    """The normalisation that a card names: ``scale: dtype``, then mean and deviation of each channel."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    top: float

    @classmethod
    def of(cls, images: NDArray[np.generic]) -> Scaling:
        """Measure it on training images ``(N, H, W)`` or ``(N, H, W, C)`` of an integer type."""
        top = float(np.iinfo(np.dtype(images.dtype).name).max)
        axes = tuple(range(3))
        mean = np.atleast_1d(images.mean(axis=axes, dtype=np.float64) / top)
        std = np.atleast_1d(images.std(axis=axes, dtype=np.float64) / top)
        return cls(tuple(round(float(m), 4) for m in mean), tuple(round(float(s), 4) for s in std), top)

    def tensor(self, images: NDArray[np.generic]) -> Tensor:
        """Return ``(N, H, W[, C])`` as the network receives it, ``(N, C, H, W)`` float32."""
        x = torch.from_numpy(np.asarray(images, dtype=np.float32) / np.float32(self.top))
        x = x.unsqueeze(1) if x.ndim == 3 else x.permute(0, 3, 1, 2)
        shape = (1, -1, 1, 1)
        return (x - torch.tensor(self.mean).view(shape)) / torch.tensor(self.std).view(shape)


def fit(
    module: nn.Module,
    images: NDArray[np.generic],
    truth: NDArray[np.integer],
    scaling: Scaling,
    loss: Loss,
    *,
    epochs: int,
    seed: int,
    batch: int = 32,
    rate: float = 4e-3,
    crop: int | None = None,
    mirror: tuple[int, ...] = (-1,),
    progress: Callable[[int, int, str], None] | None = None,
) -> nn.Module:
    """Train with AdamW and the one-cycle schedule (Smith and Topin 2018, arXiv:1708.07120).

    Parameters
    ----------
    module
        Changed in place.
    images
        ``(N, H, W)`` or ``(N, H, W, C)``, integers.
    truth
        Class indices ``(N,)`` (-1: none of them) or label images ``(N, H, W)``.
    scaling
        What the network receives.
    loss
        Of scores and truth.
    epochs, batch, rate, seed
        As usual; ``rate`` is the largest of the cycle.
    crop
        Train on random squares of this size.
    mirror
        Spatial axes along which batches are mirrored at random.
    progress
        Called with (done, total, label) after each epoch.

    Returns
    -------
    torch.nn.Module
        The same module, in evaluation mode.
    """

    def picked(chosen: NDArray[np.int64], rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        x, y = scaling.tensor(images[chosen]), torch.from_numpy(np.asarray(truth[chosen], dtype=np.int64))
        return _vary(x, y, rng, crop, mirror)

    return descend(
        module, len(images), picked, loss, epochs=epochs, seed=seed, batch=batch, rate=rate, progress=progress
    )


def descend(
    module: nn.Module,
    count: int,
    picked: Callable[[NDArray[np.int64], np.random.Generator], tuple[Tensor, Tensor]],
    loss: Loss,
    *,
    epochs: int,
    seed: int,
    batch: int = 32,
    rate: float = 4e-3,
    progress: Callable[[int, int, str], None] | None = None,
) -> nn.Module:
    """Train as :func:`fit` does on inputs that are made batch by batch.

    Parameters
    ----------
    module
        Changed in place.
    count
        How many samples there are.
    picked
        From numbers of samples and a generator to what the network receives of them, and the truth.
    loss, epochs, seed, batch, rate, progress
        As for :func:`fit`.

    Returns
    -------
    torch.nn.Module
        The same module, in evaluation mode.
    """
    rng = np.random.default_rng([seed, 11])
    steps = epochs * -(-count // batch)
    optimizer = torch.optim.AdamW(module.parameters(), lr=rate, weight_decay=0.02)
    # a cycle of fewer than eight steps has no rising part
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=rate, total_steps=max(steps, 8), pct_start=0.25)
    module.train()
    for epoch in range(epochs):
        total = 0.0
        for chosen in np.array_split(rng.permutation(count), steps // epochs):
            x, y = picked(chosen, rng)
            value = loss(module(x), y)
            optimizer.zero_grad(set_to_none=True)
            value.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            total += float(value.detach()) * len(chosen)
        log.info("epoch %d of %d: mean loss %.4f", epoch + 1, epochs, total / count)
        if progress is not None:
            progress(epoch + 1, epochs, "training")
    return module.eval()


def _vary(
    x: Tensor, y: Tensor, rng: np.random.Generator, crop: int | None, mirror: tuple[int, ...]
) -> tuple[Tensor, Tensor]:
    dense = y.ndim > 1
    if crop is not None:
        top = int(rng.integers(0, x.shape[-2] - crop + 1))
        left = int(rng.integers(0, x.shape[-1] - crop + 1))
        x = x[..., top : top + crop, left : left + crop]
        y = y[..., top : top + crop, left : left + crop] if dense else y
    for axis in mirror:
        if rng.random() < 0.5:
            x = x.flip(axis)
            y = y.flip(axis) if dense else y
    return x.contiguous(), y.contiguous()


def cross_entropy(scores: Tensor, truth: Tensor) -> Tensor:
    """Cross-entropy with a little label smoothing, so that scores stay finite on clean data."""
    return functional.cross_entropy(scores, truth, label_smoothing=0.05)


def each_by_itself(scores: Tensor, truth: Tensor) -> Tensor:
    """Binary cross-entropy of every class by itself; a truth of -1 is none of them.

    With images of no class among the rest, a score needs evidence of its own: softmax lets one class be whatever the
    others are not, and its map then shows nothing in particular.
    """
    target = functional.one_hot(truth + 1, scores.shape[1] + 1)[:, 1:].to(scores.dtype)
    return functional.binary_cross_entropy_with_logits(scores, 0.96 * target + 0.02)


def cross_entropy_and_dice(scores: Tensor, truth: Tensor) -> Tensor:
    """Cross-entropy plus the Dice loss of the last class (Milletari et al. 2016, arXiv:1606.04797): thin objects."""
    share = scores.softmax(dim=1)[:, -1]
    target = (truth == scores.shape[1] - 1).to(share.dtype)
    overlap = 2 * (share * target).sum() + 1
    return functional.cross_entropy(scores, truth) + 1 - overlap / (share.sum() + target.sum() + 1)


def highest(
    module: nn.Module, images: NDArray[np.generic], scaling: Scaling, *, batch: int = 64
) -> NDArray[np.float32]:
    """Return the highest score of each image ``(N,)``: above 0 where a class is found."""
    with torch.inference_mode():
        parts = (images[start : start + batch] for start in range(0, len(images), batch))
        return np.concatenate([module(scaling.tensor(part)).amax(dim=1).numpy() for part in parts])


def predict(module: nn.Module, images: NDArray[np.generic], scaling: Scaling, *, batch: int = 64) -> NDArray[np.int64]:
    """Return the top class of each image ``(N,)``, or of each pixel ``(N, H, W)``."""
    with torch.inference_mode():
        parts = (images[start : start + batch] for start in range(0, len(images), batch))
        return np.concatenate([module(scaling.tensor(part)).argmax(dim=1).numpy() for part in parts])

"""Small nets trained on worlds with artefacts, kept on disk; the truth of each: what it does on redrawn artefacts."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from leak_worlds import Planted, Planting, World, draw, redrawn
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch
    from torch import nn

    from matxai import Model

INPUT, EPOCHS, BATCH, RATE = 64, 14, 32, 4e-3
LEAKY, INNOCENT = 0.25, 0.05
DRAWS = 2  # fresh artefacts of each content for every image of the truth


@dataclass(frozen=True)
class Net:
    """How a net came about: world, architecture, the artefacts that it was trained with, rows cropped at the bottom.

    ``labels`` is ``own``, ``shuffled`` (it learned nothing) or ``none`` (it was not trained at all).
    """

    world: str
    architecture: str
    plantings: tuple[Planting, ...]
    cropped: int = 0
    labels: str = "own"
    seed: int = 0

    @property
    def key(self) -> str:
        text = json.dumps([asdict(self), INPUT, EPOCHS, BATCH, RATE, "3"], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def module_of(architecture: str, channels: int, classes: int) -> nn.Module:
    """A plain CNN with a grid of means before its head, or a residual one with a global mean."""
    from matxai_models.networks import DefectResNet
    from torch import nn

    if architecture == "residual":
        return DefectResNet(classes, channels, widths=(8, 16, 24, 32))
    widths, layers = (channels, 12, 24, 40), []
    for inside, outside in pairwise(widths):
        size = 5 if inside == channels else 3
        layers += [nn.Conv2d(inside, outside, size, stride=2, padding=size // 2, bias=False), nn.BatchNorm2d(outside)]
        layers.append(nn.ReLU())
    return nn.Sequential(*layers, nn.AvgPool2d(2), nn.Flatten(), nn.Dropout(0.2), nn.Linear(40 * 16, classes))


def model_of(net: Net, world: World, module: nn.Module) -> Model:
    """Return the net as a user would hand it over, with its whole preprocessing."""
    import matxai

    steps: list[Any] = [{"crop_rows": {"bottom": net.cropped}}] if net.cropped else []
    return matxai.load_model(
        module,
        name=f"{net.world} {net.architecture} {', '.join(map(str, net.plantings))}",
        task="classification",
        classes=list(world.classes),
        kind="2d",
        channels=world.channels,
        size=[INPUT, INPUT],
        scale="dtype",
        mean=[0.5] * world.channels,
        std=[0.2] * world.channels,
        steps=steps,
    )


def trained(net: Net, world: World, cache: Path) -> Model:
    """Return a net in evaluation mode, from the cache where it was trained before."""
    import torch
    from safetensors.torch import load_file, save_file

    torch.manual_seed(net.seed)
    model = model_of(net, world, module_of(net.architecture, world.channels, len(world.classes)))
    if net.labels != "none":
        file = cache / "nets" / f"{net.key}.safetensors"
        if file.exists():
            model.module.load_state_dict(load_file(file))
        else:
            data = draw(world, world.train, net.plantings, 101 + net.seed)
            labels = data.labels
            if net.labels == "shuffled":
                labels = np.random.default_rng(net.seed).permutation(labels)
            fit(model.module, tensors(model, data.images), labels, seed=net.seed)
            file.parent.mkdir(parents=True, exist_ok=True)
            save_file(model.module.state_dict(), file)
    model.module.eval()
    return model


def fit(module: nn.Module, inputs: torch.Tensor, labels: NDArray[np.int64], *, seed: int, epochs: int = EPOCHS) -> None:
    """Train with AdamW and the one-cycle schedule; batches are mirrored at random along both axes."""
    import torch
    from torch.nn import functional

    rng = np.random.default_rng([seed, 31])
    steps = -(-len(inputs) // BATCH)
    optimizer = torch.optim.AdamW(module.parameters(), lr=RATE, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=RATE, total_steps=epochs * steps, pct_start=0.25)
    truth = torch.from_numpy(labels)
    module.train()
    for _ in range(epochs):
        for chosen in np.array_split(rng.permutation(len(inputs)), steps):
            x = inputs[chosen].flip([axis for axis in (-2, -1) if rng.random() < 0.5])
            loss = functional.cross_entropy(module(x), truth[chosen], label_smoothing=0.05)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
    module.eval()


def tensors(model: Model, images: NDArray[np.uint8], chunk: int = 64) -> torch.Tensor:
    """Return ``(N, H, W[, 3])`` as the net receives it, by the model's own preprocessing."""
    import torch

    from matxai.signals import labelled

    like = labelled(images[0], ("y", "x", "c")[: images.ndim - 1])
    parts = (images[k : k + chunk] for k in range(0, len(images), chunk))
    return torch.cat([model.preprocessing.apply(part, like) for part in parts])


def predicted(model: Model, images: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the class on top of each image."""
    import torch

    with torch.inference_mode():
        parts = tensors(model, images).split(128)
        return np.concatenate([model.module(part).argmax(dim=1).numpy() for part in parts])


@dataclass(frozen=True)
class Truth:
    """What a net does on redrawn artefacts: effect, its 95 % interval over groups, number of images.

    ``follows`` is the share of the judged images whose content follows the class, the rest having any. Under donors of
    a class as they are in those data the effect is that share of the effect under the class's own content.
    """

    effect: float
    low: float
    high: float
    images: int
    follows: float = 1.0

    @property
    def says(self) -> str:
        """``leaky`` under the donors of the judged data, ``innocent`` under any content, or ``unscored``."""
        if self.low * self.follows > LEAKY:
            return "leaky"
        return "innocent" if self.low >= -INNOCENT and self.high <= INNOCENT else "unscored"


def truth(model: Model, world: World, plantings: tuple[Planting, ...], number: int, *, seed: int = 900) -> Truth:
    """Redraw one artefact of the pool's images with every content; the other artefacts and the pictures stay.

    The effect, for an image and another class c: how much more often c is predicted under fresh artefacts with the
    content of c than under fresh ones with the content of the image's own class; the mean over classes and images. A
    constant artefact has one content alone: its effect is 0 by definition.
    """
    planting = plantings[number]
    if planting.strength is None:
        return Truth(0.0, 0.0, 0.0, len(world.pool))
    bare = world.pictures[world.pool]
    labels, groups, classes = world.labels[world.pool], world.groups[world.pool], len(world.classes)
    every = draw(world, world.pool, plantings, seed).contents
    looks = world.looks(planting.kind)
    says = np.zeros((classes, len(labels), classes))  # content of class a: how often class b is predicted
    for a in range(classes):
        for k in range(DRAWS):
            images = bare
            for other, (p, c) in enumerate(zip(plantings, every, strict=True)):
                each = np.full(len(labels), looks[a]) if other == number else c
                fresh = 31 * (k + DRAWS * a + 1) if other == number else 0
                images, _ = redrawn(images, p, each, seed + 7919 * other + fresh)
            says[a, np.arange(len(labels)), predicted(model, images)] += 1 / DRAWS
    rows = np.arange(len(labels))
    effects = np.zeros((len(labels), classes - 1))
    for k in range(1, classes):
        c = (labels + k) % classes
        effects[:, k - 1] = says[c, rows, c] - says[labels, rows, c]
    return Truth(*_interval(effects.mean(axis=1), groups), len(labels))


def _interval(each: NDArray[np.float64], groups: NDArray[np.int64]) -> tuple[float, float, float]:
    """Mean and 95 % interval by bootstrap over groups."""
    rng = np.random.default_rng(41)
    names, at = np.unique(groups, return_inverse=True)
    sums, sizes = np.bincount(at, each), np.bincount(at)
    chosen = rng.integers(0, len(names), (4000, len(names)))
    means = sums[chosen].sum(axis=1) / sizes[chosen].sum(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(each.mean()), float(low), float(high)


def accuracy(model: Model, data: Planted) -> float:
    """Share of right answers."""
    return float((predicted(model, data.images) == data.labels).mean())

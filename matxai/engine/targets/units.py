"""Targets inside of a model: a unit or channel of a layer, and how much features are like others."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from matxai.engine.targets.classes import check, shape
from matxai.engine.targets.protocol import Part, Target
from matxai.errors import TargetError, nearest

MEASURES = ("cosine", "dot")


@dataclass(frozen=True)
class Neuron(Part):
    """One unit of a layer, or a channel's mean. See :func:`matxai.targets.neuron`."""

    layer: str
    channel: int
    position: tuple[int, ...] | None

    @property
    def at_layer(self) -> str | None:
        """The layer."""
        return self.layer

    def score(self, output: Tensor) -> Tensor:
        """Return (B,) from the layer's output (B, K, *spatial)."""
        if output.ndim < 2:
            raise TargetError(f"The {self.describe()} needs (B, K, *spatial); the layer gives {shape(output)}.")
        check(self.channel, output.shape[1], f"channels in layer '{self.layer}'", "channel")
        plane = output[:, self.channel]
        if self.position is None:
            return plane.flatten(1).mean(1) if plane.ndim > 1 else plane
        if len(self.position) != plane.ndim - 1:
            msg = (
                f"The {self.describe()} has {len(self.position)} spatial axes, layer '{self.layer}' has "
                f"{plane.ndim - 1}: {shape(output)}."
            )
            raise TargetError(msg)
        for axis, p in enumerate(self.position):
            check(p, plane.shape[axis + 1], f"positions along axis {axis} in layer '{self.layer}'", "position")
        places: tuple[slice | int, ...] = (slice(None), *self.position)
        return plane[places]

    def describe(self) -> str:
        """Return ``"channel 5 of layer4 at (3, 3)"``."""
        at = "" if self.position is None else f" at {self.position}"
        return f"channel {self.channel} of {self.layer}{at}"


@dataclass(frozen=True, eq=False)
class Similarity(Part):
    """How much features are like a reference's. See :func:`matxai.targets.similarity`."""

    reference: Tensor
    layer: str | None
    measure: str

    @property
    def at_layer(self) -> str | None:
        """The layer, None for the model's output."""
        return self.layer

    @property
    def linear(self) -> bool:  # type: ignore[override]
        """Whether the score is the dot product."""
        return self.measure == "dot"

    def score(self, output: Tensor) -> Tensor:
        """Return (B,) from features (B, *)."""
        features = output.flatten(1)
        other = self._rows(features, output).to(features)
        if self.measure == "dot":
            return (features * other).sum(1)
        return torch.nn.functional.cosine_similarity(features, other, 1)

    def _rows(self, features: Tensor, output: Tensor) -> Tensor:
        size, ref = features.shape[1], self.reference
        if ref.numel() == size:
            return ref.reshape(1, size)
        if ref.ndim > 1 and len(ref) == len(features) and ref[0].numel() == size:
            return ref.flatten(1)
        raise TargetError(
            f"The reference of a similarity is {shape(ref)}; the features are {shape(output)}, so it needs "
            f"{shape(output[0])} for all samples, or {shape(output)} with one for each."
        )

    def repeated(self, count: int) -> Target:
        """Return the same for so many copies of the batch: a reference for each sample is repeated."""
        if self.reference.ndim < 2 or len(self.reference) == 1:
            return self
        return _Repeated(self.reference, self.layer, self.measure, count)

    def describe(self) -> str:
        """Return ``"cosine similarity of layer4 to a reference"``."""
        of = "the output" if self.layer is None else self.layer
        return f"{self.measure} similarity of {of} to a reference"


@dataclass(frozen=True, eq=False)
class _Repeated(Similarity):
    """A similarity for copies of a batch; whether the reference has rows for samples shows only with the features."""

    copies: int = 1

    def _rows(self, features: Tensor, output: Tensor) -> Tensor:
        size, ref = features.shape[1], self.reference
        if ref.numel() != size and len(ref) * self.copies == len(features):
            return ref.flatten(1).repeat(self.copies, 1)
        return super()._rows(features, output)

    def repeated(self, count: int) -> Target:
        return replace(self, copies=self.copies * count)


def neuron(layer: str, channel: int, position: int | tuple[int, ...] | None = None) -> Neuron:
    """Explain one unit of a layer: its channel at a position, or the channel's mean over all positions.

    Parameters
    ----------
    layer
        As in ``named_modules()``, or ``name@k`` for its k-th call; its output is ``(B, K, *spatial)``.
    channel
        Along the second axis.
    position
        One index for each spatial axis; None for the mean.
    """
    return Neuron(layer, channel, (position,) if isinstance(position, int) else position)


def similarity(reference: Tensor, layer: str | None = None, measure: str = "cosine") -> Similarity:
    """Explain how much an input's features are like those of a reference.

    Parameters
    ----------
    reference
        Features of one other input, or of one for each sample, of the layer's own shape: the output of the model or the
        layer for that input.
    layer
        Which layer gives the features; by default the model's output.
    measure
        ``"cosine"``, or ``"dot"`` for the scalar product, which LRP passes without a remainder.

    Raises
    ------
    TargetError
        For a measure that does not exist.
    """
    if measure not in MEASURES:
        raise TargetError(f"There is no measure '{measure}'. {nearest(measure, MEASURES)}")
    return Similarity(reference.detach(), layer, measure)

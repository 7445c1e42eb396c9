"""FullGrad: the input's share of the score and that of every bias, laid over one another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from matxai.errors import OperationError
from matxai.methods.layered import wide
from matxai.methods.method import About, Method, Reduced, Setting, methods

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from matxai.engine import Captured, Needs
    from matxai.engine.biases import BiasGradient
    from matxai.engine.place import Place


@methods.register("full_grad")
@dataclass(frozen=True)
class FullGrad(Method):
    """FullGrad: ``sum_c |x g| + sum over biases of sum_c up(|b g_b|)``, with g the plain gradients.

    On networks that are linear in pieces ``score = sum x g + sum b g_b`` exactly (eq. 4): what is missing from it
    stands in the result's figures as ``missing``, beside the shares of ``input`` and ``biases``. Biases are those of
    convolutions and linear layers, ``beta - mu gamma / sigma`` of batch norms, and those of other norms. The map holds
    the ones whose output has the input's axes, each brought to the input's size at its true place; those of a head
    without space are in the sum alone, as in the paper, and so are those of tokens in a row and of operations that have
    windows or frames of the input folded into the batch.

    Attributes
    ----------
    rescale
        The paper's post-processing: the magnitudes of each layer and sample are brought to [0, 1] first (their
        smallest to 0, their largest to 1), so that no layer outweighs another; the map then has no scale of its own.

    References
    ----------
    Srinivas and Fleuret, Full-Gradient Representation, NeurIPS 2019, arXiv:1905.00780, eqs. 4 to 6.
    """

    rescale: bool = False

    kind: ClassVar[str] = "full_grad"
    variants: ClassVar[Mapping[str, Mapping[str, Any]]] = {"rescaled": {"rescale": True}}
    quantity: ClassVar[str] = "cam"
    about: ClassVar[About] = About(
        question="Where do the input and all the biases together make the score?",
        resolution="one pixel, blurred by the coarser layers",
        guarantee="Complete before the magnitudes are taken: on networks linear in pieces, inputs times gradients and"
        " biases times gradients sum to the score; what is missing is reported.",
        misleads="Magnitudes: evidence for and against the target look alike. Biases of coarse layers blur the map.",
        paper="Srinivas and Fleuret 2019, arXiv:1905.00780",
        models="any with a gradient; complete on networks linear in pieces",
        cost="2 F: one forward, one backward, shared with every gradient method",
        verified="completeness in float64; autograd's gradients of every bias",
    )

    def needs(self) -> Needs:
        """Ask for one plain backward to the input that is read at the biases."""
        from matxai.engine import GRADIENT, Backward, Needs

        return Needs(backwards=(Backward(GRADIENT, at_input=True, at_biases=True),))

    def reduce(self, captured: Captured, setting: Setting) -> Reduced:
        """Return the map ``(..., B, 1, *spatial)``; the shares of the score stand in the figures."""
        import torch

        from matxai.engine import GRADIENT
        from matxai.engine.place import resample

        x = wide(captured.input)
        gradients = wide(captured.gradient(GRADIENT, "input"))
        if captured.targets is None:
            gradients = gradients[None]
        known = _places(captured, setting)
        maps, inputs, biases = [], [], []
        for g, found in zip(gradients, captured.biases, strict=True):
            each = x * g
            sizes = each.abs()
            flat = sizes.flatten(1)
            map_ = self._scaled(sizes.sum(1), flat.amin(1), flat.amax(1), sizes.shape[1])
            for bias in found:
                place = known.get(bias.index)
                if place is not None and bias.magnitude is not None:
                    map_ = map_ + resample(self._of(bias, bias.magnitude).to(map_), place, setting.size)
            maps.append(map_)
            inputs.append(each.flatten(1).sum(1))
            biases.append(sum((_total(captured, b).to(inputs[-1]) for b in found), torch.zeros_like(inputs[-1])))
        several = captured.targets is not None
        stacked, of_input, of_biases = (torch.stack(t) if several else t[0] for t in (maps, inputs, biases))
        figures = {"input": of_input, "biases": of_biases, "missing": captured.scores - of_input - of_biases}
        return Reduced(stacked.unsqueeze(-len(setting.size) - 1), figures=figures)

    def _of(self, bias: BiasGradient, magnitude: Tensor) -> Tensor:
        if bias.low is None or bias.high is None:
            return magnitude
        return self._scaled(magnitude, bias.low, bias.high, bias.channels)

    def _scaled(self, magnitude: Tensor, low: Tensor, high: Tensor, channels: int) -> Tensor:
        """Return the sum over channels of magnitudes brought to [0, 1] over a sample, or as they are."""
        if not self.rescale:
            return magnitude
        shape = (-1, *(1,) * (magnitude.ndim - 1))
        span = (high - low).view(shape)
        scaled = (magnitude - channels * low.view(shape)) / span.where(span > 0, span.new_ones(()))
        return scaled.where(span > 0, scaled.new_zeros(()))


def _total(captured: Captured, bias: BiasGradient) -> Tensor:
    """Return what a bias adds to each sample's score, or raise where that cannot be told."""
    if bias.total is None:
        op = next(op for op in captured.trace if op.index == bias.index)
        msg = (
            f"full_grad needs what each bias adds to each sample's score, and which part of the output"
            f" {op.output_shapes[0]} of {op.where()} is whose cannot be told; give it one sample at a time."
        )
        raise OperationError(msg)
    return bias.total


def _places(captured: Captured, setting: Setting) -> dict[int, Place]:
    """Return where the magnitudes of each bias lie, by its operation; tokens in a row have no place.

    Channels last are placed where the positions of the input went along all the other axes, and stretched over the
    input where arithmetic lost them, unless they are tokens (B, N, K): class tokens may be among those.
    """
    from matxai.engine.place import stretched
    from matxai.engine.places import centres, placed

    spatial = len(setting.size)
    first = captured.biases[0] if captured.biases else []
    own = [b for b in first if b.magnitude is not None]
    ops = {op.index: op for op in captured.trace}
    axes = centres(captured.trace, tuple(captured.input.shape), (ops[b.index].output for b in own))
    found: dict[int, Place] = {}
    for b in own:
        op = ops[b.index]
        shape, known = op.output_shapes[0], axes.get(op.output, ())
        if b.last:
            shape, known = (*shape[:1], 1, *shape[1:-1]), (None, None, *known[1:-1])
        place = placed(known, shape, spatial)
        if place is not None or not b.last or spatial > 1:
            found[b.index] = stretched(tuple(shape[2:]), setting.size) if place is None else place
    return found

"""CAM itself: the weights of the one linear layer behind global average pooling, laid over the feature map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from matxai.errors import MethodError
from matxai.methods import cam
from matxai.methods.layered import GradientMaps
from matxai.methods.method import About, Reduced, Setting, methods

if TYPE_CHECKING:
    from torch import Tensor

    from matxai.engine import Captured
    from matxai.engine.trace import Operation

#: What may stand between the layer and the scores besides one pooling and one linear layer.
HARMLESS = frozenset({"identity", "view"})
POOLS = frozenset({"adaptive_pool", "average_pool", "mean"})


@methods.register("cam")
@dataclass(frozen=True)
class CAM(GradientMaps):
    """CAM, for networks that end with global average pooling and one linear layer.

    There the score's gradient at the feature map is the target's weight over the number of cells, so that its sum over
    space is the weight: read so, it holds for every target that the engine knows.

    References
    ----------
    Zhou et al., Learning Deep Features for Discriminative Localization, CVPR 2016, arXiv:1512.04150, eq. 2.
    """

    kind: ClassVar[str] = "cam"
    about: ClassVar[About] = About(
        question="Where does the last feature map hold evidence for the target?",
        resolution="one cell of the last feature map (its step and receptive field stand in the result)",
        guarantee="Exact: the signed map's mean over its cells, plus the bias, is the score.",
        misleads="Only for networks with global average pooling and one linear layer; as coarse as their last layer.",
        paper="Zhou et al. 2016, arXiv:1512.04150",
        models="networks that end with global average pooling and one linear layer",
        cost="1 F: one forward and the head's backward, shared by all CAMs",
        verified="the closed form: weights of the head times activations",
        tasks=("classification", "regression"),
    )

    def layer_map(self, gradient: Tensor, activation: Tensor) -> Tensor:
        """Return ``sum_k w_k A_k`` with ``w_k = sum_ij g_k,ij``."""
        return cam.weighted(gradient.sum(dim=cam.spatial(activation)), activation)

    def reduce(self, captured: Captured, setting: Setting) -> Reduced:
        """Return ``(..., B, L, *spatial)``.

        Raises
        ------
        MethodError
            If anything but global average pooling and one linear layer lies between a layer and the scores.
        """
        for name in setting.layers:
            between = _wrong_between(captured, name)
            if between:
                msg = (
                    f"cam needs a model that ends with global average pooling and one linear layer, but behind layer"
                    f" '{name}' {between}; grad_cam does without."
                )
                raise MethodError(msg)
        return super().reduce(captured, setting)


def _wrong_between(captured: Captured, name: str) -> str:
    """Return what is wrong between a layer and the scores, in words; empty if nothing is."""
    from matxai.engine.operations import SCORE_ACTIVATIONS

    users, leading = captured.trace.consumers(), captured.trace.leading_to(captured.trace[-1].outputs)
    value = captured.value(name)
    pooled = linear = False
    while following := [op for op in users.get(value, ()) if leading.intersection(op.outputs)]:
        op = following[0]
        if len(following) > 1:
            return f"come {len(following)} operations at once, the first of them {op.where()}"
        if linear and op.name in SCORE_ACTIVATIONS:
            break
        if op.kind in POOLS and not pooled and _global(op):
            pooled = True
        elif op.kind == "linear" and pooled and not linear:
            linear = True
        elif op.kind not in HARMLESS:
            return f"comes {op.where()}"
        elif not pooled and not _keeps_space(op):
            return "nothing is pooled"
        value = op.output
    return "" if linear else "comes no linear layer"


def _global(op: Operation) -> bool:
    """Whether a pooling leaves one value per channel and is a mean."""
    before, after = op.input_shapes[0], op.output_shapes[0]
    return "max" not in op.name and tuple(after[:2]) == tuple(before[:2]) and all(n == 1 for n in after[2:])


def _keeps_space(op: Operation) -> bool:
    return op.input_shapes[0] == op.output_shapes[0]

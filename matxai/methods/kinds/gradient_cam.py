"""Class activation maps from the score's gradient at a layer: Grad-CAM and its relatives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from matxai.methods import cam
from matxai.methods.layered import GradientMaps
from matxai.methods.method import About, methods

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

CELL = "one cell of the layer (its step and receptive field stand in the result)"


@methods.register("grad_cam")
@dataclass(frozen=True)
class GradCAM(GradientMaps):
    """Grad-CAM: activations weighted with the mean gradient of their channel.

    Attributes
    ----------
    counterfactual
        Weigh with the negated gradients: evidence against the target (Selvaraju et al. 2017, section 3.2).
    positive
        Weigh with the means of the positive gradients alone: the control beside which Grad-CAM++ is to be read.

    References
    ----------
    Selvaraju et al., Grad-CAM, ICCV 2017, arXiv:1610.02391, eqs. 1 and 2.
    """

    counterfactual: bool = False
    positive: bool = False

    kind: ClassVar[str] = "grad_cam"
    variants: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "counterfactual": {"counterfactual": True},
        "positive": {"positive": True},
    }
    about: ClassVar[About] = About(
        question="Where does the layer see evidence for the target?",
        resolution=CELL,
        guarantee="Equal to CAM on networks that end with global average pooling and one linear layer.",
        misleads="Averages gradients over space: places with the same features are marked alike, also where the score"
        " does not use them.",
        paper="Selvaraju et al. 2017, arXiv:1610.02391",
        models="any with a spatial layer: feature maps, or tokens on a grid",
        cost="1 F at the last layer: one forward and the head's backward, shared by all CAMs; 1.8 F at four layers"
        " of a ResNet-50",
        verified="captum's LayerGradCam; grad-cam's GradCAM; CAM in closed form",
    )

    def layer_map(self, gradient: Tensor, activation: Tensor) -> Tensor:
        """Return ``sum_k mean(g_k) A_k``."""
        if self.counterfactual:
            gradient = -gradient
        if self.positive:
            gradient = gradient.clamp(min=0)
        return cam.weighted(cam.means(gradient, activation), activation)


@methods.register("grad_cam_pp")
@dataclass(frozen=True)
class GradCAMPP(GradientMaps):
    """Grad-CAM++: positive gradients weighted so that each of several objects counts alike.

    Assumes that the score is piecewise linear in the layer (behind GELU or SiLU it is an approximation).

    References
    ----------
    Chattopadhay et al., Grad-CAM++, WACV 2018, arXiv:1710.11063; Lerma and Lucas, arXiv:2205.10838.
    """

    kind: ClassVar[str] = "grad_cam_pp"
    about: ClassVar[About] = About(
        question="Where does the layer see evidence for the target, each of several objects counted alike?",
        resolution=CELL,
        guarantee="None beyond its formula; in practice close to Grad-CAM with positive gradients (grad_cam:positive).",
        misleads="Cannot show evidence against the target; assumes a tail that is piecewise linear.",
        paper="Chattopadhay et al. 2018, arXiv:1710.11063; Lerma and Lucas 2022, arXiv:2205.10838",
        models="any with a spatial layer: feature maps, or tokens on a grid",
        cost="1 F at the last layer: one forward and the head's backward, shared by all CAMs; 1.8 F at four layers"
        " of a ResNet-50",
        verified="grad-cam's GradCAMPlusPlus; derivatives of exp(score) by autograd; the closed form on pooled heads",
    )

    def layer_map(self, gradient: Tensor, activation: Tensor) -> Tensor:
        """Return ``sum_k w_k A_k`` with ``w_k = sum_ij ReLU(g_ij) / (2 + g_ij sum_ab A_ab)``."""
        return cam.weighted(cam.plus_plus(gradient, activation), activation)


@methods.register("hires_cam")
@dataclass(frozen=True)
class HiResCAM(GradientMaps):
    """HiResCAM: activations times gradients, place by place.

    References
    ----------
    Draelos and Carin, HiResCAM, arXiv:2011.08891, eq. 4.
    """

    kind: ClassVar[str] = "hires_cam"
    about: ClassVar[About] = About(
        question="Which places of the layer raise the score?",
        resolution=CELL,
        guarantee="Shows only places that the score uses; where the rest of the network is linear the signed map sums"
        " to the score without its biases.",
        misleads="Noisy in shallow layers, where the rest of the network is far from linear.",
        paper="Draelos and Carin 2020, arXiv:2011.08891",
        models="any with a spatial layer: feature maps, or tokens on a grid",
        cost="1 F at the last layer: one forward and the head's backward, shared by all CAMs; 1.8 F at four layers"
        " of a ResNet-50",
        verified="grad-cam's HiResCAM",
    )

    def layer_map(self, gradient: Tensor, activation: Tensor) -> Tensor:
        """Return ``sum_k g_k A_k``."""
        return cam.summed(gradient, activation)


@methods.register("layer_cam")
@dataclass(frozen=True)
class LayerCAM(GradientMaps):
    """LayerCAM: activations times positive gradients, place by place; made for shallow layers.

    References
    ----------
    Jiang et al., LayerCAM, IEEE TIP 30, 2021, eqs. 4 and 5, doi:10.1109/TIP.2021.3089943.
    """

    kind: ClassVar[str] = "layer_cam"
    about: ClassVar[About] = About(
        question="Where do fine layers see evidence for the target?",
        resolution=CELL,
        guarantee="Shows only places with a positive gradient.",
        misleads="Ignores evidence against the target; fine detail is the activations', not the decision's.",
        paper="Jiang et al. 2021, doi:10.1109/TIP.2021.3089943",
        models="any with a spatial layer: feature maps, or tokens on a grid",
        cost="1 F at the last layer: one forward and the head's backward, shared by all CAMs; 1.8 F at four layers"
        " of a ResNet-50",
        verified="grad-cam's LayerCAM",
    )

    def layer_map(self, gradient: Tensor, activation: Tensor) -> Tensor:
        """Return ``sum_k ReLU(g_k) A_k``."""
        return cam.summed(gradient.clamp(min=0), activation)


@methods.register("xgrad_cam")
@dataclass(frozen=True)
class XGradCAM(GradientMaps):
    """XGrad-CAM: Grad-CAM with gradients averaged by activation, so that the map's sum is the score where it is linear.

    References
    ----------
    Fu et al., Axiom-based Grad-CAM, BMVC 2020, arXiv:2008.02312, eq. 8.
    """

    kind: ClassVar[str] = "xgrad_cam"
    about: ClassVar[About] = About(
        question="Where does the layer see evidence for the target, each channel by its share of the score?",
        resolution=CELL,
        guarantee="The signed map sums to sum(gradient x activation) of the layer.",
        misleads="A channel's share is spread over all its activations, also where the score does not use them.",
        paper="Fu et al. 2020, arXiv:2008.02312",
        models="any with a spatial layer: feature maps, or tokens on a grid",
        cost="1 F at the last layer: one forward and the head's backward, shared by all CAMs; 1.8 F at four layers"
        " of a ResNet-50",
        verified="grad-cam's XGradCAM",
    )

    def layer_map(self, gradient: Tensor, activation: Tensor) -> Tensor:
        """Return ``sum_k w_k A_k`` with ``w_k = sum_ij g_ij A_ij / sum_ij A_ij``."""
        return cam.weighted(cam.normalised_sums(gradient, activation), activation)

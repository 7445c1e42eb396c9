"""Grad-CAM of several layers, fused into one map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from matxai.errors import MethodError, nearest
from matxai.methods.kinds.gradient_cam import GradCAM
from matxai.methods.layered import placed
from matxai.methods.method import About, Reduced, Setting, methods

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from matxai.engine import Captured

FUSIONS = ("mean", "max", "product", "weighted_sum")


@methods.register("multilayer_grad_cam")
@dataclass(frozen=True)
class MultilayerGradCAM(GradCAM):
    """Grad-CAM of any number of layers, fused; each layer's own maps are returned beside the fused one.

    Fusing needs one grid, the input's; ``upsample=False`` concerns the layers' own maps.

    Attributes
    ----------
    fuse
        ``"mean"``, ``"max"``, ``"product"`` or ``"weighted_sum"``.
    weights
        One for each layer, for ``"weighted_sum"``; by default 1 each.
    scale
        ``"none"`` keeps each layer's own scale; ``"max"`` divides each layer's map by its largest magnitude first, so
        that no layer is drowned by another (an empty map stays 0).
    """

    fuse: str = "mean"
    weights: Sequence[float] | None = None
    scale: str = "none"

    kind: ClassVar[str] = "multilayer_grad_cam"
    variants: ClassVar[Mapping[str, Mapping[str, Any]]] = {name: {"fuse": name} for name in FUSIONS}
    about: ClassVar[About] = About(
        question="Where do several layers together see evidence for the target?",
        resolution="between the cells of its layers",
        guarantee="Each layer's own map stands beside it and shows what it was fused from.",
        misleads="Layers differ in scale: a mean is dominated by the largest (scale='max' evens them out); a product is"
        " 0 wherever one layer is.",
        paper="after Selvaraju et al. 2017, arXiv:1610.02391; scaling: Jiang et al. 2021, doi:10.1109/TIP.2021.3089943",
        models="any with a spatial layer: feature maps, or tokens on a grid",
        cost="1.8 F at four layers of a ResNet-50: one forward, one backward down to the shallowest",
        verified="its layers' Grad-CAM, fused by hand",
    )

    def __post_init__(self) -> None:
        for given, known, what in ((self.fuse, FUSIONS, "fusion"), (self.scale, ("none", "max"), "scale")):
            if given not in known:
                msg = f"multilayer_grad_cam has no {what} '{given}'. {nearest(given, known)}"
                raise MethodError(msg)
        if self.weights is not None and self.fuse != "weighted_sum":
            msg = f"weights belong to fuse='weighted_sum', not to '{self.fuse}'."
            raise MethodError(msg)

    def reduce(self, captured: Captured, setting: Setting) -> Reduced:
        """Return ``(..., B, 1, *spatial)``, and beside it the layers' own maps, ``(..., B, L, *spatial)``."""
        own, empty = self.own_maps(captured, setting)
        at_input = placed(own, setting)
        beside = at_input if setting.upsample else tuple(own)
        return Reduced(self.fused(at_input, len(setting.size)), beside={"layers": beside}, empty=empty)

    def fused(self, maps: Tensor, axes: int) -> Tensor:
        """Return ``(..., B, 1, *spatial)`` from the layers' maps ``(..., B, L, *spatial)``.

        Raises
        ------
        MethodError
            If the weights do not fit the layers.
        """
        axis = -axes - 1
        if self.scale == "max":
            largest = maps.abs().amax(dim=tuple(range(-axes, 0)), keepdim=True)
            maps = maps / largest.where(largest > 0, largest.new_ones(()))
        if self.fuse == "mean":
            return maps.mean(dim=axis, keepdim=True)
        if self.fuse == "max":
            return maps.amax(dim=axis, keepdim=True)
        if self.fuse == "product":
            return maps.prod(dim=axis, keepdim=True)
        weights = [1.0] * maps.shape[axis] if self.weights is None else list(self.weights)
        if len(weights) != maps.shape[axis]:
            msg = f"multilayer_grad_cam has {len(weights)} weights for {maps.shape[axis]} layers; give one for each."
            raise MethodError(msg)
        return (maps * maps.new_tensor(weights).reshape(-1, *[1] * axes)).sum(dim=axis, keepdim=True)

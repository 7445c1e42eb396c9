"""Eigen-CAM: the first principal component of a layer, for no class in particular."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from matxai.methods import cam
from matxai.methods.kinds.gradient_cam import CELL
from matxai.methods.layered import LayerMaps, activations
from matxai.methods.method import About, Setting, methods

if TYPE_CHECKING:
    from torch import Tensor

    from matxai.engine import Captured, Needs


@methods.register("eigen_cam")
@dataclass(frozen=True)
class EigenCAM(LayerMaps):
    """Eigen-CAM: each cell's projection on the first principal component of the layer's cells.

    The mean over the cells is taken off first. A component has no sign: it is chosen so that the map goes along with
    the mean activation over the channels. The map is the same for every target.

    References
    ----------
    Muhammad and Yeasin, Eigen-CAM, IJCNN 2020, arXiv:2008.00299, section III.
    """

    kind: ClassVar[str] = "eigen_cam"
    about: ClassVar[About] = About(
        question="Where does the layer see what sets this input's places apart the most, for whatever class?",
        resolution=CELL,
        guarantee="Depends on the activations alone: no gradient that could vanish or be noisy.",
        misleads="Says nothing about the target: the map is the same for every class, and shows what is salient to the"
        " layer even where the score ignores it. Its sign is a convention.",
        paper="Muhammad and Yeasin 2020, arXiv:2008.00299",
        models="any with a spatial layer",
        cost="1 F: one forward, no backward",
        verified="grad-cam's EigenCAM; a singular value decomposition",
    )

    def needs(self) -> Needs:
        """Ask for activations alone."""
        from matxai.engine import Needs

        return Needs(activations=True)

    def signed(self, captured: Captured, setting: Setting, name: str) -> tuple[Tensor, Tensor | None]:
        """Return the projections ``(..., B, *spatial)``."""
        found = cam.first_component(activations(captured, setting, name))
        return found if captured.targets is None else found.expand(captured.targets, *found.shape), None

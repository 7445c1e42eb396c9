"""Maps from a guided backward, which lets only positive signals through each ReLU."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from matxai.methods.kinds.gradient_cam import GradCAM
from matxai.methods.layered import wide
from matxai.methods.method import About, Method, Reduced, Setting, methods

if TYPE_CHECKING:
    from matxai.engine import Captured, Needs


@methods.register("guided_backprop")
@dataclass(frozen=True)
class GuidedBackprop(Method):
    """Guided backpropagation: gradients that are negative at a ReLU are dropped there.

    References
    ----------
    Springenberg et al., arXiv:1412.6806, section 3.4.
    """

    kind: ClassVar[str] = "guided_backprop"
    about: ClassVar[About] = About(
        question="Which edges and textures does the network pass on?",
        resolution="one pixel",
        guarantee="Equal to the gradient where no weight and no seed is negative.",
        misleads="Nearly independent of the class and of the later layers (Adebayo et al. 2018); recovers the image.",
        paper="Springenberg et al. 2014, arXiv:1412.6806",
        models="any with ReLUs",
        cost="2 F: one forward, one backward of its own",
        verified="captum's GuidedBackprop; the gradient where nothing is negative",
    )

    def needs(self) -> Needs:
        """Ask for one guided backward to the input."""
        from matxai.engine import GUIDED, Backward, Needs

        return Needs(backwards=(Backward(GUIDED, at_input=True),))

    def reduce(self, captured: Captured, _: Setting) -> Reduced:
        """Return the guided gradient, ``(..., B, C, *spatial)``."""
        from matxai.engine import GUIDED

        return Reduced(wide(captured.gradient(GUIDED, "input")))


@methods.register("deconvnet")
@dataclass(frozen=True)
class Deconvnet(Method):
    """Deconvnet: each ReLU passes what is positive of the gradient, whatever its own input was.

    References
    ----------
    Zeiler and Fergus, Visualizing and Understanding Convolutional Networks, ECCV 2014, arXiv:1311.2901, section 2.1.
    """

    kind: ClassVar[str] = "deconvnet"
    about: ClassVar[About] = About(
        question="Which pattern in the input would excite the units that the score rests on?",
        resolution="one pixel",
        guarantee="None beyond its formula; equal to guided backpropagation where every ReLU is open.",
        misleads="Says little about this input: of it only the places of the pooling's maxima enter. Nearly independent"
        " of the class (Nie et al. 2018); kept for comparison with older work.",
        paper="Zeiler and Fergus 2014, arXiv:1311.2901; Nie et al. 2018, arXiv:1805.07039",
        models="any with ReLUs",
        cost="2 F: one forward, one backward",
        verified="captum's Deconvolution",
    )

    def needs(self) -> Needs:
        """Ask for one backward to the input under the deconvnet's rule."""
        from matxai.engine import DECONVNET, Backward, Needs

        return Needs(backwards=(Backward(DECONVNET, at_input=True),))

    def reduce(self, captured: Captured, _: Setting) -> Reduced:
        """Return what the backward left at the input, ``(..., B, C, *spatial)``."""
        from matxai.engine import DECONVNET

        return Reduced(wide(captured.gradient(DECONVNET, "input")))


@methods.register("guided_grad_cam")
@dataclass(frozen=True)
class GuidedGradCAM(GradCAM):
    """Guided backpropagation times Grad-CAM at the input's size (``upsample=False`` does not apply: both must fit).

    References
    ----------
    Selvaraju et al., Grad-CAM, ICCV 2017, arXiv:1610.02391, section 3.1.
    """

    kind: ClassVar[str] = "guided_grad_cam"
    about: ClassVar[About] = About(
        question="Which edges and textures lie where the layer sees evidence for the target?",
        resolution="one pixel, within the layer's cells",
        guarantee="Zero wherever Grad-CAM is zero.",
        misleads="Detail comes from guided backpropagation, which says little about the class.",
        paper="Selvaraju et al. 2017, arXiv:1610.02391",
        models="any with ReLUs and a spatial layer",
        cost="2 F: one forward, a guided backward and Grad-CAM's",
        verified="captum's GuidedGradCam",
    )

    def needs(self) -> Needs:
        """Ask for Grad-CAM's, and one guided backward to the input."""
        from matxai.engine import GUIDED, Backward

        at_layers = super().needs()
        return replace(at_layers, backwards=(*at_layers.backwards, Backward(GUIDED, at_input=True)))

    def reduce(self, captured: Captured, setting: Setting) -> Reduced:
        """Return ``(..., B, C, *spatial)``, for several layers ``(..., B, L, C, *spatial)``."""
        from matxai.engine import GUIDED

        cams = super().reduce(captured, replace(setting, upsample=True))
        guided = wide(captured.gradient(GUIDED, "input"))
        axis = -len(setting.size) - 1
        at_input = cams.map
        assert not isinstance(at_input, tuple)  # noqa: S101 - upsampled above: says so to the type checker
        if len(setting.layers) == 1:
            return Reduced(at_input * guided, empty=cams.empty)
        return Reduced(at_input.unsqueeze(axis) * guided.unsqueeze(axis - 1), empty=cams.empty)

"""Maps from the score's plain gradient at the input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from matxai.methods.layered import wide
from matxai.methods.method import About, Method, Reduced, Setting, methods

if TYPE_CHECKING:
    from matxai.engine import Captured, Needs


@dataclass(frozen=True)
class InputGradient(Method):
    """A method that reads one plain gradient at the input."""

    def needs(self) -> Needs:
        """Ask for one plain backward to the input."""
        from matxai.engine import GRADIENT, Backward, Needs

        return Needs(backwards=(Backward(GRADIENT, at_input=True),))


@methods.register("saliency")
@dataclass(frozen=True)
class Saliency(InputGradient):
    """The signed gradient of the score with respect to the input.

    References
    ----------
    Simonyan, Vedaldi and Zisserman, arXiv:1312.6034, section 3.
    """

    kind: ClassVar[str] = "saliency"
    about: ClassVar[About] = About(
        question="Which pixels change the score most when they change a little?",
        resolution="one pixel",
        guarantee="The exact first-order sensitivity of the score.",
        misleads="Sensitivity, not contribution; noisy in deep networks.",
        paper="Simonyan et al. 2013, arXiv:1312.6034",
        models="any with a gradient",
        cost="2 F: one forward, one backward, shared by all that read the gradient",
        verified="captum's Saliency; autograd bit for bit with exact=True",
    )

    def reduce(self, captured: Captured, _: Setting) -> Reduced:
        """Return ``dS/dx``, ``(..., B, C, *spatial)``."""
        from matxai.engine import GRADIENT

        return Reduced(wide(captured.gradient(GRADIENT, "input")))


@methods.register("input_x_gradient")
@dataclass(frozen=True)
class InputXGradient(InputGradient):
    """The input times the signed gradient: LRP-0 on networks of ReLUs without biases.

    References
    ----------
    Shrikumar et al., arXiv:1605.01713; Ancona et al., ICLR 2018, arXiv:1711.06104.
    """

    kind: ClassVar[str] = "input_x_gradient"
    about: ClassVar[About] = About(
        question="Which pixels contribute to the score, to first order?",
        resolution="one pixel",
        guarantee="On piecewise linear networks without biases the map sums to the score.",
        misleads="Zero wherever the normalised input is zero, whatever the network sees there.",
        paper="Shrikumar et al. 2016, arXiv:1605.01713",
        models="any with a gradient",
        cost="2 F: one forward, one backward, shared by all that read the gradient",
        verified="captum's InputXGradient; LRP-0 on networks of ReLUs",
    )

    def reduce(self, captured: Captured, _: Setting) -> Reduced:
        """Return ``x dS/dx``, ``(..., B, C, *spatial)``."""
        from matxai.engine import GRADIENT

        return Reduced(wide(captured.input) * wide(captured.gradient(GRADIENT, "input")))

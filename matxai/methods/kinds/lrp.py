"""Layer-wise relevance propagation: the score, passed back from each output to the inputs that made it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from matxai.engine.composites import COMPOSITES, composite
from matxai.errors import MethodError, nearest
from matxai.methods.layered import wide
from matxai.methods.method import About, Method, Reduced, Setting, methods

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from matxai.engine import Captured, Needs
    from matxai.engine.composites import Composite, NoPositive


@methods.register("lrp")
@dataclass(frozen=True)
class LRP(Method):
    """LRP with one of the named composites.

    Attributes
    ----------
    composite
        Which rule each kind of operation gets: ``epsilon``, ``epsilon_plus``, ``epsilon_plus_flat``, ``epsilon_gamma``,
        ``epsilon_alpha2_beta1``, ``epsilon_alpha2_beta1_flat``, ``epsilon_gamma_box``.
    epsilon
        In units of the root mean square of the outputs over one sample; ``None``: a guard of the division; 0: LRP-0.
    gamma, alpha, beta
        Of the rules that have them.
    low, high
        The smallest and largest value of the model's input, for the box rule; ``None``: the call's.
    no_positive
        What an output without contributions of the sign that its rule asks for does: ``"fallback"`` or ``"drop"``.

    References
    ----------
    Bach et al., PLoS ONE 10(7), 2015; Montavon et al., Layer-Wise Relevance Propagation: An Overview, 2019.
    """

    composite: str = "epsilon_plus"
    epsilon: float | None = None
    gamma: float = 0.25
    alpha: float = 2.0
    beta: float = 1.0
    low: float | Sequence[float] | Tensor | None = None
    high: float | Sequence[float] | Tensor | None = None
    no_positive: NoPositive = "fallback"

    kind: ClassVar[str] = "lrp"
    variants: ClassVar[Mapping[str, Mapping[str, Any]]] = {name: {"composite": name} for name in COMPOSITES}
    about: ClassVar[About] = About(
        question="How is the score made up from the pixels?",
        resolution="one pixel",
        guarantee="Conservation: without biases the map sums to the score (the ledger says how nearly). It is"
        " bookkeeping, not faithfulness.",
        misleads="z+ and alpha-beta rules are nearly independent of the later layers (Sixt et al. 2020): compare with"
        " the map of a random logit. Zero where the input is zero, but for flat and box rules.",
        paper="Bach et al. 2015, doi:10.1371/journal.pone.0130140; Sixt et al. 2020, arXiv:1912.09818",
    )

    def __post_init__(self) -> None:
        for given, known, what in (
            (self.composite, tuple(COMPOSITES), "composite"),
            (self.no_positive, ("fallback", "drop"), "way with outputs of no_positive"),
        ):
            if given not in known:
                msg = f"LRP has no {what} '{given}'. {nearest(given, known)}"
                raise MethodError(msg)

    def rule(self) -> Composite:
        """Return the engine's composite.

        Raises
        ------
        MethodError
            If the composite needs bounds and has none, or a number makes no sense.
        """
        return composite(
            self.composite,
            epsilon=self.epsilon,
            gamma=self.gamma,
            alpha=self.alpha,
            beta=self.beta,
            low=self.low,
            high=self.high,
            no_positive=self.no_positive,
        )

    def needs(self) -> Needs:
        """Ask for one backward of the composite to the input."""
        from matxai.engine import Backward, Needs

        return Needs(backwards=(Backward(self.rule(), at_input=True),))

    def reduce(self, captured: Captured, _: Setting) -> Reduced:
        """Return the relevance of the input, ``(..., B, C, *spatial)``."""
        return Reduced(wide(captured.relevance(self.rule(), "input")))

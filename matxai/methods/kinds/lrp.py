"""Layer-wise relevance propagation: the score, passed back from each output to the inputs that made it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar

from matxai.engine.composites import COMPOSITES, FIRST, Composite, composite, options_of
from matxai.engine.ruletable import CHOICES
from matxai.errors import MethodError, nearest
from matxai.methods.layered import wide
from matxai.methods.method import About, Method, Reduced, Setting, methods

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from matxai.engine import Captured, Needs
    from matxai.engine.ruletable import Against, Gate, NoPositive, Residual, Softmax, Unknown


@methods.register("lrp")
@dataclass(frozen=True)
class LRP(Method):
    """LRP with one of the named composites, or with a table of rules of the caller's own.

    Attributes
    ----------
    composite
        Which rule each kind of operation gets: ``epsilon``, ``epsilon_plus``, ``epsilon_plus_flat``, ``epsilon_gamma``,
        ``epsilon_alpha2_beta1``, ``epsilon_alpha2_beta1_flat``, ``epsilon_gamma_box``; or a
        :class:`~matxai.engine.composites.Composite`, which holds all the options itself.
    epsilon
        In units of the root mean square of the outputs over one sample; ``None``: a guard of the division; 0: LRP-0.
    gamma, alpha, beta
        Of the rules that have them.
    low, high
        The smallest and largest value of the model's input, for the box rule; ``None``: the call's.
    no_positive
        What an output without contributions of the sign that its rule asks for does: ``"fallback"`` or ``"drop"``.
    first
        The rule of the layer that the input reaches first, in place of the composite's: ``flat``, ``w_square``,
        ``box``, ``epsilon``, ``gamma``, ``z_plus`` or ``alpha_beta``.
    residual, residual_epsilon
        How residual sums hand relevance on: by ``"contribution"``, with a stabiliser (``"epsilon"``), by
        ``"magnitude"``, or with the ``"skip_out"``.
    gate
        What the gate of a product is: a ``"constant"``, or worth ``"half"``.
    softmax
        What attention weights are: ``"constant"``, or what the rule of AttnLRP says (``"attnlrp"``).
    unknown
        What is done about an operation without a rule: ``"refuse"``, or go by its plain ``"gradient"`` and report it.
    against
        Contrastive LRP: what speaks for the class rather than for all ``"others"`` or for the class of this index. The
        map is signed and sums to about 0; Gu et al. 2018, arXiv:1812.02100, show its positive part.

    An option that changes nothing for the composite is refused.

    Notes
    -----
    Rules that divide by an output near 0 (``epsilon`` as a guard of the division) or by its negative part z - z+
    (``alpha_beta``) enlarge the rounding of the forward. In float32 it may depend on the batch size and the device;
    maps of such composites then agree to no more than their own precision, 1e-3 to 1e-2 of the largest value in deep
    networks at worst. Use float64 where they must agree to 1e-9.

    References
    ----------
    Bach et al., PLoS ONE 10(7), 2015; Montavon et al., Layer-Wise Relevance Propagation: An Overview, 2019.
    """

    composite: str | Composite = "epsilon_plus"
    epsilon: float | None = None
    gamma: float = 0.25
    alpha: float = 2.0
    beta: float = 1.0
    low: float | Sequence[float] | Tensor | None = None
    high: float | Sequence[float] | Tensor | None = None
    no_positive: NoPositive = "fallback"
    first: str | None = None
    residual: Residual = "contribution"
    residual_epsilon: float | None = None
    gate: Gate = "constant"
    softmax: Softmax = "constant"
    unknown: Unknown = "refuse"
    against: Against | None = None

    kind: ClassVar[str] = "lrp"
    variants: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        **{name: {"composite": name} for name in COMPOSITES},
        "contrastive": {"against": "others"},
    }
    about: ClassVar[About] = About(
        question="How is the score made up from the pixels?",
        resolution="one pixel",
        guarantee="Conservation: without biases the map sums to the score (the ledger says how nearly). It is"
        " bookkeeping, not faithfulness.",
        misleads="z+ and alpha-beta rules are nearly independent of the later layers (Sixt et al. 2020): compare with"
        " the map of a random logit. Zero where the input is zero, but for flat and box rules.",
        paper="Bach et al. 2015, doi:10.1371/journal.pone.0130140; Sixt et al. 2020, arXiv:1912.09818",
        models="any whose operations have a rule (docs/lrp.md)",
        cost="2 F for epsilon, 3 F for epsilon_plus, 4 F for epsilon_alpha2_beta1 and epsilon_gamma_box",
        verified="zennit's composites; dense matrices for every rule; input x gradient on networks of ReLUs;"
        " conservation on one network of every torchvision family",
    )

    def __post_init__(self) -> None:
        for given, known, what in (
            (self.composite, tuple(COMPOSITES), "composite"),
            (self.first, (None, *FIRST), "first-layer rule"),
            (self.no_positive, ("fallback", "drop"), "way with outputs of no_positive"),
            *((getattr(self, o), CHOICES[o], o) for o in ("residual", "gate", "softmax", "unknown")),
        ):
            if given not in known and not isinstance(given, Composite):
                msg = f"LRP has no {what} '{given}'. {nearest(str(given), [k for k in known if k is not None])}"
                raise MethodError(msg)
        self._refuse_idle()

    def _refuse_idle(self) -> None:
        """Raise for options that are set and change nothing."""
        given: dict[str, Any] = {
            f.name: getattr(self, f.name)
            for f in fields(self)
            if f.name not in ("name", "composite", "first") and getattr(self, f.name) is not None
            and (f.default is None or getattr(self, f.name) != f.default)
        }  # fmt: skip
        if isinstance(self.composite, Composite):
            idle = [*given, *(["first"] if self.first is not None else [])]
            if not idle:
                return
            msg = f"LRP with a Composite takes its options from it: set {', '.join(idle)} there."
            raise MethodError(msg)
        useful = options_of(self.composite, self.first)
        idle = [name for name in given if name not in useful]
        if not idle:
            return
        of = f"'{self.composite}'" + (f" with first='{self.first}'" if self.first is not None else "")
        has, known = ("has" if len(idle) == 1 else "have"), sorted(useful)
        msg = f"{', '.join(idle)} {has} no effect in the composite {of}, whose options are {', '.join(known)}."
        raise MethodError(msg)

    @property
    def key(self) -> str:
        """The name of its map in a result: a composite of the caller's own gives its name."""
        if self.name is None and isinstance(self.composite, Composite):
            return f"{self.kind}:{self.composite.name}"
        return super().key

    @property
    def bounded(self) -> bool:
        """Whether its first-layer rule is the box rule, with bounds from outside."""
        return not isinstance(self.composite, Composite) and "low" in options_of(self.composite, self.first)

    def rule(self) -> Composite:
        """Return the engine's composite.

        Raises
        ------
        MethodError
            If the composite needs bounds and has none, or a number makes no sense.
        """
        if isinstance(self.composite, Composite):
            return self.composite
        return composite(
            self.composite,
            epsilon=self.epsilon,
            gamma=self.gamma,
            alpha=self.alpha,
            beta=self.beta,
            low=self.low,
            high=self.high,
            no_positive=self.no_positive,
            first=self.first,
            residual=self.residual,
            residual_epsilon=self.residual_epsilon,
            gate=self.gate,
            softmax=self.softmax,
            unknown=self.unknown,
            against=self.against,
        )

    def needs(self) -> Needs:
        """Ask for one backward of the composite to the input."""
        from matxai.engine import Backward, Needs

        return Needs(backwards=(Backward(self.rule(), at_input=True),))

    def reduce(self, captured: Captured, _: Setting) -> Reduced:
        """Return the relevance of the input, ``(..., B, C, *spatial)``."""
        return Reduced(wide(captured.relevance(self.rule(), "input")))

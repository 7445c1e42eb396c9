"""DeepLift: the difference of the scores of input and baseline, passed back by ratios of differences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from matxai.errors import MethodError
from matxai.methods.baselines import DEFAULT, warning
from matxai.methods.baselines import baselines as known
from matxai.methods.method import About, Method, Reduced, Setting, methods
from matxai.methods.sampled import copies_of, joined

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matxai.engine import Captured, Needs

#: What of the scores' difference the map's sum may miss before the user is warned.
MISSED = 1e-2


@methods.register("deep_lift")
@dataclass(frozen=True)
class DeepLift(Method):
    """DeepLift with the rescale rule: R_i = (x_i - b_i) m_i, m the multipliers from the score to the input.

    A function of one value has the multiplier (f(x) - f(b)) / (x - b); linear operations pass it; maxima, products,
    softmax and norms are taken apart into what has one. Residual, functional and reused parts are no exception.

    Attributes
    ----------
    baseline
        ``blur``, ``mean``, ``noise``, ``black``, ``white`` or ``constant``; several, whose maps are averaged, cost one
        pair of input and baseline each.
    value
        Of ``constant``, in units of the network's input (of :func:`matxai.explain`: of the image); ``None``: halfway
        between the lowest and highest value.

    ``figures`` of the attribution has ``gap``, the map's sum minus S(x) - S(b), and ``difference``, the latter.

    References
    ----------
    Shrikumar, Greenside and Kundaje, ICML 2017, arXiv:1704.02685, sections 3.2 and 3.5.1.
    """

    baseline: str | Sequence[str] = DEFAULT
    value: float | None = None

    kind: ClassVar[str] = "deep_lift"
    samples: ClassVar[bool] = True
    quantity: ClassVar[str] = "relevance"
    to_baseline: ClassVar[bool] = True
    variants: ClassVar[Mapping[str, Mapping[str, Any]]] = {name: {"baseline": name} for name in known}
    about: ClassVar[About] = About(
        question="How is the score's difference to a baseline made up from the pixels, operation by operation?",
        resolution="one pixel",
        guarantee="Completeness: the map sums to the score minus the baseline's score, to rounding.",
        misleads="Everything hangs on the baseline: the map is 0 wherever the input equals it. Two networks that are"
        " one function can get two maps. Completeness is bookkeeping, not faithfulness.",
        paper="Shrikumar et al. 2017, arXiv:1704.02685",
        models="any whose operations have a rule (docs/lrp.md)",
        cost="5 F: a forward, and forward and backward of input and baseline; 4 F more for each further baseline",
        verified="captum on a plain CNN; the paper's values; completeness on residual and gated networks",
    )

    def __post_init__(self) -> None:
        several = (self.baseline,) if isinstance(self.baseline, str) else tuple(self.baseline)
        if not several:
            raise MethodError(f"{self.kind} has an empty list of baselines; leave it out for '{DEFAULT}'.")
        object.__setattr__(self, "baseline", several[0] if len(several) == 1 else several)
        for name in several:
            known[name]
        if self.value is not None and "constant" not in several:
            msg = f"The value {self.value} of {self.key} has no effect: it belongs to baseline='constant'."
            raise MethodError(msg)

    @property
    def named(self) -> tuple[str, ...]:
        """The baselines' names."""
        return (self.baseline,) if isinstance(self.baseline, str) else tuple(self.baseline)

    def needs(self) -> Needs:
        """Ask for input and baseline in one batch, with a backward."""
        from matxai.engine import Needs

        return Needs(copies=2 * len(self.named), gradients=2 * len(self.named))

    def reduce(self, captured: Captured, setting: Setting) -> Reduced:
        """Return the map ``(..., B, C, *spatial)``, and what it does not add up to."""
        from matxai.methods.statistics import accumulating

        copies, made = copies_of(setting), setting.baseline
        assert made is not None  # noqa: S101 - given to every method: says so to the type checker
        baselines = [made(n, value=self.value if n == "constant" else None) for n in self.named]
        difference = accumulating(copies.scores.new_zeros(copies.scores.shape))
        map_ = accumulating(captured.input.new_zeros(len(difference), *captured.input.shape))
        for baseline in baselines:
            apart, multipliers = copies.difference(baseline)
            map_ += accumulating(multipliers) * accumulating(captured.input - baseline) / len(baselines)
            difference += accumulating(apart) / len(baselines)
        gap = map_.flatten(2).sum(2) - difference
        several = captured.targets is not None
        near = warning(self.key, captured.input, self.named, baselines)
        largest = accumulating(copies.scores).abs() + difference.abs()
        missed = bool((gap.abs() > MISSED * largest).any())
        said = (
            f"{self.key}: the map does not sum to the difference of the scores. Something in the model's forward is"
            " hidden from the engine (a detach, code outside of PyTorch), or its batch axis is not in front."
        )
        return Reduced(
            joined(map_, copies),
            figures={"gap": gap if several else gap[0], "difference": difference if several else difference[0]},
            warnings=tuple(s for s in (near, said if missed else None) if s),
        )

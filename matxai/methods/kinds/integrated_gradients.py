"""Integrated gradients: the gradient along the straight path from a baseline to the input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from matxai.errors import MethodError
from matxai.methods.baselines import DEFAULT, warning
from matxai.methods.baselines import baselines as known
from matxai.methods.method import About, Reduced, Setting, methods
from matxai.methods.quadrature import quadrature, quadratures
from matxai.methods.sampled import Sampled, copies_of, joined

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matxai.engine import Captured, Needs
    from matxai.methods.integrating import Path

PANEL = 8
"""Nodes of one panel where the path is refined until the map adds up."""


@methods.register("integrated_gradients")
@dataclass(frozen=True)
class IntegratedGradients(Sampled):
    """IG_i = (x_i - b_i) times the mean of dS/dx_i on the straight path from the baseline b to x.

    Attributes
    ----------
    baselines
        One name or several, whose maps are averaged: ``blur``, ``mean``, ``noise``, ``black``, ``white``, ``constant``.
    value
        Of ``constant``, in units of the network's input (of :func:`matxai.explain`: of the image); ``None``: halfway
        between the lowest and highest value.
    rule
        ``gauss_legendre`` (exact for gradients that are polynomials of degree 2 n - 1) or ``midpoint``.
    steps
        Nodes for each baseline; ``None``: the budget, shared among the baselines. With ``completeness`` the nodes of
        one panel, 8 by default.
    completeness
        Cut the path into panels, the worst one first, until the map's sum is within this share of S(x) - S(b), such as
        0.01, or the budget is used up, which is warned of. 0.01 takes a few hundred copies where the score has kinks.

    The map comes with ``NAME:error``: how far a coarser rule on the same nodes is off. ``figures`` of the attribution
    has ``gap``, the map's sum minus S(x) - S(b), where S(b) is extrapolated from the first two nodes, or exact with
    ``completeness`` (one forward more).

    References
    ----------
    Sundararajan, Taly and Yan, ICML 2017, arXiv:1703.01365, equation 1.
    """

    baselines: str | Sequence[str] = (DEFAULT,)
    value: float | None = None
    rule: str = "gauss_legendre"
    steps: int | None = None
    completeness: float | None = None

    kind: ClassVar[str] = "integrated_gradients"
    quantity: ClassVar[str] = "relevance"
    to_baseline: ClassVar[bool] = True
    variants: ClassVar[Mapping[str, Mapping[str, Any]]] = {name: {"baselines": (name,)} for name in known}
    about: ClassVar[About] = About(
        question="How is the score's difference to a baseline made up from the pixels?",
        resolution="one pixel",
        guarantee="Completeness: the map sums to the score minus the baseline's score, up to the gap that is reported.",
        misleads="Everything hangs on the baseline: the map is 0 wherever the input equals it, so black pores get"
        " nothing against black. Often noisy; completeness is bookkeeping, not faithfulness.",
        paper="Sundararajan et al. 2017, arXiv:1703.01365",
        models="any with a gradient",
        cost="128 F: 64 forwards and backwards (steps, budget), or what completeness takes",
        verified="captum with the same nodes; the paper's values; polynomials, exactly",
        forms="integrated_gradients:layer (LayerIntegratedGradients) at a layer, by default the last one with places;"
        " for a unit with targets.neuron as the target",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        several = (self.baselines,) if isinstance(self.baselines, str) else tuple(self.baselines)
        object.__setattr__(self, "baselines", several)
        if not several:
            raise MethodError(f"{self.kind} has an empty list of baselines; leave them out for '{DEFAULT}'.")
        for name in several:
            known[name]
        quadratures[self.rule]
        if self.value is not None and "constant" not in several:
            raise MethodError(
                f"The value {self.value} of {self.key} has no effect: it belongs to baselines='constant'."
            )
        if self.steps is not None and self.steps < 2:
            raise MethodError(f"{self.key} has steps={self.steps}; a rule of quadrature has 2 or more nodes.")
        if self.tolerance is not None:
            raise MethodError(f"{self.key} draws nothing at random, so tolerance has no effect; give completeness=.")
        if self.completeness is not None and not 0 < self.completeness < 1:
            msg = f"The completeness of {self.key} is {self.completeness}; it is a share of the score, such as 0.01."
            raise MethodError(msg)

    def nodes(self, most: int) -> int:
        """Return how many nodes one rule has.

        Raises
        ------
        MethodError
            If the budget does not suffice.
        """
        exact = self.completeness is not None
        count = self.steps or (PANEL if exact else max(most // len(self.baselines), 1))
        cost = (count + exact) * len(self.baselines)
        if (cost > most and self.budget is not None) or count < 2:
            msg = (
                f"{self.key} needs {max(cost, 2 * len(self.baselines))} copies for {len(self.baselines)} baseline(s),"
                f" and its budget is {most}; give a larger budget or fewer steps."
            )
            raise MethodError(msg)
        return count

    def needs(self) -> Needs:
        """Ask for copies on the path, each with a gradient."""
        from matxai.engine import Needs

        most = self.budget or self.default_budget
        count = self.nodes(most) * len(self.baselines)
        if self.completeness is not None:
            return Needs(copies=most, gradients=most - len(self.baselines))
        return Needs(copies=count, gradients=count)

    def reduce(self, captured: Captured, setting: Setting) -> Reduced:
        """Return the map ``(..., B, C, *spatial)``, how exact the integral is, and what it does not add up to."""
        from matxai.methods.integrating import Path

        copies, made = copies_of(setting), setting.baseline
        assert made is not None  # noqa: S101 - given to every method: says so to the type checker
        several = [made(name, value=self.value if name == "constant" else None) for name in self.baselines]
        path = Path(copies, several, self.key)
        most = self.most(setting)
        rule = quadrature(self.rule, self.nodes(most))
        if self.completeness is None:
            path.whole(rule)
        else:
            path.refined(rule, self.completeness, most)
        near = warning(self.key, captured.input, list(self.baselines), several)
        missing = self._missing(path)
        asked = self.completeness is not None  # then not to reach it is worth a warning
        return Reduced(
            joined(path.map, copies),
            beside={"error": joined((path.map - path.coarse).abs(), copies)},
            figures=_figures(path, copies.clean.targets is not None),
            warnings=tuple(s for s in (near, missing if asked else None) if s),
            notes=() if asked or missing is None else (missing,),
        )

    def _missing(self, path: Path) -> str | None:
        """Return a sentence where a map does not add up."""
        share = path.gap.abs() / path.difference.abs()
        worst = float(share.nan_to_num(0.0, posinf=float("inf")).max())
        allowed = self.completeness if self.completeness is not None else 0.05
        if worst <= allowed:
            return None
        missing = f"{100 * worst:.0f} %" if worst < 10 else f"{worst:.0f} times"
        return (
            f"{self.key}: the map's sum misses the difference of the scores by {missing} of it: the score bends more on"
            " the path than these steps see, or input and baseline have nearly one score. Give more steps or a larger"
            " budget."
        )


def _figures(path: Path, several: bool) -> dict[str, Any]:
    """Return the numbers that stand beside the map: (B,), or (T, B) for several targets."""
    gap, difference = (t if several else t[0] for t in (path.gap, path.difference))
    return {"gap": gap, "difference": difference, "copies": path.count}

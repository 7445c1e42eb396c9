"""The named LRP composites: tables of rules as the literature has them. What a table is, is in :mod:`.ruletable`.

They follow Montavon et al., "Layer-Wise Relevance Propagation: An Overview" (2019), and Kohlbrenner et al., "Towards
Best Practice in Explaining Neural Network Decisions with LRP" (2020).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from matxai.engine.ruletable import (
    CONVOLUTIONS,
    Against,
    At,
    Bound,
    Composite,
    Gate,
    LinearRule,
    NoPositive,
    Residual,
    Softmax,
    Unknown,
)
from matxai.errors import MethodError, nearest
from matxai.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["COMPOSITES", "CONVOLUTIONS", "FIRST", "At", "Composite", "LinearRule", "NoPositive", "composite"]

FIRST = {"flat": "flat", "w_square": "w_square", "box": "z_box", "z_box": "z_box", "epsilon": "epsilon",
         "gamma": "gamma", "z_plus": "z_plus", "alpha_beta": "alpha_beta"}  # fmt: skip
"""Names for the rule of the operation that the input reaches first -> names in :data:`matxai.engine.rules.RULES`."""

_OPTIONS = {"gamma": ("gamma",), "alpha_beta": ("alpha", "beta", "no_positive"), "z_plus": ("no_positive",),
            "z_box": ("low", "high")}  # fmt: skip
EVERYWHERE = ("residual", "residual_epsilon", "gate", "softmax", "unknown", "against")
"""Options that have an effect whatever the rules."""

COMPOSITES: Registry[Callable[..., tuple[LinearRule, LinearRule | None]]] = Registry("composite", error=MethodError)
"""Makers of (rule for convolutions, rule of the first operation), by name; linear layers always go by epsilon."""


@COMPOSITES.register("epsilon")
def _epsilon(epsilon: float | None, **_: Any) -> tuple[LinearRule, None]:
    return LinearRule("epsilon", epsilon), None


@COMPOSITES.register("epsilon_plus")
def _epsilon_plus(**_: Any) -> tuple[LinearRule, None]:
    return LinearRule("z_plus"), None


@COMPOSITES.register("epsilon_plus_flat")
def _epsilon_plus_flat(**_: Any) -> tuple[LinearRule, LinearRule]:
    return LinearRule("z_plus"), LinearRule("flat")


@COMPOSITES.register("epsilon_gamma")
def _epsilon_gamma(gamma: float, **_: Any) -> tuple[LinearRule, None]:
    return LinearRule("gamma", gamma=gamma), None


@COMPOSITES.register("epsilon_alpha2_beta1")
def _epsilon_alpha2_beta1(alpha: float, beta: float, **_: Any) -> tuple[LinearRule, None]:
    return LinearRule("alpha_beta", alpha=alpha, beta=beta), None


@COMPOSITES.register("epsilon_alpha2_beta1_flat")
def _epsilon_alpha2_beta1_flat(alpha: float, beta: float, **_: Any) -> tuple[LinearRule, LinearRule]:
    return LinearRule("alpha_beta", alpha=alpha, beta=beta), LinearRule("flat")


@COMPOSITES.register("epsilon_gamma_box")
def _epsilon_gamma_box(gamma: float, low: Bound | None, high: Bound | None, **_: Any) -> tuple[LinearRule, LinearRule]:
    return LinearRule("gamma", gamma=gamma), LinearRule("z_box", low=low, high=high)


def composite(
    name: str,
    *,
    epsilon: float | None = None,
    gamma: float = 0.25,
    alpha: float = 2.0,
    beta: float = 1.0,
    low: float | Iterable[float] | None = None,
    high: float | Iterable[float] | None = None,
    no_positive: NoPositive = "fallback",
    first: str | None = None,
    residual: Residual = "contribution",
    residual_epsilon: float | None = None,
    gate: Gate = "constant",
    softmax: Softmax = "constant",
    unknown: Unknown = "refuse",
    against: Against | None = None,
) -> Composite:
    """Return a named LRP composite.

    Parameters
    ----------
    name
        ``epsilon``, ``epsilon_plus``, ``epsilon_plus_flat``, ``epsilon_gamma``, ``epsilon_alpha2_beta1``,
        ``epsilon_alpha2_beta1_flat`` or ``epsilon_gamma_box``.
    epsilon
        Of the epsilon rules, in units of the root mean square of z over one sample; 0 is LRP-0 with 0/0 = 0.
    gamma, alpha, beta
        Of the rules of those names; alpha - beta is 1.
    low, high
        What the input can be at least and at most (numbers, or one for each channel), for ``z_box``.
    no_positive, residual, residual_epsilon, gate, softmax, unknown, against
        See :class:`~matxai.engine.ruletable.Composite`.
    first
        Another rule for the operation that the input reaches first: ``flat``, ``w_square``, ``box`` (which needs
        ``low`` and ``high``), ``epsilon``, ``gamma``, ``z_plus`` or ``alpha_beta``.

    Raises
    ------
    MethodError
        For an unknown name, a negative epsilon or gamma, alpha - beta other than 1, or bounds that are missing or
        cross.
    """
    if epsilon is not None and epsilon < 0:
        raise MethodError(f"epsilon of the composite '{name}' is {epsilon}; it is 0 or more.")
    if gamma < 0:
        raise MethodError(f"gamma of the composite '{name}' is {gamma}; it is 0 or more.")
    if alpha < 0 or beta < 0 or abs(alpha - beta - 1) > 1e-9:
        msg = (
            f"alpha and beta of the composite '{name}' are {alpha} and {beta}; they are positive and alpha - beta is 1."
        )
        raise MethodError(msg)
    lower, upper = _bound(low), _bound(high)
    if lower is not None and upper is not None and _crossed(lower, upper):
        raise MethodError(f"The box of the composite '{name}' has low={lower} above high={upper}.")
    convolution, at_first = COMPOSITES[name](
        epsilon=epsilon, gamma=gamma, alpha=alpha, beta=beta, low=lower, high=upper
    )
    if first is not None:
        at_first = LinearRule(first_rule(first), epsilon, gamma, alpha, beta, lower, upper)
        name = f"{name}_{first}"
    if at_first is not None and at_first.name == "z_box" and (lower is None or upper is None):
        msg = f"The composite '{name}' needs the lowest and highest value that the input can have: low=, high=."
        raise MethodError(msg)
    rules = [(At(depth="first"), at_first)] if at_first is not None else []
    if convolution.name != "epsilon":
        rules.append((At(CONVOLUTIONS), convolution))
    return Composite(
        name, rules, LinearRule("epsilon", epsilon), no_positive=no_positive, residual=residual,
        residual_epsilon=residual_epsilon, gate=gate, softmax=softmax, unknown=unknown,
        against=against,
    )  # fmt: skip


def first_rule(name: str) -> str:
    """Return the engine's name of a first-layer rule.

    Raises
    ------
    MethodError
        If there is none of this name.
    """
    if name not in FIRST:
        raise MethodError(f"There is no first-layer rule '{name}'. {nearest(str(name), FIRST)}")
    return FIRST[name]


def options_of(name: str, first: str | None = None) -> frozenset[str]:
    """Return which options of :func:`composite` change something for this composite and first-layer rule."""
    convolution, at_first = COMPOSITES[name](epsilon=None, gamma=0.25, alpha=2.0, beta=1.0, low=None, high=None)
    rules: list[Any] = [convolution.name]
    if first is not None:
        rules.append(first_rule(first))
    elif at_first is not None:
        rules.append(at_first.name)
    # linear layers always go by epsilon
    return frozenset({"epsilon", *EVERYWHERE}).union(*(_OPTIONS.get(rule, ()) for rule in rules))


def _bound(value: float | Iterable[float] | None) -> Bound | None:
    if value is None or isinstance(value, int | float):
        return value
    flat = getattr(value, "flatten", None)  # a tensor or an array of one value for each channel
    values = flat().tolist() if callable(flat) else list(value)
    return tuple(float(v) for v in values)


def _crossed(low: Bound, high: Bound) -> bool:
    lows = low if isinstance(low, tuple) else (low,)
    highs = high if isinstance(high, tuple) else (high,)
    if len(lows) != len(highs) and 1 not in (len(lows), len(highs)):
        raise MethodError(f"The box has {len(lows)} lower and {len(highs)} upper bounds; give one for each channel.")
    wide = max(len(lows), len(highs))
    return any(a > b for a, b in zip(lows * (wide // len(lows)), highs * (wide // len(highs)), strict=True))

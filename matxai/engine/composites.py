"""LRP composites as data: which rule belongs to which kind of operation. What a rule computes is in :mod:`.rules`.

The named composites follow Montavon et al., "Layer-Wise Relevance Propagation: An Overview" (2019), and Kohlbrenner et
al., "Towards Best Practice in Explaining Neural Network Decisions with LRP" (2020).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from matxai.errors import MethodError, nearest
from matxai.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Bound: TypeAlias = float | tuple[float, ...]
NoPositive: TypeAlias = Literal["fallback", "drop"]
Gate: TypeAlias = Literal["constant", "half"]
Softmax: TypeAlias = Literal["constant", "attnlrp"]

CONVOLUTIONS = ("convolution", "transposed_convolution")
FIRST = {"flat": "flat", "w_square": "w_square", "box": "z_box", "z_box": "z_box", "epsilon": "epsilon",
         "gamma": "gamma", "z_plus": "z_plus", "alpha_beta": "alpha_beta"}  # fmt: skip
"""Names for the rule of the operation that the input reaches first -> names in :data:`matxai.engine.rules.RULES`."""

_OPTIONS = {"gamma": ("gamma",), "alpha_beta": ("alpha", "beta", "no_positive"), "z_plus": ("no_positive",),
            "z_box": ("low", "high")}  # fmt: skip


@dataclass(frozen=True)
class LinearRule:
    """One rule for linear operations: its name in :data:`matxai.engine.rules.RULES`, and its options.

    Parameters
    ----------
    name
        ``epsilon``, ``gamma``, ``z_plus``, ``alpha_beta``, ``flat``, ``w_square`` or ``z_box``.
    epsilon
        Stabiliser in units of the root mean square of z over one sample; ``None``: 1e-6, in float64 1e-9; 0: LRP-0.
    gamma, alpha, beta, low, high
        Options of the rules that have them; bounds are numbers, or one for each channel.
    """

    name: str
    epsilon: float | None = None
    gamma: float = 0.25
    alpha: float = 2.0
    beta: float = 1.0
    low: Bound | None = None
    high: Bound | None = None


@dataclass(frozen=True)
class Composite:
    """A table from kinds of operations to rules; equal tables are one backward, whatever their names.

    Parameters
    ----------
    name
        As it was asked for.
    rules
        Pairs of an operation's kind and its rule.
    first
        The rule of the operation that the input reaches first, if it is another one.
    no_positive
        What z+ and alpha-beta do where an output has no contribution of the sign they ask for: ``"fallback"`` goes by
        what the output has, ``"drop"`` is the literal rule.
    gate
        What a product of two live tensors does: ``"constant"`` takes the gate (sigmoid, softmax, squeeze-excite) for a
        constant, ``"half"`` gives each of the two operands half, gates or not.
    softmax
        ``"constant"``: attention weights are constants; ``"attnlrp"``: relevance passes the softmax by the rule of
        Achtibat et al. 2024, arXiv:2402.05602, eq. 13, and a matrix product with its weights gives half to each side.
    """

    name: str = field(compare=False)
    rules: tuple[tuple[str, LinearRule], ...]
    first: LinearRule | None = None
    no_positive: NoPositive = "fallback"
    gate: Gate = "constant"
    softmax: Softmax = "constant"

    def __str__(self) -> str:
        return self.name

    def rule_for(self, kind: str, *, first: bool = False) -> LinearRule:
        """Return the rule for an operation of this kind (``first``: the input reaches it before any other)."""
        if first and self.first is not None and kind != "batch_norm":
            return self.first
        return dict(self.rules)[kind]


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
    gate: Gate = "constant",
    softmax: Softmax = "constant",
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
    no_positive
        ``"fallback"`` or ``"drop"``, see :class:`Composite`.
    first
        Another rule for the operation that the input reaches first: ``flat``, ``w_square``, ``box`` (which needs
        ``low`` and ``high``), ``epsilon``, ``gamma``, ``z_plus`` or ``alpha_beta``.
    gate, softmax
        ``"constant"`` or ``"half"``, ``"constant"`` or ``"attnlrp"``, see :class:`Composite`.

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
    for option, given, known in (
        ("no_positive", no_positive, ("fallback", "drop")),
        ("gate", gate, ("constant", "half")),
        ("softmax", softmax, ("constant", "attnlrp")),
    ):
        if given not in known:
            raise MethodError(f"{option} is '{given}'. {nearest(str(given), known)}")
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
    dense = LinearRule("epsilon", epsilon)
    rules = (*((kind, convolution) for kind in CONVOLUTIONS), ("linear", dense), ("batch_norm", dense))
    return Composite(name, rules, at_first, no_positive, gate, softmax)


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
    rules = [convolution.name]
    if first is not None:
        rules.append(first_rule(first))
    elif at_first is not None:
        rules.append(at_first.name)
    # linear layers always go by epsilon
    return frozenset({"epsilon"}).union(*(_OPTIONS.get(rule, ()) for rule in rules))


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

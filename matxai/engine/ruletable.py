"""LRP composites as data: a table from operations to rules, first match wins. What a rule computes is in :mod:`.rules`.

No tensors here, and nothing of a network: which operation of a network gets which rule is in :mod:`.assignment`.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from matxai.errors import MethodError, nearest

Bound: TypeAlias = float | tuple[float, ...]
Depth: TypeAlias = Literal["first", "last"] | int | tuple[int, int] | tuple[float, float]
NoPositive: TypeAlias = Literal["fallback", "drop"]
Residual: TypeAlias = Literal["contribution", "epsilon", "magnitude", "skip_out"]
Gate: TypeAlias = Literal["constant", "half"]
Softmax: TypeAlias = Literal["constant", "attnlrp"]
Unknown: TypeAlias = Literal["refuse", "gradient"]
Against: TypeAlias = Literal["others"] | int

CONVOLUTIONS = ("convolution", "transposed_convolution")
KINDS = (*CONVOLUTIONS, "linear", "batch_norm")
"""The kinds of operation that a table addresses; a batch norm is one only where no convolution takes it in."""

CHOICES: dict[str, tuple[str, ...]] = {
    "no_positive": ("fallback", "drop"),
    "residual": ("contribution", "epsilon", "magnitude", "skip_out"),
    "gate": ("constant", "half"),
    "softmax": ("constant", "attnlrp"),
    "unknown": ("refuse", "gradient"),
}
"""The options of a composite that are one word, the default first."""


@dataclass(frozen=True)
class LinearRule:
    """One rule for linear operations, and its options.

    Parameters
    ----------
    name
        ``epsilon``, ``gamma``, ``z_plus``, ``alpha_beta``, ``flat``, ``w_square``, ``z_box``, another name in
        :data:`matxai.engine.rules.RULES`, or a function of one's own from a :class:`~matxai.engine.rules.Step` to
        relevance divided by input.
    epsilon
        Stabiliser in units of the root mean square of z over one sample; ``None``: 1e-6, in float64 1e-9; 0: LRP-0.
    gamma, alpha, beta, low, high
        Options of the rules that have them; bounds are numbers, or one for each channel.
    """

    name: str | Callable[..., Any]
    epsilon: float | None = None
    gamma: float = 0.25
    alpha: float = 2.0
    beta: float = 1.0
    low: Bound | None = None
    high: Bound | None = None

    @property
    def label(self) -> str:
        """The rule as tables show it, with the options that differ from the default: ``"gamma(gamma=0.5)"``."""
        name = self.name if isinstance(self.name, str) else getattr(self.name, "__name__", type(self.name).__name__)
        default = LinearRule(self.name)
        options = ("epsilon", "gamma", "alpha", "beta", "low", "high")
        given = [f"{o}={getattr(self, o)}" for o in options if getattr(self, o) != getattr(default, o)]
        return f"{name}({', '.join(given)})" if given else name


Rules: TypeAlias = "LinearRule | str | Callable[..., Any]"


@dataclass(frozen=True)
class At:
    """Which operations an entry of a table is for: those for which all that is given holds.

    Parameters
    ----------
    kind
        ``convolution``, ``transposed_convolution``, ``linear``, ``batch_norm``, or several of them.
    layer
        A pattern of layer names as in ``module.named_modules()``: with ``*``, ``?`` and ``[...]``
        (``"features.*"``), or a regular expression behind ``re:`` that the whole name must match.
    depth
        ``"first"``: the operations that the input reaches before any other linear one; ``"last"``: those after which
        none comes before the score; a whole number: the linear operation of this number in the order of calls, from 0,
        or from the output with -1; two whole numbers: from, up to and without; two fractions: ``(0.0, 0.5)`` is the
        half of the linear operations next to the input. Batch norms that stand alone count with the operation that
        comes next.

    Raises
    ------
    MethodError
        For an unknown kind, a pattern that is none, or a depth that is none of these.

    Examples
    --------
    >>> At(layer="features.*", depth=(0.0, 0.5)).text
    "layer 'features.*', depth 0.0 to 0.5"
    """

    kind: str | tuple[str, ...] | None = None
    layer: str | None = None
    depth: Depth | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "kind", self.kinds if self.kinds[1:] else self.kind)  # a list has no hash
        for kind in self.kinds:
            if kind not in KINDS:
                raise MethodError(f"A table of rules has no operations of kind '{kind}'. {nearest(str(kind), KINDS)}")
        if self.layer is not None and self.layer.startswith("re:"):
            try:
                re.compile(self.layer[3:])
            except re.error as error:
                raise MethodError(f"'{self.layer}' is no regular expression: {error}.") from None
        if not _is_depth(self.depth):
            msg = (
                f"depth={self.depth!r} is none: give 'first', 'last', a whole number, or two (from, up to) that are"
                " both whole or both fractions between 0 and 1."
            )
            raise MethodError(msg)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds asked for; empty for all."""
        return () if self.kind is None else (self.kind,) if isinstance(self.kind, str) else tuple(self.kind)

    @property
    def text(self) -> str:
        """The address in words."""
        parts = [" or ".join(self.kinds)] if self.kinds else []
        parts += [f"layer '{self.layer}'"] if self.layer is not None else []
        if isinstance(self.depth, tuple):
            parts.append(f"depth {self.depth[0]} to {self.depth[1]}")
        elif self.depth is not None:
            parts.append(f"depth {self.depth}")
        return ", ".join(parts) or "everything"

    def fits(self, kind: str, layer: str, number: int, count: int, *, first: bool, last: bool) -> bool:
        """Whether an operation is addressed: linear operation ``number`` of ``count``, in ``layer``."""
        if self.kinds:
            if kind not in self.kinds:
                return False
        elif kind == "batch_norm" and self.depth is not None and not isinstance(self.depth, tuple):
            return False  # "the first operation" is a convolution or dense layer, not the norm in front of it
        return self.names(layer) and self.reaches(number, count, first=first, last=last)

    def names(self, layer: str) -> bool:
        """Whether the layer's name fits the pattern."""
        if self.layer is None:
            return True
        if self.layer.startswith("re:"):
            return re.fullmatch(self.layer[3:], layer) is not None
        return fnmatch.fnmatchcase(layer, self.layer)

    def reaches(self, number: int, count: int, *, first: bool, last: bool) -> bool:
        """Whether linear operation ``number`` of ``count`` lies at this depth."""
        d = self.depth
        if d is None:
            return True
        if isinstance(d, str):
            return first if d == "first" else last
        if isinstance(d, int):
            return number == (d if d >= 0 else count + d)
        low, high = d
        if isinstance(low, float) or isinstance(high, float):
            return low <= number / count < high or (high == 1 and number == count - 1 and low < 1)
        low, high = (int(v) if v >= 0 else count + int(v) for v in (low, high))
        return low <= number < high


def _is_depth(depth: Any) -> bool:
    if depth is None or depth in ("first", "last") or (isinstance(depth, int) and not isinstance(depth, bool)):
        return True
    if not (isinstance(depth, tuple) and len(depth) == 2 and all(isinstance(v, int | float) for v in depth)):
        return False
    return all(isinstance(v, int) for v in depth) or 0 <= depth[0] < depth[1] <= 1


@dataclass(frozen=True, init=False)
class Composite:
    """A table from operations to rules; equal tables are one backward, whatever their names.

    Parameters
    ----------
    name
        As it was asked for.
    rules
        Pairs of an address (:class:`At`, or the kind of operation alone) and a rule (:class:`LinearRule`, its name, or
        a function of one's own). The first that fits an operation is its rule.
    default
        The rule of operations that no entry addresses; ``None``: there may be none.
    no_positive
        What z+ and alpha-beta do where an output has no contribution of the sign they ask for: ``"fallback"`` goes by
        what the output has, ``"drop"`` is the literal rule.
    residual
        How a sum of two live tensors a + b hands on relevance R: ``"contribution"`` in proportion to a and b;
        ``"epsilon"`` likewise, with ``residual_epsilon`` times the root mean square of the sum as a stabiliser, which
        takes relevance from sums in which a and b nearly cancel; ``"magnitude"`` in proportion to abs(a) and abs(b);
        ``"skip_out"`` to the branch alone: the operand with fewer operations behind it is the skip and gets nothing
        (two of equally many go by contribution).
    residual_epsilon
        For ``residual="epsilon"`` alone; 0.25 by default.
    gate
        What a product of two live tensors does: ``"constant"`` takes the gate (sigmoid, softmax, squeeze-excite) for a
        constant, ``"half"`` gives each of the two operands half, gates or not.
    softmax
        ``"constant"``: attention weights are constants; ``"attnlrp"``: relevance passes the softmax by the rule of
        Achtibat et al. 2024, arXiv:2402.05602, eq. 13, and a matrix product with its weights gives half to each side.
    unknown
        ``"refuse"`` an operation without a rule, or go on by its plain ``"gradient"``: what it absorbs or adds is in
        the ledger and in the notes. A live denominator without a rule is a constant then; what is hidden from the
        engine (TorchScript, custom autograd functions, vmap) is refused all the same, for it cannot be measured.
    against
        Contrastive LRP (Gu et al. 2018): as much relevance as the class has is taken from all ``"others"`` in equal
        parts, or from the class of this index; the map then sums to about 0. ``None``: the class alone.

    Raises
    ------
    MethodError
        For an address, rule or option that does not exist.

    Examples
    --------
    >>> table = Composite("mine", [(At(depth="first"), "w_square"), ("convolution", LinearRule("gamma"))], "epsilon")
    >>> print(table.describe())
    depth first: w_square
    convolution: gamma
    everything else: epsilon
    """

    name: str = field(compare=False)
    rules: tuple[tuple[At, LinearRule], ...]
    default: LinearRule | None = None
    no_positive: NoPositive = "fallback"
    residual: Residual = "contribution"
    residual_epsilon: float | None = None
    gate: Gate = "constant"
    softmax: Softmax = "constant"
    unknown: Unknown = "refuse"
    against: Against | None = None

    def __init__(
        self,
        name: str,
        rules: Iterable[tuple[At | str, Rules]],
        default: Rules | None = None,
        *,
        no_positive: NoPositive = "fallback",
        residual: Residual = "contribution",
        residual_epsilon: float | None = None,
        gate: Gate = "constant",
        softmax: Softmax = "constant",
        unknown: Unknown = "refuse",
        against: Against | None = None,
    ) -> None:
        known = tuple((at if isinstance(at, At) else At(at), _rule(rule, name)) for at, rule in rules)
        options = {
            "name": name, "rules": known, "default": None if default is None else _rule(default, name),
            "no_positive": no_positive, "residual": residual, "residual_epsilon": residual_epsilon, "gate": gate,
            "softmax": softmax, "unknown": unknown, "against": against,
        }  # fmt: skip
        for key, value in options.items():
            object.__setattr__(self, key, value)
        self._check()

    def _check(self) -> None:
        for option, choices in CHOICES.items():
            given = getattr(self, option)
            if given not in choices:
                raise MethodError(f"{option} is '{given}'. {nearest(str(given), choices)}")
        if not (self.against in (None, "others") or (isinstance(self.against, int) and self.against is not True)):
            raise MethodError(f"against is {self.against!r}; it is 'others' or the index of a class.")
        if self.residual_epsilon is None:
            return
        if self.residual != "epsilon":
            msg = f"residual_epsilon has no effect with residual='{self.residual}'; it belongs to residual='epsilon'."
            raise MethodError(msg)
        if self.residual_epsilon <= 0:
            raise MethodError(f"residual_epsilon is {self.residual_epsilon}; it is more than 0.")

    def __str__(self) -> str:
        return self.name

    def entry_for(self, kind: str, layer: str, number: int, count: int, *, first: bool, last: bool) -> int | None:
        """Return the number of the first entry that fits an operation; None for the default."""
        for i, (at, _) in enumerate(self.rules):
            if at.fits(kind, layer, number, count, first=first, last=last):
                return i
        return None

    def describe(self) -> str:
        """Return the table as text, one line for each entry in the order in which they are tried."""
        lines = [f"{at.text}: {rule.label}" for at, rule in self.rules]
        if self.default is not None:
            lines.append(f"{'everything else' if lines else 'everything'}: {self.default.label}")
        options = [f"{o}={getattr(self, o)}" for o, c in CHOICES.items() if getattr(self, o) != c[0]]
        options += [] if self.against is None else [f"against={self.against}"]
        return "\n".join([*lines, *options])


def _rule(given: Any, composite: str) -> LinearRule:
    rule = given if isinstance(given, LinearRule) else LinearRule(given)
    name: Any = rule.name
    if isinstance(name, str) or (callable(name) and isinstance(name, Hashable)):
        return rule  # a name is looked up when the composite meets a network: rules are registered with torch
    msg = (
        f"The composite '{composite}' has {given!r} for a rule; give a LinearRule, its name, or a function (hashable)"
        " from a step to relevance divided by input."
    )
    raise MethodError(msg)

"""Sums: of two live tensors where a composite hands relevance on in a way of its own; with a constant, a bias."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from matxai.engine.ruletable import Composite
from matxai.engine.standins.call import Call, put
from matxai.engine.step import divided, margin

if TYPE_CHECKING:
    from matxai.engine.nodes import Cell, Switch

DEFAULT_EPSILON = 0.25
"""Of ``residual="epsilon"``, in units of the root mean square, as Montavon et al. 2019 take it for upper layers."""


def add(call: Call) -> Any:
    """Give a sum a node: what is constant in it is a bias, and two live tensors may be more than contributions."""
    run = call.run
    operands: list[Any] = [t for t in (*call.args[:2], call.kwargs.get("other")) if isinstance(t, Tensor | int | float)]
    if not call.ruled or len(operands) != 2:
        return NotImplemented
    a, b = operands
    live = [t for t in operands if run.value(t) is not None]
    one, other = factors = _factors(call)
    if len(live) == 2 and not run.keep.sums:
        return NotImplemented
    with torch.no_grad():
        value = torch.add(a, b, alpha=other) if one == 1 else torch.add(b, a, alpha=one)
    if len(live) == 2:
        return put(SumNode(run.switch, call.op.index, (run.store.keep(a), run.store.keep(b)), factors, value), a, b)
    if value.dtype != live[0].dtype:
        return NotImplemented
    constant, factor = (b * other, one) if live[0] is a else (a * one, other)
    return put(ShiftNode(run.switch, call.op.index, constant, factor, live[0].shape, value), live[0])


def _factors(call: Call) -> tuple[float, float]:
    """Return what the two operands are multiplied with."""
    alpha = call.kwargs.get("alpha", call.args[2] if len(call.args) > 2 else 1)
    if call.row.base == "add":
        return 1, alpha
    reflected = call.row.base == "rsub" or getattr(call.function, "__name__", "") == "__rsub__"
    return (-alpha, 1) if reflected else (1, -alpha)


@dataclass(eq=False)
class ShiftNode:
    """A live tensor times a factor, plus a constant: a bias, whose share is written down."""

    switch: Switch
    index: int
    constant: Tensor | float
    factor: float
    shape: torch.Size
    value: Tensor | None
    saved: tuple[Tensor, ...] = ()

    def pull(self, g: Tensor) -> tuple[Tensor]:
        """Pass, and book what the constant took."""
        if self.switch.passing:
            return (g.sum_to_size(self.shape),)
        if isinstance(self.switch.rule, Composite):
            self.switch.book.write("biases", g * self.constant, self.index)
        return ((g if self.factor == 1 else g * self.factor).sum_to_size(self.shape),)


@dataclass(eq=False)
class SumNode:
    """A sum of two live tensors, a and b times their factors."""

    switch: Switch
    index: int
    operands: tuple[Cell, Cell]
    factors: tuple[float, float]
    value: Tensor | None
    saved: tuple[Tensor, ...] = ()

    def pull(self, g: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """Follow the composite's ``residual``, or the plain gradient."""
        a, b = (c.tensor * f for c, f in zip(self.operands, self.factors, strict=True))
        rule = self.switch.rule
        one = two = g
        if isinstance(rule, Composite) and not self.switch.passing:
            one, two = self._relevance(rule, a, b, g)
        backs = (one * self.factors[0], two * self.factors[1])
        to_a, to_b = (s.sum_to_size(c.tensor.shape) for s, c in zip(backs, self.operands, strict=True))
        return to_a, to_b

    def _relevance(self, rule: Composite, a: Tensor, b: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
        """Return relevance divided by each (multiplied) operand."""
        z = a + b
        handed = z * g
        if rule.residual == "epsilon":
            s = divided(handed, z, margin(z, rule.residual_epsilon or DEFAULT_EPSILON))
            self._write(handed - s * z)
            return s, s
        if rule.residual == "magnitude":
            s = divided(handed, a.abs() + b.abs(), torch.zeros_like(z))
            return s * a.sign(), s * b.sign()
        skip = self.switch.skips.get(self.index)
        if rule.residual != "skip_out" or skip is None:
            return g, g
        branch = (b if skip == 0 else a).expand_as(z)
        s = divided(handed, branch, margin(branch))
        self._write(handed - s * branch)
        nothing = torch.zeros_like(s)
        return (nothing, s) if skip == 0 else (s, nothing)

    def _write(self, lost: Tensor) -> None:
        self.switch.book.write("stabilisers", lost, self.index)

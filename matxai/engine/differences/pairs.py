"""Pairs of inputs and baselines in one batch, and the node whose backward sees both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
from torch import Tensor

from matxai.engine.standins.call import put
from matxai.registry import Registry

if TYPE_CHECKING:
    from matxai.engine.nodes import Cell
    from matxai.engine.standins.call import Call

Pair: TypeAlias = tuple[Tensor, Tensor]
Back: TypeAlias = Callable[..., "tuple[Tensor | None, ...]"]

RULES: Registry[Callable[[Any], Any]] = Registry("rule for differences")


@dataclass(eq=False)
class PairNode:
    """An operation on pairs: ``back(g, *pairs)`` has what flows to the first half, and each kept tensor as a pair.

    Only the first half carries multipliers: they belong to the pair, and the score that they come from is the input's.
    """

    back: Back
    kept: tuple[Cell, ...]
    value: Tensor | None
    saved: tuple[Tensor, ...] = ()

    def pull(self, g: Tensor) -> tuple[Tensor | None, ...]:
        """Return multipliers for the inputs, and nothing for the baselines."""
        found = self.back(halves(g)[0], *(halves(c.tensor) for c in self.kept))
        return tuple(None if m is None else torch.cat([m, torch.zeros_like(m)]).to(g.dtype) for m in found)


def halves(tensor: Tensor) -> Pair:
    """Return inputs and baselines of a tensor, in float32 at least."""
    wide = tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor
    first, second = wide.chunk(2)
    return first, second


def paired(call: Call, back: Back, live: tuple[Tensor, ...], kept: tuple[Tensor, ...], value: Any) -> Any:
    """Put a pair node into the graph; ``value`` is what the operation gave, or that and more.

    An operation that has no batch axis in front cannot be split into inputs and baselines: it is left to its gradient,
    and refused.
    """
    first = value[0] if isinstance(value, tuple) else value
    batch = len(call.run.input.cell.tensor) if call.run.input is not None else 0
    if any(t.ndim == 0 or not batch or t.shape[0] % batch for t in (*live, *kept, first)):
        call.run.stuck[call.op.index] = "has no batch axis in front, so that inputs and baselines cannot be told apart"
        return NotImplemented
    node = PairNode(back, tuple(call.run.store.keep(t) for t in kept), first)
    out = put(node, *live)
    return (out, *value[1:]) if isinstance(value, tuple) else out


def of_both(function: Callable[[Tensor], Tensor], at: Tensor) -> Tensor:
    """Return the slope of an elementwise function, as autograd has it."""
    with torch.enable_grad():
        leaf = at.detach().requires_grad_()
        (slope,) = torch.autograd.grad(function(leaf.clone()).sum(), leaf)
    return slope

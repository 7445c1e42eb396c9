"""Tensors put side by side: what is constant among them (a class token, a map of coordinates) is a bias."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from matxai.engine.ruletable import Composite
from matxai.engine.standins.call import Call, put
from matxai.engine.standins.pools import geometry

if TYPE_CHECKING:
    from torch import Tensor

    from matxai.engine.nodes import Cell, Switch

_SIDE_BY_SIDE = frozenset({"cat", "concat", "concatenate", "stack"})


def join(call: Call) -> Any:
    """Put a node behind what joins live tensors and constants; of live tensors alone plain autograd is right."""
    left = geometry(call)
    pieces = call.args[0] if call.args else call.kwargs.get("tensors")
    if not call.ruled or call.op.in_place or call.row.base not in _SIDE_BY_SIDE or not isinstance(pieces, tuple | list):
        return left
    constant = [call.run.value(piece) is None for piece in pieces]
    if not any(constant):
        return left
    out = call.function(*call.args, **call.kwargs)
    dim = call.kwargs.get("axis", call.read()["dim"])
    spans, at = [], 0
    for piece, fixed in zip(pieces, constant, strict=True):
        length = 1 if call.row.base == "stack" else piece.shape[dim] if piece.ndim == out.ndim else 0
        if fixed and length:
            held = piece.detach().unsqueeze(dim) if call.row.base == "stack" else piece
            spans.append((at, call.run.store.keep(held)))
        at += length
    return put(JoinNode(call.run.switch, call.op.index, dim, tuple(spans), out.detach()), out)


@dataclass(eq=False)
class JoinNode:
    """What was joined; the relevance of ``spans``, (first place along ``dim``, constant) each, is written down."""

    switch: Switch
    index: int
    dim: int
    spans: tuple[tuple[int, Cell], ...]
    value: Tensor | None
    saved: tuple[Tensor, ...] = ()

    def pull(self, g: Tensor) -> tuple[Tensor]:
        """Pass, and book what the constants took."""
        if isinstance(self.switch.rule, Composite) and not self.switch.passing:
            for at, constant in self.spans:
                length = constant.tensor.shape[self.dim]
                share = g.narrow(self.dim, at, length) * constant.tensor
                self.switch.book.write("biases", share, self.index)
        return (g,)

"""What all stand-ins share: one keeps what the planned backwards need, and pulls back what they bring.

Every stand-in is the one autograd function :class:`StandIn` around a node. Which backward runs is asked of the
:class:`Switch` that all nodes of a run share, when the backward runs: one forward serves plain, guided and LRP
backwards, on any thread.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, cast

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from matxai.engine.ledger import Book
from matxai.engine.plan import GRADIENT, Rule
from matxai.engine.step import Parts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from matxai.engine.biases import BiasGradient
    from matxai.engine.gates import Gate
    from matxai.engine.ruletable import LinearRule


@dataclass
class Switch:
    """What the backward that runs now does. One object for each run; read by its nodes, set between backwards.

    Attributes
    ----------
    rule
        The rule of the running backward.
    rules
        Of a composite: index of a linear operation -> its rule.
    parts
        What several composites share of an operation.
    passing
        Whether what flows is relevance itself, on its way from a first-layer rule to the input.
    first
        Indices of the operations that the input reaches first.
    rectified
        Indices of the operations whose output only ReLUs use.
    gates
        What is known of products of two live tensors: index -> which operand is the gate.
    skips
        For sums: index -> which operand is the skip of a residual block (0 or 1).
    deposits
        Relevance that first-layer rules laid down at their operation's input: index -> (B, C, *spatial).
    biases
        Where the plain gradient puts the gradients of biases down, if they are read.
    book
        Where rules write what was absorbed.
    together
        Whether the backward is one of several targets at once.
    """

    rule: Rule = GRADIENT
    rules: Mapping[int, LinearRule] = field(default_factory=dict)
    parts: Parts = field(default_factory=Parts)
    passing: bool = False
    first: frozenset[int] = frozenset()
    rectified: frozenset[int] = frozenset()
    gates: dict[int, Gate] = field(default_factory=dict)
    skips: dict[int, int] = field(default_factory=dict)
    deposits: dict[int, Tensor] = field(default_factory=dict)
    biases: list[BiasGradient] | None = None
    book: Book = field(default_factory=Book)
    together: bool = False


class Cell:
    """A tensor that the run holds on to; it is copied before the model writes into its storage."""

    __slots__ = ("__weakref__", "tensor")

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor.detach()


class Store:
    """The cells of one run by storage: ``Kept: bytes`` are counted here, and writes make copies here."""

    def __init__(self) -> None:
        self._cells: dict[int, weakref.WeakSet[Cell]] = {}

    def keep(self, tensor: Tensor) -> Cell:
        """Hold ``tensor`` as it is now."""
        cell = Cell(tensor)
        self._cells.setdefault(tensor.untyped_storage().data_ptr(), weakref.WeakSet()).add(cell)
        return cell

    def before_write(self, tensor: Tensor) -> None:
        """Give every cell on this tensor's storage a copy of its own, since the storage is about to change."""
        for cell in self._cells.pop(tensor.untyped_storage().data_ptr(), ()):
            cell.tensor = cell.tensor.clone()
            self._cells.setdefault(cell.tensor.untyped_storage().data_ptr(), weakref.WeakSet()).add(cell)

    def shield(self, target: Tensor | None) -> saved_tensors_hooks:
        """Hold what PyTorch saves inside as it is now, also from what the operation itself writes into ``target``."""
        storage = None if target is None else target.untyped_storage().data_ptr()

        def keep(tensor: Tensor) -> Cell:
            own = tensor.untyped_storage().data_ptr() == storage
            return self.keep(tensor.clone() if own else tensor)

        return saved_tensors_hooks(keep, lambda cell: cell.tensor)

    def nbytes(self) -> int:
        """Return the bytes of the distinct storages held now."""
        storages = {
            (s := c.tensor.untyped_storage()).data_ptr(): s.nbytes() for cells in self._cells.values() for c in cells
        }
        return sum(storages.values())


class Node(Protocol):
    """One operation's stand-in.

    ``pull(g, *saved)`` returns what flows to each input, given what flows to the output and the ``saved`` tensors.
    """

    value: Tensor | None
    saved: tuple[Tensor, ...]

    @property
    def pull(self) -> Callable[..., Sequence[Tensor | None]]:
        """See the class."""


class StandIn(torch.autograd.Function):
    """The one autograd function: hands out the node's value, and asks the node when the backward comes."""

    @staticmethod
    def forward(ctx: Any, node: Node, *_inputs: Tensor) -> Tensor:
        """Return the value that the node computed, as a tensor that is no view of an input."""
        ctx.node = node
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*node.saved)
        value, node.value, node.saved = cast("Tensor", node.value), None, ()
        return value.detach() if value._is_view() else value  # 1-D pools come as views, which refuse writes

    @staticmethod
    def backward(ctx: Any, g: Tensor | None) -> tuple[Tensor | None, ...]:
        """Pull ``g`` back through the node."""
        if g is None:
            return (None,) * len(ctx.needs_input_grad)
        return (None, *ctx.node.pull(g, *ctx.saved_tensors))


class Root(torch.autograd.Function):
    """Starts a graph at a tensor, in place: every name that the model has for it sees the same tensor."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor, _anchor: Tensor) -> Tensor:
        """Return ``tensor`` itself, now with a graph behind it."""
        ctx.mark_dirty(tensor)
        return tensor

    @staticmethod
    def backward(_ctx: Any, _g: Tensor) -> tuple[None, None]:
        """Nothing lies in front of a root."""
        return None, None

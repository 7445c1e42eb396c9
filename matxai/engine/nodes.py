"""What stands in the graph for an operation: it keeps what the planned backwards need, and pulls back what they bring.

Every stand-in is the one autograd function :class:`StandIn` around a node. Which backward runs is asked of the
:class:`Switch` that all nodes of a run share, when the backward runs: one forward serves plain, guided and LRP
backwards, on any thread.
"""

from __future__ import annotations

import math
import weakref
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, cast

import torch
from torch import Tensor

from matxai.engine.composites import Composite, LinearRule
from matxai.engine.ledger import Book
from matxai.engine.plan import DECONVNET, GRADIENT, GUIDED, Rule

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from matxai.engine.linear import LinearMap


@dataclass
class Switch:
    """What the backward that runs now does. One object for each run; read by its nodes, set between backwards.

    Attributes
    ----------
    rule
        The rule of the running backward.
    passing
        Whether what flows is relevance itself, on its way from a first-layer rule to the input.
    first
        Indices of the operations that the input reaches first.
    rectified
        Indices of the operations whose output only ReLUs use.
    constant
        For products: index -> which operand is the gate (0 or 1).
    deposits
        Relevance that first-layer rules laid down at their operation's input: index -> (B, C, *spatial).
    book
        Where rules write what was absorbed.
    """

    rule: Rule = GRADIENT
    passing: bool = False
    first: frozenset[int] = frozenset()
    rectified: frozenset[int] = frozenset()
    constant: dict[int, int] = field(default_factory=dict)
    deposits: dict[int, Tensor] = field(default_factory=dict)
    book: Book = field(default_factory=Book)


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
        value, node.value, node.saved = node.value, None, ()
        return cast("Tensor", value)

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


class InPlaceReLU(torch.autograd.Function):
    """ReLU that writes into its input, as the model asked for."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, switch: Switch) -> Tensor:
        """Return ``x``, rectified."""
        ctx.switch = switch
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(x > 0)
        ctx.mark_dirty(x)
        return x.relu_()

    @staticmethod
    def backward(ctx: Any, g: Tensor | None) -> tuple[Tensor | None, None]:
        """Pass ``g`` where the input was positive."""
        return (None if g is None else rectified_gradient(g, ctx.saved_tensors[0], ctx.switch.rule)), None


def rectified_gradient(g: Tensor, positive: Tensor, rule: Rule) -> Tensor:
    """Return what a ReLU passes back: where its input was positive; guided: and ``g`` is; deconvnet: where ``g`` is."""
    if rule is DECONVNET:
        return g.clamp(min=0)
    if rule is GUIDED:
        g = g.clamp(min=0)
    return g * positive


@dataclass(eq=False)
class ReLUNode:
    """ReLU; keeps one boolean for each value."""

    switch: Switch
    value: Tensor | None
    saved: tuple[Tensor, ...]

    def pull(self, g: Tensor, positive: Tensor) -> tuple[Tensor]:
        """See :func:`rectified_gradient`."""
        return (rectified_gradient(g, positive, self.switch.rule),)


@dataclass(eq=False)
class MaxPoolNode:
    """Max-pooling; keeps the place of each maximum as 32-bit integers, and not the input."""

    value: Tensor | None
    saved: tuple[Tensor, ...]
    shape: torch.Size
    axes: int

    def pull(self, g: Tensor, indices: Tensor) -> tuple[Tensor]:
        """Give each value to the maximum that it came from."""
        flat = g.new_zeros(*self.shape[: -self.axes], math.prod(self.shape[-self.axes :]))
        flat.scatter_add_(-1, indices.flatten(-self.axes).long(), g.flatten(-self.axes))
        return (flat.view(self.shape),)


@dataclass(eq=False)
class LinearNode:
    """A linear operation, with the batch norm behind it folded in where there is one.

    Inputs in the graph: x, and z before the batch norm where somebody reads gradients there (``split``).

    Attributes
    ----------
    weight, bias
        The operation's own.
    scale, shift
        Of the folded batch norm, (K,) each.
    x, z
        Input and output, kept when a composite is planned.
    index, entry
        Of the operation that made the output and of the linear one in the trace: they differ with a batch norm.
    """

    switch: Switch
    map: LinearMap
    weight: Tensor
    bias: Tensor | None
    shape: torch.Size
    value: Tensor | None
    index: int = -1
    entry: int = -1
    scale: Tensor | None = None
    shift: Tensor | None = None
    x: Cell | None = None
    z: Cell | None = None
    nonnegative: bool = False
    split: bool = False
    saved: tuple[Tensor, ...] = ()

    @property
    def kind(self) -> str:
        """The kind that a composite's table knows."""
        return self.map.kind

    def folded(self) -> tuple[Tensor, Tensor | None]:
        """Return weight and bias with the batch norm in them."""
        if self.scale is None or self.shift is None:
            return self.weight, self.bias
        bias = self.shift if self.bias is None else self.bias * self.scale + self.shift
        return self.map.scaled(self.weight, self.scale), bias

    def pull(self, g: Tensor) -> tuple[Tensor | None, ...]:
        """Follow the composite, or the plain gradient."""
        if isinstance(self.switch.rule, Composite):
            back = self._relevance(g, self.switch.rule)
            return (back, None) if self.split else (back,)
        if self.scale is not None:
            g = g * self.map.per_channel(self.scale, g.ndim)
        return (None, g) if self.split else (self.map.adjoint(g, self.weight, self.shape),)

    def _relevance(self, g: Tensor, composite: Composite) -> Tensor | None:
        from matxai.engine.rules import DIRECT, Step, apply_rule

        first = self.entry in self.switch.first
        rule: LinearRule = composite.rule_for(self.kind, first=first)
        weight, bias = self.folded()
        x, z = cast("Cell", self.x).tensor, cast("Cell", self.z).tensor
        step = Step(
            self.map, x, z, g, weight, bias,
            nonnegative=self.nonnegative,
            rectified=self.index in self.switch.rectified,
            fallback=composite.no_positive == "fallback",
            book=self.switch.book,
        )  # fmt: skip
        back = apply_rule(rule, step)
        if rule.name not in DIRECT:
            return back
        held = self.switch.deposits.get(self.entry)
        self.switch.deposits[self.entry] = back if held is None else held + back
        return None


@dataclass(eq=False)
class TapNode:
    """Nothing but a place in the graph: where a first-layer rule lays down relevance."""

    value: Tensor | None
    saved: tuple[Tensor, ...] = ()

    def pull(self, g: Tensor) -> tuple[Tensor]:
        """Pass."""
        return (g,)


@dataclass(eq=False)
class AffineNode:
    """A batch norm that no linear operation made the input of: z = scale * x + shift, for each channel."""

    switch: Switch
    scale: Tensor
    value: Tensor | None
    shift: Tensor | None = None
    z: Cell | None = None
    saved: tuple[Tensor, ...] = ()

    def pull(self, g: Tensor) -> tuple[Tensor]:
        """Follow the epsilon rule, or the plain gradient."""
        rule = self.switch.rule
        if self.switch.passing:
            return (g,)
        if isinstance(rule, Composite) and self.z is not None:
            from matxai.engine.rules import affine

            return (affine(rule.rule_for("batch_norm"), self.z.tensor, g, self.scale, self.shift, self.switch.book),)
        return (g * self.scale,)


@dataclass(eq=False)
class ScaleNode:
    """A product of a live tensor with a constant; relevance itself passes it unchanged."""

    switch: Switch
    factor: Tensor | float
    shape: torch.Size
    value: Tensor | None
    saved: tuple[Tensor, ...] = ()

    def pull(self, g: Tensor) -> tuple[Tensor]:
        """Multiply, and sum over what was broadcast."""
        back = g if self.switch.passing else g * self.factor
        return (back.sum_to_size(self.shape),)


@dataclass(eq=False)
class GateNode:
    """A product of two live tensors; LRP takes the gate for a constant."""

    switch: Switch
    index: int
    operands: tuple[Cell, Cell]
    value: Tensor | None
    saved: tuple[Tensor, ...] = ()

    def pull(self, g: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """Multiply with the other operand; nothing flows to a gate under LRP."""
        a, b = (c.tensor for c in self.operands)
        gate = self.switch.constant.get(self.index) if isinstance(self.switch.rule, Composite) else None
        to_a = None if gate == 0 else (g * b).sum_to_size(a.shape)
        to_b = None if gate == 1 else (g * a).sum_to_size(b.shape)
        return to_a, to_b


@dataclass(eq=False)
class ActivationNode:
    """An elementwise function: its slope for gradients, (f(x) - f(0)) / x for relevance divided by input."""

    switch: Switch
    base: str
    call: dict[str, Any]
    x: Cell
    value: Tensor | None
    saved: tuple[Tensor, ...] = ()

    def pull(self, g: Tensor) -> tuple[Tensor]:
        """Multiply with slope or ratio."""
        from matxai.engine.activations import ratio, slope

        if self.switch.passing:
            return (g,)
        f = ratio if isinstance(self.switch.rule, Composite) else slope
        return (g * f(self.base, self.x.tensor, self.call),)

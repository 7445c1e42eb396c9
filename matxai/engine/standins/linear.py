"""Linear operations: convolution, transposed convolution, dense layers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from matxai.engine.composites import Composite
from matxai.engine.linear import LinearMap, linear_map
from matxai.engine.prepared import Noted
from matxai.engine.rules import apply_rule
from matxai.engine.standins.call import Call, put
from matxai.engine.step import Step

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from matxai.engine.nodes import Cell, Switch


def linear(call: Call) -> Any:
    """Convolution, transposed convolution, dense."""
    run, x, given = call.run, call.x, call.read()
    weight, bias = given["weight"], given["bias"]
    if run.value(x) is None or run.value(weight) is not None or run.value(bias) is not None:
        call.op.kind = "matmul"
        return call.refuse("has weights that depend on the input")
    kind = call.op.kind = "transposed_convolution" if given.get("transposed") else call.row.kind
    if kind != "linear" and x.ndim != weight.ndim:
        return call.refuse("has an input without a batch axis")
    map_ = linear_map(kind, weight, given)
    if kind != "linear":
        call.op.params = {
            "kernel_size": tuple(weight.shape[2:]),
            "stride": map_.stride,
            "padding": map_.padding,
            "dilation": map_.dilation,
            "output_padding": map_.output_padding,
            "groups": map_.groups,
            "margin": map_.margin,
        }
    if run.noted is not None:
        run.noted[call.op.index] = Noted(map_, run.origin(weight), None if bias is None else run.origin(bias))
    if run.ready is not None:
        from matxai.engine.standins.prepared import prepared_linear  # it builds on this file

        result = prepared_linear(call, map_, weight, bias, x)
        if result is not NotImplemented:
            return result
    if not call.lean:
        return NotImplemented
    return linear_node(call, LinearNode(run.switch, map_, weight, bias, x.shape, call.value()), x)


def linear_node(call: Call, node: LinearNode, x: Tensor) -> Tensor:
    """Put a linear node into the graph, with what relevance needs where that is planned."""
    run = call.run
    node.index = node.entry = call.op.index
    if not run.keep.relevance:
        return put(node, x)
    node.x, node.z = run.store.keep(x), run.store.keep(cast("Tensor", node.value))
    node.nonnegative = run.is_nonnegative(x)
    value = run.value(x)
    if value is not None and value.clean:
        x = run.entries[call.op.index] = put(TapNode(x.detach()), x)
    out = put(node, x)
    run.pending = (out, node, x)
    return out


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
        if self.split:
            return None, g
        if self.switch.together:  # packed weights know nothing of several targets at once
            return (LinearMap.adjoint(self.map, g, self.weight, self.shape),)
        return (self.map.adjoint(g, self.weight, self.shape),)

    def _relevance(self, g: Tensor, composite: Composite) -> Tensor | None:
        weight, bias = self.folded()
        x, z = cast("Cell", self.x).tensor, cast("Cell", self.z).tensor
        second = self._batch_is_second(x)
        if second:  # stabilisers and the book are per sample
            x, z, g = x.transpose(0, 1), z.transpose(0, 1), g.transpose(0, 1)
        step = Step(
            self.switch.rules[self.entry], self.map, x, z, g, weight, bias,
            nonnegative=self.nonnegative,
            rectified=self.index in self.switch.rectified,
            fallback=composite.no_positive == "fallback",
            book=self.switch.book,
            index=self.index,
            parts=self.switch.parts,
        )  # fmt: skip
        back = apply_rule(step)
        back = back.transpose(0, 1) if second else back
        if not step.direct:
            return back
        step.refuse_within(self.entry in self.switch.first)
        held = self.switch.deposits.get(self.entry)
        self.switch.deposits[self.entry] = back if held is None else held + back
        return None

    def _batch_is_second(self, x: Tensor) -> bool:
        """Whether a dense layer has a sequence with the time in front, (L, B, C)."""
        samples = self.switch.book.samples
        return (
            type(self.map) is LinearMap and self.map.kind == "linear" and x.ndim == 3 and samples is not None
            and x.shape[0] != samples == x.shape[1]
        )  # fmt: skip


@dataclass(eq=False)
class TapNode:
    """Nothing but a place in the graph: where a first-layer rule lays down relevance."""

    value: Tensor | None
    saved: tuple[Tensor, ...] = ()

    def pull(self, g: Tensor) -> tuple[Tensor]:
        """Pass."""
        return (g,)

"""One call that the capture saw, as the function that stands in for it gets it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor

from matxai.engine.nested import mapped
from matxai.engine.nodes import Node, StandIn

if TYPE_CHECKING:
    from collections.abc import Callable

    from matxai.engine.capture import Capture
    from matxai.engine.operations import Row
    from matxai.engine.trace import Operation

WRITTEN_OUT = "written_out"
WRITTEN_OUT_FOR_PAIRS = frozenset({"attention", "recurrent", "glu", "product_sum", "bilinear", "lp_pool"})
"""The kind of an operation whose steps are in the trace in its place."""


@dataclass
class Call:
    """One call that the capture saw.

    Attributes
    ----------
    run
        The capture.
    row
        What the table says of the function.
    function, args, kwargs
        The call itself, constants without a graph.
    op
        Its record in the trace, outputs still missing.
    graph
        Whether a backward will pass here.
    """

    run: Capture
    row: Row
    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    op: Operation
    graph: bool

    @property
    def x(self) -> Tensor:
        """The first argument."""
        return cast("Tensor", self.args[0] if self.args else self.kwargs.get("input"))

    def read(self) -> dict[str, Any]:
        """The arguments after the first, by name."""
        return self.row.read(self.args, self.kwargs)

    def value(self) -> Any:
        """What the model's own function gives, without a graph."""
        with torch.no_grad():
            return self.function(*self.args, **self.kwargs)

    @property
    def lean(self) -> bool:
        """Whether linear operations and norms get stand-ins: where a backward passes, unless plain autograd will do."""
        return self.graph and (self.run.keep.relevance or not self.run.keep.exact)

    @property
    def ruled(self) -> bool:
        """Whether relevance will pass here, or differences that need the steps of an operation."""
        keep = self.run.keep
        return self.graph and (keep.relevance or (keep.difference and self.row.kind in WRITTEN_OUT_FOR_PAIRS))

    def refuse(self, reason: str) -> Any:
        """Leave the operation to PyTorch, and say why LRP cannot pass it."""
        self.op.refused = reason
        return NotImplemented

    def written_out(self, function: Callable[..., Any], *args: Any) -> Any:
        """Let ``function`` compute in the call's place, each of its steps seen as if the model had written it.

        With ``exact`` the values are the model's own, bit for bit, with the steps' graph behind them.
        """
        if self.op.in_place:
            return self.refuse("writes into its input and has no LRP rule in place")
        run = self.run
        with run:
            steps = function(*args)
        self.op.kind = WRITTEN_OUT
        if not run.keep.exact:
            return steps
        if isinstance(steps, Tensor):
            return run.replaced(steps, put(SameNode(self._own()), steps))
        return tuple(
            step if run.value(step) is None else run.replaced(step, put(SameNode(own), step))
            for own, step in zip(self._own(), steps, strict=False)
        )

    def _own(self) -> Any:
        """The value with the module's own parameters: PyTorch takes other kernels for weights without a gradient."""
        origin = self.run.origin
        args, kwargs = (mapped(part, origin) for part in (list(self.args), dict(self.kwargs)))
        with torch.no_grad():
            return self.function(*args, **kwargs)


@dataclass(eq=False)
class SameNode:
    """The value as the model's own function computes it; its graph is that of the same thing written out."""

    value: Tensor | None
    saved: tuple[Tensor, ...] = ()

    def pull(self, g: Tensor) -> tuple[Tensor]:
        """Pass."""
        return (g,)


def native_pull(function: Callable[[Tensor], Tensor], x: Tensor, g: Tensor) -> Tensor:
    """Return the plain gradient of ``function`` at ``x``, as autograd has it."""
    with torch.enable_grad():
        leaf = x.detach().requires_grad_()
        (back,) = torch.autograd.grad(function(leaf), leaf, g)
    return back


def put(node: Node, *inputs: Tensor) -> Tensor:
    """Put a node into the graph: return its value, with ``node.pull`` as its backward to ``inputs``."""
    return cast("Tensor", StandIn.apply(node, *inputs))

"""One call that the capture saw, as the function that stands in for it gets it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor

from matxai.engine.nodes import Node, StandIn

if TYPE_CHECKING:
    from collections.abc import Callable

    from matxai.engine.capture import Capture
    from matxai.engine.operations import Row
    from matxai.engine.trace import Operation


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
        """Whether relevance will pass here."""
        return self.graph and self.run.keep.relevance

    def refuse(self, reason: str) -> Any:
        """Leave the operation to PyTorch, and say why LRP cannot pass it."""
        self.op.refused = reason
        return NotImplemented


def put(node: Node, *inputs: Tensor) -> Tensor:
    """Put a node into the graph: return its value, with ``node.pull`` as its backward to ``inputs``."""
    return cast("Tensor", StandIn.apply(node, *inputs))

"""What is known of the tensors of a run: values that depend on the input, places that are read, what is kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor
    from torch.autograd.graph import GradientEdge

    from matxai.engine.nodes import Cell
    from matxai.engine.prepared import Passing
    from matxai.engine.standins.linear import LinearNode


@dataclass(eq=False, slots=True)
class Value:
    """What is known of a tensor that depends on the input; it hangs on the tensor itself.

    Attributes
    ----------
    owner
        The capture that wrote it: what an earlier run left on a tensor counts for nothing.
    id
        Its id in the trace.
    version
        Of the tensor when this was written: later writes make the rest invalid.
    nonnegative
        Whether the operation that made it cannot give negative values.
    clean
        Whether the input reaches it through no linear operation, on any path.
    node, source
        The linear operation that made it and that operation's input: a batch norm that follows is folded into it.
    spot
        The layer that it is the output of, when that is kept.
    straight
        The same tensor with the graph that it had inside a block that recomputes itself; see
        :mod:`matxai.engine.wrapped`.
    passing
        What it stands for in a prepared plan, until the operations that were computed along with it have come.
    """

    owner: object
    id: int
    version: int
    nonnegative: bool = False
    clean: bool = False
    node: LinearNode | None = None
    source: Tensor | None = None
    spot: Spot | None = None
    straight: Tensor | None = None
    passing: Passing | None = None


@dataclass(eq=False)
class Spot:
    """A place where tensors are read: the input, or a layer's output.

    ``edge`` is where its gradient is read; ``fused`` and ``fused_edge`` stand for the batch norm that was folded into
    the operation in front: relevance is read behind it.
    """

    name: str
    value: int
    cell: Cell
    edge: GradientEdge | None
    fused: Cell | None = None
    fused_edge: GradientEdge | None = None


@dataclass(eq=False)
class Tail:
    """A softmax or sigmoid that may turn out to be the last operation: its input, and views taken of both since.

    ``value`` is the value of what the model goes on with, ``source`` that of the input, ``logits`` the input's tensor.
    """

    value: int
    source: int
    logits: Tensor
    name: str


@dataclass(frozen=True)
class Keep:
    """What the planned backwards need of the graph.

    Attributes
    ----------
    graph
        Whether there is any backward.
    at_input
        Whether one goes back to the input; else the graph begins at the layers.
    relevance
        Whether a composite is planned: inputs and outputs of linear operations are kept.
    rectified
        Whether guided or deconvnet is planned.
    exact
        Plain autograd wherever no rule is needed.
    live_softmax
        Whether a composite passes relevance through softmaxes: their inputs are kept.
    difference
        Whether ratios of differences stand in the place of slopes.
    sums, unknown
        Whether a composite does not take sums by contribution, or passes operations that have no rule.
    biases
        Whether the gradients of biases are read.
    """

    graph: bool = False
    at_input: bool = False
    relevance: bool = False
    rectified: bool = False
    exact: bool = False
    live_softmax: bool = False
    difference: bool = False
    sums: bool = False
    unknown: bool = False
    biases: bool = False

"""Which stand-in an operation gets: one function for each kind, called by the capture before the native function.

Each returns the result, or ``NotImplemented`` to leave the operation to PyTorch. It may add geometry to the recorded
operation, or the reason why LRP cannot pass.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import torch
import torch.nn.functional as F  # noqa: N812 - everybody's name for it
from torch import Tensor

from matxai.engine.edges import edge_of
from matxai.engine.linear import linear_map
from matxai.engine.nodes import (
    ActivationNode,
    AffineNode,
    GateNode,
    InPlaceReLU,
    LinearNode,
    MaxPoolNode,
    Node,
    ReLUNode,
    ScaleNode,
    StandIn,
    TapNode,
)

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


def _put(node: Node, *inputs: Tensor) -> Tensor:
    return cast("Tensor", StandIn.apply(node, *inputs))


def _linear(call: Call) -> Any:
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
    if not call.lean:
        return NotImplemented
    return _linear_node(call, LinearNode(run.switch, map_, weight, bias, x.shape, call.value()), x)


def _linear_node(call: Call, node: LinearNode, x: Tensor) -> Tensor:
    """Put a linear node into the graph, with what relevance needs where that is planned."""
    run = call.run
    node.index = node.entry = call.op.index
    if not run.keep.relevance:
        return _put(node, x)
    node.x, node.z = run.store.keep(x), run.store.keep(cast("Tensor", node.value))
    node.nonnegative = run.is_nonnegative(x)
    value = run.value(x)
    if value is not None and value.clean:
        x = run.entries[call.op.index] = _put(TapNode(x.detach()), x)
    out = _put(node, x)
    run.pending = (out, node, x)
    return out


def _matmul(call: Call) -> Any:
    """A product with a constant matrix is a dense layer."""
    run, base = call.run, call.row.base
    if len(call.op.inputs) > 1:
        return call.refuse("multiplies two tensors that both depend on the input")
    operands = call.args[:3] if base == "addmm" else (None, *call.args[:2])
    if base not in ("matmul", "mm", "addmm") or len(operands) != 3 or call.kwargs:
        return NotImplemented
    bias, x, weight = operands
    reflected = getattr(call.function, "__name__", "") == "__rmatmul__"
    if reflected or run.value(x) is None or not isinstance(weight, Tensor) or weight.ndim != 2:
        return NotImplemented
    call.op.kind = "linear"
    if not call.ruled:
        return NotImplemented
    map_ = linear_map("linear", weight, {})
    return _linear_node(call, LinearNode(run.switch, map_, weight.t(), bias, x.shape, call.value()), x)


def _batch_norm(call: Call) -> Any:
    """Batch norm in evaluation mode: folded into the linear operation that made its input, else an affine map."""
    run, x, given = call.run, call.x, call.read()
    mean, var = given["running_mean"], given["running_var"]
    if given.get("training") or mean is None or var is None:
        call.op.kind = "norm"
        return call.refuse("takes its statistics from the batch and has no LRP rule")
    if not call.lean:
        return NotImplemented
    result = call.value()
    value, rest = (result[0], result[1:]) if isinstance(result, tuple) else (result, None)
    with torch.no_grad():
        scale = torch.rsqrt(var + given["eps"])
        if given["weight"] is not None:
            scale = scale * given["weight"]
        shift = -mean * scale
        if given["bias"] is not None:
            shift = shift + given["bias"]
    out = _folded(call, x, value, scale, shift) if run.keep.relevance else None
    if out is None:
        shape = (1, -1, *(1,) * (x.ndim - 2))
        node = AffineNode(run.switch, scale.view(shape), value)
        if run.keep.relevance:
            node.z, node.shift = run.store.keep(value), shift.view(shape)
        out = _put(node, x)
    return out if rest is None else (out, *rest)


def _folded(call: Call, x: Tensor, value: Tensor, scale: Tensor, shift: Tensor) -> Tensor | None:
    """Return the batch norm as one operation with the linear one before it, or None where nothing made its input."""
    run = call.run
    made = run.value(x)
    if made is None or made.node is None or made.source is None or made.version != x._version:
        return None
    before, source = made.node, made.source
    if before.scale is not None or before.x is None or (before.map.kind == "linear" and x.ndim != 2):
        return None
    spot = made.spot
    node = LinearNode(run.switch, before.map, before.weight, before.bias, before.shape, value)
    node.index, node.entry = call.op.index, before.entry
    node.scale, node.shift, node.x, node.z = scale, shift, before.x, run.store.keep(value)
    node.nonnegative, node.split = before.nonnegative, spot is not None
    if spot is None:
        return _put(node, source)
    spot.fused = node.z
    out = _put(node, source, x)
    spot.fused_edge = edge_of(out)
    return out


def _relu(call: Call) -> Any:
    x, keep = call.x, call.run.keep
    if not call.graph or (keep.exact and not keep.rectified):
        return NotImplemented
    if call.op.in_place and x._base is None and not x.is_leaf:
        return InPlaceReLU.apply(x, call.run.switch)
    with torch.no_grad():
        value = torch.relu(x)
        node = ReLUNode(call.run.switch, value, (value > 0,))
    return _put(node, x)


def _max_pool(call: Call) -> Any:
    x, given, base = call.x, call.read(), call.row.base
    axes = int(base[len("max_pool")])
    call.op.params = _pool_params(given, axes)
    if not call.graph or call.run.keep.exact or x.ndim != axes + 2:
        return NotImplemented
    pool = (F.max_pool1d_with_indices, F.max_pool2d_with_indices, F.max_pool3d_with_indices)[axes - 1]
    with torch.no_grad():
        value, indices = pool(
            x, given["kernel_size"], given["stride"] or None, given["padding"], given["dilation"], given["ceil_mode"]
        )
        node = MaxPoolNode(value, (indices.to(torch.int32),), x.shape, axes)
    out = _put(node, x)
    asked = call.kwargs.get("return_indices") is True or call.args[6:7] == (True,)
    return (out, indices) if asked or "with_indices" in base else out


def _pool_params(given: dict[str, Any], axes: int) -> dict[str, Any]:
    def each(value: Any) -> tuple[int, ...]:
        values = tuple(value) if isinstance(value, list | tuple) else (value,)
        return tuple(int(v) for v in (values * axes if len(values) == 1 else values))

    params: dict[str, Any] = {k: each(given[k]) for k in ("kernel_size", "padding", "dilation") if k in given}
    params["stride"] = each(given["stride"]) if given["stride"] not in (None, [], ()) else params["kernel_size"]
    params["ceil_mode"] = bool(given["ceil_mode"])
    if "count_include_pad" in given:
        params["count_include_pad"] = bool(given["count_include_pad"])
    return params


def _average_pool(call: Call) -> Any:
    call.op.params = _pool_params(call.read(), int(call.row.base[len("avg_pool")]))
    return NotImplemented


def _geometry(call: Call) -> Any:
    """Nothing to stand in for: only the call's arguments are of interest."""
    call.op.params = {k: v for k, v in call.read().items() if not isinstance(v, Tensor)}
    base = call.row.base
    if base.startswith("upsample_"):  # an exported program's interpolation: its mode is in its name
        call.op.params["mode"] = base.removeprefix("upsample_").rstrip("0123456789d")
    return NotImplemented


def _product(call: Call) -> Any:
    """A product with a constant is plain; of two live tensors one is a gate."""
    run, quotient = call.run, call.row.kind == "quotient"
    a, b = (*call.args, None)[:2]
    if len(call.op.inputs) > 1:
        if quotient or a is b:
            return call.refuse("combines two tensors that both depend on the input")
        call.op.kind = "gate"
        if not call.ruled:
            return NotImplemented
        with torch.no_grad():
            value = torch.mul(a, b)
        return _put(GateNode(run.switch, call.op.index, (run.store.keep(a), run.store.keep(b)), value), a, b)
    if (quotient and run.value(a) is None) or call.kwargs.get("rounding_mode") is not None:
        return call.refuse("has no LRP rule")
    call.op.kind = "scale"
    if not call.ruled or call.kwargs.get("out") is not None:
        return NotImplemented
    x, other = (a, b) if run.value(a) is not None else (b, a)
    with torch.no_grad():
        value = torch.div(x, other) if quotient else torch.mul(x, other)
        factor = 1 / other if quotient else other
    return _put(ScaleNode(run.switch, factor, x.shape, value), x)


def _activation(call: Call) -> Any:
    given, x = call.read(), call.x
    if any(isinstance(v, Tensor) for v in given.values()):
        return call.refuse("has bounds that are tensors")
    if not call.ruled:
        return NotImplemented
    with torch.no_grad():
        apart = x.detach().clone() if call.op.in_place else x.detach()
        value = call.function(apart, *call.args[1:], **{k: v for k, v in call.kwargs.items() if k != "input"})
    return _put(ActivationNode(call.run.switch, call.row.base, given, call.run.store.keep(x), value), x)


_DIM_AT = {"chunk": 2, "split": 2, "split_with_sizes": 2, "tensor_split": 2, "unbind": 1}


def _select(call: Call) -> Any:
    """Pieces of one tensor, each a view of its own: autograd refuses writes into views that were made together."""
    place = _DIM_AT.get(call.row.base)
    if place is None or not call.graph or len(call.op.inputs) != 1:
        return NotImplemented
    x = call.x
    dim = call.kwargs.get("dim", call.args[place] if len(call.args) > place else 0)
    pieces = call.value()
    if call.row.base == "unbind":
        return tuple(x.select(dim, i) for i in range(len(pieces)))
    starts = itertools.accumulate((p.shape[dim] for p in pieces), initial=0)
    return type(pieces)(x.narrow(dim, start, p.shape[dim]) for start, p in zip(starts, pieces, strict=False))


STAND_INS: dict[str, Callable[[Call], Any]] = {
    "convolution": _linear,
    "transposed_convolution": _linear,
    "linear": _linear,
    "matmul": _matmul,
    "batch_norm": _batch_norm,
    "relu": _relu,
    "max_pool": _max_pool,
    "average_pool": _average_pool,
    "adaptive_pool": _geometry,
    "interpolate": _geometry,
    "pad": _geometry,
    "cat": _geometry,
    "mean": _geometry,
    "sum": _geometry,
    "product": _product,
    "quotient": _product,
    "activation": _activation,
    "clamp": _activation,
    "select": _select,
}

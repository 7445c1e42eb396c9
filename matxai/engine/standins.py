"""Which stand-in an operation gets: one function for each kind, called by the capture before the native function.

Each returns the result, or ``NotImplemented`` to leave the operation to PyTorch. It may add geometry to the recorded
operation, or the reason why LRP cannot pass.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.graph import get_gradient_edge

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
    from matxai.engine.capture import Capture
    from matxai.engine.operations import Row
    from matxai.engine.trace import Operation

Call = Callable[..., Any]
Arguments = tuple[Any, ...]
Keywords = dict[str, Any]


def _put(node: Node, *inputs: Tensor) -> Tensor:
    return cast(Tensor, StandIn.apply(node, *inputs))  # type: ignore[no-untyped-call]


def _first(args: Arguments, kwargs: Keywords) -> Any:
    return args[0] if args else kwargs.get("input")


def _linear(
    run: Capture, row: Row, func: Call, args: Arguments, kwargs: Keywords, op: Operation, graph: bool
) -> Any:  # fmt: skip
    """Convolution, transposed convolution, dense."""
    x, call = _first(args, kwargs), row.read(args, kwargs)
    weight, bias = call["weight"], call["bias"]
    if run.value(x) is None or run.value(weight) is not None or run.value(bias) is not None:
        op.kind, op.refused = "matmul", "has weights that depend on the input"
        return NotImplemented
    kind = "transposed_convolution" if call.get("transposed") else row.kind
    op.kind = kind
    if kind != "linear" and x.ndim != weight.ndim:
        op.refused = "has an input without a batch axis"
        return NotImplemented
    map_ = linear_map(kind, weight, call)
    if kind != "linear":
        op.params = {"kernel_size": tuple(weight.shape[2:]), "stride": map_.stride, "padding": map_.padding,
                     "dilation": map_.dilation, "output_padding": map_.output_padding, "groups": map_.groups,
                     "margin": map_.margin}  # fmt: skip
    if not graph or (run.keep.exact and not run.keep.relevance):
        return NotImplemented
    with torch.no_grad():
        value = func(*args, **kwargs)
    return _linear_node(run, op, LinearNode(run.switch, map_, weight, bias, x.shape, value), x)


def _linear_node(run: Capture, op: Operation, node: LinearNode, x: Tensor) -> Tensor:
    """Put a linear node into the graph, with what relevance needs where that is planned."""
    node.index = node.entry = op.index
    if run.keep.relevance:
        node.x, node.z = run.store.keep(x), run.store.keep(cast(Tensor, node.value))
        node.nonnegative = run.is_nonnegative(x)
        value = run.value(x)
        if value is not None and value.clean and x.requires_grad:
            x = run.entries[op.index] = _put(TapNode(x.detach()), x)
    out = _put(node, x)
    if run.keep.relevance:
        run.pending = (out, node, x)
    return out


def _matmul(
    run: Capture, row: Row, func: Call, args: Arguments, kwargs: Keywords, op: Operation, graph: bool
) -> Any:  # fmt: skip
    """A product with a constant matrix is a dense layer."""
    if len(op.inputs) > 1:
        op.refused = "multiplies two tensors that both depend on the input"
        return NotImplemented
    operands = args[:3] if row.base == "addmm" else (None, *args[:2])
    dense = row.base in ("matmul", "mm", "addmm") and len(operands) == 3 and not (set(kwargs) - {"out"})
    if not dense or run.value(operands[1]) is None or cast(Tensor, operands[2]).ndim != 2:
        return NotImplemented
    if getattr(func, "__name__", "") == "__rmatmul__" or kwargs.get("out") is not None:
        return NotImplemented
    op.kind = "linear"
    if not graph or not run.keep.relevance:
        return NotImplemented
    bias, x, weight = operands
    with torch.no_grad():
        value = func(*args, **kwargs)
    node = LinearNode(run.switch, linear_map("linear", weight, {}), weight.t(), bias, x.shape, value)
    return _linear_node(run, op, node, x)


def _batch_norm(
    run: Capture, row: Row, func: Call, args: Arguments, kwargs: Keywords, op: Operation, graph: bool
) -> Any:  # fmt: skip
    """Batch norm in evaluation mode: folded into the linear operation that made its input, else an affine map."""
    x, call = _first(args, kwargs), row.read(args, kwargs)
    mean, var = call["running_mean"], call["running_var"]
    if call.get("training") or mean is None or var is None:
        op.kind, op.refused = "norm", "takes its statistics from the batch and has no LRP rule"
        return NotImplemented
    if not graph or (run.keep.exact and not run.keep.relevance):
        return NotImplemented
    with torch.no_grad():
        result = func(*args, **kwargs)
        value, rest = (result[0], result[1:]) if isinstance(result, tuple) else (result, None)
        scale = torch.rsqrt(var + call["eps"])
        if call["weight"] is not None:
            scale = scale * call["weight"]
        shift = -mean * scale
        if call["bias"] is not None:
            shift = shift + call["bias"]
    out = _folded(run, op, x, value, scale, shift) if run.keep.relevance else None
    if out is None:
        shape = (1, -1, *(1,) * (x.ndim - 2))
        node = AffineNode(run.switch, scale.view(shape), value)
        if run.keep.relevance:
            node.z, node.shift = run.store.keep(value), shift.view(shape)
        out = _put(node, x)
    return out if rest is None else (out, *rest)


def _folded(run: Capture, op: Operation, x: Tensor, value: Tensor, scale: Tensor, shift: Tensor) -> Tensor | None:
    """Return the batch norm as one operation with the linear one before it, or None where nothing made its input."""
    made = run.value(x)
    if made is None or made.node is None or made.source is None or made.version != x._version:
        return None
    before, source = made.node, made.source
    if before.scale is not None or before.x is None or (before.map.kind == "linear" and x.ndim != 2):
        return None
    spot = made.spot
    node = LinearNode(
        run.switch, before.map, before.weight, before.bias, before.shape, value,
        index=op.index, entry=before.entry, scale=scale, shift=shift, x=before.x, z=run.store.keep(value),
        nonnegative=before.nonnegative, split=spot is not None,
    )  # fmt: skip
    if spot is None:
        return _put(node, source)
    spot.fused = node.z
    out = _put(node, source, x)
    spot.fused_edge = get_gradient_edge(out)
    return out


def _relu(
    run: Capture, row: Row, func: Call, args: Arguments, kwargs: Keywords, op: Operation, graph: bool
) -> Any:  # fmt: skip
    x = _first(args, kwargs)
    if not graph or (run.keep.exact and not run.keep.rectified):
        return NotImplemented
    if op.in_place and x._base is None and not x.is_leaf:
        return InPlaceReLU.apply(x, run.switch)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        value = torch.relu(x)
        node = ReLUNode(run.switch, value, (value > 0,))
    return _put(node, x)


def _max_pool(
    run: Capture, row: Row, func: Call, args: Arguments, kwargs: Keywords, op: Operation, graph: bool
) -> Any:  # fmt: skip
    x, call = _first(args, kwargs), row.read(args, kwargs)
    axes = int(row.base[len("max_pool")])
    op.params = _pool_params(call, axes)
    if not graph or run.keep.exact or x.ndim != axes + 2:
        return NotImplemented
    pool = (F.max_pool1d_with_indices, F.max_pool2d_with_indices, F.max_pool3d_with_indices)[axes - 1]
    with torch.no_grad():
        value, indices = pool(
            x, call["kernel_size"], call["stride"] or None, call["padding"], call["dilation"], call["ceil_mode"]
        )
        node = MaxPoolNode(value, (indices.to(torch.int32),), x.shape, axes)
    out = _put(node, x)
    wanted = "with_indices" in row.base or kwargs.get("return_indices") is True or args[6:7] == (True,)
    return (out, indices) if wanted else out


def _pool_params(call: Keywords, axes: int) -> Keywords:
    def each(value: Any) -> tuple[int, ...]:
        values = tuple(value) if isinstance(value, list | tuple) else (value,)
        return tuple(int(v) for v in (values * axes if len(values) == 1 else values))

    params: Keywords = {k: each(call[k]) for k in ("kernel_size", "padding", "dilation") if k in call}
    params["stride"] = each(call["stride"]) if call["stride"] not in (None, [], ()) else params["kernel_size"]
    params["ceil_mode"] = bool(call["ceil_mode"])
    if "count_include_pad" in call:
        params["count_include_pad"] = bool(call["count_include_pad"])
    return params


def _average_pool(
    run: Capture, row: Row, func: Call, args: Arguments, kwargs: Keywords, op: Operation, graph: bool
) -> Any:  # fmt: skip
    op.params = _pool_params(row.read(args, kwargs), int(row.base[len("avg_pool")]))
    return NotImplemented


def _geometry(
    run: Capture, row: Row, func: Call, args: Arguments, kwargs: Keywords, op: Operation, graph: bool
) -> Any:  # fmt: skip
    """Nothing to stand in for: only the call's arguments are of interest."""
    op.params = {k: v for k, v in row.read(args, kwargs).items() if not isinstance(v, Tensor)}
    if row.kind == "interpolate" and row.base.startswith("upsample_"):
        op.params["mode"] = row.base.removeprefix("upsample_").rstrip("0123456789d")
    return NotImplemented


def _product(
    run: Capture, row: Row, func: Call, args: Arguments, kwargs: Keywords, op: Operation, graph: bool
) -> Any:  # fmt: skip
    """A product with a constant is plain; of two live tensors one is a gate."""
    a, b = (*args, None)[:2]
    if len(op.inputs) > 1:
        if row.kind == "quotient" or a is b:
            op.refused = "combines two tensors that both depend on the input"
            return NotImplemented
        op.kind = "gate"
        if not graph or not run.keep.relevance:
            return NotImplemented
        with torch.no_grad():
            value = torch.mul(a, b)
        return _put(GateNode(run.switch, op.index, (run.store.keep(a), run.store.keep(b)), value), a, b)
    divides_by_live = row.kind == "quotient" and run.value(a) is None
    if divides_by_live or kwargs.get("rounding_mode") is not None:
        op.refused = "has no LRP rule"
        return NotImplemented
    op.kind = "scale"
    if not graph or not run.keep.relevance or kwargs.get("out") is not None:
        return NotImplemented
    x, other = (a, b) if run.value(a) is not None else (b, a)
    with torch.no_grad():
        value = torch.mul(x, other) if row.kind == "product" else torch.div(x, other)
        factor = other if row.kind == "product" else 1 / other
    return _put(ScaleNode(run.switch, factor, x.shape, value), x)


def _activation(
    run: Capture, row: Row, func: Call, args: Arguments, kwargs: Keywords, op: Operation, graph: bool
) -> Any:  # fmt: skip
    call = row.read(args, kwargs)
    if any(isinstance(v, Tensor) for v in call.values()):
        op.refused = "has bounds that are tensors"
        return NotImplemented
    if not graph or not run.keep.relevance:
        return NotImplemented
    x = _first(args, kwargs)
    with torch.no_grad():
        apart = x.detach().clone() if op.in_place else x.detach()
        value = func(apart, *args[1:], **{k: v for k, v in kwargs.items() if k != "input"})
    return _put(ActivationNode(run.switch, row.base, call, run.store.keep(x), value), x)


STAND_INS: dict[str, Callable[..., Any]] = {
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
}

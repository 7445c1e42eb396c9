"""Norms that take their statistics from the tensor itself: the deviation is a constant, the mean a linear map.

z = w (x - mean x) / sd + b with sd held fixed is linear in x, so relevance divided by input passes by the adjoint, and
all but b is conserved (Ali et al. 2022, arXiv:2202.07304; Achtibat et al. 2024, arXiv:2402.05602).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F  # noqa: N812 - everybody's name for it
from torch import Tensor

from matxai.engine.composites import Composite
from matxai.engine.standins.call import Call, native_pull, put
from matxai.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from matxai.engine.nodes import Cell, Switch


@dataclass(frozen=True)
class Deviation:
    """How one norm takes its statistics.

    Attributes
    ----------
    shape
        The shape in which the statistics are taken.
    dims
        Its axes over which they are taken.
    factor
        From the tensor in that shape to 1 / sd, shaped to broadcast.
    centred
        Whether the mean is subtracted.
    weight, bias
        Shaped to broadcast over the tensor's own shape.
    """

    shape: tuple[int, ...]
    dims: tuple[int, ...]
    factor: Callable[[Tensor], Tensor]
    centred: bool
    weight: Tensor | None = None
    bias: Tensor | None = None


NORMS: Registry[Callable[[Tensor, Mapping[str, Any]], Deviation]] = Registry("norm")
"""How each norm takes its statistics: from (x, arguments by name)."""

_ALIASES = {"native_layer_norm": "layer_norm", "_fused_rms_norm": "rms_norm",
            "_native_batch_norm_legit": "batch_norm"}  # fmt: skip


def norm(call: Call) -> Any:
    """Any norm of :data:`NORMS`."""
    x, given, base = call.x, call.read(), _ALIASES.get(call.row.base, call.row.base)
    live = [v for v in given.values() if isinstance(v, Tensor) and call.run.value(v) is not None]
    if live:
        return call.refuse("has weights that depend on the input, and no rule")
    if call.kwargs.get("out") is not None or call.op.in_place:
        return call.refuse("writes its result into a tensor that is given, which has no rule")
    if not call.ruled:
        return NotImplemented
    if base == "instance_norm" and not given["use_input_stats"] and given["running_mean"] is not None:
        return call.written_out(
            F.batch_norm, x, given["running_mean"], given["running_var"], given["weight"], given["bias"], False,
            0.0, given["eps"],
        )  # fmt: skip
    result = call.value()
    value, rest = (result[0], result[1:]) if isinstance(result, tuple) else (result, None)
    node = DeviationNode(
        call.run.switch, call.op.index, NORMS[base](x, given), call.run.store.keep(x), _again(call), value
    )
    out = put(node, x)
    return out if rest is None else (out, *rest)


def _again(call: Call) -> Callable[[Tensor], Tensor]:
    """Return the model's own function of x alone, for its gradient."""
    function, args, kwargs = call.function, call.args, call.kwargs

    def of(x: Tensor) -> Tensor:
        result = function(x, *args[1:], **kwargs) if args else function(**{**kwargs, "input": x})
        found: Tensor = result[0] if isinstance(result, tuple) else result
        return found

    return of


def _deviation(dims: tuple[int, ...], eps: float) -> Callable[[Tensor], Tensor]:
    return lambda x: torch.rsqrt(x.var(dims, correction=0, keepdim=True) + eps)


def _per_channel(values: Tensor | None, ndim: int) -> Tensor | None:
    return None if values is None else values.view(1, -1, *(1,) * (ndim - 2))


@NORMS.register("layer_norm")
def _layer_norm(x: Tensor, given: Mapping[str, Any]) -> Deviation:
    axes = given["normalized_shape"]
    dims = tuple(range(-(1 if isinstance(axes, int) else len(axes)), 0))
    return Deviation(tuple(x.shape), dims, _deviation(dims, given["eps"]), True, given["weight"], given["bias"])


@NORMS.register("group_norm")
def _group_norm(x: Tensor, given: Mapping[str, Any]) -> Deviation:
    groups = given["num_groups"]
    return Deviation(
        (len(x), groups, -1), (2,), _deviation((2,), given["eps"]), True,
        _per_channel(given["weight"], x.ndim), _per_channel(given["bias"], x.ndim),
    )  # fmt: skip


@NORMS.register("native_group_norm")
def _native_group_norm(x: Tensor, given: Mapping[str, Any]) -> Deviation:
    return _group_norm(x, {**given, "num_groups": given["group"]})


@NORMS.register("instance_norm")
def _instance_norm(x: Tensor, given: Mapping[str, Any]) -> Deviation:
    return _group_norm(x, {**given, "num_groups": x.shape[1]})


@NORMS.register("batch_norm")
def _batch_norm(x: Tensor, given: Mapping[str, Any]) -> Deviation:
    dims = (0, *range(2, x.ndim))
    return Deviation(
        tuple(x.shape), dims, _deviation(dims, given["eps"]), True,
        _per_channel(given["weight"], x.ndim), _per_channel(given["bias"], x.ndim),
    )  # fmt: skip


@NORMS.register("rms_norm")
def _rms_norm(x: Tensor, given: Mapping[str, Any]) -> Deviation:
    axes, eps = given["normalized_shape"], given["eps"]
    dims = tuple(range(-(1 if isinstance(axes, int) else len(axes)), 0))
    eps = torch.finfo(x.dtype).eps if eps is None else eps
    return Deviation(
        tuple(x.shape), dims, lambda t: torch.rsqrt(t.square().mean(dims, keepdim=True) + eps), False, given["weight"]
    )


@NORMS.register("normalize")
def _normalize(x: Tensor, given: Mapping[str, Any]) -> Deviation:
    p, dim, eps = given["p"], given["dim"], given["eps"]
    dims = tuple(dim) if isinstance(dim, list | tuple) else (dim,)
    return Deviation(
        tuple(x.shape), dims, lambda t: 1 / torch.linalg.vector_norm(t, p, dims, keepdim=True).clamp_min(eps), False
    )


@NORMS.register("local_response_norm")
def _local_response_norm(x: Tensor, given: Mapping[str, Any]) -> Deviation:
    """1 / (k + alpha mean of x^2 over ``size`` channels)^beta."""
    size = given["size"]

    def factor(t: Tensor) -> Tensor:
        squares = F.pad(t.square().flatten(2).transpose(1, 2), (size // 2, (size - 1) // 2))
        mean = F.avg_pool1d(squares, size, 1).transpose(1, 2).reshape(t.shape)
        return torch.pow(given["k"] + given["alpha"] * mean, -given["beta"])

    return Deviation(tuple(x.shape), (), factor, False)


@dataclass(eq=False)
class DeviationNode:
    """A norm; keeps its input, and takes the statistics again on the way back."""

    switch: Switch
    index: int
    deviation: Deviation
    x: Cell
    function: Callable[[Tensor], Tensor]
    value: Tensor | None
    saved: tuple[Tensor, ...] = ()

    def pull(self, g: Tensor) -> tuple[Tensor]:
        """Follow the adjoint with the deviation held fixed, or the plain gradient."""
        if self.switch.passing:
            return (g,)
        x, how = self.x.tensor, self.deviation
        if not isinstance(self.switch.rule, Composite):
            return (native_pull(self.function, x, g),)
        wide = torch.promote_types(x.dtype, torch.float32)
        flow = g.to(wide)
        held = None if how.bias is None else flow * how.bias
        if how.weight is not None:
            flow = flow * how.weight
        flow = flow.reshape(how.shape)
        flow = flow * how.factor(x.to(wide).reshape(how.shape))
        if how.centred:
            flow = flow - flow.mean(how.dims, keepdim=True)
        flow = flow.reshape(x.shape)
        self._write(x * flow, held)
        return (flow.to(g.dtype),)

    def _write(self, after: Tensor, biases: Tensor | None) -> None:
        """Write down what went through, and what the bias took."""
        book = self.switch.book
        book.flow(self.index, before=after, after=after)
        if biases is not None:
            book.write("biases", biases, self.index)
            book.flow(self.index, before=biases)

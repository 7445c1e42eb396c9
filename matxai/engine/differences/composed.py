"""Operations that mix values nonlinearly, taken apart into sums, products and functions of one value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from matxai.engine.differences.pairs import RULES, Pair, paired

if TYPE_CHECKING:
    from matxai.engine.standins.call import Call


@RULES.register("softmax")
@RULES.register("log_softmax")
@RULES.register("_softmax")
@RULES.register("_log_softmax")
@RULES.register("_safe_softmax")
def softmax(call: Call) -> Any:
    """Log softmax is u = z - L with L = log sum exp z, softmax is exp u: each a function of one value but for L.

    With phi(d) = (1 - exp(-d)) / d the logarithmic mean of a and b is max(a, b) phi(|log a - log b|), and
    L - L0 = sum_j s_j (z_j - z0_j), s_j the ratio of the logarithmic means of exp z_j and of exp L: nothing cancels or
    overflows, however far apart input and baseline are.
    """
    x, base = call.x, call.row.base
    dim = call.read()["dim"]
    if dim is None or dim % x.ndim == 0:
        return _stuck(call, "runs over the samples of the batch")
    if base == "softmin":
        return call.written_out(lambda t: torch.softmax(torch.neg(t), dim), x)

    def back(g: Tensor, z: Pair) -> tuple[Tensor]:
        total, total0 = (t.logsumexp(dim, keepdim=True) for t in z)
        share = (torch.maximum(*z) - torch.maximum(total, total0)).exp() * _phi(z[0] - z[1]) / _phi(total - total0)
        if "log" not in base:
            u, u0 = z[0] - total, z[1] - total0
            g = g * torch.maximum(u, u0).exp() * _phi(u - u0)
        return (g - share * g.sum(dim, keepdim=True),)

    return paired(call, back, (x,), (x,), call.value())


def _phi(apart: Tensor) -> Tensor:
    """(1 - exp(-d)) / d for d = |apart|, 1 at 0."""
    size = apart.abs()
    safe = torch.where(size == 0, torch.ones_like(size), size)
    return torch.where(size == 0, torch.ones_like(size), -torch.expm1(-safe) / safe)


@RULES.register("layer_norm")
@RULES.register("rms_norm")
def layer_norm(call: Call) -> Any:
    """Over the last axes."""
    x, given = call.x, call.read()
    axes = tuple(range(-len(tuple(given["normalized_shape"])), 0))
    eps = given.get("eps")
    eps = (1e-5 if call.row.base == "layer_norm" else torch.finfo(x.dtype).eps) if eps is None else eps
    if x.ndim <= len(axes):
        return _stuck(call, "normalises over the samples of the batch")
    return _normalised(call, axes, given.get("weight"), eps, centred=call.row.base == "layer_norm")


@RULES.register("group_norm")
@RULES.register("instance_norm")
def group_norm(call: Call) -> Any:
    """Over groups of channels and all positions; of instance norm each channel is a group."""
    x = call.x
    if call.row.base == "group_norm":
        given = call.read()
        groups = int(given["num_groups"])
    else:
        given = call.read()
        groups = x.shape[1]
        if given.get("use_input_stats") is False:
            return _stuck(call, "is an instance norm by stored statistics, which has no rule for differences")
    weight, eps = given.get("weight"), given.get("eps")
    if isinstance(weight, Tensor):
        weight = weight.view(-1, *(1,) * (x.ndim - 2))
    return _normalised(call, None, weight, 1e-5 if eps is None else eps, centred=True, groups=groups)


def _normalised(
    call: Call, axes: tuple[int, ...] | None, weight: Any, eps: float, *, centred: bool, groups: int = 0
) -> Any:
    """Of y = w c r + bias, c being x without its mean and r = (mean(c^2) + eps)^(-1/2): a product of c and r.

    r is a function of V = mean(c^2) + eps with (r - r0) / (V - V0) = -1 / ((sqrt V + sqrt V0) sqrt(V V0)), and c^2
    goes by the middle, so that all is exact. ``axes`` None: over groups of channels.
    """
    x = call.x
    if call.run.value(weight) is not None:
        return _stuck(call, "has weights that depend on the input")

    def back(g: Tensor, x: Pair) -> tuple[Tensor]:
        g = g * weight.to(g.dtype) if isinstance(weight, Tensor) else g
        over: tuple[int, ...] = (2,)
        if axes is not None:
            over, (c, c0) = axes, x
        else:
            g, c, c0 = (t.reshape(len(t), groups, -1) for t in (g, *x))
        if centred:
            c, c0 = (t - t.mean(over, keepdim=True) for t in (c, c0))
        v, v0 = (t.square().mean(over, keepdim=True) + eps for t in (c, c0))
        root, root0 = v.sqrt(), v0.sqrt()
        ratio = -1 / ((root + root0) * root * root0)
        middle = (c + c0) / 2
        through = (g * middle).sum(over, keepdim=True) * ratio
        m = g * (1 / root + 1 / root0) / 2 + through * 2 * middle / (c.numel() / v.numel())
        if centred:
            m = m - m.mean(over, keepdim=True)
        return (m.reshape(x[0].shape),)

    return paired(call, back, (x,), (x,), call.value())


@RULES.register("matmul")
def matmul(call: Call) -> Any:
    """A product of two live tensors: linear in each, so its gradient at the middle of input and baseline is exact."""
    if len(call.op.inputs) < 2:
        return NotImplemented
    live = tuple(t for t in _tensors((call.args, tuple(call.kwargs.values()))) if call.run.value(t) is not None)
    if len({id(t) for t in live}) < len(live):
        live = tuple({id(t): t for t in live}.values())

    def back(g: Tensor, *pairs: Pair) -> tuple[Tensor | None, ...]:
        with torch.enable_grad():
            middles = [((a + b) / 2).requires_grad_() for a, b in pairs]
            put = dict(zip(map(id, live), middles, strict=True))
            out = call.function(*_put_in(call.args, put, g), **_put_in(call.kwargs, put, g))
            return torch.autograd.grad(out, middles, g.view(out.shape), allow_unused=True)

    return paired(call, back, live, live, call.value())


def _put_in(given: Any, put: dict[int, Tensor], like: Tensor) -> Any:
    """Return arguments with the middles in the place of live tensors, constants in their type."""
    if isinstance(given, Tensor):
        return put.get(id(given), given.to(like.dtype) if given.is_floating_point() else given)
    if isinstance(given, dict):
        return {k: _put_in(v, put, like) for k, v in given.items()}
    if isinstance(given, list | tuple):
        return type(given)(_put_in(v, put, like) for v in given)
    return given


def _tensors(given: Any) -> list[Tensor]:
    if isinstance(given, Tensor):
        return [given]
    return [t for v in given for t in _tensors(v)] if isinstance(given, list | tuple) else []


def _stuck(call: Call, why: str) -> Any:
    call.run.stuck[call.op.index] = why
    return NotImplemented

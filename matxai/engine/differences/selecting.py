"""Maxima: what the output moved by goes to the value that made the larger of both outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F  # noqa: N812 - everybody's name for it
from torch import Tensor

from matxai.engine.differences.pairs import RULES, Pair, halves, paired

if TYPE_CHECKING:
    from collections.abc import Callable

    from matxai.engine.standins.call import Call

_POOLS: dict[int, tuple[Callable[..., Pair], Callable[..., Pair]]] = {
    1: (F.max_pool1d_with_indices, F.adaptive_max_pool1d_with_indices),
    2: (F.max_pool2d_with_indices, F.adaptive_max_pool2d_with_indices),
    3: (F.max_pool3d_with_indices, F.adaptive_max_pool3d_with_indices),
}


def multipliers(g: Tensor, x: Pair, places: Pair) -> Tensor:
    """Return what flows to each value from maxima over some of them.

    Where the input's maximum y is the larger one, y - y0 belongs to the value that made it: it rose by at least as
    much, so its multiplier (y - y0) / (x - x0) is between 0 and 1. Where the baseline's is, to the value that made it.

    Parameters
    ----------
    g
        What flows to the maxima, (..., m).
    x
        The values (..., n) of input and baseline.
    places
        Which value each maximum is, (..., m).
    """
    y = tuple(v.gather(-1, at) for v, at in zip(x, places, strict=True))
    chosen = torch.where(y[0] >= y[1], places[0], places[1])
    moved = (x[0] - x[1]).gather(-1, chosen)
    still = moved == 0
    share = torch.where(
        still, torch.ones_like(moved), (y[0] - y[1]) / torch.where(still, torch.ones_like(moved), moved)
    )
    return torch.zeros_like(x[0]).scatter_add_(-1, chosen, g * share)


def _stand_in(call: Call, x: Tensor, value: Tensor, indices: Tensor, axes: int) -> Any:
    """Put maxima over the last ``axes`` axes into the graph."""
    shape = x.shape

    def back(g: Tensor, x: Pair) -> tuple[Tensor]:
        at = halves(indices)
        flat = multipliers(
            g.flatten(-axes), (x[0].flatten(-axes), x[1].flatten(-axes)), (at[0].flatten(-axes), at[1].flatten(-axes))
        )
        return (flat.view(-1, *shape[1:]),)

    return paired(call, back, (x,), (x,), value)


@RULES.register("max_pool")
def max_pool(call: Call) -> Any:
    """Max-pooling in windows."""
    x, given, base = call.x, call.read(), call.row.base
    axes = int(base[len("max_pool")])
    if x.ndim != axes + 2:
        call.run.stuck[call.op.index] = "pools an input without a batch axis"
        return NotImplemented
    with torch.no_grad():
        value, indices = _POOLS[axes][0](
            x, given["kernel_size"], given["stride"] or None, given["padding"], given["dilation"], given["ceil_mode"]
        )
    return _with_indices(call, _stand_in(call, x, value, indices, axes), indices, at=6)


def _adaptive_max_pool(call: Call) -> Any:
    """Max-pooling to a size."""
    x, axes = call.x, int(call.row.base[len("adaptive_max_pool")])
    if x.ndim != axes + 2:
        call.run.stuck[call.op.index] = "pools an input without a batch axis"
        return NotImplemented
    with torch.no_grad():
        value, indices = _POOLS[axes][1](x, call.read()["output_size"])
    return _with_indices(call, _stand_in(call, x, value, indices, axes), indices, at=2)


for _axes in (1, 2, 3):
    for _end in ("", "_with_indices"):
        RULES.add(f"adaptive_max_pool{_axes}d{_end}", _adaptive_max_pool)


def _with_indices(call: Call, out: Any, indices: Tensor, *, at: int) -> Any:
    asked = call.kwargs.get("return_indices") is True or call.args[at : at + 1] == (True,)
    return (out, indices) if out is not NotImplemented and (asked or "with_indices" in call.row.base) else out


@RULES.register("max")
@RULES.register("min")
@RULES.register("amax")
@RULES.register("amin")
def extreme(call: Call) -> Any:
    """The largest or smallest value along an axis or several."""
    x, base = call.x, call.row.base
    second = call.args[1] if len(call.args) > 1 else call.kwargs.get("dim", call.kwargs.get("other"))
    if isinstance(second, Tensor):
        return larger(call)
    dims = [second] if isinstance(second, int) else list(second or ())
    keep = bool(call.kwargs.get("keepdim", call.args[2] if len(call.args) > 2 else False))
    axes = sorted(d % x.ndim for d in dims)
    if not axes or axes[0] == 0:
        call.run.stuck[call.op.index] = "takes an extreme over the samples of the batch"
        return NotImplemented
    rest = [d for d in range(x.ndim) if d not in axes]
    with torch.no_grad():
        flat = x.permute(*rest, *axes).flatten(len(rest))
        _, at = (torch.max if base.endswith("max") else torch.min)(flat, -1)
        value = call.value()
        plain = value[0] if isinstance(value, tuple) else value
    shape = tuple(x.shape[a] for a in axes)
    order = [(*rest, *axes).index(d) for d in range(x.ndim)]
    sign = 1 if base.endswith("max") else -1

    def back(g: Tensor, x: Pair) -> tuple[Tensor]:
        g = (g.squeeze(tuple(axes)) if keep else g).unsqueeze(-1)
        a, b = (sign * v.permute(*rest, *axes).flatten(len(rest)) for v in x)
        first, second = halves(at.unsqueeze(-1))
        return (_unflattened(multipliers(g, (a, b), (first, second)), shape).permute(*order),)

    out = paired(call, back, (x,), (x,), plain)
    if out is NotImplemented or not isinstance(value, tuple):
        return out
    return type(value)((out, *value[1:]))


def _unflattened(flat: Tensor, shape: tuple[int, ...]) -> Tensor:
    return flat.view(*flat.shape[:-1], *shape)


@RULES.register("maximum")
@RULES.register("minimum")
def larger(call: Call) -> Any:
    """The larger or smaller of two: (a + b + |a - b|) / 2, in which the magnitude has its ratio of differences."""
    run, (a, b) = call.run, (*call.args, *call.kwargs.values())[:2]
    live = tuple(t for t in (a, b) if run.value(t) is not None)
    if not isinstance(a, Tensor) or not isinstance(b, Tensor) or (len(live) < 2 and max(a.ndim, b.ndim) == 0):
        return NotImplemented
    sign = 1 if call.row.base in ("max", "maximum") else -1
    with torch.no_grad():
        value = call.value()
        apart = (a - b).detach()

    def back(g: Tensor, apart: Pair, *pairs: Pair) -> tuple[Tensor, ...]:
        moved = apart[0] - apart[1]
        still = moved == 0
        ratio = torch.where(
            still,
            apart[0].sign(),
            (apart[0].abs() - apart[1].abs()) / torch.where(still, torch.ones_like(moved), moved),
        )
        shares = {id(a): g * (1 + sign * ratio) / 2, id(b): g * (1 - sign * ratio) / 2}
        return tuple(shares[id(t)].sum_to_size(p[0].shape) for t, p in zip(live, pairs, strict=True))

    return paired(call, back, live, (apart, *live), value)

"""Pooling; and the geometry of operations that nothing stands in for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - everybody's name for it
from torch import Tensor

from matxai.engine.standins.call import Call, put


def max_pool(call: Call) -> Any:
    """Max-pooling, whose geometry is recorded."""
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
    out = put(node, x)
    asked = call.kwargs.get("return_indices") is True or call.args[6:7] == (True,)
    return (out, indices) if asked or "with_indices" in base else out


def average_pool(call: Call) -> Any:
    """Average pooling: only the geometry is recorded."""
    call.op.params = _pool_params(call.read(), int(call.row.base[len("avg_pool")]))
    return NotImplemented


def lp_pool(call: Call) -> Any:
    """Lp pooling, written out as (k mean x^p)^(1/p): of degree 1, so relevance is shared out by x^p and conserved."""
    if not call.ruled:
        return NotImplemented
    given, axes = call.read(), int(call.row.base[len("lp_pool")])
    p, kernel, stride = float(given["norm_type"]), given["kernel_size"], given["stride"] or given["kernel_size"]
    cells = math.prod(kernel) if isinstance(kernel, list | tuple) else kernel**axes
    mean = (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d)[axes - 1]

    def written(x: Tensor) -> Tensor:
        powers = mean(torch.pow(x, p), kernel, stride, 0, given["ceil_mode"])
        return torch.pow(torch.mul(powers, cells), 1 / p)

    return call.written_out(written, call.x)


def grid_sample(call: Call) -> Any:
    """Linear in what is sampled, for a grid that is a constant."""
    if call.run.value(call.read()["grid"]) is not None:
        return call.refuse("samples at places that depend on the input, and has no rule")
    return NotImplemented


def geometry(call: Call) -> Any:
    """Nothing to stand in for: only the call's arguments are of interest."""
    call.op.params = {k: v for k, v in call.read().items() if not isinstance(v, Tensor)}
    base = call.row.base
    if "upsample_" in base:  # an exported program's interpolation: its mode is in its name
        name = base.lstrip("_").removeprefix("upsample_").removesuffix("_aa")
        call.op.params["mode"] = name.rstrip("0123456789d").replace("_", "-")
    return NotImplemented


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


@dataclass(eq=False)
class MaxPoolNode:
    """Max-pooling; keeps the place of each maximum as 32-bit integers, and not the input."""

    value: Tensor | None
    saved: tuple[Tensor, ...]
    shape: torch.Size
    axes: int

    def pull(self, g: Tensor, indices: Tensor) -> tuple[Tensor]:
        """Give each value to the maximum that it came from."""
        zeros = g.new_zeros(*self.shape[: -self.axes], math.prod(self.shape[-self.axes :]))
        flat = torch.scatter_add(zeros, -1, indices.flatten(-self.axes).long(), g.flatten(-self.axes))
        return (flat.view(self.shape),)  # out of place: several targets may come at once

"""Elementwise functions for LRP: the ratio (f(x) - f(0)) / x in closed form, one row each, without 0/0.

f(0) is a bias of the function. A piecewise linear function's ratio is not its slope: ReLU6 passes x/6-fold less than
its slope of zero says where it saturates.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - everybody's name for it
from torch import Tensor

from matxai.registry import Registry

Ratio = Callable[[Tensor, Mapping[str, Any]], Tensor]
RATIOS: Registry[Ratio] = Registry("ratio of an activation")
FUNCTIONS: dict[str, Callable[[Tensor, Mapping[str, Any]], Tensor]] = {
    "relu6": lambda x, _: F.relu6(x),
    "hardsigmoid": lambda x, _: F.hardsigmoid(x),
    "sigmoid": lambda x, _: torch.sigmoid(x),
    "softplus": lambda x, c: F.softplus(x, c["beta"], c["threshold"]),
    "hardtanh": lambda x, c: F.hardtanh(x, c["min_val"], c["max_val"]),
    "elu": lambda x, c: torch.ops.aten.elu(x, c["alpha"], c["scale"], c["input_scale"]),
    "hardswish": lambda x, _: F.hardswish(x),
    "silu": lambda x, _: F.silu(x),
    "tanh": lambda x, _: torch.tanh(x),
    "selu": lambda x, _: F.selu(x),
    "mish": lambda x, _: F.mish(x),
    "gelu": lambda x, c: F.gelu(x, approximate=c["approximate"]),
    "celu": lambda x, c: F.celu(x, c["alpha"]),
    "clamp": lambda x, c: torch.clamp(x, c.get("min"), c.get("max")),
}


def ratio(base: str, x: Tensor, call: Mapping[str, Any]) -> Tensor:
    """Return (f(x) - f(0)) / x, and its limit from above where x is 0; computed in float32 at least."""
    base, call = _canonical(base, call)
    wide = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
    if base in RATIOS:
        return RATIOS[base](wide, call).to(x.dtype)
    x_or_tiny = torch.where(wide == 0, torch.finfo(wide.dtype).eps, wide)
    return (FUNCTIONS[base](x_or_tiny, call) / x_or_tiny).to(x.dtype)  # f(0) = 0, and f is precise near 0


def slope(base: str, x: Tensor, call: Mapping[str, Any]) -> Tensor:
    """Return f'(x), as autograd has it."""
    base, call = _canonical(base, call)
    with torch.enable_grad():
        leaf = x.detach().requires_grad_()
        (back,) = torch.autograd.grad(FUNCTIONS[base](leaf, call).sum(), leaf)
    return back


def _canonical(base: str, call: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    if base in ("clip", "clamp_min", "clamp_max"):
        if base == "clamp_max":  # its only bound stands where clamp has the lower one
            call = {"min": None, "max": call["max"] if call["max"] is not None else call["min"]}
        return "clamp", call
    return base, call


@RATIOS.register("sigmoid")
def _sigmoid(x: Tensor, _: Mapping[str, Any]) -> Tensor:
    """(sigma(x) - 1/2) / x = tanh(x/2) / (2x)."""
    safe = torch.where(x == 0, torch.ones_like(x), x)
    return torch.where(x == 0, torch.full_like(x, 0.25), torch.tanh(x / 2) / (2 * safe))


@RATIOS.register("hardsigmoid")
def _hardsigmoid(x: Tensor, _: Mapping[str, Any]) -> Tensor:
    """1/6 where it is linear, 1/(2|x|) where it saturates."""
    return 0.5 / x.abs().clamp(min=3)


@RATIOS.register("softplus")
def _softplus(x: Tensor, call: Mapping[str, Any]) -> Tensor:
    """(log(1 + e^u) - log 2) / u = 1/2 + log(cosh(u/2)) / u with u = beta x."""
    u = x * call["beta"]
    half = u.abs() / 2
    log_cosh = torch.where(half < 1, torch.log1p(2 * torch.sinh(half.clamp(max=1) / 2) ** 2),
                           half + torch.log1p(torch.exp(-2 * half)) - math.log(2))  # fmt: skip
    safe = torch.where(u == 0, torch.ones_like(u), u)
    return 0.5 + torch.where(u == 0, torch.zeros_like(u), log_cosh / safe)


@RATIOS.register("silu")
def _silu(x: Tensor, _: Mapping[str, Any]) -> Tensor:
    """Sigma(x), since f(x) = x sigma(x)."""
    return torch.sigmoid(x)


@RATIOS.register("gelu")
def _gelu(x: Tensor, call: Mapping[str, Any]) -> Tensor:
    """Phi(x), since f(x) = x Phi(x), or the same for the tanh approximation."""
    if call["approximate"] == "tanh":
        return 0.5 * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    return 0.5 * (1 + torch.erf(x / math.sqrt(2)))


@RATIOS.register("hardswish")
def _hardswish(x: Tensor, _: Mapping[str, Any]) -> Tensor:
    """ReLU6(x + 3) / 6."""
    return F.relu6(x + 3) / 6


@RATIOS.register("clamp")
def _clamp(x: Tensor, call: Mapping[str, Any]) -> Tensor:
    """(clamp(x) - clamp(0)) / x; at 0 the slope there."""
    zero = torch.zeros((), dtype=x.dtype, device=x.device)
    moved = FUNCTIONS["clamp"](x, call) - FUNCTIONS["clamp"](zero, call)
    safe = torch.where(x == 0, torch.ones_like(x), x)
    return torch.where(x == 0, slope("clamp", zero, call), moved / safe)

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
    "exp": lambda x, _: torch.exp(x),
    "square": lambda x, _: torch.square(x),
    "sqrt": lambda x, _: torch.sqrt(x),
    "cosh": lambda x, _: torch.cosh(x),
    "softsign": lambda x, _: F.softsign(x),
    "expm1": lambda x, _: torch.expm1(x),
    "log1p": lambda x, _: torch.log1p(x),
    "sinh": lambda x, _: torch.sinh(x),
    "asinh": lambda x, _: torch.asinh(x),
    "atan": lambda x, _: torch.atan(x),
    "erf": lambda x, _: torch.erf(x),
    "sin": lambda x, _: torch.sin(x),
    "tan": lambda x, _: torch.tan(x),
    "asin": lambda x, _: torch.asin(x),
    "cos": lambda x, _: torch.cos(x),
    "logsigmoid": lambda x, _: F.logsigmoid(x),
    "tanhshrink": lambda x, _: F.tanhshrink(x),
    "hardshrink": lambda x, c: F.hardshrink(x, c["lambd"]),
    "softshrink": lambda x, c: F.softshrink(x, c["lambd"]),
    "threshold": lambda x, c: F.threshold(x, c["threshold"], c["value"]),
    "pow": lambda x, c: torch.pow(x, c["exponent"]),
    "rpow": lambda x, c: torch.pow(c["base"], x),
}
OFFSET = frozenset({"sigmoid", "hardsigmoid", "softplus", "clamp", "hardtanh", "exp", "cosh", "cos", "logsigmoid",
                    "threshold", "rpow"})  # fmt: skip
"""Functions whose value at 0 may be another than 0."""

_ALIASES = {"arctan": "atan", "arcsin": "asin", "arcsinh": "asinh", "_threshold": "threshold",
            "log_sigmoid": "logsigmoid"}  # fmt: skip


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


def offset(base: str, x: Tensor, call: Mapping[str, Any]) -> Tensor | None:
    """Return f(0), in the type and on the device of ``x``; ``None`` for functions that are 0 there."""
    base, call = _canonical(base, call)
    return FUNCTIONS[base](torch.zeros((), dtype=x.dtype, device=x.device), call) if base in OFFSET else None


def _canonical(base: str, call: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    if base in ("clip", "clamp_min", "clamp_max"):
        if base == "clamp_max":  # its only bound stands where clamp has the lower one
            call = {"min": None, "max": call["max"] if call["max"] is not None else call["min"]}
        return "clamp", call
    return _ALIASES.get(base, base), call


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
    """(log(1 + e^u) - log 2) / u = 1/2 + log(cosh(u/2)) / u with u = beta x; f(x) = x above the threshold."""
    u = x * call["beta"]
    half = u.abs() / 2
    log_cosh = torch.where(half < 1, torch.log1p(2 * torch.sinh(half.clamp(max=1) / 2) ** 2),
                           half + torch.log1p(torch.exp(-2 * half)) - math.log(2))  # fmt: skip
    safe = torch.where(u == 0, torch.ones_like(u), u)
    smooth = 0.5 + torch.where(u == 0, torch.zeros_like(u), log_cosh / safe)
    threshold = call.get("threshold", math.inf)
    at_zero = math.log(2) if threshold >= 0 else 0.0
    return torch.where(u > threshold, 1 - at_zero / safe, smooth + (math.log(2) - at_zero) / safe)


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


@RATIOS.register("logsigmoid")
def _logsigmoid(x: Tensor, _: Mapping[str, Any]) -> Tensor:
    """The ratio of softplus at -x, since f(x) = -softplus(-x)."""
    return _softplus(-x, {"beta": 1.0})


@RATIOS.register("softsign")
def _softsign(x: Tensor, _: Mapping[str, Any]) -> Tensor:
    """1 / (1 + |x|)."""
    return 1 / (1 + x.abs())


@RATIOS.register("square")
def _square(x: Tensor, _: Mapping[str, Any]) -> Tensor:
    """The factor that x has in x * x."""
    return x


@RATIOS.register("sqrt")
def _sqrt(x: Tensor, _: Mapping[str, Any]) -> Tensor:
    """1 / sqrt(x), and 0 at 0."""
    return torch.rsqrt(x).masked_fill(x == 0, 0)


@RATIOS.register("pow")
def _pow(x: Tensor, call: Mapping[str, Any]) -> Tensor:
    """x^(p - 1); at 0 it is 0 for a root."""
    p = call["exponent"]
    return torch.where((x == 0) & torch.as_tensor(p < 1, device=x.device), torch.zeros_like(x), torch.pow(x, p - 1))


@RATIOS.register("exp")
def _exp(x: Tensor, _: Mapping[str, Any]) -> Tensor:
    """(e^x - 1) / x."""
    safe = torch.where(x == 0, torch.ones_like(x), x)
    return torch.where(x == 0, torch.ones_like(x), torch.expm1(x) / safe)


@RATIOS.register("rpow")
def _rpow(x: Tensor, call: Mapping[str, Any]) -> Tensor:
    """(c^x - 1) / x = ln c (e^u - 1) / u with u = x ln c."""
    ln = torch.as_tensor(call["base"], dtype=x.dtype, device=x.device).log()
    return ln * _exp(x * ln, call)


@RATIOS.register("cos")
def _cos(x: Tensor, _: Mapping[str, Any]) -> Tensor:
    """(cos x - 1) / x = -2 sin(x/2)^2 / x."""
    safe = torch.where(x == 0, torch.ones_like(x), x)
    return -2 * torch.sin(x / 2) ** 2 / safe


@RATIOS.register("cosh")
def _cosh(x: Tensor, _: Mapping[str, Any]) -> Tensor:
    """(cosh x - 1) / x = 2 sinh(x/2)^2 / x."""
    safe = torch.where(x == 0, torch.ones_like(x), x)
    return 2 * torch.sinh(x / 2) ** 2 / safe


@RATIOS.register("tanhshrink")
def _tanhshrink(x: Tensor, _: Mapping[str, Any]) -> Tensor:
    """1 - tanh(x) / x, near 0 its series x^2 / 3 - 2 x^4 / 15."""
    small = x.abs() < 1e-2
    safe = torch.where(small, torch.ones_like(x), x)
    return torch.where(small, x**2 / 3 - 2 * x**4 / 15, 1 - torch.tanh(x) / safe)


def _measured(base: str) -> None:
    """Register (f(x) - f(0)) / x for a piecewise linear function; at 0 the slope there."""

    def of(x: Tensor, call: Mapping[str, Any]) -> Tensor:
        zero = torch.zeros((), dtype=x.dtype, device=x.device)
        moved = FUNCTIONS[base](x, call) - FUNCTIONS[base](zero, call)
        safe = torch.where(x == 0, torch.ones_like(x), x)
        return torch.where(x == 0, slope(base, zero, call), moved / safe)

    RATIOS.add(base, of)


for _name in ("clamp", "hardtanh", "threshold"):
    _measured(_name)

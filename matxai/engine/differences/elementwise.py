"""Functions of one value, and products: the rescale rule."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from matxai.engine.differences.pairs import RULES, Pair, halves, of_both, paired

if TYPE_CHECKING:
    from collections.abc import Callable

    from matxai.engine.standins.call import Call

#: Functions without curvature between their kinks: their ratio of differences is exact however small these are.
PIECEWISE_LINEAR = frozenset({
    "relu", "relu6", "leaky_relu", "prelu", "rrelu", "abs", "hardtanh", "hardsigmoid", "clamp", "clamp_min",
    "clamp_max", "clip", "threshold",
})  # fmt: skip
OTHERS = (
    "leaky_relu", "prelu", "rrelu", "abs", "threshold", "softsign", "logsigmoid", "exp", "exp2", "expm1", "log", "log2",
    "log10", "log1p", "sqrt", "rsqrt", "square", "sin", "cos", "erf", "reciprocal", "logit", "hardshrink", "softshrink",
    "tanhshrink",
)  # fmt: skip


def rescale(g: Tensor, x: Pair, y: Pair, slope: Callable[[Tensor], Tensor], *, exact: bool) -> Tensor:
    """Return g (y - y0) / (x - x0), and g times the slope where x - x0 is tiny next to the RMS of both.

    Parameters
    ----------
    g
        What flows to the output, of the inputs' half.
    x, y
        Input and output, each of inputs and baselines.
    slope
        Of the function, at given values.
    exact
        Whether the function is linear between kinks: then only 0 is tiny.
    """
    apart = x[0] - x[1]
    if exact:
        tiny = apart == 0
    else:
        size = torch.finfo(apart.dtype).eps ** 0.5
        both = torch.stack(x, 1).flatten(1)
        root_mean_square = torch.linalg.vector_norm(both, dim=1) * both.shape[1] ** -0.5
        tiny = apart.abs() <= size * root_mean_square.view(-1, *(1,) * (apart.ndim - 1))
    middle = x[0] if exact else (x[0] + x[1]) / 2
    ratio = (y[0] - y[1]) / torch.where(tiny, torch.ones_like(apart), apart)
    return g * torch.where(tiny, slope(middle), ratio)


@RULES.register("relu")
@RULES.register("activation")
@RULES.register("clamp")
def function_of_one_value(call: Call) -> Any:
    """Stand in for y = f(x), f applied to each value by itself."""
    run, x = call.run, call.x
    rest = {k: v for k, v in call.kwargs.items() if k not in ("input", "inplace", "out")}
    if run.value(x) is None or any(run.value(a) is not None for a in (*call.args[1:], *rest.values())):
        run.stuck[call.op.index] = "has bounds or slopes that depend on the input"
        return NotImplemented

    def function(t: Tensor) -> Tensor:
        made: Tensor = call.function(t, *call.args[1:], **rest)
        return made

    with torch.no_grad():
        value = function(x.detach().clone())  # which the function may write into
    exact = call.row.base in PIECEWISE_LINEAR

    def back(g: Tensor, x: Pair, y: Pair) -> tuple[Tensor]:
        return (rescale(g, x, y, lambda at: of_both(function, at), exact=exact),)

    return paired(call, back, (x,), (x, value), value)


for _name in OTHERS:
    RULES.add(_name, function_of_one_value)


RULES.add("rpow", function_of_one_value)


@RULES.register("pow")
def power(call: Call) -> Any:
    """A power with a constant exponent."""
    base, exponent = (*call.args, *call.kwargs.values())[:2]
    if call.run.value(exponent) is not None or not isinstance(base, Tensor) or isinstance(exponent, Tensor):
        call.run.stuck[call.op.index] = "is a power whose exponent depends on the input or differs from value to value"
        return NotImplemented
    return function_of_one_value(call)


@RULES.register("product")
def product(call: Call) -> Any:
    """Of a b, two live tensors, each goes by the other's mean over input and baseline, so that both add up."""
    a, b = (*call.args, None)[:2]
    if len(call.op.inputs) < 2 or not isinstance(a, Tensor) or not isinstance(b, Tensor):
        return NotImplemented
    with torch.no_grad():
        value = torch.mul(a.detach(), b.detach())

    def back(g: Tensor, a: Pair, b: Pair) -> tuple[Tensor, Tensor]:
        return (g * (b[0] + b[1]) / 2).sum_to_size(a[0].shape), (g * (a[0] + a[1]) / 2).sum_to_size(b[0].shape)

    return paired(call, back, (a, b), (a, b), value)


@RULES.register("quotient")
def quotient(call: Call) -> Any:
    """Of a / b: the product of a with 1 / b, whose differences have the ratio -1 / (b b0)."""
    run = call.run
    a, b = (*call.args, None)[:2]
    if call.kwargs.get("rounding_mode") is not None:
        run.stuck[call.op.index] = "rounds"
        return NotImplemented
    return NotImplemented if run.value(b) is None else _divided(call, a, b)


@RULES.register("reciprocal_div")
def reflected_quotient(call: Call) -> Any:
    """A constant divided by a live tensor, written as an expression: the tensor is the first argument."""
    return _divided(call, call.args[1], call.args[0])


def _divided(call: Call, a: Any, b: Tensor) -> Any:
    with torch.no_grad():
        value = torch.div(a.detach() if isinstance(a, Tensor) else a, b.detach())
    live = isinstance(a, Tensor) and call.run.value(a) is not None

    def back(g: Tensor, b: Pair, *numerator: Pair) -> tuple[Tensor, ...]:
        over = -g / (b[0] * b[1])
        if not numerator:
            constant = halves(a)[0] if isinstance(a, Tensor) and a.ndim == b[0].ndim and len(a) == 2 * len(g) else a
            return ((over * constant).sum_to_size(b[0].shape),)
        (n,) = numerator
        to_b = (over * (n[0] + n[1]) / 2).sum_to_size(b[0].shape)
        return to_b, (g * (1 / b[0] + 1 / b[1]) / 2).sum_to_size(n[0].shape)

    tensors = (b, a) if live else (b,)
    return paired(call, back, tensors, tensors, value)

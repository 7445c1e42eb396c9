"""LRP's rules for linear operations, in the form relevance divided by input: each returns g_in with R_in = x * g_in.

Written for z = W x + b with relevance R = z * g at the output. W+ and W- are the positive and negative parts of the
weights, x+ and x- of the input. Every rule holds for signed inputs. Sources: Bach et al., PLoS ONE 10 (2015) e0130140
(epsilon, alpha-beta); Montavon et al., Pattern Recognition 65 (2017) 211 (z+, w^2, z^B); Montavon et al., LNCS 11700
(2019) 193 (gamma), for signed inputs Andeol et al. (2021).

Divisions are guarded by a stabiliser with the sign of z and a size relative to the root mean square of z over one
sample; 0/0 is 0. A new rule is one function from a :class:`~matxai.engine.step.Step`, registered here under its name
with ``RULES.register`` or put into a table as it is:

>>> from matxai.engine import Composite
>>> def magnitude(step):
...     \"\"\"R_i = sum_j |x_i w_ij| / sum_i |x_i w_ij| R_j.\"\"\"
...     weight = step.weight.abs()
...     z = step.map.apply(step.x.abs(), weight)
...     return step.x.sign() * step.back(step.divided(step.handed, z), weight)
>>> mine = Composite("mine", [("convolution", magnitude)], default="epsilon")
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from matxai.engine.step import Step, divided, margin, where_true
from matxai.errors import MethodError
from matxai.registry import Registry

if TYPE_CHECKING:
    from matxai.engine.ruletable import Bound, LinearRule

RuleFunction = Callable[[Step], Tensor]

RULES: Registry[RuleFunction] = Registry("LRP rule", error=MethodError)
DIRECT = frozenset({"flat", "w_square", "z_box"})
"""Rules whose result is the relevance itself: they belong at the input, which they may not divide by."""
BY_SIGN = frozenset({"z_plus", "gamma", "alpha_beta"})
"""Rules that need z+ and the weights by sign: backwards of one run share them."""


def rule_function(rule: LinearRule) -> RuleFunction:
    """Return the function of a rule.

    Raises
    ------
    MethodError
        If none is registered under its name.
    """
    return RULES[rule.name] if isinstance(rule.name, str) else rule.name


def apply_rule(step: Step) -> Tensor:
    """Return relevance divided by input (relevance where ``step.direct`` is set) at the input of one operation."""
    dtype = step.g.dtype
    step.widen()
    step.book.flow(step.index, before=step.handed)
    shared = step.rule.name in BY_SIGN
    if shared and step.parts is not None:
        step.parts.begin(step.index)
    back = rule_function(step.rule)(step)
    if shared and step.parts is not None:
        step.parts.end(step.index)
    if not isinstance(back, Tensor) or back.shape != step.x.shape:
        got = tuple(back.shape) if isinstance(back, Tensor) else type(back).__name__
        raise MethodError(f"The rule {step.rule.label} gives {got}; it must give one value for each of the input's"
                          f" {tuple(step.x.shape)}.")  # fmt: skip
    if step.direct:
        step.book.flow(step.index, after=back)
    else:
        step.book.flow(step.index, after=step.x, times=back)
    return back.to(dtype)


@RULES.register("epsilon")
def epsilon_rule(step: Step) -> Tensor:
    """R_i = sum_j x_i w_ij / (z_j + eps sign z_j) R_j: g_in = W^T s with s = R / (z + eps)."""
    s = divided(step.handed, step.z, margin(step.z, step.rule.epsilon))
    step.book_losses(s, step.z, step.handed, step.bias)
    return step.back(s, step.weight)


@RULES.register("z_plus")
def z_plus_rule(step: Step) -> Tensor:
    """R_i = sum_j (x_i w_ij)+ / z+_j R_j: positive contributions alone; where there are none, epsilon."""
    handed, zp = step.handed, step.positive_part()
    guard = margin(zp)
    extra = None
    if not step.fallback:
        orphaned = where_true(zp <= guard, handed)
        step.write("missing", orphaned)
        handed = handed - orphaned
    elif not step.rectified and _any_below(zp, guard):
        # behind a ReLU an output without positive contributions holds no relevance
        orphaned = where_true(zp <= guard, handed)
        if bool(orphaned.any()):
            handed = handed - orphaned
            s = divided(orphaned, step.z, margin(step.z))
            step.book_losses(s, step.z, orphaned, step.bias)
            extra = step.back(s, step.weight)
    s = divided(handed, zp, guard)
    step.book_losses(s, zp, handed, None if step.bias is None else step.bias.clamp(min=0))
    back = step.signed_back(s, step.plus, step.minus)
    return back if extra is None else back + extra


def _any_below(z: Tensor, guard: Tensor) -> bool:
    """Whether any value is not above its sample's guard."""
    return bool((z.amin(tuple(range(1, z.ndim)), keepdim=True) <= guard).any())


@RULES.register("gamma")
def gamma_rule(step: Step) -> Tensor:
    """Go by z + gamma z+ where z is positive, by z + gamma z- where it is negative: z's own sign weighs more."""
    gamma, z, zp = step.rule.gamma, step.z, step.positive_part()
    up = step.map.remember(f"W + {gamma} W+", lambda: step.weight + gamma * step.plus)
    down = step.map.remember(f"W + {gamma} W-", lambda: step.weight + gamma * step.minus)
    taken = step.handed if step.rectified else where_true(z > 0, step.handed)
    weighted = z + gamma * zp
    s = divided(taken, weighted, margin(weighted))
    step.book_losses(s, weighted, taken, None if step.bias is None else step.bias + gamma * step.bias.clamp(min=0))
    back = step.signed_back(s, up, down)
    if step.rectified:
        return back  # nothing is handed to negative outputs
    taken = where_true(z < 0, step.handed)
    weighted = z + gamma * (z - zp)
    s = divided(taken, weighted, margin(weighted))
    step.book_losses(s, weighted, taken, None if step.bias is None else step.bias + gamma * step.bias.clamp(max=0))
    return back + step.signed_back(s, down, up)


@RULES.register("alpha_beta")
def alpha_beta_rule(step: Step) -> Tensor:
    """Alpha times the positive minus beta times the negative contributions; where one kind is missing, the other."""
    zp, handed, rule = step.positive_part(), step.handed, step.rule
    zn = (step.z - zp).clamp_(max=0)
    guard_p, guard_n = margin(zp), margin(zn)
    alpha, beta = rule.alpha, rule.beta
    has_p, has_n = zp > guard_p, zn < -guard_n
    of_p, of_n = where_true(has_p, handed), where_true(has_n, handed)
    if step.fallback:  # alpha and -beta where there are both, 1 for the one that there is alone
        both = where_true(has_n, of_p)
        given_p, given_n = torch.add(of_p, both, alpha=alpha - 1), torch.sub(of_n, both, alpha=1 + beta)
        step.write("stabilisers", handed - of_p - of_n + both)
    else:
        step.write("missing", alpha * (handed - of_p) - beta * (handed - of_n))
        given_p, given_n = alpha * of_p, -beta * of_n
    s_p, s_n = divided(given_p, zp, guard_p), divided(given_n, zn, guard_n)
    step.book_losses(s_p, zp, given_p, None if step.bias is None else step.bias.clamp(min=0))
    step.book_losses(s_n, zn, given_n, None if step.bias is None else step.bias.clamp(max=0))
    return step.signed_back(s_p, step.plus, step.minus) + step.signed_back(s_n, step.minus, step.plus)


@RULES.register("flat")
def flat_rule(step: Step) -> Tensor:
    """Every input of an output gets the same: R = 1^T (R / n), n the number of inputs of each output."""
    return _shared_out(step, torch.ones_like(step.weight))


@RULES.register("w_square")
def w_square_rule(step: Step) -> Tensor:
    """Every input of an output gets by its squared weight."""
    return _shared_out(step, step.weight**2)


def _shared_out(step: Step, weight: Tensor) -> Tensor:
    count = step.map.apply(torch.ones_like(step.x[:1]), weight).expand_as(step.z)
    s = divided(step.handed, count, margin(count))
    step.book_losses(s, count, step.handed, None)
    return step.lay_down(step.back(s, weight))


@RULES.register("z_box")
def z_box_rule(step: Step) -> Tensor:
    """Inputs within [low, high]: R_i = sum_j (x_i w_ij - low_i w+_ij - high_i w-_ij) / (the same summed over i) R_j."""
    low, high = (_bounds(b, step.x) for b in (step.rule.low, step.rule.high))
    z = step.z if step.bias is None else step.z - step.map.per_channel(step.bias, step.z.ndim)
    z = z - step.map.apply(low, step.plus) - step.map.apply(high, step.minus)
    s = divided(step.handed, z, margin(z))
    step.book_losses(s, z, step.handed, None)
    by_weight = step.x * step.back(s, step.weight)
    return step.lay_down(by_weight - low * step.back(s, step.plus) - high * step.back(s, step.minus))


def _bounds(bound: Bound | None, x: Tensor) -> Tensor:
    values = torch.as_tensor(0.0 if bound is None else bound, dtype=x.dtype, device=x.device)
    if values.ndim:
        values = values.view(1, -1, *(1,) * (x.ndim - 2))
    return values.expand(x.shape)

"""LRP's rules for linear operations, in the form relevance divided by input: each returns g_in with R_in = x * g_in.

Written for z = W x + b with relevance R = z * g at the output. W+ and W- are the positive and negative parts of the
weights, x+ and x- of the input. Every rule holds for signed inputs. Sources: Bach et al., PLoS ONE 10 (2015) e0130140
(epsilon, alpha-beta); Montavon et al., Pattern Recognition 65 (2017) 211 (z+, w^2, z^B); Montavon et al., LNCS 11700
(2019) 193 (gamma), for signed inputs Andeol et al. (2021).

Divisions are guarded by a stabiliser with the sign of z and a size relative to the root mean square of z over one
sample; 0/0 is 0. A new rule is one function here, registered under its name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from matxai.engine.composites import Bound, LinearRule
from matxai.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable

    from matxai.engine.ledger import Book
    from matxai.engine.linear import LinearMap


@dataclass
class Step:
    """One linear operation on the way back.

    Attributes
    ----------
    map, weight, bias
        The operation, with a batch norm folded in.
    x, z, g
        Its input, its output, and relevance divided by the output; of float32 at least.
    nonnegative
        Whether x is known to be non-negative.
    rectified
        Whether only ReLUs use z, so that no relevance is where z is negative.
    fallback
        What happens where an output has no contribution of the sign that a rule asks for.
    book
        Where losses are written.
    """

    map: LinearMap
    x: Tensor
    z: Tensor
    g: Tensor
    weight: Tensor
    bias: Tensor | None
    nonnegative: bool
    rectified: bool
    fallback: bool
    book: Book

    def back(self, s: Tensor, weight: Tensor) -> Tensor:
        """Return the adjoint map of ``s`` with other weights."""
        return self.map.adjoint(s, weight, self.x.shape)

    def signed_back(self, s: Tensor, plus: Tensor, minus: Tensor) -> Tensor:
        """Return the adjoint that goes by ``plus`` where x is positive and by ``minus`` where it is negative."""
        back = self.back(s, plus)
        return back if self.nonnegative else torch.where(self.x > 0, back, self.back(s, minus))

    def positive_part(self) -> Tensor:
        """Return z+ = W+ x+ + W- x- + b+: the sum of the contributions that are positive."""
        plus = None if self.bias is None else self.bias.clamp(min=0)
        if self.nonnegative:
            return self.map.apply(self.x, self.weight.clamp(min=0), plus)
        z = self.map.apply(self.x.clamp(min=0), self.weight.clamp(min=0), plus)
        return z + self.map.apply(self.x.clamp(max=0), self.weight.clamp(max=0))

    def book_losses(self, s: Tensor, denominator: Tensor, handed: Tensor, bias: Tensor | None) -> None:
        """Write down what biases and the stabiliser took of the relevance ``handed`` to this step."""
        if bias is not None:
            self.book.write("biases", s * self.map.per_channel(bias, s.ndim))
        self.book.write("stabilisers", handed - s * denominator)


RULES: Registry[Callable[[LinearRule, Step], Tensor]] = Registry("LRP rule")
DIRECT = frozenset({"flat", "w_square", "z_box"})
"""Rules whose result is the relevance itself: they belong at the input, which they may not divide by."""


def apply_rule(rule: LinearRule, step: Step) -> Tensor:
    """Return relevance divided by input (for :data:`DIRECT` rules relevance) at the input of one operation."""
    dtype = step.g.dtype
    wide = torch.promote_types(step.x.dtype, torch.float32)
    step.x, step.z, step.g, step.weight = (t.to(wide) for t in (step.x, step.z, step.g, step.weight))
    step.bias = None if step.bias is None else step.bias.to(wide)
    return RULES[rule.name](rule, step).to(dtype)


def default_epsilon(dtype: torch.dtype) -> float:
    """Return the stabiliser in units of the root mean square: 1e-9 in float64, else 1e-6."""
    return 1e-9 if dtype == torch.float64 else 1e-6


def margin(z: Tensor, epsilon: float | None = None) -> Tensor:
    """Return epsilon times the root mean square of z over each sample, shaped to broadcast over z."""
    size = default_epsilon(z.dtype) if epsilon is None else epsilon
    root_mean_square: Tensor = torch.linalg.vector_norm(z.flatten(1), dim=1) * z[0].numel() ** -0.5
    return size * root_mean_square.view(-1, *(1,) * (z.ndim - 1))


def divided(numerator: Tensor, z: Tensor, guard: Tensor) -> Tensor:
    """Return numerator / (z + sign(z) * guard), and 0 where the denominator is 0."""
    denominator = z + torch.copysign(guard, z)
    return (numerator / denominator).masked_fill_(denominator == 0, 0)


@RULES.register("epsilon")
def epsilon_rule(rule: LinearRule, step: Step) -> Tensor:
    """R_i = sum_j x_i w_ij / (z_j + eps sign z_j) R_j: g_in = W^T s with s = R / (z + eps)."""
    handed = step.z * step.g
    s = divided(handed, step.z, margin(step.z, rule.epsilon))
    step.book_losses(s, step.z, handed, step.bias)
    return step.back(s, step.weight)


@RULES.register("z_plus")
def z_plus_rule(_rule: LinearRule, step: Step) -> Tensor:
    """R_i = sum_j (x_i w_ij)+ / z+_j R_j: positive contributions alone; where there are none, epsilon."""
    handed, zp = step.z * step.g, step.positive_part()
    guard = margin(zp)
    plus, minus = step.weight.clamp(min=0), step.weight.clamp(max=0)
    none = zp <= guard
    extra = None
    if not step.rectified and step.fallback and bool((none & (handed != 0)).any()):
        orphaned = torch.where(none, handed, 0)
        handed = handed - orphaned
        extra = epsilon_rule(LinearRule("epsilon"), _with(step, g=torch.where(none, step.g, 0)))
    elif not step.fallback:
        step.book.write("missing", torch.where(none, handed, 0))
        handed = torch.where(none, 0, handed)
    s = divided(handed, zp, guard)
    step.book_losses(s, zp, handed, None if step.bias is None else step.bias.clamp(min=0))
    back = step.signed_back(s, plus, minus)
    return back if extra is None else back + extra


@RULES.register("gamma")
def gamma_rule(rule: LinearRule, step: Step) -> Tensor:
    """Go by z + gamma z+ where z is positive, by z + gamma z- where it is negative: z's own sign weighs more."""
    gamma, z, zp = rule.gamma, step.z, step.positive_part()
    handed, positive = z * step.g, z > 0
    zn = z - zp
    back = torch.zeros_like(step.x)
    plus, minus = step.weight.clamp(min=0), step.weight.clamp(max=0)
    for of_sign, part, own, other in ((positive, zp, plus, minus), (z < 0, zn, minus, plus)):
        if of_sign is not positive and step.rectified:
            continue  # nothing is handed to negative outputs
        taken = torch.where(of_sign, handed, 0)
        weighted = z + gamma * part
        s = divided(taken, weighted, margin(weighted))
        bias = None
        if step.bias is not None:
            bias = step.bias + gamma * (step.bias.clamp(min=0) if of_sign is positive else step.bias.clamp(max=0))
        step.book_losses(s, weighted, taken, bias)
        back = back + step.signed_back(s, step.weight + gamma * own, step.weight + gamma * other)
    return back


@RULES.register("alpha_beta")
def alpha_beta_rule(rule: LinearRule, step: Step) -> Tensor:
    """Alpha times the positive minus beta times the negative contributions; where one kind is missing, the other."""
    zp = step.positive_part()
    zn = (step.z - zp).clamp(max=0)
    handed = step.z * step.g
    plus, minus = step.weight.clamp(min=0), step.weight.clamp(max=0)
    guard_p, guard_n = margin(zp), margin(zn)
    no_p, no_n = zp <= guard_p, -zn <= guard_n
    alpha, beta = torch.full_like(zp, rule.alpha), torch.full_like(zp, rule.beta)
    if step.fallback:
        one = torch.ones_like(zp)
        alpha = torch.where(no_n, one, alpha)
        beta = torch.where(no_n, torch.zeros_like(one), torch.where(no_p, -one, beta))
        neither = no_p & no_n
        step.book.write("stabilisers", torch.where(neither, handed, 0))
        handed = torch.where(neither, 0, handed)
        alpha = torch.where(no_p, torch.zeros_like(one), alpha)
    else:
        step.book.write("missing", handed * (alpha * no_p - beta * no_n))
        alpha, beta = alpha.masked_fill(no_p, 0), beta.masked_fill(no_n, 0)
    given_p, given_n = alpha * handed, -beta * handed
    s_p, s_n = divided(given_p, zp, guard_p), divided(given_n, zn, guard_n)
    step.book_losses(s_p, zp, given_p, None if step.bias is None else step.bias.clamp(min=0))
    step.book_losses(s_n, zn, given_n, None if step.bias is None else step.bias.clamp(max=0))
    return step.signed_back(s_p, plus, minus) + step.signed_back(s_n, minus, plus)


@RULES.register("flat")
def flat_rule(_rule: LinearRule, step: Step) -> Tensor:
    """Every input of an output gets the same: R = 1^T (R / n), n the number of inputs of each output."""
    ones = torch.ones_like(step.weight)
    return _shared_out(step, torch.ones_like(step.x), ones)


@RULES.register("w_square")
def w_square_rule(_rule: LinearRule, step: Step) -> Tensor:
    """Every input of an output gets by its squared weight."""
    return _shared_out(step, torch.ones_like(step.x), step.weight**2)


def _shared_out(step: Step, ones: Tensor, weight: Tensor) -> Tensor:
    handed, count = step.z * step.g, step.map.apply(ones[:1], weight).expand_as(step.z)
    s = divided(handed, count, margin(count))
    step.book_losses(s, count, handed, None)
    return step.back(s, weight)


@RULES.register("z_box")
def z_box_rule(rule: LinearRule, step: Step) -> Tensor:
    """Inputs within [low, high]: R_i = sum_j (x_i w_ij - low_i w+_ij - high_i w-_ij) / (the same summed over i) R_j."""
    low, high = (_bounds(b, step.x) for b in (rule.low, rule.high))
    plus, minus = step.weight.clamp(min=0), step.weight.clamp(max=0)
    z = step.z if step.bias is None else step.z - step.map.per_channel(step.bias, step.z.ndim)
    z = z - step.map.apply(low, plus) - step.map.apply(high, minus)
    handed = step.z * step.g
    s = divided(handed, z, margin(z))
    step.book_losses(s, z, handed, None)
    return step.x * step.back(s, step.weight) - low * step.back(s, plus) - high * step.back(s, minus)


def affine(rule: LinearRule, z: Tensor, g: Tensor, scale: Tensor, shift: Tensor | None, book: Book) -> Tensor:
    """Epsilon for z = scale * x + shift in each channel: g_in = scale * R / (z + eps)."""
    handed = z * g
    s = divided(handed, z, margin(z, rule.epsilon))
    if shift is not None:
        book.write("biases", s * shift)
    book.write("stabilisers", handed - s * z)
    return s * scale


def _with(step: Step, *, g: Tensor) -> Step:
    return Step(step.map, step.x, step.z, g, step.weight, step.bias, step.nonnegative, step.rectified, step.fallback,
                step.book)  # fmt: skip


def _bounds(bound: Bound | None, x: Tensor) -> Tensor:
    values = torch.as_tensor(0.0 if bound is None else bound, dtype=x.dtype, device=x.device)
    if values.ndim:
        values = values.view(1, -1, *(1,) * (x.ndim - 2))
    return values.expand(x.shape).clone()

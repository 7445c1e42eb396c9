"""Matrix products: with a constant in any place a linear operation; of two live tensors a gate, as attention is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from matxai.engine.linear import LinearMap, linear_map
from matxai.engine.standins.call import put
from matxai.engine.standins.linear import LinearNode, linear_node
from matxai.engine.standins.products import shares

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from matxai.engine.nodes import Cell, Switch
    from matxai.engine.standins.call import Call

_PLUS = {"addmm": torch.mm, "baddbmm": torch.bmm, "addmv": torch.mv}


def matmul(call: Call) -> Any:
    """``matmul``, ``mm``, ``bmm``, ``mv``, ``dot``, ``einsum``, ``tensordot``, and those with a summand."""
    base = call.row.base
    if base in _PLUS:
        return _added(call)
    if base == "addbmm":
        return call.refuse("sums products over the batch and has no rule")
    operands, function = _spelled(call)
    live = [i for i, t in enumerate(operands) if call.run.value(t) is not None]
    if len(live) == 1:
        return _with_constant(call, operands, live[0], function)
    if len(operands) != 2:
        return call.refuse("multiplies more than two tensors, several of which depend on the input, and has no rule")
    call.op.kind, call.op.params = "gate", {"matrix": True}
    if not call.ruled:
        return NotImplemented
    run, (a, b) = call.run, operands
    node = MatrixNode(run.switch, call.op.index, (run.store.keep(a), run.store.keep(b)), function, call.value())
    return put(node, a, b)


def bilinear(call: Call) -> Any:
    """``F.bilinear``, written out as two products."""
    if not call.ruled:
        return NotImplemented
    given = call.read()

    def written(x1: Tensor, x2: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        of_first = torch.einsum("...i,oij->...oj", x1, weight)
        out = torch.einsum("...oj,...j->...o", of_first, x2)
        return out if bias is None else torch.add(out, bias)

    return call.written_out(written, call.x, given["input2"], given["weight"], given["bias"])


def _spelled(call: Call) -> tuple[list[Tensor], Callable[..., Tensor]]:
    """Return the operands in their order, and the product as a function of them."""
    args, base = list(call.args), call.row.base
    if base == "einsum":
        equation, *operands = args
        if len(operands) == 1 and isinstance(operands[0], list | tuple):
            operands = list(operands[0])
        return operands, lambda *t: torch.einsum(equation, *t)
    args += [call.kwargs[k] for k in ("input", "other", "mat2", "tensor", "a", "b", "vec") if k in call.kwargs]
    if base == "tensordot":
        given = args[2] if len(args) == 3 else tuple(args[2:]) or 2  # aten has the axes of both one by one
        dims = call.kwargs.get("dims", given)
        return args[:2], lambda a, b: torch.tensordot(a, b, dims)
    if getattr(call.function, "__name__", "") == "__rmatmul__":
        args[:2] = args[1::-1]
    return args[:2], {"inner": torch.inner, "dot": torch.dot, "mv": torch.mv}.get(base, torch.matmul)


def _with_constant(call: Call, operands: list[Tensor], place: int, function: Callable[..., Tensor]) -> Any:
    run, x = call.run, operands[place]
    others = [t for i, t in enumerate(operands) if i != place]
    dense = call.row.base in ("matmul", "mm") and place == 0 and others[0].ndim == 2
    if dense:
        call.op.kind = "linear"
    if not call.ruled or not others:  # an einsum of one operand is a sum or a transposition
        return NotImplemented
    if dense:
        return linear_node(
            call, LinearNode(run.switch, linear_map("linear", others[0], {}), others[0].t(), None, x.shape,
                             call.value()), x)  # fmt: skip

    def product(x: Tensor, weight: Tensor) -> Tensor:
        given = [weight, *others[1:]]
        given.insert(place, x)
        return function(*given)

    call.op.kind, call.op.params = "linear", {"product": True}
    map_ = ProductMap("linear", function=product)
    return linear_node(call, LinearNode(run.switch, map_, others[0], None, x.shape, call.value()), x)


def _added(call: Call) -> Any:
    """``addmm`` and ``baddbmm``: a dense layer, or a product and a sum."""
    summand, a, b = call.args[:3]
    function: Any = _PLUS[call.row.base]
    run, beta, alpha = call.run, call.kwargs.get("beta", 1), call.kwargs.get("alpha", 1)
    dense = call.row.base == "addmm" and run.value(a) is not None and len(call.op.inputs) == 1
    if dense:
        call.op.kind = "linear"
    if not call.ruled:
        return NotImplemented
    if dense and summand.ndim == 1 and beta == alpha == 1:
        node = LinearNode(run.switch, linear_map("linear", b, {}), b.t(), summand, a.shape, call.value())
        return linear_node(call, node, a)

    def written() -> Tensor:
        out: Tensor = function(a, b)
        out = out if alpha == 1 else torch.mul(out, alpha)
        return torch.add(out, summand if beta == 1 else torch.mul(summand, beta))

    return call.written_out(written)


@dataclass(frozen=True)
class ProductMap(LinearMap):
    """A product as a linear map of one operand: ``function(x, weight)``; no matrix is made."""

    function: Callable[[Tensor, Tensor], Tensor] = torch.matmul

    def apply(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """Return the product."""
        z = self.function(x, weight.to(x.dtype))
        return z if bias is None else z + bias

    def adjoint(self, s: Tensor, weight: Tensor, shape: Sequence[int]) -> Tensor:
        """Return the transposed map of ``s``: the gradient of a linear function, wherever it is taken."""
        with torch.enable_grad():
            anywhere = s.new_zeros(shape).requires_grad_()
            (back,) = torch.autograd.grad(self.function(anywhere, weight.to(s.dtype)), anywhere, s)
        return back


@dataclass(eq=False)
class MatrixNode:
    """A matrix product of two live tensors; LRP takes attention weights for constants, or gives half to each."""

    switch: Switch
    index: int
    operands: tuple[Cell, Cell]
    function: Callable[[Tensor, Tensor], Tensor]
    value: Tensor | None
    saved: tuple[Tensor, ...] = ()

    def pull(self, g: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradient of the product to each operand, times its share."""
        a, b = (c.tensor for c in self.operands)
        share = shares(self.switch, self.index)
        if self.function is torch.matmul and min(a.ndim, b.ndim) > 1:
            return (
                _times(torch.matmul(g, b.mT).sum_to_size(a.shape), share[0]) if share[0] else None,
                _times(torch.matmul(a.mT, g).sum_to_size(b.shape), share[1]) if share[1] else None,
            )
        with torch.enable_grad():
            leaves = [t.detach().requires_grad_(bool(part)) for t, part in zip((a, b), share, strict=True)]
            wanted = [t for t in leaves if t.requires_grad]
            found = iter(torch.autograd.grad(self.function(*leaves), wanted, g) if wanted else ())
        return tuple(_times(next(found), part) if part else None for part in share)


def _times(back: Tensor, share: float) -> Tensor:
    return back if share == 1 else back * share

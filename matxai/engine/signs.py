"""Whether what an operation gives can be negative: told by the operation and its operands, no value is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor

from matxai.engine.operations import Row, Sign

if TYPE_CHECKING:
    from collections.abc import Callable

_SIGN_BY_OPERANDS = frozenset({"add", "product", "quotient", "cat", "pad", "piecewise", "select", "clamp"})


def stays_nonnegative(
    row: Row, args: tuple[Any, ...], kwargs: dict[str, Any], live: list[Tensor], known: Callable[[Tensor], bool]
) -> bool:
    """Whether a call cannot give negative values, by what is ``known`` of the tensors that depend on the input."""
    if row.sign is Sign.NONNEGATIVE:
        return True
    if row.kind == "clamp":
        low = row.read(args, kwargs).get("min")
        if isinstance(low, int | float) and low >= 0:
            return True
    if row.sign is Sign.ANY or not all(known(t) for t in live):
        return False
    if row.kind == "interpolate" and "bicubic" in (kwargs.get("mode"), *args[3:4]):
        return False
    return row.kind not in _SIGN_BY_OPERANDS or _constants_nonnegative((args, tuple(kwargs.values())), live)


def _constants_nonnegative(arg: Any, live: list[Tensor]) -> bool:
    """Whether no constant operand can be negative: numbers are asked, tensors are not."""
    if isinstance(arg, Tensor):
        return not arg.is_floating_point() or any(arg is t for t in live)
    if isinstance(arg, float):
        return arg >= 0
    if isinstance(arg, list | tuple):
        return all(_constants_nonnegative(a, live) for a in arg)
    return True

"""Tensors in what a model or a layer returns: nested lists, tuples, named tuples, dictionaries and dataclasses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable


def entries(result: Any) -> dict[str, Any] | None:
    """Return what a dictionary, a dataclass or a named tuple holds, by name; None for anything else."""
    if isinstance(result, Mapping):
        return {str(k): v for k, v in result.items()}
    if is_dataclass(result) and not isinstance(result, type):
        return {f.name: getattr(result, f.name) for f in fields(result)}
    if isinstance(result, tuple) and hasattr(result, "_fields"):
        return dict(zip(result._fields, result, strict=True))
    return None


def tensors_in(result: Any) -> list[Tensor]:
    """Return all tensors, in their order."""
    if isinstance(result, Tensor):
        return [result]
    inside = entries(result)
    if inside is not None:
        return [t for r in inside.values() for t in tensors_in(r)]
    if isinstance(result, list | tuple):
        return [t for r in result for t in tensors_in(r)]
    return []


def mapped(result: Any, function: Callable[[Tensor], Tensor]) -> Any:
    """Return the same with ``function`` of every tensor; dictionaries of their own kind and dataclasses become dicts.

    Nothing of the caller's is run or written: a class of theirs may do anything when it is made.
    """
    if isinstance(result, Tensor):
        return function(result)
    if isinstance(result, tuple) and hasattr(result, "_fields"):
        return type(result)(*(mapped(r, function) for r in result))
    inside = entries(result)
    if inside is not None:
        return {k: mapped(v, function) for k, v in inside.items()}
    if isinstance(result, list | tuple):
        return (list if isinstance(result, list) else tuple)(mapped(r, function) for r in result)
    return result

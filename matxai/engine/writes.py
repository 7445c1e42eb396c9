"""What a forward writes into: which tensor a call changes, and what of it is the module's own and is put back.

What the run itself holds is copied before a write by the :class:`~matxai.engine.nodes.Store`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torch import nn

    from matxai.engine.operations import Row


def target_of(row: Row, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Tensor | None:
    """Return the tensor that a call writes into, if any.

    PyTorch's functions with an argument ``inplace`` hand it on as a keyword, however the model gave it.
    """
    out = kwargs.get("out")
    if isinstance(out, Tensor):
        return out
    if not row.in_place and kwargs.get("inplace", False) is not True:
        return None
    first = args[0] if args else kwargs.get("input")
    return first if isinstance(first, Tensor) else None


class Writes:
    """What a forward wrote into a module's own parameters and buffers."""

    def __init__(self, module: nn.Module) -> None:
        self._module = module
        self._owned: dict[int, Tensor] | None = None
        self._before: dict[int, tuple[Tensor, Tensor]] = {}

    def owner(self, tensor: Tensor) -> Tensor | None:
        """Return the module's own parameter or buffer in whose storage a tensor lies."""
        if self._owned is None:
            owned: Iterable[Tensor] = (*self._module.parameters(), *self._module.buffers())
            self._owned = {_storage(t): t for t in owned}
        return self._owned.get(_storage(tensor))

    def keep(self, target: Tensor) -> Tensor | None:
        """Keep what a write is about to change, if it is the module's; return its owner."""
        owner, storage = self.owner(target), _storage(target)
        if owner is not None and storage not in self._before:
            self._before[storage] = (owner, owner.detach().clone())
        return owner

    def undo(self) -> None:
        """Put back what the forward changed."""
        with torch.no_grad():
            for tensor, before in self._before.values():
                tensor.detach().copy_(before)
        self._before.clear()


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()

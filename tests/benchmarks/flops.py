"""Counts the floating-point operations of whatever runs inside, and the bytes that a call keeps for its backwards.

Both are exact and depend on no machine. Used by tests (fixtures ``flops`` and ``kept``) and by the benchmark.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Self

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

_NAMES = {"_convolution_pointwise": "convolution", "_convolution_transpose_pointwise": "convolution_backward"}


class Flops(TorchDispatchMode):
    """Adds up convolutions and matrix products, forward and backward, whoever calls them; elementwise work is free.

    Attributes
    ----------
    total
        Floating-point operations so far: 2 for each multiply-add.
    calls
        How often each counted operation ran, by its name in ATen; a packed convolution is a convolution.
    """

    def __init__(self) -> None:
        super().__init__()
        self.total = 0
        self.calls: dict[str, int] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operation, and count it if PyTorch has a formula for it."""
        kwargs = kwargs or {}
        formula = flop_registry.get(func._overloadpacket)
        if formula is None and func is not torch.ops.prim.device.default:
            with self:  # in inference mode composite operations arrive whole
                parts = func.decompose(*args, **kwargs)
            if parts is not NotImplemented:
                return parts
        result = func(*args, **kwargs)
        if formula is not None and not _without_storage(result):
            self.total += int(formula(*args, **kwargs, out_val=result))
            name = _NAMES.get(name := func._overloadpacket.__name__, name)
            self.calls[name] = self.calls.get(name, 0) + 1
        return result


def _without_storage(result: Any) -> bool:
    """Whether only a shape was worked out, and nothing computed."""
    first = result[0] if isinstance(result, tuple | list) and result else result
    return isinstance(first, Tensor) and first.is_meta


class Kept(saved_tensors_hooks):
    """Counts bytes of distinct storages that autograd saves, and holds them all so that none is counted twice.

    What the engine's own nodes hold is in ``Captured.kept_bytes``; add it.

    Parameters
    ----------
    own
        Tensors that are not counted: parameters, buffers, prepared weights, the input.
    """

    def __init__(self, own: Iterable[Tensor] = ()) -> None:
        self._own = [t.untyped_storage() for t in own]
        self._skip = {s.data_ptr() for s in self._own}
        self._alive: dict[int, torch.UntypedStorage] = {}
        super().__init__(self._pack, lambda t: t)

    def _pack(self, tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in self._skip:
            self._alive.setdefault(storage.data_ptr(), storage)
        return tensor

    @property
    def nbytes(self) -> int:
        """Bytes of the storages saved."""
        return sum(s.nbytes() for s in self._alive.values())

    def __enter__(self) -> Self:
        """Begin to count."""
        super().__enter__()
        return self

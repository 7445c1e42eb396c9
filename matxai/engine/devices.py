"""Where things run: the device of a name, and the device of a model."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

import torch
from torch import nn

from matxai.errors import MatxaiError, ModelError

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager


def choose(name: str | torch.device | None = None) -> torch.device:
    """Return the device of this name; ``None`` or ``"auto"``: CUDA, then Apple's MPS, then the CPU.

    Raises
    ------
    MatxaiError
        If PyTorch knows no such device, or this machine has none.
    """
    if name is None or name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise MatxaiError(f"There is no device '{name}'. Give cpu, cuda, cuda:0, mps or auto.") from None
    here: dict[str, Callable[[], bool]] = {"cuda": torch.cuda.is_available, "mps": torch.backends.mps.is_available}
    if device.type in here and not here[device.type]():
        raise MatxaiError(f"This machine has no device '{device.type}' that PyTorch can use; leave the device out.")
    if device.type == "cuda" and device.index is not None and device.index >= torch.cuda.device_count():
        raise MatxaiError(f"This machine has {torch.cuda.device_count()} CUDA device(s); there is no '{device}'.")
    return device


def of(module: nn.Module, asked: str | torch.device | None = None) -> torch.device | None:
    """Return the device that a module lives on, None where it has no parameters and buffers.

    Raises
    ------
    ModelError
        If another one was asked for: the user's module is not moved behind their back.
    """
    tensor = next(chain(module.parameters(), module.buffers()), None)
    if asked is None or asked == "auto":
        return None if tensor is None else tensor.device
    device = choose(asked)
    if tensor is None:
        return device
    if tensor.device.type != device.type or (device.index is not None and tensor.device.index != device.index):
        raise ModelError(
            f"The model is on '{tensor.device}', not on '{device}': move it first with model.to('{device}')."
        )
    return tensor.device


@dataclass(frozen=True)
class Precision:
    """The automatic precision of a caller's ``torch.autocast``: the model runs in it, and nothing else does."""

    device: str
    dtype: torch.dtype | None

    def context(self) -> AbstractContextManager[object]:
        """Return a context with this precision."""
        if self.dtype is None:
            return full_precision(self.device)
        return torch.autocast(self.device, self.dtype)


def precision(device: torch.device) -> Precision:
    """Return the precision that the caller has asked for on a device."""
    on = torch.is_autocast_enabled(device.type)
    return Precision(device.type, torch.get_autocast_dtype(device.type) if on else None)


def full_precision(device: str) -> AbstractContextManager[object]:
    """Return a context in which every tensor keeps its type: sums over half-precision values lose digits."""
    return torch.autocast(device, enabled=False) if torch.is_autocast_enabled(device) else nullcontext()

"""Where things run: the device of a name, and the device of a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from matxai.errors import MatxaiError, ModelError

if TYPE_CHECKING:
    from collections.abc import Callable


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
    tensor = next(iter((*module.parameters(), *module.buffers())), None)
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

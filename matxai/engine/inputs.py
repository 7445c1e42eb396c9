"""What goes into a model: the batch that is explained, checked before anything runs."""

from __future__ import annotations

import torch
from torch import Tensor

from matxai.errors import ModelError


def checked(x: Tensor, device: torch.device | None) -> Tensor:
    """Return the batch (B, C, *spatial) without a graph, where the model is.

    Raises
    ------
    ModelError
        If it is no batch of finite floating-point numbers.
    """
    if not isinstance(x, Tensor) or x.ndim < 2:
        shape = tuple(x.shape) if isinstance(x, Tensor) else type(x).__name__
        raise ModelError(f"The input is {shape}; it must be a batch (B, C, *spatial).")
    if not x.numel():
        raise ModelError(f"The input {tuple(x.shape)} is empty; give at least one sample, and no axis of length 0.")
    if not x.is_floating_point():
        raise ModelError(
            f"The input has the type {x.dtype}; convert it to floating point, scaled as the model expects."
        )
    if not bool(torch.isfinite(x).all()):
        raise ModelError("The input holds NaN or infinite values, which would reach the model; replace them first.")
    return x.detach() if device is None else x.detach().to(device)

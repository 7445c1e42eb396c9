"""A net of the same layers that has learnt nothing: the trained weights in a random order."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from matxai.errors import ModelError

if TYPE_CHECKING:
    import torch
    from torch import nn


def can_be_randomised(module: nn.Module) -> bool:
    """Return whether a module has weights that could be put in another order."""
    return any(p.numel() > 1 for p in module.parameters())


def weight_randomised(module: nn.Module, batch: torch.Tensor, seed: int = 0) -> nn.Module:
    """Return a copy of a module whose every weight tensor has its elements in a random order.

    What a map or a test says of such a net owes nothing to training (Adebayo et al. 2018, arXiv:1810.03292, who draw
    the weights anew; their own values in another order keep each layer's scale without knowing how it was initialised).
    The statistics of batch normalisation are measured anew, or the signal would vanish on the way.

    Parameters
    ----------
    module
        Stays as it is.
    batch
        Inputs ``(B, C, *spatial)`` for the statistics.
    seed
        Of the order.

    Raises
    ------
    ModelError
        If it has no weights: a black box.
    """
    import torch
    from torch.nn.modules.batchnorm import _BatchNorm

    draw = torch.Generator().manual_seed(seed)
    other = copy.deepcopy(module)
    weights = [p for p in other.parameters() if p.numel() > 1]
    if not weights:
        msg = f"{type(module).__name__} has no weights that could be put in another order."
        raise ModelError(msg)
    with torch.no_grad():
        for p in weights:
            order = torch.randperm(p.numel(), generator=draw).to(p.device)
            p.copy_(p.flatten()[order].view_as(p))
        for part in other.modules():
            part.training = False
        norms = [m for m in other.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum, norm.training = None, True  # None: the plain mean over what is seen
        if norms:
            other(batch)
        for norm in norms:
            norm.training = False
    return other

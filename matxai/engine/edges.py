"""Where the gradient of a tensor is read after the tensor itself is gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.autograd.graph import GradientEdge, get_gradient_edge

if TYPE_CHECKING:
    from torch import Tensor


class _OwnedEdge(GradientEdge):
    """An edge with an attribute that keeps its node alive."""

    owner: object


def edge_of(tensor: Tensor) -> GradientEdge:
    """Return the gradient edge of a tensor that requires a gradient; it outlives the tensor.

    Where edges have no ``ownership_token`` (PyTorch 2.6), the node of an autograd function is freed along with the last
    tensor behind it, and a backward that asks for such an edge ends the process.
    """
    edge = get_gradient_edge(tensor)
    if "ownership_token" in GradientEdge._fields:
        return edge
    owned = _OwnedEdge(*edge)
    with torch.enable_grad():
        owned.owner = tensor.view_as(tensor).grad_fn
    return owned

"""Tensors of a forward that do not depend on the input, where they keep their graph: under exact gradients.

PyTorch picks kernels by whether a weight requires a gradient, and they differ in the last bits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from matxai.engine.nested import tensors_in

if TYPE_CHECKING:
    from torch import Tensor

_MARK = "_matxai_constant"


def is_constant(tensor: Tensor, owner: object) -> bool:
    """Whether a tensor with a graph is a parameter, or was computed from such without the input in ``owner``'s run."""
    return tensor.is_leaf or tensor.__dict__.get(_MARK) is owner


def marked(result: Any, owner: object) -> Any:
    """Return what was computed without the input, its tensors marked."""
    for tensor in tensors_in(result):
        if tensor.requires_grad:
            tensor.__dict__[_MARK] = owner
    return result

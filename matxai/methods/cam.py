"""The mathematics of class activation maps: pure functions of a layer's activations and gradients, any number of axes.

Shapes: activations ``A`` are ``(B, K, *spatial)``, gradients ``g = dS/dA`` of the score are ``(B, K, *spatial)`` or,
for several targets, ``(T, B, K, *spatial)``. Weights come as ``(..., B, K)`` or as wide as the gradients, maps as
``(..., B, *spatial)``: signed, at the layer's own size, at the score's own scale.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

#: Relative to what a denominator is made of: below it, the denominator is noise.
GUARD = 1e-6


def spatial(A: Tensor) -> tuple[int, ...]:
    """Return the spatial axes of ``(B, K, *spatial)``, counted from the end so that they hold for gradients as well."""
    return tuple(range(2 - A.ndim, 0))


def weighted(w: Tensor, A: Tensor) -> Tensor:
    """Return ``sum_k w_k A_k`` for one weight per channel: ``(..., B, K)`` and ``(B, K, *spatial)``."""
    flat = w.unsqueeze(-2) @ A.flatten(2)
    return flat.reshape(*w.shape[:-1], *A.shape[2:])


def summed(w: Tensor, A: Tensor) -> Tensor:
    """Return ``sum_k w_k A_k`` for weights that differ from place to place: ``(..., B, K, *spatial)``."""
    return (w * A).sum(dim=1 - A.ndim)


def means(g: Tensor, A: Tensor) -> Tensor:
    """Return Grad-CAM's weights, the means of the gradients over space (Selvaraju et al. 2017, eq. 1)."""
    return g.mean(dim=spatial(A))


def normalised_sums(g: Tensor, A: Tensor) -> Tensor:
    """Return XGrad-CAM's weights, ``sum_ij A g / sum_ij A`` (Fu et al. 2020, eq. 8).

    A channel whose activations sum to nothing beside their magnitude has no weight: the quotient would be noise.
    """
    axes = spatial(A)
    total = A.sum(dim=axes)
    sound = total.abs() > GUARD * A.abs().sum(dim=axes)
    safe = total.where(sound, total.new_ones(()))
    return ((g * A).sum(dim=axes) / safe).where(sound, total.new_zeros(()))


def plus_plus(g: Tensor, A: Tensor) -> Tensor:
    """Return Grad-CAM++'s weights, ``sum_ij alpha_ij ReLU(g_ij)`` (Chattopadhay et al. 2018, eqs. 7, 9 and 19).

    With ``Y = exp(S)`` and a score ``S`` piecewise linear in ``A``, the derivatives of ``Y`` are powers of ``g``
    times ``Y``, and ``alpha = g^2 / (2 g^2 + g^3 sum_ab A_ab)``, which is ``1 / (2 + g sum_ab A_ab)`` wherever ``g`` is
    not 0: written so, no square can underflow and no absolute guard is needed. The common positive factor ``exp(S)`` is
    left out, as usual: it would overflow, and changes no map's shape.
    """
    axes = spatial(A)
    product = g * A.sum(dim=axes, keepdim=True)
    below = 2 + product
    # Of signed activations the sum can be negative and the denominator pass through 0: there alpha has no value.
    sound = below.abs() > GUARD * (2 + product.abs())
    alpha = (1 / below.where(sound, below.new_ones(()))).where(sound & (g != 0), below.new_zeros(()))
    return (alpha * g.clamp(min=0)).sum(dim=axes)


def unit_masks(A: Tensor) -> Tensor:
    """Return each channel scaled to [0, 1] over space (Wang et al. 2020, eq. 7); 0 where a channel is constant."""
    axes = spatial(A)
    low, high = A.amin(dim=axes, keepdim=True), A.amax(dim=axes, keepdim=True)
    span = high - low
    return ((A - low) / span.where(span > 0, span.new_ones(()))).where(span > 0, A.new_zeros(()))


def first_component(A: Tensor) -> Tensor:
    """Return the projection of each cell on the first principal component of a sample's cells, ``(B, *spatial)``.

    With X (cells, K) the activations minus their mean over the cells, it is ``X v``, v the leading eigenvector of
    ``X^T X``; where there are fewer cells than channels it comes from ``X X^T``, which has the same one. Its sign makes
    the projections go along with the mean activation over the channels: where the layer is active is positive.
    """
    import torch

    X = A.flatten(2).transpose(1, 2).double()
    X = X - X.mean(dim=1, keepdim=True)
    if X.shape[1] <= X.shape[2]:
        values, vectors = torch.linalg.eigh(X @ X.transpose(1, 2))
        projected = vectors[..., -1] * values[..., -1:].clamp(min=0).sqrt()
    else:
        _, vectors = torch.linalg.eigh(X.transpose(1, 2) @ X)
        projected = (X @ vectors[..., -1:]).squeeze(-1)
    along = (projected * X.mean(dim=2)).sum(dim=1, keepdim=True)
    signed: Tensor = projected * torch.where(along < 0, -1.0, 1.0)
    return signed.reshape(A.shape[0], *A.shape[2:]).to(A.dtype)

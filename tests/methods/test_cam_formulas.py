"""The reductions of the CAM family, held against definitions written out and against pytorch-grad-cam."""

from __future__ import annotations

import pytest
import torch

from matxai.methods import cam

AXES = [(7,), (5, 6), (3, 4, 5)]


def tensors(shape, seed=0, dtype=torch.float64):
    torch.manual_seed(seed)
    A = torch.randn(2, 4, *shape, dtype=dtype).relu()
    g = torch.randn(2, 4, *shape, dtype=dtype)
    return g, A


@pytest.mark.parametrize("shape", AXES)
def test_weights_are_what_the_papers_print(shape):
    g, A = tensors(shape)
    for b in range(2):
        for k in range(4):
            gk, Ak = g[b, k], A[b, k]
            assert torch.isclose(cam.means(g, A)[b, k], gk.mean())
            assert torch.isclose(cam.normalised_sums(g, A)[b, k], (gk * Ak).sum() / Ak.sum())
            # eq. 19 with the derivatives of Y = exp(S) written out: g^2 and g^3
            alpha = gk**2 / (2 * gk**2 + Ak.sum() * gk**3)
            assert torch.isclose(cam.plus_plus(g, A)[b, k], (alpha * gk.clamp(min=0)).sum())


def test_plus_plus_from_derivatives_of_exp_of_the_score():
    """Grad-CAM++ from its definition: second and third derivatives of Y = exp(S), by automatic differentiation."""
    torch.manual_seed(1)
    A = torch.rand(1, 3, 2, 2, dtype=torch.float64, requires_grad=True)
    v = 0.3 * torch.randn(3, 2, 2, dtype=torch.float64)
    Y = (A * v).sum().exp()
    d1 = torch.autograd.grad(Y, A, create_graph=True)[0]
    flat = d1.flatten()
    d2 = torch.stack([torch.autograd.grad(f, A, create_graph=True)[0].flatten()[i] for i, f in enumerate(flat)])
    d3 = torch.stack([torch.autograd.grad(f, A, retain_graph=True)[0].flatten()[i] for i, f in enumerate(d2)])
    d2, d3 = d2.reshape_as(A), d3.reshape_as(A)
    alpha = d2 / (2 * d2 + A.sum((2, 3), keepdim=True) * d3)
    w = (alpha * d1.relu()).sum((2, 3)) / Y
    assert torch.allclose(cam.plus_plus(v[None], A.detach()), w.detach(), rtol=1e-9)


@pytest.mark.parametrize("scale", [1e-7, 1.0, 1e4])
def test_plus_plus_is_scale_free(scale):
    """The gradient may be tiny: g -> s g with A -> A / s scales the weights by s and nothing else."""
    g, A = tensors((5, 6), dtype=torch.float32)
    assert torch.allclose(
        cam.plus_plus(scale * g, A / scale), scale * cam.plus_plus(g, A), rtol=1e-4, atol=1e-7 * scale
    )


def test_weights_are_finite_where_denominators_vanish():
    A = torch.tensor([[[1.0, -1.0], [0.0, 0.0], [-1.0, -1.0]]])
    g = torch.tensor([[[1.0, 2.0], [3.0, 0.0], [1.0, 1.0]]])  # the last one: 2 + g sum(A) = 0
    assert cam.normalised_sums(g, A)[0, :2].tolist() == [0.0, 0.0]
    assert torch.isfinite(cam.plus_plus(g, A)).all()
    assert cam.plus_plus(g, A)[0, 2] == 0


@pytest.mark.parametrize("shape", AXES)
def test_several_targets_are_a_leading_axis(shape):
    g, A = tensors(shape)
    both = torch.stack([g, -2 * g])
    for weights in (cam.means, cam.normalised_sums, cam.plus_plus):
        stacked = cam.weighted(weights(both, A), A)
        assert stacked.shape == (2, 2, *shape)
        assert torch.allclose(stacked[1], cam.weighted(weights(-2 * g, A), A))
        assert torch.allclose(cam.weighted(weights(g, A), A), torch.einsum("bk,bk...->b...", weights(g, A), A))
    assert torch.allclose(cam.summed(both, A)[0], (g * A).sum(1))


def test_flatten_head_weights_are_means_of_its_weights():
    """For a flatten + linear head alpha_k = sum_ij W_kij / Z, exactly."""
    W = torch.randn(4, 5, 6)
    A = torch.rand(2, 4, 5, 6)
    g = W.expand(2, -1, -1, -1)
    assert torch.equal(cam.means(g, A), W.mean((1, 2)).expand(2, -1))

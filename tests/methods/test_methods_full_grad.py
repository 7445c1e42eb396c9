"""FullGrad: complete, equal to autograd's gradients of every bias, from the one plain backward of a call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import matxai
from matxai.engine.place import resample
from matxai.engine.places import places
from matxai.methods import FullGrad, attribution

torchvision = pytest.importorskip("torchvision")
BUNDLE = ["saliency", "grad_cam", "guided_backprop", "lrp:epsilon", "lrp:epsilon_plus"]


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_the_shares_of_input_and_biases_make_the_score(
    axes: int, make_gap_net: Callable[..., nn.Sequential], make_input: Callable[..., Tensor]
) -> None:
    net, x = make_gap_net(axes).double(), make_input(axes).double()
    result = attribution(net, x, ["full_grad"], target=matxai.targets.each(0, 2))
    figures = result.figures["full_grad"]
    assert (result.forwards, result.backwards) == (1, 2)
    assert figures["biases"].abs().amin() > 1e-3
    assert result.maps["full_grad"].shape == (2, 3, 1, *x.shape[2:])
    torch.testing.assert_close(figures["input"] + figures["biases"], result.scores, rtol=0, atol=1e-10)
    assert figures["missing"].abs().amax() < 1e-10


@pytest.mark.parametrize("exact", [True, False])
def test_a_resnet_with_random_batch_norms_is_complete(exact: bool) -> None:
    torch.manual_seed(0)
    net = torchvision.models.resnet18(weights=None, num_classes=5).double().eval()
    for m in net.modules():
        if isinstance(m, nn.BatchNorm2d):
            for t, (a, b) in ((m.running_mean, (-0.2, 0.2)), (m.running_var, (0.5, 1.5)), (m.bias, (-0.2, 0.2))):
                nn.init.uniform_(t, a, b)
    x = torch.randn(2, 3, 64, 64, dtype=torch.float64)
    result = attribution(net, x, ["full_grad"], target=1, exact=exact)
    assert result.figures["full_grad"]["missing"].abs().amax() < 1e-10 * result.scores.abs().amax()


def by_autograd(net: nn.Sequential, x: Tensor, target: int, *, rescale: bool) -> Tensor:
    """The formula from the gradients at the outputs of convolution, batch norm and convolution, one sample."""
    x = x.clone().requires_grad_()
    kept, y = [], x
    for i, part in enumerate(net):
        y = part(y)
        if i in (0, 1, 4):
            kept.append(y)
    gx, *gs = torch.autograd.grad(y[0, target], [x, *kept])
    norm = net[1]
    shift = norm.bias - norm.running_mean * norm.weight / (norm.running_var + norm.eps).sqrt()

    def psi(t: Tensor) -> Tensor:
        t = t.abs()
        return ((t - t.min()) / (t.max() - t.min()) if rescale else t).sum(1)

    from matxai.engine import Plan, run

    trace = run(net, x.detach(), Plan()).trace
    found = psi(x * gx)
    for g, b, op in zip(gs, (net[0].bias, shift, net[4].bias), (trace[0], trace[1], trace[4]), strict=True):
        cells = psi(g * b.view(1, -1, *(1,) * (g.ndim - 2)))
        place = places(trace, tuple(x.shape), {"it": (op.output, op.output_shapes[0])})["it"]
        found = found + resample(cells, place, x.shape[2:])
    return found.detach()


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("rescale", [False, True])
def test_the_map_is_made_of_autograds_gradients(
    axes: int, rescale: bool, make_gap_net: Callable[..., nn.Sequential], make_input: Callable[..., Tensor]
) -> None:
    net, x = make_gap_net(axes).double(), make_input(axes, batch=2).double()
    name = "full_grad:rescaled" if rescale else "full_grad"
    alone = matxai.attribute(net, x, [name], target=1)[name]
    beside = matxai.attribute(net, x, [*BUNDLE, name], target=1)[name]  # there batch norms are folded
    for i in range(2):
        expected = by_autograd(net, x[i : i + 1], 1, rescale=rescale)
        torch.testing.assert_close(alone[i], expected, rtol=1e-10, atol=1e-12)
        torch.testing.assert_close(beside[i], expected, rtol=1e-10, atol=1e-12)


def test_it_shares_the_one_plain_backward_and_changes_no_other_map(
    make_gap_net: Callable[..., nn.Sequential], make_input: Callable[..., Tensor], flops: Any
) -> None:
    net, x = make_gap_net(2), make_input(2)
    for methods in (BUNDLE, [*BUNDLE, "full_grad"]):
        attribution(net, x, methods, target=1)  # the first call looks at the model
    counts, results = [], []
    for methods in (BUNDLE, [*BUNDLE, "full_grad"]):
        with flops() as count:
            results.append(attribution(net, x, methods, target=1))
        counts.append(count.total)
    without, with_it = results
    assert (with_it.forwards, with_it.backwards) == (without.forwards, without.backwards) == (1, 4)
    assert counts[1] <= 1.001 * counts[0]
    assert "gradient: read at the input and the layers and the biases" in with_it.plan.describe()
    for key, map_ in without.maps.items():
        torch.testing.assert_close(with_it.maps[key], map_, rtol=1e-4, atol=1e-5 * float(map_.abs().max()))


def test_norms_of_tokens_and_layers_are_biases_as_well() -> None:
    """Layer norm bends the network: the figures say what is missing, and every bias gradient is autograd's."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv1d(1, 4, 3), nn.GroupNorm(2, 4), nn.ReLU(), nn.Flatten(), nn.LayerNorm(24), nn.Linear(24, 2)
    )
    for p in net.parameters():
        nn.init.normal_(p)
    net = net.double().eval()
    x = torch.randn(1, 1, 8, dtype=torch.float64)
    figures = attribution(net, x, [FullGrad()], target=1).figures["full_grad"]
    net(x)[0, 1].backward()
    expected = sum(float((p.detach() * p.grad).sum()) for n, p in net.named_parameters() if n.endswith("bias"))
    torch.testing.assert_close(float(figures["biases"][0]), expected, rtol=1e-10, atol=0)

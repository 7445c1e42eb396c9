"""What a call costs, asserted exactly: counts do not depend on the machine."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

import matxai
from matxai.methods import attribution

CAMS = ["cam", "grad_cam", "grad_cam:counterfactual", "grad_cam_pp", "hires_cam", "layer_cam", "xgrad_cam"]
ALL = ["saliency", "input_x_gradient", *CAMS, "multilayer_grad_cam", "guided_backprop", "guided_grad_cam", "lrp"]


@pytest.mark.parametrize(
    ("methods", "backwards"),
    [
        (["grad_cam"], 1),
        (["saliency", "input_x_gradient"], 1),
        (["saliency", *CAMS], 1),
        (["guided_backprop"], 1),
        (["guided_grad_cam"], 2),
        (["lrp"], 1),
        (["lrp", "lrp:epsilon"], 2),
        (ALL, 3),
    ],
)
@pytest.mark.parametrize("axes", [1, 2])
def test_passes_are_shared(make_gap_net, make_input, methods, backwards, axes):
    planned = matxai.plan(methods)
    assert (planned.forwards, planned.backwards) == (1, backwards)
    net = make_gap_net(axes)
    calls = []
    net.register_forward_pre_hook(lambda *_: calls.append(1))
    net.eval()
    attribution(net, make_input(axes), methods, 1)  # the first call of a model may check the engine against it
    calls.clear()
    result = attribution(net, make_input(axes), methods, 1)
    assert (result.forwards, result.backwards) == (1, backwards)
    assert len(calls) == 1
    assert isinstance(planned.describe(), str)


def test_several_targets_share_the_forward(make_gap_net, make_input):
    net, x = make_gap_net(2), make_input(2)
    result = attribution(net, x, ALL, matxai.targets.each(0, 2))
    assert (result.forwards, result.backwards) == (1, 6)
    assert result.plan.backwards == 6


class Dispatched(TorchDispatchMode):
    """Counts what the processor is asked for: convolutions forward and backward, whoever asks."""

    def __init__(self):
        super().__init__()
        self.counts = Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.counts[func.overloadpacket.__name__] += 1
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("targets", [1, 2])
def test_the_passes_of_all_methods_are_those_that_are_reported(make_gap_net, make_input, monkeypatch, targets):
    """Counted below the engine: calls of autograd, forwards of the module, and kernels of its two convolutions."""
    net, x = make_gap_net(2), make_input(2)
    target = 1 if targets == 1 else matxai.targets.each(0, 2)
    attribution(net, x, ALL, target)  # the first call may check the engine against the model
    forwards, backwards = [], []
    grad = torch.autograd.grad

    def counted(*args, **kwargs):
        backwards.append(args)
        return grad(*args, **kwargs)

    monkeypatch.setattr(torch.autograd, "grad", counted)
    monkeypatch.setattr(torch.Tensor, "backward", lambda *_: pytest.fail("a backward beside autograd.grad"))
    net[0].register_forward_pre_hook(lambda *_: forwards.append(1))
    with Dispatched() as seen:
        result = attribution(net, x, ALL, target)
    assert set(result.maps) >= set(ALL)
    assert (result.forwards, result.backwards) == (1, 3 * targets)
    runs = 2 + targets  # gradient and guided take all targets at once, relevance one after the other
    assert (len(forwards), len(backwards)) == (1, runs)
    assert seen.counts["native_batch_norm"] == 0  # folded into the convolution in front
    once = ("addmm", "max_pool2d_with_indices")  # head, pooling: forward
    assert {name: seen.counts[name] for name in once} == dict.fromkeys(once, 1)
    each = ("mm", "scatter_add")  # head and pooling: backward
    assert {name: seen.counts[name] for name in each} == dict.fromkeys(each, runs)
    # two for each of gradient and guided; z+ one a layer, at the first for both signs at once, and as many forward
    packed = seen.counts["_convolution_transpose_pointwise"]
    assert seen.counts["convolution_backward"] + packed == 2 + 2 + 2 * targets
    # z+ is shared by the targets
    assert seen.counts["convolution"] + seen.counts["_convolution_pointwise"] == 2 + 2


class Spy(torch.autograd.Function):
    """Counts the backwards that reach it."""

    seen = 0

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, g):
        Spy.seen += 1
        return g


class Spied(nn.Module):
    def forward(self, x):
        return Spy.apply(x)


def test_grad_cam_alone_stops_at_its_layer(make_gap_net, make_input):
    net = make_gap_net(2)
    watched = nn.Sequential(*net[:4], Spied(), *net[4:]).eval()
    x = make_input(2)
    attribution(watched, x, ["grad_cam", "layer_cam"], 1, ["6"])
    Spy.seen = 0
    attribution(watched, x, ["grad_cam", "layer_cam"], 1, ["6"])
    assert Spy.seen == 0
    attribution(watched, x, ["grad_cam"], 1, ["2"])
    assert Spy.seen == 1

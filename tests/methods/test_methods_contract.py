"""What every call keeps: the module as it was, progress and cancelling, names of layers, exported programs."""

from __future__ import annotations

import copy
import threading

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import matxai
from matxai.engine import targets
from matxai.engine.standins.linear import LinearNode
from matxai.errors import Cancelled, LayerError, MatxaiError
from matxai.methods import LRP, attribute, attribution, methods


def state(module):
    return {
        "values": {k: v.clone() for k, v in module.state_dict().items()},
        "grads": [None if p.grad is None else p.grad.tolist() for p in module.parameters()],
        "flags": [p.requires_grad for p in module.parameters()],
        "training": [m.training for m in module.modules()],
        "hooks": [len(m._forward_hooks) + len(m._forward_pre_hooks) + len(m._backward_hooks) for m in module.modules()],
        "attributes": [sorted(m.__dict__) for m in module.modules()],
    }


def same(a, b):
    assert all(torch.equal(a["values"][k], b["values"][k]) for k in a["values"])
    assert {k: v for k, v in a.items() if k != "values"} == {k: v for k, v in b.items() if k != "values"}


@pytest.mark.parametrize("name", sorted(methods))
def test_the_module_is_as_it_was(make_gap_net, make_input, name):
    net, x = make_gap_net(2).train(), make_input(2)
    net[8].weight.requires_grad_(False)
    before, x_before = state(net), x.clone()
    attribute(net, x, name, 1, budget=16)
    same(before, state(net))
    with pytest.raises(MatxaiError):
        attribute(net, x, name, 99, budget=16)
    same(before, state(net))
    assert torch.equal(x, x_before)
    assert not x.requires_grad


class Failing(torch.autograd.Function):
    """Passes values on, and fails in the backward."""

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, g):
        raise ArithmeticError("in the backward")


class FailsBackward(nn.Module):
    """The identity, with a function in the graph that cannot be pulled back."""

    def forward(self, x):
        return Failing.apply(x)


def _has_a_backward(name):
    needs = methods[name]().needs()
    return bool(needs.backwards or needs.gradients)


@pytest.mark.parametrize("name", sorted(n for n in methods if not methods[n].black_box and _has_a_backward(n)))
def test_the_module_is_as_it_was_after_an_error_inside_a_backward(make_gap_net, make_input, name, monkeypatch):
    net, x = make_gap_net(2).train(), make_input(2)
    net[8].weight.requires_grad_(False)
    net[4].weight.grad = torch.ones_like(net[4].weight)
    before, done = state(net), []
    pull = LinearNode.pull

    def fails(self, g):
        done.append(1)
        raise ArithmeticError("in the backward")

    monkeypatch.setattr(LinearNode, "pull", fails)
    with pytest.raises(ArithmeticError, match="in the backward"):
        attribute(net, x, name, 1, None if name == "cam" else ["2"])
    assert done
    same(before, state(net))
    monkeypatch.setattr(LinearNode, "pull", pull)
    assert attribute(net, x, name, 1, budget=16)[name].isfinite().all()  # and it can be explained again


def test_the_module_is_as_it_was_after_an_error_in_its_own_backward(make_gap_net, make_input):
    net, x = make_gap_net(2), make_input(2)
    module = nn.Sequential(*net[:6], FailsBackward(), *net[6:]).train()
    before = state(module)
    with pytest.raises(ArithmeticError, match="in the backward"):
        attribute(module, x, "saliency", 1)
    same(before, state(module))


@pytest.mark.parametrize("name", sorted(methods))
def test_the_module_is_as_it_was_after_an_error_inside_a_reduction(make_gap_net, make_input, name, monkeypatch):
    net, x = make_gap_net(2).train(), make_input(2)
    net[4].weight.grad = torch.ones_like(net[4].weight)
    before = state(net)

    def fails(self, captured, setting):
        raise ArithmeticError("in the reduction")

    monkeypatch.setattr(methods[name], "reduce", fails)
    with pytest.raises(ArithmeticError, match="in the reduction"):
        attribute(net, x, name, 1)
    same(before, state(net))
    monkeypatch.undo()
    assert attribute(net, x, name, 1, budget=16)[name].isfinite().all()


def test_a_module_in_training_mode_is_explained_in_evaluation_mode(make_gap_net, make_input):
    net, x = make_gap_net(2), make_input(2)
    want = attribute(net, x, "grad_cam", 1)["grad_cam"]
    assert torch.equal(attribute(copy.deepcopy(net).train(), x, "grad_cam", 1)["grad_cam"], want)


def test_progress_and_cancel(make_gap_net, make_input):
    net, x = make_gap_net(2), make_input(2)
    said = []
    attribute(net, x, ["grad_cam", "lrp"], 1, progress=lambda done, total, label: said.append((done, total, label)))
    assert said[0][0] == 0
    assert said[-1][0] == said[-1][1] == 3
    stop = threading.Event()
    stop.set()
    before = state(net)
    with pytest.raises(Cancelled):
        attribute(net, x, "lrp", 1, cancel=stop)
    same(before, state(net))


def test_layers_by_name_by_index_and_by_call(make_gap_net, make_input):
    net, x = make_gap_net(2), make_input(2)
    by_name = attribute(net, x, "grad_cam", 1, ["4", "0"])["grad_cam"]
    assert torch.equal(attribute(net, x, "grad_cam", 1, [-1, -2])["grad_cam"], by_name)
    for alone in ("4", ["4", -1]):  # here the norm behind layer "0" is folded into it
        found = attribute(net, x, "grad_cam", 1, alone)["grad_cam"][:, :1]
        assert (found - by_name[:, :1]).abs().max() <= 1e-5 * by_name[:, :1].abs().max()

    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(2, 2, 3, padding=1)

        def forward(self, t):
            return self.conv(F.avg_pool2d(self.conv(t).relu(), 2)).relu().mean((2, 3))

    twice = Twice().eval()
    result = attribution(twice, x, "grad_cam", 1, ["conv@1", "conv"], upsample=False)
    assert [tuple(m.shape[1:]) for m in result.maps["grad_cam"]] == [(32, 24), (16, 12)]
    assert result.places["conv@1"].step == (1.0, 1.0)
    assert result.places["conv"].step == (2.0, 2.0)
    assert result.places["conv"].origin == (0.5, 0.5)


def test_an_exported_program_gives_the_same_maps_in_the_same_places(make_gap_net, make_input):
    net, x = make_gap_net(2), make_input(2)
    names = ["saliency", "cam", "grad_cam", "guided_grad_cam", "lrp"]
    want = attribution(net, x, names, 1)
    got = attribution(torch.export.export(net, (x,)).module(), x, names, 1)
    for key in names:
        assert torch.allclose(got.maps[key], want.maps[key], atol=1e-5 * want.maps[key].abs().max().item() + 1e-9), key
    assert list(got.places.values()) == list(want.places.values())


def test_a_dense_output_is_explained_at_its_coarsest_layer():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.down = nn.Conv2d(1, 4, 3, stride=4, padding=1)
            self.up = nn.ConvTranspose2d(4, 3, 4, stride=4)

        def forward(self, x):
            return self.up(self.down(x).relu())

    torch.manual_seed(0)
    net, x = Net().eval(), torch.randn(2, 1, 32, 32)
    result = attribution(net, x, ["grad_cam", "lrp"], targets.box((4, 20), (4, 20), index=1), relu=False)
    assert result.layers == ("down",)
    assert result.maps["grad_cam"].shape == (2, 1, 32, 32)
    assert result.places["down"].step == (4.0, 4.0)


def test_box_bounds_come_from_the_call_or_the_object(make_gap_net, make_input):
    net, x = make_gap_net(2), make_input(2)
    low, high = float(x.min()), float(x.max())
    of_call = attribute(net, x, "lrp:epsilon_gamma_box", 1, low=low, high=high)
    method = LRP(composite="epsilon_gamma_box", low=(low, low), high=(high, high))
    of_object = attribute(net, x, method, 1, low=0.0, high=0.1)
    assert list(of_object) == ["lrp:epsilon_gamma_box"]
    key = "lrp:epsilon_gamma_box"
    assert torch.allclose(of_call[key], of_object[key], atol=1e-6)
    assert matxai.plan(key, low=low, high=high).backwards == 1


def test_empty_maps_of_several_targets_name_their_target(make_gap_net, make_input):
    net, x = make_gap_net(2), make_input(2)
    net[8].weight.data[0].abs_().neg_()
    net[8].weight.data[3].abs_()
    result = attribution(net, x, "grad_cam", targets.each(3, 0))
    assert {(e.target, e.sample) for e in result.empty} == {(1, 0), (1, 1), (1, 2)}


def test_a_layer_without_the_inputs_axes_has_no_place(make_input):
    """Tokens: the map of a sequence of patches is no picture; it can be had at its own size."""

    class Tokens(nn.Module):
        def __init__(self):
            super().__init__()
            self.patch = nn.Conv2d(2, 4, 4, stride=4)
            self.mix = nn.Conv1d(4, 4, 3, padding=1)

        def forward(self, x):
            return self.mix(self.patch(x).relu().flatten(2)).relu().mean(2)

    net, x = Tokens().eval(), make_input(2)
    with pytest.raises(LayerError, match="do not lie along the input's 2 axes"):
        attribute(net, x, "grad_cam", 1, ["mix"])
    (own,) = attribute(net, x, "grad_cam", 1, ["mix"], upsample=False)["grad_cam"]
    assert own.shape == (3, 48)

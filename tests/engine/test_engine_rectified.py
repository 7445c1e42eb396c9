"""A ReLU that alone takes a linear operation's output is computed in place where no backward passes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from matxai.engine import GRADIENT, Backward, Needs, merge, run
from matxai.engine.inspection import known
from matxai.errors import ModelError

CAM = merge([Needs(True, (Backward(GRADIENT, at_layers=True),))])
CONVS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}


def stack(axes: int, *, inplace: bool = False) -> nn.Sequential:
    """Return two convolutions with ReLUs, and dense layers."""
    torch.manual_seed(0)
    conv = CONVS[axes]
    net = nn.Sequential(
        conv(2, 5, 3), nn.ReLU(inplace), conv(5, 4, 3), nn.ReLU(inplace), nn.Flatten(), nn.Linear(4 * 3**axes, 6),
        nn.ReLU(inplace), nn.Linear(6, 3),
    )  # fmt: skip
    return net.eval().requires_grad_(False)


def inputs(axes: int) -> Tensor:
    return torch.randn(2, 2, *(7,) * axes, generator=torch.Generator().manual_seed(1))


class Names(TorchDispatchMode):
    """The operations that PyTorch was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.seen.append(func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))


def relus(net: nn.Module, x: Tensor, layers: list[str], *, exact: bool = False) -> list[str]:
    """Return the ReLUs of a forward that is not the first."""
    run(net, x, CAM, target=1, layers=layers)
    with Names() as names:
        run(net, x, CAM, target=1, layers=layers, exact=exact)
    return [n for n in names.seen if n in ("relu", "relu_")]


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_no_memory_is_taken_for_a_relu(axes: int) -> None:
    net, x = stack(axes), inputs(axes)
    assert relus(net, x, ["7"]) == ["relu_"] * 3
    assert set(relus(net, x, ["7"], exact=True)) == {"relu"}
    assert relus(net, x, ["4"]) == ["relu_", "relu_", "relu"]  # behind the layer passes a backward


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("inplace", [False, True])
def test_values_are_those_of_the_model(axes: int, inplace: bool) -> None:
    net, x = stack(axes, inplace=inplace), inputs(axes)
    for dtype in (torch.float32, torch.float64):
        net, x = net.to(dtype), x.to(dtype)
        for layer in ("1", "3", "6"):
            exact = run(net, x, CAM, target=1, layers=[layer], exact=True)
            for _ in range(2):
                got = run(net, x, CAM, target=1, layers=[layer])
                assert got.forwards == 1
                limit = 1e-12 if dtype is torch.float64 else 1e-5
                pairs = [(got.output, net(x)), (got.activation(layer), exact.activation(layer))]
                for own, other in [*pairs, (got.gradient(GRADIENT, layer), exact.gradient(GRADIENT, layer))]:
                    assert (own - other).abs().max() <= limit * other.abs().max()
                    assert axes != 1 or torch.equal(own, other)  # nothing is folded in, nothing lies otherwise


def test_a_convolution_that_is_read_is_not_rectified() -> None:
    net, x = stack(1), inputs(1)
    run(net, x, CAM, target=1, layers=["7"])
    got = run(net, x, CAM, target=1, layers=["0", "5"])
    assert got.forwards == 1
    with torch.no_grad():
        assert torch.equal(got.activation("0"), net[0](x))
        assert torch.equal(got.activation("5"), net[:6](x))
    assert got.activation("0").min() < 0


HELD: list[Tensor] = []


class Fickle(nn.Module):
    """A convolution and a ReLU, with something in between that a switch turns on."""

    def __init__(self, axes: int) -> None:
        super().__init__()
        self.conv, self.fc = CONVS[axes](2, 5, 3, padding=1), nn.Linear(5, 3)
        self.norm = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d}[axes](5)
        self.way = "straight"

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        if self.way == "looks at its values":
            return self.fc((F.relu(y) * float(y.mean())).flatten(2).mean(-1))
        if self.way == "adds it":
            return self.fc((F.relu(y) + y).flatten(2).mean(-1))
        if self.way == "adds it before":
            return self.fc(F.relu(y + 1).flatten(2).mean(-1))
        if self.way == "writes into it":
            y.sub_(0.1)
        if self.way == "takes a view":
            y = y[:, :4].repeat_interleave(2, 1)[:, :5]
        if self.way == "norm":
            y = self.norm(y)
        if self.way == "another activation":
            return self.fc(F.leaky_relu(y).flatten(2).mean(-1))
        if self.way == "two relus":
            return self.fc((F.relu(y) + F.relu(y * -1)).flatten(2).mean(-1))
        if self.way == "none":
            return self.fc(y.flatten(2).mean(-1))
        if self.way == "keeps it":
            HELD.append(y)
        return self.fc(F.relu(y).flatten(2).mean(-1))


WAYS = ["looks at its values", "adds it", "adds it before", "writes into it", "takes a view", "norm",
        "another activation", "two relus", "none", "keeps it"]  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("axes", [1, 2])
def test_forwards_that_deviate_run_again_as_they_are(way: str, axes: int) -> None:
    torch.manual_seed(0)
    net, x = Fickle(axes).eval().requires_grad_(False), inputs(axes)
    run(net, x, CAM, target=1, layers=["fc"])
    assert run(net, x, CAM, target=1, layers=["fc"]).forwards == 1
    net.way = way
    got = run(net, x, CAM, target=1, layers=["fc"])
    assert got.forwards == 2  # both are counted
    again = run(net, x, CAM, target=1, layers=["fc"])
    assert again.forwards == 1
    if way == "keeps it":
        assert HELD[-1].min() < 0
        HELD.clear()
    for found in (got, again):
        assert (found.output - net(x)).abs().max() <= 1e-5 * net(x).abs().max()


@pytest.mark.parametrize("axes", [1, 2])
def test_what_a_hook_keeps_is_what_the_model_computed(axes: int) -> None:
    net, x = stack(axes), inputs(axes)
    run(net, x, CAM, target=1, layers=["7"])
    held: list[Tensor] = []
    net[0].register_forward_hook(lambda _m, _a, out: held.append(out))
    net[3].register_forward_hook(lambda _m, args, _out: held.append(args[0]))
    for forwards in (2, 1):
        held.clear()
        assert run(net, x, CAM, target=1, layers=["7"]).forwards == forwards
        with torch.no_grad():
            for kept, expected in zip(held[-2:], (net[:1](x), net[:3](x)), strict=True):
                assert (kept - expected).abs().max() <= 1e-5 * expected.abs().max()


def test_what_a_relu_in_place_gives_may_be_kept() -> None:
    net, x = stack(1, inplace=True), inputs(1)
    run(net, x, CAM, target=1, layers=["7"])
    held: list[Tensor] = []
    net[1].register_forward_hook(lambda _m, _a, out: held.append(out))
    assert run(net, x, CAM, target=1, layers=["7"]).forwards == 1
    with torch.no_grad():
        assert torch.equal(held[-1], net[:2](x))


@pytest.mark.parametrize("axes", [1, 2])
def test_a_weight_that_is_not_a_number_is_said(axes: int) -> None:
    net, x = stack(axes), inputs(axes)
    run(net, x, CAM, target=1, layers=["7"])
    net[0].weight.data[0, 0, 0] = float("nan")
    with pytest.raises(ModelError, match=r"NaN or infinite values for this input: they begin in .* in layer '0'"):
        run(net, x, CAM, target=1, layers=["6"])


def test_no_copies_are_made_of_weights_that_nothing_is_folded_into() -> None:
    net, x = stack(1), inputs(1)
    run(net, x, CAM, target=1, layers=["7"])
    run(net, x, CAM, target=1, layers=["7"])
    seen = known(net)
    assert seen is not None
    assert seen.plan is not None
    assert seen.plan.nbytes() == 0
    net[0].weight.data.mul_(-1)
    got = run(net, x, CAM, target=1, layers=["7"])
    assert got.forwards == 1
    assert torch.equal(got.output, net(x))

"""What follows a layer, run by itself: equal to whole forwards with the layer's output replaced, at its own cost."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from matxai.engine import GRADIENT, Backward, Captured, Needs, merge, run, targets
from matxai.engine.copies import Copies
from matxai.engine.tail import Tail
from matxai.errors import LayerError

torchvision = pytest.importorskip("torchvision")
CAM = merge([Needs(True, (Backward(GRADIENT, at_layers=True),))])


def tail_of(net: nn.Module, x: Tensor, layer: str, **options: Any) -> tuple[Copies, Tail, Captured]:
    clean = run(net, x, CAM, layers=[layer], **options)
    copies = Copies(net, clean)
    return copies, copies.tail(layer), clean


def replaced(net: nn.Module, x: Tensor, layer: str, given: Tensor, index: int) -> tuple[Tensor, Tensor]:
    """The same with a plain hook and plain autograd: scores (n, B) and gradients of each copy."""
    base, _, call = layer.partition("@")
    scores, gradients = [], []
    for one in given:
        leaf, seen = one.clone().requires_grad_(), []

        def put(_m: nn.Module, _a: Any, _o: Any, leaf: Tensor = leaf, seen: list[int] = seen) -> Tensor | None:
            seen.append(1)
            return leaf * 1 if not call or len(seen) == int(call) else None

        handle = dict(net.named_modules())[base].register_forward_hook(put)
        score = net(x)[:, index]
        handle.remove()
        scores.append(score.detach())
        gradients.append(torch.autograd.grad(score.sum(), leaf)[0])
    return torch.stack(scores), torch.stack(gradients)


def perturbed(clean: Tensor, count: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.stack([clean, *(clean * torch.rand(clean.shape, generator=generator) for _ in range(count - 1))])


class Skips(nn.Module):
    """A small U-Net: the encoder's first stage crosses to the decoder; batch-dependent reshapes; written views."""

    def __init__(self, axes: int = 2) -> None:
        super().__init__()
        conv = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[axes - 1]
        self.axes = axes
        self.first, self.second = conv(2, 4, 3, padding=1), conv(4, 4, 3, padding=1)
        self.same, self.last = conv(4, 4, 1), conv(8, 3, 1)
        self.register_buffer("gain", torch.ones(4, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        one = torch.relu(self.first(x))
        two = self.second(nn.functional.avg_pool1d(one, 2) if self.axes == 1 else one[..., ::2])
        two = self.same(torch.relu(self.same(two)))
        heads = two.reshape(len(x), 2, 2, *two.shape[2:])  # the batch's own size
        two = (heads * heads.new_ones(len(x), 1, 1, *(1,) * self.axes)).flatten(1, 2)
        two = nn.functional.interpolate(two, size=one.shape[2:])
        two += one.mean(dim=1, keepdim=True)
        both = torch.cat([one, two], 1)
        both[:, :4] = both[:, :4] * self.gain.view(-1, *(1,) * self.axes)
        return self.last(both).flatten(2).mean(2)


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize(("layer", "recorded"), [("second", 1), ("same@1", 1), ("same", 1), ("first", 0), ("last", 0)])
def test_a_tail_equals_whole_forwards_with_the_layer_replaced(
    axes: int, layer: str, recorded: int, untouched: Callable[..., Any]
) -> None:
    torch.manual_seed(axes)
    net = Skips(axes).double()
    x = torch.randn(2, 2, *(8,) * axes, dtype=torch.float64)
    copies, tail, clean = tail_of(net, x, layer, target=1)
    given = perturbed(tail.clean)
    with untouched(net):
        scores, gradients = tail.gradients(given)
        again = tail.scores(given)
    expected, backs = replaced(net, x, layer, given, 1)
    assert not tail.whole
    assert (copies.forwards, copies.backwards) == (recorded, 0)
    assert (copies.tails, copies.tail_backwards) == (2 + 3 + 3, 3)
    for got in (scores, again):
        torch.testing.assert_close(got[0], expected, rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(gradients[0], backs, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(gradients[0, 0], clean.gradient(GRADIENT, layer), rtol=1e-12, atol=1e-14)


SMALL = {
    "googlenet": lambda: torchvision.models.googlenet(weights=None, num_classes=5, init_weights=False),
    "swin": lambda: torchvision.models.SwinTransformer([4, 4], 24, [1, 2, 1], [2, 4, 4], [2, 2], num_classes=5),
    "vit": lambda: torchvision.models.VisionTransformer(32, 8, 3, 2, 24, 48, num_classes=5),
}


@pytest.mark.parametrize(
    ("name", "layer", "recorded"),
    [
        ("resnet18", "layer2.0.conv1", 1),
        ("googlenet", "inception4a.branch2", 1),
        ("shufflenet_v2_x0_5", "stage3", 0),
        ("swin", "features.3", 0),
        ("vit", "encoder.layers.encoder_layer_1.ln_1", 1),
    ],
)
def test_tails_of_the_networks_that_people_use(name: str, layer: str, recorded: int) -> None:
    torch.manual_seed(0)
    net = SMALL[name]() if name in SMALL else torchvision.models.get_model(name, weights=None, num_classes=5)
    net = net.eval().requires_grad_(False)
    if name == "vit":
        nn.init.normal_(net.heads.head.weight)
    x = torch.randn(2, 3, 32, 32)
    copies, tail, _ = tail_of(net, x, layer, target=1)
    given = perturbed(tail.clean, 2)
    scores, gradients = tail.gradients(given)
    expected, backs = replaced(net, x, layer, given, 1)
    assert not tail.whole
    assert (copies.forwards, copies.tails) == (recorded, 2 + 2)
    torch.testing.assert_close(scores[0], expected, rtol=1e-5, atol=1e-5 * float(expected.abs().max()))
    torch.testing.assert_close(gradients[0], backs, rtol=1e-3, atol=1e-5 * float(backs.abs().max()))


def test_the_tail_of_a_resnet50_costs_less_than_a_hundredth_of_a_forward(flops: Any) -> None:
    net = torchvision.models.resnet50(weights=None).eval().requires_grad_(False)
    x = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad(), flops() as forward:
        net(x)
    _, tail, _ = tail_of(net, x, "layer4", target=3)
    tail.scores(tail.clean[None])
    for run_tail, allowed in ((tail.scores, 0.01), (tail.gradients, 0.02)):
        with flops() as count:
            run_tail(tail.clean.expand(8, *tail.clean.shape))
        assert 0 < count.total / 8 < allowed * forward.total


def test_several_targets_and_dictionaries_and_a_softmax_at_the_end() -> None:
    class Dense(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Conv2d(4, 3, 1))

        def forward(self, x: Tensor) -> dict[str, Tensor]:
            return {"aux": x.sum(), "out": torch.softmax(self.body(x).mean((2, 3)), 1)}

    torch.manual_seed(0)
    net, x = Dense().double(), torch.randn(2, 2, 6, 6, dtype=torch.float64)
    several = targets.each(targets.contrast(0, 2), [1, 2])
    _, tail, clean = tail_of(net, x, "body.1", target=several)
    scores, gradients = tail.gradients(tail.clean.expand(2, *tail.clean.shape))
    torch.testing.assert_close(scores, clean.scores[:, None].expand(2, 2, 2), rtol=1e-12, atol=0)
    torch.testing.assert_close(gradients[:, 1], clean.gradient(GRADIENT, "body.1"), rtol=1e-12, atol=1e-15)
    _, tail, clean = tail_of(net, x, "body.1", target=lambda out: out["out"][:, 0])
    torch.testing.assert_close(tail.scores(tail.clean[None])[0, 0], clean.scores)


class Asks(nn.Module):
    """In front of the layer the forward asks for values, fills a buffer, or hides in TorchScript."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how
        self.front, self.layer = nn.Conv1d(1, 3, 3), nn.Conv1d(3, 3, 3)
        self.register_buffer("seen", torch.zeros(3))
        self.script = torch.jit.trace(nn.Conv1d(3, 3, 1), torch.zeros(1, 3, 6)) if how == "script" else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = self.front(x)
        if self.how == "value" and y.mean() > 100:
            y = -y
        if self.how == "buffer":
            self.seen.copy_(y.mean((0, 2)))
        y = self.layer(y) + self.seen[:, None]
        return (y if self.how != "script" else y + self.script(self.front(x))[..., 2:]).mean(2)


@pytest.mark.parametrize("how", ["value", "buffer", "script"])
def test_where_a_tail_is_impossible_whole_forwards_are_run_and_said(how: str, untouched: Callable[..., Any]) -> None:
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net = Asks(how).eval().requires_grad_(False)
    x = torch.randn(1, 1, 9)  # a buffer over a batch would mix its copies
    copies, tail, clean = tail_of(net, x, "layer", target=1)
    given = perturbed(tail.clean) if how != "buffer" else tail.clean[None]
    with untouched(net):
        scores, gradients = tail.gradients(given)
    expected, backs = replaced(net, x, "layer", given, 1)
    assert tail.whole
    assert (copies.backwards, copies.tail_backwards) == (len(given), 0)
    assert copies.forwards >= len(given)
    assert [n for n in clean.notes if "what follows layer 'layer' cannot be run by itself" in n]
    torch.testing.assert_close(scores[0], expected)
    torch.testing.assert_close(gradients[0], backs)


def test_views_that_are_written_behind_the_layer_are_run_whole() -> None:
    class Aliased(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.front, self.layer = nn.Conv1d(1, 2, 1), nn.Conv1d(2, 2, 1)

        def forward(self, x: Tensor) -> Tensor:
            y = self.front(x)
            part = y[:, :1]
            part += self.layer(y)[:, 1:]  # y itself now depends on the layer
            return y.mean(2)

    torch.manual_seed(0)
    net, x = Aliased().double(), torch.randn(2, 1, 5, dtype=torch.float64)
    _, tail, _ = tail_of(net, x, "layer", target=0)
    given = perturbed(tail.clean)
    scores = tail.scores(given)
    with torch.no_grad():
        y = net.front(x)
        expected = torch.stack([(y[:, 0] + one[:, 1]).mean(1) for one in given])
    torch.testing.assert_close(scores[0], expected)


def test_an_exported_program_has_tails_as_well(small_net: nn.Module) -> None:
    x = torch.randn(2, 2, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    shapes = ({0: torch.export.Dim("batch", min=2, max=64)},)
    program = torch.export.export(small_net, (x,), dynamic_shapes=shapes, strict=False).module()
    copies, tail, _ = tail_of(program, x, "conv2", target=1)
    given = perturbed(tail.clean)
    scores = tail.scores(given)
    assert (tail.whole, copies.forwards) == (False, 1)
    torch.testing.assert_close(scores[0], replaced(small_net, x, "conv2", given, 1)[0], rtol=1e-12, atol=1e-13)


def test_blocks_of_a_tail_are_cut_by_memory_and_results_do_not_depend_on_them() -> None:
    torch.manual_seed(0)
    net, x = Skips(1).double(), torch.randn(3, 2, 8, dtype=torch.float64)
    _, tail, _ = tail_of(net, x, "second", target=1)
    given = perturbed(tail.clean, 7)
    ranges = list(tail.blocks(7, "tail"))
    assert [i for r in ranges for i in r] == list(range(7))
    whole = tail.scores(given)
    torch.testing.assert_close(torch.cat([tail.scores(given[i : i + 2]) for i in (0, 2, 4, 6)], 1), whole)


def test_a_layer_that_was_not_read_has_no_tail() -> None:
    net, x = Skips(1).double(), torch.zeros(1, 2, 8, dtype=torch.float64)
    copies, _, _ = tail_of(net, x, "second", target=1)
    with pytest.raises(LayerError, match="no tail behind 'first': the run read these layers: 'second'"):
        copies.tail("first")


@pytest.mark.parametrize(("layer", "whole"), [("same", False), ("second", False), ("first", True)])
def test_layers_that_targets_read_follow_or_whole_forwards_are_run(layer: str, whole: bool) -> None:
    torch.manual_seed(0)
    net, x = Skips(1).double(), torch.randn(2, 2, 8, dtype=torch.float64)
    target = targets.contrast(1, targets.neuron(layer, 0))
    _, tail, clean = tail_of(net, x, "second", target=target)
    scores, gradients = tail.gradients(tail.clean.expand(3, *tail.clean.shape))
    assert tail.whole is whole
    torch.testing.assert_close(scores, clean.scores[None, None].expand(1, 3, 2))
    torch.testing.assert_close(gradients[0, 2], clean.gradient(GRADIENT, "second"))

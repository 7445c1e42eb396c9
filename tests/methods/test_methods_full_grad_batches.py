"""FullGrad where axis 0 is not the batch: windows and frames folded into it, sequences with the time in front."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from matxai.errors import OperationError
from matxai.methods import FullGrad, Saliency, attribute, attribution

torchvision = pytest.importorskip("torchvision")


class Frames(nn.Module):
    """Every frame of a film by itself, the frames folded into the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.norm, self.scores = nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.Linear(3, 4)

    def forward(self, x: Tensor) -> Tensor:
        b, c, d = x.shape[:3]
        y = x.transpose(1, 2).reshape(b * d, c, *x.shape[3:])
        y = torch.relu(self.norm(self.a(y))).mean((2, 3)).reshape(b, d, -1)
        return self.scores(y).amax(1)


class Sequence(nn.Module):
    """Dense layers on (N, B, C), put there in one of several ways."""

    def __init__(self, turn: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.turn = turn
        self.a, self.b, self.c = nn.Linear(2, 5), nn.Linear(5, 5), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.a(self.turn(x)))
        y = y + torch.relu(self.b(y.roll(1, 0)))
        return self.c(torch.cat([y, y[:1]]).mean(0))


TURNS: dict[str, Callable[[Tensor], Tensor]] = {
    "permute": lambda x: x.permute(2, 0, 1),
    "transpose_and_stack": lambda x: torch.stack(x.unbind(2)),
    "einsum": lambda x: torch.einsum("bcn,cd->nbd", x, torch.eye(2, dtype=x.dtype)),
    "in_place": lambda x: x.clone().transpose_(0, 2).transpose_(1, 2),
}


def figures(net: nn.Module, x: Tensor) -> Any:
    result = attribution(net, x, [FullGrad()], target=1)
    assert result.maps["full_grad"].shape == (len(x), 1, *x.shape[2:])
    return result.figures["full_grad"]


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize(("length", "batch"), [(7, 3), (3, 3), (2, 1)])
def test_sequences_with_the_time_in_front_are_complete(turn: str, length: int, batch: int) -> None:
    torch.manual_seed(0)
    net = Sequence(TURNS[turn]).double().eval()
    x = torch.randn(batch, 2, length, dtype=torch.float64)
    assert figures(net, x)["missing"].abs().amax() < 1e-12


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("frames", [2, 3])
def test_frames_folded_into_the_batch_are_complete(batch: int, frames: int) -> None:
    torch.manual_seed(0)
    net = Frames().double().eval()
    nn.init.uniform_(net.norm.running_mean, -0.2, 0.2)
    nn.init.normal_(net.norm.bias)
    x = torch.randn(batch, 2, frames, 6, 6, dtype=torch.float64)
    result = attribution(net, x, ["full_grad", "saliency"], target=1)
    assert result.figures["full_grad"]["missing"].abs().amax() < 1e-12
    (gradient,) = torch.autograd.grad(net(y := x.clone().requires_grad_())[:, 1].sum(), y)
    expected = (gradient * x).abs().sum(1, keepdim=True)  # what is folded has no place on the film
    torch.testing.assert_close(result.maps["full_grad"], expected, rtol=1e-10, atol=1e-12)


def swin() -> nn.Module:
    """Swin with shifted windows, small."""
    return torchvision.models.SwinTransformer(
        patch_size=[4, 4], embed_dim=8, depths=[2, 2], num_heads=[2, 2], window_size=[2, 2], num_classes=3
    )


def maxvit() -> nn.Module:
    """MaxViT, windows and grids, small."""
    return torchvision.models.MaxVit(
        input_size=(32, 32), stem_channels=8, partition_size=2, block_channels=[8, 16], block_layers=[1, 1],
        head_dim=4, stochastic_depth_prob=0.0, num_classes=3,
    )  # fmt: skip


@pytest.mark.parametrize("make", [swin, maxvit])
def test_windows_folded_into_the_batch_are_those_of_their_sample(make: Callable[[], nn.Module]) -> None:
    torch.manual_seed(0)
    net = make().double().eval()
    biases = [p for name, p in net.named_parameters() if name.endswith("bias")]
    for p in biases:
        nn.init.normal_(p, std=0.1)
    x = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    together = figures(net, x)
    for i in range(2):
        gradients = torch.autograd.grad(net(x[i : i + 1])[0, 1], biases, allow_unused=True)
        expected = sum((p * g).sum() for p, g in zip(biases, gradients, strict=True) if g is not None)
        torch.testing.assert_close(together["biases"][i], expected.detach(), rtol=1e-10, atol=1e-12)


def test_projections_of_attention_are_linear_layers_as_well() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 6), Attention(), nn.Flatten(), nn.Linear(18, 2)).double().eval()
    biases = [p for name, p in net.named_parameters() if name.endswith("bias")]
    for p in biases:
        nn.init.normal_(p)
    x = torch.randn(3, 3, 4, dtype=torch.float64)
    attributed = figures(net, x)["biases"]
    for i in range(3):
        gradients = torch.autograd.grad(net(x[i : i + 1])[0, 1], biases)
        expected = sum((p * g).sum() for p, g in zip(biases, gradients, strict=True))
        torch.testing.assert_close(attributed[i], expected.detach(), rtol=1e-10, atol=1e-12)


class Attention(nn.Module):
    """Attention with the time in front, as many places as samples."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        y = x.transpose(0, 1)
        return self.attention(y, y, y, need_weights=False)[0].transpose(0, 1)


class Mixed(nn.Module):
    """Every sample sees the mean of the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(4, 3), nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = self.a(x.flatten(1))
        return y + self.b(y.mean(0, keepdim=True))


def test_what_is_nobodys_is_named_and_left_out() -> None:
    net, x = Mixed().eval(), torch.randn(2, 1, 4)
    with pytest.raises(OperationError, match=r"\(1, 3\) of 'linear' in layer 'b' is whose cannot be told"):
        attribute(net, x, "full_grad", target=1)
    result = attribution(net, x, ["full_grad", "saliency"], target=1, leave_out=True)
    assert list(result.maps) == ["saliency"]
    assert "cannot be told; give it one sample at a time" in result.left_out["full_grad"]


def test_a_method_that_breaks_down_is_left_out_with_its_words(monkeypatch: pytest.MonkeyPatch) -> None:
    def reduce(*_: Any) -> None:
        torch.zeros(2) + torch.zeros(3)

    monkeypatch.setattr(Saliency, "reduce", reduce)
    net, x = Mixed().eval(), torch.randn(1, 1, 4)
    result = attribution(net, x, ["saliency", "full_grad"], target=1, leave_out=True)
    assert list(result.maps) == ["full_grad"]
    assert result.left_out["saliency"].startswith("saliency stopped with 'RuntimeError: The size of tensor a (2)")
    assert result.left_out["saliency"].endswith("'; please report it.")
    with pytest.raises(RuntimeError, match="The size of tensor a"):
        attribute(net, x, "saliency", target=1)

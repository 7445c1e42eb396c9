"""CAMs of token layouts: (B, N, K) with tokens that belong nowhere, and (B, H, W, K); places, defaults, errors."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import matxai
from matxai.engine import layers
from matxai.errors import LayerError
from matxai.methods import EigenCAM, GradCAM, attribution

torchvision = pytest.importorskip("torchvision")
SIZE = (32, 48)
GRID = (4, 6)


def randomised(net: nn.Module) -> nn.Module:
    generator = torch.Generator().manual_seed(4)
    for p in net.parameters():
        if p.ndim <= 2 or not p.abs().max():
            p.data = 0.3 * torch.randn(p.shape, generator=generator) + (p.ndim == 1)
    return net.double().eval().requires_grad_(False)


def torchvision_vit() -> nn.Module:
    torch.manual_seed(0)
    return randomised(torchvision.models.VisionTransformer(48, 8, 2, 2, 16, 32, num_classes=3))


def timm_vit(**options: Any) -> nn.Module:
    kind = pytest.importorskip("timm.models.vision_transformer").VisionTransformer
    torch.manual_seed(0)
    return randomised(kind(SIZE, 8, embed_dim=16, depth=2, num_heads=2, num_classes=3, **options))


def distilled() -> nn.Module:
    kind = pytest.importorskip("timm.models.deit").VisionTransformerDistilled
    torch.manual_seed(0)
    return randomised(kind(img_size=SIZE, patch_size=8, embed_dim=16, depth=2, num_heads=2, num_classes=3))


def swin() -> nn.Module:
    torch.manual_seed(0)
    return randomised(
        torchvision.models.SwinTransformer([4, 4], 8, [2, 2], [1, 2], [2, 2], num_classes=3, stochastic_depth_prob=0.0)
    )


def recorded(net: nn.Module, x: Tensor, layer: str, target: int) -> tuple[Tensor, Tensor]:
    """A layer's output and the score's gradient there, by a plain hook."""
    kept: list[Tensor] = []
    handle = dict(net.named_modules())[layer].register_forward_hook(lambda _m, _a, out: kept.append(out))
    out = net(x.clone().requires_grad_())
    handle.remove()
    return kept[-1].detach(), torch.autograd.grad(out[:, target].sum(), kept[-1])[0]


FAMILIES = {
    "torchvision ViT": (torchvision_vit, "encoder.layers.encoder_layer_1.ln_1", (6, 6), 1),
    "class token": (timm_vit, "blocks.1.norm1", GRID, 1),
    "registers": (lambda: timm_vit(reg_tokens=4), "blocks.1.norm1", GRID, 5),
    "registers alone": (
        lambda: timm_vit(reg_tokens=3, class_token=False, global_pool="avg"),
        "blocks.1.norm1",
        GRID,
        3,
    ),
    "qk-norm": (lambda: timm_vit(qk_norm=True), "blocks.1.norm1", GRID, 1),
    "distilled": (distilled, "blocks.1.norm1", GRID, 2),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_tokens_are_dropped_and_the_rest_lies_on_the_grid(family: str) -> None:
    make, layer, grid, extra = FAMILIES[family]
    net, x = make(), torch.randn(2, 3, 8 * grid[0], 8 * grid[1], dtype=torch.float64)
    assert layers(net, x).default == layer
    result = attribution(net, x, [GradCAM(relu=False, upsample=False), "hires_cam"], target=1, relu=False)
    A, g = (t[:, extra:].transpose(1, 2).unflatten(2, grid) for t in recorded(net, x, layer, 1))
    assert g.abs().amax() > 0
    expected = (g.mean((2, 3), keepdim=True) * A).sum(1)
    torch.testing.assert_close(result.maps["grad_cam"][0], expected, rtol=1e-9, atol=1e-12)
    assert result.maps["hires_cam"].shape == (2, 1, *x.shape[2:])
    place = result.places[layer]
    assert (place.origin, place.step, place.shape) == ((3.5, 3.5), (8.0, 8.0), grid)
    assert place.field == tuple(map(float, x.shape[2:]))
    assert f"the {extra} token(s) of layer '{layer}' in front of its cells are dropped" in result.notes


@pytest.mark.parametrize("method", ["score_cam", "ablation_cam", "eigen_cam"])
def test_tried_out_channels_of_tokens_leave_the_other_tokens_as_they_are(method: str) -> None:
    net, layer = distilled(), "blocks.1.norm1"
    x = torch.randn(1, 3, *SIZE, dtype=torch.float64)
    result = attribution(net, x, [method], target=1, relu=False, upsample=False)
    own = recorded(net, x, layer, 1)[0]
    A = own[:, 2:].transpose(1, 2).unflatten(2, GRID)
    if method == "eigen_cam":
        from matxai.methods import cam

        expected = cam.first_component(A)
    else:
        scores = []
        for k in range(16):
            other = own.clone()
            if method == "ablation_cam":
                other[:, 2:, k] = 0
            else:
                mask = A[:, k].flatten()
                other[:, 2:] *= ((mask - mask.min()) / (mask.max() - mask.min()))[:, None]
            handle = net.blocks[1].norm1.register_forward_hook(lambda *_, other=other: other)
            scores.append(net(x)[0, 1])
            handle.remove()
        y, clean = torch.stack(scores), net(x)[0, 1]
        w = y.softmax(0) if method == "score_cam" else (clean - y) / clean.abs()
        expected = (w[:, None, None] * A).sum(1)
        assert result.tails == 2 + 16
        assert result.forwards == 1 + 1  # the residual crosses
    torch.testing.assert_close(result.maps[method][0], expected, rtol=1e-8, atol=1e-11)


@pytest.mark.parametrize(("layer", "step"), [("features.1", 4.0), ("features.3.0", 8.0), ("norm", 8.0)])
def test_channels_last_are_told_and_placed(layer: str, step: float) -> None:
    net, x = swin(), torch.randn(2, 3, *SIZE, dtype=torch.float64)
    result = attribution(net, x, [GradCAM(relu=False, upsample=False)], target=1, layers=[layer])
    A, g = (t.permute(0, 3, 1, 2) for t in recorded(net, x, layer, 1))
    expected = (g.mean((2, 3), keepdim=True) * A).sum(1)
    torch.testing.assert_close(result.maps["grad_cam"][0], expected, rtol=1e-9, atol=1e-12)
    place = result.places[layer]
    assert (place.step, place.origin) == ((step,) * 2, ((step - 1) / 2,) * 2)


def test_channels_last_inside_of_a_convnext_block() -> None:
    torch.manual_seed(0)
    setting = [
        torchvision.models.convnext.CNBlockConfig(8, 16, 1),
        torchvision.models.convnext.CNBlockConfig(16, None, 1),
    ]
    net = randomised(torchvision.models.ConvNeXt(setting, num_classes=3, stochastic_depth_prob=0.0))
    x = torch.randn(1, 3, *SIZE, dtype=torch.float64)
    for layer, last in (
        ("features.1.0.block.2", True),
        ("features.1.0.block.0", False),
        ("features.3.0.block.6", False),
    ):
        got = matxai.attribute(net, x, ["grad_cam"], target=1, layers=[layer], relu=False, upsample=False)["grad_cam"]
        A, g = recorded(net, x, layer, 1)
        A, g = (A.permute(0, 3, 1, 2), g.permute(0, 3, 1, 2)) if last else (A, g)
        torch.testing.assert_close(got[0], (g.mean((2, 3), keepdim=True) * A).sum(1), rtol=1e-9, atol=1e-12)


class Planted(nn.Module):
    """A transformer whose attention is the identity: each token's value is its patch's mean."""

    def __init__(self, extra: int) -> None:
        super().__init__()
        self.patches = nn.Conv2d(1, 2, 8, stride=8)
        self.tokens = nn.Parameter(torch.full((1, extra, 2), 5.0))
        self.block = nn.Identity()
        self.head = nn.Linear(2, 2)
        nn.init.constant_(self.patches.weight, 1.0)
        nn.init.zeros_(self.patches.bias)
        nn.init.constant_(self.head.weight, 1.0)

    def forward(self, x: Tensor) -> Tensor:
        y = self.patches(x).flatten(2).transpose(1, 2)
        y = torch.cat([self.tokens.expand(len(x), -1, -1), y], 1)
        same = torch.eye(y.shape[1]).expand(len(x), -1, -1) @ y
        return self.head(self.block(same).mean(1))


@pytest.mark.parametrize("cell", [(0, 0), (2, 5), (3, 1)])
def test_a_planted_dot_is_found_in_its_patch(cell: tuple[int, int]) -> None:
    x = torch.zeros(1, 1, *SIZE)
    x[0, 0, 8 * cell[0] + 2, 8 * cell[1] + 6] = 1
    for extra in (0, 1, 2, 5):
        map_ = matxai.attribute(Planted(extra), x, ["grad_cam"], target=0, layers=["block"])["grad_cam"][0, 0]
        row, column = divmod(int(map_.argmax()), SIZE[1])
        assert (row // 8, column // 8) == cell


class Mixed(nn.Module):
    """Tokens whose grid cannot be told: a linear layer makes them of the whole image."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens = nn.Sequential(nn.Flatten(), nn.Linear(60, 7 * 4), nn.Unflatten(1, (7, 4)))
        self.norm = nn.LayerNorm(4)
        self.head = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.tokens(x)).square().mean(1))


def test_where_the_layout_cannot_be_told_the_user_says_it() -> None:
    torch.manual_seed(0)
    net, x = Mixed().double(), torch.randn(1, 1, 6, 10, dtype=torch.float64)
    with pytest.raises(
        LayerError, match=r"How the 7 tokens of layer 'norm' \(1, 7, 4\) lie on the input \(6, 10\) cann"
    ):
        matxai.attribute(net, x, ["grad_cam"], target=0, layers=["norm"])
    said = GradCAM(grid=(2, 3), relu=False, upsample=False)
    got = matxai.attribute(net, x, [said], target=0, layers=["norm"])["grad_cam"][0]
    A, g = (t[:, 1:].transpose(1, 2).unflatten(2, (2, 3)) for t in recorded(net, x, "norm", 0))
    torch.testing.assert_close(got, (g.mean((2, 3), keepdim=True) * A).sum(1), rtol=1e-10, atol=1e-13)
    assert matxai.attribute(net, x, [GradCAM(grid=(2, 3))], target=0, layers=["norm"])["grad_cam"].shape == (
        1,
        1,
        6,
        10,
    )
    for wrong, sentence in (
        (GradCAM(grid=(3, 3)), r"grid=\(3, 3\) does not fit layer 'norm' \(1, 7, 4\)"),
        (GradCAM(layout="channel_last"), "There is no layout 'channel_last'"),
        (EigenCAM(layout="channels_last"), r"'norm' gives \(1, 7, 4\), which is no \(B, \*cells, K\) with 2 axes"),
    ):
        with pytest.raises(LayerError, match=sentence):
            matxai.attribute(net, x, [wrong], target=0, layers=["norm"])


class Sequence(nn.Module):
    """A transformer over a spectrum: patches of 8 points, a class token in front."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv1d(1, 8, 8, stride=8)
        self.token = nn.Parameter(torch.zeros(1, 1, 8))
        self.block = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True, norm_first=True)
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = self.patches(x).transpose(1, 2)
        return self.head(self.block(torch.cat([self.token.expand(len(x), 1, 8), y], 1))[:, 0])


def test_spectra_have_tokens_as_well() -> None:
    net, x = randomised(Sequence()), torch.randn(2, 1, 64, dtype=torch.float64)
    result = attribution(net, x, [GradCAM(relu=False, upsample=False)], target=1)
    assert result.layers == ("block.norm1",)
    A, g = (t[:, 1:].transpose(1, 2) for t in recorded(net, x, "block.norm1", 1))
    torch.testing.assert_close(result.maps["grad_cam"][0], (g.mean(2, keepdim=True) * A).sum(1), rtol=1e-9, atol=1e-12)
    assert result.places["block.norm1"].origin == (3.5,)

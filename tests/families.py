"""One network of every family that the engine must explain, as tests and the benchmark use them: small, in float64.

``FAMILIES`` maps a name to a function that builds the network; all give scores (B, K) for the batch of :func:`images`.
:func:`unbiased` takes every bias out and sets batch-norm statistics, so that relevance must sum to the score.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional as F

CLASSES = 5
SIZES = {"inception_v3": (80, 80), "r3d_18": (4, 16, 16), "resnet_1d": (64,), "inception_time": (64,),
         "lstm": (24,), "gru": (24,), "fcn_resnet50": (32, 32), "deeplabv3_resnet50": (32, 32)}  # fmt: skip
CHANNELS = {"resnet_1d": 2, "inception_time": 2, "lstm": 3, "gru": 3}
TORCHVISION = (
    "convnext_tiny", "densenet121", "efficientnet_b0", "googlenet", "inception_v3", "mnasnet0_5",
    "mobilenet_v2", "mobilenet_v3_small", "regnet_x_400mf", "regnet_y_400mf", "resnet18", "resnet50",
    "resnext50_32x4d", "shufflenet_v2_x0_5", "squeezenet1_1", "swin_t",
)  # fmt: skip
UPSAMPLING = ("nearest", "bilinear", "bicubic", "transposed", "shuffle")
#: Nets whose only operations are ReLUs, linear ones and max-pools: epsilon maps equal gradient x input.
RECTIFIED = (
    "alexnet", "densenet121", "googlenet", "inception_v3", "mnasnet0_5", "regnet_x_400mf", "resnet18", "resnet50",
    "resnext50_32x4d", "shufflenet_v2_x0_5", "squeezenet1_1", "vgg11_bn", "fcn_resnet50",
    "deeplabv3_resnet50", "r3d_18", "resnet_1d", "inception_time", "reused_convolution", "functional_residuals",
    *(f"unet_{u}" for u in UPSAMPLING),
)  # fmt: skip


class Dense(nn.Module):
    """A segmentation network whose score of a class is its mean over the positions."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        out = self.net(x)
        return (out["out"] if isinstance(out, dict) else out).mean((2, 3))


class UNet(nn.Module):
    """Two levels, skip connections by concatenation, one of the ways to bring the coarse level up."""

    def __init__(self, up: str) -> None:
        super().__init__()
        self.down1, self.down2, self.bottom = _block(3, 8), _block(8, 16), _block(16, 32)
        self.up2, self.up1 = _up(up, 32, 16), _up(up, 16, 8)
        self.join2, self.join1 = _block(32, 16), _block(16, 8)
        self.scores = nn.Conv2d(8, CLASSES, 1)

    def forward(self, x: Tensor) -> Tensor:
        a = self.down1(x)
        b = self.down2(F.max_pool2d(a, 2))
        c = self.bottom(F.max_pool2d(b, 2))
        b = self.join2(torch.cat([self.up2(c), b], 1))
        return self.scores(self.join1(torch.cat([self.up1(b), a], 1)))


def _block(channels: int, width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(inplace=True),
        nn.Conv2d(width, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(inplace=True),
    )  # fmt: skip


def _up(kind: str, channels: int, width: int) -> nn.Module:
    if kind == "transposed":
        return nn.ConvTranspose2d(channels, width, 2, stride=2)
    if kind == "shuffle":
        return nn.Sequential(nn.Conv2d(channels, 4 * width, 1), nn.PixelShuffle(2))
    aligned = None if kind == "nearest" else False
    return nn.Sequential(nn.Upsample(scale_factor=2, mode=kind, align_corners=aligned), nn.Conv2d(channels, width, 1))


class Residual1d(nn.Module):
    """Two convolutions and a skip connection that is a convolution where the width changes."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.conv1, self.norm1 = nn.Conv1d(channels, width, 7, padding=3), nn.BatchNorm1d(width)
        self.conv2, self.norm2 = nn.Conv1d(width, width, 5, padding=2), nn.BatchNorm1d(width)
        self.skip = nn.Conv1d(channels, width, 1) if channels != width else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x)))))
        y += self.skip(x)
        return F.relu(y)


class Inception1d(nn.Module):
    """An InceptionTime module: a bottleneck, kernels of three lengths and a pooled branch side by side."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.bottleneck = nn.Conv1d(channels, width, 1, bias=False)
        self.kernels = nn.ModuleList(nn.Conv1d(width, width, k, padding=k // 2, bias=False) for k in (9, 19, 39))
        self.pooled = nn.Conv1d(channels, width, 1, bias=False)
        self.norm = nn.BatchNorm1d(4 * width)

    def forward(self, x: Tensor) -> Tensor:
        y = self.bottleneck(x)
        parts = [k(y) for k in self.kernels]
        return F.relu(self.norm(torch.cat([*parts, self.pooled(F.max_pool1d(x, 3, 1, 1))], 1)))


class InceptionTime(nn.Module):
    """Three modules, and a skip connection around them."""

    def __init__(self) -> None:
        super().__init__()
        self.modules_ = nn.Sequential(Inception1d(2, 4), Inception1d(16, 4), Inception1d(16, 4))
        self.skip, self.norm = nn.Conv1d(2, 16, 1, bias=False), nn.BatchNorm1d(16)
        self.head = nn.Linear(16, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.relu(self.modules_(x) + self.norm(self.skip(x))).mean(-1))


class ReusedConvolution(nn.Module):
    """One convolution and one ReLU, called three times."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.same = nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.act, self.head = nn.ReLU(inplace=True), nn.Linear(8, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.stem(x))
        for _ in range(3):
            x = self.act(self.same(x))
        return self.head(x.mean((2, 3)))


class FunctionalResiduals(nn.Module):
    """Adds of every spelling, functional ReLUs, statements in place."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.convs = nn.ModuleList(nn.Conv2d(8, 8, 3, padding=1, bias=False) for _ in range(4))
        self.norms = nn.ModuleList(nn.BatchNorm2d(8) for _ in range(4))
        self.head = nn.Linear(8, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.stem(x))
        y = [norm(conv(x)) for conv, norm in zip(self.convs, self.norms, strict=True)]
        a = F.relu(x + y[0])
        a = F.relu(torch.add(a, y[1]))
        a += y[2]
        a = torch.relu_(a)
        b = a.clone()
        b.add_(y[3])
        return self.head(F.relu(b, inplace=True).mean((2, 3)))


class SqueezeExcite(nn.Module):
    """A convolution whose channels are weighed by a gate from their own means."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.conv = nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.squeeze, self.excite = nn.Conv2d(8, 4, 1), nn.Conv2d(4, 8, 1)
        self.head = nn.Linear(8, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.stem(x))
        y = self.conv(x)
        gate = torch.sigmoid(self.excite(F.relu(self.squeeze(F.adaptive_avg_pool2d(y, 1)))))
        return self.head(F.relu(x + gate * y).mean((2, 3)))


class Recurrent(nn.Module):
    """A recurrent classifier of a sequence (B, C, L): the state after the last step decides."""

    def __init__(self, kind: type[nn.Module]) -> None:
        super().__init__()
        self.cells = kind(3, 12, batch_first=True)
        self.head = nn.Linear(12, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        states, _ = self.cells(x.transpose(1, 2))
        return self.head(states[:, -1])


def _torchvision(name: str) -> Callable[[], nn.Module]:
    # the auxiliary heads of these two are of no use in evaluation, and cost seconds to make
    plain = {"aux_logits": False, "init_weights": False} if name in ("googlenet", "inception_v3") else {}
    return lambda: torchvision.models.get_model(name, weights=None, num_classes=CLASSES, **plain)


def _segmentation(name: str) -> Callable[[], nn.Module]:
    return lambda: Dense(
        torchvision.models.get_model(name, weights=None, weights_backbone=None, num_classes=CLASSES, aux_loss=False)
    )


def _resnet_1d() -> nn.Module:
    return nn.Sequential(
        Residual1d(2, 8), nn.MaxPool1d(2), Residual1d(8, 16), Residual1d(16, 16), nn.AdaptiveAvgPool1d(1),
        nn.Flatten(), nn.Linear(16, CLASSES),
    )  # fmt: skip


def _maxvit() -> nn.Module:
    return torchvision.models.MaxVit(
        input_size=(64, 64), stem_channels=16, partition_size=2, block_channels=[16, 32], block_layers=[1, 1],
        head_dim=8, stochastic_depth_prob=0.0, num_classes=CLASSES,
    )  # fmt: skip


def _vit() -> nn.Module:
    net = torchvision.models.vit_b_16(weights=None, image_size=64, num_classes=CLASSES)
    nn.init.normal_(net.heads.head.weight, std=0.05)  # zero as it comes
    return net


def _small_head(name: str, channels: int) -> Callable[[], nn.Module]:
    """Return a network without its dense layers of 4096, which take seconds to make and have the same rule."""

    def make() -> nn.Module:
        with torch.device("meta"):
            net = torchvision.models.get_model(name, weights=None)
            net.avgpool = nn.AdaptiveAvgPool2d(1)
            net.classifier = nn.Sequential(
                nn.Linear(channels, 16), nn.ReLU(inplace=True), nn.Dropout(), nn.Linear(16, CLASSES)
            )
        net = net.to_empty(device="cpu")
        for part in net.modules():
            if hasattr(part, "reset_parameters"):
                part.reset_parameters()
        return net

    return make


FAMILIES: dict[str, Callable[[], nn.Module]] = {
    **{name: _torchvision(name) for name in TORCHVISION},
    "alexnet": _small_head("alexnet", 256),
    "vgg11_bn": _small_head("vgg11_bn", 512),
    "maxvit": _maxvit,
    "vit_b_16": _vit,
    "fcn_resnet50": _segmentation("fcn_resnet50"),
    "deeplabv3_resnet50": _segmentation("deeplabv3_resnet50"),
    **{f"unet_{up}": (lambda up=up: Dense(UNet(up))) for up in UPSAMPLING},
    "r3d_18": lambda: torchvision.models.video.r3d_18(weights=None, num_classes=CLASSES),
    "resnet_1d": _resnet_1d,
    "inception_time": InceptionTime,
    "reused_convolution": ReusedConvolution,
    "functional_residuals": FunctionalResiduals,
    "squeeze_excite": SqueezeExcite,
    "lstm": lambda: Recurrent(nn.LSTM),
    "gru": lambda: Recurrent(nn.GRU),
}


def build(name: str, dtype: torch.dtype = torch.float64) -> nn.Module:
    """Return a family's network with fixed weights, frozen and in evaluation mode."""
    torch.manual_seed(0)
    return FAMILIES[name]().eval().requires_grad_(requires_grad=False).to(dtype)


def images(name: str, batch: int = 1, dtype: torch.dtype = torch.float64) -> Tensor:
    """Return noise of the shape that a family's network takes."""
    generator = torch.Generator().manual_seed(3)
    shape = (batch, CHANNELS.get(name, 3), *SIZES.get(name, (64, 64)))
    return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)


def unbiased(module: nn.Module, x: Tensor) -> nn.Module:
    """Take out biases, shifts and embeddings, and scale each batch norm by what it meets on ``x``.

    Parameters
    ----------
    module
        A network of :func:`build`; it is changed in place.
    x
        The batch (B, C, *spatial) that the statistics come from: no layer's output vanishes.

    Returns
    -------
    nn.Module
        The same network; relevance has nowhere to go but to the input.
    """
    for name, parameter in module.named_parameters():
        last = name.rpartition(".")[2]
        if last.startswith("bias") or last in ("in_proj_bias", "class_token", "pos_embedding"):
            parameter.zero_()

    def scaled(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        axes = [a for a in range(inputs[0].ndim) if a != 1]
        norm.running_mean.zero_()
        norm.running_var.copy_(inputs[0].pow(2).mean(axes).clamp(min=1e-12))

    norms = [m for m in module.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    hooks = [m.register_forward_pre_hook(scaled) for m in norms]
    if norms:
        with torch.no_grad():
            module(x)
    for hook in hooks:
        hook.remove()
    return module


def shaken(module: nn.Module) -> nn.Module:
    """Give every batch norm statistics, weights and shifts that are not the neutral ones."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for part in module.modules():
            if isinstance(part, nn.modules.batchnorm._BatchNorm):
                part.running_mean.normal_(0, 0.1, generator=generator)
                part.running_var.uniform_(0.5, 1.5, generator=generator)
                part.weight.uniform_(0.5, 1.5, generator=generator)
                part.bias.normal_(0, 0.1, generator=generator)
    return module

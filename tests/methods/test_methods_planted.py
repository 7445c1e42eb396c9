"""One planted dot or peak, swept over positions: where a coarse map says that it lies, and where it lies."""

from __future__ import annotations

from collections import OrderedDict

import pytest
import torch
import torchvision
from torch import nn

from matxai.methods import attribution

CONV = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
POOL = {1: nn.MaxPool1d, 2: nn.MaxPool2d, 3: nn.MaxPool3d}
GAP = {1: nn.AdaptiveAvgPool1d, 2: nn.AdaptiveAvgPool2d, 3: nn.AdaptiveAvgPool3d}


def positive(module):
    """Positive kernels, no biases, plain norms: a dot lights up what it reaches and nothing else."""
    for part in module.modules():
        if isinstance(part, nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.Linear):
            part.weight.data = 0.2 + torch.rand(
                part.weight.shape, generator=torch.Generator().manual_seed(part.weight.numel())
            )
            if part.bias is not None:
                part.bias.data.zero_()
            part.weight.data /= part.weight.data.flatten(1).sum(1).reshape(-1, *[1] * (part.weight.ndim - 1))
    return module.eval()


class Block(nn.Module):
    """A strided residual block."""

    def __init__(self, axes, channels):
        super().__init__()
        self.a = CONV[axes](channels, channels, 3, stride=2, padding=1)
        self.b = CONV[axes](channels, channels, 3, padding=1)
        self.skip = CONV[axes](channels, channels, 1, stride=2)

    def forward(self, x):
        return torch.relu(self.b(torch.relu(self.a(x))) + self.skip(x))


def padded_strided(axes, blocks):
    return positive(
        nn.Sequential(
            CONV[axes](1, 4, 7, stride=2, padding=3),
            nn.ReLU(),
            POOL[axes](3, 2, 1),
            *[Block(axes, 4) for _ in range(blocks)],
            GAP[axes](1),
            nn.Flatten(),
            nn.Linear(4, 2),
        )
    )


def offsets(net, size, positions, layer, channels=1):
    """Mean offset of the map's centre of mass from the dot, in cells, along each axis: (placed, stretched)."""
    axes = len(size)
    x = torch.zeros(len(positions), channels, *size)
    for i, p in enumerate(positions):
        x[(i, slice(None), *[p] * axes)] = 1.0
    found = {}
    for placement in ("receptive_field", "grid"):
        result = attribution(net, x, "grad_cam", 0, [layer], placement=placement)
        assert not result.empty
        cam = result.maps["grad_cam"][:, 0].double()
        name = result.layers[0]
        off = []
        for axis in range(axes):
            others = [d + 1 for d in range(axes) if d != axis]
            line = cam.sum(dim=others) if others else cam
            centre = (line * torch.arange(size[axis])).sum(1) / line.sum(1)
            step = result.places[name].step[axis]
            off.append(float((centre - torch.tensor(positions)).mean() / step))
        found[placement] = off
    return found["receptive_field"], found["grid"]


@pytest.mark.parametrize(
    ("axes", "blocks", "size", "cell"), [(1, 3, (512,), 32), (2, 2, (144, 144), 16), (3, 1, (40, 40, 40), 8)]
)
def test_a_planted_peak_is_found_where_it_is(axes, blocks, size, cell):
    net = padded_strided(axes, blocks)
    middle = size[0] // 2
    stride = 1 if axes < 3 else 2
    positions = list(range(middle - cell // 2, middle + cell // 2, stride))
    placed, stretched = offsets(net, size, positions, str(2 + blocks))
    assert max(map(abs, placed)) < 0.1, placed
    assert min(map(abs, stretched)) > 0.3, stretched


def small_vgg():
    features = torchvision.models.vgg.make_layers([4, "M", 6, "M", 6, 6, "M", 6, 6, "M"])
    return nn.Sequential(features, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 2))


def small_densenet():
    return torchvision.models.DenseNet(growth_rate=4, block_config=(2, 2, 2), num_init_features=8, num_classes=2)


@pytest.mark.parametrize(
    ("make", "layer", "channels", "cell", "dense"),
    [(small_vgg, "0", 3, 16, False), (small_densenet, "features.denseblock3", 3, 16, True)],
)
def test_no_worse_than_stretching_on_vgg_and_densenet(make, layer, channels, cell, dense):
    torch.manual_seed(0)
    net = positive(make())
    # the sweep lies symmetrically about whole cells, in the middle, so that the grid's own rounding averages out
    positions = list(range(96 - cell, 96 + cell, 2))
    placed, stretched = offsets(net, (192, 192), positions, layer, channels)
    assert max(map(abs, placed)) <= max(map(abs, stretched)), (placed, stretched)
    assert max(map(abs, placed)) < 0.1


@pytest.mark.parametrize(
    ("name", "shift", "field"), [("resnet18", 15.5, 435), ("vgg11", 0.0, 150), ("densenet121", 1.5, None)]
)
def test_known_shifts_of_known_architectures(name, shift, field):
    """Centres of the last map's cells against those of the stretched map, at 224 pixels (arithmetic by hand).

    Receptive fields as published (Araujo et al. 2019): 435 pixels for ResNet-18's layer4, 150 for VGG-11's last pool.
    """
    if name == "vgg11":  # its convolutions; the dense layers behind them would take seconds to make
        layers = torchvision.models.vgg.make_layers(torchvision.models.vgg.cfgs["A"])
        net = nn.Sequential(OrderedDict(features=layers, pool=GAP[2](1), flat=nn.Flatten(), head=nn.Linear(512, 2)))
    else:
        net = torchvision.models.get_model(name, weights=None)
    net, layer = net.eval(), {"resnet18": "layer4"}.get(name, "features")
    x = torch.zeros(1, 3, 224, 224)
    result = attribution(net, x, "grad_cam", 0, [layer])
    place = result.places[layer]
    assert place.source == "arithmetic"
    assert place.shape == (7, 7)
    assert place.step == (32.0, 32.0)
    assert [15.5 - o for o in place.origin] == pytest.approx([shift, shift])
    if field is not None:
        assert place.field == (field, field)

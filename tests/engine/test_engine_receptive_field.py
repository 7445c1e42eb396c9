"""Receptive-field arithmetic over recorded operations, held against gradients: where does what reaches a cell lie?"""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from matxai.engine.probe import probed
from matxai.methods import attribution


class Through(nn.Module):
    """A body whose last feature map is the layer, and a head."""

    def __init__(self, body):
        super().__init__()
        self.body = body

    def forward(self, x):
        return self.body(x).mean((2, 3))


class Function(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(4, 4, 3, stride=2, padding=1)
        self.b = nn.Conv2d(4, 4, 1, stride=2)
        self.gate = nn.Conv2d(4, 4, 1)

    def forward(self, x):
        y = self.a(x) + self.b(x)
        return y * torch.sigmoid(self.gate(y.mean((2, 3), keepdim=True)))


class UNet(nn.Module):
    """Two levels down and up again, skips concatenated."""

    def __init__(self, up):
        super().__init__()
        self.down1, self.down2 = nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.up = up
        self.out = nn.Conv2d(8, 4, 3, padding=1)

    def forward(self, x):
        a = self.down1(x)
        b = self.down2(F.avg_pool2d(a, 2))
        return self.out(torch.cat([a, self.up(b)], dim=1))


class ChannelsLast(nn.Module):
    """A ConvNeXt-like block: norm and linear layers on permuted axes."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(4, 6, 4, stride=4)
        self.linear = nn.Linear(6, 5)

    def forward(self, x):
        return self.linear(self.conv(x).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


BODIES = {
    "strided": nn.Conv2d(4, 3, 3, stride=2, padding=1),
    "even kernel": nn.Conv2d(4, 3, 4, stride=2, padding=1),
    "unpadded": nn.Sequential(nn.Conv2d(4, 4, 5), nn.Conv2d(4, 3, 3, stride=3)),
    "one axis": nn.Conv2d(4, 3, (3, 5), stride=(1, 2), padding=(0, 2)),
    "dilated": nn.Conv2d(4, 3, 3, dilation=3, stride=2, padding=2),
    "same": nn.Conv2d(4, 3, 4, padding="same"),
    "pools": nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(4, 3, 3, padding=1), nn.AvgPool2d(3, 2, ceil_mode=True)),
    "adaptive": nn.AdaptiveAvgPool2d((8, 16)),
    "transposed": nn.Sequential(nn.Conv2d(4, 4, 3, stride=4, padding=1), nn.ConvTranspose2d(4, 3, 2, stride=2)),
    "transposed padded": nn.ConvTranspose2d(4, 3, 4, stride=2, padding=1),
    "nearest": nn.Sequential(nn.AvgPool2d(4), nn.Upsample(scale_factor=2)),
    "bilinear": nn.Sequential(nn.AvgPool2d(4), nn.Upsample(scale_factor=2, mode="bilinear")),
    "corners": nn.Sequential(nn.AvgPool2d(4), nn.Upsample(scale_factor=3, mode="bilinear", align_corners=True)),
    "padded": nn.Sequential(nn.ZeroPad2d((3, 1, 0, 2)), nn.Conv2d(4, 3, 3, stride=2)),
    "residual": Residual(),
    "unet transposed": UNet(nn.ConvTranspose2d(4, 4, 2, stride=2)),
    "unet nearest": UNet(nn.Upsample(scale_factor=2)),
    "channels last": ChannelsLast(),
    "split": nn.Sequential(
        nn.Conv2d(4, 4, 3, stride=2), Function(lambda t: torch.cat(list(reversed(t.chunk(2, 1))), dim=1))
    ),
    "shuffled": nn.Sequential(
        nn.Conv2d(4, 4, 3, stride=2), Function(lambda t: t.view(1, 2, 2, *t.shape[2:]).transpose(1, 2).flatten(1, 2))
    ),
}


def even(module):
    """Every kernel alike and positive: the gradient of a cell is spread evenly over what reaches it."""
    for p in module.parameters():
        p.data.fill_(0.1)
    return module.eval()


def reached(body, size, cell):
    """Centre of mass, first and last input pixel of what reaches one cell, along each axis."""
    x = torch.ones(1, 4, *size, requires_grad=True)
    (g,) = torch.autograd.grad(body(x)[(0, slice(None), *cell)].sum(), x)
    weight = g[0].sum(0).abs()
    centre, span = [], []
    for axis in range(2):
        line = weight.sum(1 - axis)
        at = torch.arange(len(line), dtype=line.dtype)
        hit = line.nonzero()
        centre.append(float((line * at).sum() / line.sum()))
        span.append(float(hit.max() - hit.min() + 1))
    return centre, span


@pytest.mark.parametrize("name", list(BODIES))
def test_places_are_where_gradients_are(name):
    body = even(BODIES[name])
    net, size = Through(body), (48, 64)
    place = attribution(net, torch.ones(1, 4, *size), "grad_cam", 0, ["body"], relu=False).places["body"]
    assert place.source == "arithmetic"
    assert place.shape == tuple(body(torch.ones(1, 4, *size)).shape[2:])
    if name == "residual":
        body.gate.weight.data.zero_()  # a gate reaches everywhere and says nothing about the place
    middle = [n // 2 - n // 2 % 4 for n in place.shape]
    off = [[], []]
    for i in range(4):
        centre, span = reached(body, size, (middle[0] + i, middle[1] + i))
        for axis in range(2):
            off[axis].append(centre[axis] - place.positions(axis)[middle[axis] + i])
            assert abs(off[axis][-1]) <= 0.5 * place.step[axis] + 1e-3
            assert span[axis] <= place.field[axis] + 1e-6
    for axis in range(2):
        assert abs(sum(off[axis]) / 4) < 0.02 * place.step[axis], off


def test_branches_that_disagree_are_probed():
    """A branch shifted by four pixels beside one that is not: arithmetic gives up, the probe finds the middle."""

    class Shifted(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(4, 4, 3, padding=1)

        def forward(self, x):
            y = self.conv(x)
            return y + F.pad(y[..., 8:], (0, 8))

    net = Through(even(Shifted()))
    result = attribution(net, torch.ones(1, 4, 32, 48), "grad_cam", 0, ["body"])
    place = result.places["body"]
    assert place.source == "probe"
    assert place.origin == pytest.approx((0.0, 4.0), abs=0.1)
    assert any("probe" in note for note in result.notes)
    assert (result.forwards, result.backwards) == (2, 6)
    again = attribution(net, torch.ones(1, 4, 32, 48), "grad_cam", 0, ["body"])
    assert (again.forwards, again.backwards) == (1, 1)
    grid = attribution(net, torch.ones(1, 4, 32, 44), "grad_cam", 0, ["body"], placement="grid")
    assert (grid.forwards, grid.backwards) == (1, 1)


def test_a_model_of_a_fixed_batch_is_stretched_and_says_so():
    """The probe's batch is another one than the caller's: a model that refuses it is explained all the same."""

    class Fixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.body = nn.Conv2d(1, 4, 3, padding=1), nn.Identity()

        def forward(self, x):
            y = self.conv(x).view(2, 4, *x.shape[2:])
            return self.body(y + F.pad(y[..., 8:], (0, 8))).mean((2, 3))

    net = Fixed().eval()
    result = attribution(net, torch.randn(2, 1, 32, 32), "grad_cam", 0, ["body"], relu=False)
    assert result.places["body"].source == "grid"
    assert any("'body'" in note and "stretched over the input" in note for note in result.notes)
    assert not any(m._forward_hooks for m in net.modules())


def test_a_probe_leaves_the_module_alone():
    net = Through(even(nn.Sequential(nn.Conv2d(4, 4, 3, stride=2, padding=1), nn.ReLU(inplace=True)))).train()
    place, forwards, backwards = probed(net, torch.ones(2, 4, 32, 32), "body.0", (16, 16))
    assert (forwards, backwards) == (1, 5)
    assert probed(net, torch.ones(2, 4, 32, 32), "body.0", (16, 16)) == (place, 0, 0)
    assert place.origin == pytest.approx((0.0, 0.0), abs=1e-3)
    assert all(m.training for m in net.modules())
    assert all(p.grad is None for p in net.parameters())
    assert not any(m._forward_hooks for m in net.modules())
    assert probed(net, torch.ones(2, 4, 32, 32), "nowhere", (16, 16))[0] is None


def test_a_probe_puts_back_what_the_forward_writes_and_draws():
    """A buffer that counts calls in place, an attribute, and random numbers: none of them is the probe's to use up."""

    class Writing(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(4, 4, 3, padding=1)
            self.register_buffer("calls", torch.zeros(()))
            self.last = None

        def forward(self, x):
            self.calls += 1
            self.last = y = self.conv(x)
            y = y.relu_() + 1e-3 * torch.rand_like(y)
            return y + F.pad(y[..., 8:], (0, 8))

    net = Through(even(Writing()))
    state = torch.get_rng_state()
    with torch.inference_mode():
        place, forwards, backwards = probed(net, torch.ones(1, 4, 32, 48), "body", (32, 48))
    assert place.origin == pytest.approx((0.0, 4.0), abs=0.1)
    assert (forwards, backwards) == (1, 5)
    assert net.body.calls == 0
    assert net.body.last is None
    assert torch.equal(torch.get_rng_state(), state)

"""Nets of spectra: LRP equals zennit's, Grad-CAM captum's, to a thousandth, on random 1-D nets of several builds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import matxai
from matxai.engine import composite

pytestmark = pytest.mark.filterwarnings("ignore")


class Block(nn.Module):
    """Two convolutions with batch norms, and the way past them."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv1d(channels, channels, 5, padding=2), nn.BatchNorm1d(channels)
        self.relu1 = nn.ReLU()
        self.conv2, self.bn2 = nn.Conv1d(channels, channels, 5, padding=2), nn.BatchNorm1d(channels)
        self.relu2 = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.relu2(self.bn2(self.conv2(self.relu1(self.bn1(self.conv1(x))))) + x)


def plain() -> nn.Module:
    return nn.Sequential(
        nn.Conv1d(1, 8, 9, padding=4), nn.ReLU(), nn.MaxPool1d(4), nn.Conv1d(8, 12, 7, padding=3), nn.ReLU(),
        nn.MaxPool1d(4), nn.Conv1d(12, 16, 5, padding=2), nn.ReLU(), nn.AdaptiveAvgPool1d(8), nn.Flatten(),
        nn.Linear(128, 32), nn.ReLU(), nn.Linear(32, 5),
    )  # fmt: skip


def normed() -> nn.Module:
    return nn.Sequential(
        nn.Conv1d(1, 8, 9, stride=2, padding=4), nn.BatchNorm1d(8), nn.ReLU(), nn.Conv1d(8, 12, 7, stride=2, padding=3),
        nn.BatchNorm1d(12), nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(12, 5),
    )  # fmt: skip


def residual() -> nn.Module:
    return nn.Sequential(
        nn.Conv1d(1, 8, 9, stride=2, padding=4), nn.BatchNorm1d(8), nn.ReLU(), Block(8), Block(8),
        nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(8, 5),
    )  # fmt: skip


NETS = {"plain": (plain, "6"), "normed": (normed, "3"), "residual": (residual, "4.conv2")}


def net(name: str, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    made = NETS[name][0]()
    generator = torch.Generator().manual_seed(seed)
    for m in made.modules():
        if isinstance(m, nn.BatchNorm1d):
            m.running_mean.normal_(0, 0.1, generator=generator)
            m.running_var.uniform_(0.5, 1.5, generator=generator)
            m.weight.data.uniform_(0.5, 1.5, generator=generator)
            m.bias.data.normal_(0, 0.1, generator=generator)
            m.eps = 0.0  # zennit merges the layer and leaves its eps behind
    return made.eval()


def spectra(seed: int) -> Tensor:
    """Counts with a few peaks, scaled as cards scale them; no value is 0."""
    rng = np.random.default_rng(seed)
    x = np.arange(512)
    peaks = sum(rng.uniform(1, 9) * np.exp(-(((x - p) / 4) ** 2)) for p in rng.uniform(20, 490, 8))
    return torch.from_numpy(rng.poisson(20 * (peaks + 1), (2, 1, 512)) / 20 + 0.01).float()


def stabiliser(z: Tensor) -> Tensor:
    """z + eps sign(z) as the engine has it: zennit's own 1e-6 is absolute."""
    return z + torch.copysign(1e-6 * z.flatten(1).pow(2).mean(1).sqrt().view(-1, *(1,) * (z.ndim - 1)), z)


def zennit_composite(name: str, net_name: str) -> Any:
    from zennit import composites, rules
    from zennit.canonizers import AttributeCanonizer, CompositeCanonizer, SequentialMergeBatchNorm
    from zennit.layer import Sum
    from zennit.types import Activation, AvgPool, BatchNorm, Convolution

    def with_sum(_name: str, module: nn.Module) -> dict[str, Any] | None:
        if not isinstance(module, Block):
            return None

        def forward(self: Any, x: Tensor) -> Tensor:
            deep = self.bn2(self.conv2(self.relu1(self.bn1(self.conv1(x)))))
            return self.relu2(self.joined(torch.stack([deep, x], dim=-1)))

        return {"forward": forward.__get__(module), "joined": Sum()}

    merge = SequentialMergeBatchNorm()
    canonizers = [CompositeCanonizer((merge, AttributeCanonizer(with_sum)))] if net_name == "residual" else [merge]
    convolution = {
        "epsilon": rules.Epsilon(stabiliser), "epsilon_gamma": rules.Gamma(0.25), "epsilon_plus": rules.ZPlus(),
        "epsilon_alpha2_beta1": rules.AlphaBeta(2, 1),
    }[name.removesuffix("_flat")]  # fmt: skip
    layers = [
        (Activation, rules.Pass()), (Sum, rules.Norm(1e-12)), (AvgPool, rules.Norm(1e-12)), (BatchNorm, rules.Pass()),
        (Convolution, convolution), (nn.Linear, rules.Epsilon(stabiliser)),
    ]  # fmt: skip
    if name.endswith("_flat"):
        first = [(Convolution, rules.Flat()), (nn.Linear, rules.Flat())]
        return composites.SpecialFirstLayerMapComposite(layers, first, canonizers=canonizers)
    return composites.LayerMapComposite(layers, canonizers=canonizers)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(
    "rule", ["epsilon", "epsilon_plus", "epsilon_plus_flat", "epsilon_gamma", "epsilon_alpha2_beta1"]
)
@pytest.mark.parametrize("name", list(NETS))
def test_lrp_of_spectra_equals_zennit(name: str, rule: str, seed: int) -> None:
    pytest.importorskip("zennit", reason="zennit is in the extra 'test'")
    from zennit.attribution import Gradient

    x = spectra(seed)
    ours = matxai.attribute(net(name, seed), x, methods=[f"lrp:{rule}"], target=3)[f"lrp:{rule}"]
    module = net(name, seed)
    with Gradient(module, zennit_composite(rule, name)) as made:
        theirs = made(x.clone(), lambda out: out * nn.functional.one_hot(torch.tensor([3] * 2), 5).to(out))[1]
    assert composite(rule).name == rule
    assert (ours - theirs).norm() <= 1e-3 * theirs.norm()
    assert theirs.norm() > 0


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("name", list(NETS))
def test_grad_cam_of_spectra_equals_captum(name: str, seed: int) -> None:
    pytest.importorskip("captum", reason="captum is in the extra 'test'")
    from captum.attr import LayerGradCam

    x, layer = spectra(seed), NETS[name][1]
    module = net(name, seed)
    ours = matxai.attribute(module, x, methods=["grad_cam"], target=2, layers=[layer], relu=False, upsample=False)
    theirs = LayerGradCam(module, module.get_submodule(layer)).attribute(x, target=2, attr_dim_summation=True)
    own = ours["grad_cam"][0]
    assert (own.reshape(theirs.shape) - theirs).norm() <= 1e-3 * theirs.norm()
    assert theirs.norm() > 0


@pytest.mark.parametrize("stride", [8, 32])
def test_a_fused_grad_cam_places_a_peak_where_it_is_even_on_a_coarse_net(stride: int) -> None:
    """The net answers to peaks; its coarse cells do not lie on the middle of the input's equal parts."""
    layers: list[nn.Module] = []
    for _ in range(stride.bit_length() - 1):
        conv = nn.Conv1d(1, 1, 3, stride=2, padding=1, bias=False)
        nn.init.constant_(conv.weight, 1 / 3)
        layers += [conv, nn.ReLU()]
    head = nn.Conv1d(1, 2, 1, bias=False)
    with torch.no_grad():
        head.weight[:] = torch.tensor([1.0, -1.0])[:, None, None]
    module = nn.Sequential(*layers, head, nn.AdaptiveAvgPool1d(1), nn.Flatten()).eval()
    names = [str(2 * k) for k in range(len(layers) // 2)][-4:]
    errors, stretched = [], []
    for place in range(100, 900, 37):
        x = torch.exp(-(((torch.arange(1000.0) - place) / 3) ** 2))[None, None]
        for found, placement in ((errors, "receptive_field"), (stretched, "grid")):
            maps = matxai.attribute(
                module, x, methods=[matxai.methods.MultilayerGradCAM(scale="max", name="fused")], target=0,
                layers=names, placement=placement,
            )  # fmt: skip
            cam = maps["fused"][0, 0]
            middle = float((cam * torch.arange(1000.0)).sum() / cam.sum())
            found.append(abs(middle - place))
    assert np.mean(errors) < 0.15 * stride
    assert np.mean(errors) < 0.5 * np.mean(stretched)

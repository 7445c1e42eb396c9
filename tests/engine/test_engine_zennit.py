"""LRP agrees with zennit and its canonizers on nets of both kinds, for every named composite and both precisions."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from matxai.engine import composite

pytestmark = pytest.mark.filterwarnings("ignore")
torchvision = pytest.importorskip("torchvision")
zennit = pytest.importorskip("zennit")

COMPOSITES = (
    "epsilon",
    "epsilon_plus",
    "epsilon_plus_flat",
    "epsilon_gamma",
    "epsilon_alpha2_beta1",
    "epsilon_alpha2_beta1_flat",
    "epsilon_gamma_box",
)
EPSILON = {torch.float64: 1e-9, torch.float32: 1e-6}
BOX = {"low": (-3.0, -2.5, -3.5), "high": 3.0}


def relative_stabiliser(z: Tensor) -> Tensor:
    """z + eps sign(z) as the engine has it: zennit's own 1e-6 is absolute."""
    return z + torch.copysign(EPSILON[z.dtype] * z.flatten(1).pow(2).mean(1).sqrt().view(-1, *(1,) * (z.ndim - 1)), z)


def zennit_composite(name: str, canonizer: Any) -> Any:
    from zennit import composites as zc
    from zennit import rules as zr
    from zennit.layer import Sum
    from zennit.types import Activation, AvgPool, BatchNorm, Convolution

    canonizers = [canonizer()]
    if name in ("epsilon", "epsilon_gamma"):
        rule = zr.Epsilon(relative_stabiliser) if name == "epsilon" else zr.Gamma(0.25)
        layer_map = [
            (Activation, zr.Pass()), (Sum, zr.Norm(1e-12)), (AvgPool, zr.Norm(1e-12)),
            (BatchNorm, zr.Pass()),
            (Convolution, rule), (nn.Linear, zr.Epsilon(relative_stabiliser)),
        ]  # fmt: skip
        return zc.LayerMapComposite(layer_map, canonizers=canonizers)
    if name == "epsilon_gamma_box":
        low = torch.tensor(BOX["low"]).view(1, 3, 1, 1)
        return zc.EpsilonGammaBox(low=low, high=BOX["high"], canonizers=canonizers)
    return zc.COMPOSITES[name](canonizers=canonizers)


@pytest.fixture(scope="module")
def nets() -> dict[str, nn.Module]:
    made = {}
    for name in ("resnet50", "vgg16_bn"):
        torch.manual_seed(0)
        net = torchvision.models.get_model(name, weights=None).eval()
        generator = torch.Generator().manual_seed(1)
        for m in net.modules():
            if isinstance(m, nn.BatchNorm2d):
                m.running_mean.normal_(0, 0.1, generator=generator)
                m.running_var.uniform_(0.5, 1.5, generator=generator)
                m.weight.data.uniform_(0.5, 1.5, generator=generator)
                m.bias.data.normal_(0, 0.1, generator=generator)
                m.eps = 0.0  # zennit merges the layer but leaves its eps behind: 1 + 1e-5 would be divided by once more
        if name == "vgg16_bn":  # 102 million weights that only cost time: the rule is the same on a smaller head
            net.avgpool = nn.AdaptiveAvgPool2d(1)
            net.classifier = nn.Sequential(nn.Linear(512, 64), nn.ReLU(inplace=True), nn.Dropout(), nn.Linear(64, 10))
            nn.init.kaiming_normal_(net.classifier[0].weight)
        made[name] = net.eval()
    return made


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("composite_name", COMPOSITES)
@pytest.mark.parametrize("net", ["resnet50", "vgg16_bn"])
def test_lrp_equals_zennit(nets: Any, relevance: Any, net: str, composite_name: str, dtype: torch.dtype) -> None:
    from zennit.attribution import Gradient
    from zennit.torchvision import ResNetCanonizer, VGGCanonizer

    module = nets[net].to(dtype)
    x = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(4)).to(dtype)
    with Gradient(
        module, zennit_composite(composite_name, ResNetCanonizer if net == "resnet50" else VGGCanonizer)
    ) as a:
        theirs = a(x.clone(), lambda out: out * nn.functional.one_hot(torch.tensor([3]), out.shape[1]).to(out))[1]
    options = BOX if composite_name.endswith("box") else {}
    ours = relevance(module, x, composite(composite_name, **options), target=3)
    assert (ours - theirs).norm() <= 1e-3 * theirs.norm()


def test_lrp_equals_zennit_with_the_real_head_of_vgg16_bn(relevance: Any) -> None:
    """Adaptive pooling to 7x7 and three dense layers of 4096, as the model is published."""
    from zennit.attribution import Gradient
    from zennit.torchvision import VGGCanonizer

    torch.manual_seed(0)
    with torch.device("meta"):  # its own initialisation takes seconds
        module = torchvision.models.vgg16_bn(weights=None)
    module = module.to_empty(device="cpu").eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for m in module.modules():
            if isinstance(m, nn.Conv2d | nn.Linear):
                fan = m.weight[0].numel()
                m.weight.uniform_(-1, 1, generator=generator).mul_((6 / fan) ** 0.5)
                m.bias.uniform_(-0.05, 0.05, generator=generator)
            elif isinstance(m, nn.BatchNorm2d):
                m.running_mean.normal_(0, 0.1, generator=generator)
                for t in (m.running_var, m.weight):
                    t.uniform_(0.5, 1.5, generator=generator)
                m.bias.normal_(0, 0.1, generator=generator)
                m.eps = 0.0
    module.requires_grad_(False)
    x = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(4))
    with Gradient(module, zennit_composite("epsilon_plus", VGGCanonizer)) as a:
        theirs = a(x.clone(), lambda out: out * nn.functional.one_hot(torch.tensor([3]), out.shape[1]).to(out))[1]
    ours = relevance(module, x, composite("epsilon_plus"), target=3)
    assert theirs.abs().sum() > 0
    assert (ours - theirs).norm() <= 1e-3 * theirs.norm()

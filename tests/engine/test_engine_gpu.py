"""On CUDA: the same maps as on the CPU, for one target or one each, in half precision, and never off the device."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from matxai.engine import GRADIENT, GUIDED, Backward, Needs, composite, merge, run, targets
from matxai.engine.inspection import known
from matxai.errors import ModelError
from matxai.methods import LayerIntegratedGradients, attribute, attribution

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="PyTorch finds no CUDA device here"),
]
NAMES = ["saliency", "input_x_gradient", "guided_backprop", "grad_cam", "grad_cam_pp", "guided_grad_cam"]
RULES = ["lrp", "lrp:epsilon", "lrp:epsilon_plus_flat", "lrp:epsilon_gamma", "lrp:epsilon_alpha2_beta1"]


@pytest.fixture(autouse=True)
def full_precision() -> Any:
    """Convolutions without TF32, whose ten bits would be compared with the CPU's 24."""
    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    yield
    torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before


@pytest.fixture
def x() -> Tensor:
    return torch.randn(3, 2, 16, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(3))


def on_gpu(net: nn.Module) -> nn.Module:
    return copy.deepcopy(net).cuda()


def close(got: Tensor, want: Tensor, tolerance: float) -> bool:
    return bool((got.cpu().double() - want.double()).abs().max() <= tolerance * want.abs().max())


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-3)])
@pytest.mark.parametrize("target", [1, [0, 3, 2], None], ids=["one", "each its own", "top"])
def test_maps_are_those_of_the_cpu_and_stay_on_the_device(
    small_net: nn.Module, x: Tensor, target: Any, dtype: torch.dtype, tolerance: float
) -> None:
    net, x = small_net.to(dtype), x.to(dtype)
    want = attribute(net, x, [*NAMES, *RULES], target, relu=False)
    got = attribute(on_gpu(net), x.cuda(), [*NAMES, *RULES], target, relu=False)
    for name in (*NAMES, *RULES):
        assert got[name].device.type == "cuda", name
        assert got[name].dtype == dtype, name
        assert close(got[name], want[name], tolerance), name


def test_masking_methods_give_the_cpus_maps_and_their_errors(small_net: nn.Module, x: Tensor) -> None:
    names = ["occlusion", "rise", "lime", "kernel_shap"]
    want = attribute(small_net, x, names, targets.each(0, 2), budget=60, tolerance=0.5)
    got = attribute(on_gpu(small_net), x.cuda(), names, targets.each(0, 2), budget=60, tolerance=0.5)
    assert list(got) == list(want)
    for name, map_ in want.items():
        assert got[name].device.type == "cuda", name
        assert close(got[name], map_, 1e-9), name


def test_several_targets_and_a_tensor_of_targets_on_the_device(small_net: nn.Module, x: Tensor) -> None:
    module, there = on_gpu(small_net), x.cuda()
    own = attribute(module, there, ["saliency", "lrp"], torch.tensor([0, 3, 2], device="cuda"))
    both = attribute(module, there, ["saliency", "lrp"], targets.each(3, torch.tensor([0, 3, 2])))
    for name, maps in both.items():
        assert maps.shape[:2] == (2, 3)
        assert close(own[name], maps[1].cpu(), 1e-12), name


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float16, 0.05), (torch.bfloat16, 0.15)])
def test_half_precision(small_net: nn.Module, x: Tensor, dtype: torch.dtype, tolerance: float) -> None:
    names = ["saliency", "grad_cam", "lrp"]
    want = attribute(small_net.float(), x.float(), names, 1)
    got = attribute(on_gpu(small_net).to(dtype), x.cuda().to(dtype), names, 1)
    for name in names:
        assert got[name].dtype == torch.float32
        assert got[name].device.type == "cuda"
        error = (got[name].cpu() - want[name]).norm() / want[name].norm()
        assert error <= tolerance, (name, error)


def test_autocast(small_net: nn.Module, x: Tensor) -> None:
    net = small_net.float()
    want = attribute(net, x.float(), ["grad_cam", "lrp"], 1)
    with torch.autocast("cuda", torch.bfloat16):
        got = attribute(on_gpu(net), x.float().cuda(), ["grad_cam", "lrp"], 1)
    for name in got:
        assert (got[name].cpu() - want[name]).norm() <= 0.15 * want[name].norm(), name


def test_what_the_engine_hands_out_stays_on_the_device(small_net: nn.Module, x: Tensor) -> None:
    """Its parts as well: backwards run in a thread of their own there, where the rule is looked up."""
    rules = (GRADIENT, GUIDED, composite("epsilon_plus"), composite("epsilon", first="w_square"))
    plan = merge([Needs(True, tuple(Backward(r, at_input=True, at_layers=True) for r in rules))])
    want = run(small_net, x, plan, target=1, layers=["pool"])
    got = run(on_gpu(small_net), x.cuda(), plan, target=1, layers=["pool"])
    assert got.backwards == want.backwards == 4
    for place in ("input", "pool"):
        for rule in rules:
            there = got.gradient(rule, place)
            assert there.device.type == "cuda"
            assert close(there, want.gradient(rule, place), 1e-8), (place, rule)
    for tensor in (got.scores, got.logits, got.output, got.activation("pool"), got.ledger["epsilon_plus"].total):
        assert tensor.device.type == "cuda"
    assert close(got.ledger["epsilon_plus"].total, want.ledger["epsilon_plus"].total, 1e-8)


def test_maps_come_back_to_the_input_and_the_model_is_not_moved(small_net: nn.Module, x: Tensor) -> None:
    module = on_gpu(small_net)
    got = attribute(module, x, ["saliency", "grad_cam"], 1)  # the input is on the CPU
    assert {m.device.type for m in got.values()} == {"cpu"}
    assert {p.device.type for p in module.parameters()} == {"cuda"}
    with pytest.raises(ModelError, match="move it first"):
        attribute(module, x, "saliency", 1, device="cpu")


def test_the_module_is_untouched_and_no_memory_is_kept(small_net: nn.Module, x: Tensor, untouched: Any) -> None:
    module, there = on_gpu(small_net), x.cuda()
    attribute(module, there, [*NAMES, *RULES], 1)
    torch.cuda.synchronize()
    before = torch.cuda.memory_allocated()
    with untouched(module):
        attribute(module, there, [*NAMES, *RULES], 1)
    torch.cuda.synchronize()
    assert torch.cuda.memory_allocated() == before


CAM = merge([Needs(True, (Backward(GRADIENT, at_layers=True),))])


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-4), (torch.float16, 0.05)], ids=str
)
def test_the_prepared_plan_gives_what_the_model_gives(
    small_net: nn.Module, x: Tensor, dtype: torch.dtype, tolerance: float
) -> None:
    """Folded norms, and with half precision channels last: one forward each, and none that had to run again."""
    module, there = on_gpu(small_net).to(dtype), x.cuda().to(dtype)
    for scale in (1.0, 3.0):  # copies are made anew when weights change
        with torch.no_grad():
            module.conv2.weight.mul_(scale)
        want = run(copy.deepcopy(module), there, CAM, target=1, layers=["pool"], exact=True)
        got = run(module, there, CAM, target=1, layers=["pool"])
        assert (got.forwards, got.backwards) == (1, 1)
        for ours, own in (
            (got.output, want.output),
            (got.activation("pool"), want.activation("pool")),
            (got.gradient(GRADIENT, "pool"), want.gradient(GRADIENT, "pool")),
        ):
            assert ours.device.type == "cuda"
            assert ours.shape == own.shape
            assert close(ours, own.cpu(), tolerance)
    seen = known(module)
    assert seen is not None
    assert seen.plan is not None
    assert seen.plan.ready(there, ["pool"]) is not None  # it was not given up


def test_targets_that_are_pulled_back_at_once_are_those_one_by_one(small_net: nn.Module, x: Tensor) -> None:
    module, there, names = on_gpu(small_net), x.cuda(), ["saliency", "guided_backprop", "grad_cam"]
    several = attribution(module, there, names, targets.each(0, 3, [2, 1, 0]), relu=False)
    assert (several.forwards, several.backwards) == (1, 6)
    seen = known(module)
    assert seen is not None
    assert not seen.apart
    for number, target in enumerate((0, 3, [2, 1, 0])):
        one = attribute(module, there, names, target, relu=False)
        for name in names:
            assert several.maps[name].device.type == "cuda", name
            assert close(several.maps[name][number], one[name].cpu(), 1e-10), (name, target)


@pytest.mark.parametrize("budget", [8, 70])
def test_sampling_draws_what_it_draws_on_the_cpu(small_net: nn.Module, x: Tensor, budget: int) -> None:
    """70 copies are more than a chunk of the CPU holds, and on the device one chunk."""
    names = ["smooth_grad", "integrated_gradients", "gradient_shap", LayerIntegratedGradients()]
    others = torch.randn(5, 2, 16, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    options: dict[str, Any] = {"budget": budget, "relu": False}
    want = attribution(small_net, x, names, 1, ["conv2"], references=others, **options)
    got = attribution(on_gpu(small_net), x.cuda(), names, 1, ["conv2"], references=others.cuda(), **options)
    assert list(got.maps) == list(want.maps)
    for name, map_ in want.maps.items():
        assert got.maps[name].device.type == "cuda", name
        assert close(got.maps[name], map_, 1e-8), name


def test_biases_channels_and_multipliers_as_on_the_cpu(small_net: nn.Module, x: Tensor) -> None:
    names = ["full_grad", "full_grad:rescaled", "score_cam", "ablation_cam", "eigen_cam", "deconvnet", "deep_lift"]
    want = attribution(small_net, x, names, 1, ["conv2"], relu=False)
    got = attribution(on_gpu(small_net), x.cuda(), names, 1, ["conv2"], relu=False)
    for name in names:
        assert got.maps[name].device.type == "cuda", name
        assert close(got.maps[name], want.maps[name], 1e-8), name
    assert got.figures["full_grad"]["missing"].abs().max() < 1e-10 * want.scores.abs().max()
    assert (got.forwards, got.backwards, got.tails) == (want.forwards, want.backwards, want.tails)


@pytest.mark.parametrize("method", ["smooth_grad", "full_grad", "deep_lift"])
def test_half_precision_is_worked_out_in_float32(small_net: nn.Module, x: Tensor, method: str) -> None:
    want = attribution(small_net.float(), x.float(), method, 1, budget=8).maps[method]
    got = attribution(on_gpu(small_net).half(), x.cuda().half(), method, 1, budget=8).maps[method]
    assert (got.dtype, got.device.type) == (torch.float32, "cuda")
    assert (got.cpu() - want).norm() <= 0.05 * want.norm()

"""The prepared plan: the same results at less cost, or none of it: stale weights, forwards that deviate, memory."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import weakref
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import matxai
from matxai.engine import GRADIENT, Backward, Needs, composite, folds, memory, merge, packing, prepared, run
from matxai.engine.folds import Sources
from matxai.engine.inspection import known
from matxai.errors import ModelError

torchvision = pytest.importorskip("torchvision")
CAM = merge([Needs(True, (Backward(GRADIENT, at_layers=True),))])
BOTH = merge([Needs(True, (Backward(GRADIENT, at_input=True, at_layers=True),))])


def randomised(net: nn.Module, seed: int = 0) -> nn.Module:
    generator = torch.Generator().manual_seed(seed)
    for m in net.modules():
        if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d):
            m.running_mean.normal_(0, 0.1, generator=generator)
            m.running_var.uniform_(0.5, 1.5, generator=generator)
            m.weight.data.uniform_(0.5, 1.5, generator=generator)
            m.bias.data.normal_(0, 0.1, generator=generator)
    return net.eval()


def conv_net(*between: nn.Module) -> nn.Sequential:
    torch.manual_seed(0)
    head = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 3))
    return randomised(nn.Sequential(nn.Conv2d(2, 5, 3), *between, nn.BatchNorm2d(5), nn.ReLU(), *head))


def gradient(net: nn.Module, x: Tensor, target: int = 1) -> Tensor:
    """The gradient as autograd has it, with nothing of ours."""
    leaf = x.clone().requires_grad_()
    (found,) = torch.autograd.grad(net(leaf)[:, target].sum(), leaf)
    return found


def plan_of(net: nn.Module) -> Any:
    seen = known(net)
    assert seen is not None
    return seen.plan


def close(got: Tensor, expected: Tensor) -> bool:
    limit = 1e-12 if expected.dtype is torch.float64 else 1e-5
    return bool((got - expected).abs().max() <= limit * expected.abs().max())


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2", "densenet121"])
def test_exact_gradients_are_autograds_bit_for_bit(name: str) -> None:
    torch.manual_seed(0)
    net = randomised(torchvision.models.get_model(name, weights=None))
    x = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    got = run(net, x, BOTH, target=1, layers=[None], exact=True)
    assert torch.equal(got.gradient(GRADIENT, "input"), gradient(net, x))
    with torch.no_grad():
        assert torch.equal(got.output, net(x))


@pytest.mark.parametrize(
    ("name", "dtype"), [("resnet18", torch.float32), ("mobilenet_v2", torch.float32), ("resnet18", torch.float64)]
)
def test_prepared_results_agree_with_exact_ones(name: str, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    net = randomised(torchvision.models.get_model(name, weights=None)).to(dtype)
    x = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1)).to(dtype)
    exact = run(net, x, BOTH, target=1, layers=[None], exact=True)
    for _ in range(2):
        got = run(net, x, BOTH, target=1, layers=[None])
        assert got.forwards == 1
        assert close(got.output, exact.output)
        assert close(got.gradient(GRADIENT, "input"), exact.gradient(GRADIENT, "input"))
        name = got.layers[0]
        assert close(got.activation(name), exact.activation(name))
        assert close(got.gradient(GRADIENT, name), exact.gradient(GRADIENT, name))
    each = [run(net, s[None], BOTH, target=1, layers=[None]).gradient(GRADIENT, "input") for s in x]
    assert close(torch.cat(each), exact.gradient(GRADIENT, "input"))


def test_thread_counts_change_nothing() -> None:
    net, x = conv_net(), torch.randn(4, 2, 20, 20, generator=torch.Generator().manual_seed(1))
    before = torch.get_num_threads()
    found = []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found.append(run(net, x, BOTH, target=1, layers=[None]).gradient(GRADIENT, "input"))
    finally:
        torch.set_num_threads(before)
    assert close(found[1], found[0])


def test_relevance_is_that_of_the_unprepared_model() -> None:
    net = conv_net().double()
    x = torch.randn(2, 2, 9, 9, generator=torch.Generator().manual_seed(1)).double()
    for name in ("epsilon", "epsilon_plus", "epsilon_gamma", "epsilon_alpha2_beta1_flat"):
        rule = composite(name)
        plan = merge([Needs(backwards=(Backward(rule, at_input=True),))])
        exact = run(net, x, plan, target=1, exact=True).relevance(rule, "input")
        assert close(run(net, x, plan, target=1).relevance(rule, "input"), exact)


def test_norms_are_folded_and_no_batch_norm_runs(flops: Any) -> None:
    from torch.utils._python_dispatch import TorchDispatchMode

    names: list[str] = []

    class Names(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            names.append(func.overloadpacket.__name__)
            return func(*args, **(kwargs or {}))

    net, x = conv_net(), torch.randn(1, 2, 9, 9)
    run(net, x, CAM, target=1, layers=["3"])
    with Names():
        run(net, x, CAM, target=1, layers=["2"])
    assert not [n for n in names if "batch_norm" in n]
    names.clear()
    with Names():
        run(net, x, CAM, target=1, layers=["2"], exact=True)
    assert [n for n in names if "batch_norm" in n]


@pytest.mark.parametrize(
    "change",
    [
        lambda net: net[0].weight.data.mul_(2),
        lambda net: net[0].weight.data[3].zero_(),
        lambda net: net[1].running_mean.add_(1),
        lambda net: net[1].running_var.data.mul_(3),
        lambda net: net[1].bias.data.add_(0.5),
        lambda net: setattr(net[1], "eps", 0.3),
        lambda net: setattr(net[0], "weight", nn.Parameter(net[0].weight.detach() * 3)),
        lambda net: setattr(net[0].weight, "data", net[0].weight.detach() * 3),
        lambda net: setattr(net[0], "bias", None),
        lambda net: net.load_state_dict({k: v * 1.5 for k, v in net.state_dict().items()}),
        lambda net: setattr(net[0], "stride", (2, 2)),
        lambda net: net.__setitem__(1, nn.Identity()),
        lambda net: net.double().float(),
    ],
)
def test_changed_models_are_explained_as_they_are(change: Any) -> None:
    net, x = conv_net(), torch.randn(2, 2, 9, 9, generator=torch.Generator().manual_seed(1))
    run(net, x, BOTH, target=1, layers=["2"])
    with torch.no_grad():
        change(net)
    for _ in range(2):
        got = run(net, x, BOTH, target=1, layers=["2"])
        assert close(got.gradient(GRADIENT, "input"), gradient(net, x))
        with torch.no_grad():
            assert close(got.output, net(x))
    assert got.forwards == 1


WEIGHTS = {
    "3x3": lambda: torch.empty(64, 64, 3, 3),
    "1x1": lambda: torch.empty(64, 256, 1, 1),
    "5x5": lambda: torch.empty(32, 16, 5, 5),
    "depthwise": lambda: torch.empty(512, 1, 3, 3),
    "transposed": lambda: torch.empty(16, 64, 4, 4),
    "channels last": lambda: torch.empty(64, 64, 3, 3).to(memory_format=torch.channels_last),
    "linear": lambda: torch.empty(100, 512),
    "strided": lambda: torch.empty(128, 64, 3, 3)[::2],
    "small and strided": lambda: torch.empty(8, 4, 6, 3)[:, :, ::2],
}


@pytest.mark.parametrize("make", WEIGHTS.values(), ids=WEIGHTS)
def test_a_write_to_one_filter_is_seen(make: Any) -> None:
    """Also where no version counts it up; of strided weights filters and channels at three of their values."""
    holder = nn.Module()
    holder.weight = nn.Parameter(make())
    holder.weight.data.fill_(0.5)
    sources = Sources(holder, [holder.weight])
    assert sources.same()
    for axis in (0, 1):
        for k in range(holder.weight.shape[axis]):
            one = holder.weight.data.select(axis, k)
            one.mul_(2)
            assert not sources.same(), (axis, k)
            one.div_(2)
    assert sources.same()


class Fickle(nn.Module):
    """Conv, norm, ReLU, with something in between that a switch turns on."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.bn, self.fc = nn.Conv2d(2, 5, 3, padding=1), nn.BatchNorm2d(5), nn.Linear(5, 3)
        self.other = nn.BatchNorm2d(5)
        self.way = "straight"

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        if self.way == "skips the norm":
            z = y
        elif self.way == "takes another norm":
            z = self.other(y)
        else:
            z = self.bn(y)
        if self.way == "reads the convolution":
            z = z + y
        if self.way == "writes into it":
            y.mul_(2)
        if self.way == "looks at its values":
            z = z * float(y.mean())
        if self.way == "takes views":
            z = z + y[:, :1].expand_as(y)
        if self.way == "keeps the norm":
            return self.fc((torch.relu(z) - z).mean((2, 3)))
        if self.way == "needs channels first":
            return self.fc(torch.relu(z).view(len(x), -1).view(len(x), 5, -1).mean(-1))
        if self.way == "without a relu":
            return self.fc(z.mean((2, 3)))
        return self.fc(torch.relu(z).mean((2, 3)))


@pytest.mark.parametrize(
    "way",
    [
        "skips the norm", "takes another norm", "reads the convolution", "looks at its values", "takes views",
        "keeps the norm", "needs channels first", "without a relu",
    ],
)  # fmt: skip
@pytest.mark.parametrize("plan", [BOTH, CAM], ids=["input", "layer"])
def test_forwards_that_deviate_run_again_as_they_are(way: str, plan: Any) -> None:
    torch.manual_seed(0)
    net = randomised(Fickle())
    x = torch.randn(2, 2, 9, 9, generator=torch.Generator().manual_seed(1))
    layers = ["fc"]
    run(net, x, plan, target=1, layers=layers)
    net.way = way
    got = run(net, x, plan, target=1, layers=layers)
    with torch.no_grad():
        assert close(got.output, net(x))
    if plan is BOTH:
        assert close(got.gradient(GRADIENT, "input"), gradient(net, x))
    deviates = way != "without a relu" or plan is CAM
    deviates &= way != "keeps the norm" or plan is CAM
    deviates &= way != "needs channels first"  # a view is copied where memory lies otherwise
    assert got.forwards == (2 if deviates else 1)  # both are counted
    again = run(net, x, plan, target=1, layers=layers)
    assert again.forwards == 1
    assert close(again.output, got.output)


def test_what_somebody_keeps_is_what_the_model_computed() -> None:
    net, x = conv_net(), torch.randn(2, 2, 9, 9, generator=torch.Generator().manual_seed(1))
    run(net, x, CAM, target=1, layers=["3"])
    held: list[Tensor] = []
    net[0].register_forward_hook(lambda _m, _a, out: held.append(out))
    got = run(net, x, CAM, target=1, layers=["3"])
    assert got.forwards == 2
    assert run(net, x, CAM, target=1, layers=["3"]).forwards == 1
    with torch.no_grad():
        expected = nn.functional.conv2d(x, net[0].weight, net[0].bias)
    for kept in held[1:]:
        assert close(kept, expected)


def test_layers_that_a_call_reads_are_computed() -> None:
    net, x = conv_net(), torch.randn(2, 2, 9, 9, generator=torch.Generator().manual_seed(1))
    names = ["0", "1", "2", "0@1"]
    run(net, x, CAM, target=1, layers=["3"])
    exact = run(net, x, BOTH, target=1, layers=names, exact=True)
    got = run(net, x, BOTH, target=1, layers=names)
    assert got.forwards == 1
    for name in names:
        assert close(got.activation(name), exact.activation(name))
        assert close(got.gradient(GRADIENT, name), exact.gradient(GRADIENT, name))


def test_one_weight_with_two_norms_is_not_folded() -> None:
    class Reused(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.one, self.two = nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4), nn.BatchNorm2d(4)

        def forward(self, x: Tensor) -> Tensor:
            return self.two(self.conv(torch.relu(self.one(self.conv(x))))).mean((2, 3))

    torch.manual_seed(0)
    net = randomised(Reused())
    net.two.running_mean.add_(1)
    x = torch.randn(2, 4, 9, 9, generator=torch.Generator().manual_seed(1))
    got = run(net, x, BOTH, target=1, layers=["one"])
    assert got.forwards == 1
    assert close(got.gradient(GRADIENT, "input"), gradient(net, x))


def test_no_copies_are_made_where_memory_is_scarce(monkeypatch: pytest.MonkeyPatch) -> None:
    net, x = conv_net(), torch.randn(2, 2, 9, 9)
    monkeypatch.setattr(memory, "free_bytes", lambda _device: 1000)
    run(net, x, BOTH, target=1, layers=["2"])
    assert plan_of(net).nbytes() == 0
    monkeypatch.undo()
    run(net, x, BOTH, target=1, layers=["2"])
    assert plan_of(net).nbytes() > 0


def test_copies_are_dropped_and_the_call_repeated_when_memory_runs_out(monkeypatch: pytest.MonkeyPatch) -> None:
    net, x = conv_net(), torch.randn(2, 2, 9, 9, generator=torch.Generator().manual_seed(1))
    expected = run(net, x, BOTH, target=1, layers=["2"]).gradient(GRADIENT, "input")
    own = folds.Fold.apply

    def scarce(self: Any, *_args: Any, **_options: Any) -> Tensor:
        raise torch.OutOfMemoryError("as told")

    monkeypatch.setattr(folds.Fold, "apply", scarce)
    got = run(net, x, BOTH, target=1, layers=["2"])
    assert close(got.gradient(GRADIENT, "input"), expected)
    assert plan_of(net).nbytes() == 0
    monkeypatch.setattr(folds.Fold, "apply", own)
    assert run(net, x, BOTH, target=1, layers=["2"]).forwards == 1
    assert plan_of(net).nbytes() > 0


def test_forget_drops_what_is_remembered_of_a_model() -> None:
    net, x = conv_net(), torch.randn(2, 2, 9, 9)
    run(net, x, BOTH, target=1, layers=["2"])
    prepared = weakref.ref(plan_of(net))
    matxai.forget(net)
    gc.collect()
    assert known(net) is None
    assert prepared() is None
    matxai.forget(net)  # nothing to forget is no error
    with pytest.raises(ModelError, match="nothing to forget of a str; give the"):
        matxai.forget("net")


def test_nothing_keeps_a_model_alive() -> None:
    net, x = conv_net(), torch.randn(2, 2, 9, 9)
    run(net, x, BOTH, target=1, layers=["2"])
    alive = [weakref.ref(net), weakref.ref(plan_of(net))]
    del net
    gc.collect()
    assert [r() for r in alive] == [None, None]


def test_copies_are_let_go_when_memory_becomes_short(monkeypatch: pytest.MonkeyPatch) -> None:
    net, x = conv_net(), torch.randn(2, 2, 9, 9)
    expected = [run(net, x, CAM, target=1, layers=["2"]).output for _ in range(2)][1]
    plan = plan_of(net)
    held = plan.nbytes()
    assert held > 0
    monkeypatch.setattr(prepared, "ASKED", 0)
    monkeypatch.setattr(memory, "free_bytes", lambda _device: held - 1)
    got = run(net, x, CAM, target=1, layers=["2"])
    assert plan.nbytes() == 0
    assert close(got.output, expected)
    monkeypatch.setattr(memory, "free_bytes", lambda _device: int(held / prepared.SHARE) - 4)
    run(net, x, CAM, target=1, layers=["2"])
    assert plan.nbytes() == 0
    monkeypatch.setattr(memory, "free_bytes", lambda _device: int(held / prepared.SHARE))
    run(net, x, CAM, target=1, layers=["2"])
    assert plan.nbytes() == held


def test_threads_share_a_prepared_model() -> None:
    net, x = conv_net(), torch.randn(2, 2, 9, 9, generator=torch.Generator().manual_seed(1))
    expected = gradient(net, x)
    wrong: list[int] = []

    def work() -> None:
        for i in range(4):
            if i == 2:
                matxai.forget(net)
            got = run(net, x, BOTH, target=1, layers=["2"]).gradient(GRADIENT, "input")
            if not close(got, expected):
                wrong.append(i)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert wrong == []


def test_three_dimensions_and_one() -> None:
    for axes, conv, norm in ((1, nn.Conv1d, nn.BatchNorm1d), (3, nn.Conv3d, nn.BatchNorm3d)):
        torch.manual_seed(0)
        net = randomised(nn.Sequential(conv(2, 4, 3), norm(4), nn.ReLU(inplace=True), nn.Flatten(), nn.LazyLinear(3)))
        x = torch.randn(2, 2, *(7,) * axes, generator=torch.Generator().manual_seed(1))
        with torch.no_grad():
            net(x)
        for _ in range(2):
            got = run(net, x, BOTH, target=1, layers=["2"])
            assert got.forwards == 1
            assert close(got.gradient(GRADIENT, "input"), gradient(net, x))


def test_the_first_call_looks_once_and_later_calls_do_not() -> None:
    net, x = conv_net(), torch.randn(2, 2, 9, 9)
    calls: list[int] = []
    net[0].register_forward_pre_hook(lambda *_: calls.append(1))
    for expected in (2, 3, 4):
        got = run(net, x, BOTH, target=1, layers=["2"])
        assert got.forwards == 1
        assert len(calls) == expected


def test_operations_are_named_though_layers_are_not_followed(small_net: nn.Module) -> None:
    x = torch.randn(2, 2, 8, 8, generator=torch.Generator().manual_seed(1)).double()
    exact = run(small_net, x, CAM, target=1, layers=["relu@1"], exact=True)
    got = run(small_net, x, CAM, target=1, layers=["relu@1"])
    assert [op.where() for op in got.trace] == [op.where() for op in exact.trace]
    assert got.trace[0].module == "conv1"
    assert close(got.activation("relu@1"), exact.activation("relu@1"))


def test_cancelling_is_asked_at_every_operation(small_net: nn.Module) -> None:
    asked: list[int] = []

    class Never:
        def is_set(self) -> bool:
            asked.append(1)
            return False

    x = torch.randn(2, 2, 8, 8, generator=torch.Generator().manual_seed(1)).double()
    run(small_net, x, CAM, target=1, layers=["relu"])
    got = run(small_net, x, CAM, target=1, layers=["relu"], cancel=Never())
    assert len(asked) >= len(got.trace)


class Flattened(nn.Module):
    """Ends as older networks do: with a view of a feature map, which channels-last memory does not allow."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.head = nn.Linear(8 * 8 * 8, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.norm(self.conv(x)))
        return self.head(y.view(y.size(0), -1))


def test_a_view_of_a_feature_map_needs_no_second_forward(plan_of: Any) -> None:
    torch.manual_seed(0)
    net, x = Flattened().eval(), torch.randn(2, 3, 8, 8)
    plan = plan_of(GRADIENT, at_layers=True)
    for _ in range(3):
        got = run(net, x, plan, target=1, layers=["norm"])
        assert got.forwards == 1
    exact = run(net, x, plan, target=1, layers=["norm"], exact=True)
    for at in ("input", "norm"):
        size = exact.gradient(GRADIENT, at).abs().max()
        assert (got.gradient(GRADIENT, at) - exact.gradient(GRADIENT, at)).abs().max() <= 1e-5 * size


def test_a_view_that_the_model_cannot_take_is_its_error_as_before(plan_of: Any) -> None:
    class Wrong(Flattened):
        def forward(self, x: Tensor) -> Tensor:
            y = torch.relu(self.norm(self.conv(x))).transpose(2, 3)
            return self.head(y.view(y.size(0), -1))

    with pytest.raises(ModelError, match="view size is not compatible"):
        run(Wrong().eval(), torch.randn(2, 3, 8, 8), plan_of(GRADIENT), target=1)


COUNTED = """
import sys, torch, matxai
net = torch.nn.Sequential(torch.nn.Conv2d(2, 5, 3), torch.nn.BatchNorm2d(5), torch.nn.ReLU(),
                          torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(5, 3)).eval()
x = torch.rand(1, 2, 9, 9)
for _ in range(2):
    maps = matxai.attribute(net, x, ["grad_cam", "lrp"], target=1)
print(sorted(m for m in ("triton", "torch._dynamo", "torch.utils.flop_counter") if m in sys.modules))
from torch.utils.flop_counter import FlopCounterMode
matxai.attribute(net, x, ["saliency"], target=1)
with FlopCounterMode(display=False) as counter:
    matxai.attribute(net, x, ["saliency"], target=1)
print(counter.get_flop_counts()["Global"].get(torch.ops.mkldnn._convolution_pointwise, 0))
"""


@pytest.mark.skipif(not packing.packing_works(), reason="this PyTorch packs no weights")
def test_a_call_imports_no_compiler_and_a_counter_that_comes_later_counts_packed_convolutions() -> None:
    done = subprocess.run([sys.executable, "-c", COUNTED], capture_output=True, text=True, check=True)
    imported, counted = done.stdout.splitlines()
    assert imported == "[]"
    assert int(counted) == 2 * 5 * 2 * 9 * 7 * 7

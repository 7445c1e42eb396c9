"""What a plan costs: passes counted, depth of the backward, bytes kept; targets, layers and words for them."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from matxai.engine import GRADIENT, GUIDED, Backward, Needs, composite, layers, merge, run, targets
from matxai.engine.targets import with_names
from matxai.errors import LayerError, MethodError, TargetError

torchvision = pytest.importorskip("torchvision")
CAM = Needs(True, (Backward(GRADIENT, at_layers=True),))


class Counter:
    """Counts convolutions forward and backward, whoever calls them."""

    def __init__(self) -> None:
        from torch.utils._python_dispatch import TorchDispatchMode

        counts = self.counts = {"forward": 0, "backward": 0}

        class Mode(TorchDispatchMode):
            def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
                name = func.overloadpacket.__name__
                if name == "convolution":
                    counts["forward"] += 1
                elif name == "convolution_backward":
                    counts["backward"] += 1
                return func(*args, **(kwargs or {}))

        self.mode = Mode()


def test_equal_rules_share_a_backward() -> None:
    lrp, same = composite("epsilon_plus"), composite("epsilon_plus")
    plan = merge([CAM, CAM, Needs(backwards=(Backward(GRADIENT, at_input=True),)),
                  Needs(backwards=(Backward(GUIDED, at_input=True),)), Needs(backwards=(Backward(lrp, at_input=True),)),
                  Needs(backwards=(Backward(same, at_input=True),))])  # fmt: skip
    assert (plan.forwards, plan.backwards) == (1, 3)
    assert plan.passes[0] == Backward(GRADIENT, at_input=True, at_layers=True)
    assert merge([CAM], targets=3).backwards == 3
    text = plan.describe()
    assert text.startswith("1 forward, 3 backwards")
    assert "lrp:epsilon_plus: read at the input" in text
    assert hash(lrp) == hash(same)


def test_passes_really_run(small_net: nn.Module) -> None:
    x = torch.randn(2, 2, 8, 8, dtype=torch.float64)
    plan = merge(
        [CAM, Needs(backwards=tuple(Backward(r, at_input=True) for r in (GRADIENT, GUIDED, composite("epsilon"))))]
    )
    run(small_net, x, plan, target=1, layers=[None])  # the first call compares outputs as well
    counter = Counter()
    with counter.mode:
        got = run(small_net, x, plan, target=1, layers=[None])
    assert counter.counts == {"forward": 2, "backward": 6}
    assert (got.forwards, got.backwards) == (plan.forwards, plan.backwards) == (1, 3)


def test_grad_cam_goes_no_deeper_than_its_layer_and_keeps_no_prefix(small_net: nn.Module) -> None:
    x = torch.randn(2, 2, 8, 8, dtype=torch.float64)
    run(small_net, x, merge([CAM]), target=1, layers=["relu"])
    counter, saved = Counter(), []
    with counter.mode, saved_tensors_hooks(lambda t: saved.append(t) or t, lambda t: t):
        run(small_net, x, merge([CAM]), target=1, layers=["relu"])
    assert counter.counts == {"forward": 2, "backward": 0}
    assert all(t.shape[-1:] != (8,) for t in saved)  # nothing from in front of the layer
    assert sum(t.numel() for t in saved) <= 2 * 192 + 12  # the head's own
    counter = Counter()
    with counter.mode:
        run(small_net, x, merge([CAM]), target=1, layers=["pool"])
    assert counter.counts == {"forward": 2, "backward": 1}


def test_bytes_kept_by_a_gradient_plan(untouched: Any) -> None:
    """ResNet-50: 16 MiB for each 224x224 image are allowed, where PyTorch keeps 82; here scaled to 64x64."""
    net = torchvision.models.resnet50(weights=None).eval().requires_grad_(False)
    x = torch.randn(1, 3, 64, 64)
    plan = merge([CAM, Needs(backwards=(Backward(GRADIENT, at_input=True),))])
    own = {t.untyped_storage().data_ptr() for t in (*net.parameters(), *net.buffers())}
    sizes: dict[int, int] = {}

    def pack(t: Tensor) -> Tensor:
        storage = t.untyped_storage()
        if storage.data_ptr() not in own:
            sizes[storage.data_ptr()] = storage.nbytes()
        return t

    run(net, x, plan, target=1, layers=[None])
    with saved_tensors_hooks(pack, lambda t: t):
        got = run(net, x, plan, target=1, layers=[None])
    kept = sum(sizes.values()) + got.kept_bytes
    assert kept / 2**20 <= 16 * (64 / 224) ** 2
    with untouched(net):
        run(net, x, plan, target=1, layers=[None])


def test_nothing_stays_alive_after_a_run(small_net: nn.Module, plan_of: Any) -> None:
    x = torch.randn(2, 2, 8, 8, dtype=torch.float64)
    rule = composite("epsilon_plus")
    got = run(small_net, x, plan_of(rule, GRADIENT), target=1)
    alive = weakref.ref(got)
    assert got.relevance(rule, "input").grad_fn is None
    assert got.output.grad_fn is None
    del got
    gc.collect()
    assert alive() is None


def test_several_targets_from_one_forward(small_net: nn.Module, plan_of: Any) -> None:
    x = torch.randn(2, 2, 8, 8, dtype=torch.float64)
    rule = composite("epsilon_plus")
    plan = plan_of(rule, GRADIENT, at_layers=True)
    singles = [run(small_net, x, plan, target=t, layers=["pool"]) for t in (3, [0, 2])]
    both = run(small_net, x, plan, target=targets.each(3, [0, 2]), layers=["pool"])
    assert (both.forwards, both.backwards) == (1, 4)
    assert both.gradient(GRADIENT, "pool").shape == (2, 2, 6, 4, 4)
    for t, single in enumerate(singles):
        assert torch.equal(both.relevance(rule, "input")[t], single.relevance(rule, "input"))
        assert torch.equal(both.gradient(GRADIENT, "pool")[t], single.gradient(GRADIENT, "pool"))
        assert torch.equal(both.scores[t], single.scores)
    assert both.ledger["epsilon_plus"].total.shape == (2, 2)


def test_progress_is_told(small_net: nn.Module, plan_of: Any) -> None:
    told: list[tuple[int, int, str]] = []
    x = torch.randn(1, 2, 8, 8, dtype=torch.float64)
    run(small_net, x, plan_of(GRADIENT, GUIDED), progress=lambda *a: told.append(a))
    assert told == [(0, 3, "forward"), (1, 3, "gradient"), (2, 3, "guided"), (3, 3, "done")]


def test_targets_and_their_scores() -> None:
    logits = torch.tensor([[1.0, 4.0, 2.0], [0.0, -1.0, 3.0]])

    def score(target: Any, out: Tensor = logits) -> list[float]:
        (t,) = targets.resolve(target, out)
        return [round(v, 6) for v in t.score(out).tolist()]

    assert score(None) == [4.0, 3.0]
    assert score(2) == [2.0, 3.0]
    assert score([0, 1]) == score(torch.tensor([0, 1])) == [1.0, -1.0]
    assert score(targets.contrast(1, [0, 2])) == [3.0, -4.0]
    assert score(targets.total(0, 1)) == [5.0, -1.0]
    assert score(lambda out: out[:, 0] * 2) == [2.0, 0.0]
    assert score(targets.output(1)) == [4.0, -1.0]
    one = torch.tensor([2.0, -3.0])
    assert score(None, one) == score([1, 0], one[:, None]) == [2.0, 3.0]
    dense = torch.zeros(1, 2, 2, 3)
    dense[0, 1] = torch.tensor([[1.0, -1.0, 2.0], [3.0, -2.0, -2.0]])
    assert score(1, dense) == [6.0]
    assert score(None, dense) == [6.0] or score(0, dense) == [0.0]
    mask = torch.tensor([[1, 1, 0], [0, 0, 0]])
    assert score(targets.mean(mask), dense) == [0.0]
    assert score(targets.region(mask[None]), dense) == [0.0]
    assert score(targets.point(1, 0), dense) == [3.0]
    assert score(targets.box((0, 2), (0, 1)), dense) == [2.0]
    assert score(1, dense[:, 1:]) == [6.0]  # binary and dense
    assert score(0, dense[:, 1:]) == [5.0]
    ring = torch.zeros(7, 7)
    ring[2:5, 2:5] = 1
    plane = torch.zeros(2, 2, 7, 7)
    plane[:, 1, 1, 1], plane[:, 1, 3, 3], plane[:, 1, 0] = 24, 100, 7
    assert score(targets.border(ring), plane) == [1, 1]  # 25 - 1 positions, not the middle, nor what lies outside
    assert score(targets.border(torch.stack([ring, 1 - ring])), plane) == [1, 1]
    assert with_names(targets.each("b", ["a", "b"]), ["a", "b"]).targets == (1, [0, 1])


def test_targets_that_name_nothing() -> None:
    logits, dense = torch.zeros(2, 3), torch.zeros(2, 2, 4, 4)
    dense[:, 0] = 1
    for target, out, words in (
        (3, logits, "3 classes, 0 to 2"), ([0, 1, 2], logits, "3 targets for 2 samples"),
        ("crack", logits, "without class"),
        (1, dense, "on top nowhere in sample 0"), (2, torch.zeros(2, 1), "binary"), (True, logits, "True"),
        (targets.mean(torch.ones(4, 4)), logits, "spatial"), (targets.mean(torch.zeros(4, 4), 1), dense, "no position"),
        (targets.point(9, 0), dense, "outside"),
        ([0.5], logits, "class indices"), (targets.box((0, 1)), dense, "spatial axes"),
    ):  # fmt: skip
        with pytest.raises(TargetError, match=words):
            targets.resolve(target, out)[0].score(out)
    with pytest.raises(TargetError, match="Did you mean 'crack'"):
        with_names("crakc", ["crack", "pore"])


def test_dictionaries_and_free_functions(plan_of: Any) -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Conv2d(1, 2, 3, padding=1), nn.Conv2d(1, 2, 3, padding=1)

        def forward(self, x: Tensor) -> dict[str, Tensor]:
            return {"first": self.a(x), "second": self.b(x)}

    net, x = Two(), torch.randn(2, 1, 5, 5)
    with pytest.raises(TargetError, match="name one of them with output="):
        run(net, x, plan_of(GRADIENT))
    with pytest.raises(TargetError, match=r"has no 'secund'\. Did you mean 'second'"):
        run(net, x, plan_of(GRADIENT), output="secund")
    a = run(net, x, plan_of(GRADIENT), output="second", target=targets.mean(torch.ones(5, 5), 0))
    b = run(net, x, plan_of(GRADIENT), target=lambda out: out["second"][:, 0].mean((1, 2)))
    assert torch.allclose(a.gradient(GRADIENT, "input"), b.gradient(GRADIENT, "input"))
    with pytest.raises(TargetError, match=r"one score a sample, \(2,\)"):
        run(net, x, plan_of(GRADIENT), target=lambda out: out["first"].sum())


def test_layers_by_name_call_index_and_default(small_net: nn.Module) -> None:
    x = torch.randn(1, 2, 8, 8, dtype=torch.float64)
    table = layers(small_net, x)
    assert table.default == "relu"  # its last call, behind the residual add
    assert table.convolutions == ("conv1", "conv2")
    assert [table.resolve(w) for w in (-1, -2, "relu@1", None)] == ["conv2", "conv1", "relu@1", "relu"]
    first, last = (run(small_net, x, merge([Needs(True)]), layers=[w]).activation(w) for w in ("relu@1", "relu"))
    assert first.shape[-1] == 8
    assert last.shape[-1] == 4
    for wrong, words in (
        ("relue", "Did you mean 'relu'"),
        ("relu@3", "runs 2 time"),
        (-3, "out of range"),
        (0, "out of range"),
    ):
        with pytest.raises(LayerError, match=words):
            table.resolve(wrong)
    flat = nn.Sequential(nn.Linear(4, 2))
    with pytest.raises(LayerError, match="no layer with spatial axes"):
        layers(flat, torch.zeros(1, 4)).resolve(None)
    with pytest.raises(LayerError, match="no convolution"):
        layers(flat, torch.zeros(1, 4)).resolve(-1)


@pytest.mark.parametrize(
    ("name", "default"),
    [("resnet18", "layer4"), ("densenet121", "features"), ("mobilenet_v2", "features"), ("alexnet", "features")],
)
def test_default_layers_of_known_nets(name: str, default: str) -> None:
    net = torchvision.models.get_model(name, weights=None).eval()
    assert layers(net, torch.zeros(1, 3, 96, 96)).default == default


def test_default_layer_of_a_dense_output_is_the_coarsest() -> None:
    class UNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.down, self.bottom, self.up = (
                nn.Conv2d(1, 4, 3, padding=1),
                nn.Conv2d(4, 4, 3, padding=1),
                nn.Conv2d(8, 4, 3, padding=1),
            )
            self.scores = nn.Conv2d(4, 2, 1)

        def forward(self, x: Tensor) -> Tensor:
            a = torch.relu(self.down(x))
            b = torch.relu(self.bottom(nn.functional.max_pool2d(a, 2)))
            b = nn.functional.interpolate(b, scale_factor=2)
            return self.scores(torch.relu(self.up(torch.cat([a, b], 1))))

    assert layers(UNet(), torch.zeros(1, 1, 8, 8)).default == "bottom"
    low = nn.Sequential(nn.Conv2d(1, 4, 3, 2, 1), nn.ReLU(), nn.Conv2d(4, 2, 1), nn.Upsample(scale_factor=2))
    assert layers(low, torch.zeros(1, 1, 8, 8)).default == "1"  # not the scores at low resolution


def test_composites_check_their_options() -> None:
    for options, words in (
        ({"name": "epsilon_pluss"}, "Did you mean 'epsilon_plus'"), ({"name": "epsilon", "epsilon": -1}, "0 or more"),
        ({"name": "epsilon_gamma", "gamma": -0.1}, "0 or more"),
        ({"name": "epsilon_alpha2_beta1", "alpha": 3}, "alpha - beta is 1"),
        ({"name": "epsilon_gamma_box"}, "low=, high="), ({"name": "epsilon_gamma_box", "low": 1, "high": 0}, "above"),
        ({"name": "epsilon", "no_positive": "fall"}, "Did you mean 'fallback'"),
        ({"name": "epsilon_gamma_box", "low": (0, 0, 0), "high": (1, 1)}, "one for each channel"),
    ):  # fmt: skip
        with pytest.raises(MethodError, match=words):
            composite(**options)
    tensor = composite("epsilon_gamma_box", low=torch.zeros(1, 3, 1, 1), high=[1, 1, 1])
    assert tensor == composite("epsilon_gamma_box", low=(0.0, 0.0, 0.0), high=(1.0, 1.0, 1.0))


def test_names_wait_in_nested_targets_until_the_classes_are_known() -> None:
    classes = ["crack", "pore", "none"]
    logits, dense = torch.tensor([[1.0, 4.0, 2.0], [0.0, -1.0, 3.0]]), torch.zeros(1, 3, 2, 2)
    dense[0, 1] = 5
    for target, out, expected in (
        (targets.contrast("crack", "pore"), logits, [-3.0, 1.0]),
        (targets.sum("crack", "pore"), logits, [5.0, -1.0]),
        (targets.total("crack", targets.contrast("none", ["pore", "crack"])), logits, [-1.0, 3.0]),
        (targets.contrast(targets.sum("pore", 2), lambda o: o[:, 0]), logits, [5.0, 2.0]),
        (targets.mean(torch.ones(2, 2), "pore"), dense, [5.0]),
        (targets.point(0, 1, index="pore"), dense, [5.0]),
    ):
        (known,) = targets.resolve(with_names(target, classes), out)
        assert known.score(out).tolist() == expected
        if "function" not in target.describe():
            assert "crack" in target.describe() or "pore" in target.describe()
        with pytest.raises(TargetError, match=r"is a name, but the model comes without class names"):
            targets.resolve(target, out)[0].score(out)
    both = with_names(targets.each("none", targets.contrast("crack", "none")), classes)
    assert both == targets.each(2, targets.Contrast(targets.Index((0,)), targets.Index((2,))))
    with pytest.raises(TargetError, match=r"no class 'crakc'. Did you mean 'crack'"):
        with_names(targets.sum("pore", targets.contrast("crakc", 1)), classes)
    with pytest.raises(TargetError, match="class indices"):
        targets.contrast(["crack", 1], 0)


def test_the_module_of_targets_shows_targets_alone() -> None:
    assert {"each", "contrast", "sum", "mean", "region", "border", "point", "box", "output"} <= set(targets.__all__)
    assert dir(targets) == sorted(targets.__all__)
    assert not {"torch", "cast", "Tensor", "annotations"} & set(dir(targets))
    assert targets.total is targets.sum
    for name in targets.__all__:
        assert getattr(targets, name) is not None


def test_a_plan_says_what_it_reads_explains_and_keeps(small_net: nn.Module) -> None:
    from matxai.methods import attribution

    x = torch.randn(2, 2, 8, 8, generator=torch.Generator().manual_seed(1)).double()
    one = attribution(small_net, x, ["grad_cam"], 3, ["conv2"]).plan.describe().splitlines()
    assert one == [
        "1 forward, 1 backward",
        "  forward: keeps the layers' outputs; no graph in front of them",
        "  gradient: read at the layers",
        "  layers: conv2",
        "  explained: class 3",
    ]
    several = attribution(small_net, x, ["grad_cam", "saliency", "lrp"], targets.each(0, 2)).plan.describe()
    assert "1 forward, 2 backwards for each of 2 targets" in several
    assert "gradient: read at the input and the layers, all targets at once" in several
    assert "lrp:epsilon_plus: read at the input\n" in several
    assert "inputs and outputs of linear operations" in several
    assert "layers: relu" in several  # the default, as it was found
    assert several.endswith("explained: class 0; class 2")
    assert "layers: the default, -1" in merge([CAM], layers=[None, -1]).describe()
    assert "no graph at all" in merge([Needs(True)]).describe()

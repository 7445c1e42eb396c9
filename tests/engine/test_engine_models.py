"""Models as they come: overwritten tensors, recomputed blocks, wrappers, hooks, outputs of any form, threads."""

from __future__ import annotations

import copy
import dataclasses
import threading
import warnings
from collections import OrderedDict, namedtuple
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from matxai.engine import GRADIENT, GUIDED, Backward, Needs, composite, layers, merge, run
from matxai.errors import TargetError

LRP_0 = composite("epsilon", epsilon=0)


class Written(nn.Module):
    """One convolution without bias, and a forward given from outside."""

    def __init__(self, forward: Any) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv1d(3, 3, 3, padding=1, bias=False)
        self.last = nn.Conv1d(3, 3, 3, padding=1, bias=False)
        self.register_buffer("kept", torch.zeros(2, 3, 8, dtype=torch.float64))
        self._forward = forward

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self._forward(self, x)).mean(-1)


def slopes(module: nn.Module, x: Tensor, target: int = 1, h: float = 1e-6) -> Tensor:
    """The gradient of the batch by central differences: autograd refuses most of the code below."""
    moves = h * torch.eye(x.numel(), dtype=x.dtype).view(-1, *x.shape)
    with torch.no_grad():
        up = [copy.deepcopy(module)(x + m)[:, target].sum() for m in moves]
        down = [copy.deepcopy(module)(x - m)[:, target].sum() for m in moves]
    return ((torch.stack(up) - torch.stack(down)) / (2 * h)).view_as(x)


def native_then(function: Any, write: Any) -> Any:
    def forward(m: Written, x: Tensor) -> Tensor:
        y = function(m.conv(x), x)
        write(y)
        return y

    return forward


def product_with_itself(m: Written, x: Tensor) -> Tensor:
    y = m.conv(x)
    y *= y
    return y


def gate_overwritten(m: Written, x: Tensor) -> Tensor:
    y = m.conv(x)
    s = torch.sigmoid(y)
    s.mul_(y)
    return s


def views_of_one_tensor(m: Written, x: Tensor) -> Tensor:
    y = m.conv(x)
    y[:, 1] = F.gelu(y[:, 0])
    y[:, 0] *= y[:, 1]
    return y


def with_out(m: Written, x: Tensor) -> Tensor:
    y, out = m.conv(x), torch.empty_like(x)
    torch.add(y, x, out=out)
    return out


def pieces_of_unbind(m: Written, x: Tensor) -> Tensor:
    a, b, c = m.conv(x).unbind(1)
    a.mul_(2)
    return torch.stack([a, b, c], 1)


def cleared(m: Written, x: Tensor) -> Tensor:
    y = m.conv(x)
    z = torch.maximum(y, x)
    y.zero_()
    return z + y


def kept_by_the_module(m: Written, x: Tensor) -> Tensor:
    m.kept[:, 1:] = torch.tanh(m.conv(x))[:, 1:]
    m.kept.mul_(2)
    return m.kept + x


def filled_and_read(m: Written, x: Tensor) -> Tensor:
    buffer = torch.zeros(x.shape, dtype=x.dtype)
    y = m.conv(x)
    for i in range(3):
        buffer[:, i] = y[:, 2 - i] + (buffer[:, i - 1] if i else 0)
    return buffer


OVERWRITING = {
    "sigmoid": native_then(lambda y, x: torch.sigmoid(y), lambda y: y.mul_(2)),
    "tanh": native_then(lambda y, x: torch.tanh(y), lambda y: y.add_(1).mul_(2)),
    "exp": native_then(lambda y, x: torch.exp(y), lambda y: y.__setitem__((slice(None), 0), 0.5)),
    "softmax": native_then(lambda y, x: torch.softmax(y, 1), lambda y: y.mul_(3)),
    "product": native_then(lambda y, x: y * x, lambda y: y.relu_()),
    "attention": native_then(lambda y, x: F.scaled_dot_product_attention(y, x, x), lambda y: y.mul_(2)),
    "max_pool": native_then(lambda y, x: F.max_pool1d(y, 3, 1, 1), lambda y: y.mul_(2)),
    "layer_norm": native_then(lambda y, x: F.layer_norm(y, (8,)), lambda y: y[..., 2:].mul_(2)),
    "itself": product_with_itself,
    "gate": gate_overwritten,
    "views": views_of_one_tensor,
    "out": with_out,
    "unbind": pieces_of_unbind,
    "cleared": cleared,
    "kept": kept_by_the_module,
    "filled": filled_and_read,
}
BREAKS = {"sigmoid", "tanh", "exp", "softmax", "attention", "itself", "gate", "views", "cleared"}
"""Where PyTorch refuses the first backward: what it saved was overwritten."""


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("name", sorted(OVERWRITING))
def test_what_a_backward_needs_may_be_overwritten(name: str, exact: bool, plan_of: Any, untouched: Any) -> None:
    module = Written(OVERWRITING[name]).double()
    x = torch.randn(2, 3, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        own = copy.deepcopy(module)(x.clone())
    expected = slopes(module, x)
    with untouched(module):
        for forwards in (2 if name in BREAKS else 1, 1):  # the second call knows that the first ran again
            got = run(module, x, plan_of(GRADIENT), target=1, exact=exact)
            assert torch.equal(got.output, own)
            assert torch.allclose(got.gradient(GRADIENT, "input"), expected, atol=1e-8)
            assert (got.forwards, got.backwards) == (forwards, 1)


@pytest.mark.parametrize("name", ["max_pool", "unbind", "filled", "out"])
def test_relevance_where_rules_exist(name: str, plan_of: Any, untouched: Any) -> None:
    module = Written(OVERWRITING[name]).double()
    x = torch.randn(2, 3, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    with untouched(module):
        got = run(module, x, plan_of(LRP_0), target=1)
    assert torch.allclose(got.relevance(LRP_0, "input"), x * slopes(module, x), atol=1e-8)
    assert torch.allclose(got.relevance(LRP_0, "input").sum((1, 2)), got.scores)


class Blocks(nn.Module):
    """Two convolutions, the second one twice in a block that may recompute itself in the backward."""

    def __init__(self, reentrant: bool | None) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Conv1d(3, 3, 3, padding=1, bias=False)
        self.again = nn.Sequential(nn.Conv1d(3, 3, 3, padding=1, bias=False), nn.ReLU(inplace=True))
        self.head = nn.Linear(3, 2, bias=False)
        self.reentrant = reentrant

    def block(self, y: Tensor) -> Tensor:
        return torch.relu(self.again(y) + torch.nn.functional.max_pool1d(y, 3, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        y = self.first(x)
        for _ in range(2):
            y = self.block(y) if self.reentrant is None else checkpoint(self.block, y, use_reentrant=self.reentrant)
        y += x
        return self.head(y.mean(-1))


@pytest.mark.parametrize("reentrant", [False, True])
def test_blocks_that_recompute_themselves_run_straight_through(reentrant: bool, untouched: Any) -> None:
    rules = (GRADIENT, GUIDED, composite("epsilon_plus"))
    plan = merge([Needs(True, tuple(Backward(r, at_input=True, at_layers=True) for r in rules))])
    x = torch.randn(2, 3, 8)
    names = ["first", "again@1", "again.0"]
    straight = run(Blocks(None), x, plan, target=1, layers=names)
    module = Blocks(reentrant)
    with untouched(module):
        got = run(module, x, plan, target=1, layers=names)
    assert torch.equal(got.output, straight.output)
    for rule in rules:
        for place in ("input", *names):
            assert torch.equal(got.gradient(rule, place), straight.gradient(rule, place)), (rule, place)
    assert got.backwards == 3
    assert torch.equal(run(module, x, plan, target=lambda out: out[:, 1], layers=names).scores, got.scores)


@pytest.mark.parametrize("reentrant", [False, True])
@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("places", [("first",), ("again@1",), ("again.0@1",), ("again@2",), ("again.0@1", "again@2")])
@pytest.mark.parametrize("at_input", [False, True])
@pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad")
def test_layers_in_blocks_that_recompute_themselves(
    reentrant: bool, exact: bool, places: tuple[str, ...], at_input: bool, untouched: Any
) -> None:
    """The graph begins there, where nothing is read at the input; each place on its own and with others."""
    backwards = (Backward(GRADIENT, at_layers=True), *([Backward(GRADIENT, at_input=True)] if at_input else []))
    plan, x = merge([Needs(True, backwards)]), torch.randn(2, 3, 8)
    straight = run(Blocks(None), x, plan, target=1, layers=places, exact=exact)
    module = Blocks(reentrant)
    with untouched(module):
        got = run(module, x, plan, target=1, layers=places, exact=exact)
    assert torch.equal(got.output, straight.output)
    for place in (*places, *(["input"] if at_input else [])):
        assert torch.equal(got.gradient(GRADIENT, place), straight.gradient(GRADIENT, place)), place
        assert torch.equal(got.activation(place), straight.activation(place)), place


@pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad")
def test_a_recomputed_block_that_ends_with_a_view() -> None:
    class Viewing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.block = nn.Sequential(nn.Conv1d(3, 3, 3), nn.Tanh(), nn.Flatten())
            self.head = nn.Linear(18, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(checkpoint(self.block, x, use_reentrant=True))

    x, module = torch.randn(2, 3, 8), Viewing()
    plan = merge([Needs(True, (Backward(GRADIENT, at_layers=True),))])
    for name in ("block.0", "block.1", "block.2"):
        got = run(module, x, plan, target=1, layers=[name])
        cells = module.head.weight[1].detach().expand(2, 18)
        if name != "block.2":
            cells = cells.view(2, 3, 6)
        if name == "block.0":
            cells = cells * (1 - torch.tanh(module.block[0](x)) ** 2)
        assert torch.allclose(got.gradient(GRADIENT, name), cells, atol=1e-6), name


def test_a_block_that_recomputes_itself_may_come_last(plan_of: Any) -> None:
    head = nn.Sequential(nn.Flatten(), nn.Linear(24, 2))

    class Last(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = head

        def forward(self, x: Tensor) -> dict[str, Tensor]:
            return {"logits": checkpoint(self.head, x, use_reentrant=True)}

    x = torch.randn(2, 3, 8)
    got = run(Last(), x, plan_of(GRADIENT), target=1)
    assert torch.equal(got.gradient(GRADIENT, "input"), head[1].weight[1].detach().view(1, 3, 8).expand(2, 3, 8))


def net() -> nn.Sequential:
    torch.manual_seed(0)
    body = nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Conv2d(4, 4, 3),
        nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.5), nn.Linear(4, 3),
    )  # fmt: skip
    body[1].running_mean.normal_(0, 0.1)
    body[1].running_var.uniform_(0.5, 1.5)
    return body.eval()


RULE = composite("epsilon_plus")
BOTH = merge([Needs(True, (Backward(GRADIENT, at_input=True), Backward(RULE, at_input=True)))])


def maps(module: nn.Module, x: Tensor, **options: Any) -> tuple[Tensor, Tensor]:
    got = run(module, x, BOTH, target=1, layers=[None], **options)
    return got.gradient(GRADIENT, "input"), got.relevance(RULE, "input")


@pytest.fixture
def image() -> Tensor:
    return torch.randn(2, 2, 12, 12, generator=torch.Generator().manual_seed(1))


def compiled(module: nn.Module) -> nn.Module:
    return torch.compile(module, backend="eager")


def partly_compiled(module: nn.Sequential) -> nn.Module:
    module[4] = compiled(module[4])
    return module


def compiled_in_place(module: nn.Module) -> nn.Module:
    module.compile(backend="eager")
    return module


def trained(module: nn.Module) -> nn.Module:
    return module.train()


def made_in_inference_mode(_: nn.Module) -> nn.Module:
    with torch.inference_mode():
        return net()


def weight_normed(module: nn.Sequential) -> nn.Module:
    nn.utils.parametrizations.weight_norm(module[4])
    return module


def old_weight_normed(module: nn.Sequential) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        nn.utils.weight_norm(module[4])
    return module


WRAPPED = {
    "data_parallel": (nn.DataParallel, ""),
    "compiled": (compiled, "is compiled"),
    "partly_compiled": (partly_compiled, "is compiled"),
    "compiled_in_place": (compiled_in_place, "is compiled"),
    "frozen": (lambda m: m.requires_grad_(False), ""),
    "trained": (trained, ""),
    "channels_last": (lambda m: m.to(memory_format=torch.channels_last), ""),
    "made_in_inference_mode": (made_in_inference_mode, ""),
    "weight_norm": (weight_normed, ""),
    "old_weight_norm": (old_weight_normed, ""),
}


@pytest.mark.parametrize("how", sorted(WRAPPED))
def test_wrapped_modules_are_explained_as_written(how: str, image: Tensor, untouched: Any) -> None:
    expected = maps(net(), image)
    wrap, note = WRAPPED[how]
    module = wrap(net())
    with untouched(module):
        got = run(module, image, BOTH, target=1, layers=[None])
    assert [note in n for n in got.notes] == ([True] if note else [])
    for a, b in zip((got.gradient(GRADIENT, "input"), got.relevance(RULE, "input")), expected, strict=True):
        assert torch.allclose(a, b, rtol=1e-5, atol=1e-6 * b.abs().max())
    last = {"data_parallel": "module.5"}.get(how, "5")
    assert got.layers == (last,)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_inside_the_callers_grad_modes(mode: Any, image: Tensor) -> None:
    expected = maps(net(), image)
    with mode():
        got = maps(net(), image.clone())
    assert all(torch.equal(a, b) for a, b in zip(got, expected, strict=True))
    assert not any(m.requires_grad or m.is_inference() for m in got)


def test_channels_last_inputs(image: Tensor) -> None:
    expected = maps(net(), image)
    got = maps(net().to(memory_format=torch.channels_last), image.contiguous(memory_format=torch.channels_last))
    for a, b in zip(got, expected, strict=True):
        assert torch.allclose(a, b, rtol=1e-5, atol=1e-6 * b.abs().max())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("exact", [False, True])
def test_the_callers_autocast_is_the_models_and_no_one_elses(dtype: torch.dtype, exact: bool, image: Tensor) -> None:
    module = net()
    digits = 8 if dtype is torch.bfloat16 else 11
    expected = maps(module, image)
    with torch.autocast("cpu", dtype), torch.no_grad():
        own = module(image)
        got = run(module, image, BOTH, target=1, layers=["4"], exact=exact)
    assert own.dtype is dtype
    assert torch.equal(got.output, own)
    assert got.scores.dtype is torch.float32
    leaf = image.clone().requires_grad_()
    with torch.autocast("cpu", dtype):
        scores = copy.deepcopy(module).requires_grad_(False)(leaf)[:, 1].sum()
    (g,) = torch.autograd.grad(scores, leaf)
    found = got.gradient(GRADIENT, "input")
    assert found.dtype is got.relevance(RULE, "input").dtype is torch.float32
    for a, b in ((found, g), (found, expected[0]), (got.relevance(RULE, "input"), expected[1])):
        assert (a - b).norm() < 4 * 2.0**-digits * b.norm()


def test_hooks_of_the_user_take_part(image: Tensor, untouched: Any) -> None:
    module = net()
    module[5].register_forward_hook(lambda m, a, out: out * 2)
    module[4].register_forward_pre_hook(lambda m, a: (a[0] + 1,))
    reference = copy.deepcopy(module).requires_grad_(False)
    leaf = image.clone().requires_grad_()
    (expected,) = torch.autograd.grad(reference(leaf)[:, 1].sum(), leaf)
    with untouched(module):
        got = run(module, image, BOTH, target=1, layers=["5"])
    assert torch.allclose(got.output, reference(image), rtol=1e-5, atol=1e-6)
    assert torch.allclose(got.gradient(GRADIENT, "input"), expected, rtol=1e-5, atol=1e-7)


def test_shared_modules_and_spectral_norm(image: Tensor, untouched: Any) -> None:
    module = net()
    module[4] = nn.Conv2d(4, 4, 3, padding=1)
    module.insert(5, module[4])
    nn.utils.parametrizations.spectral_norm(module[0])
    module.eval()
    reference = copy.deepcopy(module).requires_grad_(False)
    leaf = image.clone().requires_grad_()
    (expected,) = torch.autograd.grad(reference(leaf)[:, 1].sum(), leaf)
    with untouched(module):
        assert torch.allclose(maps(module, image)[0], expected, rtol=1e-5, atol=1e-7)


Named = namedtuple("Named", "aux logits")
Unknown = namedtuple("Unknown", "first second")


@dataclasses.dataclass
class Record:
    aux: Tensor
    logits: Tensor
    loss: None = None


class ModelOutput(OrderedDict):
    """As in the libraries of language models: a dictionary with attributes."""

    def __getattr__(self, name: str) -> Any:
        return self[name]


class Returning(nn.Module):
    def __init__(self, make: Any) -> None:
        super().__init__()
        self.net, self.make = net(), make

    def forward(self, x: Tensor) -> Any:
        y = self.net(x)
        return self.make(y, 2 * y)


@pytest.mark.parametrize(
    ("make", "options", "factor"),
    [
        (lambda y, z: Named(z, y), {}, 1),
        (lambda y, z: Named(z, y), {"output": "aux"}, 2),
        (lambda y, z: Named(z, y), {"output": "0"}, 2),
        (lambda y, z: Unknown(z, y), {}, 2),
        (lambda y, z: Unknown(z, y), {"output": "second"}, 1),
        (lambda y, z: Record(z, y), {}, 1),
        (lambda y, z: Record(z, y), {"output": "aux"}, 2),
        (lambda y, z: Record(z, y), {"target": lambda out: out.aux[:, 1]}, 2),
        (lambda y, z: ModelOutput(loss=None, logits=y), {}, 1),
        (lambda y, z: ModelOutput(loss=None, logits=y), {"target": lambda out: out.logits[:, 1]}, 1),
        (lambda y, z: {"out": y, "aux": z}, {}, 1),
        (lambda y, z: [y, z], {"output": "1"}, 2),
        (lambda y, z: {"a": {"b": z}, "c": [y]}, {"target": lambda out: out["a"]["b"][:, 1]}, 2),
    ],
)
def test_outputs_of_any_form(make: Any, options: Any, factor: int, image: Tensor, plan_of: Any) -> None:
    expected = run(net(), image, plan_of(GRADIENT), target=1).gradient(GRADIENT, "input")
    got = run(Returning(make), image, plan_of(GRADIENT), **{"target": 1, **options})
    assert torch.allclose(got.gradient(GRADIENT, "input"), factor * expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    ("make", "output", "says"),
    [
        (lambda y, z: Record(z, y), "logit", "output has no 'logit'. Did you mean 'logits'"),
        (lambda y, z: Named(z, y), "7", "Named of tensors 0 to 1; output='7' is none of them"),
        (lambda y, z: {"a": {"b": z}}, None, r"dictionary of \['a'\] without a tensor of scores"),
        (lambda y, z: "text", None, "returns a str without a tensor of scores"),
    ],
)
def test_outputs_without_scores(make: Any, output: Any, says: str, image: Tensor, plan_of: Any) -> None:
    with pytest.raises(TargetError, match=says):
        run(Returning(make), image, plan_of(GRADIENT), target=1, output=output)


def test_threads_with_rules_of_their_own_on_one_and_on_many_models(image: Tensor) -> None:
    one, others = net(), [net() for _ in range(2)]
    rules = [composite("epsilon_plus"), composite("epsilon_alpha2_beta1"), GRADIENT, GUIDED]
    plans = [merge([Needs(backwards=(Backward(r, at_input=True),))]) for r in rules]
    expected = [run(one, image, p, target=1).gradient(r, "input") for p, r in zip(plans, rules, strict=True)]
    found: dict[tuple[int, int], Tensor] = {}

    def work(i: int) -> None:
        for k, module in enumerate((one, others[i % 2], one)):
            found[i, k] = run(module, image, plans[i], target=1).gradient(rules[i], "input")

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(rules))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(found) == 3 * len(rules)
    for (i, _), got in found.items():
        assert torch.equal(got, expected[i])


def test_a_layer_that_is_called_input_is_not_the_input(plan_of: Any) -> None:
    torch.manual_seed(0)
    named = nn.Sequential(OrderedDict(input=nn.Conv1d(3, 3, 3), mean=nn.AdaptiveAvgPool1d(1), flat=nn.Flatten()))
    x = torch.randn(2, 3, 8)
    got = run(named, x, plan_of(GRADIENT, at_layers=True), target=1, layers=["input"])
    assert got.layers == ("input@1",)
    assert torch.equal(got.activation("input@1"), named.input(x))
    assert torch.equal(got.activation("input"), x)
    assert got.gradient(GRADIENT, "input@1").shape == (2, 3, 6)


class Rebinding(nn.Module):
    """Rebinds a buffer and registers another in the forward, and reads integers of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.net, self.embedding = net(), nn.Embedding(5, 3)
        self.register_buffer("mean", torch.zeros(3))
        self.register_buffer("which", torch.tensor([1]))

    def forward(self, x: Tensor) -> Tensor:
        y = self.net(x) + self.embedding(self.which)
        self.mean = y.detach().mean(0)
        self.register_buffer("seen", y.detach())
        self.which += 1
        return y


def test_buffers_that_the_forward_registers_and_rebinds(image: Tensor, plan_of: Any, untouched: Any) -> None:
    module = Rebinding()
    with untouched(module):
        got = run(module, image, plan_of(GRADIENT), target=1)
        again = run(module, image, plan_of(GRADIENT), target=1)
    assert torch.equal(got.output, again.output)
    assert torch.equal(got.gradient(GRADIENT, "input"), maps(net(), image)[0])
    assert not hasattr(module, "seen")


def test_exported_and_decomposed_programs_overwrite_as_well(plan_of: Any) -> None:
    module = Written(OVERWRITING["sigmoid"]).double()
    x = torch.randn(2, 3, 8, dtype=torch.float64)
    expected = slopes(module, x)
    program = torch.export.export(module, (x,))
    for each in (program.module(), program.run_decompositions().module()):
        got = run(each, x, plan_of(GRADIENT), target=1).gradient(GRADIENT, "input")
        assert torch.allclose(got, expected, atol=1e-8)
        assert "last" in [row.name for row in layers(each, x)]

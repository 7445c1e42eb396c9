"""Models as they come: statements in place, views, reused and functional code, exported programs."""

from __future__ import annotations

import copy
import threading
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from matxai.engine import DECONVNET, GRADIENT, GUIDED, Backward, Needs, composite, layers, merge, run
from matxai.errors import Cancelled, LayerError, ModelError, OperationError, TargetError

LRP_0 = composite("epsilon", epsilon=0)


def input_gradient(module: nn.Module, x: Tensor, target: int = 1) -> Tensor:
    leaf = x.clone().requires_grad_()
    (g,) = torch.autograd.grad(module(leaf * 1)[:, target].sum(), leaf)
    return g


def differences(module: nn.Module, x: Tensor, target: int = 1, h: float = 1e-6) -> Tensor:
    """The gradient by central differences: it asks nothing of autograd, which refuses some in-place code."""
    moves = h * torch.eye(x[0].numel(), dtype=x.dtype).view(-1, *x.shape[1:])
    with torch.no_grad():
        rows = [(module(s + moves)[:, target] - module(s - moves)[:, target]) / (2 * h) for s in x]
    return torch.stack(rows).view_as(x)


class Functional(nn.Module):
    def __init__(self, forward: Any) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv1d(3, 3, 3, padding=1, bias=False)
        self.relu = nn.ReLU(inplace=True)
        self._forward = forward

    def forward(self, x: Tensor) -> Tensor:
        return self._forward(self, x).mean(-1)


def statements(m: Functional, x: Tensor) -> Tensor:
    y = m.conv(x)
    m.relu(y)
    y.add_(x)
    y[:, :1] += x[:, 1:2]
    y[:, 2] = y[:, 0]
    return y


def on_the_input(m: Functional, x: Tensor) -> Tensor:
    x -= 0.1
    x.div_(0.5)
    return m.conv(x)


def reused(m: Functional, x: Tensor) -> Tensor:
    y = F.relu(m.conv(x))
    y = torch.relu(m.conv(y)) + y
    return F.relu(m.conv(y), inplace=True)


def filled(m: Functional, x: Tensor) -> Tensor:
    buffer = torch.empty_like(x)
    for i in range(3):
        buffer[:, i] = m.conv(x)[:, 2 - i]
    return torch.stack([buffer, x], 0).sum(0)


def on_views(m: Functional, x: Tensor) -> Tensor:
    y = m.conv(x)
    a, b = y.chunk(2, -1)
    a.relu_()
    b.mul_(2)
    return torch.cat([y, y.flip(1)], 1).view(len(x), 3, -1)


def with_out(m: Functional, x: Tensor) -> Tensor:
    y = m.conv(x)
    z = y + 0
    return (z @ torch.eye(8, dtype=x.dtype)).unsqueeze(2).squeeze(2)


def by_position(m: Functional, x: Tensor) -> Tensor:
    y = m.conv(x)
    F.leaky_relu(y, 0.3, True)
    F.dropout(y, 0.5, False, True)
    F.threshold(y, -9.0, -9.0, True)
    return F.relu(y, True) + x


def by_keyword(m: Functional, x: Tensor) -> Tensor:
    y = m.conv(x)
    torch.relu_(input=y)
    torch.Tensor.mul_(y, other=2)
    return y + x


@pytest.mark.parametrize(
    "forward", [by_position, by_keyword, statements, on_the_input, reused, filled, on_views, with_out]
)
def test_any_way_of_writing_keeps_output_gradient_and_relevance(forward: Any, plan_of: Any, untouched: Any) -> None:
    module = Functional(forward).double()
    x = torch.randn(2, 3, 8, dtype=torch.float64)
    before = x.clone()
    with untouched(module):
        got = run(module, x, plan_of(GRADIENT, LRP_0), target=1)
    assert torch.equal(x, before)
    with torch.no_grad():
        assert torch.equal(got.output, module(x.clone()))
    g = differences(module, x)
    assert torch.allclose(got.gradient(GRADIENT, "input"), g, atol=1e-8)
    relevance = got.relevance(LRP_0, "input")
    assert torch.allclose(relevance, x * g, atol=1e-8)


def test_gradients_and_activations_equal_autograd_bit_for_bit(small_net: nn.Module) -> None:
    x = torch.randn(2, 2, 8, 8, dtype=torch.float64)
    plan = merge([Needs(True, (Backward(GRADIENT, at_input=True, at_layers=True),))])
    held: dict[str, Tensor] = {}
    reference = copy.deepcopy(small_net)
    reference.relu.inplace = False
    reference.bn1.register_forward_hook(lambda m, a, out: held.__setitem__("bn1", out))
    leaf = x.clone().requires_grad_()
    g_input, g_bn1 = torch.autograd.grad(reference(leaf)[:, 1].sum(), [leaf, held["bn1"]])
    for exact in (False, True):
        got = run(small_net, x, plan, target=1, layers=["bn1", "conv1"], exact=exact)
        assert torch.equal(got.activation("bn1"), held["bn1"])
        close = torch.equal if exact else lambda a, b: torch.allclose(a, b, rtol=1e-12)
        assert close(got.gradient(GRADIENT, "input"), g_input)
        assert close(got.gradient(GRADIENT, "bn1"), g_bn1)


def test_relevance_does_not_depend_on_which_layers_are_read(small_net: nn.Module) -> None:
    x = torch.randn(2, 2, 8, 8, dtype=torch.float64)
    rule = composite("epsilon_plus")
    plan = merge([Needs(True, (Backward(rule, at_input=True, at_layers=True), Backward(GRADIENT, at_layers=True)))])
    alone = run(small_net, x, merge([Needs(backwards=(Backward(rule, at_input=True),))]), target=1)
    read = run(small_net, x, plan, target=1, layers=["conv1", "bn1", "pool", "conv2"])
    assert torch.allclose(read.relevance(rule, "input"), alone.relevance(rule, "input"))
    # a convolution and the batch norm folded into it are one operation: its relevance is that of the batch norm
    assert torch.allclose(read.relevance(rule, "conv1"), read.relevance(rule, "bn1"))
    g = read.gradient(GRADIENT, "bn1") * (small_net.bn1.weight / (small_net.bn1.running_var + 1e-5).sqrt()).view(
        1, -1, 1, 1
    )
    assert torch.allclose(read.gradient(GRADIENT, "conv1"), g)


def test_guided_and_deconvnet_at_relus(plan_of: Any) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Linear(4, 5, bias=False), nn.ReLU(), nn.Linear(5, 5, bias=False), nn.ReLU(inplace=True), nn.Linear(5, 2)
    )
    x = torch.randn(3, 4)
    got = run(net, x, plan_of(GRADIENT, GUIDED, DECONVNET), target=1)
    W1, W2, W3 = (net[i].weight.detach() for i in (0, 2, 4))
    a1 = x @ W1.T
    a2 = a1.clamp(min=0) @ W2.T
    g2 = W3[1].expand(3, 5)
    guided = ((g2.clamp(min=0) * (a2 > 0)) @ W2).clamp(min=0) * (a1 > 0) @ W1
    deconv = (g2.clamp(min=0) @ W2).clamp(min=0) @ W1
    assert torch.allclose(got.gradient(GUIDED, "input"), guided)
    assert torch.allclose(got.gradient(DECONVNET, "input"), deconv)
    assert torch.allclose(got.gradient(GRADIENT, "input"), input_gradient(net, x))
    assert (got.forwards, got.backwards) == (1, 3)


def test_exported_programs_give_the_same_maps_under_the_same_names(small_net: nn.Module) -> None:
    net = small_net.float()
    x = torch.randn(2, 2, 8, 8)
    rule = composite("epsilon_plus_flat")
    plan = merge([Needs(True, (Backward(rule, at_input=True), Backward(GRADIENT, at_layers=True)))])
    names = ["bn1", "relu@1", "relu@2", "conv2"]
    expected = run(net, x, plan, target=2, layers=names)
    program = torch.export.export(net, (x,))
    for module in (program.module(), program.run_decompositions().module(), torch.export.unflatten(program)):
        got = run(module, x, plan, target=2, layers=names)
        assert layers(module, x).default == layers(net, x).default == "relu"
        assert torch.allclose(got.relevance(rule, "input"), expected.relevance(rule, "input"), rtol=1e-4, atol=1e-6)
        for name in names:
            assert torch.allclose(
                got.gradient(GRADIENT, name), expected.gradient(GRADIENT, name), rtol=1e-4, atol=1e-7
            ), name


def test_a_softmax_at_the_end_is_taken_off(plan_of: Any) -> None:
    body = nn.Sequential(nn.Conv1d(2, 3, 3), nn.AdaptiveAvgPool1d(1), nn.Flatten())
    x = torch.randn(2, 2, 6)
    plain = run(body, x, plan_of(GRADIENT), target=1)
    for end in (nn.Softmax(1), nn.LogSoftmax(1), nn.Sequential(nn.Sigmoid(), nn.Unflatten(1, (3, 1)), nn.Flatten())):
        got = run(nn.Sequential(body, end), x, plan_of(GRADIENT, LRP_0), target=1)
        assert torch.equal(got.gradient(GRADIENT, "input"), plain.gradient(GRADIENT, "input"))
        assert torch.equal(got.logits, plain.logits)
        assert "its input is explained" in got.notes[0]
    assert plain.notes == []


@pytest.mark.parametrize(
    ("layer", "shape", "words"),
    [
        (nn.Softmax(2), (2, 4, 6), "'softmax' in layer '1'.*softmax='attnlrp'"),
        (torch.jit.script(nn.Sequential(nn.Conv1d(4, 4, 1), nn.ReLU())), (2, 4, 6), "hidden from the engine"),
    ],
)
def test_lrp_refuses_what_it_has_no_rule_for_and_gradients_do_not(
    layer: Any, shape: Any, words: str, plan_of: Any
) -> None:
    net = nn.Sequential(nn.Identity(), layer, nn.Flatten(), nn.Linear(24, 3)).eval()
    x = torch.randn(shape)
    with pytest.raises(OperationError, match=words):
        run(net, x, plan_of(composite("epsilon_plus")), target=0)
    got = run(net, x, plan_of(GRADIENT), target=0)
    assert torch.allclose(got.gradient(GRADIENT, "input"), input_gradient(net, x, 0), atol=1e-6)


def test_products_of_signals_are_refused_by_lrp(plan_of: Any) -> None:
    with pytest.raises(OperationError, match="neither is a gate"):
        run(Functional(lambda m, x: m.conv(x) * x), torch.randn(2, 3, 8), plan_of(LRP_0), target=0)
    with pytest.raises(OperationError, match="neither is a gate"):
        run(Functional(lambda m, x: m.conv(x) @ x.mT), torch.randn(2, 3, 8), plan_of(LRP_0), target=0)


def test_changed_outputs_name_the_operation(plan_of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from matxai.engine import standins

    def wrong(call: Any) -> Any:
        return call.value() * 1.01 if call.graph else NotImplemented

    monkeypatch.setitem(standins.STAND_INS, "relu", wrong)
    net = nn.Sequential(nn.Conv1d(2, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(12, 2))
    with pytest.raises(OperationError, match="'relu' in layer '1' gives another result"):
        run(net, torch.randn(1, 2, 6), plan_of(GRADIENT), target=0)


def test_models_that_draw_random_numbers_are_compared_on_the_same_draw(plan_of: Any) -> None:
    net = Functional(lambda m, x: m.conv(x) + 0.1 * torch.randn_like(x))
    x = torch.randn(1, 3, 8)
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    run(net, x, plan_of(GRADIENT), target=0)
    assert torch.rand(1) == expected


def test_the_callers_modes_and_half_precision(plan_of: Any) -> None:
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
    )
    net.eval().requires_grad_(False)
    x = torch.randn(2, 1, 6, 6)
    rule = composite("epsilon_plus")
    expected = run(net, x, plan_of(rule), target=0).relevance(rule, "input")
    with torch.inference_mode():
        got = run(net, torch.clone(x), plan_of(rule), target=0).relevance(rule, "input")
    assert torch.equal(got, expected)
    with torch.no_grad():
        assert torch.equal(run(net, x, plan_of(rule), target=0).relevance(rule, "input"), expected)
    with torch.autocast("cpu", torch.bfloat16):
        loose = run(net, x, plan_of(rule, GRADIENT), target=0).relevance(rule, "input")
    assert torch.allclose(loose, expected, rtol=0.1, atol=0.05 * expected.abs().max().item())
    half = run(net.bfloat16(), x.bfloat16(), plan_of(rule, GRADIENT), target=0)
    assert half.relevance(rule, "input").dtype == half.gradient(GRADIENT, "input").dtype == torch.float32
    assert torch.allclose(half.relevance(rule, "input"), expected, rtol=0.1, atol=0.05 * expected.abs().max().item())


def test_two_threads_on_one_module(small_net: nn.Module, plan_of: Any) -> None:
    x = torch.randn(2, 2, 8, 8, dtype=torch.float64)
    rules = [composite("epsilon_plus"), composite("epsilon_gamma")]
    expected = [run(small_net, x, plan_of(r), target=1).relevance(r, "input") for r in rules]
    wrong: list[str] = []

    def work(i: int) -> None:
        for _ in range(3):
            got = run(small_net, x, plan_of(rules[i]), target=1).relevance(rules[i], "input")
            if not torch.equal(got, expected[i]):
                wrong.append(rules[i].name)

    threads = [threading.Thread(target=work, args=(i,)) for i in (0, 1)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert wrong == []


def test_bad_inputs_and_cut_graphs(plan_of: Any) -> None:
    net = nn.Sequential(nn.Conv1d(1, 2, 3), nn.Flatten(), nn.Linear(8, 2))
    with pytest.raises(ModelError, match="NaN"):
        run(net, torch.full((1, 1, 6), float("nan")), plan_of(GRADIENT))
    with pytest.raises(ModelError, match="floating point"):
        run(net, torch.ones(1, 1, 6, dtype=torch.uint8), plan_of(GRADIENT))
    cut = Functional(lambda m, x: m.conv(x).detach() + 1)
    with pytest.raises(TargetError, match="no gradient"):
        run(cut, torch.randn(1, 3, 8), plan_of(GRADIENT), target=0)
    side = Functional(lambda m, x: (m.conv(x), x)[1])
    with pytest.raises(LayerError, match="does not depend on layer 'conv'"):
        run(side, torch.randn(1, 3, 8), plan_of(GRADIENT, at_layers=True), target=0, layers=["conv"])


class Untidy(nn.Module):
    """Writes into its own buffers and parameters, keeps activations, and can be told to fail."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(2, 3, 3)
        self.register_buffer("count", torch.zeros(()))
        self.register_buffer("last", torch.zeros(2, 3, 6))
        self.gain = nn.Parameter(torch.ones(3))
        self.drop = nn.Dropout(0.5)
        self.fail = False

    def forward(self, x: Tensor) -> Tensor:
        self.count += 1
        y = self.drop(self.conv(x))
        self.last.copy_(y)
        self.seen = y
        with torch.no_grad():
            self.gain[0].mul_(1.5)
        if self.fail:
            raise ValueError("as told")
        return (self.last * self.gain[:, None]).mean(-1)


def test_the_module_is_as_before_after_success_failure_and_cancel(plan_of: Any, untouched: Any) -> None:
    net = Untidy().train()
    net.gain.grad = torch.ones(3)
    net.conv.weight.requires_grad_(False)
    x = torch.randn(2, 2, 8)
    plan = plan_of(GRADIENT, composite("epsilon_plus"), at_layers=True)
    with untouched(net):
        got = run(net, x, plan, target=0, layers=["conv"])
    assert torch.equal(got.output, run(net, x, plan, target=0, layers=["conv"]).output)  # dropout is off
    net.fail = True
    with untouched(net), pytest.raises(ModelError, match="as told"):
        run(net, x, plan, target=0, layers=["conv"])
    net.fail = False
    for after in range(3):
        stop = Countdown(after)
        with untouched(net), pytest.raises(Cancelled):
            run(net, x, plan, target=0, layers=["conv"], cancel=stop)


class Countdown:
    def __init__(self, asks: int) -> None:
        self.asks = asks

    def is_set(self) -> bool:
        self.asks -= 1
        return self.asks < 0

"""LRP through attention, softmax and recurrent layers: conservation, PyTorch's own values, rules and formulas."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from matxai.engine import GRADIENT, composite, run
from matxai.errors import OperationError

THREE = [composite(name) for name in ("epsilon", "epsilon_plus", "epsilon_alpha2_beta1")]
LRP_0 = composite("epsilon", epsilon=0)
CAUSAL = torch.ones(5, 5, dtype=torch.bool).tril()


class Sequence(nn.Module):
    """A function of (B, 5, 8) with layers of its own, and a dense layer for the scores."""

    def __init__(self, function: Callable[..., Tensor], *layers: nn.Module) -> None:
        super().__init__()
        self.function, self.layers, self.head = function, nn.ModuleList(layers), nn.LazyLinear(3, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.function(x, *self.layers).flatten(1))


def sequence(function: Callable[..., Tensor], *layers: nn.Module, bias: bool = False) -> tuple[nn.Module, Tensor]:
    torch.manual_seed(0)
    x = torch.randn(2, 5, 8, dtype=torch.float64)
    net = Sequence(function, *layers).double().eval()
    net(x)
    for name, p in net.named_parameters():
        if "bias" in name:
            nn.init.normal_(p, std=0.3) if bias else nn.init.zeros_(p)
        elif p.ndim == 1:
            nn.init.uniform_(p, 0.5, 1.5)
    return net, x


def dense(width: int = 8) -> nn.Module:
    return nn.Linear(8, width, bias=False)


def heads(x: Tensor, count: int) -> Tensor:
    return x.unflatten(-1, (count, 2)).transpose(1, 2)


def padded(x: Tensor, m: nn.Module) -> Tensor:
    padding = torch.tensor([[False, False, False, False, True]]).expand(len(x), -1)
    return m(x, x, x, attn_mask=~CAUSAL, key_padding_mask=padding)[0]


MODELS: dict[str, tuple[Any, ...]] = {
    "encoder": (lambda x, m: m(x), nn.TransformerEncoder(
        nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2, enable_nested_tensor=False)),
    "encoder, norm first": (lambda x, m: m(x), nn.TransformerEncoderLayer(
        8, 2, 16, batch_first=True, norm_first=True, activation="gelu")),
    "encoder, time first": (
        lambda x, m: m(x.transpose(0, 1)).transpose(0, 1), nn.TransformerEncoderLayer(8, 2, 16)),
    "multi-head attention": (
        lambda x, m: m(x, x, x, need_weights=False)[0], nn.MultiheadAttention(8, 2, batch_first=True)),
    "masks": (padded, nn.MultiheadAttention(8, 2, batch_first=True)),
    "separate weights": (lambda x, m: m(x, x[..., :6], x[..., :4], average_attn_weights=False)[0],
                         nn.MultiheadAttention(8, 2, kdim=6, vdim=4, batch_first=True)),
    "scaled dot product": (
        lambda x, q, k: F.scaled_dot_product_attention(q(x), k(x), x, is_causal=True, scale=0.3), dense(), dense()),
    "grouped queries, mask": (
        lambda x, q: F.scaled_dot_product_attention(
            heads(q(x), 4), heads(x[..., :4], 2), heads(x[..., 4:], 2), CAUSAL, enable_gqa=True), dense()),
    "talking heads": (
        lambda x, m: m(torch.softmax(x @ x.mT, -1)) @ x, nn.Linear(5, 5)),
    "lstm, 2 layers, both directions": (
        lambda x, m: m(x)[0][:, 2], nn.LSTM(8, 6, 2, batch_first=True, bidirectional=True)),
    "lstm, projected": (lambda x, m: m(x)[0], nn.LSTM(8, 6, batch_first=True, proj_size=4)),
    "lstm, last states": (lambda x, m: torch.cat(m(x)[1], -1)[-1], nn.LSTM(8, 6, batch_first=True, bias=False)),
    "gru, 2 layers, both directions": (
        lambda x, m: m(x)[0][:, 2], nn.GRU(8, 6, 2, batch_first=True, bidirectional=True)),
    "gru, time first": (lambda x, m: m(x.transpose(0, 1))[0][-1], nn.GRU(8, 6)),
    "rnn": (lambda x, m: m(x)[1][0], nn.RNN(8, 6, batch_first=True)),
    "rnn, relu": (lambda x, m: m(x)[0][:, -1], nn.RNN(8, 6, batch_first=True, nonlinearity="relu")),
    "lstm cell": (lambda x, m: m(x[:, 1], m(x[:, 0]))[0], nn.LSTMCell(8, 6)),
    "gru cell": (lambda x, m: m(x[:, 1], m(x[:, 0])), nn.GRUCell(8, 6)),
    "rnn cell": (lambda x, m: m(x[:, 1], m(x[:, 0])), nn.RNNCell(8, 6)),
    "embedded words": (  # the words are made inside, and a vector that depends on the input weighs them
        lambda x, m: m(torch.arange(5))[None] * 0 + x, nn.Embedding(5, 8)),
}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_sequences_conserve_keep_gradients_and_do_not_mix_samples(name: str, plan_of: Any) -> None:
    net, x = sequence(*MODELS[name])
    got = run(net, x, plan_of(*THREE, GRADIENT), target=1)
    leaf = x.clone().requires_grad_()
    (native,) = torch.autograd.grad(net(leaf)[:, 1].sum(), leaf)
    assert torch.allclose(got.output, net(x), rtol=1e-12, atol=1e-14)
    assert torch.allclose(got.gradient(GRADIENT, "input"), native, rtol=0, atol=1e-12 * native.abs().max().item())
    alone = run(net, x[1:], plan_of(*THREE), target=1)
    for rule in THREE:
        ours = got.relevance(rule, "input")
        assert torch.allclose(ours.flatten(1).sum(1), got.scores, rtol=1e-6)
        size = ours[1].abs().max().item()
        assert torch.allclose(ours[1:], alone.relevance(rule, "input"), rtol=0, atol=1e-12 * size)


@pytest.mark.parametrize(
    "name", ["encoder", "masks", "lstm, 2 layers, both directions", "gru, time first", "lstm cell"]
)
def test_biases_are_in_the_ledger_and_values_can_be_the_models_own(name: str, plan_of: Any) -> None:
    net, x = sequence(*MODELS[name], bias=True)
    rule = THREE[0]
    for exact in (False, True):
        got = run(net, x, plan_of(rule), target=1, exact=exact)
        account = got.ledger["epsilon"]
        assert (account.biases.abs() > 1e-2 * got.scores.abs()).all()
        assert torch.allclose(account.total + account.biases + account.stabilisers, got.scores, rtol=1e-9)
        assert account.other.abs().max() < 1e-9
        own = net(x)
        assert torch.equal(got.output, own) if exact else torch.allclose(got.output, own, rtol=0, atol=1e-12)


def test_attention_weights_are_constants(relevance: Any) -> None:
    net, x = sequence(*MODELS["multi-head attention"])
    m = net.layers[0]

    def held(leaf: Tensor) -> Tensor:
        q, k, v = (heads4(F.linear(leaf, w)) for w in m.in_proj_weight.split(8))
        weights = torch.softmax(q @ k.mT / 2, -1).detach()
        return net.head(m.out_proj((weights @ v).transpose(1, 2).flatten(2)).flatten(1))[:, 0]

    def heads4(t: Tensor) -> Tensor:
        return t.unflatten(-1, (2, 4)).transpose(1, 2)

    leaf = x.clone().requires_grad_()
    score = held(leaf)
    assert torch.allclose(score, net(x)[:, 0])
    (g,) = torch.autograd.grad(score.sum(), leaf)
    assert torch.allclose(relevance(net, x, LRP_0, target=0), x * g, rtol=1e-6, atol=1e-12)


def test_the_softmax_rule_of_attnlrp(plan_of: Any) -> None:
    """Achtibat et al. 2024: eq. 13 for the softmax, half to each operand of both products; what it absorbs is seen."""
    net, x = sequence(lambda x, q: torch.softmax(q(x) @ x.mT / 3, -1) @ x, dense())
    rule = composite("epsilon", epsilon=0, softmax="attnlrp")
    got = run(net, x, plan_of(rule, LRP_0), target=2)
    q, w_head = net.layers[0].weight, net.head.weight[2].view(5, 8)
    scores = (x @ q.T) @ x.mT / 3
    s = torch.softmax(scores, -1)
    of_out = (s @ x) * w_head  # relevance of the output (B, 5, 8)
    g = w_head.expand_as(x)
    of_s, of_values = 0.5 * s * (g @ x.mT), 0.5 * x * (s.mT @ g)
    of_scores = scores * (of_s - s * of_s.sum(-1, keepdim=True))  # eq. 13
    c = of_scores / scores / 3
    of_q, of_keys = 0.5 * (x @ q.T) * (c @ x), 0.5 * x * (c.mT @ (x @ q.T))
    through_q = x * ((of_q / (x @ q.T)) @ q)
    assert torch.allclose(got.relevance(rule, "input"), of_values + of_keys + through_q, rtol=1e-8, atol=1e-12)
    assert torch.allclose(of_out.flatten(1).sum(1), got.scores)
    row = next(r for r in got.balances[rule][0].operations if r.operation == "softmax")
    assert torch.allclose(row.other, (of_s - of_scores).flatten(1).sum(1), rtol=1e-8)
    assert torch.allclose(got.relevance(LRP_0, "input").flatten(1).sum(1), got.scores)


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("dim", [1, 2])
def test_a_softmax_on_its_own_path_knows_its_axis(dim: int, log: bool, plan_of: Any) -> None:
    function = torch.log_softmax if log else torch.softmax
    net, x = sequence(lambda x: function(x, dim))
    with pytest.raises(OperationError, match="softmax='attnlrp'"):
        run(net, x, plan_of(LRP_0), target=0)
    rule = composite("epsilon", epsilon=0, softmax="attnlrp")
    got = run(net, x, plan_of(rule, GRADIENT), target=0)
    of_out = function(x, dim) * net.head.weight[0].view(5, 8)
    s = torch.softmax(x, dim)
    g = of_out / function(x, dim)
    expected = x * (g - s * g.sum(dim, keepdim=True)) if log else x * (of_out - s * of_out.sum(dim, keepdim=True))
    assert torch.allclose(got.relevance(rule, "input"), expected, rtol=1e-8, atol=1e-14)
    account = got.balances[rule][0]
    assert torch.allclose(account.total + account.other, got.scores)


def held(t: Tensor) -> Tensor:
    """Return tanh(t) as it passes relevance: its ratio to t is a constant."""
    return t * (torch.tanh(t) / t).detach()


def test_a_gru_gives_all_to_the_signal_from_the_first_step_on(relevance: Any) -> None:
    """A gate times a state that does not depend on the input yet, and has a bias, is a gate all the same."""
    net, x = sequence(*MODELS["gru, time first"], bias=True)
    cells, leaf, h = net.layers[0], x.clone().requires_grad_(), torch.zeros(2, 6, dtype=x.dtype)
    for t in range(5):
        u, v = (
            F.linear(leaf[:, t], cells.weight_ih_l0, cells.bias_ih_l0),
            F.linear(h, cells.weight_hh_l0, cells.bias_hh_l0),
        )
        (u_r, u_z, u_n), (v_r, v_z, v_n) = u.chunk(3, 1), v.chunk(3, 1)
        r, z = torch.sigmoid(u_r + v_r).detach(), torch.sigmoid(u_z + v_z).detach()
        h = (1 - z) * held(u_n + r * v_n) + z * h
    score = net.head(h)[:, 1]
    assert torch.allclose(score, net(x)[:, 1])
    (g,) = torch.autograd.grad(score.sum(), leaf)
    assert torch.allclose(relevance(net, x, LRP_0, target=1), x * g, rtol=1e-6, atol=1e-12)


def test_an_lstm_gives_all_to_the_signal(relevance: Any) -> None:
    """Arras et al. 2017: in every product of a gate and a signal the signal takes all."""
    net, x = sequence(*MODELS["lstm, last states"])
    cells = net.layers[0]
    leaf = x.clone().requires_grad_()
    h = c = torch.zeros(2, 6, dtype=x.dtype)
    for t in range(5):
        i, f, g, o = (leaf[:, t] @ cells.weight_ih_l0.T + h @ cells.weight_hh_l0.T).chunk(4, 1)
        c = torch.sigmoid(f).detach() * c + torch.sigmoid(i).detach() * held(g)
        h = torch.sigmoid(o).detach() * held(c)
    score = net.head(torch.cat([h, c], -1))[:, 1]
    assert torch.allclose(score, net(x)[:, 1])
    (g,) = torch.autograd.grad(score.sum(), leaf)
    assert torch.allclose(relevance(net, x, LRP_0, target=1), x * g, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize(
    ("words", "function", "layers"),
    [
        ("bias_k", lambda x, m: m(x, x, x)[0], [nn.MultiheadAttention(8, 2, add_bias_kv=True, batch_first=True)]),
        (
            "add_zero_attn",
            lambda x, m: m(x, x, x)[0],
            [nn.MultiheadAttention(8, 2, add_zero_attn=True, batch_first=True)],
        ),
        ("at random", lambda x: F.scaled_dot_product_attention(x, x, x, dropout_p=0.5), []),
        (
            "packed sequence",
            lambda x, m: m(nn.utils.rnn.pack_padded_sequence(x, [5] * len(x), batch_first=True))[1][0][0],
            [nn.LSTM(8, 6, batch_first=True)],
        ),
    ],
)
def test_what_is_not_supported_is_named(words: str, function: Any, layers: list[nn.Module], plan_of: Any) -> None:
    net, x = sequence(function, *layers)
    with pytest.raises(OperationError, match=words):
        run(net, x, plan_of(LRP_0), target=0)


@pytest.mark.parametrize("decomposed", [False, True])
@pytest.mark.parametrize("name", ["encoder, norm first", "grouped queries, mask", "gru, time first", "lstm cell"])
def test_exported_programs_pass_in_the_same_way(name: str, decomposed: bool, plan_of: Any) -> None:
    net, x = sequence(*MODELS[name])
    program = torch.export.export(net, (x,), strict=False)
    if decomposed:
        program = program.run_decompositions()
    got, expected = run(program.module(), x, plan_of(*THREE), target=1), run(net, x, plan_of(*THREE), target=1)
    for rule in THREE:
        size = expected.relevance(rule, "input").abs().max().item()
        assert torch.allclose(got.relevance(rule, "input"), expected.relevance(rule, "input"), rtol=0, atol=1e-6 * size)


def test_rows_that_may_look_nowhere_give_nothing(plan_of: Any) -> None:
    nowhere = CAUSAL & (torch.arange(5) > 0)[:, None]
    net, x = sequence(lambda x: F.scaled_dot_product_attention(x, x, x, nowhere))
    got = run(net, x, plan_of(LRP_0), target=1)
    assert torch.allclose(got.output, net(x))
    assert torch.isfinite(got.relevance(LRP_0, "input")).all()
    assert math.isclose(float(got.relevance(LRP_0, "input").sum()), float(got.scores.sum()), rel_tol=1e-9)

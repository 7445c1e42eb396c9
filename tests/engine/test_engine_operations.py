"""Every operation that LRP passes: conservation, native gradients, batches; and rules against their definition.

References are written with ``detach`` on what a rule takes for a constant: relevance is then input times gradient.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from matxai.engine import GRADIENT, composite, run
from matxai.engine.activations import ratio
from matxai.errors import OperationError

THREE = [composite(name) for name in ("epsilon", "epsilon_plus", "epsilon_alpha2_beta1")]
LRP_0 = composite("epsilon", epsilon=0)
MIX = torch.linspace(-1, 1, 36, dtype=torch.float64).view(6, 6)


class Between(nn.Module):
    """An operation between a convolution (B, 4, 6, 6) and a dense layer, no biases."""

    def __init__(self, operation: Callable[..., Tensor], *layers: nn.Module) -> None:
        super().__init__()
        self.operation, self.layers = operation, nn.ModuleList(layers)
        self.conv, self.head = nn.Conv2d(3, 4, 3, bias=False), nn.LazyLinear(3, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.operation(self.conv(x), *self.layers).flatten(1))


def between(operation: Callable[..., Tensor], *layers: nn.Module) -> tuple[nn.Module, Tensor]:
    torch.manual_seed(0)
    x = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    net = Between(operation, *layers).double().eval()
    net(x)
    for name, p in net.named_parameters():
        if name.endswith("bias"):
            nn.init.zeros_(p)
        elif p.ndim == 1:
            nn.init.uniform_(p, 0.5, 1.5)
    return net, x


def layer(module: nn.Module) -> tuple[Any, ...]:
    return (lambda y, m: m(y), module)


def gate(function: Any) -> tuple[Any, ...]:
    return (lambda y, m: y * function(m(y.mean((2, 3)))).view(-1, 4, 1, 1), nn.Linear(4, 4))


def upsampled(**options: Any) -> tuple[Any, ...]:
    return (lambda y: F.interpolate(y, **options),)


def attended(y: Tensor) -> Tensor:
    weights = torch.exp(y[:, 0] @ y[:, 1].mT)
    return (weights / weights.sum(-1, keepdim=True)) @ y[:, 2]


def global_response(y: Tensor) -> Tensor:
    norm = y.norm(p=2, dim=(2, 3), keepdim=True)
    return y * (norm / (norm.mean(1, keepdim=True) + 1e-6)) + y


def sampled(y: Tensor) -> Tensor:
    turn = torch.tensor([[[0.8, 0.1, 0], [-0.1, 0.9, 0]]], dtype=y.dtype).expand(len(y), -1, -1)
    return F.grid_sample(y, F.affine_grid(turn, (len(y), 4, 6, 6), align_corners=False), align_corners=False)


OPERATIONS: dict[str, tuple[Any, ...]] = {
    # norms
    "layer norm, three axes": layer(nn.LayerNorm((4, 6, 6))), "layer norm, last axis": layer(nn.LayerNorm(6)),
    "group norm": layer(nn.GroupNorm(2, 4)), "instance norm": layer(nn.InstanceNorm2d(4, affine=True)),
    "instance norm, tracked": layer(nn.InstanceNorm2d(4, affine=True, track_running_stats=True)),
    "rms norm": layer(nn.RMSNorm((6, 6))), "normalize": (lambda y: F.normalize(y, dim=1),),
    "local response norm": layer(nn.LocalResponseNorm(3)),
    "layer norm by hand": (
        lambda y: (y - y.mean(1, keepdim=True)) / torch.sqrt(y.var(1, keepdim=True) + 1e-5),
    ),
    "rms norm by hand": (lambda y: y * torch.rsqrt(y.pow(2).mean(1, keepdim=True) + 1e-6),),
    "global response norm": (global_response,),
    # gates, products, quotients
    **{f"gate of {f.__name__}": gate(f) for f in (torch.sigmoid, F.hardsigmoid, torch.tanh, F.relu6)},
    "gate without a bound": gate(lambda t: t),
    "gate of softmax": (lambda y, m: y * m(y).softmax(1), nn.Conv2d(4, 4, 1)),
    "1 - gate": (lambda y, m: y * (1 - torch.sigmoid(m(y))), nn.Conv2d(4, 4, 1)), "square": (lambda y: y * y,),
    "mish by hand": (lambda y: y * torch.tanh(F.softplus(y)),), "softsign by hand": (lambda y: y / (1 + y.abs()),),
    "glu": layer(nn.GLU(1)), "swiglu": (lambda y, m: F.silu(m(y)) * y.flip(1), nn.Conv2d(4, 4, 1)),
    "addcmul": (lambda y: torch.addcmul(y, torch.sigmoid(y), y, value=0.5),),
    "lerp": (lambda y: torch.lerp(y, y.flip(-1), 0.3),),
    # matrix products
    "constant @ x": (lambda y: MIX @ y,), "x @ constant": (lambda y: y @ MIX,),
    "einsum": (lambda y: torch.einsum("bchw,cd->bdhw", y, MIX[:4, :4]),),
    "tensordot": (lambda y: torch.tensordot(y, MIX, dims=([3], [0])),),
    "baddbmm": (lambda y: torch.baddbmm(0 * MIX[None], y[:, 0], MIX.expand(len(y), 6, 6)),),
    "attention by hand": (attended,),
    # pools and resampling
    "lp pool": (lambda y: F.lp_pool2d(y, 2, 2),), "lp pool, p = 3": (lambda y: F.lp_pool2d(y.abs(), 3, 2, 1),),
    "generalised mean": (lambda y: F.avg_pool2d(y.clamp(min=0.2).pow(3.0), 2).pow(1 / 3),),
    "adaptive max pool": (lambda y: F.adaptive_max_pool2d(y, 3),),
    "adaptive mean": (lambda y: F.adaptive_avg_pool2d(y, 4),),
    "fractional max pool": (
        lambda y: F.fractional_max_pool2d(y, 2, output_size=3, _random_samples=torch.full((len(y), 4, 2), 0.3).to(y)),
    ),
    **{m: upsampled(scale_factor=2, mode=m) for m in ("nearest", "nearest-exact", "bilinear", "bicubic", "area")},
    "aligned corners": upsampled(scale_factor=2, mode="bilinear", align_corners=True),
    "antialias": upsampled(size=(4, 4), mode="bicubic", antialias=True), "constant grid": (sampled,),
    **{
        f"pad {m}": (lambda y, m=m: F.pad(y, (1, 2, 1, 0), mode=m),)
        for m in ("constant", "reflect", "replicate", "circular")
    },
    # rearrangements and selections
    "unfold, fold": (lambda y: F.fold(F.unfold(y, 2), (6, 6), 2),), "roll, flip": (lambda y: y.roll(2, -1).flip(2),),
    "shuffles": (lambda y: F.pixel_unshuffle(F.pixel_shuffle(y, 2), 2),), "topk": (lambda y: y.topk(3, -1)[0],),
    "sort": (lambda y: y.sort(-1)[0],), "cumsum": (lambda y: y.cumsum(-1),), "diff": (lambda y: y.diff(dim=-1),),
    "where": (lambda y: torch.where(y > 0, y, 0.1 * y),), "norm": (lambda y: y.norm(dim=-1),),
    # elementwise
    **{
        name: layer(getattr(nn, name)())
        for name in ("LeakyReLU", "PReLU", "ELU", "CELU", "SELU", "GELU", "SiLU", "Mish", "Hardswish", "Hardsigmoid",
                     "Sigmoid", "Tanh", "Softplus", "Softsign", "LogSigmoid", "Hardshrink", "Softshrink", "Tanhshrink",
                     "ReLU6", "Hardtanh", "RReLU")
    },
    "Threshold": layer(nn.Threshold(0.1, 0.2)), "pow 3": (lambda y: y**3,), "2 pow": (lambda y: 2**y,),
    "sqrt": (lambda y: y.abs().sqrt(),), "exp": (torch.exp,), "square function": (torch.square,), "sin": (torch.sin,),
}  # fmt: skip
WITH_OFFSET = {"Hardsigmoid", "Sigmoid", "Softplus", "LogSigmoid", "Threshold", "2 pow", "exp", "generalised mean"}


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_conserves_keeps_gradients_and_does_not_mix_samples(name: str, plan_of: Any) -> None:
    net, x = between(*OPERATIONS[name])
    got = run(net, x, plan_of(*THREE, GRADIENT), target=1)
    leaf = x.clone().requires_grad_()
    (native,) = torch.autograd.grad(net(leaf)[:, 1].sum(), leaf)
    assert torch.allclose(got.gradient(GRADIENT, "input"), native, rtol=0, atol=1e-12 * native.abs().max().item())
    alone = run(net, x[1:], plan_of(*THREE), target=1)
    for rule in THREE:
        account = got.ledger[rule.name]
        explained = account.total + account.biases + account.stabilisers
        assert torch.allclose(explained, got.scores, rtol=1e-9), rule.name
        if name in WITH_OFFSET:
            assert (account.biases.abs() > 1e-3 * got.scores.abs()).all()  # f(0) is booked as a bias
        else:
            assert torch.allclose(account.total, got.scores, rtol=1e-6), rule.name
        ours = got.relevance(rule, "input")
        size = ours[1].abs().max().item()
        assert torch.allclose(ours[1:], alone.relevance(rule, "input"), rtol=0, atol=1e-12 * size)
    assert torch.equal(run(net, x, plan_of(LRP_0), target=1, exact=True).output, net(x))


@pytest.mark.parametrize(
    ("words", "operation"),
    [
        ("'log'.*no value at 0", lambda y: torch.log(y.abs() + 1)),
        ("'reciprocal_div'.*no value at 0", lambda y: 1 / (y.abs() + 1)),
        ("'pow'.*a power of 0 or below", lambda y: y.abs() ** -1.0),
        ("'pow'.*exponent and a base", lambda y: y.abs() ** y),
        ("'var'.*is a statistic", lambda y: y.var(1)),
        ("'mul'.*neither is a gate.*gate='half'", lambda y: y * y.flip(-1)),
        ("'matmul'.*neither is a gate", lambda y: y @ y.mT),
        ("'softmax'.*softmax='attnlrp'", lambda y: y.softmax(1)),
        ("'div'.*no statistic", lambda y: y / (y.flip(-1).abs() + 1)),
        ("'grid_sample'.*depend on the input", lambda y: F.grid_sample(y[:, :2], y[:, 2:].permute(0, 2, 3, 1))),
        ("'sign'.*no LRP rule", torch.sign),
        ("'fft_rfft' in.*no LRP rule", lambda y: torch.fft.rfft(y).abs()),
    ],
)
@pytest.mark.filterwarnings("ignore:Default grid_sample")
def test_what_has_no_rule_is_refused_with_the_reason(words: str, operation: Any, plan_of: Any) -> None:
    net, x = between(operation)
    with pytest.raises(OperationError, match=words):
        run(net, x, plan_of(LRP_0), target=0)


def frozen(norm: str, y: Tensor, w: Tensor) -> Tensor:
    """Return a norm of (B, 4, 6, 6) by its formula, its deviation without a gradient."""
    if norm == "layer":
        mean, sd = y.mean((1, 2, 3), keepdim=True), torch.sqrt(y.var((1, 2, 3), correction=0, keepdim=True) + 1e-5)
        return (y - mean) / sd.detach() * w
    if norm == "group":
        z = y.reshape(len(y), 2, -1)
        z = (z - z.mean(2, keepdim=True)) / torch.sqrt(z.var(2, correction=0, keepdim=True) + 1e-5).detach()
        return z.view_as(y) * w.view(1, -1, 1, 1)
    if norm == "rms":
        return y / torch.sqrt(y.square().mean((2, 3), keepdim=True) + 1e-5).detach() * w
    squares = F.pad(y.square(), (0, 0, 0, 0, 1, 1))
    mean = (squares[:, :-2] + squares[:, 1:-1] + squares[:, 2:]) / 3
    return y / (1 + 1e-4 * mean.detach()) ** 0.75


@pytest.mark.parametrize("norm", ["layer", "group", "rms", "local"])
def test_norms_hold_their_deviation_fixed_and_pass_the_mean(norm: str, relevance: Any) -> None:
    made = {"layer": nn.LayerNorm((4, 6, 6)), "group": nn.GroupNorm(2, 4), "rms": nn.RMSNorm((6, 6), eps=1e-5),
            "local": nn.LocalResponseNorm(3)}[norm]  # fmt: skip
    net, x = between(*layer(made))
    leaf = x.clone().requires_grad_()
    score = net.head(frozen(norm, net.conv(leaf), getattr(made, "weight", None)).flatten(1))[:, 2]
    assert torch.allclose(score, net(x)[:, 2])
    (held,) = torch.autograd.grad(score.sum(), leaf)
    ours = relevance(net, x, LRP_0, target=2)
    assert torch.allclose(ours, x * held, rtol=1e-6, atol=1e-9 * ours.abs().max().item())


def test_a_batch_norm_without_running_statistics_passes_like_the_others(plan_of: Any) -> None:
    """Its mean mixes the samples as the model does: the relevance of the batch sums to the scores of the batch."""
    net, x = between(lambda y, m: F.relu(m(y)), nn.BatchNorm2d(4, track_running_stats=False))
    got = run(net, x, plan_of(LRP_0, GRADIENT), target=1)
    assert torch.allclose(got.relevance(LRP_0, "input").sum(), got.scores.sum())
    leaf = x.clone().requires_grad_()
    (native,) = torch.autograd.grad(net(leaf)[:, 1].sum(), leaf)
    assert torch.allclose(got.gradient(GRADIENT, "input"), native, atol=1e-14)


def test_half_gives_each_factor_half(plan_of: Any) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 2, 5, dtype=torch.float64)

    class Product(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return (x[:, 0] * x[:, 1]).sum(1, keepdim=True) * torch.ones(1, 2, dtype=x.dtype)

    half = composite("epsilon", gate="half")
    got = run(Product(), x, plan_of(half), target=0).relevance(half, "input")
    expected = 0.5 * x[:, 0] * x[:, 1]
    assert torch.allclose(got[:, 0], expected)
    assert torch.allclose(got[:, 1], expected)
    net, x = between(*gate(torch.sigmoid))
    both = run(net, x, plan_of(LRP_0, half), target=0)
    assert torch.allclose(both.relevance(LRP_0, "input").flatten(1).sum(1), both.scores, rtol=1e-6)
    assert not torch.allclose(both.relevance(half, "input").flatten(1).sum(1), both.scores, rtol=1e-2)
    account = both.ledger["epsilon"]  # the sigmoid's value at 0 takes the rest
    assert (account.total + account.biases + account.stabilisers).allclose(both.scores)


@pytest.mark.parametrize(("beta", "threshold"), [(1.0, 20.0), (0.5, 0.2), (2.0, 0.0), (1.5, -0.4)])
def test_a_softplus_is_itself_above_its_threshold(plan_of: Any, beta: float, threshold: float) -> None:
    x = torch.cat([torch.linspace(-3, 3, 31, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)])
    call = {"beta": beta, "threshold": threshold}
    at_zero = F.softplus(torch.zeros((), dtype=torch.float64), beta, threshold)
    assert torch.allclose(ratio("softplus", x, call) * x + at_zero, F.softplus(x, beta, threshold), atol=1e-12)
    net, y = between(lambda y, m: m(y), nn.Softplus(beta, threshold))
    account = run(net, y, plan_of(LRP_0), target=1).ledger["epsilon"]
    assert torch.allclose(account.other, torch.zeros_like(account.other), atol=1e-12)


@pytest.mark.parametrize("name", ["mT", "mH"])
def test_transposes_of_exported_programs_are_views(plan_of: Any, name: str) -> None:
    net, x = between(lambda y, m: m(getattr(getattr(y, name).sin(), name)), nn.Identity())
    program = torch.export.export(net, (x,)).module()
    expected = run(net, x, plan_of(LRP_0), target=1).relevance(LRP_0, "input")
    assert torch.allclose(run(program, x, plan_of(LRP_0), target=1).relevance(LRP_0, "input"), expected, atol=1e-12)

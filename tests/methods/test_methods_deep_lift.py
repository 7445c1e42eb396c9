"""DeepLift: published values, captum, and completeness over every operation that has a rule."""

from __future__ import annotations

import pytest
import torch
import torchvision
from captum.attr import DeepLift as Captum
from torch import nn
from torch.nn import functional as F

import matxai
from matxai.errors import MatxaiWarning, MethodError, OperationError
from matxai.methods import DeepLift, IntegratedGradients, attribution

KEY = "deep_lift"


class Of(nn.Module):
    """A model from a function."""

    def __init__(self, function) -> None:
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def complete(net, x, baseline=None, target=1, tolerance=1e-11):
    """Return the map; it sums to the difference of the model's own scores."""
    given = {} if baseline is None else {"baseline": lambda _: baseline}
    result = attribution(net, x, KEY, target, **given)
    start = matxai.methods.baselines.Baselines(x)("blur") if baseline is None else baseline
    with torch.no_grad():
        want = (net(x) - net(start.expand_as(x)))[:, target]
    scale = net(x).abs().max().item() + want.abs().max().item()
    got = result.maps[KEY].flatten(1).sum(1)
    assert (got - want).abs().max() < tolerance * scale
    torch.testing.assert_close(result.figures[KEY]["difference"], want, rtol=1e-9, atol=1e-12 * scale)
    assert not [w for w in result.warnings if "does not sum" in w]
    return result.maps[KEY]


@pytest.fixture
def x():
    return torch.randn(2, 3, 16, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def test_values_that_are_published():
    """Sundararajan et al. 2017, appendix: two networks of one function; DeepLift tells them apart."""
    x = torch.tensor([[3.0, 1.0]], dtype=torch.float64)
    relu, zero = torch.relu, torch.zeros(1, 2, dtype=torch.float64)
    for function, want in (
        (lambda t: relu(t[:, 0] - 1 - relu(t[:, 1])), [1.5, -0.5]),
        (lambda t: relu(relu(t[:, 0] - 1) - t[:, 1]), [2.0, -1.0]),
    ):
        net = Of(lambda t, f=function: torch.stack([0 * t[:, 0], f(t)], 1))
        assert complete(net, x, zero)[0].tolist() == pytest.approx(want, abs=1e-14)


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_captum_agrees_on_a_plain_network(axes):
    """With a convolution between ReLU and pooling: side by side captum's maps do not sum to the difference."""
    torch.manual_seed(0)
    conv = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[axes - 1]
    pool = (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d)[axes - 1]
    net = nn.Sequential(
        conv(2, 4, 3, padding=1), nn.ReLU(), conv(4, 4, 3, padding=1), pool(2), conv(4, 4, 1), nn.ELU(), nn.Flatten(),
        nn.Linear(4 * 4**axes, 6), nn.Sigmoid(), nn.Linear(6, 3), nn.Tanh(), nn.Linear(3, 3), nn.Softplus(),
    ).double().eval()  # fmt: skip
    x, baseline = torch.randn(2, 3, 2, *(8,) * axes, dtype=torch.float64)
    found = complete(net, x, baseline)
    want, delta = Captum(net).attribute(x, baseline, target=1, return_convergence_delta=True)
    assert delta.abs().max() < 1e-12
    assert (found - want).abs().max() < 1e-9 * want.abs().max()


def test_it_is_gradient_times_input_without_biases_against_zero(make_gap_net, make_input):
    net, x = make_gap_net(2, bias=False).double(), make_input(2).double()
    net[1].running_mean.zero_()
    net[1].bias.data.zero_()
    want = matxai.attribute(net, x, "input_x_gradient", 1)["input_x_gradient"]
    torch.testing.assert_close(complete(net, x, torch.zeros_like(x)), want, rtol=1e-9, atol=1e-14)


LINEAR = nn.Linear(6, 3).double()
FUNCTIONS = {
    "relu in place": lambda t: torch.relu_(t * 2 - 0.3),
    "relu6": F.relu6, "leaky_relu": lambda t: F.leaky_relu(t, 0.2, True), "elu": F.elu, "gelu": F.gelu,
    "gelu_tanh": lambda t: F.gelu(t, approximate="tanh"), "silu": F.silu, "mish": F.mish,
    "hardswish": F.hardswish, "hardsigmoid": F.hardsigmoid, "sigmoid": torch.sigmoid, "tanh": lambda t: t.tanh(),
    "softplus": F.softplus, "selu": F.selu, "celu": F.celu, "clamp": lambda t: t.clamp(-0.5, 0.7), "abs": torch.abs,
    "exp": torch.exp, "square": lambda t: t**2, "cube": lambda t: torch.pow(t, 3), "log": lambda t: (t * t + 1).log(),
    "sqrt": lambda t: torch.sqrt(t.abs() + 0.1), "prelu": nn.PReLU(3, 0.3).double(),
    "max_pool, overlapping": lambda t: F.max_pool2d(t, 3, 2, 1),
    "max_pool behind relu": lambda t: F.max_pool2d(F.relu(t), 2),
    "adaptive_max_pool": lambda t: F.adaptive_max_pool2d(t, (5, 3)),
    "adaptive_avg_pool": lambda t: F.adaptive_avg_pool2d(t, (5, 3)),
    "amax": lambda t: t.amax((2, 3), keepdim=True), "max": lambda t: t.max(2).values, "min": lambda t: t.min(-1)[0],
    "amin": lambda t: torch.amin(t, 3), "maximum": lambda t: torch.maximum(t, t.flip(-1)),
    "minimum": lambda t: torch.minimum(t, torch.full_like(t, 0.2)),
    "product": lambda t: t * t.flip(2), "square by itself": lambda t: t * t,
    "gate": lambda t: t * torch.sigmoid(t.mean((2, 3), keepdim=True)),
    "in-place product": lambda t: (t + 1).mul_(t.flip(1)), "quotient": lambda t: t / (t.flip(2).square() + 1),
    "softmin": lambda t: 3 * F.softmin(t, 1), "rpow": lambda t: 2**t, "glu": lambda t: F.glu(t, 2),
    "sdpa": lambda t: F.scaled_dot_product_attention(t, t.flip(2), 2 * t),
    "lp_pool": lambda t: F.lp_pool2d(t.exp(), 2, 2),
    "reciprocal": lambda t: 2 / (t.abs() + 1), "constant quotient": lambda t: t / 3,
    "matmul": lambda t: t @ t.transpose(2, 3), "einsum": lambda t: torch.einsum("bchw,bdhw->bcd", t, t),
    "softmax": lambda t: torch.softmax(40 * t, 2), "log_softmax": lambda t: F.log_softmax(t, 1),
    "layer_norm": lambda t: F.layer_norm(t, (16, 12), torch.arange(192.0).view(16, 12).double() / 99),
    "group_norm": lambda t: F.group_norm(t, 1, torch.tensor([1.0, 2.0, -1.0]).double(), torch.ones(3).double()),
    "instance_norm": lambda t: F.instance_norm(t, eps=0.1), "rms_norm": lambda t: F.rms_norm(t, (12,)),
    "interpolation": lambda t: F.interpolate(t, scale_factor=0.5, mode="bilinear"),
    "cat and pad": lambda t: F.pad(torch.cat([t, t.relu()], 1), (1, 1)),
}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_operation_with_a_rule_adds_up(name, x):
    """In a network: mixed by a linear layer in front and by another nonlinearity behind, against two baselines."""
    torch.manual_seed(0)
    mix = nn.Conv2d(3, 3, 1).double()
    weight = torch.randn(2, 4000, dtype=torch.float64)

    def forward(t):
        flat = FUNCTIONS[name](mix(t) + 0).flatten(1)
        return torch.tanh(flat @ weight[:, : flat.shape[1]].T / flat.shape[1]) + flat.mean(1, keepdim=True)

    net = Of(forward).eval()
    complete(net, x)
    far = torch.full_like(x, -0.4)
    far[:, :, :4] = x[:, :, :4]  # where input and baseline are equal
    found = complete(net, x, far)
    assert found[:, :, :4].abs().max() == 0


def test_a_ratio_is_the_slope_where_input_and_baseline_are_nearly_equal(x):
    """Multipliers times a tiny difference: by integrated gradients of a smooth function, which are exact there."""
    net = Of(lambda t: torch.stack([torch.tanh(t).sum((1, 2, 3)), F.gelu(t).square().sum((1, 2, 3))], 1))
    for size in (1e-3, 1e-7, 1e-9, 1e-13):
        baseline = x + size * torch.randn_like(x)
        both = [KEY, IntegratedGradients(steps=3)]
        found = attribution(net, x, both, 1, baseline=lambda _, b=baseline: b).maps
        torch.testing.assert_close(found[KEY], found["integrated_gradients"], rtol=1e-6, atol=0)


BLOCKS = [torchvision.models.convnext.CNBlockConfig(16, 32, 2), torchvision.models.convnext.CNBlockConfig(32, None, 2)]
SMALL = {
    "convnext": lambda: torchvision.models.ConvNeXt(BLOCKS, layer_scale=0.5),
    "swin": lambda: torchvision.models.SwinTransformer([4, 4], 24, [2, 2], [2, 4], [2, 2]),
}


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small", "regnet_y_400mf", "convnext", "swin"])
def test_residual_gated_and_normalised_networks_add_up(name):
    """Reused and in-place ReLUs, residual adds, squeeze-excite, layer norm and attention: captum refuses the first."""
    torch.manual_seed(0)
    make = SMALL.get(name) or getattr(torchvision.models, name)
    net = make().double().eval()
    found = complete(net, torch.randn(1, 3, 32, 32, dtype=torch.float64), tolerance=1e-10)
    assert found.abs().max() > 0


class Recurrent(nn.Module):
    def __init__(self, layer, **options) -> None:
        super().__init__()
        self.layer, self.head = layer(3, 5, **options), nn.Linear(5, 2)

    def forward(self, x):
        first = self.layer.batch_first
        out, _ = self.layer(x.transpose(1, 2) if first else x.permute(2, 0, 1))
        return self.head(out[:, -1] if first else out[-1])


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("layer", [nn.LSTM, nn.GRU])
def test_recurrent_networks_add_up(layer, batch_first):
    torch.manual_seed(0)
    net = Recurrent(layer, batch_first=batch_first).double().eval()
    complete(net, torch.randn(2, 3, 12, dtype=torch.float64))


@pytest.mark.parametrize("batch_first", [True, False])
def test_a_transformer_adds_up(batch_first):
    torch.manual_seed(0)
    block = nn.TransformerEncoderLayer(4, 2, 8, batch_first=batch_first, activation="gelu").double()
    mix = nn.Conv1d(3, 4, 1).double()

    def forward(t):
        tokens = mix(t).transpose(1, 2)
        out = block(tokens) if batch_first else block(tokens.transpose(0, 1)).transpose(0, 1)
        return out.square().mean(1)

    net = Of(forward).eval()
    net.block = block.eval()
    if batch_first:
        complete(net, torch.randn(2, 3, 9, dtype=torch.float64))
    else:  # norms and functions of one value see the tokens in front
        with pytest.raises(OperationError, match="no batch axis in front"):
            attribution(net, torch.randn(2, 3, 9, dtype=torch.float64), KEY, 1)


def test_passes_targets_and_batches(make_gap_net, make_input, untouched_state):
    net, x = make_gap_net(2).double(), make_input(2).double()
    target = matxai.targets.each(0, [1, 2, 3])
    planned = matxai.plan(KEY)
    assert (planned.forwards, planned.backwards) == (3, 2)
    with untouched_state(net):
        result = attribution(net, x, [KEY, "saliency"], target, budget=1)
    assert (result.forwards, result.backwards) == (1 + 2, 2 + 4)
    assert result.maps[KEY].shape == (2, *x.shape)
    assert result.figures[KEY]["gap"].shape == (2, 3)
    one = matxai.attribute(net, x[2:], KEY, 3)[KEY]
    torch.testing.assert_close(one, result.maps[KEY][1, 2:], rtol=1e-10, atol=1e-14)
    half = attribution(net.bfloat16(), x.bfloat16(), KEY, 0)
    assert half.maps[KEY].dtype == torch.float32


@pytest.fixture
def untouched_state():
    from contextlib import contextmanager

    @contextmanager
    def guard(net):
        before = {k: v.clone() for k, v in net.state_dict().items()}, [sorted(m.__dict__) for m in net.modules()]
        yield
        assert all(torch.equal(v, before[0][k]) for k, v in net.state_dict().items())
        assert [sorted(m.__dict__) for m in net.modules()] == before[1]

    return guard


def test_a_score_that_is_no_single_logit_adds_up_to_its_linear_part(make_gap_net, make_input):
    net, x = make_gap_net(2).double(), make_input(2).double()
    result = attribution(net, x, KEY, matxai.targets.contrast(1, 3))
    blur = matxai.methods.baselines.Baselines(x)("blur")
    with torch.no_grad():
        want = net(x) - net(blur)
    torch.testing.assert_close(result.maps[KEY].flatten(1).sum(1), want[:, 1] - want[:, 3], rtol=1e-9, atol=1e-13)


def test_operations_without_a_rule_are_named(x):
    def ends(function):
        return Of(lambda t: function(t).flatten(1)[:, :2]).eval()

    for function, sentence in (
        (lambda t: t.sort(3).values, "'sort' in the model's own forward: it has no rule for differences"),
        (lambda t: F.normalize(t, dim=1), "has no rule"),
        (lambda t: 2 * torch.softmax(t, 0), "runs over the samples of the batch"),
        (lambda t: t[..., :11].transpose(0, 3).relu().transpose(0, 3), "has no batch axis in front"),
        (lambda t: torch.pow(2.0, t), "exponent depends on the input"),
    ):
        with pytest.raises(OperationError, match=rf"DeepLift cannot pass the operation.*{sentence}"):
            attribution(ends(function), x, KEY, 0)
        left = attribution(ends(function), x, [KEY, "saliency"], 0, leave_out=True)
        assert list(left.maps) == ["saliency"]
        assert "Use integrated_gradients" in left.left_out[KEY]
    aside = Of(lambda t: (t.flatten(1)[:, :2], t.sort(3).values)).eval()  # not on the way of the scores
    assert attribution(aside, x, KEY, 0).maps[KEY].isfinite().all()


def test_what_the_engine_cannot_see_is_warned_about(x):
    net = Of(lambda t: (t * t.detach().sigmoid()).flatten(1)[:, :2]).eval()
    with pytest.warns(MatxaiWarning, match="does not sum to the difference"):
        matxai.attribute(net, x, KEY, 0)


def test_options():
    assert DeepLift().key == KEY
    assert DeepLift(baseline="mean").key == "deep_lift:mean"
    with pytest.raises(MethodError, match="There is no baseline 'grey'"):
        DeepLift(baseline="grey")
    with pytest.raises(MethodError, match="of deep_lift has no effect"):
        DeepLift(value=0.5)


def test_several_baselines_are_averaged_with_one_pair_each(make_gap_net, make_input):
    net, x, target = make_gap_net(2).double(), make_input(2).double(), matxai.targets.each(0, 2)
    alone = [attribution(net, x, DeepLift(baseline=b, name=KEY), target) for b in ("blur", "noise")]
    method = DeepLift(baseline=("blur", "noise"))
    both = attribution(net, x, method, target)
    torch.testing.assert_close(both.maps[KEY], sum(a.maps[KEY] for a in alone) / 2, rtol=1e-10, atol=1e-14)
    for figure in ("gap", "difference"):
        want = sum(a.figures[KEY][figure] for a in alone) / 2
        torch.testing.assert_close(both.figures[KEY][figure], want, rtol=1e-9, atol=1e-13)
    assert (both.forwards, both.backwards) == (1 + 4, 8)
    assert (matxai.plan(method).forwards, matxai.plan(method).backwards) == (5, 4)
    assert DeepLift(baseline=("white",)).key == "deep_lift:white"
    with pytest.raises(MethodError, match="deep_lift has an empty list of baselines"):
        DeepLift(baseline=())
    with pytest.raises(MethodError, match="There is no baseline 'grey'"):
        DeepLift(baseline=("blur", "grey"))

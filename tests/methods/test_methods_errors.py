"""What a caller gets wrong, said in one sentence with what would be right; and what an empty map says."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import nn

import matxai
from matxai.errors import LayerError, MatxaiError, MatxaiWarning, MethodError, ModelError, TargetError
from matxai.methods import LRP, GradCAM, MultilayerGradCAM, attribute, attribution, methods


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("gradcam", "There is no method 'gradcam'. Did you mean 'grad_cam'"),
        ("grad_cam:counterfactal", "has no variant 'counterfactal'. Did you mean 'counterfactual'?"),
        ("lrp:epsilon_pluss", "Did you mean 'epsilon_plus'"),
        ("saliency:square", "The method 'saliency' has no variant 'square'. It has none."),
        (["grad_cam", "grad_cam"], "Two methods are called 'grad_cam'"),
        ([], "No method is asked for"),
        (3, "A method is a name"),
        ("lrp:epsilon_gamma_box", "low=, high="),
    ],
)
def test_unknown_methods(make_gap_net, make_input, given, says):
    with pytest.raises(MethodError) as caught:
        attribute(make_gap_net(2), make_input(2), given, 0)
    assert says in str(caught.value)


def test_options_that_do_not_exist():
    with pytest.raises(MethodError, match="no composite 'zplus'"):
        LRP(composite="zplus")
    with pytest.raises(MethodError, match="no fusion 'median'"):
        MultilayerGradCAM(fuse="median")
    with pytest.raises(MethodError, match="weights belong to fuse='weighted_sum'"):
        MultilayerGradCAM(weights=(1.0,))


def test_weights_that_do_not_fit(make_gap_net, make_input):
    method = MultilayerGradCAM(fuse="weighted_sum", weights=(1.0, 2.0))
    with pytest.raises(MethodError, match="2 weights for 1 layer"):
        attribute(make_gap_net(2), make_input(2), method, 0)


def test_unknown_layer_target_and_placement(make_gap_net, make_input):
    net, x = make_gap_net(2), make_input(2)
    with pytest.raises(LayerError):
        attribute(net, x, "grad_cam", 0, ["layer9"])
    with pytest.raises(TargetError):
        attribute(net, x, "grad_cam", 9)
    with pytest.raises(MethodError, match=r"There is no placement 'gird'. Did you mean 'grid'"):
        attribute(net, x, "grad_cam", 0, placement="gird")


def test_a_model_without_convolution():
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 3)).eval()
    with pytest.raises(MethodError, match="convolution"):
        attribute(net, torch.randn(2, 1, 16), "grad_cam", 0)
    assert attribute(net, torch.randn(2, 1, 16), "saliency", 0)["saliency"].shape == (2, 1, 16)


class TwoLayers(nn.Module):
    """A head of two linear layers: no CAM."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3)
        self.head = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 3))

    def forward(self, x):
        return self.head(self.conv(x).relu().mean((2, 3)))


class Flattened(nn.Module):
    """A flatten + linear head: no CAM."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3, stride=4)
        self.head = nn.Linear(4 * 8 * 6, 3)

    def forward(self, x):
        return self.head(self.conv(x).relu().flatten(1))


@pytest.mark.parametrize("make", [TwoLayers, Flattened])
def test_cam_needs_its_head(make, make_input):
    with pytest.raises(MethodError, match="global average pooling"):
        attribute(make().eval(), make_input(2), "cam", 0)


def test_cam_of_a_layer_that_is_not_pooled(make_gap_net, make_input):
    with pytest.raises(MethodError, match="global average pooling"):
        attribute(make_gap_net(2), make_input(2), "cam", 0, ["2"])


def test_an_all_zero_cam_says_so(make_gap_net, make_input):
    net = make_gap_net(2)
    net[8].weight.data.abs_().neg_()
    x = make_input(2)
    result = attribution(net, x, ["grad_cam", "saliency"], 1)
    assert [(e.method, e.layer, e.sample) for e in result.empty] == [
        ("grad_cam", result.layers[0], b) for b in range(3)
    ]
    (signed,) = attribute(net, x, "grad_cam", 1, relu=False, upsample=False)["grad_cam"]
    for e in result.empty:
        assert e.minimum == pytest.approx(float(signed[e.sample].min()), rel=1e-5)
        assert e.gradient_norm > 0
        assert "no positive evidence" in e.sentence
        assert e.sentence in result.notes
    assert not result.maps["grad_cam"].any()
    with pytest.warns(MatxaiWarning, match="no positive evidence"):
        attribute(net, x, "grad_cam", 1)


def test_keys_of_objects():
    assert GradCAM().key == "grad_cam"
    assert GradCAM(counterfactual=True).key == "grad_cam:counterfactual"
    assert GradCAM(counterfactual=True, name="against").key == "against"
    assert LRP().key == "lrp"
    assert LRP(composite="epsilon_plus_flat").key == "lrp:epsilon_plus_flat"
    assert methods["lrp"].of("epsilon_plus", name="lrp:epsilon_plus").key == "lrp:epsilon_plus"


def test_every_method_tells_about_itself():
    assert {"saliency", "cam", "grad_cam", "lrp"} <= set(methods)
    for name, method in methods.items():
        assert method.kind == name
        for text in (method.about.question, method.about.resolution, method.about.guarantee, method.about.misleads):
            assert len(text) > 5
        assert method.about.paper


def test_methods_are_listed_without_torch():
    code = (
        "import sys; from matxai.methods import methods, GradCAM, resolve; "
        "[m.about for m in methods.values()]; resolve(['grad_cam', 'lrp:epsilon']); "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_errors_are_of_the_family():
    with pytest.raises(MatxaiError):
        matxai.plan("nothing_of_the_kind")


@pytest.mark.parametrize(
    ("shape", "dtype", "says"),
    [
        ((2, 3, 32, 24), torch.float32, ("(2, 3, 32, 24)", "layer '0' (Conv2d)", "3 channels instead", "takes 2 chan")),
        ((2, 2, 2), torch.float32, ("(2, 2, 2)", "layer '1' (BatchNorm2d)", "expected 4D", "number of axes")),
        ((3, 4, 4), torch.float32, ("(3, 4, 4)", "layer '0' (Conv2d)", "takes 2 channel(s) and 2 spatial axes")),
        ((2, 2, 32, 24), torch.float64, ("float64", "layer '0' (Conv2d)", "give it as torch.float32")),
    ],
)
@pytest.mark.parametrize("method", ["saliency", "grad_cam", "lrp"])
def test_an_input_that_the_network_cannot_take(make_gap_net, method, shape, dtype, says):
    net = make_gap_net(2)
    with pytest.raises(ModelError) as caught:
        attribute(net, torch.zeros(shape, dtype=dtype), method, 0)
    assert isinstance(caught.value.__cause__, RuntimeError | ValueError)
    assert "\n" not in str(caught.value)
    for words in says:
        assert words in str(caught.value)
    with pytest.raises(ModelError, match="cannot take the input"):
        matxai.layers(net, torch.zeros(shape, dtype=dtype))


@pytest.mark.filterwarnings("ignore:.*torch.jit.script:")
def test_an_error_of_the_models_own_code_is_passed_on_in_one_sentence(make_input):
    class Fails(nn.Module):
        def forward(self, x):
            raise ValueError("first line\nsecond line")

    with pytest.raises(ModelError, match=r"in layer '0' \(Fails\) it stopped with 'first line';") as caught:
        attribute(nn.Sequential(Fails()), make_input(2), "saliency", 0)
    assert isinstance(caught.value.__cause__, ValueError)
    fails = Fails()
    fails.in_channels, fails.kernel_size = 2, 3  # a layer of the user's own, with numbers of its own kind
    with pytest.raises(ModelError, match=r"layer '0' takes 2 channel\(s\)\.$"):
        attribute(nn.Sequential(fails), make_input(2), "saliency", 0)
    with pytest.raises(ModelError, match="takes 8 features"):
        attribute(nn.Sequential(nn.Flatten(), nn.Linear(8, 2)), torch.randn(2, 1, 9), "saliency", 0)
    scripted = torch.jit.script(nn.Conv2d(2, 3, 3))
    with pytest.raises(ModelError, match=r"own forward it stopped with '.*Given groups=1") as caught:
        attribute(scripted, torch.randn(2, 3, 8, 8), "saliency", lambda out: out.sum((1, 2, 3)))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("method", ["saliency", "grad_cam", "lrp"])
def test_an_empty_batch(make_gap_net, make_input, method):
    with pytest.raises(ModelError, match=r"\(0, 2, 32, 24\) is empty; give at least one sample"):
        attribute(make_gap_net(2), make_input(2)[:0], method)


@pytest.mark.parametrize("options", [{}, {"upsample": False}, {"placement": "grid"}])
@pytest.mark.parametrize("name", sorted(n for n in methods if methods[n].at_layers and n != "cam"))
def test_a_layer_without_spatial_axes(make_gap_net, make_input, name, options):
    words = r"Layer '8' gives \(3, 4\), without spatial axes, so .* nearest layers with some are '6' or '5' or '4'"
    with pytest.raises(LayerError, match=words):
        attribute(make_gap_net(2), make_input(2), name, 0, ["5", "8"], **options)


class Several(nn.Module):
    """One convolution and one head, with ways to hide them from each other."""

    def __init__(self, way):
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3)
        self.head = nn.Linear(4, 3)
        self.way = way

    def forward(self, x):
        y = self.conv(x).relu()
        if self.way == "detach":
            y = y.detach()
        y = self.head(y.mean((2, 3)))
        if self.way == "numpy":
            return torch.from_numpy(y.detach().numpy().copy())
        if self.way == "tuple":
            return y, 2 * y
        return {"a": y, "b": 2 * y} if self.way == "dictionary" else y


@pytest.mark.parametrize("name", ["grad_cam", "multilayer_grad_cam", "guided_grad_cam"])
@pytest.mark.parametrize(
    ("way", "options", "error", "says"),
    [
        ("dictionary", {}, TargetError, r"dictionary of \['a', 'b'\]; name one of them with output="),
        ("dictionary", {"output": "c"}, TargetError, "output has no 'c'. It has: a, b"),
        ("dictionary", {"target": lambda out: out["a"][:, 0]}, LayerError, "name it with output=, or a layer with"),
        ("tuple", {"output": "7"}, TargetError, "tuple of tensors 0 to 1; output='7' is none of them"),
        ("tuple", {"output": "a"}, TargetError, "tuple of tensors 0 to 1; output='a' is none of them"),
        ("detach", {}, ModelError, "cuts the way from layer 'conv' to the scores"),
        ("numpy", {}, ModelError, "cuts the way from layer 'conv' to the scores"),
    ],
)
def test_a_convolution_that_ran_is_not_said_to_be_missing(make_input, name, way, options, error, says):
    with pytest.raises(error, match=says):
        attribute(Several(way).eval(), make_input(2), name, **{"target": 0, **options})


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("layers", [None, ["0"], [-1]])
def test_torchscript_is_named_as_what_hides_the_layers(make_gap_net, make_input, layers):
    net, x = make_gap_net(2), make_input(2)
    with pytest.raises(ModelError, match="The model is a TorchScript program"):
        attribute(torch.jit.script(net), x, "grad_cam", 0, layers)
    mixed = nn.Sequential(torch.jit.script(net[:6]), *net[6:])
    with pytest.raises(ModelError, match="The layer '0' is a TorchScript program"):
        attribute(mixed, x, "grad_cam", 0)
    assert attribute(torch.jit.script(net), x, "saliency", 0)["saliency"].abs().sum() > 0


def test_the_default_layer_belongs_to_the_output_that_is_asked_for(make_input):
    """Two outputs of one model, one after the other: each has its own last feature map."""

    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.early, self.late = nn.Conv2d(2, 4, 3), nn.Conv2d(4, 3, 3)

        def forward(self, x):
            y = self.early(x)
            return {"early": y.mean((2, 3)), "late": self.late(y).mean((2, 3))}

    net, x = Two().eval(), make_input(2)
    for output in ("early", "late", "early"):
        assert attribution(net, x, "grad_cam", 0, output=output, relu=False).layers == (output,)

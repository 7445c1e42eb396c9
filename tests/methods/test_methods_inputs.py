"""Models of several inputs: all explained at once, or one with the others going along."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import matxai
from matxai.engine import memory, targets
from matxai.errors import LayerError, MethodError, ModelError
from matxai.methods import attribute, attribution

METHODS = ["saliency", "input_x_gradient", "guided_backprop", "lrp:epsilon"]


class Two(nn.Module):
    """An image and a spectrum, a label as integers, and a number."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.image = nn.Sequential(nn.Conv2d(2, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(inplace=True))
        self.spectrum = nn.Sequential(nn.Conv1d(3, 4, 3, bias=False), nn.ReLU())
        self.embedding, self.head = nn.Embedding(5, 4), nn.Linear(4, 3, bias=False)

    def forward(self, image, spectrum, label=None, gain=1.0):
        y = self.image(image).mean((2, 3)) + self.spectrum(spectrum).mean(2)
        if label is not None:
            y = y * self.embedding(label).sigmoid()
        return self.head(y) * gain


@pytest.fixture
def net():
    return Two().double().eval()


@pytest.fixture
def given():
    generator = torch.Generator().manual_seed(1)
    image = torch.randn(2, 2, 8, 8, generator=generator, dtype=torch.float64)
    return image, torch.randn(2, 3, 16, generator=generator, dtype=torch.float64), torch.tensor([1, 4])


def gradients(net, image, spectrum, label, gain, target=1):
    a, b = image.clone().requires_grad_(), spectrum.clone().requires_grad_()
    return torch.autograd.grad(net(a, b, label, gain)[:, target].sum(), [a, b])


def test_every_input_is_explained(net, given):
    image, spectrum, label = given
    expected = gradients(net, image, spectrum, label, 2.0)
    before = {k: v.clone() for k, v in net.state_dict().items()}
    result = attribution(net, (image, spectrum), [*METHODS, "grad_cam"], 1, ["image"], inputs=(label, 2.0))
    for got, g in zip(result.maps["saliency"], expected, strict=True):
        assert torch.allclose(got, g)
    for got, g, x in zip(result.maps["input_x_gradient"], expected, (image, spectrum), strict=True):
        assert torch.allclose(got, g * x)
    relevance = result.maps["lrp:epsilon"]
    assert torch.allclose(sum(r.flatten(1).sum(1) for r in relevance), result.ledger["epsilon"].total)
    assert result.maps["grad_cam"].shape == (2, 1, 8, 8)
    assert (result.forwards, result.backwards) == (1, 3)
    named = attribute(net, {"image": image, "spectrum": spectrum}, METHODS, 1, inputs={"label": label, "gain": 2.0})
    for key in METHODS:
        assert list(named[key]) == ["image", "spectrum"]
        for a, b in zip(named[key].values(), result.maps[key], strict=True):
            assert torch.equal(a, b)
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())
    assert not any(m._forward_hooks for m in net.modules())


def test_an_input_without_a_way_to_the_score_has_no_relevance(net, given):
    image, spectrum, _ = given
    maps = attribute(net, (image, spectrum), "saliency", targets.neuron("spectrum", 1))["saliency"]
    assert not maps[0].any()
    assert maps[1].any()


def test_one_input_is_explained_and_the_others_go_along(net, given):
    image, spectrum, label = given
    expected = gradients(net, image, spectrum, label, 1.0)
    for inputs in ((spectrum, label), {"spectrum": spectrum, "label": label}):
        assert torch.allclose(attribute(net, image, "saliency", 1, inputs=inputs)["saliency"], expected[0])
    assert torch.allclose(attribute(net, image, "saliency", 1, inputs=spectrum)["saliency"],
                          gradients(net, image, spectrum, None, 1.0)[0])  # fmt: skip
    last = attribute(net, {"spectrum": spectrum}, "saliency", 1, inputs={"image": image, "label": label})["saliency"]
    assert torch.allclose(last["spectrum"], expected[1])


@pytest.mark.filterwarnings("ignore:integrated_gradients")
@pytest.mark.parametrize("method", ["smooth_grad", "integrated_gradients", "gradient_shap", "occlusion", "kernel_shap"])
def test_copies_take_the_other_inputs_along_sample_by_sample(net, given, method, monkeypatch):
    image, spectrum, label = given
    both = attribute(net, image, method, 1, inputs=(spectrum, label), budget=8)[method]
    for i in range(2):
        one = slice(i, i + 1)
        alone = attribute(net, image[one], method, 1, inputs=(spectrum[one], label[one]), budget=8)[method]
        if method != "smooth_grad":  # its noise belongs to the sample's place in the batch
            assert torch.allclose(alone, both[one], rtol=1e-9, atol=1e-12)
    monkeypatch.setitem(memory.LARGEST, "cpu", 6)  # three copies of both samples at once, eight in all
    chunks = attribute(net, image, method, 1, inputs=(spectrum, label), budget=8)[method]
    assert torch.allclose(chunks, both, rtol=1e-9, atol=1e-12)
    swapped = attribute(net, image, method, 1, inputs=(spectrum, label.flip(0)), budget=8)[method]
    assert not torch.allclose(swapped, both)


@pytest.mark.parametrize(
    ("x", "inputs", "method", "error", "says"),
    [
        (lambda a, b: (a, b[:1]), None, "saliency", ModelError, r"Input '1' is \(1, 3, 16\) and the first \(2, 2"),
        (lambda a, b: (a, b), None, "smooth_grad", MethodError, "smooth_grad runs changed copies of one input, and 2"),
        (lambda a, b: a, 3, "saliency", ModelError, "a dictionary of keyword arguments, not a int"),
        (lambda a, b: {"image": a}, {"image": 1}, "saliency", ModelError, "Input 'image' is given twice"),
        (lambda a, b: (a, 3), None, "saliency", ModelError, "Input '1' is a int; every explained input is a tensor"),
        (lambda a, b: (a, b.long()), None, "saliency", ModelError, "type torch.int64; convert it to floating point"),
        (lambda a, b: (a, b * float("nan")), None, "saliency", ModelError, "holds NaN or infinite values"),
        (lambda a, b: (), None, "saliency", ModelError, "There is no input"),
        (lambda a, b: a, None, "saliency", ModelError, "missing 1 required positional argument: 'spectrum'"),
        (lambda a, b: (a, b), {"lable": 1}, "saliency", ModelError, "unexpected keyword argument 'lable'"),
        (lambda a, b: (a, b), None, "grad_cam", LayerError, "do not lie along the input's 2 axes"),
    ],
)  # fmt: skip
def test_inputs_that_do_not_fit(net, given, x, inputs, method, error, says):
    image, spectrum, _ = given
    with pytest.raises(error, match=says):
        attribute(net, x(image, spectrum), method, 1, ["spectrum"], inputs=inputs)
    assert not any(m._forward_hooks or m.training for m in net.modules())


def test_black_boxes_and_exported_programs_take_one_input(net, given):
    image, spectrum, _ = given
    program = torch.export.export(net, (image, spectrum)).module()
    with pytest.raises(ModelError, match=r"torch.export program is explained with one input"):
        attribute(program, (image, spectrum), "saliency", 1)
    box = matxai.black_box(lambda a: a.mean((2, 3)))
    with pytest.raises(ModelError, match="takes one input"):
        attribute(box, image, "occlusion", 1, inputs=spectrum)

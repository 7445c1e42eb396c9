"""Gradient and CAM methods equal captum and pytorch-grad-cam to 1e-4 of the map's largest value (grid placement)."""

from __future__ import annotations

import copy
import warnings

import numpy as np
import pytest
import torch
import torchvision
from torch import nn

from matxai.methods import attribute

LAYER = "layer3"


@pytest.fixture(scope="module")
def resnet():
    torch.manual_seed(0)
    module = torchvision.models.resnet18(weights=None, num_classes=10)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.normal_(0, 0.1)
            part.running_var.uniform_(0.5, 1.5)
    return module.eval()


@pytest.fixture(scope="module")
def plain(resnet):
    """The same network without in-place ReLUs, for captum's module hooks."""
    module = copy.deepcopy(resnet)
    for part in module.modules():
        if isinstance(part, nn.ReLU):
            part.inplace = False
    return module


@pytest.fixture(scope="module")
def x():
    return torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(3))


TARGETS = [3, 7]


def close(got, want, tolerance=1e-4):
    want = torch.as_tensor(want)
    assert got.shape == want.shape
    assert want.abs().max() > 0
    assert (got - want).abs().max() <= tolerance * want.abs().max()


@pytest.fixture(scope="module")
def ours(resnet, x):
    names = [
        "saliency",
        "input_x_gradient",
        "guided_backprop",
        "grad_cam",
        "guided_grad_cam",
        "grad_cam:counterfactual",
    ]
    return attribute(resnet, x, names, TARGETS, [LAYER], placement="grid")


def test_input_methods_equal_captum(plain, x, ours):
    from captum.attr import GuidedBackprop, InputXGradient, Saliency

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        xx = x.clone()
        close(ours["saliency"], Saliency(plain).attribute(xx, target=TARGETS, abs=False).detach())
        close(ours["input_x_gradient"], InputXGradient(plain).attribute(x.clone(), target=TARGETS).detach())
        close(ours["guided_backprop"], GuidedBackprop(plain).attribute(x.clone(), target=TARGETS).detach())


def test_grad_cam_equals_captum(plain, x, ours):
    from captum.attr import GuidedGradCam, LayerAttribution, LayerGradCam

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cam = LayerGradCam(plain, plain.layer3).attribute(x, target=TARGETS, relu_attributions=True)
        close(ours["grad_cam"], LayerAttribution.interpolate(cam, (64, 64), "bilinear").detach())
        signed = LayerGradCam(plain, plain.layer3).attribute(x, target=TARGETS)
        against = (-signed).relu()
        close(ours["grad_cam:counterfactual"], LayerAttribution.interpolate(against, (64, 64), "bilinear").detach())
        guided = GuidedGradCam(plain, plain.layer3).attribute(x.clone(), target=TARGETS, interpolate_mode="bilinear")
        close(ours["guided_grad_cam"], guided.detach())


@pytest.mark.parametrize(
    ("name", "peer"),
    [
        ("grad_cam", "GradCAM"),
        ("grad_cam_pp", "GradCAMPlusPlus"),
        ("hires_cam", "HiResCAM"),
        ("xgrad_cam", "XGradCAM"),
        ("layer_cam", "LayerCAM"),
    ],
)
def test_cams_equal_pytorch_grad_cam(resnet, x, name, peer):
    """Before its min-max of every image, from activations and gradients that plain hooks and autograd deliver.

    The head is scaled up: the peer guards Grad-CAM++ with an absolute 1e-6 beside the squares of the gradients.
    """
    import pytorch_grad_cam

    module = copy.deepcopy(resnet).double()
    module.fc.weight.data.mul_(1e3)
    seen = {}

    def keep(part, args, out):
        seen["A"] = out

    handle = module.layer3.register_forward_hook(keep)
    score = module(x.double())[range(2), TARGETS].sum()
    handle.remove()
    (g,) = torch.autograd.grad(score, seen["A"])
    engine = getattr(pytorch_grad_cam, peer)(copy.deepcopy(module), [])
    want = engine.get_cam_image(x, module.layer3, None, seen["A"].detach().numpy(), g.numpy(), False)
    (got,) = attribute(module, x.double(), [name], TARGETS, [LAYER], relu=False, upsample=False)[name]
    close(got, np.asarray(want))
    (rectified,) = attribute(module, x.double(), [name], TARGETS, [LAYER], upsample=False)[name]
    close(rectified, np.maximum(want, 0))

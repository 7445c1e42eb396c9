"""Bad input: one sentence that names what is wrong, where, and what would be right; the module is as it was."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from matxai.engine import targets
from matxai.errors import LayerError, MatxaiError, ModelError, OperationError, TargetError
from matxai.methods import attribute


class Written(nn.Module):
    """A convolution and a head; what happens between them is given."""

    def __init__(self, between=lambda y: y, after=lambda y: y):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.unused, self.head = nn.Conv2d(2, 4, 3), nn.Conv2d(4, 4, 1), nn.Linear(4, 3)
        self.register_buffer("calls", torch.zeros(()))
        self.between, self.after = between, after

    def forward(self, x):
        self.calls += 1
        self.last = self.conv(x)
        return self.after(self.head(self.between(self.last.relu().mean((2, 3)))))


class Exhausted(torch.autograd.Function):
    """A backward that the memory does not suffice for."""

    @staticmethod
    def forward(ctx, y):
        return y.clone()

    @staticmethod
    def backward(ctx, g):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")


def too_much(y):
    torch.empty(10**15)
    return y


def dense(y):
    return y[:, :, None, None].expand(-1, -1, 6, 6)


X = torch.randn(2, 2, 8, 8, generator=torch.Generator().manual_seed(0))
BAD = {
    "output is not finite": (
        Written(lambda y: torch.log(-1 - y)),
        X,
        "saliency",
        0,
        ModelError,
        r"holds NaN or infinite values for this input: they begin in the operation 'log' in the model's own",
    ),
    "half precision overflows": (
        Written(lambda y: (y + 1) * 1e6).half(),
        X.half(),
        "saliency",
        0,
        ModelError,
        "they begin in the operation 'mul' .*; run the model in float32",
    ),
    "layer never runs": (
        Written(),
        X,
        "grad_cam",
        0,
        LayerError,
        "never gets a tensor from layer 'unused'. Layers: conv",
    ),
    "graph is cut": (
        Written(after=lambda y: y.detach()),
        X,
        "saliency",
        0,
        TargetError,
        r"score of class 0 has no gradient: the forward cuts the graph \(no_grad, detach, NumPy\)",
    ),
    "labels": (Written(after=lambda y: y.argmax(1)), X, "saliency", None, TargetError, "has no gradient"),
    "one number for all": (
        Written(after=lambda y: y.sum()),
        X,
        "saliency",
        0,
        TargetError,
        r"The output is \(\); it needs one entry for each of 2 samples",
    ),
    "some samples": (
        Written(after=lambda y: y[:1]),
        X,
        "saliency",
        0,
        TargetError,
        r"The output is \(1, 3\); it needs one entry for each of 2 samples",
    ),
    "memory": (
        Written(too_much),
        X,
        "saliency",
        0,
        ModelError,
        r"Memory does not suffice for 2 samples of \(2, 8, 8\) at once; give fewer, or a smaller input",
    ),
    "memory for one": (
        Written(too_much),
        X[:1],
        "lrp",
        0,
        ModelError,
        r"Memory does not suffice even for one sample of \(2, 8, 8\); give a smaller input, run the model in half",
    ),
    "memory in the backward": (
        Written(after=Exhausted.apply),
        X[:1],
        "saliency",
        0,
        ModelError,
        "Memory does not suffice even for one sample",
    ),
    "no rule": (
        Written(lambda y: torch.linalg.vander(y)[..., 1]),
        X,
        "lrp",
        0,
        OperationError,
        "LRP cannot pass the operation '.*' in the model's own forward: .*Use a gradient or CAM method",
    ),
    "channels": (Written(), X[:, :1], "saliency", 0, ModelError, r"layer 'conv' \(Conv2d\).*takes 2 channel"),
    "axes": (Written(), X[..., 0], "saliency", 0, ModelError, r"layer 'conv' \(Conv2d\).*2 spatial axes"),
    "size": (Written(), X[..., :2], "saliency", 0, ModelError, "none shorter than its kernel"),
    "type": (
        Written(),
        X.double(),
        "saliency",
        0,
        ModelError,
        "give it as torch.float32, the type of the model's weights",
    ),
    "integers": (Written(), X.long(), "saliency", 0, ModelError, "type torch.int64; convert it to floating point"),
    "complex": (Written(), X.to(torch.complex64), "saliency", 0, ModelError, "type torch.complex64; convert it"),
    "no sample": (Written(), X[:0], "saliency", 0, ModelError, r"\(0, 2, 8, 8\) is empty; give at least one sample"),
    "nan": (Written(), X * float("nan"), "saliency", 0, ModelError, "input holds NaN or infinite values.*replace them"),
    "numpy": (Written(), X.numpy(), "saliency", 0, ModelError, "The input is a ndarray; it must be a tensor, a batch"),
    "file": (Written(), "steel.tif", "saliency", 0, ModelError, "The input is a str; it must be a tensor, a batch"),
    "no values": (Written().to("meta"), X.to("meta"), "saliency", 0, ModelError, "on the device 'meta'"),
    "function": (
        lambda x: x,
        X,
        "saliency",
        0,
        ModelError,
        r"The model is a function; give an nn.Module, or matxai.black",
    ),
    "nothing": (None, X, "saliency", 0, ModelError, "The model is a NoneType; give an nn.Module"),
    "class": (Written(), X, "saliency", 3, TargetError, "3 classes, 0 to 2; there is no class 3"),
    "class below": (Written(), X, "saliency", -4, TargetError, "there is no class -4"),
    "class name": (Written(), X, "saliency", "crack", TargetError, "comes without class names: give an index"),
    "half a class": (Written(), X, "saliency", 1.5, TargetError, "A target cannot be a float"),
    "targets of samples": (
        Written(),
        X,
        "saliency",
        [0, 1, 2],
        TargetError,
        "3 targets for 2 samples; give one for all",
    ),
    "table of targets": (Written(), X, "lrp", torch.zeros(2, 2).long(), TargetError, "no list of class indices"),
    "no targets": (Written(), X, "saliency", [], TargetError, "no list of class indices"),
    "one of several": (Written(), X, "saliency", targets.each(0, 7), TargetError, "there is no class 7"),
    "mask of other samples": (
        Written(after=dense),
        X,
        "saliency",
        targets.mean(torch.ones(3, 6, 6)),
        TargetError,
        r"has a mask \(3, 6, 6\); the output \(2, 6, 6\) needs 2 spatial axes, with or without one for the samples",
    ),
    "mask of other axes": (
        Written(after=dense),
        X,
        "saliency",
        targets.region(torch.ones(6)),
        TargetError,
        r"has a mask \(6,\)",
    ),
    "empty mask": (
        Written(after=dense),
        X,
        "saliency",
        targets.mean(torch.zeros(6, 6)),
        TargetError,
        "covers no position",
    ),
    "mask without axes": (Written(), X, "saliency", targets.mean(torch.ones(6, 6)), TargetError, "with spatial axes"),
    "score that is not finite": (
        Written(),
        X,
        "saliency",
        lambda out: out[:, 0] / 0,
        TargetError,
        "is NaN or infinite",
    ),
    "score of the batch": (
        Written(),
        X,
        "saliency",
        lambda out: out.mean(),
        TargetError,
        r"one score a sample, \(2,\)",
    ),
}


def state(module):
    return {
        "values": {k: v.clone() for k, v in module.state_dict().items()},
        "modes": [m.training for m in module.modules()],
        "attributes": [sorted(m.__dict__) for m in module.modules()],
        "hooks": [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in module.modules()],
        "flags": [(p.requires_grad, p.grad is None) for p in module.parameters()],
    }


@pytest.mark.parametrize("name", sorted(BAD))
def test_bad_input(name):
    module, x, method, target, error, says = BAD[name]
    before = state(module.train()) if isinstance(module, nn.Module) else None
    layers = ["unused"] if method == "grad_cam" else None
    for _ in range(2):  # what was seen the first time does not change what is said
        with pytest.raises(error, match=says) as caught:
            attribute(module, x, method, target, layers)
        assert isinstance(caught.value, MatxaiError)
        assert "\n" not in str(caught.value)
        assert str(caught.value).endswith(".")
    if before is not None:
        after = state(module)
        if not any(p.is_meta for p in module.parameters()):
            assert all(torch.equal(v, after["values"][k]) for k, v in before.pop("values").items())
            after.pop("values")
            assert before == after

"""PyTorch by hand, no more forward and backward than the question needs: the floor without an engine."""

from __future__ import annotations

from typing import Any

import torch
from peers import BARE, TARGETS, Call, layers_of, peer
from subjects import Subject
from torch import Tensor, nn


def _maps(a: Tensor, g: Tensor, size: int) -> Tensor:
    cam = (g.mean((2, 3), keepdim=True) * a.detach()).sum(1, keepdim=True).relu()
    return nn.functional.interpolate(cam, size=(size, size), mode="bilinear")


def _bare_cams(module: nn.Module, subject: Subject, names: tuple[str, ...]) -> Call:
    kept: list[Tensor] = []

    def keep(_: nn.Module, __: Any, out: Tensor) -> Tensor:
        kept.append(out.detach().requires_grad_() if not kept else out)
        return kept[-1]

    for layer in layers_of(module, names):
        layer.register_forward_hook(keep)

    def call(x: Tensor) -> list[Tensor]:
        kept.clear()
        score = module(x)[:, subject.target].sum()
        return [_maps(a, g, subject.size) for a, g in zip(kept, torch.autograd.grad(score, kept), strict=True)]

    return call


@peer(BARE, "grad_cam")
def bare_grad_cam(module: nn.Module, subject: Subject) -> Call:
    """Forward without a graph up to the layer, backward through the rest."""
    return _bare_cams(module, subject, (subject.last,))


@peer(BARE, "grad_cam_4")
def bare_grad_cam_4(module: nn.Module, subject: Subject) -> Call:
    """Forward without a graph up to the first layer, one backward down to it."""
    return _bare_cams(module, subject, subject.layers)


@peer(BARE, "saliency", "input_x_gradient")
def bare_gradient(module: nn.Module, subject: Subject) -> Call:
    """One forward, one backward to the input."""

    def call(x: Tensor) -> Tensor:
        x = x.clone().requires_grad_()
        return torch.autograd.grad(module(x)[:, subject.target].sum(), x)[0]

    return call


@peer(BARE, "targets_saliency")
def bare_targets(module: nn.Module, subject: Subject) -> Call:
    """One forward, and one backward for each target."""

    def call(x: Tensor) -> list[Tensor]:
        x = x.clone().requires_grad_()
        scores = module(x)
        return [torch.autograd.grad(scores[:, t].sum(), x, retain_graph=True)[0] for t in range(TARGETS)]

    return call

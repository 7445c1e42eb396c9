"""Exact mode with parameters that require gradients: output and gradient are the model's own bit for bit."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from matxai.engine import GRADIENT, Needs, merge, run


class Recurrent(nn.Module):
    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer, self.head = layer, nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = x.transpose(1, 2)
        y = self.layer(y, y, y) if isinstance(self.layer, nn.MultiheadAttention) else self.layer(y)
        return self.head((y[0] if isinstance(y, tuple) else y).mean(1))


LAYERS = {
    "lstm": lambda: nn.LSTM(8, 4, 2, batch_first=True, bidirectional=True),
    "gru": lambda: nn.GRU(8, 8, batch_first=True),
    "attention": lambda: nn.MultiheadAttention(8, 2, batch_first=True),
    "encoder": lambda: nn.TransformerEncoderLayer(8, 2, 16, 0.1, batch_first=True),
    "weight_norm": lambda: nn.Sequential(weight_norm(nn.Linear(8, 8)), nn.Tanh()),
}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", LAYERS)
def test_gradients_are_autograds_bit_for_bit(name: str, dtype: torch.dtype, plan_of: Any, untouched: Any) -> None:
    torch.manual_seed(0)
    half = dtype is torch.bfloat16  # as autocast computes it
    module = Recurrent(LAYERS[name]()).to(torch.float32 if half else dtype).eval()
    assert all(p.requires_grad for p in module.parameters())
    x = torch.randn(2, 8, 6, dtype=torch.float32 if half else dtype)
    with torch.autocast("cpu", dtype) if half else nullcontext(), untouched(module):
        leaf = x.clone().requires_grad_()
        out = module(leaf)
        (expected,) = torch.autograd.grad(out[:, 1], leaf, torch.ones_like(out[:, 1]))
        for _ in range(2):
            got = run(module, x, plan_of(GRADIENT), target=1, exact=True)
            assert torch.equal(got.output, out)
            assert torch.equal(got.gradient(GRADIENT, "input"), expected)


def test_no_graph_is_kept_where_nothing_is_pulled_back() -> None:
    torch.manual_seed(0)
    module, x = Recurrent(LAYERS["gru"]()).eval(), torch.randn(2, 8, 6)
    had: list[bool] = []
    module.head.register_forward_hook(lambda _m, _args, out: had.append(out.requires_grad))
    got = run(module, x, merge([Needs()]), target=1, exact=True)
    assert not any(had)
    assert torch.equal(got.output, module(x))

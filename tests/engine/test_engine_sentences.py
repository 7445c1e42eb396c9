"""What the engine says where something does not fit: each sentence names the place and what would be right."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from matxai.engine import composite, run
from matxai.errors import LayerError, ModelError, OperationError
from matxai.methods import attribution

X = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0)).double()


class Two(nn.Module):
    """Two convolutions, of which the score uses one; the other now and then does not run."""

    def __init__(self) -> None:
        super().__init__()
        self.used, self.unused, self.runs = nn.Conv2d(3, 2, 1), nn.Conv2d(3, 2, 1), True
        self.double()

    def forward(self, x: Tensor) -> Tensor:
        if self.runs:
            self.unused(x)
        return self.used(x).mean((2, 3))


@pytest.mark.parametrize("methods", [["grad_cam"], ["grad_cam", "saliency"]])
def test_a_layer_that_the_score_does_not_use(methods: list[str]) -> None:
    says = "does not depend on layer 'unused'.*; name a layer between the input and the score"
    with pytest.raises(LayerError, match=says):
        attribution(Two(), X, methods, 0, ["unused"])


def test_a_layer_that_did_not_run_this_time() -> None:
    net = Two()
    attribution(net, X, ["grad_cam"], 0, ["used"])
    net.runs = False
    with pytest.raises(LayerError, match="'unused' with a tensor; name one that it runs"):
        attribution(net, X, ["grad_cam"], 0, ["used", "unused"])


def test_an_exported_program_is_no_module_yet() -> None:
    program = torch.export.export(Two().eval(), (X,))
    with pytest.raises(ModelError, match=r"is a ExportedProgram; give an nn.Module: its .module\(\)"):
        attribution(program, X, ["saliency"], 0)  # type: ignore[arg-type]


def test_code_under_vmap_is_called_by_its_name(plan_of: Any) -> None:
    class Mapped(Two):
        def forward(self, x: Tensor) -> Tensor:
            inside: Tensor = torch.func.vmap(lambda s: torch.relu(s) * 2)(self.used(x))
            return inside.mean((2, 3))

    with pytest.raises(OperationError, match=r"or torch.func such as vmap"):
        run(Mapped(), X, plan_of(composite("epsilon")), target=0)

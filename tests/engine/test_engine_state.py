"""Modules that share layers, and modules whose forward rebinds attributes: as before, each forward from the same."""

import threading
from typing import Any

import torch
from torch import Tensor, nn

from matxai.engine import GRADIENT, run


def body() -> nn.Sequential:
    torch.manual_seed(0)
    made = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.5), nn.Conv2d(4, 4, 3), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3),
    )  # fmt: skip
    return made.double().train()


def test_modules_that_share_layers_are_explained_one_after_the_other(plan_of: Any) -> None:
    whole = body()
    features = whole[:6]
    x = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    before = {k: v.clone() for k, v in whole.state_dict().items()}
    plan = plan_of(GRADIENT)

    def of_whole() -> Tensor:
        return run(whole, x, plan, target=1).gradient(GRADIENT, "input")

    def of_features() -> Tensor:
        return run(features, x, plan, target=lambda out: out.sum((1, 2, 3))).gradient(GRADIENT, "input")

    wrong: list[str] = []

    def work(explain: Any, expected: Tensor) -> None:
        found = [explain() for _ in range(25)]
        wrong.extend(explain.__name__ for f in found if not torch.allclose(f, expected, rtol=1e-9, atol=1e-12))

    threads = [threading.Thread(target=work, args=(f, f())) for f in (of_whole, of_features)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert wrong == []
    assert all(m.training for m in whole)
    assert all(torch.equal(before[k], v) for k, v in whole.state_dict().items())


def test_calls_inside_of_calls_on_modules_that_share_layers_do_not_wait_for_themselves(plan_of: Any) -> None:
    whole = body()
    x = torch.randn(1, 3, 8, 8, dtype=torch.float64)
    found: list[Tensor] = []

    def inside(done: int, total: int, label: str) -> None:
        found.append(run(whole[:6], x, plan_of(GRADIENT), target=lambda out: out.sum((1, 2, 3))).scores)

    thread = threading.Thread(target=lambda: run(whole, x, plan_of(GRADIENT), target=1, progress=inside), daemon=True)
    thread.start()
    thread.join(20)
    assert not thread.is_alive()
    assert found
    assert all(torch.equal(f, found[0]) for f in found)


class Remembering(nn.Module):
    """Goes on from the state that the call before left."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.cell, self.head, self.state = nn.GRUCell(3, 4), nn.Linear(4, 2), None

    def forward(self, x: Tensor) -> Tensor:
        state = x.new_zeros(len(x), 4) if self.state is None else self.state
        for t in range(x.shape[-1]):
            state = self.cell(x[:, :, t], state)
        self.state = state
        return self.head(state)


def test_every_forward_begins_with_the_attributes_that_the_module_had(plan_of: Any) -> None:
    module, x = Remembering().double(), torch.randn(2, 3, 5, dtype=torch.float64)
    leaf = x.clone().requires_grad_()
    expected = module(leaf)
    (slopes,) = torch.autograd.grad(expected[:, 1].sum(), leaf)
    module.state = None
    for _ in range(2):  # the first call looks at the module and compares
        got = run(module, x, plan_of(GRADIENT), target=1)
        assert torch.allclose(got.logits, expected, rtol=1e-12, atol=0)
        assert torch.allclose(got.gradient(GRADIENT, "input"), slopes, rtol=1e-10, atol=1e-14)
        assert not any("from call to call" in note for note in got.notes)
        assert module.state is None


def test_a_state_from_before_is_begun_with_and_left(plan_of: Any) -> None:
    module, x = Remembering().double(), torch.randn(2, 3, 5, dtype=torch.float64)
    with torch.no_grad():
        module(x)
        kept = module.state
        expected = module(x)
        module.state = kept
    for _ in range(2):
        assert torch.allclose(run(module, x, plan_of(GRADIENT), target=1).logits, expected, rtol=1e-12, atol=0)
        assert module.state is kept

"""Fixtures of the engine's tests: what a call may not change, small nets, and the plans they are run with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from matxai.engine import Backward, Composite, Needs, merge, run
from matxai.engine.plan import Plan, Rule


def _state(module: nn.Module) -> dict[str, Any]:
    tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    return {
        "values": {
            k: (id(t), t.detach().clone(), t.requires_grad, t.grad_fn is None, len(t.__dict__))
            for k, t in tensors.items()
        },
        "grads": {k: None if p.grad is None else p.grad.clone() for k, p in module.named_parameters()},
        "modes": {k: m.training for k, m in module.named_modules()},
        "attributes": {k: {a: id(v) for a, v in m.__dict__.items()} for k, m in module.named_modules()},
        "hooks": {
            k: {a: list(v.items()) for a, v in m.__dict__.items() if a.endswith("_hooks")}
            for k, m in module.named_modules()
        },
    }


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, Tensor):
        return isinstance(b, Tensor) and torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_same(a[k], b[k]) for k in a)
    if isinstance(a, tuple | list):
        return len(a) == len(b) and all(_same(x, y) for x, y in zip(a, b, strict=True))
    return bool(a == b)


@pytest.fixture
def untouched() -> Callable[[nn.Module], AbstractContextManager[None]]:
    """A context that fails when what runs inside leaves anything changed on a module, even by raising."""

    @contextmanager
    def guard(module: nn.Module) -> Iterator[None]:
        before = _state(module)
        try:
            yield
        finally:
            after = _state(module)
            for part, held in before.items():
                assert _same(held, after[part]), f"the call changed the module's {part}"

    return guard


@pytest.fixture
def plan_of() -> Callable[..., Plan]:
    """A plan of backwards at the input, by rules."""

    def make(*rules: Rule, at_layers: bool = False) -> Plan:
        return merge([Needs(at_layers, tuple(Backward(r, at_input=True, at_layers=at_layers) for r in rules))])

    return make


@pytest.fixture
def relevance() -> Callable[..., Tensor]:
    """Relevance at the input, in one call."""

    def at_input(module: nn.Module, x: Tensor, rule: Composite, **options: Any) -> Tensor:
        plan = merge([Needs(backwards=(Backward(rule, at_input=True),))])
        return run(module, x, plan, **options).relevance(rule, "input")

    return at_input


@pytest.fixture
def small_net() -> nn.Module:
    """Convolution, batch norm, pooling, residual add and a linear head, with biases and in-place ReLUs, in float64."""
    torch.manual_seed(0)
    return randomised(SmallNet().double().eval())


class SmallNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(2, 6, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(6)
        self.relu = nn.ReLU(inplace=True)
        self.pool = nn.MaxPool2d(2)
        self.conv2 = nn.Conv2d(6, 6, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(6)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.relu(self.bn1(self.conv1(x))))
        y = self.bn2(self.conv2(x))
        y += x
        y = self.relu(y)
        return self.fc(torch.flatten(self.avgpool(y), 1))


def randomised(module: nn.Module) -> nn.Module:
    """Give every batch norm statistics that are not the neutral ones."""
    generator = torch.Generator().manual_seed(1)
    for m in module.modules():
        if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d):
            m.running_mean.normal_(0, 0.1, generator=generator)
            m.running_var.uniform_(0.5, 1.5, generator=generator)
            m.weight.data.uniform_(0.5, 1.5, generator=generator)
            m.bias.data.normal_(0, 0.1, generator=generator)
    return module


def make_embedded(axes: int) -> nn.Module:
    """One 1-D net with weights that do not depend on ``axes``, as a net with 1, 2 or 3 spatial axes of size 1."""
    generator = torch.Generator().manual_seed(5)
    conv = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[axes - 1]
    transposed = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)[axes - 1]
    norm = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)[axes - 1]
    pool = (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d)[axes - 1]
    mean = (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d)[axes - 1]

    def last(value: int, rest: int = 1) -> tuple[int, ...]:
        return (*(rest,) * (axes - 1), value)

    net = nn.Sequential(
        conv(3, 5, last(3), padding=last(1, 0), stride=last(2)), norm(5), nn.ReLU(inplace=True),
        pool(last(2), last(2)), transposed(5, 4, last(2), stride=last(2)), nn.ReLU(),
        conv(4, 4, last(3), padding=last(1, 0), groups=2), nn.ReLU(), mean(1), nn.Flatten(), nn.Linear(4, 3),
    )  # fmt: skip
    for p in net.parameters():
        p.data = torch.randn(p.numel(), generator=generator).view(p.shape) * 0.5
    net[1].running_var.uniform_(0.5, 1.5, generator=generator)
    net[1].running_mean.normal_(0, 0.1, generator=generator)
    return net.double().eval()


class Wild(nn.Module):
    """Statements in place, functional and reused modules, views written to, concatenation, up- and average pooling."""

    def __init__(self, *, bias: bool) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, padding=1, bias=bias)
        self.same = nn.Conv2d(6, 6, 3, padding=1, groups=3, bias=bias)
        self.norm = nn.BatchNorm2d(6)
        self.act = nn.ReLU(inplace=True)
        self.up = nn.ConvTranspose2d(6, 6, 2, stride=2, bias=bias)
        self.head = nn.Linear(12, 4, bias=bias)
        if not bias:
            nn.init.zeros_(self.norm.bias)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.stem(x))
        self.act(y)  # a statement: what it returns is not used
        z = self.same(y)
        z.add_(y)
        z = self.same(torch.relu(z))
        z[:, :2] += y[:, :2]
        nn.functional.relu(z, inplace=True)
        z = nn.functional.avg_pool2d(z, 2)
        z = nn.functional.interpolate(nn.functional.max_pool2d(z, 3, 1, 1), scale_factor=0.5, mode="bilinear")
        z = torch.relu(self.up(z))
        y = nn.functional.adaptive_avg_pool2d(y, z.shape[-2:])
        return self.head(torch.cat([z, y], 1).mean((2, 3)))


def make_wild_net(*, bias: bool = True) -> nn.Module:
    """Return a :class:`Wild` net in float64 with batch-norm statistics that are not neutral."""
    torch.manual_seed(7)
    net = Wild(bias=bias).double().eval()
    net.norm.running_var.uniform_(0.5, 1.5)
    if bias:
        net.norm.running_mean.normal_(0, 0.1)
    return net


@pytest.fixture
def embedded() -> Callable[[int], nn.Module]:
    """See :func:`make_embedded`."""
    return make_embedded


@pytest.fixture
def wild_net() -> Callable[..., nn.Module]:
    """See :func:`make_wild_net`."""
    return make_wild_net

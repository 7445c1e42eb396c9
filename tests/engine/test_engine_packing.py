"""Packed convolutions: the same numbers as PyTorch's own, remembered for as long as the weights are the same."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from matxai import forget
from matxai.engine import Backward, Needs, composite, merge, run
from matxai.engine.folds import channels_last
from matxai.engine.linear import LinearMap
from matxai.engine.packing import PackedMap, Room, packing_works
from matxai.engine.step import divided, margin, rows, where_true

GEOMETRIES = {
    "3x3": ((4, 6, 3, 3), LinearMap("convolution", (1, 1), (1, 1), (1, 1), (0, 0))),
    "strided": ((4, 6, 3, 3), LinearMap("convolution", (2, 2), (1, 1), (1, 1), (0, 0))),
    "1x1 strided": ((4, 6, 1, 1), LinearMap("convolution", (2, 2), (0, 0), (1, 1), (0, 0))),
    "dilated, uneven": ((4, 6, 3, 2), LinearMap("convolution", (1, 2), (2, 0), (2, 3), (0, 0))),
    "grouped": ((4, 3, 3, 3), LinearMap("convolution", (2, 1), (1, 0), (1, 1), (0, 0), 2)),
    "3-D": ((4, 6, 3, 3, 3), LinearMap("convolution", (2, 2, 2), (1, 1, 1), (1, 1, 1), (0, 0, 0))),
}


@pytest.mark.parametrize("name", GEOMETRIES)
@pytest.mark.parametrize("size", [9, 10])
def test_packed_maps_and_adjoints_are_those_of_pytorch(name: str, size: int, flops: Any) -> None:
    if not packing_works():
        pytest.skip("this PyTorch packs no weights")
    shape, plain = GEOMETRIES[name]
    generator = torch.Generator().manual_seed(size)
    weight = channels_last(torch.randn(shape, generator=generator))
    x = torch.randn(3, shape[1] * plain.groups, *(size,) * (len(shape) - 2), generator=generator)
    packed = PackedMap.of(plain)
    packed.own(weight)
    expected = plain.apply(x, weight)
    s = torch.randn(expected.shape, generator=generator)
    with flops() as own:
        back = plain.adjoint(s, weight, x.shape)
    for _ in range(2):
        torch.testing.assert_close(packed.apply(x, weight), expected, rtol=1e-5, atol=1e-5)
        with flops() as count:
            torch.testing.assert_close(packed.adjoint(s, weight, x.shape), back, rtol=1e-5, atol=1e-5)
    assert count.total == own.total
    assert count.calls == {"convolution_backward": 1}
    assert torch.equal(packed.apply(x.double(), weight.double()), plain.apply(x.double(), weight.double()))


def test_what_is_remembered_takes_room() -> None:
    packed = PackedMap.of(GEOMETRIES["3x3"][1])
    weight = torch.ones(4, 6, 3, 3)
    assert packed.remember("W+", weight.clone) is not packed.remember("W+", weight.clone)
    packed = PackedMap(**(vars(GEOMETRIES["3x3"][1]) | {"room": Room(3 * weight.numel() * 4)}))
    assert packed.remember("W+", weight.clone) is packed.remember("W+", weight.clone)
    assert packed.nbytes() == 3 * weight.numel() * 4
    assert packed.remember("W-", weight.clone) is not packed.remember("W-", weight.clone)
    packed.drop()
    assert packed.nbytes() == 0


@pytest.mark.parametrize("name", ["epsilon", "epsilon_plus", "epsilon_alpha2_beta1", "epsilon_gamma_box"])
def test_relevance_with_packed_weights_follows_the_weights(name: str) -> None:
    """Against ``exact``, where nothing is packed; and again after a write that counts up no version."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3, stride=2), nn.ReLU(),
        nn.Flatten(), nn.Linear(36, 3),
    ).eval()  # fmt: skip
    x = torch.randn(2, 2, 8, 8)
    plan = merge([Needs(backwards=(Backward(composite(name, **({"low": -3.0, "high": 3.0} if "box" in name else {})),
                                            at_input=True),))])  # fmt: skip
    maps = []
    for _ in range(2):
        got = run(net, x, plan, target=1).relevance(plan.composites[0], "input")
        own = run(net, x, plan, target=1, exact=True).relevance(plan.composites[0], "input")
        torch.testing.assert_close(got, own, rtol=0, atol=1e-5 * float(own.abs().max()))
        maps.append(got)
        net[3].weight.data.neg_()
    assert not torch.allclose(*maps)
    forget(net)


@pytest.mark.parametrize("order", [torch.contiguous_format, torch.channels_last])
def test_stabilised_division_is_the_same_in_every_layout(order: torch.memory_format) -> None:
    z = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0)).to(memory_format=order)
    z[1] = 0
    assert rows(z).data_ptr() == z.data_ptr()
    torch.testing.assert_close(margin(z, 0.5).flatten(), 0.5 * z.square().mean((1, 2, 3)).sqrt())
    s = divided(z, z, margin(z, 0.5))
    torch.testing.assert_close(s[0], z[0] / (z[0] + z[0].sign() * margin(z, 0.5)[0]))
    assert torch.equal(s[1], torch.zeros_like(s[1]))
    assert torch.equal(where_true(z > 0, z), z.clamp(min=0))

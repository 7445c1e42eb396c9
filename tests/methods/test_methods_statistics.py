"""Streams of maps: the same numbers however they are cut, and errors that are what they say."""

from __future__ import annotations

import pytest
import torch

from matxai.methods.quadrature import quadrature, quadratures
from matxai.methods.statistics import Stream


@pytest.fixture
def maps():
    generator = torch.Generator().manual_seed(0)
    return 5 + torch.randn(2, 40, 3, 4, generator=generator, dtype=torch.float64).exp()  # (T, n, B, pixels), skewed


def filled(maps, sizes, **options):
    stream, at = Stream(**options), 0
    for size in sizes:
        stream.add(maps[:, at : at + size], 1)
        at += size
    return stream


@pytest.mark.parametrize("sizes", [[40], [1] * 40, [3, 8, 0, 29], [39, 1]])
def test_moments_do_not_depend_on_how_the_stream_is_cut(maps, sizes):
    stream = filled(maps, sizes, order=4)
    apart = maps - maps.mean(1, keepdim=True)
    assert stream.count == 40
    for got, want in (
        (stream.mean, maps.mean(1)),
        (stream.variance(), maps.var(1)),
        (stream.standard_error(), maps.std(1) / 40**0.5),
        (stream.sums[1], apart.pow(3).sum(1)),
        (stream.sums[2], apart.pow(4).sum(1)),
    ):
        torch.testing.assert_close(got, want, rtol=1e-11, atol=1e-12)


def test_the_error_of_a_variance_is_its_spread_over_many_streams():
    draws = torch.randn(1, 50, 4000, 1, generator=torch.Generator().manual_seed(1), dtype=torch.float64) ** 3
    stream = filled(draws, [50], order=4)
    spread = float(stream.variance().std())
    said = float(stream.variance_error().square().mean().sqrt())
    assert 0.8 * spread < said < 1.2 * spread


def test_a_few_maps_have_no_error(maps):
    assert filled(maps, [1]).standard_error().isinf().all()
    assert filled(maps, [1]).variance().eq(0).all()
    assert filled(maps, [3], order=4).variance_error().isinf().all()


def test_a_map_that_has_settled_takes_in_nothing_more(maps):
    """So that a sample's map is the same whether it came alone or with others that need more copies."""
    noisy = maps.clone()
    noisy[:, :, 1] = 100 * (maps[:, :, 1] - maps[:, :, 1].mean())
    together, alone = Stream(), Stream()
    for at in range(0, 40, 8):
        together.add(noisy[:, at : at + 8], 1)
        if not alone.settled(0.15, 1):
            alone.add(noisy[:, at : at + 8, :1], 1)
        together.settled(0.15, 1)
    assert not together.settled(0.15, 1)  # the noisy one never does
    assert together.count == 40
    assert alone.count < 40
    torch.testing.assert_close(together.mean[:, :1], alone.mean, rtol=1e-12, atol=0)
    torch.testing.assert_close(together.standard_error()[:, :1], alone.standard_error(), rtol=1e-12, atol=0)
    torch.testing.assert_close(together.mean[:, 1], noisy[:, :, 1].mean(1), rtol=1e-9, atol=1e-9)
    assert not Stream().settled(0.1, 1)
    assert not filled(maps, [40]).settled(None, 1)


@pytest.mark.parametrize("name", sorted(quadratures))
@pytest.mark.parametrize("steps", [2, 3, 5, 16, 64])
def test_weights_of_a_rule_sum_to_one_and_to_a_half_against_the_position(name, steps):
    rule = quadrature(name, steps)
    assert len(rule.nodes) == steps
    assert (rule.nodes[1:] > rule.nodes[:-1]).all()
    assert rule.weights.sum() == pytest.approx(1, abs=1e-13)
    assert rule.weights @ rule.nodes == pytest.approx(0.5, abs=1e-13)
    assert rule.coarse.sum() == pytest.approx(1, abs=1e-12)
    assert (rule.coarse == 0).sum() == steps - max(steps // 2, 1)
    if name == "gauss_legendre":
        for degree in range(2 * steps):
            assert rule.weights @ rule.nodes**degree == pytest.approx(1 / (degree + 1), rel=1e-11)
        for degree in range(max(steps // 2, 1)):
            assert rule.coarse @ rule.nodes**degree == pytest.approx(1 / (degree + 1), rel=1e-9)

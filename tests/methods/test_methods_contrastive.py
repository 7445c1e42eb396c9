"""Contrastive LRP: a class against others, held against the two maps of which it is the difference."""

from __future__ import annotations

import pytest
import torch

from matxai.engine import targets
from matxai.errors import MatxaiError, MethodError
from matxai.methods import LRP, attribute, attribution


@pytest.fixture
def net(make_gap_net):
    return make_gap_net(2).double()


@pytest.fixture
def x(make_input):
    return make_input(2, batch=2).double()


def class_maps(net, x, composite):
    """Relevance of each class, and the classes' scores: (K, B, C, H, W) and (B, K)."""
    maps = [attribute(net, x, LRP(composite, name="map"), k)["map"] for k in range(4)]
    return torch.stack(maps), net(x).detach()


@pytest.mark.parametrize("composite", ["epsilon_plus", "epsilon"])
def test_clrp_is_the_class_less_as_much_relevance_of_the_others(net, x, composite):
    """Gu et al. 2018, CLRP1: S = y_j starts at class j, S / (K - 1) at each of the others."""
    maps, y = class_maps(net, x, composite)
    got = attribution(net, x, LRP(composite, against="others", name="contrast"), [2, 0])
    assert got.backwards == 1
    for b, j in enumerate((2, 0)):
        dual = sum(maps[i, b] * y[b, j] / y[b, i] / 3 for i in range(4) if i != j)
        assert torch.allclose(got.maps["contrast"][b], maps[j, b] - dual, rtol=1e-4, atol=1e-9)
    both = attribute(net, x, LRP(composite, against="others", name="both"), targets.each(2, 0))["both"]
    assert torch.allclose(both[0, 0], got.maps["contrast"][0])
    assert torch.allclose(both[1, 1], got.maps["contrast"][1])
    named = attribute(net, x, "lrp:contrastive", 2)
    assert list(named) == ["lrp:contrastive"]
    assert torch.equal(named["lrp:contrastive"], attribute(net, x, LRP(against="others", name="same"), 2)["same"])


def test_one_class_against_another(net, x):
    maps, y = class_maps(net, x, "epsilon_plus")
    got = attribution(net, x, [LRP(against=1, name="against"), "lrp"], 3)
    assert got.backwards == 2  # a start of its own is a backward of its own
    dual = maps[1] * (y[:, 3] / y[:, 1]).view(-1, 1, 1, 1)
    assert torch.allclose(got.maps["against"], maps[3] - dual, rtol=1e-4, atol=1e-9)
    assert torch.allclose(got.maps["lrp"], maps[3])
    assert torch.allclose(got.scores, y[:, 3])


def test_without_biases_it_sums_to_nothing(make_gap_net, x):
    net = make_gap_net(2, bias=False).double()
    for part in net.modules():
        if hasattr(part, "running_mean"):
            part.running_mean.zero_()
            part.bias.data.zero_()
    found = attribution(net, x, LRP(against="others", name="lrp"), 1)
    account = next(iter(found.ledger.values()))
    size = found.maps["lrp"].abs().flatten(1).sum(1)
    assert (found.maps["lrp"].flatten(1).sum(1).abs() <= 1e-4 * size).all()
    assert torch.allclose(account.magnitude, size / found.scores.abs())


def test_what_it_cannot_hold_against_one_another(net, x):
    with pytest.raises(MethodError, match="holds class 2 against itself"):
        attribute(net, x, LRP(against=2), 2)
    with pytest.raises(MatxaiError, match=r"no class 9|4 classes"):
        attribute(net, x, LRP(against=9), 2)
    with pytest.raises(MethodError, match="holds a class against others"):
        attribute(net, x, LRP(against="others"), targets.contrast(0, 1))
    with pytest.raises(MethodError, match="it is 'others' or the index of a class"):
        LRP(against="all").rule()

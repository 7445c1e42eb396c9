"""Conservation on one network of every family, and one network in one, two and three dimensions.

Biases, shifts and embeddings are zero, batch norms have the statistics of noise: relevance has nowhere to go but to the
input. One forward serves the three composites.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
import torch

from matxai import attribute
from matxai.engine import composite, run
from matxai.methods.method import methods

_spec = importlib.util.spec_from_file_location("families", Path(__file__).parents[1] / "families.py")
families = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(families)

THREE = [composite(name) for name in ("epsilon", "epsilon_plus", "epsilon_alpha2_beta1")]


@pytest.mark.parametrize("name", families.FAMILIES)
def test_relevance_sums_to_the_score(name: str, plan_of: Any) -> None:
    net = families.unbiased(families.build(name), families.images(name, 4))
    got = run(net, families.images(name), plan_of(*THREE), target=1)
    for rule in THREE:
        account = got.ledger[rule.name]
        lost = ((account.total - account.score) / account.score).abs()
        assert lost.max() <= 1e-4, (
            f"{rule.name}: {float(lost.max()):.1e} of the score, |R| {float(account.magnitude):.1e}"
        )
        assert account.biases.abs().max() <= 1e-9 * account.score.abs().max()


@pytest.mark.parametrize("name", ["shufflenet_v2_x0_5", "mnasnet0_5", "unet_transposed", "maxvit", "lstm"])
def test_the_literal_rules_lose_what_the_ledger_says(name: str, plan_of: Any) -> None:
    net = families.unbiased(families.build(name), families.images(name, 4))
    literal = [composite(n, no_positive="drop") for n in ("epsilon_plus", "epsilon_alpha2_beta1")]
    got = run(net, families.images(name), plan_of(*literal), target=1)
    for rule in literal:
        account = got.balances[rule][0]
        made_up = account.total + account.missing + account.stabilisers
        size = max(1.0, float(account.magnitude)) * account.score.abs()
        assert ((made_up - account.score).abs() <= 1e-9 * size).all()


@pytest.mark.parametrize("name", ["resnet18", "convnext_tiny", "mobilenet_v3_small", "maxvit", "unet_bilinear", "gru"])
def test_what_biases_absorb_is_in_the_ledger(name: str, plan_of: Any) -> None:
    net = families.shaken(families.build(name))
    with torch.no_grad():
        for key, parameter in net.named_parameters():
            if "bias" in key:
                parameter.add_(0.02)
    got = run(net, families.images(name), plan_of(*THREE), target=1)
    for rule in THREE:
        account = got.ledger[rule.name]
        assert account.biases.abs().max() > 0
        parts = account.total + account.biases + account.stabilisers + account.missing + account.other
        assert torch.allclose(parts, account.score)
        assert account.other.abs().max() <= 1e-6 * account.magnitude.max() * account.score.abs().max()


@pytest.mark.parametrize("name", ["mobilenet_v3_small", "maxvit", "inception_time", "lstm"])
def test_a_sample_is_explained_as_if_it_were_alone(name: str, plan_of: Any) -> None:
    net = families.unbiased(families.build(name), families.images(name, 4))
    x = families.images(name, 3)
    together, alone = run(net, x, plan_of(*THREE), target=1), run(net, x[2:], plan_of(*THREE), target=1)
    for rule in THREE:
        ours, own = together.relevance(rule, "input")[2:], alone.relevance(rule, "input")
        assert (ours - own).abs().max() <= 1e-12 * max(1.0, float(alone.ledger[rule.name].magnitude)) * own.abs().max()


COMPOSITES = ("epsilon", "epsilon_plus", "epsilon_plus_flat", "epsilon_gamma", "epsilon_alpha2_beta1",
              "epsilon_alpha2_beta1_flat", "epsilon_gamma_box")  # fmt: skip


MAPS = ("saliency", "input_x_gradient", "guided_backprop", "deconvnet", "grad_cam", "grad_cam_pp", "hires_cam",
        "xgrad_cam", "layer_cam", "eigen_cam", "full_grad", "guided_grad_cam", "score_cam", "ablation_cam")  # fmt: skip


def test_the_same_network_in_one_two_and_three_dimensions_gives_the_same_maps(embedded: Any) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 3, 12, dtype=torch.float64)
    names = [*(m for m in MAPS if m in methods), *(f"lrp:{c}" for c in COMPOSITES)]
    assert len(names) >= 16
    found = []
    for axes in (1, 2, 3):
        wide = x.view(2, 3, *(1,) * (axes - 1), 12)
        found.append(attribute(embedded(axes), wide, methods=names, target=1, layers=["5"], low=-4.0, high=4.0))
    for name in names:
        one = found[0][name]
        assert one.abs().max() > 0, name
        for other in found[1:]:
            assert torch.allclose(other[name].reshape(one.shape), one, rtol=1e-9, atol=1e-12), name

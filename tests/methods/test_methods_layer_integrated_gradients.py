"""Integrated gradients at a layer and for a unit: captum's numbers (its weights are float32), counts, options."""

from __future__ import annotations

import pytest
import torch
from captum.attr import LayerIntegratedGradients as Captum
from captum.attr import NeuronIntegratedGradients

import matxai
from matxai.errors import MethodError
from matxai.methods import IntegratedGradients, LayerIntegratedGradients, attribution

KEY = "integrated_gradients:layer"


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_captum_agrees_at_a_layer(make_gap_net, make_input, axes):
    net, x = make_gap_net(axes).double(), make_input(axes).double()
    baseline = make_input(axes, seed=9).double()
    method = LayerIntegratedGradients(layers=["2", "4"], steps=12, upsample=False)
    result = attribution(net, x, method, 1, baseline=lambda _: baseline)
    for layer, (own, gap) in zip((net[2], net[4]), zip(result.maps[KEY], result.figures[KEY]["gap"], strict=True),
                                 strict=True):  # fmt: skip
        want = Captum(net, layer).attribute(x, baseline, target=1, n_steps=12, method="gausslegendre").sum(1)
        assert (own - want).abs().max() < 1e-7 * want.abs().max()
        with torch.no_grad():
            difference = (net(x) - net(baseline))[:, 1]
        torch.testing.assert_close(own.flatten(1).sum(1) - difference, gap, rtol=1e-7, atol=1e-13)
    assert (result.forwards, result.backwards) == (1 + 2, 0)  # one baseline for each layer; the rest runs tails


def test_its_map_lies_on_the_input_and_is_signed(make_gap_net, make_input):
    net, x, target = make_gap_net(2), make_input(2), matxai.targets.each(0, 2)
    both = [LayerIntegratedGradients(steps=8), LayerIntegratedGradients(steps=8, relu=True, name="r")]
    result = attribution(net, x, both, target, ["2", "4"])
    assert result.maps[KEY].shape == (2, 3, 2, 32, 24)
    assert result.figures[KEY]["gap"].shape == (2, 2, 3)
    assert result.maps[KEY].min() < 0 <= result.maps["r"].min()
    one = attribution(net, x[1:2], LayerIntegratedGradients(steps=8), 2, ["2", "4"]).maps[KEY]
    torch.testing.assert_close(one, result.maps[KEY][1, 1:2], rtol=1e-4, atol=1e-7)


def test_captum_agrees_for_a_unit(make_gap_net, make_input):
    net, x = make_gap_net(2).double(), make_input(2).double()
    baseline = make_input(2, seed=9).double()
    unit = matxai.targets.neuron("4", 3, (2, 1))
    result = attribution(net, x, IntegratedGradients(steps=10), unit, baseline=lambda _: baseline)
    want = NeuronIntegratedGradients(net, net[4]).attribute(x, (3, 2, 1), baseline, n_steps=10, method="gausslegendre")
    assert (result.maps["integrated_gradients"] - want).abs().max() < 1e-7 * want.abs().max()
    assert (result.forwards, result.backwards) == (11, 10)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"baseline": "grey"}, "There is no baseline"),
        ({"rule": "simpson"}, "There is no rule of quadrature"),
        ({"steps": 1}, "steps=1"),
        ({"tolerance": 0.1}, "tolerance has no effect"),
        ({"budget": 0}, "The budget of integrated_gradients:layer is 0"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, sentence):
    with pytest.raises(MethodError, match=sentence):
        LayerIntegratedGradients(**options)

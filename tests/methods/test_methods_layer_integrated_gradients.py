"""Integrated gradients at a layer and for a unit: captum's numbers (its weights are float32), counts, options."""

from __future__ import annotations

import pytest
import torch
from captum.attr import LayerIntegratedGradients as Captum
from captum.attr import NeuronIntegratedGradients

import matxai
from matxai.errors import MethodError
from matxai.methods import IntegratedGradients, LayerIntegratedGradients, attribution, methods, resolve
from matxai.methods.method import help_of

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


def test_it_is_asked_for_by_name_and_listed(make_gap_net, make_input):
    net, x = make_gap_net(2).double(), make_input(2).double()
    (named,) = resolve(KEY)
    assert named == LayerIntegratedGradients(name=KEY)
    assert LayerIntegratedGradients().key == KEY
    found = attribution(net, x, [KEY, "integrated_gradients:blur"], 1, ["2"], budget=6)
    same = attribution(net, x, LayerIntegratedGradients(layers=["2"], steps=6), 1)
    assert torch.equal(found.maps[KEY], same.maps[KEY])
    assert attribution(net, x, KEY, 1, budget=4).layers  # the default layer
    assert KEY in help_of("integrated_gradients")["forms"]
    assert "targets.neuron" in help_of("integrated_gradients")["forms"]
    with pytest.raises(MethodError, match=r"has no variant 'layers'.*'layer'"):
        resolve("integrated_gradients:layers")
    assert "layer" not in IntegratedGradients.variants  # these are baselines
    assert not methods["saliency"].forms


def test_its_plan_says_what_it_runs(make_gap_net, make_input):
    net, x = make_gap_net(2), make_input(2)
    method = LayerIntegratedGradients(layers=["2", "4"], steps=5, baseline=("blur", "mean"))
    plan, result = matxai.plan(method), attribution(net, x, method, 1)
    assert (plan.forwards, plan.backwards, plan.tails) == (1 + 4, 0, 4 * 6)
    assert (result.forwards, result.backwards) == (5, 0)
    assert result.tails == plan.tails + 2 * 2  # two that check each layer's tail
    assert "at most 24 runs of what follows a layer" in plan.describe()
    assert matxai.plan(KEY, budget=9).tails == 10
    with pytest.raises(MethodError, match="needs 2 copies for each of 2 baseline"):
        matxai.plan(LayerIntegratedGradients(baseline=("blur", "mean"), budget=3))


def test_several_baselines_are_averaged_and_the_error_bounds_what_is_missed(make_gap_net, make_input):
    net, x = make_gap_net(2).double(), make_input(2).double()

    def at(baseline, steps):
        method = LayerIntegratedGradients(layers=["2"], steps=steps, baseline=baseline, upsample=False)
        result = attribution(net, x, method, 1)
        return result.maps[KEY][0], result.maps[f"{KEY}:error"][0], result.figures[KEY]["gap"][0]

    both = at(("blur", "mean"), 6)
    alone = [at(name, 6) for name in ("blur", "mean")]
    for got, *parts in zip((both[0], both[2]), *[(a[0], a[2]) for a in alone], strict=True):
        torch.testing.assert_close(got, sum(parts) / 2, rtol=1e-9, atol=1e-13)
    fine = at(("blur", "mean"), 200)
    assert (both[0] - fine[0]).abs().mean() < both[1].mean()
    assert fine[1].mean() < 0.3 * both[1].mean()


def test_a_region_at_its_baseline_is_warned_of(make_gap_net, make_input):
    net, x = make_gap_net(2), make_input(2)
    x[0, :, :12, :12] = x.min()
    result = attribution(net, x, LayerIntegratedGradients(baseline="black", steps=2), 1, low=float(x.min()))
    (said,) = result.warnings
    assert said.startswith(
        f"{KEY}: a region of 19 % of sample 0 lies within 5 % of its range from the baseline 'black'"
    )


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
        ({"baseline": ()}, "has an empty list of baselines"),
        ({"rule": "simpson"}, "There is no rule of quadrature"),
        ({"steps": 1}, "steps=1"),
        ({"tolerance": 0.1}, "tolerance has no effect"),
        ({"budget": 0}, "The budget of integrated_gradients:layer is 0"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, sentence):
    with pytest.raises(MethodError, match=sentence):
        LayerIntegratedGradients(**options)

"""Integrated gradients and gradient SHAP: exact integrals, published values, captum, completeness, counts."""

from __future__ import annotations

import pytest
import torch
from captum.attr import IntegratedGradients as Captum
from torch import nn

import matxai
from matxai.engine.copies import Copies
from matxai.errors import MethodError
from matxai.methods import GradientSHAP, IntegratedGradients, attribution, resolve

KEY = "integrated_gradients"


def zero(name, **_):
    return torch.zeros(1, 1, dtype=torch.float64)


class Of(nn.Module):
    """A score of the values of a sample (B, n)."""

    def __init__(self, function) -> None:
        super().__init__()
        self.function = function

    def forward(self, x):
        return torch.stack([self.function(x), -2 * self.function(x)], 1)


def power(degree):
    return Of(lambda x: (x**degree).sum(1) + x[:, 0] ** (degree - 1) * x[:, 1])


@pytest.mark.parametrize("steps", [2, 3, 8])
def test_gauss_legendre_is_exact_for_polynomials_up_to_degree_2n(steps):
    x = torch.tensor([[1.3, -0.7]], dtype=torch.float64)
    net, given = power(2 * steps), lambda name: torch.tensor([[0.2, 0.4]], dtype=torch.float64)
    exact = attribution(net, x, IntegratedGradients(steps=steps), 0, baseline=given)
    finer = attribution(net, x, IntegratedGradients(steps=64), 0, baseline=given)
    torch.testing.assert_close(exact.maps[KEY], finer.maps[KEY], rtol=1e-12, atol=1e-12)
    above = attribution(power(2 * steps + 2), x, IntegratedGradients(steps=steps), 0, baseline=given)
    finer = attribution(power(2 * steps + 2), x, IntegratedGradients(steps=64), 0, baseline=given)
    assert (above.maps[KEY] - finer.maps[KEY]).abs().max() > 1e-9


def test_the_baselines_score_is_exact_for_quadratic_scores_without_a_pass():
    x, given = torch.tensor([[1.3, -0.7]], dtype=torch.float64), torch.tensor([[0.2, 0.4]], dtype=torch.float64)
    result = attribution(power(2), x, IntegratedGradients(steps=3), 0, baseline=lambda _: given)
    with torch.no_grad():
        want = (power(2)(x) - power(2)(given))[:, 0]
    torch.testing.assert_close(result.figures[KEY]["difference"], want, rtol=1e-12, atol=0)
    assert result.figures[KEY]["gap"].abs().max() < 1e-12
    assert (result.forwards, result.notes) == (4, ())


def test_values_of_the_paper():
    """Sundararajan et al., section 2.1 and appendix B: a saturated unit, and two networks that are one function."""
    x = torch.tensor([[2.0]], dtype=torch.float64)
    relu = torch.relu
    saturated = Of(lambda t: 1 - relu(1 - t[:, 0]))
    found = matxai.attribute(saturated, x, ["saliency", IntegratedGradients(rule="midpoint", steps=64)], 0,
                             baseline=zero)  # fmt: skip
    assert found["saliency"].item() == 0
    assert found[KEY].item() == pytest.approx(1, abs=1e-12)  # the kink lies between two cells
    x = torch.tensor([[3.0, 1.0]], dtype=torch.float64)
    for function in (lambda t: relu(t[:, 0] - 1 - relu(t[:, 1])), lambda t: relu(relu(t[:, 0] - 1) - t[:, 1])):
        found = matxai.attribute(Of(function), x, IntegratedGradients(rule="midpoint", steps=64), 0,
                                 baseline=lambda name: torch.zeros(1, 2))  # fmt: skip
        assert found[KEY].flatten().tolist() == pytest.approx([1.5, -0.5], abs=1e-12)


@pytest.mark.parametrize("target", [1, [0, 3, 2]])
def test_captum_agrees(make_gap_net, make_input, target):
    net, x = make_gap_net(2).double(), make_input(2).double()
    given = make_input(2, seed=9).double()
    for rule, theirs in (("gauss_legendre", "gausslegendre"), ("midpoint", "riemann_middle")):
        found = attribution(net, x, IntegratedGradients(rule=rule, steps=16), target, baseline=lambda n: given)
        want = Captum(net).attribute(x, given, target=target, n_steps=16, method=theirs)
        assert (found.maps[KEY] - want).abs().max() < 1e-8 * want.abs().max()


def test_passes_and_the_gap(make_gap_net, make_input):
    net, x, target = make_gap_net(2).double(), make_input(2).double(), matxai.targets.each(0, 2)
    method = IntegratedGradients(steps=16)
    planned = matxai.plan(method)
    assert (planned.forwards, planned.backwards) == (17, 16)
    result = attribution(net, x, method, target)
    assert (result.forwards, result.backwards) == (1 + 16, 32)
    assert result.plan.backwards == 32
    assert result.maps[KEY].shape == result.maps[f"{KEY}:error"].shape == (2, *x.shape)
    blur = matxai.methods.baselines.Baselines(x)("blur")
    difference = (net(x) - net(blur)).detach().T[[0, 2]]
    torch.testing.assert_close(result.figures[KEY]["difference"], difference, rtol=2e-2, atol=1e-4)
    gap = result.maps[KEY].flatten(2).sum(2) - result.figures[KEY]["difference"]
    torch.testing.assert_close(result.figures[KEY]["gap"], gap, rtol=1e-9, atol=1e-14)
    assert (attribution(net, x, KEY, 0).forwards, matxai.plan(KEY, budget=9).copies) == (65, 9)


def test_the_error_shrinks_with_the_steps_and_bounds_what_is_missed(make_gap_net, make_input):
    net, x = make_gap_net(2).double(), make_input(2).double()
    fine = matxai.attribute(net, x, IntegratedGradients(steps=400), 1)[KEY]
    errors = []
    for steps in (8, 64):
        found = matxai.attribute(net, x, IntegratedGradients(steps=steps), 1)
        errors.append(found[f"{KEY}:error"].abs().mean())
        assert (found[KEY] - fine).abs().mean() < errors[-1]
    assert errors[1] < 0.5 * errors[0]


def test_completeness_is_reached_and_costs_what_it_must(make_gap_net, make_input):
    net, x = make_gap_net(2).double(), make_input(2).double()
    blur = matxai.methods.baselines.Baselines(x)("blur")
    difference = (net(x) - net(blur)).detach()[:, 1]
    result = attribution(net, x, IntegratedGradients(completeness=0.01, budget=1500), 1)
    gap = result.maps[KEY].flatten(1).sum(1) - difference
    assert (gap.abs() <= 0.01 * difference.abs()).all()
    torch.testing.assert_close(result.figures[KEY]["gap"], gap, rtol=1e-6, atol=1e-12)
    torch.testing.assert_close(result.figures[KEY]["difference"], difference, rtol=1e-12, atol=1e-12)
    count = result.figures[KEY]["copies"]
    assert result.forwards == 1 + count
    assert 9 < count <= 1500
    assert not [w for w in result.warnings if "misses" in w]
    one = attribution(net, x[:1], IntegratedGradients(completeness=0.01, budget=1500), 1)
    torch.testing.assert_close(one.maps[KEY], result.maps[KEY][:1], rtol=1e-9, atol=1e-13)
    easy = attribution(
        power(4), x[:, 0, 0, :2], IntegratedGradients(completeness=1e-9), 0, baseline=lambda n: 0 * x[:, 0, 0, :2]
    )
    assert (easy.forwards, easy.backwards) == (1 + 1 + 8, 8)  # one panel, and the baseline's own score


@pytest.fixture(scope="module")
def kinked():
    """A small network full of kinks, two samples, and their scores' differences to the blur."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 6, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(96, 3),
    ).double().eval()  # fmt: skip
    x = torch.rand(2, 1, 24, 24, dtype=torch.float64)
    return net, x, (net(x) - net(matxai.methods.baselines.Baselines(x)("blur"))).detach()[:, 1]


def test_strict_completeness_is_reached_where_the_score_has_kinks_and_beats_the_plain_rule(kinked):
    net, x, difference = kinked

    def missed(method):
        result = attribution(net, x, method, 1)
        return ((result.maps[KEY].flatten(1).sum(1) - difference) / difference).abs().max(), result

    worst, counts = [], []
    for share in (0.005, 0.001):
        gap, result = missed(IntegratedGradients(completeness=share, budget=600))
        assert gap <= share
        assert not [w for w in result.warnings if "misses" in w]
        worst.append(gap)
        counts.append(result.figures[KEY]["copies"])
    assert worst[1] < missed(IntegratedGradients(steps=counts[1], budget=600))[0]
    assert worst[1] < worst[0]
    assert counts[0] < counts[1] < 400


def test_refinement_finds_a_single_kink_and_spends_nothing_elsewhere():
    """One ReLU at 0.7 of the path: the map is 0.3, and its panel shrinks by 4 with each cut that counts."""
    x, net = torch.tensor([[1.0]], dtype=torch.float64), Of(lambda t: torch.relu(t[:, 0] - 0.7))
    result = attribution(net, x, IntegratedGradients(completeness=1e-4, budget=600), 0, baseline=zero)
    assert result.maps[KEY].item() == pytest.approx(0.3, rel=1e-4)
    assert result.figures[KEY]["copies"] == result.forwards - 1 <= 9 + 8 * 43
    plain = attribution(net, x, IntegratedGradients(steps=result.figures[KEY]["copies"], budget=600), 0, baseline=zero)
    assert abs(plain.maps[KEY].item() - 0.3) > abs(result.maps[KEY].item() - 0.3)


def test_refined_maps_depend_on_no_other_sample_and_no_chunk_also_where_the_budget_ends(kinked, monkeypatch):
    net, x, _ = kinked
    for method in (
        IntegratedGradients(completeness=0.002, budget=500),
        IntegratedGradients(completeness=1e-6, budget=150),
    ):
        both = attribution(net, x, method, 1)
        with monkeypatch.context() as patch:
            patch.setattr(Copies, "_size", lambda *_, **__: 3)
            for i in range(2):
                alone = attribution(net, x[i : i + 1], method, 1)
                torch.testing.assert_close(alone.maps[KEY], both.maps[KEY][i : i + 1], rtol=1e-9, atol=1e-13)
                torch.testing.assert_close(
                    alone.maps[f"{KEY}:error"], both.maps[f"{KEY}:error"][i : i + 1], rtol=1e-7, atol=1e-12
                )
    several = attribution(net, x, IntegratedGradients(completeness=0.05, budget=600), matxai.targets.each(0, 1))
    shares = several.figures[KEY]["gap"].abs() / several.figures[KEY]["difference"].abs()
    assert (shares <= 0.05).all()
    assert several.backwards == 2 * (several.forwards - 1 - _scored(several.figures[KEY]["copies"]))


def _scored(copies):
    """Of the copies of a refined path, those without a backward: the baseline, and 3 walls for each cut into 4."""
    cuts, rest = divmod(copies - 9, 43)
    assert rest == 0
    return 1 + 3 * cuts


def test_a_budget_that_does_not_suffice_for_completeness_is_said_and_kept(make_gap_net, make_input):
    net, x = make_gap_net(2).double(), make_input(2).double()
    result = attribution(net, x, IntegratedGradients(completeness=1e-9, budget=40), 1)
    assert result.forwards <= 41
    assert any("misses the difference of the scores by" in w for w in result.warnings)
    assert result.warnings[0] in result.notes
    gap = result.maps[KEY].flatten(1).sum(1) - result.figures[KEY]["difference"]
    torch.testing.assert_close(result.figures[KEY]["gap"], gap, rtol=1e-9, atol=1e-14)


def test_several_baselines_are_averaged_in_one_stream(make_gap_net, make_input, monkeypatch):
    net, x = make_gap_net(2).double(), make_input(2).double()
    single = [matxai.attribute(net, x, IntegratedGradients(baselines=b, steps=8), 1)[KEY] for b in ("blur",)]
    single += [matxai.attribute(net, x, IntegratedGradients(baselines=b, steps=8, name="i"), 1)["i"]
               for b in ("mean", "noise")]  # fmt: skip
    monkeypatch.setattr(Copies, "_size", lambda *_, **__: 5)
    result = attribution(net, x, IntegratedGradients(baselines=("blur", "mean", "noise"), steps=8), 1)
    torch.testing.assert_close(result.maps[KEY], sum(single) / 3, rtol=1e-10, atol=1e-14)
    assert (result.forwards, result.backwards) == (25, 24)
    exact = attribution(net, x, IntegratedGradients(baselines=("blur", "mean"), completeness=0.02, budget=800), 1)
    of = matxai.methods.baselines.Baselines(x)
    start = (net(of("blur")) + net(of("mean"))).detach()[:, 1] / 2
    torch.testing.assert_close(exact.figures[KEY]["difference"], net(x).detach()[:, 1] - start, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"baselines": ()}, "has an empty list of baselines"),
        ({"baselines": "grey"}, "There is no baseline 'grey'"),
        ({"rule": "simpson"}, "There is no rule of quadrature 'simpson'"),
        ({"value": 0.5}, "The value 0.5 of integrated_gradients has no effect"),
        ({"steps": 1}, "steps=1; a rule of quadrature has 2 or more"),
        ({"tolerance": 0.1}, "draws nothing at random, so tolerance has no effect"),
        ({"completeness": 2.0}, "it is a share of the score"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, sentence):
    with pytest.raises(MethodError, match=sentence):
        IntegratedGradients(**options)


def test_a_budget_that_is_too_small_is_refused(make_gap_net, make_input):
    with pytest.raises(MethodError, match="needs 6 copies for 3 baseline"):
        attribution(make_gap_net(2), make_input(2), IntegratedGradients(baselines=("blur", "mean", "noise")), budget=4)
    with pytest.raises(MethodError, match="needs 16 copies for 1 baseline"):
        attribution(make_gap_net(2), make_input(2), IntegratedGradients(steps=16), budget=4)


def test_variants_are_baselines():
    keys = [m.key for m in resolve([KEY, f"{KEY}:noise", IntegratedGradients(baselines="white"),
                                    IntegratedGradients(baselines=("blur", "mean"), name="both")])]  # fmt: skip
    assert keys == [KEY, f"{KEY}:noise", f"{KEY}:white", "both"]


def test_gradient_shap_is_exact_on_a_linear_score(make_input):
    torch.manual_seed(0)
    net, x = nn.Sequential(nn.Flatten(), nn.Linear(2 * 32 * 24, 3)).double().eval(), make_input(2).double()
    reference = make_input(2, batch=1, seed=8).double()
    found = matxai.attribute(net, x, GradientSHAP(budget=4), 1, references=reference)
    torch.testing.assert_close(
        found["gradient_shap"], (x - reference) * net[1].weight[1].view_as(x[:1]), rtol=1e-10, atol=1e-13
    )
    assert found["gradient_shap:standard_error"].abs().max() < 1e-13


def test_gradient_shap_estimates_the_mean_of_integrated_gradients_over_the_references(make_gap_net, make_input):
    net, x = make_gap_net(2).double(), make_input(2, batch=2).double()
    references = make_input(2, batch=3, seed=8).double()
    want = (
        sum(
            matxai.attribute(net, x, IntegratedGradients(steps=64), 1, baseline=lambda n, r=r: r[None])[KEY]
            for r in references
        )
        / 3
    )
    result = attribution(net, x, GradientSHAP(budget=256), 1, references=references)
    found, error = (result.maps[k] for k in ("gradient_shap", "gradient_shap:standard_error"))
    apart = ((found - want) / error.clamp(min=1e-12))[want != 0]
    assert 0.85 < apart.square().mean().sqrt() < 1.15
    assert (result.forwards, result.backwards) == (257, 256)


def test_gradient_shap_without_references_draws_noise_and_stops_by_its_error(make_gap_net, make_input, monkeypatch):
    net, x = make_gap_net(1).double(), make_input(1).double()
    first = attribution(net, x, "gradient_shap", 1, budget=64, tolerance=0.25)
    count = first.figures["gradient_shap"]["copies"]
    assert count % 8 == 0
    assert count < 64
    monkeypatch.setattr(Copies, "_size", lambda *_, **__: 3)
    again = attribution(net, x[1:], "gradient_shap", 1, budget=64, tolerance=0.25)
    torch.testing.assert_close(again.maps["gradient_shap"], first.maps["gradient_shap"][1:], rtol=1e-10, atol=1e-14)
    with pytest.raises(MethodError, match=r"The references are \(3, 5\); they must be inputs of the model"):
        attribution(net, x, "gradient_shap", 1, references=torch.zeros(3, 5))


def test_gradient_shap_warns_of_a_region_close_to_every_reference(make_gap_net, make_input):
    net, x = make_gap_net(2), make_input(2)
    references = make_input(2, batch=2, seed=8)
    references[:, :, :12, :12] = x[1, :, :12, :12]
    (said,) = attribution(net, x, GradientSHAP(budget=4), 1, references=references).warnings
    assert said.startswith("gradient_shap: a region of 19 % of sample 1 lies within 5 % of its range from every ref")
    references[0] = make_input(2, batch=1, seed=8)[0]
    assert attribution(net, x, GradientSHAP(budget=4), 1, references=references).warnings == ()
    assert attribution(net, x, GradientSHAP(budget=4), 1).warnings == ()

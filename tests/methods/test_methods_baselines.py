"""What stands for nothing: each baseline's values, black and white that are known or not, and regions close to it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

import matxai
from matxai.errors import MatxaiWarning, MethodError
from matxai.methods import DeepLift, IntegratedGradients, attribution
from matxai.methods.baselines import Baselines, baselines, blurred, near
from matxai.methods.result import said_once


@pytest.fixture
def x(make_input):
    return make_input(2, batch=2).double()


def test_each_baseline_has_the_values_that_it_says(x):
    made = Baselines(x, low=-4.0, high=(5.0, 6.0))
    assert made("black").unique().tolist() == [-4.0]
    assert made("white")[0, :, 0, 0].tolist() == [5.0, 6.0]
    assert made("constant", value=0.25).unique().tolist() == [0.25]
    middle = (x.flatten(1).amax(1) + x.flatten(1).amin(1)) / 2
    assert torch.equal(made("constant")[:, 0, 0, 0], middle)
    torch.testing.assert_close(made("mean")[:, :, 3, 3], x.mean((2, 3)))
    noise = made("noise")
    assert noise.min() >= x.min()
    torch.testing.assert_close(noise.mean((2, 3)), x.mean((2, 3)), atol=0.15, rtol=0)
    torch.testing.assert_close(noise.std((2, 3)), x.std((2, 3)), atol=0.15, rtol=0)
    assert torch.equal(Baselines(x[1:])("noise"), noise[1:])  # no sample depends on the others
    assert not torch.equal(made("noise", draw=1), noise)
    assert not torch.equal(Baselines(x, seed=1)("noise"), noise)
    references = torch.randn(5, 2, 32, 24, dtype=torch.float64)
    torch.testing.assert_close(Baselines(x, references=references)("mean")[1], references.mean(0))
    assert all(made(name).shape == x.shape for name in baselines)


@pytest.mark.parametrize("shape", [(3, 2, 40), (2, 1, 20, 31), (1, 2, 9, 12, 5), (2, 1, 2, 64)])
def test_the_blur_is_a_gaussian_that_counts_nothing_beyond_the_border(shape):
    x = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    sigma = 0.05 * max(shape[2:])
    sigma = max(sigma, 1.0)
    sigmas = (0.0, 0.0, *(sigma,) * (len(shape) - 2))
    ones = ndimage.gaussian_filter(np.ones(shape), sigmas, mode="constant")
    want = ndimage.gaussian_filter(x.numpy(), sigmas, mode="constant") / ones
    torch.testing.assert_close(blurred(x, sigma), torch.from_numpy(want), rtol=1e-8, atol=1e-10)
    torch.testing.assert_close(blurred(torch.ones_like(x), 3.0), torch.ones_like(x))
    assert torch.equal(Baselines(x)("blur"), blurred(x, sigma))


def test_black_and_white_of_a_bare_tensor_must_be_said(make_gap_net, make_input):
    net, x = make_gap_net(2), make_input(2)
    with pytest.raises(MethodError, match=r"What 'black' is in this tensor is not known.* Give low="):
        matxai.attribute(net, x, "integrated_gradients:black", 1)
    with pytest.raises(MethodError, match="Give high="):
        matxai.attribute(net, x, "integrated_gradients:white", 1, low=0.0)
    with pytest.raises(MethodError, match="low= has 3 numbers for 2 channels"):
        matxai.attribute(net, x, "integrated_gradients:black", 1, low=(0.0, 1.0, 2.0))
    found = matxai.attribute(net, x, "integrated_gradients:black", 1, low=-9.0, budget=8)
    nines = torch.full((1, 2, 32, 24), -9.0)
    given = matxai.attribute(net, x, "integrated_gradients:blur", 1, baseline=lambda _: nines, budget=8)
    assert torch.equal(found["integrated_gradients:black"], given["integrated_gradients:blur"])


def test_what_a_provider_gives_is_checked(x):
    with pytest.raises(MethodError, match=r"The baseline 'blur' is \(3, 3\); it must be like the input"):
        Baselines(x, provider=lambda name: torch.zeros(3, 3))("blur")
    with pytest.raises(MethodError, match="The baseline 'mean' is ndarray"):
        Baselines(x, provider=lambda name: np.zeros((1, 2, 32, 24)))("mean")
    with pytest.raises(MethodError, match="holds NaN"):
        Baselines(x, provider=lambda name: torch.full((1, 2, 32, 24), torch.nan))("mean")
    with pytest.raises(MethodError, match="There is no baseline 'gray'"):
        Baselines(x)("gray")
    with pytest.raises(MethodError, match="A value belongs to the baseline 'constant', not to 'blur'"):
        Baselines(x)("blur", value=1.0)
    asked = []

    def provider(name, **options):
        asked.append((name, options))
        return x[:1]

    made = Baselines(x, provider=provider)
    made("constant", value=2.0)
    assert made("noise", draw=3).dtype == x.dtype
    assert asked == [("constant", {"value": 2.0}), ("noise", {"draw": 3})]


def test_a_connected_region_near_the_baseline_is_warned_about(make_gap_net, make_input):
    net, x = make_gap_net(2), 3 * make_input(2).sign()
    x[1, :, 4:14, 4:14] = 0.0
    black = torch.zeros_like(x)
    assert near(x, [black]) == [0.0, pytest.approx(100 / 768), 0.0]
    assert near(x, [black, torch.ones_like(x)]) == [0.0, 0.0, 0.0]  # far from one of them is enough
    method = IntegratedGradients(baselines="constant", value=0.0, steps=4, name="i")
    with pytest.warns(MatxaiWarning, match="a region of 13 % of sample 1 lies within 5 % of its range from the base"):
        matxai.attribute(net, x, method, 1)
    result = attribution(net, x, method, 1)
    assert result.maps["i"][1, :, 4:14, 4:14].abs().max() == 0
    assert [w for w in result.warnings if "region" in w]
    assert result.warnings[0] in result.notes
    x[1, :, 4:14, 4:14] = 0.4  # 6.7 % of the range away
    assert near(x, [black]) == [0.0, 0.0, 0.0]


def test_scattered_pixels_near_the_baseline_are_none(make_input):
    x = make_input(2)
    assert max(near(x, [Baselines(x)("mean")])) < 0.01


def test_what_several_methods_say_is_said_once_and_names_them(make_gap_net, make_input):
    net, x = make_gap_net(2), 3 * make_input(2).sign()
    x[1, :, 4:14, 4:14] = 0.0
    same = [IntegratedGradients(baselines="constant", value=0.0, steps=4, name=name) for name in ("a", "b", "c")]
    other = IntegratedGradients(baselines="constant", value=0.4, steps=4, name="d")
    result = attribution(net, x, [*same, other, DeepLift(baseline="constant", value=0.0, name="e")], 1)
    (said,) = [note for note in result.notes if "lies within 5 %" in note]
    assert said.startswith("a, b, c and e: a region of 13 % of sample 1 lies within")
    assert said in result.warnings
    with pytest.warns(MatxaiWarning) as told:
        matxai.attribute(net, x, same[:2], 1)
    assert [str(w.message).partition(":")[0] for w in told] == ["a and b"]


def test_sentences_are_merged_by_what_they_say():
    said = [("a", "a: one."), ("b", "Two."), ("b", "b: one."), ("c", "c: three."), ("a", "a: one."), ("c", "Two.")]
    assert said_once(said) == ("a and b: one.", "Two.", "c: three.")
    assert said_once([]) == ()

"""Peaks, shoulders, edges, and what in a spectrum is no signal."""

import numpy as np
import pytest

from matxai.errors import RegionError
from matxai.regions import edges, found_in_curve, peaks, shoulders
from matxai.regions.finders_1d import finders_1d

TWO_THETA = np.linspace(10, 80, 3501)
LINES = ((25.57, 3000), (35.14, 5000), (43.34, 900), (57.5, 250))


def gauss(x, centre, sigma):
    return np.exp(-0.5 * ((x - centre) / sigma) ** 2)


@pytest.fixture
def pattern():
    y = 200 + sum(h * gauss(TWO_THETA, c, 0.06) for c, h in LINES)
    return np.random.default_rng(0).poisson(y).astype(float)


@pytest.fixture
def edge_curve():
    energy = np.linspace(7000, 7300, 601)
    mu = 0.7 + np.arctan((energy - 7112) / 1.5) / np.pi + 0.3 * gauss(energy, 7125, 4)
    return energy, mu + 0.003 * np.random.default_rng(1).standard_normal(energy.size)


@pytest.mark.parametrize("turn", [1, -1])
def test_peaks_are_found_where_they_are_on_any_axis(pattern, turn):
    found = peaks(pattern[::turn], TWO_THETA[::turn])
    assert [round(p.evidence["position"], 2) for p in found] == pytest.approx([35.14, 25.57, 43.34, 57.5], abs=0.02)
    # 2.355 sigma, a little wider for the smoothing by one point of 0.02 degrees
    assert [p.evidence["fwhm"] for p in found[:3]] == pytest.approx([2.355 * np.hypot(0.06, 0.02)] * 3, rel=0.05)
    width = TWO_THETA[found[0].mask[::turn]]
    assert width.min() == pytest.approx(35.14 - 0.074, abs=0.03)
    assert width.max() == pytest.approx(35.14 + 0.074, abs=0.03)


def test_noise_alone_has_no_peaks():
    rng = np.random.default_rng(3)
    assert [len(peaks(rng.poisson(200, 3501).astype(float))) for _ in range(5)] == [0] * 5
    assert len(peaks(np.linspace(0, 1, 500))) == 0


def test_a_shoulder_is_no_peak_and_is_found():
    x = np.linspace(30, 55, 1251)
    y = gauss(x, 40, 2) + 0.35 * gauss(x, 45, 1.5) + 0.001 * np.random.default_rng(0).standard_normal(x.size)
    assert [round(p.evidence["position"]) for p in peaks(y, x, smooth=5)] == [40]
    (shoulder,) = shoulders(y, x, width=101)
    # the second derivative of the noiseless sum is least there
    truth = gauss(x, 40, 2) * ((x - 40) ** 2 / 16 - 1 / 4) + 0.35 * gauss(x, 45, 1.5) * (
        (x - 45) ** 2 / 5.0625 - 1 / 2.25
    )
    flank = (x > 43) & (x < 47)
    assert shoulder.evidence["position"] == pytest.approx(x[flank][truth[flank].argmin()], abs=0.3)


@pytest.mark.parametrize("turn", [1, -1])
def test_an_edge_is_found_at_its_steepest_point(edge_curve, turn):
    energy, mu = edge_curve
    (edge,) = edges(mu[::turn], energy[::turn])
    assert edge.evidence["position"] == pytest.approx(7112, abs=1.0)
    assert edge.evidence["step"] == pytest.approx(1.0, abs=0.2)


def test_peaks_are_no_edges(pattern):
    assert edges(pattern, TWO_THETA) == []


def only(values, *kinds):
    """What the finders find, by kind; nothing but the kinds named."""
    found = {name: finder(values, {}) for name, finder in finders_1d.items()}
    assert {name for name, regions in found.items() if regions} == set(kinds)
    return [found[kind] for kind in kinds]


def test_a_clean_pattern_and_a_clean_edge_have_no_artefact(pattern, edge_curve):
    only(pattern)
    only(edge_curve[1])


def test_constant_padding_at_both_ends(pattern):
    pattern[:60], pattern[-100:] = 0.0, 7.0
    ((start, end),) = only(pattern, "padding")
    assert (start.evidence["points"], end.evidence["points"]) == (60, 100)
    assert np.flatnonzero(end.mask).tolist() == list(range(3401, 3501))


def test_stray_first_and_last_channels(pattern):
    pattern[0], pattern[-2:] = 9000.0, 0.0
    (first,), (last,) = only(pattern, "first_channel", "last_channel")
    assert np.flatnonzero(first.mask).tolist() == [0]
    assert np.flatnonzero(last.mask).tolist() == [3499, 3500]


def test_saturation_is_a_plateau_at_the_limit(pattern):
    clipped = np.minimum(pattern, 4000.0)
    ((found,),) = only(clipped, "saturation")
    np.testing.assert_array_equal(found.mask, pattern >= 4000)
    wave = np.clip(np.sin(np.linspace(0, 60, 2000)) + 0.001 * np.random.default_rng(0).standard_normal(2000), -0.8, 0.8)
    assert [r.evidence["side"] for r in finders_1d["saturation"](wave, {})] == ["top", "bottom"]


def test_spikes_are_one_or_two_channels_and_peaks_are_not(pattern):
    pattern[1000] += 800
    pattern[2000:2002] += 1500
    ((first, second),) = only(pattern, "spike")
    assert {tuple(np.flatnonzero(r.mask).tolist()) for r in (first, second)} == {(1000,), (2000, 2001)}


def test_a_jump_where_detectors_were_joined(pattern):
    pattern[1700:] += 400
    ((found,),) = only(pattern, "step")
    assert np.flatnonzero(found.mask).tolist() == [1699, 1700]
    assert found.evidence["height"] == pytest.approx(400, abs=40)


def test_scaling_leaves_a_one_and_a_zero(pattern):
    scaled = (pattern - pattern.min()) / np.ptp(pattern)
    ((found,),) = only(scaled, "constant")
    np.testing.assert_array_equal(found.mask, (scaled == 1) | (scaled == 0))
    ((found,),) = only(pattern / pattern.max() * 100, "constant")
    assert found.evidence["scaled"] == "maximum"


def test_two_channels_are_judged_by_their_mean(pattern):
    pattern[1000] += 1500
    assert finders_1d["spike"](np.stack([pattern, pattern], axis=1), {})[0].mask.shape == (3501,)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: peaks(np.zeros(5)), "at least 8 points"),
        (lambda: peaks(np.zeros((3, 3, 3))), "at least 8 points"),
        (lambda: edges(np.array([np.nan] * 20)), "20 values that are NaN"),
        (lambda: found_in_curve(np.ones(20, complex)), "holds real numbers, not complex128"),
        (lambda: peaks(np.zeros(20), np.zeros(20)), "rising or falling"),
        (lambda: peaks(np.zeros(20), np.arange(19)), "rising or falling"),
        (lambda: shoulders(np.zeros(20), width=4), "odd number"),
        (lambda: finders_1d["spik"], "Did you mean 'spike'"),
    ],
)
def test_what_is_no_spectrum_gets_a_sentence(call, sentence):
    with pytest.raises(RegionError, match=sentence):
        call()

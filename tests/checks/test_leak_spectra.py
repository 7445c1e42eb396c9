"""Leakage in spectra: what one count is worth, ranges, instruments, peaks that are foreign to their class."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from matxai_datasets.spectra import SpectrumSet, spectrum_set, truth_of
from matxai_models import shipped
from torch import nn

import matxai
from matxai.checks import LabelledSet, class_scores
from matxai.checks.leak.case import Case, Signals
from matxai.checks.leak.examining import examine
from matxai.checks.leak.factors import factors
from matxai.checks.leak.factors.instrument import on_background_of
from matxai.checks.leak.factors.scale import scale_of
from matxai.checks.leak.factors.scan_range import with_range
from matxai.checks.leak.foreign_peaks import Peaks
from matxai.checks.leak.levelled import levelled
from matxai.checks.leak.records import Artefact
from matxai.modelcard import Model

rng = np.random.default_rng(8)
AXIS = np.linspace(0, 100, 801)


def curve(values: Any, axis: Any = AXIS) -> xr.DataArray:
    return xr.DataArray(values, dims="energy", coords={"energy": ("energy", axis, {"units": "eV"})})


def labelled(signals: list[xr.DataArray], labels: Any, groups: Any, **more: Any) -> LabelledSet:
    names = tuple(str(k) for k in range(len(signals)))
    return LabelledSet(names, np.asarray(labels), ("a", "b"), lambda i: signals[i], groups=np.asarray(groups), **more)


def generated(leak: str | None, n: int = 60, seed: int = 5) -> tuple[SpectrumSet, LabelledSet]:
    made = spectrum_set("powder_phases", n, seed, per_specimen=2, leak=leak)
    signals = [one.signal() for one in made]
    names = tuple(str(k) for k in range(n))
    return made, LabelledSet(names, made.labels, made.classes, lambda i: signals[i], groups=made.groups)


@pytest.mark.parametrize("worth", [1.0, 0.1, 37.0])
def test_the_worth_of_a_count_is_found_whatever_the_exposure(worth: float) -> None:
    shape = 200 + 150 * np.sin(AXIS / 15) + 4000 * np.exp(-(((AXIS - 40) / 0.8) ** 2))
    for exposure in (0.5, 5.0):
        counts = rng.poisson(exposure * shape).astype(float)
        assert scale_of(worth * counts) == pytest.approx(worth, rel=0.2)
    burst = np.where(AXIS > 30, np.exp(-(AXIS - 30) / 10) * np.sin(AXIS * 9), 0.0) * rng.uniform(1, 5)
    assert scale_of(worth * (burst + rng.normal(0, 0.01, AXIS.size))) == pytest.approx(0.01 * worth, rel=0.3)
    assert scale_of(np.ones(801)) == 0.0


class Level(nn.Module):
    """Two scores from the mean of a spectrum against a limit."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mean = x.log1p().mean((1, 2))
        return torch.stack([4.0 - mean, mean - 4.0], 1) * 10


class Peak(nn.Module):
    """Two scores from which of two peaks is higher, whatever the scale."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        at = x.shape[-1] // 8
        first, second = (x[..., k * at - 12 : k * at + 12].amax((1, 2)) for k in (3, 5))
        return torch.stack([first - second, second - first], 1) / (first + second)[:, None] * 20


def counted(labels: Any, worth: Any) -> list[xr.DataArray]:
    places = np.array([37.5, 62.5])[np.asarray(labels)]
    strength = rng.uniform(0.5, 1.6, len(labels))
    below = [s * (150 + 600 * np.exp(-(((AXIS - p) / 0.5) ** 2))) for s, p in zip(strength, places, strict=True)]
    return [curve(w * rng.poisson(b).astype(float)) for w, b in zip(worth, below, strict=True)]


def model_of(net: nn.Module, **more: Any) -> Model:
    return matxai.load_model(net, classes=["a", "b"], kind="1d", channels=1, scale="none", **more)


def asked(name: str, model: Model, data: LabelledSet) -> Any:
    """Both columns of a factor."""
    units, signals = np.arange(len(data)), Signals(data)
    clean = class_scores(model, [signals[i] for i in units])
    return factors[name](Case(model, data, units, units, clean, data.groups, True, signals, draws=400))


def test_a_constant_of_normalisation_is_a_leak_for_the_net_that_reads_it_alone() -> None:
    labels = np.arange(40) // 2 % 2
    data = labelled(counted(labels, np.where(labels == 1, 1.0, 0.05)), labels, np.arange(40) // 2)
    for net, reads in ((Level(), True), (Peak(), False)):
        found = asked("scale", model_of(net), data)
        assert found.predicts == pytest.approx(1.0)
        assert found.predicts > found.chance
        assert not found.specimen
        assert found.moves.interval[0] > 0.5 if reads else found.moves.effect == pytest.approx(0.0, abs=0.01)


def test_spectra_are_cut_to_a_range_or_go_on_with_their_mirror_image() -> None:
    own = curve(rng.normal(size=801))
    cut = with_range(own, 10.0, 90.0)
    np.testing.assert_array_equal(cut.values, own.values[80:721])
    longer = with_range(own, -5.0, 100.0)
    assert longer.sizes["energy"] == 841
    np.testing.assert_allclose(longer["energy"].values, np.linspace(-5, 100, 841), atol=1e-9)
    np.testing.assert_array_equal(longer.values[:40], own.values[40:0:-1])
    assert longer["energy"].attrs == {"units": "eV"}


class Ends(nn.Module):
    """Two scores from whether the first points of the spectrum are one value, as where a shorter scan was filled up."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        flat = x[..., :20].std((1, 2)) / x.std((1, 2))
        return torch.stack([0.02 - flat, flat - 0.02], 1) * 500


def test_a_scan_range_is_a_leak_for_the_net_that_reads_it_alone() -> None:
    labels = np.arange(40) // 2 % 2
    whole = counted(labels, np.ones(40))
    signals = [s if y else s.isel(energy=slice(60, None)) for s, y in zip(whole, labels, strict=True)]
    data = labelled(signals, labels, np.arange(40) // 2)
    axis = {"name": "energy", "units": "eV", "start": 0.0, "stop": 100.0, "points": 801, "outside": "edge"}
    for net, reads in ((Ends(), True), (Peak(), False)):
        found = asked("scan_range", model_of(net, axis=axis), data)
        assert found.predicts == pytest.approx(1.0)
        assert not found.specimen
        assert found.moves.interval[0] > 0.2 if reads else found.moves.effect == pytest.approx(0.0, abs=0.01)


class Background(nn.Module):
    """Two scores from whether the spectrum falls or rises as a whole."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n = x.shape[-1] // 4
        slope = (x[..., -n:].median(-1).values - x[..., :n].median(-1).values).mean(1) / x.mean((1, 2))
        return torch.stack([-slope, slope], 1) * 10


@pytest.mark.parametrize("crossed", [True, False])
def test_an_instrument_is_a_leak_only_where_it_comes_with_the_class(crossed: bool) -> None:
    number = np.arange(40)
    labels = number // 2 % 2
    which = number // 4 % 2 if crossed else labels
    slopes = np.where(which[:, None] == 1, 0.3 + AXIS / 100, 1.3 - AXIS / 100)
    signals = [curve(s.values * f) for s, f in zip(counted(labels, np.ones(40)), slopes, strict=True)]
    more = {"device": tuple(f"M{w}" for w in which)}
    data = labelled(signals, labels, number // 2, more=more)
    for net, reads in ((Background(), True), (Peak(), False)):
        found = asked("instrument", model_of(net), data)
        assert (found.predicts > found.chance) is not crossed
        if not crossed:
            assert found.moves.interval[0] > 0.5 if reads else found.moves.effect == pytest.approx(0.0, abs=0.01)


def test_peaks_stand_on_the_donors_background_as_high_as_on_their_own() -> None:
    peak = np.exp(-(((AXIS - 50) / 0.5) ** 2))
    got = on_background_of(curve(100 + 300 * peak), curve(400 + 2 * AXIS)).values
    below = 400 + 2 * AXIS
    assert got[400] - below[400] == pytest.approx(300 * np.median(below) / 100, rel=0.05)
    np.testing.assert_allclose(got[40:300], below[40:300], rtol=0.05)


def test_a_donors_peak_stands_on_the_receivers_background() -> None:
    own, peak = 50 + AXIS, 80 * np.exp(-(((AXIS - 50) / 0.5) ** 2))
    inside = abs(AXIS - 50) < 4
    np.testing.assert_allclose(levelled(own, 900 - 3 * AXIS + peak, inside), own + peak, atol=1e-6)
    np.testing.assert_allclose(levelled(own + peak, 900 - 3 * AXIS, inside), own, atol=1e-6)


@pytest.fixture(scope="module")
def holder() -> LabelledSet:
    return generated("holder", 60, 0)[1]


def peaks_of(data: LabelledSet) -> Artefact | None:
    found = Peaks(data)
    for number in range(len(data)):
        signal = data.read(number)
        found.add(number, signal.values, np.zeros(signal.shape, bool), signal["two_theta"].values)
    return found.artefact()


def test_a_holders_peaks_go_their_own_way_and_those_of_the_material_never_do(holder: LabelledSet) -> None:
    found = peaks_of(holder)
    places = [p.position for p in truth_of("powder_phases", leak="holder").planted]
    assert found is not None
    for peak in found.evidence["peaks"]:
        assert any(peak["from"] < place < peak["to"] for place in places), peak
    assert peaks_of(generated(None, 60, 0)[1]) is None


def test_the_check_convicts_the_twin_and_clears_the_sound_models(holder: LabelledSet) -> None:
    artefact = peaks_of(holder)
    assert artefact is not None
    answers = {}
    for name in ("phases_holder", "phases", "phases_stride32"):
        made = examine(
            matxai.load_model(shipped()[name]), holder, artefacts=[artefact], supporting=False, factors=False,
            max_units=24, donors=9, draws=400,
        )  # fmt: skip
        (one,) = made.findings
        answers[name] = one.verdict.answer == "leak", one.verdict.effect
    assert answers["phases_holder"][0], answers
    assert not answers["phases"][0], answers
    assert not answers["phases_stride32"][0], answers
    assert abs(answers["phases"][1]) < 0.02

"""What the leakage check's factors do to models for waveforms, and to spectra."""

from __future__ import annotations

import numpy as np
import pytest
from matxai_datasets.spectra import spectrum_set
from matxai_models import shipped

import matxai
from matxai.checks import LabelledSet, class_scores
from matxai.checks.leak.case import Case, Signals
from matxai.checks.leak.factors import factors
from matxai.checks.leak.factors.brightness import shifted
from matxai.checks.leak.factors.contrast import stretched
from matxai.checks.leak.factors.measuring import is_counts, own_contrast_of, own_noise_of
from matxai.checks.leak.factors.noise import noisier


@pytest.fixture(scope="module")
def gained() -> LabelledSet:
    made = spectrum_set("acoustic_events", 36, 11, per_specimen=2, leak="gain", strength=100.0)
    signals = [one.signal() for one in made]
    names = tuple(str(k) for k in range(len(made)))
    return LabelledSet(names, made.labels, made.classes, lambda i: signals[i], groups=made.groups)


@pytest.mark.parametrize(("name", "reads"), [("events_gain", True), ("events", False)])
def test_the_gain_moves_the_twin_and_never_the_sound_network(gained: LabelledSet, name: str, reads: bool) -> None:
    model, units, signals = matxai.load_model(shipped()[name]), np.arange(len(gained)), Signals(gained)
    clean = class_scores(model, [signals[i] for i in units])
    case = Case(model, gained, units, units, clean, gained.groups, True, signals, draws=200)
    found = factors["scale"](case)
    assert found is not None
    assert found.moves is not None
    assert found.predicts == pytest.approx(1.0)
    assert found.moves.interval[0] > 0.5 if reads else found.moves.effect == pytest.approx(0.0, abs=1e-9)
    assert factors["focus"](case) is None, "of a waveform that would be its frequencies"


def test_what_a_spectrum_was_multiplied_with_is_neither_its_contrast_nor_its_noise() -> None:
    one = spectrum_set("xps_molybdenum", 1, 3).spectra[0].signal()
    values = np.asarray(one.values, float)
    assert is_counts(values)
    for measure in (own_contrast_of, own_noise_of):
        assert measure(0.01 * values) == pytest.approx(measure(values), rel=1e-9)


def test_changed_spectra_have_no_counts_below_0() -> None:
    one = spectrum_set("xps_molybdenum", 1, 3).spectra[0].signal().astype(float)
    rng = np.random.default_rng(0)
    mean, contrast, noise = float(one.mean()), own_contrast_of(one.values), own_noise_of(one.values)
    darker = shifted(one, mean, mean / 50, rng)
    np.testing.assert_allclose(darker.values, one.values / 50)
    assert float(stretched(one, contrast, 20 * contrast, rng).min()) >= 0.0
    louder = noisier(one, noise, 1.0, rng)
    assert float(louder.min()) >= 0.0
    assert own_noise_of(noisier(one, noise, 0.1, rng).values) == pytest.approx(0.1, rel=0.1)

"""Bursts, loops and Raman bands: against differential equations solved elsewhere, closed forms, and energy."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from matxai_datasets.spectra import GENERATORS, spectrum, truth_of
from matxai_datasets.spectra.detection import charge_coupled, digitised, hum
from matxai_datasets.spectra.emission import burst, dispersed, resonator
from matxai_datasets.spectra.magnetism import MU0, JilesAtherton, barkhausen, coercive_field, loop_area
from matxai_datasets.spectra.record import Scene
from matxai_datasets.spectra.sets import raman_titania
from scipy.integrate import solve_ivp
from scipy.ndimage import uniform_filter1d

from matxai.errors import SignalError

STEEL = JilesAtherton(saturation=1.6e6, shape=400.0, coupling=4e-4, pinning=700.0, reversibility=0.15)


def _field(peak: float, points: int = 300, cycles: float = 2.0) -> np.ndarray:
    return peak * np.sin(2 * np.pi * np.arange(int(points * cycles) + 1) / points)


def test_the_loop_is_that_of_an_independent_solver() -> None:
    """The same model in the form of its effective field, by scipy's Radau, leg by leg."""

    def langevin(x: float) -> float:
        return float(1 / np.tanh(x) - 1 / x) if abs(x) > 1e-2 else x / 3 - x**3 / 45

    p = STEEL

    def rhs(h: float, y: np.ndarray, sign: float) -> list[float]:
        he = h + p.coupling * y[1]
        man = p.saturation * langevin(he / p.shape)
        bend = p.saturation * (langevin((he + 1e-3) / p.shape) - langevin((he - 1e-3) / p.shape)) / 2e-3
        pinned = (man - y[0]) * sign / p.pinning
        pinned = pinned if pinned > 0 else 0.0
        # two linear equations for dM_irr/dH and dM/dH, solved as they stand
        a = np.array([[1.0, -p.coupling * pinned], [-(1 - p.reversibility), 1 - p.coupling * p.reversibility * bend]])
        return list(np.linalg.solve(a, [pinned, p.reversibility * bend]))

    turns, y = [0.0, 6000.0, -6000.0, 6000.0], np.zeros(2)
    found = []
    for start, stop in pairwise(turns):
        done = solve_ivp(
            rhs, (start, stop), y, args=(np.sign(stop - start),), method="RK45", rtol=1e-8, atol=1e-2,
            t_eval=np.linspace(start, stop, 61), max_step=20.0,
        )  # fmt: skip
        found.append(done.y[1])
        y = done.y[:, -1]
    legs = [np.linspace(a, b, 61) for a, b in pairwise(turns)]
    ours = STEEL.along(np.concatenate([leg[bool(k) :] for k, leg in enumerate(legs)]), steps=20)[0]
    reference = np.concatenate([leg[bool(k) :] for k, leg in enumerate(found)])
    assert np.abs(ours - reference).max() < 2e-4 * p.saturation


def test_loops_saturate_close_and_lose_the_area_that_they_enclose() -> None:
    h = _field(40000.0)
    m, irreversible = STEEL.along(h, steps=4)
    assert 0.98 < m.max() / STEEL.saturation < 1
    last = slice(300, 600)
    assert m[600] == pytest.approx(m[300], rel=2e-3), "the second cycle is closed"
    assert np.allclose(m[300:450], -m[450:600], atol=4e-3 * STEEL.saturation)
    assert np.all(np.abs(irreversible) <= STEEL.saturation)
    area = loop_area(h[last], MU0 * (h + m)[last])
    # the same in polar form: half the sum of cross products, and the field's own part encloses nothing
    x, y = h[last], MU0 * m[last]
    shoelace = 0.5 * abs(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y))
    assert area == pytest.approx(shoelace, rel=1e-2)
    # a rectangle of the coercive field and the saturation has about this area
    assert area == pytest.approx(4 * coercive_field(h[last], m[last]) * MU0 * STEEL.saturation, rel=0.5)


def test_the_coercive_field_grows_with_pinning_and_is_near_it_for_strong_coupling() -> None:
    fields = []
    for pinning in (200.0, 400.0, 800.0):
        h = _field(8000.0)
        m, _ = JilesAtherton(shape=400.0, coupling=5e-4, pinning=pinning).along(h)
        fields.append(coercive_field(h[300:], m[300:]))
        k = int(np.flatnonzero((m[300:-1] < 0) & (m[301:] >= 0))[-1]) + 300
        assert h[k] <= fields[-1] <= h[k + 1]
    assert fields[0] < fields[1] < fields[2]
    assert fields[2] / fields[1] == pytest.approx(2, rel=0.15)
    assert all(0.6 * k < f < 1.05 * k for f, k in zip(fields, (200, 400, 800), strict=True))


def test_minor_loops_lie_inside_and_without_pinning_there_is_no_loop() -> None:
    major, _ = STEEL.along(_field(20000.0))
    h = _field(900.0, cycles=4)
    minor, _ = STEEL.along(h)
    assert np.abs(minor).max() < 0.9 * major.max()
    assert loop_area(h[-300:], minor[-300:]) < 0.5 * loop_area(_field(20000.0)[-300:], major[-300:])
    soft = JilesAtherton(shape=400.0, coupling=0.0, pinning=1e-3 * 400, reversibility=0.9)
    x = _field(5000.0, points=4000)
    free, _ = soft.along(x, steps=1)
    anhysteretic = np.array([soft.anhysteretic(v)[0] for v in x])
    assert np.abs(free - anhysteretic).max() < 0.1 * soft.saturation


@pytest.mark.parametrize(
    "wrong", [{"pinning": -1.0}, {"reversibility": 1.0}, {"coupling": 0.1, "saturation": 1.6e6, "shape": 400.0}]
)
def test_no_ferromagnet_is_a_sentence(wrong: dict[str, float]) -> None:
    with pytest.raises(SignalError, match=r"ferromagnet|M jumps"):
        JilesAtherton(**wrong)


def test_barkhausen_noise_has_its_envelope_and_its_band() -> None:
    rate, n = 80e3, 2**16
    envelope = np.where(np.arange(n) < n // 2, 1.0, 3.0)
    noise = barkhausen(envelope, rate, (6e3, 30e3), np.random.default_rng(0))
    assert noise[: n // 2].std() == pytest.approx(1, rel=0.02)
    assert noise[n // 2 :].std() == pytest.approx(3, rel=0.02)
    flat = np.abs(np.fft.rfft(barkhausen(np.ones(n), rate, (6e3, 30e3), np.random.default_rng(1)))) ** 2
    frequency = np.fft.rfftfreq(n, 1 / rate)
    assert flat[(frequency < 5.9e3) | (frequency > 30.1e3)].sum() < 1e-12 * flat.sum()


def test_the_noise_of_steels_is_loudest_where_the_irreversible_part_is_steepest() -> None:
    truth = truth_of("barkhausen_steels")
    for kind in truth.classes:
        runs = [spectrum("barkhausen_steels", k, kind, specimen=1) for k in range(12)]
        one = runs[0]
        loudness = uniform_filter1d(np.sqrt(np.mean([r.values[:, 1] ** 2 for r in runs], axis=0)), 25)
        m = one.expected[:, 0] / MU0 - one.beside["field"]
        steepness = uniform_filter1d(np.abs(np.gradient(m)), 25)
        assert np.corrcoef(loudness, steepness)[0, 1] > 0.9
        zones = [z for z in truth.zones[kind] if z.evidence == "presence"]
        assert len(zones) == 2, "one on each branch"
        assert any(z.holds(one.axis[loudness.argmax()]) for z in zones) == (kind != "hardened")
    hard = truth.distinguishing("hardened", evidence="presence")
    assert [z.position for z in hard] == pytest.approx([hard[0].position, hard[0].position + 0.025], abs=5e-4)
    signal = one.signal()
    assert signal.dims == ("time", "c")
    assert list(signal["c"].values) == ["flux_density", "barkhausen"]
    assert "field" in signal.coords


def test_a_burst_begins_at_its_onset_and_decays_as_told() -> None:
    time = np.arange(-500, 4000) / 2e6
    wave = burst(time, 1e-5, 2e5, rise=1e-9, decay=2e-4, phase=np.pi / 2)
    assert np.all(wave[time <= 1e-5] == 0)
    peaks = wave[1:-1][(wave[1:-1] > wave[:-2]) & (wave[1:-1] > wave[2:])]
    ratio = peaks[1:40] / peaks[:39]
    assert np.median(ratio) == pytest.approx(np.exp(-1 / (2e5 * 2e-4)), rel=1e-2)
    power = np.abs(np.fft.rfft(wave)) ** 2
    assert np.fft.rfftfreq(len(wave), 5e-7)[power.argmax()] == pytest.approx(2e5, rel=3e-3)


def test_dispersion_keeps_energy_delays_low_frequencies_and_spreads() -> None:
    rate = 2e6
    time = (np.arange(4096) - 1000) / rate
    packet = np.exp(-((time / 1.2e-5) ** 2)) * np.cos(2 * np.pi * 90e3 * time)
    far = dispersed(packet, rate, 0.4, 0.4, frequency=90e3)
    assert (far**2).sum() == pytest.approx((packet**2).sum(), rel=1e-4)

    def centre(wave: np.ndarray) -> float:
        return float((time * wave**2).sum() / (wave**2).sum())

    def width(wave: np.ndarray) -> float:
        return float(np.sqrt(((time - centre(wave)) ** 2 * wave**2).sum() / (wave**2).sum()))

    assert abs(centre(far)) < 4e-6
    assert width(far) > 1.1 * width(packet)
    # group delay x s / (2 sqrt(omega)): what 60 kHz takes longer than 120 kHz
    delays = []
    for f in (60e3, 120e3):
        tone = np.exp(-((time / 4e-5) ** 2)) * np.cos(2 * np.pi * f * time)
        delays.append(centre(dispersed(tone, rate, 0.2, 0.4, frequency=90e3)) - centre(tone))
    expected = 0.2 * 0.4 / 2 * (1 / np.sqrt(2 * np.pi * 60e3) - 1 / np.sqrt(2 * np.pi * 120e3))
    assert delays[0] - delays[1] == pytest.approx(expected, rel=0.05)


def test_a_sensor_resonates_at_its_frequency_with_gain_one() -> None:
    time = np.arange(8192) / 2e6
    for f, gain in ((160e3, 1.0), (40e3, 0.7)):
        tone = np.sin(2 * np.pi * f * time)
        heard = resonator(tone, 2e6, 160e3, 3.0, 0.3)[2000:6000]
        assert heard.std() / tone[2000:6000].std() == pytest.approx(gain, abs=0.04)


def test_events_of_a_class_have_their_energy_in_its_bands_and_none_before_the_trigger() -> None:
    truth = truth_of("acoustic_events")
    assert {k: truth.distinguishing(k)[0].name for k in truth.classes} == {
        "crack": "S0 300 kHz", "delamination": "A0 90 kHz", "fibre": "S0 450 kHz",
    }  # fmt: skip
    for kind in truth.classes:
        one = spectrum("acoustic_events", 4, kind)
        power = np.abs(np.fft.rfft(one.values)) ** 2
        frequency = np.fft.rfftfreq(len(one.values), 5e-7)
        best = truth.distinguishing(kind)[0]
        inside = (frequency >= best.start) & (frequency <= best.stop)
        assert best.holds(frequency[power[frequency > 5e4].argmax() + int((frequency <= 5e4).sum())])
        mine = power[inside].sum() / power.sum()
        for other in set(truth.classes) - {kind}:
            its = np.abs(np.fft.rfft(spectrum("acoustic_events", 4, other).values)) ** 2
            assert its[inside].sum() / its.sum() < mine / 2
        early = {z.evidence: z for z in truth.along[kind]}["nuisance"]
        before = np.flatnonzero((one.axis >= early.start) & (one.axis < early.stop))[:240]
        in_band = (np.fft.rfftfreq(240, 5e-7) >= best.start) & (np.fft.rfftfreq(240, 5e-7) <= best.stop)
        quiet, loud = (np.abs(np.fft.rfft(one.values[rows])[in_band]) ** 2 for rows in (before, before + 260))
        assert quiet.sum() < 0.05 * loud.sum()


def test_gain_scales_signal_and_sensor_noise_but_not_the_converter() -> None:
    planted = ((None, None), ("gain", 0), ("gain", 1))
    plain, first, last = (spectrum("acoustic_events", 5, "crack", leak=k, content=c) for k, c in planted)
    step = 20 / 2**16
    for one in (plain, first, last):
        assert np.allclose(one.values / step, np.round(one.values / step), atol=1e-6)
    assert last.values.std() / first.values.std() == pytest.approx(4, rel=0.08)
    assert truth_of("acoustic_events", leak="gain").everywhere
    assert digitised(np.array([11.0, -11.0]), full_scale=10.0) == pytest.approx([10.0, -10.0], abs=1e-3)


def test_hum_is_of_the_mains() -> None:
    time = np.arange(50_000) / 50_000
    power = np.abs(np.fft.rfft(hum(time, np.random.default_rng(0), 0.5))) ** 2
    assert set(np.flatnonzero(power > 1e-6 * power.max())) == {50, 150, 250}


def test_raman_bands_stand_where_and_as_wide_as_voigt_says_and_shift_together() -> None:
    one = spectrum("raman_titania", 3, "rutile")
    off = float(one.drawn["off"])
    inside = (one.axis > 1060) & (one.axis < 1110)
    top = one.axis[inside][one.expected[inside].argmax()]
    assert abs(top - 1086 - off) < 0.6
    curve = {name: c for name, _, c in raman_titania.bands("calcite", 1000.0, 5.0)}["calcite 1086"]
    half = raman_titania.AXIS[curve >= curve.max() / 2]
    # Olivero and Longbothum: 0.5346 l + sqrt(0.2166 l^2 + g^2)
    assert np.ptp(half) == pytest.approx(0.5346 * 5 + np.sqrt(0.2166 * 25 + 25), abs=1.1)
    sharp = {name: c for name, _, c in raman_titania.bands("calcite", 1000.0, 0.5)}["calcite 1086"]
    assert curve.sum() == pytest.approx(sharp.sum(), rel=5e-3), "the area does not depend on the instrument"
    truth = truth_of("raman_titania")
    assert {k: truth.distinguishing(k, evidence="presence")[0].name for k in ("rutile",)} == {"rutile": "rutile 447"}
    assert any(z.name == "calcite 1086" for z in truth.nuisance)


def test_cosmic_rays_are_few_narrow_and_upward() -> None:
    scene = Scene(np.arange(2000.0), np.full(2000, 400.0))
    clean = charge_coupled(scene, np.random.default_rng(1), spikes=0.0)
    struck = charge_coupled(scene, np.random.default_rng(1), spikes=20.0)
    outliers = np.flatnonzero(struck > 400 + 8 * np.sqrt(400 + 16))
    assert 5 <= len(outliers) <= 70
    assert struck.min() > 250
    assert clean.var() == pytest.approx(400 + 16, rel=0.1)


@pytest.mark.parametrize("name", ["acoustic_events", "barkhausen_steels"])
def test_waveforms_have_no_scan_range_and_spectra_no_gain(name: str) -> None:
    assert GENERATORS[name].data_kind == "waveforms"
    with pytest.raises(SignalError, match="spectra"):
        spectrum(name, 1, leak="scan_range")
    with pytest.raises(SignalError, match="waveforms"):
        spectrum("raman_titania", 1, leak="gain")

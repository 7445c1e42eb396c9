"""Photoelectrons and absorption edges: doublets, backgrounds and EXAFS against closed forms and other libraries."""

from __future__ import annotations

import numpy as np
import pytest
from matxai_datasets.spectra import spectrum, truth_of
from matxai_datasets.spectra.absorption import Edge, Shell, exafs, hump, self_absorbed
from matxai_datasets.spectra.photoemission import Line, doublet, shirley
from matxai_datasets.spectra.record import Spectrum
from matxai_datasets.spectra.sets import xafs_chromium, xps_molybdenum
from scipy import constants
from scipy.optimize import curve_fit
from scipy.special import erf, voigt_profile

BINDING = np.round(np.arange(200.0, 260.0, 0.05), 6)


@pytest.mark.parametrize(("shell", "ratio"), [("2p", (2, 1)), ("3d", (3, 2)), ("4f", (4, 3))])
def test_doublets_have_the_areas_of_two_j_plus_one_at_their_splitting(shell: str, ratio: tuple[int, int]) -> None:
    first, second = doublet("X", shell, 225.0, 100.0, 8.0, 0.6, eta=0.0)
    whole = first.on(BINDING) + second.on(BINDING)
    lower = BINDING < 229.0
    areas = [float(whole[part].sum() * 0.05) for part in (lower, ~lower)]
    assert areas[0] / areas[1] == pytest.approx(ratio[0] / ratio[1], rel=1e-6)
    assert sum(areas) == pytest.approx(100, rel=1e-6)
    tops = [float(BINDING[part][whole[part].argmax()]) for part in (lower, ~lower)]
    assert np.diff(tops) == pytest.approx(8.0, abs=1e-6)


@pytest.mark.parametrize("alpha", [0.0, 0.12])
def test_a_line_has_its_area_and_a_metal_its_tail_at_high_binding_energy(alpha: float) -> None:
    line = Line("m", 228.0, 500.0, 0.5, eta=0.0, alpha=alpha).on(BINDING)
    assert line.sum() * 0.05 == pytest.approx(500, rel=1e-3)
    above, below = np.interp([230.0, 226.0], BINDING, line)
    assert (above > 2.5 * below) == (alpha > 0)


def test_a_symmetrical_metal_line_through_the_analyser_is_a_voigt_function() -> None:
    from matxai_datasets.spectra.profiles import doniach_sunjic
    from scipy.ndimage import gaussian_filter1d

    shape = gaussian_filter1d(doniach_sunjic(BINDING, 228.0, 0.5, 0.0), 0.4 / 2.3548 / 0.05)
    voigt = voigt_profile(BINDING - 228.0, 0.4 / 2.3548, 0.25)
    assert np.abs(shape / shape.max() - voigt / voigt.max()).max() < 3e-3


def test_shirley_of_a_gaussian_is_an_error_function() -> None:
    fine = np.linspace(220, 240, 2001)
    line = Line("g", 228.0, 1000.0, 1.2, eta=0.0).on(fine)
    found = shirley(line, 0.01, 0.03)
    sigma = 1.2 / np.sqrt(8 * np.log(2))
    closed = 0.03 * 1000 * 0.5 * (1 + erf((fine - 228.0) / (sigma * np.sqrt(2))))
    assert np.abs(found - closed).max() < 1e-4 * 30
    assert np.all(np.diff(found) >= 0), "it rises towards high binding energy"


def test_charging_moves_all_lines_of_a_spectrum_together() -> None:
    def places(seed: int) -> tuple[float, float, float]:
        one = spectrum("xps_molybdenum", seed, "MoO3", specimen=1)
        found = []
        for low, high in ((231.0, 234.3), (283.0, 285.8)):
            inside = (one.axis > low) & (one.axis < high)
            x, y = one.axis[inside], one.expected[inside]

            def shape(x: np.ndarray, c: float, a: float, w: float, b: float, m: float) -> np.ndarray:
                return a * np.exp(-4 * np.log(2) * ((x - c) / w) ** 2) + b + m * x

            fitted, _ = curve_fit(shape, x, y, p0=((low + high) / 2, np.ptp(y), 1.2, y.min(), 0), maxfev=5000)
            found.append(float(fitted[0]))
        return found[0], found[1], float(one.drawn["charge"])

    a, b = places(3), places(8)
    assert abs(a[2] - b[2]) > 0.05
    for k in (0, 1):
        assert a[k] - b[k] == pytest.approx(a[2] - b[2], abs=0.02)


def test_the_truth_of_molybdenum_leaves_carbon_out() -> None:
    truth = truth_of("xps_molybdenum", leak="contamination")
    best = {kind: [z.name for z in truth.distinguishing(kind, evidence="presence")] for kind in truth.classes}
    assert best == {"Mo": ["Mo 3d3/2"], "MoS2": ["MoS2 3d5/2"], "MoO3": ["MoO3 3d3/2"]}
    # 3d5/2 of the trioxide lies on 3d3/2 of the disulfide: it tells only the metal
    assert next(z for z in truth.zones["MoO3"] if z.name == "MoO3 3d5/2").against == ("Mo",)
    assert set(truth.collinear("MoO3")["MoO3"]) == {"MoO3 3d3/2", "MoO3 3d5/2"}
    assert all(z.stop < 260 for zones in truth.zones.values() for z in zones)
    assert truth.planted[0].holds(284.8)
    assert truth.nuisance[0].name == "C-C 1s"
    at = {line.name: line.centre for line in xps_molybdenum.molybdenum("MoO3", 1.0)}
    assert at["MoO3 3d3/2"] - at["MoO3 3d5/2"] == pytest.approx(3.13)


def test_contamination_grows_with_its_content_at_carbon_alone() -> None:
    areas = []
    for content in (None, 0, 1, 2):
        leak = None if content is None else "contamination"
        one = spectrum("xps_molybdenum", 5, "Mo", leak=leak, content=content)
        areas.append(float(one.expected.sum()))
        if content is None:
            plain = one
        else:
            added = one.expected - plain.expected
            assert abs(one.axis[added.argmax()] - 284.8 - plain.drawn["charge"]) < 0.06
            assert added[one.axis < 265].max() == 0
    growth = np.array(areas[1:]) - areas[0]
    assert growth[1] / growth[0] == pytest.approx(4, rel=1e-6)
    assert growth[2] / growth[0] == pytest.approx(16, rel=1e-6)


def test_wave_numbers_are_those_of_an_electron() -> None:
    k2 = 2 * constants.m_e * constants.e / constants.hbar**2 * 1e-20
    from matxai_datasets.spectra.absorption import K2_PER_EV

    assert pytest.approx(k2, rel=1e-8) == K2_PER_EV


def test_exafs_oscillates_with_twice_the_distance() -> None:
    energy = 6000.0 + np.linspace(0, 60, 6001) ** 2 / 3.0
    shell = Shell(6, 2.0, 0.004, phase=(0.0, 0.0))
    chi = exafs(energy, 6000.0, (shell,))
    k = np.sqrt(0.262468424 * np.maximum(energy - 6000.0, 1e-6))
    inside = (k > 5) & (k < 14)  # below, the wave is faded in
    # zeros of sin(2 k R): every pi / (2 R)
    zeros = k[inside][:-1][np.diff(np.sign(chi[inside])) != 0]
    assert np.diff(zeros) == pytest.approx(np.pi / 4, abs=0.01)
    path = (k + (3.1 / k) ** 4) / 0.8
    envelope = 6 * 0.85 * np.exp(-(((k - 3) / 6) ** 2) - 2 * k**2 * 0.004 - 4 / path) / (k * 4)
    assert np.allclose(chi[inside], (envelope * np.sin(4 * k))[inside], rtol=1e-4, atol=1e-9)
    assert np.all(chi[energy <= 6000.0] == 0)
    two = exafs(energy, 6000.0, (shell, shell))
    assert np.allclose(two, 2 * chi)


def test_an_edge_is_half_at_e0_and_its_peaks_are_where_and_as_high_as_given() -> None:
    edge = Edge(6000.0, 3.0, (6008.0, 0.5, 6.0), (5990.0, 0.3, 2.0))
    energy = np.linspace(5950, 6100, 15001)
    assert np.interp(6000.0, energy, edge.step(energy)) == pytest.approx(0.5, abs=1e-9)
    assert edge.step(np.array([6001.5]))[0] == pytest.approx(0.75)
    assert hump(energy, 5990.0, 0.3, 2.0).max() == pytest.approx(0.3)
    assert energy[hump(energy, 5990.0, 0.3, 2.0).argmax()] == pytest.approx(5990.0)
    mu = edge.on(energy)
    flat = self_absorbed(mu, 0.5)
    assert flat[0] == pytest.approx(1.5 * mu[0] / (1 + 0.5 * mu[0]))
    assert flat.max() < mu.max()
    assert self_absorbed(np.array([1.0]), 0.3) == pytest.approx(1.0)


def test_the_noise_of_absorption_is_that_of_two_counters() -> None:
    from matxai_datasets.spectra.generating import GENERATORS
    from matxai_datasets.spectra.record import Scene

    energy = np.linspace(0, 1, 4000)
    scene = Scene(energy, np.full(4000, 0.8), {"photons": 1e4})
    noise = GENERATORS["xafs_chromium"].detect(scene, np.random.default_rng(0)) - 0.8
    assert noise.var() == pytest.approx((1 + np.exp(0.8)) / 1e4, rel=0.08)
    assert abs(noise.mean()) < 4 * np.sqrt(noise.var() / 4000) + 1e-4


def test_the_truth_of_chromium_has_the_pre_edge_of_chromate_and_the_later_edge() -> None:
    truth = truth_of("xafs_chromium")
    chromate = {z.name: z for z in truth.zones["chromate"]}
    assert chromate["chromate pre-edge"].kind == "pre_edge"
    assert chromate["chromate pre-edge"].holds(5993.0)
    assert chromate["chromate EXAFS"].start > xafs_chromium.EDGES["chromate"].e0 + 25
    assert chromate["Cr2O3 edge"].evidence == "absence"
    assert {z.kind for z in truth.zones["Cr2O3"]} == {"pre_edge", "white_line", "post_edge", "exafs"}


def test_the_beamline_moves_the_edge_by_what_was_drawn() -> None:
    one, other = (spectrum("xafs_chromium", 3, "chromate", specimen=s) for s in (1, 9))

    def top(of: Spectrum) -> float:
        near = (of.axis > 5990) & (of.axis < 5996)
        top = int(np.flatnonzero(near)[of.expected[near].argmax()])
        a, b, _ = np.polyfit(of.axis[top - 1 : top + 2] - of.axis[top], of.expected[top - 1 : top + 2], 2)
        return float(of.axis[top] - b / (2 * a))

    moved = float(one.drawn["e0_shift"]) - float(other.drawn["e0_shift"])
    assert abs(moved) > 0.2
    assert top(one) - top(other) == pytest.approx(moved, abs=0.03)

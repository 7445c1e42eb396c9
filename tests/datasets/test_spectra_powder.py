"""Powder patterns: places by Bragg's law, intensities, widths, texture, and the errors of the instrument."""

from __future__ import annotations

import numpy as np
import pytest
from matxai_datasets.spectra.diffraction import (
    Background,
    Diffractometer,
    Phase,
    drawn_lines,
    lines_of,
    march_dollase,
    powder_pattern,
)
from scipy.integrate import quad

from matxai.reference.phases import structure

AXIS = np.linspace(20, 140, 12001)
SHARP = Diffractometer(k_alpha_2=0.0, axial=0.0)


def _centre(phase: Phase, instrument: Diffractometer, hkl: str, emission: str = "K-alpha1") -> float:
    lines = lines_of(phase, instrument, 20, 140)
    row = [k for k, pair in enumerate(zip(lines.labels, lines.emission, strict=True)) if pair == (hkl, emission)]
    return float(lines.centre[row[0]])


def test_silicon_stands_where_bragg_puts_it_and_k_alpha_2_beside_it() -> None:
    si = Phase(structure("Si"), 100.0)
    for hkl in ((1, 1, 1), (2, 2, 0), (3, 1, 1), (4, 2, 2)):
        d = 5.431020511 / np.sqrt(np.dot(hkl, hkl))
        label = " ".join(map(str, hkl))
        assert _centre(si, Diffractometer(), label) == pytest.approx(
            2 * np.degrees(np.arcsin(1.54056 / 2 / d)), abs=1e-4
        )
        second = _centre(si, Diffractometer(), label, "K-alpha2")
        assert second == pytest.approx(2 * np.degrees(np.arcsin(1.54439 / 2 / d)), abs=1e-4)
    pattern = powder_pattern(AXIS, [Phase(structure("Si"), 100.0, size=2000)], SHARP)
    assert AXIS[np.argmax(pattern)] == pytest.approx(28.443, abs=0.011)


def test_zero_displacement_and_lattice_move_lines_as_their_formulas_say() -> None:
    si = structure("Si")
    plain, off = Phase(si, 1.0), Diffractometer(zero=0.05, displacement=0.1)
    larger = Phase(si, 1.0, scale=1.01)
    for hkl in ("1 1 1", "4 2 2"):
        at = _centre(plain, SHARP, hkl)
        theta = np.radians(at / 2)
        assert _centre(plain, off, hkl) - at == pytest.approx(0.05 + np.degrees(0.2 * np.cos(theta) / 240), abs=1e-6)
        moved = _centre(larger, SHARP, hkl) - at
        assert moved == pytest.approx(-2 * np.degrees(0.01 * np.tan(theta)), rel=0.02)
    # 0.1 mm at 240 mm: from 0.047 degrees at 20 to 0.031 at 100 degrees
    assert Diffractometer(displacement=0.1).shift(np.array([20.0, 100.0])) == pytest.approx([0.047, 0.0307], abs=1e-4)
    tall = structure("rutile")
    one = Phase(tall, 1.0, scale=(1.0, 1.0, 1.01))
    assert _centre(one, SHARP, "1 1 0") == pytest.approx(_centre(Phase(tall, 1.0), SHARP, "1 1 0"), abs=1e-9)
    assert _centre(one, SHARP, "1 0 1") < _centre(Phase(tall, 1.0), SHARP, "1 0 1") - 0.1


def test_the_area_of_the_pattern_is_the_sum_of_its_lines_and_intensities_are_those_of_the_reference() -> None:
    from matxai.reference.diffraction import powder_lines

    corundum = structure("corundum")
    lines = lines_of(Phase(corundum, 500.0, size=60), Diffractometer(), 20, 90)
    inside = (lines.centre > 24) & (lines.centre < 86)
    axis = np.linspace(15, 95, 8001)
    area = drawn_lines(axis, lines.chosen(np.flatnonzero(inside).tolist())).sum() * (axis[1] - axis[0])
    assert area == pytest.approx(lines.area[inside].sum(), rel=1e-3)
    first = [k for k, e in enumerate(lines.emission) if e == "K-alpha1"]
    assert lines.area[first].max() == pytest.approx(500)
    second = {lines.labels[k]: lines.area[k] for k, e in enumerate(lines.emission) if e == "K-alpha2"}
    assert second["1 0 4"] / dict(zip(lines.labels, lines.area, strict=True))["1 0 4"] == 1.0  # the last of that name
    expected = {line.label: line.intensity for line in powder_lines(corundum, two_theta=(20, 90)).lines}
    for k in first:
        if lines.labels[k] in expected and expected[lines.labels[k]] > 2:
            assert lines.area[k] / 5 == pytest.approx(expected[lines.labels[k]], rel=1e-3)


def test_size_broadens_as_one_over_cosine_and_strain_as_tangent() -> None:
    still = Diffractometer(u=0, v=0, w=0, natural=0, k_alpha_2=0, axial=0)
    si = structure("Si")
    sized, strained = (
        lines_of(p, still, 20, 140) for p in (Phase(si, 1.0, size=20), Phase(si, 1.0, size=1e9, strain=0.003))
    )
    theta = np.radians(sized.centre / 2)
    assert sized.fwhm == pytest.approx(np.degrees(0.9 * 0.154056 / (20 * np.cos(theta))), rel=1e-4)
    assert strained.fwhm == pytest.approx(
        np.degrees(4 * 0.003 * np.tan(np.radians(strained.centre / 2))), rel=1e-4
    )  # the floor
    caglioti = lines_of(Phase(si, 1.0, size=1e9), Diffractometer(u=0.01, v=-0.004, w=0.006, natural=0), 20, 140)
    tan = np.tan(np.radians(caglioti.centre / 2))
    assert caglioti.fwhm == pytest.approx(np.sqrt(0.01 * tan**2 - 0.004 * tan + 0.006), rel=1e-4)


def test_march_dollase_keeps_the_mean_over_all_directions_and_favours_the_axis() -> None:
    tetragonal = structure("rutile")
    hkl = np.array([[0, 0, 2], [1, 1, 0], [1, 0, 1]])
    plates = march_dollase(tetragonal, hkl, (0, 0, 1), 0.6)
    # closed form: r^-3 along the axis, r^1.5 across it
    assert plates[:2] == pytest.approx([0.6**-3, 0.6**1.5])
    a, c = tetragonal.cell[0], tetragonal.cell[2]
    cos2 = (1 / c**2) / (1 / a**2 + 1 / c**2)
    assert plates[2] == pytest.approx((0.36 * cos2 + (1 - cos2) / 0.6) ** -1.5)
    mean = quad(lambda x: (0.36 * x**2 + (1 - x**2) / 0.6) ** -1.5, 0, 1)[0]
    assert mean == pytest.approx(1, abs=1e-9)
    cubic = march_dollase(structure("Si"), np.array([[2, 0, 0]]), (0, 0, 1), 0.6)
    assert cubic == pytest.approx((0.6**-3 + 2 * 0.6**1.5) / 3)  # one of three faces lies along the axis


def test_debye_waller_weakens_by_the_exponential_of_s_squared() -> None:
    si = structure("Si")
    cold, warm = (lines_of(Phase(si, 1.0, b_extra=b), SHARP, 20, 140) for b in (0.0, 0.8))
    s = np.sin(np.radians(cold.centre / 2)) / 1.54056
    first = np.array([e == "K-alpha1" for e in cold.emission])
    assert (warm.area / cold.area)[first] == pytest.approx(np.exp(-2 * 0.8 * s[first] ** 2), rel=1e-6)


def test_backgrounds_add_up_and_never_fall_below_zero() -> None:
    axis = np.linspace(10, 80, 701)
    flat = Background(100, 0).on(axis)
    assert np.allclose(flat, 100)
    hump = Background(100, 0, hump=40, hump_at=22, hump_width=8).on(axis) - flat
    assert axis[np.argmax(hump)] == pytest.approx(22, abs=0.06)
    assert np.ptp(axis[hump >= 20]) == pytest.approx(8, abs=0.2)
    assert Background(100, 0, slope=(-5.0,)).on(axis).min() == 0

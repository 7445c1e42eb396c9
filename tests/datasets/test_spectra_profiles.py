"""Line profiles: their areas, widths and moments against closed forms and numerical integration."""

from __future__ import annotations

import numpy as np
import pytest
from matxai_datasets.spectra.profiles import (
    add_lines,
    axial,
    doniach_sunjic,
    gaussian,
    lorentzian,
    pseudo_voigt,
    thompson_cox_hastings,
)
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.special import voigt_profile


@pytest.mark.parametrize("shape", [gaussian, lorentzian])
def test_profiles_have_unit_area_and_the_width_that_they_are_given(shape: object) -> None:
    x = np.linspace(-400, 400, 800_001)
    y = shape(x, 0.3, 0.7)  # type: ignore[operator]
    # what a Lorentzian has beyond 400 is 2 / pi * 0.35 / 400
    assert np.trapezoid(y, x) == pytest.approx(1, abs=6e-4)
    half = y >= y.max() / 2
    assert np.ptp(x[half]) == pytest.approx(0.7, abs=3e-3)
    assert x[np.argmax(y)] == pytest.approx(0.3, abs=1e-3)


@pytest.mark.parametrize(("gauss", "lorentz"), [(0.1, 0.1), (0.08, 0.02), (0.02, 0.2), (0.1, 1e-9)])
def test_thompson_cox_hastings_stands_for_the_voigt_function(gauss: float, lorentz: float) -> None:
    fwhm, eta = (float(v) for v in thompson_cox_hastings(gauss, lorentz))
    sigma, gamma = gauss / np.sqrt(8 * np.log(2)), lorentz / 2
    top = voigt_profile(0, sigma, gamma)
    true = 2 * brentq(lambda x: voigt_profile(x, sigma, gamma) - top / 2, 0, 1)
    assert fwhm == pytest.approx(true, rel=5e-3)  # the paper's polynomial is good to that
    x = np.linspace(-1, 1, 2001)
    assert np.abs(pseudo_voigt(x, 0, fwhm, eta) - voigt_profile(x, sigma, gamma)).max() < 0.015 * top


@pytest.mark.parametrize("eta", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("skew", [0.0, 0.3, 0.9])
def test_the_area_of_a_line_is_its_intensity_however_far_its_tails_are_followed(eta: float, skew: float) -> None:
    axis = np.linspace(10, 80, 4501)
    for reach in (8.0, 12.0, 30.0):
        into = np.zeros_like(axis)
        add_lines(into, axis, centre=40.0031, area=700.0, fwhm=0.11, eta=eta, skew=skew, reach=reach)
        assert into.sum() * (axis[1] - axis[0]) == pytest.approx(700, rel=1e-3)
        assert into.min() >= 0


def test_many_lines_at_once_are_the_sum_of_each() -> None:
    axis = np.linspace(0, 30, 1501)
    centre, area, fwhm, eta = (
        np.array([3.0, 3.4, 29.9, 60.0]),
        np.array([1.0, 5, 2, 9]),
        np.full(4, 0.2),
        np.full(4, 0.5),
    )
    together = np.zeros_like(axis)
    add_lines(together, axis, centre=centre, area=area, fwhm=fwhm, eta=eta, reach=50)
    alone = sum(a * pseudo_voigt(axis, c, 0.2, 0.5) for c, a in zip(centre, area, strict=True))
    inside = np.abs(axis[:, None] - centre).min(axis=1) < 1
    # cut at 50 widths the rest of the area, 0.3 %, is put into the line
    assert np.allclose(together[inside], np.asarray(alone)[inside], rtol=8e-3, atol=2e-3)


def test_axial_divergence_leans_to_low_angles_and_moves_the_centre_of_mass_as_computed() -> None:
    x = np.linspace(-5, 5, 20001)
    y = gaussian(x, 0, 1) * axial(x, 0.5)
    assert np.trapezoid(y, x) == pytest.approx(1, abs=1e-6)
    shift = quad(lambda z: z * gaussian(z, 0, 1)[()] * -2 * 0.5 * z * np.exp(-(z**2)), -5, 5)[0]
    assert np.trapezoid(x * y, x) == pytest.approx(shift, abs=1e-6)
    assert shift < -0.05


def test_doniach_sunjic_is_a_lorentzian_without_asymmetry_and_leans_to_high_binding_energy_with_it() -> None:
    x = np.linspace(220, 240, 4001)
    plain = doniach_sunjic(x, 228.0, 0.6, 0.0)
    assert np.allclose(plain, lorentzian(x, 228.0, 0.6) / lorentzian(228.0, 228.0, 0.6), atol=1e-9)
    leaning = doniach_sunjic(x, 228.0, 0.6, 0.12)
    assert leaning.max() == pytest.approx(1, abs=1e-5)
    assert x[np.argmax(leaning)] > 228.0
    assert np.interp(231, x, leaning) > 3 * np.interp(225, x, leaning)

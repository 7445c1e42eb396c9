"""Axes of spectra converted: closed forms, round trips, densities, maps whose sum is kept, what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from scipy import constants

import matxai
from matxai.errors import MatxaiWarning, SignalError
from matxai.signals.spectra.conversions import SPOKES, convert_places, targets
from matxai.signals.spectra.curve import Curve

CU = 1.54056


def spectrum(dim: str, places: Any, values: Any = None, **attrs: Any) -> xr.DataArray:
    places = np.asarray(places, float)
    values = np.arange(len(places)) if values is None else np.asarray(values)
    return Curve("s", places, values, dim, attrs=attrs).signal()


def test_two_theta_becomes_d_and_q_by_braggs_law() -> None:
    pattern = spectrum("two_theta", [20.0, 28.4422, 60.0], [1.0, 2.0, 3.0], wavelength=CU)
    d = matxai.convert_axis(pattern, "d_spacing")
    expected = CU / (2 * np.sin(np.radians([60.0, 28.4422, 20.0]) / 2))
    np.testing.assert_allclose(d.d_spacing, expected, rtol=1e-14)
    np.testing.assert_array_equal(d, [3, 2, 1])
    assert d.d_spacing.attrs["units"] == "angstrom"
    assert "1.54056 angstrom (the file)" in d.attrs["notes"][-1]
    q = matxai.convert_axis(d, "q")
    np.testing.assert_allclose(q.q, 2 * np.pi / expected[::-1], rtol=1e-14)
    np.testing.assert_array_equal(q, [1, 2, 3])


@pytest.mark.parametrize("kind", sorted(SPOKES))
def test_every_conversion_comes_back(kind: str) -> None:
    places = {
        "two_theta": np.linspace(5, 160, 500),
        "q": np.linspace(0.4, 8, 500),
        "d_spacing": np.linspace(0.8, 20, 500),
        "relative_energy": np.linspace(-150, 800, 500),
        "raman_shift": np.linspace(-300, 4000, 500),
        "wavelength": np.linspace(200, 2000, 500),
        "wavenumber": np.linspace(400, 4000, 500),
        "energy": np.linspace(0.5, 9000, 500),
    }.get(kind, np.linspace(1, 1400, 500))
    attrs = {"wavelength": CU, "laser_wavelength": 532.0, "photon_energy": 1486.6, "work_function": 4.3, "e0": 7112.0}
    before = spectrum(kind, places, **attrs)
    reached = targets(kind)
    assert reached
    for to in reached:
        with np.errstate(all="raise"):
            back = matxai.convert_axis(matxai.convert_axis(before, to), kind)
        np.testing.assert_array_equal(back, before)
        # E - E0 and the Raman shift are differences from a number that may be larger than they are
        room = max({"relative_energy": 7112.0, "raman_shift": 1e7 / 532}.get(k, 0.0) for k in (kind, to))
        room = convert_places(room, "wavenumber", kind) if (to, kind) == ("raman_shift", "energy") else room
        assert np.all(np.abs(back[kind].values - places) <= 1e-12 * np.maximum(np.abs(places), room)), to


def test_two_theta_of_zero_has_a_q_and_no_d() -> None:
    pattern = spectrum("two_theta", [0.0, 10.0, 20.0], [7.0, 8.0, 9.0], wavelength=CU)
    assert float(matxai.convert_axis(pattern, "q").q[0]) == 0
    d = matxai.convert_axis(pattern, "d_spacing")
    np.testing.assert_array_equal(d, [9, 8])
    assert "1 point of it has no d_spacing and was left out" in d.attrs["notes"][-1]


def test_energy_becomes_wavelength_and_densities_get_their_jacobian() -> None:
    energy = np.linspace(1.5, 3.5, 20001)
    values = np.exp(-(((energy - 2.5) / 0.1) ** 2))
    density = matxai.convert_axis(spectrum("energy", energy, values, value_unit="counts/eV"), "wavelength")
    hc = constants.h * constants.c / constants.e * 1e9
    np.testing.assert_allclose(density.wavelength, hc / energy[::-1], rtol=1e-13)
    assert density.attrs["value_unit"] == "counts/nm"
    area, before = np.trapezoid(density, density.wavelength), np.trapezoid(values, energy)
    assert area == pytest.approx(before, rel=1e-6)
    at = float(density.wavelength[int(np.argmax(density.values))])
    assert at != pytest.approx(hc / 2.5, abs=0.5)  # the peak of a density moves; the classic mistake is to keep it
    counts = matxai.convert_axis(spectrum("energy", energy, values, value_unit="counts"), "wavelength")
    np.testing.assert_array_equal(counts, values[::-1])
    assert "count per channel (in counts)" in counts.attrs["notes"][-1]
    plain = spectrum("energy", energy, values).assign_coords(sigma=("energy", values / 10))
    told = matxai.convert_axis(plain, "wavelength", density=True)
    np.testing.assert_allclose(told.sigma, told / 10)
    np.testing.assert_allclose(told, density)
    back = matxai.convert_axis(density, "energy")
    np.testing.assert_allclose(back, values, rtol=1e-12, atol=1e-300)
    assert back.attrs["value_unit"] == "counts/eV"


def test_a_density_per_kev_is_scaled_by_the_unit_as_well() -> None:
    signal = spectrum("energy", [1.0, 2.0, 4.0], [1.0, 1.0, 1.0], value_unit="counts/keV")
    signal = signal.assign_coords(energy=("energy", signal.energy.values, {"units": "keV"}))
    found = matxai.convert_axis(signal, "relative_energy", e0=1000.0)
    np.testing.assert_allclose(found.relative_energy, [0, 1000, 3000])
    np.testing.assert_allclose(found, 1e-3)
    assert found.attrs["value_unit"] == "counts/eV"


def test_kinetic_becomes_binding_energy_with_photon_energy_work_function_and_shift() -> None:
    signal = spectrum("kinetic_energy", [1190.0, 1195.0, 1200.0], [1, 2, 3], photon_energy=1486.6)
    found = matxai.convert_axis(signal, "binding_energy", work_function=4.5, shift=-0.3)
    np.testing.assert_allclose(found.binding_energy, [281.8, 286.8, 291.8])
    np.testing.assert_array_equal(found, [3, 2, 1])
    assert found.attrs["charge_shift"] == -0.3
    assert found.attrs["subtracted_work_function"] == 4.5
    moved = matxai.convert_axis(found, "binding_energy", shift=0.1)
    assert moved.attrs["charge_shift"] == pytest.approx(-0.2)
    back = matxai.convert_axis(moved, "kinetic_energy")
    np.testing.assert_allclose(back.kinetic_energy, signal.kinetic_energy, rtol=1e-14)
    assert "charge_shift" not in back.attrs


def test_the_analysers_own_work_function_is_not_subtracted_again() -> None:
    """Files name it, and their kinetic energies hold it already."""
    signal = spectrum("kinetic_energy", [1190.0, 1200.0], photon_energy=1486.6, work_function=4.3)
    found = matxai.convert_axis(signal, "binding_energy")
    np.testing.assert_allclose(found.binding_energy, [286.6, 296.6])
    assert any("referred to the Fermi level" in n for n in found.attrs["notes"])
    np.testing.assert_allclose(matxai.convert_axis(found, "kinetic_energy").kinetic_energy, [1190, 1200])


def test_real_binding_energies_become_the_kinetic_energies_of_the_file(data_dir: Path) -> None:
    signal = matxai.read(data_dir / "raw_xrd_xps" / "xps" / "MgFe2O4_small.xy", item=0)
    found = matxai.convert_axis(signal, "kinetic_energy")
    beside = np.sort(signal.kinetic_energy.values)
    np.testing.assert_allclose(found.kinetic_energy, beside, rtol=0, atol=1e-8)


def test_raman_shift_becomes_wavelength_with_the_laser() -> None:
    signal = spectrum("raman_shift", [0.0, 520.5, 1001.4], [1, 2, 3])
    found = matxai.convert_axis(signal, "wavelength", wavelength=532.0)
    np.testing.assert_allclose(found.wavelength, 1e7 / (1e7 / 532 - np.array([0, 520.5, 1001.4])), rtol=1e-14)
    assert found.attrs["laser_wavelength"] == 532.0
    assert "wavelength" not in found.attrs  # which is that of diffraction


def test_a_set_keeps_its_samples_and_a_mesh_its_other_axis() -> None:
    data = xr.DataArray(
        np.arange(6.0).reshape(2, 3),
        dims=("sample", "two_theta"),
        coords={"sample": ["a", "b"], "two_theta": ("two_theta", [10.0, 20.0, 30.0], {"units": "degree"})},
        attrs={"wavelength": CU},
    ).assign_coords(counts=("two_theta", [1, 2, 3]))
    d = matxai.convert_axis(data, "d_spacing")
    assert d.dims == ("sample", "d_spacing")
    np.testing.assert_array_equal(d, data.values[:, ::-1])
    np.testing.assert_array_equal(d.counts, [3, 2, 1])
    assert list(d.sample.values) == ["a", "b"]


def test_samples_of_different_radiation_are_converted_one_by_one() -> None:
    data = xr.DataArray(
        np.ones((2, 2)),
        dims=("sample", "two_theta"),
        coords={"two_theta": ("two_theta", [10.0, 20.0], {"units": "degree"}), "wavelength": ("sample", [CU, 0.7093])},
    )
    with pytest.raises(SignalError, match="wavelength differs from sample to sample"):
        matxai.convert_axis(data, "q")
    one = matxai.convert_axis(data.isel(sample=1), "q")
    np.testing.assert_allclose(one.q, 4 * np.pi / 0.7093 * np.sin(np.radians([5, 10])))


def explanation() -> xr.Dataset:
    from matxai.explanation.dataset import as_explanation

    places = ("energy", [0.0, 1.0, 2.0, 4.0], {"units": "eV"})
    signal = ("energy", [4.0, 3.0, 2.0, 1.0], {"value_unit": "counts/eV"})
    maps = {"lrp": ("energy", [0.0, -1.0, 5.0, np.nan])}
    return as_explanation(xr.Dataset(maps, {"energy": places, "signal": signal}, {"format": "matxai-explanation"}))


def test_relevance_keeps_its_sum_and_its_points_on_another_axis() -> None:
    before = explanation()
    found = matxai.convert_axis(before, "wavelength")
    assert type(found) is type(before)
    np.testing.assert_array_equal(found.lrp, [np.nan, 5, -1])
    assert float(found.lrp.sum()) == float(before.lrp.sum())
    hc = convert_places(1.0, "energy", "wavelength")
    np.testing.assert_allclose(found.wavelength, hc / [4, 2, 1])
    np.testing.assert_allclose(found.signal, np.array([1, 2, 3]) * np.array([16, 4, 1]) / hc)  # dE/dl = E^2 / hc
    assert found.signal.attrs["value_unit"] == "counts/nm"
    assert "left out" in found.attrs["axis_notes"]
    before["lrp"][0] = 2.5
    assert "|relevance| of 2.5 in lrp" in matxai.convert_axis(before, "wavelength").attrs["axis_notes"]


@pytest.mark.parametrize(
    ("signal", "to", "options", "said"),
    [
        (
            spectrum("two_theta", [10, 20]),
            "q",
            {},
            "without the wavelength, which the file does not hold; give it with",
        ),
        (spectrum("two_theta", [10, 20]), "q", {"wavelength": 0}, "wavelength is 0; it is given in angstrom"),
        (spectrum("two_theta", [10, 20]), "q", {"wavelength": float("nan")}, "wavelength is nan"),
        (spectrum("two_theta", [10, 20]), "q", {"wavelength": "Cu"}, "'Cu'; it is a number in angstrom"),
        (
            spectrum("two_theta", [10, 20], wavelength=1.5e-10),
            "q",
            {},
            "wavelength is 1.5e-10; it is given in angstrom",
        ),
        (spectrum("two_theta", [10, 20]), "q", {"wavelength": 1.5, "e0": 3}, "e0= has no part in"),
        (spectrum("two_theta", [10, 200]), "q", {"wavelength": 1.5}, "reaches 200 degrees"),
        (
            spectrum("d_spacing", [0.5, 2, 3]),
            "two_theta",
            {"wavelength": 1.5},
            "1 of 3 points lie beyond 2-theta = 180",
        ),
        (spectrum("two_theta", [10, 20]), "energy", {}, "cannot be converted to 'energy'; it converts to q, d_spacing"),
        (spectrum("two_theta", [10, 20]), "d_spacin", {}, "Did you mean 'd_spacing'"),
        (spectrum("axis", [10, 20]), "q", {"wavelength": 1.5}, 'axis="two_theta"'),
        (spectrum("time", [10, 20]), "q", {"wavelength": 1.5}, "'time',.* has no axis that converts to q"),
        (spectrum("two_theta", [-10, 0]), "d_spacing", {"wavelength": 1.5}, "0 of 2 points on the axis two_theta have"),
        (spectrum("raman_shift", [10, 20000]), "wavelength", {"wavelength": 532}, "more than the laser's 532 nm"),
        (spectrum("raman_shift", [10, 200]), "wavelength", {"wavelength": 1.54}, "laser wavelength is 1.54; .*in nm"),
        (spectrum("energy", [10, 200]), "relative_energy", {}, "without the e0"),
        (spectrum("binding_energy", [0, 1300]), "kinetic_energy", {"photon_energy": 1253.6}, "is too low"),
    ],
)
def test_what_cannot_be_converted_is_said(signal: xr.DataArray, to: str, options: dict[str, Any], said: str) -> None:
    with pytest.raises(SignalError, match=said):
        matxai.convert_axis(signal, to, **options)


def test_an_axis_that_turns_round_or_has_a_foreign_unit_is_refused() -> None:
    data = xr.DataArray([1, 2, 3], dims="two_theta", coords={"two_theta": [10.0, 30.0, 20.0]})
    with pytest.raises(SignalError, match="does not run in one direction"):
        matxai.convert_axis(data, "q", wavelength=CU)
    data = data.assign_coords(two_theta=("two_theta", [10.0, 20.0, 30.0], {"units": "mm"}))
    with pytest.raises(SignalError, match="is in 'mm'"):
        matxai.convert_axis(data, "q", wavelength=CU)


def test_a_wavelength_that_is_not_the_files_is_warned_of() -> None:
    pattern = spectrum("two_theta", [20.0, 60.0], wavelength=CU)
    with pytest.warns(MatxaiWarning, match="0.7093 angstrom was given and used; the file says 1.54056"):
        found = matxai.convert_axis(pattern, "d_spacing", wavelength=0.7093)
    assert found.attrs["wavelength"] == 0.7093
    quiet = matxai.convert_axis(pattern, "d_spacing", wavelength=1.54184)  # the doublet's mean: noted, not warned of
    assert any("the file says 1.54056" in n for n in quiet.attrs["notes"])


def test_a_photon_energy_of_another_anode_is_warned_of() -> None:
    signal = spectrum("kinetic_energy", [200.0, 1480.0])
    with pytest.warns(MatxaiWarning, match="no electron is bound there"):
        matxai.convert_axis(signal, "binding_energy", photon_energy=1253.6)


def carbon(seed: int, *, counts: float = 2000.0, offset: float = 1.37) -> xr.DataArray:
    rng = np.random.default_rng(seed)
    x = np.arange(278, 296, 0.1)
    u = ((x - 284.8 - offset) / 1.3) ** 2
    profile = 0.3 / (1 + 4 * u) + 0.7 * np.exp(-4 * np.log(2) * u)
    return spectrum(
        "binding_energy", x, rng.poisson(counts * profile + 0.3 * counts + 2 * (x - 278)), photon_energy=1486.6
    )


def test_the_charge_shift_is_found_with_an_honest_uncertainty() -> None:
    found = [matxai.fit_shift(carbon(seed), 284.8, window=(280, 294)) for seed in range(60)]
    pulls = np.array([(f.shift + 1.37) / f.uncertainty for f in found])
    assert abs(pulls.mean()) < 0.4  # 3 standard errors of the mean of 60
    assert 0.75 < pulls.std() < 1.3
    one = found[0]
    assert one.width == pytest.approx(1.3, abs=0.1)
    assert 0.7 < one.residual < 1.3
    assert "284.800: -1.3" in one.sentence
    moved = matxai.convert_axis(carbon(0), "binding_energy", shift=one)
    assert float(moved.binding_energy[int(np.argmax(moved.values))]) == pytest.approx(284.8, abs=0.1)
    assert f"+- {one.uncertainty:.2g} eV" in moved.attrs["notes"][-1]


@pytest.mark.parametrize(
    ("signal", "window", "said"),
    [
        (carbon(0), (300, 310), "holds 0 points of a binding_energy axis from 278"),
        (carbon(0), (287.5, 294), "no peak stands out"),
        (matxai.convert_axis(carbon(0), "kinetic_energy", work_function=4), None, "opposite sign"),
        (carbon(0).expand_dims(sample=["a"]), None, "isel"),
        (carbon(0).rename(binding_energy="axis"), None, "of no known kind"),
    ],
)
def test_what_holds_no_peak_gives_no_shift(signal: xr.DataArray, window: Any, said: str) -> None:
    with pytest.raises(SignalError, match=said):
        matxai.fit_shift(signal, 284.8, window=window)


def test_values_that_are_no_counts_are_weighted_alike_and_noted() -> None:
    found = matxai.fit_shift(carbon(1) / 1000, 284.8)
    assert found.shift == pytest.approx(-1.37, abs=0.05)
    assert "no counts" in found.notes[0]

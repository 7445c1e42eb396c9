"""NeXus files of diffraction: the axis, its unit, and the wavelength from wherever the file keeps it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import matxai

PLACES = np.linspace(10, 80, 8)
COUNTS = np.arange(8.0)


def written(
    path: Path, groups: dict[str, tuple[str, dict[str, Any]]], axis: str = "two_theta", unit: str = "deg"
) -> Path:
    file = path / "a.nxs"
    with h5py.File(file, "w") as h:
        h.attrs["default"] = "entry"
        entry = h.create_group("entry")
        entry.attrs.update(NX_class="NXentry", default="data")
        data = entry.create_group("data")
        data.attrs.update(NX_class="NXdata", signal="intensity", axes=[axis])
        data["intensity"] = COUNTS
        data[axis] = PLACES
        data[axis].attrs["units"] = unit
        for name, (kind, members) in groups.items():
            group = entry.create_group(name)
            group.attrs["NX_class"] = kind
            for key, value in members.items():
                group[key] = value[0] if isinstance(value, tuple) else value
                if isinstance(value, tuple):
                    group[key].attrs["units"] = value[1]
    return file


@pytest.mark.parametrize("axis", ["two_theta", "tth", "polar_angle", "2theta", "twotheta"])
def test_the_axis_is_two_theta_whatever_it_is_called(tmp_path: Path, axis: str) -> None:
    found = matxai.read(written(tmp_path, {}, axis))
    assert found.dims == ("two_theta",)
    assert found.two_theta.attrs["units"] == "degree"
    np.testing.assert_array_equal(found.two_theta, PLACES)
    np.testing.assert_array_equal(found, COUNTS)
    assert "wavelength" not in found.attrs


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ({"beam": ("NXbeam", {"incident_wavelength": (0.154, "nm")})}, 1.54),
        ({"mono": ("NXmonochromator", {"wavelength": (1.2, "angstrom")})}, 1.2),
        ({"crystal": ("NXcrystal", {"wavelength": (1.9, "Å")})}, 1.9),
        ({"mono": ("NXmonochromator", {"energy": (12.398419843320026, "keV")})}, 1.0),
        ({"mono": ("NXmonochromator", {"wavelength": ([1.2, 1.3], "angstrom")})}, None),
        ({"mono": ("NXmonochromator", {"wavelength": 1.2})}, None),  # a length without a unit is none
        ({"mono": ("NXmonochromator", {"wavelength": (float("nan"), "angstrom")})}, None),
        ({"det": ("NXdetector", {"wavelength": (1.2, "angstrom")})}, None),
        (
            {
                "m": ("NXmonochromator", {"wavelength": (2.0, "angstrom")}),
                "z": ("NXbeam", {"wavelength": (1.0, "angstrom")}),
            },
            1.0,
        ),
    ],
)
def test_the_wavelength_is_found_in_angstrom(tmp_path: Path, groups: Any, expected: float | None) -> None:
    found = matxai.read(written(tmp_path, groups))
    assert found.attrs.get("wavelength") == (None if expected is None else pytest.approx(expected, rel=1e-12))


def test_a_tube_gives_its_lines_and_anode(tmp_path: Path) -> None:
    lines = {"k_alpha_one": (1.54056, "angstrom"), "k_alpha_two": (1.54439, "angstrom"), "xray_tube_material": "Cu"}
    found = matxai.read(written(tmp_path, {"source": ("NXsource", lines)}))
    assert found.attrs["wavelength"] == pytest.approx(1.54056)
    assert found.attrs["metadata"]["k_alpha2"] == pytest.approx(1.54439)
    assert found.attrs["anode"] == "Cu"
    d = matxai.convert_axis(found, "d_spacing")
    assert float(d.d_spacing[-1]) == pytest.approx(1.54056 / (2 * np.sin(np.radians(5))))


def test_an_axis_in_radians_keeps_its_unit_and_converts(tmp_path: Path) -> None:
    found = matxai.read(written(tmp_path, {"b": ("NXbeam", {"wavelength": (1.5, "angstrom")})}, unit="mrad"))
    assert found.two_theta.attrs["units"] == "mrad"
    q = matxai.convert_axis(found, "q")
    np.testing.assert_allclose(q.q, 4 * np.pi / 1.5 * np.sin(PLACES / 2000), rtol=1e-12)

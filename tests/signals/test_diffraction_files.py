"""The diffraction files of the shared data, value by value against readers that know nothing of this package."""

from __future__ import annotations

import logging
import re
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest

import matxai
from matxai.errors import FileError
from matxai.signals import inspect

XRDML = ("XRD-918-16_10.xrdml", "m54313_om2th_10.xrdml")
MESH = "m82762_rc1mm_1_16dg_src_slit_phi-101_3dg_-420_mesh_long.xrdml"
BRML = "23-012-AG_2thomegascan_long.brml"
RASX = "TwoTheta_scan_powder.rasx"


@pytest.fixture(scope="module")
def xrd(data_dir: Path) -> Path:
    return data_dir / "raw_xrd_xps" / "xrd"


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """The other reader says much while it works, and uses NumPy's deprecated ways."""
    logging.disable(logging.WARNING)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        warnings.filterwarnings("ignore", message="The unit of the quantity is stripped")
        yield
    logging.disable(logging.NOTSET)


def other(path: Path) -> dict[str, Any]:
    from fairmat_readers_xrd import read_file

    return dict(read_file(str(path)))


def plain(value: Any) -> np.ndarray[Any, Any]:
    return np.squeeze(np.asarray(getattr(value, "magnitude", value), float))


@pytest.mark.parametrize("name", [*XRDML, BRML, RASX])
def test_scans_are_those_of_another_reader(xrd: Path, name: str) -> None:
    found, expected = matxai.read(xrd / name), other(xrd / name)
    assert found.dims == ("two_theta",)
    assert found.two_theta.attrs["units"] == "degree"
    np.testing.assert_allclose(found.two_theta, plain(expected["2Theta"]), rtol=0, atol=1e-9)
    np.testing.assert_array_equal(found, plain(expected["intensity"]))
    if name in XRDML:  # the other reader leaves omega of BRML away
        np.testing.assert_allclose(found.omega, plain(expected["Omega"]), rtol=0, atol=1e-9)
    source = expected["metadata"]["source"]
    assert found.attrs["anode"] == source["anode_material"] == "Cu"
    assert found.attrs["wavelength"] == pytest.approx(float(plain(source["kAlpha1"])), abs=1e-9)
    assert found.attrs["metadata"]["k_alpha2"] == pytest.approx(float(plain(source["kAlpha2"])), abs=1e-9)
    assert found.attrs["value_unit"] == "counts"


@pytest.mark.parametrize("name", [*XRDML, BRML, RASX])
def test_axes_are_those_of_a_third_reader(xrd: Path, name: str) -> None:
    import geddes

    found, expected = matxai.read(xrd / name), geddes.read(str(xrd / name))
    np.testing.assert_allclose(found.two_theta, expected.x, rtol=0, atol=1e-9)
    np.testing.assert_array_equal(found, expected.y)


def elements(path: Path, tag: str) -> list[ET.Element]:
    return [e for e in ET.parse(path).iter() if e.tag.rpartition("}")[2] == tag]


def test_counts_behind_the_attenuator_are_multiplied(xrd: Path) -> None:
    path = xrd / "m54313_om2th_10.xrdml"
    counts = np.array(str(elements(path, "counts")[0].text).split(), float)
    factors = np.array(str(elements(path, "beamAttenuationFactors")[0].text).split(), float)
    assert factors.max() == 188
    found = matxai.read(path)
    np.testing.assert_array_equal(found, counts * factors)
    np.testing.assert_array_equal(found.counts, counts)
    np.testing.assert_array_equal(found.attenuation, factors)
    at = int(np.argmax(factors))
    assert float(found[at]) == 188 * counts[at] > 0
    assert "multiplied by its factor (up to 188)" in found.attrs["notes"][0]


def test_a_mesh_is_omega_by_two_theta(xrd: Path) -> None:
    path = xrd / MESH
    found = matxai.read(path)
    counts = [np.array(str(e.text).split(), float) for e in elements(path, "counts")]
    two_theta = [np.array(str(e.text).split(), float) for e in elements(path, "listPositions")]
    omega = [
        float(str(p[0].text)) for p in elements(path, "positions") if p.get("axis") == "Omega" and p[0].text is not None
    ]
    assert found.dims == ("omega", "two_theta")
    assert found.shape == (101, 255)
    np.testing.assert_array_equal(found, np.stack(counts))
    np.testing.assert_array_equal(found.omega, omega)
    np.testing.assert_array_equal(found.two_theta, two_theta[0])
    assert found.omega.attrs["units"] == found.two_theta.attrs["units"] == "degree"
    expected = other(path)
    np.testing.assert_array_equal(found, plain(expected["intensity"]))


def test_what_bruker_corrected_is_not_multiplied_again(xrd: Path) -> None:
    with zipfile.ZipFile(xrd / BRML) as archive:
        text = archive.read("Experiment0/RawData0.xml").decode()
    rows = np.array([r.split(",") for r in re.findall("<Datum>(.*?)</Datum>", text)], float)
    found = matxai.read(xrd / BRML)
    assert rows[:, 1].max() == 8.3
    np.testing.assert_array_equal(found, rows[:, 7])
    np.testing.assert_array_equal(found.attenuation, rows[:, 1])
    np.testing.assert_array_equal(found.two_theta, rows[:, 2])
    np.testing.assert_array_equal(found.omega, rows[:, 3])
    assert float(found.max()) == 495559.8  # the statistics that the file itself holds of these points
    assert "corrected for it already" in found.attrs["notes"][0]
    over_omega = matxai.read(xrd / BRML, axis="omega")
    assert over_omega.dims == ("omega",)
    np.testing.assert_array_equal(over_omega.omega, rows[:, 3])
    with pytest.raises(FileError, match="has no axis 'chi'"):
        matxai.read(xrd / BRML, axis="chi")


def test_a_profile_of_rigaku_begins_with_a_byte_order_mark(xrd: Path) -> None:
    with zipfile.ZipFile(xrd / RASX) as archive:
        rows = np.array([r.split() for r in archive.read("Data0/Profile0.txt").decode("utf-8-sig").splitlines()], float)
    found = matxai.read(xrd / RASX)
    assert found.shape == (2726,)
    np.testing.assert_array_equal(found.two_theta, rows[:, 0])
    np.testing.assert_array_equal(found, rows[:, 1] * rows[:, 2])
    assert "attenuation" not in found.coords  # 1 everywhere


def test_d_spacings_follow_from_the_files_own_wavelength(xrd: Path) -> None:
    found = matxai.convert_axis(matxai.read(xrd / XRDML[0]), "d_spacing")
    assert float(found.d_spacing[-1]) == pytest.approx(1.5405980 / (2 * np.sin(np.radians(4.00656514 / 2))), rel=1e-12)


def test_info_tells_axis_range_wavelength_and_anode(xrd: Path) -> None:
    main = inspect(xrd / XRDML[0]).main
    assert (main.axes[0].dim, main.axes[0].unit) == ("two_theta", "degree")
    assert (main.axes[0].first, main.axes[0].last) == (4.00656514, 69.99936587)
    assert main.facts["wavelength"] == 1.540598
    assert main.facts["anode"] == "Cu"


def test_the_command_line_prints_range_wavelength_and_anode(xrd: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from matxai.cli.main import main

    assert main(["info", str(xrd / XRDML[0])]) == 0
    said = capsys.readouterr().out
    assert "5027 points, step 0.0131303 degree, 4.00657 to 69.9994" in said
    assert "wavelength 1.540598 angstrom" in said
    assert "anode      Cu" in said
    assert "values     intensity in counts" in said

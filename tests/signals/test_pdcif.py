"""Powder CIF: loops, ranges alone, uncertainties in brackets, wavelengths, what is no pattern."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import matxai
from matxai.errors import FileError, MatxaiWarning
from matxai.signals.formats.pdcif import numbers

SCAN = """data_quartz
_pd_block_id 'quartz 2024'
_diffrn_radiation_wavelength 1.5405(2)
_diffrn_radiation_probe x-ray
_diffrn_source_target Cu
loop_
_pd_meas_2theta_scan
_pd_meas_counts_total
_pd_calc_intensity_total
10.00 100 90.5
10.02 121 .
10.04 144 139.5
"""
RANGE = """data_neutron
_pd_meas_2theta_range_min 5
_pd_meas_2theta_range_max 5.3
_pd_meas_2theta_range_inc 0.1
loop_
_pd_meas_intensity_total
100.5(12)
90(9)
1.5e3(2)
70
"""


def cif(path: Path, text: str, **options: Any) -> xr.DataArray:
    file = path / "a.cif"
    file.write_text(text, encoding="utf-8")
    return matxai.read(file, **options)


def test_a_scan_in_a_loop(tmp_path: Path) -> None:
    found = cif(tmp_path, SCAN)
    assert found.dims == ("two_theta",)
    assert found.two_theta.attrs["units"] == "degree"
    np.testing.assert_array_equal(found.two_theta, [10, 10.02, 10.04])
    np.testing.assert_array_equal(found, [100, 121, 144])
    np.testing.assert_array_equal(found.calculated, [90.5, np.nan, 139.5])
    assert (found.attrs["wavelength"], found.attrs["anode"], found.attrs["value_unit"]) == (1.5405, "Cu", "counts")
    assert found.attrs["metadata"]["sample"] == "quartz 2024"


def test_an_independent_reader_finds_the_same(tmp_path: Path) -> None:
    import geddes

    for text in (SCAN, RANGE):
        found = cif(tmp_path, text)
        expected = geddes.read(str(tmp_path / "a.cif"))
        np.testing.assert_allclose(found.two_theta, expected.x, rtol=1e-12)
        np.testing.assert_array_equal(found, expected.y)


def test_a_range_alone_makes_the_axis(tmp_path: Path) -> None:
    found = cif(tmp_path, RANGE)
    np.testing.assert_allclose(found.two_theta, [5, 5.1, 5.2, 5.3], rtol=1e-12)
    np.testing.assert_array_equal(found, [100.5, 90, 1500, 70])
    np.testing.assert_allclose(found.sigma, [1.2, 9, 200, np.nan], rtol=1e-12)
    with pytest.raises(FileError, match=r"make 4 places and the loop has 3 intensities"):
        cif(tmp_path, RANGE.replace("90(9)\n", ""))


@pytest.mark.parametrize(
    ("text", "value", "error"),
    [
        ("123", 123, None),
        ("123(4)", 123, 4),
        ("12.34(15)", 12.34, 0.15),
        ("-1.5e2(3)", -150, 30),
        (".5", 0.5, None),
        ("+7.", 7, None),
        ("?", None, None),
    ],
)
def test_numbers_of_cif(text: str, value: float | None, error: float | None) -> None:
    values, errors = numbers([text], "_x")
    np.testing.assert_allclose(values, [np.nan if value is None else value], rtol=1e-14)
    np.testing.assert_allclose(errors, [np.nan if error is None else error], rtol=1e-14)


def test_measured_places_go_before_processed_ones(tmp_path: Path) -> None:
    text = """data_a
loop_
_pd_proc_d_spacing
_pd_proc_intensity_net
_pd_meas_time_of_flight
4.0 1 1000
3.0 2 750
2.0 3 500
"""
    found = cif(tmp_path, text)
    assert found.dims == ("time_of_flight",)
    np.testing.assert_array_equal(found, [3, 2, 1])
    np.testing.assert_array_equal(found.d_spacing, [2, 3, 4])
    assert found.time_of_flight.attrs["units"] == "us"
    over_d = matxai.read(tmp_path / "a.cif", axis="d_spacing")
    assert over_d.dims == ("d_spacing",)
    assert over_d.d_spacing.attrs["units"] == "angstrom"


def test_rows_without_a_place_are_left_out_and_without_intensity_nan(tmp_path: Path) -> None:
    found = cif(tmp_path, SCAN.replace("10.02", ".").replace("144", "?"))
    np.testing.assert_array_equal(found.two_theta, [10, 10.04])
    np.testing.assert_array_equal(found, [100, np.nan])
    assert found.attrs["left_out"] == 1
    assert any("no intensity" in n for n in found.attrs["notes"])


def test_blocks_are_items_and_share_a_wavelength_that_only_one_states(tmp_path: Path) -> None:
    with pytest.warns(MatxaiWarning, match="2 signals; 'quartz'"):
        cif(tmp_path, SCAN + RANGE)
    second = matxai.read(tmp_path / "a.cif", item="neutron")
    assert second.shape == (4,)
    assert second.attrs["wavelength"] == 1.5405


def test_the_line_with_the_largest_share_is_the_wavelength(tmp_path: Path) -> None:
    lines = (
        "loop_\n_diffrn_radiation_wavelength_id\n_diffrn_radiation_wavelength\n_diffrn_radiation_wavelength_wt\n"
        "1 1.54439 0.5\n2 1.54056 1.0\n"
    )
    found = cif(tmp_path, SCAN.replace("_diffrn_radiation_wavelength 1.5405(2)\n", lines))
    assert found.attrs["wavelength"] == 1.54056
    assert any("1.54439, 1.54056 angstrom" in n for n in found.attrs["notes"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("data_a\n_cell_length_a 5.43\n_cell_length_b 5.43\n", "holds a crystal structure and no measured powder"),
        ("data_a\nloop_\n_pd_meas_counts_total\n1\n2\n3\n", "has _pd_meas_counts_total and no places"),
        (SCAN.replace("121", "many"), "'many', which is no number"),
        (SCAN.replace("10.02", "10.05"), "turns round"),
        (SCAN.replace("10.04 144 139.5", "10.04 144"), "truncated or no CIF"),
        ("data_a\nloop_\n_pd_x '", "truncated or no CIF"),
    ],
)
def test_what_is_no_pattern_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(FileError, match=said):
        cif(tmp_path, text)


def test_structures_of_the_shared_data_are_told_from_patterns(data_dir: Path) -> None:
    with pytest.raises(FileError, match="a crystal structure and no measured powder pattern"):
        matxai.read(data_dir / "xrd_limntiof" / "References" / "MnO_186.cif")

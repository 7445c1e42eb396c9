"""Waveforms and spectra in plain containers: a sampling rate or places beside the array; loops of B over H."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

import matxai
from matxai.errors import FileError
from matxai.signals.info import inspect

WAVE = np.sin(np.arange(1000) / 7)
TURN = np.linspace(0, 2 * np.pi, 201)
H, B = 1000 * np.sin(TURN), 1.2 * np.sin(TURN - 0.4)


@pytest.mark.parametrize(("name", "value"), [("fs", 2e6), ("sampling_rate", 2e6), ("dt", 5e-7), ("SampleRate", 2e6)])
def test_a_sampling_rate_in_an_archive_is_time(tmp_path: Path, name: str, value: float) -> None:
    np.savez(tmp_path / "a.npz", signal=WAVE, **{name: value})
    ours = matxai.read(tmp_path / "a.npz")
    assert ours.dims == ("time",) and ours.attrs["sampling_rate"] == pytest.approx(2e6)
    np.testing.assert_allclose(ours.time, np.arange(1000) / 2e6, rtol=1e-12)
    assert ours.time.attrs["units"] == "s"
    np.testing.assert_array_equal(ours, WAVE)


@pytest.mark.parametrize("where", ["dataset", "group", "file", "beside"])
def test_a_sampling_rate_in_hdf5_is_time(tmp_path: Path, where: str) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        data = file.create_dataset("run/signal", data=WAVE)
        if where == "beside":
            file["run/fs"] = 1e5
        else:
            {"dataset": data, "group": file["run"], "file": file}[where].attrs["sampling_rate"] = 1e5
    ours = matxai.read(tmp_path / "a.h5")
    assert ours.dims == ("time",) and ours.attrs["sampling_rate"] == 1e5
    np.testing.assert_allclose(ours.time, np.arange(1000) / 1e5, rtol=1e-12)


def test_rows_are_waveforms_and_few_columns_channels(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.stack([WAVE] * 3), fs=10.0)
    rows = matxai.read(tmp_path / "a.npz")
    assert rows.dims == ("sample", "time") and "time runs along the rows" in rows.attrs["notes"][0]
    np.savez(tmp_path / "b.npz", x=np.stack([WAVE, -WAVE], axis=1), fs=10.0)
    columns = matxai.read(tmp_path / "b.npz")
    assert columns.dims == ("time", "c") and "2 columns are channels" in columns.attrs["notes"][0]
    np.testing.assert_array_equal(columns[:, 1], -WAVE)


def test_a_time_step_beside_an_image_does_not_make_it_waveforms(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", image=np.ones((40, 50)), dt=0.1)
    assert matxai.read(tmp_path / "a.npz").dims == ("y", "x")


def test_without_a_rate_the_axis_has_no_unit(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", WAVE)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["signal"] = WAVE
        file["signal"].attrs["fs"] = -3.0
    for name in ("a.npy", "a.h5"):
        ours = matxai.read(tmp_path / name)
        assert ours.dims == ("axis",) and "units" not in ours.axis.attrs and "sampling_rate" not in ours.attrs


def test_places_beside_an_array_are_its_axis(tmp_path: Path) -> None:
    energy, counts = np.linspace(280, 300, 1000), np.abs(WAVE)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["scan/counts"], file["scan/Binding energy"] = counts, energy[::-1]
        file["scan/Binding energy"].attrs["units"] = "eV"
    ours = matxai.read(tmp_path / "a.h5")
    assert ours.dims == ("binding_energy",) and ours.binding_energy.attrs["units"] == "eV"
    np.testing.assert_array_equal(ours.binding_energy, energy)
    np.testing.assert_array_equal(ours, counts[::-1])
    np.savez(tmp_path / "a.npz", counts=counts, two_theta=energy)
    npz = matxai.read(tmp_path / "a.npz")
    assert npz.dims == ("two_theta",)
    np.testing.assert_array_equal(npz.two_theta, energy)
    assert "units" not in npz.two_theta.attrs  # NumPy keeps none


@pytest.mark.parametrize("kind", ["npz", "h5"])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_spectrum_image_comes_as_energy_y_x_wherever_the_energies_lie(tmp_path: Path, kind: str, axis: int) -> None:
    energy = np.array([5.0, 4.0, 2.0, 1.0])  # descending and uneven
    cube = np.arange(4 * 3 * 2).reshape(4, 3, 2)
    stored = np.moveaxis(cube, 0, axis)
    path = tmp_path / f"a.{kind}"
    if kind == "npz":
        np.savez(path, cube=stored, energy=energy)
    else:
        with h5py.File(path, "w") as file:
            file["cube"], file["energy"] = stored, energy
            file["energy"].attrs["units"] = "keV"
    ours = matxai.read(path)
    assert ours.dims == ("energy", "y", "x")
    np.testing.assert_array_equal(ours.energy, energy[::-1])
    np.testing.assert_array_equal(ours, cube[::-1])


def test_spectrum_images_of_instruments(data_dir: Path) -> None:
    folder = data_dir / "em_raw_formats"
    pytest.importorskip("ncempy", reason="the reader of DM files is not installed")
    eels = matxai.read(folder / "digitalmicrograph" / "3D" / "EELS_SI.dm4")
    assert eels.dims == ("energy", "y", "x") and eels.shape == (2048, 2, 2)
    rsciio = pytest.importorskip("rsciio.digitalmicrograph", reason="the independent reader of DM is not installed")
    theirs = rsciio.file_reader(str(folder / "digitalmicrograph" / "3D" / "EELS_SI.dm4"))[0]
    data, axis = theirs["data"], next(a for a in theirs["axes"] if a["units"] == "eV")
    at = theirs["axes"].index(axis)
    np.testing.assert_array_equal(eels, np.moveaxis(data, at, 0))
    np.testing.assert_allclose(eels.energy, axis["offset"] + axis["scale"] * np.arange(2048))
    for name, dim, unit, first, last in (
        ("test-EELS_spectrum.dm3", "energy", "eV", -100.0, 923.5),
        ("test-EDS_spectrum.dm3", "energy", "keV", -0.478, 19.997),
        ("test-MonarcCL_spectrum-ccd.dm4", "wavelength", "nm", 186.6591, 465.5667),
    ):
        path = folder / "digitalmicrograph" / "1D" / name
        ours, other = matxai.read(path), rsciio.file_reader(str(path))[0]
        assert ours.dims == (dim,) and ours[dim].attrs["units"] == unit
        assert (float(ours[dim][0]), float(ours[dim][-1])) == pytest.approx((first, last), abs=1e-4)
        np.testing.assert_array_equal(ours, other["data"])


def test_info_says_axis_range_rate_and_photon_energy(data_dir: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", signal=WAVE, fs=2e6)
    wave = inspect(tmp_path / "a.npz").main
    assert wave.facts["sampling_rate"] == 2e6
    assert (wave.axes[0].dim, wave.axes[0].unit, wave.axes[0].first) == ("time", "s", 0.0)
    vamas = inspect(data_dir / "raw_xrd_xps" / "xps" / "regular.vms").main
    assert vamas.facts["photon_energy"] == 1486.61 and vamas.facts["value_name"] == "counts"
    axis = vamas.axes[0]
    assert (axis.dim, axis.unit, axis.first, axis.last, axis.step) == ("binding_energy", "eV", 0.0, 1350.0, 1.0)


def test_a_text_with_a_column_of_time_tells_its_rate(tmp_path: Path) -> None:
    rows = "\n".join(f"{i / 10},{v:.6f}" for i, v in enumerate(WAVE[:50]))
    (tmp_path / "a.csv").write_text(f"time (ms),voltage (V)\n{rows}\n")
    ours = matxai.read(tmp_path / "a.csv")
    assert ours.dims == ("time",) and ours.attrs["sampling_rate"] == pytest.approx(10_000)
    uneven = "\n".join(f"{i * i},{v:.6f}" for i, v in enumerate(WAVE[:50]))
    (tmp_path / "b.csv").write_text(f"time (ms),voltage (V)\n{uneven}\n")
    assert "sampling_rate" not in matxai.read(tmp_path / "b.csv").attrs


def _table(path: Path, head: str, *columns: np.ndarray, delimiter: str = ",") -> Path:
    rows = "\n".join(delimiter.join(repr(float(v)) for v in row) for row in zip(*columns, strict=True))
    path.write_text(f"{head}\n{rows}\n")
    return path


@pytest.mark.parametrize(
    ("head", "delimiter", "unit"),
    [
        ("H (A/m),B (T)", ",", "A/m"),
        ("H,B", ",", None),
        ("# a VSM\nField(Oe)\tMoment(emu)", "\t", "oersted"),
        ("Applied field [kA/m];Magnetisation [A/m]", ";", "kA/m"),
    ],
)
def test_a_loop_is_a_parametric_curve(tmp_path: Path, head: str, delimiter: str, unit: str | None) -> None:
    ours = matxai.read(_table(tmp_path / "a.csv", head, H, B, delimiter=delimiter))
    assert ours.dims == ("axis", "c") and ours.shape == (201, 2)
    np.testing.assert_array_equal(ours[:, 0], H)
    np.testing.assert_array_equal(ours[:, 1], B)
    np.testing.assert_array_equal(ours.field, H)
    assert ours.field.attrs.get("units") == unit and "units" not in ours.axis.attrs
    assert "turns round" in ours.attrs["notes"][-1]
    with pytest.raises(FileError, match="a loop, which has no axis 'field'"):
        matxai.read(tmp_path / "a.csv", axis="field")


def test_a_loop_with_time_is_over_time_and_other_columns_stay_beside(tmp_path: Path) -> None:
    time = TURN / 100
    path = _table(tmp_path / "a.csv", "time (s),H (A/m),B (T),Temperature (K)", time, H, B, 300 + TURN)
    ours = matxai.read(path)
    assert ours.dims == ("time", "c") and list(ours.c.values) == ["H", "B"]
    np.testing.assert_array_equal(ours.time, time)
    np.testing.assert_array_equal(ours.temperature, 300 + TURN)
    assert ours.attrs["sampling_rate"] == pytest.approx(1 / (time[1] - time[0]))
    assert matxai.read(path, axis="axis").dims == ("axis", "c")


def test_a_branch_that_runs_one_way_is_b_over_h(tmp_path: Path) -> None:
    ours = matxai.read(_table(tmp_path / "a.csv", "H (A/m),B (T)", H[:40][::-1], B[:40][::-1]))
    assert ours.dims == ("field",) and ours.field.attrs["units"] == "A/m" and ours.attrs["value_name"] == "B"
    np.testing.assert_array_equal(ours, B[:40])


def test_files_of_magnet_without_a_waveform_say_so(data_dir: Path) -> None:
    folder = data_dir / "magnet_loops"
    with pytest.raises(FileError, match="a table of 350 x 128 numbers without an axis"):
        matxai.read(folder / "transformer_meas.csv")
    with pytest.raises(FileError, match=r"holds a pandas table \('dataframe'\) and no signal"):
        matxai.read(folder / "N30_database.h5")
    with pytest.raises(FileError, match="recognised by none of the"):
        matxai.read(folder / "Dataset_tri_N87.json")


def test_a_loop_without_rows_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("H (A/m),B (T)\nnothing,here\n")
    with pytest.raises(FileError, match=r"a\.csv"):
        matxai.read(tmp_path / "a.csv")

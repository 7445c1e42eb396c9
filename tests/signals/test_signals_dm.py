"""DigitalMicrograph: real files against the numbers in their tags, and damaged ones."""

from __future__ import annotations

import contextlib
import sys

import numpy as np
import pytest

from matxai.errors import FileError, MissingDependencyError
from matxai.signals import inspect, read
from matxai.signals.units import registry

pytest.importorskip("ncempy", reason="DM files need ncempy (extra 'formats')")

FOLDER = "em_raw_formats/digitalmicrograph"
# file, dims, shape, type, smallest and largest value, and for each dim: first place, step, unit
FILES = [
    (
        "Fei HAADF-UK_location.dm3",
        *(("y", "x"), (4, 16), "uint16", 3799, 3969),
        [(0.0, 0.005506073, "um"), (0.0, 0.005506073, "um")],
    ),
    ("1D/test-EDS_spectrum.dm3", ("energy",), (4096,), "uint32", 0, 3525, [(-0.478, 0.005, "keV")]),
    ("1D/test-EELS_spectrum.dm3", ("energy",), (2048,), "float32", -366.43457, 305.02026, [(-100.0, 0.5, "eV")]),
    (
        "1D/test-MonarcCL_spectrum-ccd.dm4",
        *(("wavelength",), (668,), "float32", -2256.0, 5768.0),
        [(186.65910176682246, 0.4181523025035858, "nm")],
    ),
    (
        "2D/test_STEM_image.dm3",
        *(("y", "x"), (68, 68), "uint32", 29407, 36106),
        [(42.500000953674316, 0.24853801727294922, "nm"), (51.44736957550049, 0.24853801727294922, "nm")],
    ),
    (
        "2D/test_diffraction_pattern.dm3",
        *(("y", "x"), (87, 87), "int32", 625, 2974),
        [(131.87124127149582, 0.17443285882472992, "1/nm"), (137.10422703623772, 0.17443285882472992, "1/nm")],
    ),
    (
        "3D/EELS_SI.dm4",
        *(("energy", "y", "x"), (2048, 2, 2), "float32", -27.721436, 8634.402),
        [(300.0, 1.0, "eV"), (0.0, 0.0019920736085623503, "um"), (0.0, 0.0019920736085623503, "um")],
    ),
]


@pytest.mark.parametrize("case", FILES, ids=lambda c: c[0].rsplit("/", 1)[-1])
def test_values_and_axes_of_real_files(data_dir, case):
    name, dims, shape, dtype, low, high, axes = case
    signal = read(data_dir / FOLDER / name)
    assert (signal.dims, signal.shape, signal.dtype) == (dims, shape, dtype)
    assert float(signal.min()) == pytest.approx(low) and float(signal.max()) == pytest.approx(high)
    for dim, (first, step, unit) in zip(dims, axes, strict=True):
        assert signal[dim].attrs["units"] == unit
        assert registry().Unit(unit) is not None
        places = first + step * np.arange(signal.sizes[dim])
        np.testing.assert_allclose(signal[dim], places, rtol=1e-6, atol=abs(step) * 1e-3)
    assert len(inspect(data_dir / FOLDER / name).items) == 1  # the thumbnail is no signal


def test_pixels_are_those_that_ncempy_reads(data_dir):
    from ncempy.io import dm

    for name, *_ in FILES:
        path = data_dir / FOLDER / name
        with dm.fileDM(path) as file:
            expected = file.getDataset(0)["data"]
        np.testing.assert_array_equal(read(path), expected, err_msg=name)


def test_metadata_say_how_it_was_taken(data_dir):
    words = read(data_dir / FOLDER / "1D/test-EELS_spectrum.dm3").attrs["metadata"]
    assert words["signal"] == "EELS" and words["acceleration_voltage"] == 200000.0


def test_a_scale_without_a_unit_is_no_calibration(data_dir, tmp_path):
    raw = (data_dir / FOLDER / "2D/test_STEM_image.dm3").read_bytes()
    unit = "nm".encode("utf-16-le")
    assert raw.count(unit) == 2
    (tmp_path / "bare.dm3").write_bytes(raw.replace(unit, "  ".encode("utf-16-le")))
    signal = read(tmp_path / "bare.dm3")
    assert [signal[d].attrs["units"] for d in "yx"] == ["pixel", "pixel"]
    np.testing.assert_array_equal(signal.x, np.arange(68))
    assert signal.attrs["pixel_size_source"].startswith("uncalibrated")


def test_large_stacks_stay_on_disk(data_dir, monkeypatch):
    monkeypatch.setattr("matxai.signals.formats.pieces.LAZY_ABOVE", 10)
    path = data_dir / FOLDER / "3D/EELS_SI.dm4"
    signal = read(path)
    assert signal.chunks == ((1,) * 2048, (2,), (2,))
    assert float(signal.isel(energy=0).max()) > -100


@pytest.mark.parametrize("keep", [1, 13, 30, 500, 4000, 0.5, 0.9])
@pytest.mark.parametrize("name", ["2D/test_STEM_image.dm3", "3D/EELS_SI.dm4"])
def test_truncated_files_get_one_sentence(data_dir, tmp_path, name, keep):
    raw = (data_dir / FOLDER / name).read_bytes()
    path = tmp_path / f"cut{name[-4:]}"
    path.write_bytes(raw[: keep if isinstance(keep, int) else int(len(raw) * keep)])
    with pytest.raises(FileError) as caught:
        read(path)
    assert path.name in str(caught.value) and "\n" not in str(caught.value)


def test_noise_in_the_tags_is_never_a_traceback(data_dir, tmp_path):
    raw = (data_dir / FOLDER / "2D/test_STEM_image.dm3").read_bytes()
    random = np.random.default_rng(0)
    for i in range(40):
        noisy = np.frombuffer(raw, np.uint8).copy()
        at = random.integers(16, len(raw), 20)
        noisy[at] = random.integers(0, 256, 20)
        (tmp_path / f"{i}.dm3").write_bytes(noisy.tobytes())
        with contextlib.suppress(FileError):  # anything else would fail the test
            read(tmp_path / f"{i}.dm3")


def test_without_ncempy_one_sentence_with_the_pip_line(data_dir, monkeypatch):
    monkeypatch.setitem(sys.modules, "ncempy", None)
    monkeypatch.setitem(sys.modules, "ncempy.io", None)
    with pytest.raises(MissingDependencyError, match=r'pip install "matxai\[formats\]"'):
        read(data_dir / FOLDER / "2D/test_STEM_image.dm3")

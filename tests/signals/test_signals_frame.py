"""The frame of reading: labelled arrays, units, choosing readers and items, and what a bad path or name is told."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import dask.array as da
import numpy as np
import pint
import pytest
from PIL import Image

from matxai.errors import FileError, MatxaiWarning, SignalError, UnsafeFileError
from matxai.signals import Item, inspect, labelled, read, readers, unit_word, write_tiff
from matxai.signals.limits import check_held, check_unfolding
from matxai.signals.reading import choose, natural_key
from matxai.signals.units import said_length


def test_every_dim_has_an_ascending_coordinate_and_a_unit_that_pint_reads() -> None:
    signal = labelled(
        np.zeros((2, 3, 4, 3)), ("z", "y", "x", "c"), spacing={"y": 7.34, "x": 7.34}, units={"y": "nm", "x": "µm"}
    )
    registry = pint.UnitRegistry()
    assert set(signal.coords) == {"z", "y", "x", "c"}
    for dim in signal.dims:
        assert np.all(np.diff(signal[dim].values) > 0)
        registry.Unit(signal[dim].attrs["units"])
    np.testing.assert_allclose(signal.y, [0, 7.34, 14.68])
    assert signal.x.attrs["units"] == "um"
    assert signal.z.attrs["units"] == "pixel"
    assert signal.z.values.tolist() == [0, 1]


def test_a_negative_step_flips_data_and_coordinate_together() -> None:
    data = np.arange(6.0).reshape(2, 3)
    signal = labelled(data, ("y", "x"), spacing={"x": -2.0}, units={"x": "nm"}, origin={"x": 5.0})
    np.testing.assert_array_equal(signal.x, [1, 3, 5])
    np.testing.assert_array_equal(signal.sel(x=5.0), data[:, 0])
    np.testing.assert_array_equal(signal.sel(x=1.0), data[:, 2])


def test_lazy_data_stay_lazy_when_flipped() -> None:
    signal = labelled(da.zeros((4, 5), chunks=(1, 5)), ("y", "x"), spacing={"y": -1.0}, units={"y": "nm"})
    assert signal.chunks is not None


@pytest.mark.parametrize(
    ("step", "unit"), [(0.0, "nm"), (float("nan"), "nm"), (3.0, None), (3.0, "furlongs of cheese")]
)
def test_a_step_that_cannot_be_believed_is_no_calibration(step: float, unit: str | None) -> None:
    units = {"x": unit} if unit else {}
    signal = labelled(np.zeros((1, 4)), ("y", "x"), spacing={"x": step}, units=units, origin={"x": 9.0})
    assert signal.x.values.tolist() == [0, 1, 2, 3]
    assert signal.x.attrs["units"] == "pixel"
    if unit == "furlongs of cheese":
        assert signal.attrs["pixel_size_source"].startswith("uncalibrated")


def test_whole_coordinates_may_be_uneven_but_run_in_one_direction() -> None:
    signal = labelled(np.array([3, 2, 1]), ("energy",), coords={"energy": [9.0, 4.0, 1.0]}, units={"energy": "eV"})
    assert signal.energy.values.tolist() == [1, 4, 9]
    assert signal.values.tolist() == [1, 2, 3]
    with pytest.raises(SignalError, match="turns round"):
        labelled(np.zeros(3), ("energy",), coords={"energy": [1.0, 3.0, 2.0]})


def test_an_axis_that_its_file_does_not_name_has_no_unit() -> None:
    assert "units" not in labelled(np.zeros(3), ("axis",)).axis.attrs
    assert "units" not in labelled(np.zeros(3), ("axis",), spacing={"axis": 0.1}).axis.attrs


@pytest.mark.parametrize("dims", [("y",), ("y", "y"), ("y", "x", "c")])
def test_dims_that_do_not_fit_are_refused(dims: tuple[str, ...]) -> None:
    with pytest.raises(SignalError, match="shape"):
        labelled(np.zeros((2, 2)), dims)


@pytest.mark.parametrize(
    ("text", "word"),
    [("µm", "um"), ("μm", "um"), ("\\u00B5m", "um"), ("micron", "um"), ("Å", "angstrom"), ("A", "angstrom"),
     ("1/nm", "1/nm"), ("px", "pixel"), ("nm\x00", "nm"), ("", None), (None, None), ("__import__('os')", None),
     ("x" * 99, None), ("keV", "keV"), ("°", "degree")],
)  # fmt: skip
def test_units_as_files_spell_them(text: str | None, word: str | None) -> None:
    assert unit_word(text) == word


@pytest.mark.parametrize(
    ("metres", "said"), [(7.34375e-9, (7.34375, "nm")), (2.5e-7, (0.25, "um")), (1.2e-3, (1.2, "mm"))]
)
def test_lengths_are_said_in_the_unit_of_a_microscopist(metres: float, said: tuple[float, str]) -> None:
    assert said_length(metres) == said


def test_natural_order_of_names() -> None:
    names = ["slice_10.tif", "slice_2.tif", "slice_1.tif", "Slice_03.tif"]
    ordered = [p.name for p in sorted(map(Path, names), key=natural_key)]
    assert ordered == ["slice_1.tif", "slice_2.tif", "Slice_03.tif", "slice_10.tif"]


def test_the_first_measured_item_is_read_and_the_warning_names_the_rest() -> None:
    items = [Item(n, lambda: None, (2, 2), "uint8", measured=n != "preview") for n in ("preview", "image", "map")]  # type: ignore[arg-type, return-value]
    with pytest.warns(MatxaiWarning, match=r"0: 'preview'.*2: 'map'"):
        assert choose(items, None, "a.emd").name == "image"
    assert choose(items, 2, "a.emd").name == "map"
    assert choose(items, "preview", "a.emd").name == "preview"
    with pytest.raises(FileError, match="Did you mean 'image'"):
        choose(items, "imgae", "a.emd")
    with pytest.raises(FileError, match="no item 7; it has 3"):
        choose(items, 7, "a.emd")


def test_a_missing_file_offers_the_nearest_name(tmp_path: Path) -> None:
    write_tiff(tmp_path / "steel.tif", np.zeros((4, 4)))
    with pytest.raises(FileError, match=r"Did you mean 'steel\.tif'"):
        read(tmp_path / "stele.tif")
    with pytest.raises(FileError, match="nor does the folder"):
        read(tmp_path / "no" / "such.tif")
    with pytest.raises(FileError, match="no file matches"):
        read(str(tmp_path / "*.png"))
    with pytest.raises(FileError, match="empty list"):
        read([])
    with pytest.raises(FileError, match="int is none of these"):
        read(3)  # type: ignore[arg-type]


def test_paths_that_no_system_opens_are_one_sentence(tmp_path: Path) -> None:
    for path in (tmp_path / ("x" * 5000), str(tmp_path / "a\x00b")):
        with pytest.raises(FileError, match="cannot be opened"):
            read(path)


@pytest.mark.parametrize("name", ["a.tif", "a.png"])
def test_options_that_would_do_nothing_are_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name == "a.tif":
        write_tiff(path, np.zeros((4, 4)))
    else:
        Image.fromarray(np.zeros((4, 4), np.uint8)).save(path)
    for option in ("dataset", "axis"):
        with pytest.raises(FileError, match=f"has no {option} to choose"):
            read(path, **{option: "entry"})  # type: ignore[arg-type]


def test_an_unknown_reader_offers_the_nearest_name(tmp_path: Path) -> None:
    path = write_tiff(tmp_path / "a.tif", np.zeros((4, 4)))
    assert read(path, reader="tiff").shape == (4, 4)
    with pytest.raises(FileError, match="Did you mean 'tiff'"):
        read(path, reader="tif")


@pytest.mark.parametrize("name", ["a.tif", "a.png", "a.jpg", "a.bmp"])
def test_empty_and_text_files_are_refused_in_one_sentence(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"")
    with pytest.raises(FileError, match="is empty"):
        read(path)
    path.write_text("two theta, counts\n10.0, 5\n")
    with pytest.raises(FileError, match="named like"):
        read(path)


def test_nan_and_inf_are_reported_and_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = np.ones((4, 5), dtype=np.float32)
    data[0, :2], data[1, 0] = np.nan, np.inf
    path = write_tiff(tmp_path / "map.tif", data)
    signal = read(path)
    assert signal.attrs["nonfinite"] == {"nan": 2, "inf": 1}
    assert "2 NaN and 1 infinite values of 20" in caplog.text
    np.testing.assert_array_equal(signal.values, data)
    assert inspect(path).problems == ("2 NaN among 20 values", "1 infinite values among 20 values")


def test_inspect_says_what_read_will_return(tmp_path: Path) -> None:
    signal = labelled(
        np.zeros((3, 4, 5)), ("z", "y", "x"), spacing={"z": 2, "y": 0.5, "x": 0.25}, units=dict.fromkeys("zyx", "um")
    )
    path = write_tiff(tmp_path / "stack.tif", signal)
    info = inspect(path)
    assert (info.source, info.reader, info.format) == ("stack.tif", "tiff", "TIFF")
    assert info.main.shape == (3, 4, 5)
    assert [(a.dim, a.size, a.step, a.unit) for a in info.main.axes] == [
        ("z", 3, 2.0, "um"),
        ("y", 4, 0.5, "um"),
        ("x", 5, 0.25, "um"),
    ]
    assert info.main.pixel_size_source == "ImageJ unit and resolution"


def test_limits_compare_claims_with_what_is_held() -> None:
    check_held("a", 100, 100)
    with pytest.raises(FileError, match="truncated or its header is wrong"):
        check_held("a", 101, 100)
    check_unfolding("mask", 60 * 2**20, 1000, None)  # a blank mask packs well and is no bomb
    with pytest.raises(UnsafeFileError, match="100 times"):
        check_unfolding("bomb", 65 * 2**20, 1000, None)
    with pytest.raises(UnsafeFileError, match="limit=1073741824"):
        check_unfolding("big", 2**30, 2**29, None)
    check_unfolding("big", 2**30, 1000, 2**30)


def test_importing_signals_is_light() -> None:
    heavy = ("xarray", "pint", "tifffile", "torch", "dask")
    code = f"import sys, matxai.signals; print([m for m in {heavy} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_readers_are_found_by_discovery() -> None:
    assert {"tiff", "png", "jpeg", "bmp"} <= set(readers)


@pytest.mark.parametrize("name", ["labels.csv", "notes.txt", "notes.dat", "results.tsv"])
def test_text_without_spectra_is_called_so_whatever_its_suffix_may_be(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("sample,class\na,steel\nb,iron\n")
    with pytest.raises(
        FileError, match=rf"{name} is text without a table of numbers: no reader of \{Path(name).suffix}"
    ):
        read(tmp_path / name)

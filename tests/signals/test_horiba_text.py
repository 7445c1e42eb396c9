"""LabSpec's text: a spectrum with its header, a series in rows, an axis in another unit, and files that lie."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from matxai.errors import FileError
from matxai.signals import read

HEAD = "#Acq. time (s)=\t10\n#Accumulations=\t2\n#Laser (nm)=\t532.17\n#AxisType[0]=\tIntens\n#AxisUnit[0]=\tCnt\n"
RAMAN = HEAD + "#AxisType[1]=\tSpectr\n#AxisUnit[1]=\t1/cm\n"
SHIFT = np.array([1200.5, 800.25, 520.7, 100.0])
COUNTS = np.array([12.0, 15.0, 9000.0, 33.0])


def _written(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "a.txt"
    path.write_text(text, encoding)
    return path


def test_a_spectrum_comes_over_the_raman_shift_that_its_header_names(tmp_path: Path) -> None:
    rows = "".join(f"{x}\t{y:g}\n" for x, y in zip(SHIFT, COUNTS, strict=True))
    signal = read(_written(tmp_path, RAMAN + rows))
    assert (signal.attrs["reader"], signal.dims) == ("horiba", ("raman_shift",))
    assert signal.raman_shift.attrs["units"] == "1/cm"
    np.testing.assert_array_equal(signal.raman_shift, SHIFT[::-1])
    np.testing.assert_array_equal(signal, COUNTS[::-1])
    assert (signal.attrs["laser_wavelength"], signal.attrs["value_unit"]) == (532.17, "Cnt")
    assert signal.attrs["metadata"]["Acq. time (s)"] == "10"


def test_a_series_is_a_set_with_its_places_beside(tmp_path: Path) -> None:
    axis = 500 + 2.0 * np.arange(12)
    cube = np.arange(36.0).reshape(3, 12)
    rows = "\t\t" + "\t".join(f"{v:g}" for v in axis) + "\n"
    for place, spectrum in zip((-1, 0, 1), cube, strict=True):
        rows += f"{place}\t5\t" + "\t".join(f"{v:g}" for v in spectrum) + "\n"
    signal = read(_written(tmp_path, RAMAN + rows))
    assert signal.dims == ("sample", "raman_shift")
    np.testing.assert_array_equal(signal.raman_shift, axis)
    np.testing.assert_array_equal(signal, cube)
    assert list(signal.coords["sample"].values) == ["-1", "0", "1"]


def test_the_header_decides_and_a_header_without_a_unit_does_not(tmp_path: Path) -> None:
    rows = "540 1\n541 2\n542 3\n"
    nanometres = RAMAN.replace("1/cm", "nm")
    assert read(_written(tmp_path, nanometres + rows)).dims == ("wavelength",)
    assert read(_written(tmp_path, HEAD + rows)).dims == ("axis",)
    assert read(_written(tmp_path, HEAD + rows), axis="raman_shift").dims == ("raman_shift",)
    with pytest.raises(FileError, match="in nm, which is wavelength; axis='raman_shift' contradicts it"):
        read(_written(tmp_path, nanometres + rows), axis="raman_shift")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("100\t1\n101\t2\n102\tlots\n103\t4\n", "line 10 has 'lots' where a number should be"),
        ("", "holds no curve"),
        ("100\t1\n102\t2\n101\t3\n", "turns round"),
    ],
)
def test_a_damaged_file_is_one_sentence_with_the_line_of_the_file(tmp_path: Path, rows: str, said: str) -> None:
    with pytest.raises(FileError, match=said) as caught:
        read(_written(tmp_path, RAMAN + rows))
    assert "a.txt" in str(caught.value) and "\n" not in str(caught.value)

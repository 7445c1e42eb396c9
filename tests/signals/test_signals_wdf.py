"""Renishaw WiRE: a spectrum, a line and a map against two other readers, and files that lie."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

import matxai
from matxai.errors import FileError, MatxaiWarning


@pytest.fixture
def renishaw(data_dir: Path) -> Path:
    return data_dir / "em_raw_formats" / "renishaw"


@pytest.mark.parametrize("kind", ["spectrum", "linescan", "map"])
def test_as_renishawwire_reads_it(renishaw: Path, kind: str) -> None:
    theirs_of = pytest.importorskip("renishawWiRE", reason="the independent reader of WDF is not installed").WDFReader
    path = renishaw / f"renishaw_test_{kind}.wdf"
    theirs = theirs_of(str(path))
    ours = matxai.read(path)
    assert (
        ours.dims
        == {
            "spectrum": ("wavelength",),
            "linescan": ("sample", "wavelength"),
            "map": ("wavelength", "y", "x"),
        }[kind]
    )
    assert ours.wavelength.attrs["units"] == "nm" and np.all(np.diff(ours.wavelength) > 0)
    np.testing.assert_array_equal(ours.wavelength, theirs.xdata[::-1])
    assert ours.attrs["laser_wavelength"] == pytest.approx(theirs.laser_length)
    spectra = np.asarray(theirs.spectra)[..., ::-1]
    if kind == "map":
        np.testing.assert_array_equal(ours.transpose("y", "x", "wavelength"), spectra)
        np.testing.assert_allclose(ours.x, np.unique(theirs.xpos))
        np.testing.assert_allclose(ours.y, np.unique(theirs.ypos))
        assert ours.x.attrs["units"] == ours.y.attrs["units"] == "um"
    elif kind == "linescan":
        np.testing.assert_array_equal(ours, spectra.reshape(ours.shape))
        np.testing.assert_allclose(ours.x, theirs.xpos)
        np.testing.assert_allclose(ours.y, theirs.ypos)
        assert ours.x.attrs["units"] == "um"
    else:
        np.testing.assert_array_equal(ours, spectra)


def test_a_map_written_by_hand_has_its_cells_in_place(tmp_path: Path, renishaw: Path) -> None:
    """The second row of a map scanned to and fro: the places decide, not the order."""
    raw = bytearray((renishaw / "renishaw_test_map.wdf").read_bytes())
    at = raw.index(b"ORGN", 512) + 16 + 4
    x = at + 24
    for i, place in ((3, 100.0), (5, -100.0)):
        raw[x + 8 * i : x + 8 * i + 8] = struct.pack("<d", place)
    path = tmp_path / "a.wdf"
    path.write_bytes(raw)
    plain, turned = matxai.read(renishaw / "renishaw_test_map.wdf"), matxai.read(path)
    np.testing.assert_array_equal(turned[:, 1], plain[:, 1, ::-1])
    np.testing.assert_array_equal(turned[:, 0], plain[:, 0])
    raw[x : x + 8] = struct.pack("<d", 0.0)  # two spectra in one cell are no map
    path.write_bytes(raw)
    assert matxai.read(path).dims == ("sample", "wavelength")


def _changed(raw: bytes, at: int, value: bytes) -> bytes:
    return raw[:at] + value + raw[at + len(value) :]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda r: r[:400], "truncated or its header is wrong"),
        (lambda r: r[:600], "truncated or its header is wrong"),
        (lambda r: _changed(r, 60, struct.pack("<I", 2**31)), "claims 9 of 9 spectra of 2147483648 points"),
        (lambda r: _changed(r, 64, struct.pack("<QQ", 2**40, 2**40)), "for its block DATA and holds"),
        (lambda r: _changed(r, 520, struct.pack("<Q", 3)), "claims 3 bytes"),
        (lambda r: r.replace(b"XLST", b"XLSX"), "has no block XLST"),
        (lambda r: r[:512] + bytes(range(256)) * 8, "has no block DATA"),
    ],
)
def test_files_that_lie_are_one_sentence(renishaw: Path, tmp_path: Path, change: object, said: str) -> None:
    raw = (renishaw / "renishaw_test_map.wdf").read_bytes()
    (tmp_path / "a.wdf").write_bytes(change(raw))  # type: ignore[operator]
    with pytest.raises(FileError, match=said) as caught:
        matxai.read(tmp_path / "a.wdf")
    assert "a.wdf" in str(caught.value) and "\n" not in str(caught.value)


def test_a_file_cut_off_behind_its_spectra_says_so(tmp_path: Path, renishaw: Path) -> None:
    whole = renishaw / "renishaw_test_map.wdf"
    path = tmp_path / "a.wdf"
    path.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with pytest.warns(MatxaiWarning, match=r"a\.wdf is truncated: a block ends beyond the file"):
        found = matxai.read(path)
    assert found.shape == (9, 47)  # the grid of the map lies behind the cut

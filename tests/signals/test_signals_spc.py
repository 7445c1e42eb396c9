"""SPC of Galactic: files written by the published layout, read by spc_io and by us; files of others with the suffix."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import matxai
from matxai.errors import FileError, MatxaiWarning

N = 5
WHOLE = np.array([-(2**31), 0, 12345678, -7, 2**31 - 1], dtype=np.int32)
FLOATS = np.array([0.5, -1.25, 3e5, 1e-3, 7.0], dtype=np.float32)


def _spc(order: str = "<", **change: Any) -> bytes:
    """A file by SPC.H: header, uneven axis, and for each spectrum its header, own axis, values."""
    said: dict[str, Any] = {
        "flags": 0,
        "exponent": 4,
        "points": N,
        "first": 4000.0,
        "last": 400.0,
        "axis": 1,
        "value": 2,
    }
    said |= {"own": [4], "spectra": [WHOLE.astype(f"{order}i4").tobytes()], "listed": b"", **change}
    version = {"<": 0x4B, ">": 0x4C}[order]
    head = struct.pack("4B", said["flags"], version, 0, said["exponent"] % 256)
    head += struct.pack(order + "i2di", said["points"], said["first"], said["last"], len(said["spectra"]))
    head += (
        struct.pack("4B", said["axis"], said["value"], 0, 0) + b"\x00" * (88 - 32) + b"a comment".ljust(130, b"\x00")
    )
    raw = head.ljust(512, b"\x00") + said["listed"]
    for i, values in enumerate(said["spectra"]):
        own = said["own"][min(i, len(said["own"]) - 1)]
        raw += (
            struct.pack(order + "BbH3f2if4x", 0, own, i, float(i), float(i + 1), 0.0, said["points"], 3, 0.0) + values
        )
    return raw


def _theirs(raw: bytes) -> list[tuple[np.ndarray, np.ndarray]]:
    spc_io = pytest.importorskip("spc_io", reason="the independent reader of SPC is not installed")
    spc = spc_io.SPC.from_bytes_io(io.BytesIO(raw))
    return [(np.asarray(spc[i].xarray), np.asarray(spc[i].yarray)) for i in range(len(spc))]


CASES = {
    "whole numbers with an exponent": _spc(),
    "floats": _spc(exponent=-128, spectra=[FLOATS.tobytes()], axis=13),
    "16 bits": _spc(flags=1, spectra=[np.array([-32768, 3, 7, 9, 32767], "<i2").tobytes()]),
    "an uneven axis": _spc(
        flags=128, exponent=-128, spectra=[FLOATS.tobytes()], listed=np.array([1, 2, 4, 8, 16], "<f4").tobytes(), axis=3
    ),
    "several": _spc(flags=4, own=[-128, -128], spectra=[FLOATS.tobytes(), (2 * FLOATS).tobytes()], axis=14),
}


@pytest.mark.parametrize("case", CASES)
def test_as_spc_io_reads_it(tmp_path: Path, case: str) -> None:
    (tmp_path / "a.spc").write_bytes(CASES[case])
    ours = matxai.read(tmp_path / "a.spc")
    theirs = _theirs(CASES[case])
    x, _ = theirs[0]
    turn = slice(None, None, -1) if x[0] > x[-1] else slice(None)
    np.testing.assert_allclose(ours[ours.dims[-1]], x[turn])
    y = np.array([v for _, v in theirs])[..., turn]
    np.testing.assert_allclose(ours.values, y if len(theirs) > 1 else y[0], rtol=1e-12)


def test_axes_units_and_words(tmp_path: Path) -> None:
    path = tmp_path / "a.spc"
    for case, dim, unit in (
        ("floats", "raman_shift", "1/cm"),
        ("an uneven axis", "wavelength", "nm"),
        ("whole numbers with an exponent", "wavenumber", "1/cm"),
        ("several", "energy", "eV"),
    ):
        path.write_bytes(CASES[case])
        ours = matxai.read(path)
        assert ours.dims[-1] == dim and ours[dim].attrs["units"] == unit
        assert ours.attrs["metadata"]["comment"] == "a comment" and ours.attrs["value_name"] == "absorbance"
    assert ours.dims == ("sample", "energy") and ours.attrs["metadata"]["z"] == [0.0, 1.0]
    path.write_bytes(_spc(exponent=-128, spectra=[FLOATS.tobytes()], axis=0))
    assert matxai.read(path).dims == ("axis",) and "units" not in matxai.read(path).axis.attrs


def test_big_endian_is_the_same(tmp_path: Path) -> None:
    (tmp_path / "a.spc").write_bytes(_spc("<"))
    (tmp_path / "b.spc").write_bytes(_spc(">"))
    one, other = matxai.read(tmp_path / "a.spc"), matxai.read(tmp_path / "b.spc")
    np.testing.assert_array_equal(one, other)
    np.testing.assert_allclose(one.values, WHOLE[::-1] * 2.0**4 / 2**32)


def test_spectra_with_axes_of_their_own_are_items(tmp_path: Path) -> None:
    axes = [np.arange(N, dtype="<f4"), np.arange(N, dtype="<f4") + 1]
    spectra = [a.tobytes() + FLOATS.tobytes() for a in axes]
    (tmp_path / "a.spc").write_bytes(_spc(flags=4 | 64 | 128, own=[-128], spectra=spectra, axis=3))
    with pytest.warns(MatxaiWarning, match="holds 2 signals"):
        matxai.read(tmp_path / "a.spc")
    np.testing.assert_array_equal(matxai.read(tmp_path / "a.spc", item=1).wavelength, axes[1])


def test_others_with_the_suffix_and_the_old_version(tmp_path: Path) -> None:
    path = tmp_path / "a.spc"
    path.write_bytes(struct.pack("<f", 0.7) + b"\x00" * 4000)  # EDAX: a version as a float
    with pytest.raises(FileError, match="does not begin like one"):
        matxai.read(path)
    path.write_bytes(b"\x00\x4d" + b"\x00" * 600)
    with pytest.raises(FileError, match="before 1996"):
        matxai.read(path)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (_spc(points=2**30), "claims 4.29 GB for its 1 spectra"),
        (_spc()[:-3], "truncated or its header is wrong"),
        (_spc()[:520], "truncated or its header is wrong"),
        (_spc(flags=4 | 64, points=0), "claims 0 points"),
        (_spc(first=1.0, last=1.0), "turns round"),
    ],
)
def test_files_that_lie_are_one_sentence(tmp_path: Path, raw: bytes, said: str) -> None:
    (tmp_path / "a.spc").write_bytes(raw)
    with pytest.raises(FileError, match=said):
        matxai.read(tmp_path / "a.spc")

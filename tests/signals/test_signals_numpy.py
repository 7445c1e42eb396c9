"""NPY and NPZ: arrays of numbers only, and no more than the file holds."""

from __future__ import annotations

import io
import struct
import zipfile

import numpy as np
import pytest

from matxai.errors import FileError, MatxaiWarning, UnsafeFileError
from matxai.signals import inspect, read


@pytest.mark.parametrize("dtype", ["u1", "u2", ">i4", "f2", "<f8", "c8", "?"])
def test_arrays_come_back_as_saved(tmp_path, dtype):
    data = (np.arange(12).reshape(3, 4) % 2).astype(dtype)
    np.save(tmp_path / "a.npy", data)
    signal = read(tmp_path / "a.npy")
    assert signal.dims == ("y", "x") and signal.dtype == data.dtype.newbyteorder("=")
    np.testing.assert_array_equal(signal, data)
    assert {signal[d].attrs["units"] for d in signal.dims} == {"pixel"}


def test_dims_by_shape_and_fortran_order(tmp_path):
    cases = {
        (7,): ("axis",),
        (7, 8): ("y", "x"),
        (7, 8, 9): ("z", "y", "x"),
        (7, 8, 3): ("y", "x", "c"),
        (2, 7, 8, 3): ("z", "y", "x", "c"),
        (2, 3, 7, 8): ("t", "z", "y", "x"),
    }
    for shape, dims in cases.items():
        data = np.asfortranarray(np.random.default_rng(1).integers(0, 255, shape, np.uint8))
        np.save(tmp_path / "a.npy", data)
        signal = read(tmp_path / "a.npy")
        assert signal.dims == dims
        np.testing.assert_array_equal(signal, data)
    np.save(tmp_path / "f.npy", np.zeros((7, 8, 3)))
    assert read(tmp_path / "f.npy").dims == ("z", "y", "x")  # three slices of floats are no colours


def test_large_stacks_stay_on_disk(tmp_path, monkeypatch):
    monkeypatch.setattr("matxai.signals.formats.pieces.LAZY_ABOVE", 10)
    data = np.arange(60.0).reshape(3, 4, 5)
    np.save(tmp_path / "a.npy", data)
    signal = read(tmp_path / "a.npy")
    assert signal.chunks == ((1, 1, 1), (4,), (5,))
    np.testing.assert_array_equal(signal, data)


def test_archives_are_items(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", image=np.ones((3, 4)), spectrum=np.arange(5.0), name="a word", n=3)
    assert [i.name for i in inspect(tmp_path / "a.npz").items] == ["image", "spectrum"]
    with pytest.warns(MatxaiWarning, match=r"'image' \(3, 4\) was read.*'spectrum' \(5,\)"):
        assert read(tmp_path / "a.npz").shape == (3, 4)
    np.testing.assert_array_equal(read(tmp_path / "a.npz", item="spectrum"), np.arange(5))
    with pytest.raises(FileError, match=r"no item 'spectra'\. Did you mean 'spectrum'"):
        read(tmp_path / "a.npz", item="spectra")


class Bomb:
    """What would write a file if anybody unpickled it."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_pickled_arrays_are_refused_and_not_run(tmp_path):
    witness = tmp_path / "executed"
    evil = np.array([Bomb(witness)], dtype=object)
    np.save(tmp_path / "evil.npy", evil, allow_pickle=True)
    np.savez(tmp_path / "evil.npz", good=np.ones((3, 4)), evil=evil)
    for name in ("evil.npy", "evil.npz"):
        with pytest.raises(UnsafeFileError, match=rf"{name} holds pickled Python objects"):
            read(tmp_path / name)
    assert not witness.exists()


def header(shape: str, descr: str = "'<f8'") -> bytes:
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (header("(1000000000000,)") + bytes(80), r"claims 8 TB.*holds 80 bytes"),
        (header("(1000000, 1000000, 1000000)"), r"claims .*holds 0 bytes"),
        (header("(2, 3)") + bytes(47), r"claims 48 bytes.*holds 47 bytes"),
        (header("(-1, 3)") + bytes(48), r"shape \(-1, 3\)"),
        (header("(0, 3)"), r"shape \(0, 3\)"),
        (header("__import__('os').system('true')"), "header cannot be read"),
        (header("(2,)", "[('a', '<f8'), ('b', '<f8')]") + bytes(32), r"holds a table \(a, b\)"),
        (header("(2,)", "'<U4'") + bytes(32), "no array of numbers"),
        (b"\x93NUMPY\x09\x00\x10\x00", "truncated or no NPY file"),
        (b"\x93NUMPY", "truncated or no NPY file"),
        (b"\x93NUMPY\x02\x00\xff\xff\xff\xff", "header of 4294967295 bytes"),
    ],
)
def test_headers_that_lie_get_one_sentence(tmp_path, raw, said):
    (tmp_path / "odd.npy").write_bytes(raw)
    with pytest.raises(FileError, match=rf"odd\.npy.*{said}") as caught:
        read(tmp_path / "odd.npy")
    assert "\n" not in str(caught.value)


def test_hostile_archives(tmp_path):
    def archive(name, members, compression=zipfile.ZIP_DEFLATED):
        with zipfile.ZipFile(tmp_path / name, "w", compression) as file:
            for member, raw in members.items():
                file.writestr(member, raw)
        return tmp_path / name

    with pytest.raises(UnsafeFileError, match="leads out of the archive"):
        read(archive("slip.npz", {"../../a.npy": header("(1,)") + bytes(8)}))
    with pytest.raises(FileError, match=r"'a' in lie\.npz.*claims 8 TB"):
        read(archive("lie.npz", {"a.npy": header("(1000000000000,)") + bytes(8)}))
    with pytest.raises(UnsafeFileError, match=r"bomb\.npz would unfold"):
        read(archive("bomb.npz", {"a.npy": header(f"({10 * 2**20},)") + bytes(80 * 2**20)}))
    with pytest.raises(FileError, match=r"none\.npz holds no array of numbers"):
        read(archive("none.npz", {"readme.txt": b"hello"}))
    whole = io.BytesIO()
    np.savez(whole, a=np.ones((30, 40)))
    (tmp_path / "cut.npz").write_bytes(whole.getvalue()[:-30])
    with pytest.raises(FileError, match=r"cut\.npz is truncated or no zip archive"):
        read(tmp_path / "cut.npz")
    raw = bytearray(whole.getvalue())
    raw[200:260] = bytes(60)
    (tmp_path / "damaged.npz").write_bytes(raw)
    with pytest.raises(FileError, match=r"damaged\.npz is damaged: 'a\.npy'"):
        read(tmp_path / "damaged.npz")

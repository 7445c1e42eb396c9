"""Zarr and OME-Zarr of both versions, in folders and zip files; and what hostile stores try."""

from __future__ import annotations

import json
import pickle
import zipfile

import numpy as np
import pytest
import zarr

from matxai.errors import FileError, MatxaiWarning, UnsafeFileError
from matxai.signals import inspect, read

IMAGE = np.arange(12, dtype=np.uint16).reshape(3, 4)
STACK = np.arange(120, dtype=np.uint16).reshape(1, 2, 3, 4, 5)


def ome_zarr(path, version, data=STACK):
    """Write a multiscale image with two levels, axes in micrometres, as NGFF 0.4 or 0.5 says."""
    group = zarr.open_group(path, mode="w", zarr_format=version)
    units = {"z": "micrometer", "y": "nanometer", "x": "nanometer", "t": "second"}
    axes = [{"name": n, "type": "space", **({"unit": units[n]} if n in units else {})} for n in "tczyx"]
    levels = []
    for level in range(2):
        step = 2**level
        pixels = data[..., ::step, ::step]
        array = zarr.create_array(path, name=str(level), data=pixels, chunks=(1, 1, 1, 4, 5), zarr_format=version)
        assert array.metadata.zarr_format == version
        scale = [1.0, 1.0, 0.5, 20.0 * step, 10.0 * step]
        move = [{"type": "translation", "translation": [0, 0, 0, 100.0, 0]}]
        levels.append({"path": str(level), "coordinateTransformations": [{"type": "scale", "scale": scale}, *move]})
    said = {"axes": axes, "datasets": levels, "name": "alloy"}
    words = {"multiscales": [said], "omero": {"channels": [{"label": "BSE"}, {"label": "SE"}]}}
    group.attrs.update({"ome": {"version": "0.5", **words}} if version == 3 else words)
    return path


@pytest.mark.parametrize("version", [2, 3])
def test_level_0_of_an_ome_zarr_with_its_axes(tmp_path, version):
    path = ome_zarr(tmp_path / "image.ome.zarr", version)
    signal = read(path)
    assert signal.dims == ("z", "y", "x", "c")  # one time point is no axis; channels come last
    np.testing.assert_array_equal(signal, STACK[0].transpose(1, 2, 3, 0))
    assert [signal[d].attrs["units"] for d in ("z", "y", "x")] == ["um", "nm", "nm"]
    np.testing.assert_allclose(signal.z, [0, 0.5, 1.0])
    np.testing.assert_allclose(signal.y, [100, 120, 140, 160])
    np.testing.assert_allclose(signal.x, [0, 10, 20, 30, 40])
    assert signal.attrs["metadata"] == {"channels": "BSE, SE"} and signal.name == "alloy"
    assert inspect(path).main.shape == (3, 4, 5, 2)
    assert read(path, dataset="1").shape[-2:] == (1, 2, 2, 3)[-2:]
    np.testing.assert_array_equal(read(path, dataset="0"), signal)


def test_an_ome_zarr_in_a_zip_file(tmp_path):
    folder = ome_zarr(tmp_path / "image.zarr", 3)
    for head in ("", "image.zarr/"):
        path = tmp_path / "image.zarr.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for file in folder.rglob("*"):
                if file.is_file():
                    archive.write(file, head + str(file.relative_to(folder)))
        np.testing.assert_array_equal(read(path), read(folder))


@pytest.mark.parametrize("version", [2, 3])
def test_a_plain_array_and_the_only_array_of_a_group(tmp_path, version):
    zarr.create_array(tmp_path / "array.zarr", data=IMAGE, zarr_format=version)
    np.testing.assert_array_equal(read(tmp_path / "array.zarr"), IMAGE)
    group, swapped = tmp_path / "group.zarr", ">f4" if version == 2 else "<f4"  # zarr 3.0 writes no other in format 3
    zarr.open_group(group, mode="w", zarr_format=version)
    zarr.create_array(group, name="deep/image", data=IMAGE.astype(swapped), zarr_format=version)
    signal = read(tmp_path / "group.zarr")
    assert signal.dims == ("y", "x") and signal.dtype == np.float32 and signal.dtype.isnative
    zarr.create_array(group, name="deep/other", data=IMAGE, zarr_format=version)
    with pytest.raises(FileError, match=r"does not say which.*'deep/image' \(3, 4\), 'deep/other'.*dataset="):
        read(tmp_path / "group.zarr")
    with pytest.raises(FileError, match=r"no dataset 'deep/imag'.*Did you mean 'deep/image'"):
        read(tmp_path / "group.zarr", dataset="deep/imag")


@pytest.mark.parametrize("version", [2, 3])
def test_what_xarray_wrote_has_its_axes(tmp_path, version):
    import xarray as xr

    energy = ("energy", np.array([100.0, 110.0, 130.0]), {"units": "eV"})
    data = xr.DataArray(np.arange(3.0), dims="energy", coords={"energy": energy}, name="edge")
    data.to_dataset().to_zarr(tmp_path / "x.zarr", zarr_format=version, consolidated=False)
    signal = read(tmp_path / "x.zarr")
    assert signal.dims == ("energy",) and signal.energy.attrs["units"] == "eV"
    np.testing.assert_array_equal(signal.energy, [100, 110, 130])


def test_several_images_are_items(tmp_path):
    root = zarr.open_group(tmp_path / "series.zarr", mode="w", zarr_format=2)
    root.attrs["bioformats2raw.layout"] = 3
    for name in "01":
        ome_zarr(tmp_path / "series.zarr" / name, 2, STACK[:, :, : 3 - int(name)])
    with pytest.warns(MatxaiWarning, match="holds 2 signals"):
        assert read(tmp_path / "series.zarr").sizes["z"] == 3
    assert read(tmp_path / "series.zarr", item=1).sizes["z"] == 2


def test_a_large_stack_stays_on_disk(tmp_path, monkeypatch):
    monkeypatch.setattr("matxai.signals.formats.pieces.LAZY_ABOVE", 10)
    signal = read(ome_zarr(tmp_path / "image.zarr", 3, STACK[:, :1]))
    assert signal.chunks == ((1, 1, 1), (4,), (5,))
    np.testing.assert_array_equal(signal, STACK[0, 0])


class Bomb:
    """What would write a file if anybody unpickled it."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize("where", ["compressor", "filters", "numcodecs", "shard", "json2", "unknown"])
def test_stores_that_would_be_unpickled_are_not_opened(tmp_path, where):
    path, witness = tmp_path / "evil.zarr", tmp_path / "executed"
    path.mkdir()
    word = {"json2": "json2", "unknown": "my_own"}.get(where, "pickle")
    if where in ("numcodecs", "shard"):
        codecs = [{"name": f"numcodecs.{word}", "configuration": {}}]
        if where == "shard":
            codecs = [{"name": "sharding_indexed", "configuration": {"chunk_shape": [1], "codecs": codecs}}]
        metadata = {"zarr_format": 3, "node_type": "array", "shape": [1], "data_type": "float64", "codecs": codecs}
        metadata |= {
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [1]}},
            "chunk_key_encoding": {"name": "default"},
            "fill_value": 0.0,
        }
        (path / "zarr.json").write_text(json.dumps(metadata))
        (path / "c").mkdir()
        (path / "c/0").write_bytes(pickle.dumps(Bomb(witness)))
    else:
        metadata = {"zarr_format": 2, "shape": [1], "chunks": [1], "dtype": "|O", "fill_value": None, "order": "C"}
        compressor = {"id": word} if where in ("compressor", "unknown") else None
        metadata |= {"compressor": compressor, "filters": None if compressor else [{"id": word}]}
        (path / ".zarray").write_text(json.dumps(metadata))
        (path / "0").write_bytes(pickle.dumps(Bomb(witness)))
    with pytest.raises(UnsafeFileError, match=rf"evil\.zarr uses the codec '.*{word}'"):
        read(path)
    assert not witness.exists()


def test_metadata_of_every_array_are_looked_at(tmp_path):
    zarr.open_group(tmp_path / "g.zarr", mode="w", zarr_format=2)
    zarr.create_array(tmp_path / "g.zarr", name="image", data=IMAGE, zarr_format=2)
    bad = tmp_path / "g.zarr/labels/bad"
    bad.mkdir(parents=True)
    (tmp_path / "g.zarr/labels/.zgroup").write_text('{"zarr_format": 2}')
    (bad / ".zarray").write_text(json.dumps({"shape": [1], "filters": [{"id": "pickle"}]}))
    with pytest.raises(UnsafeFileError, match="'labels/bad'"):
        read(tmp_path / "g.zarr", dataset="image")


@pytest.mark.parametrize("name", ["../outside", "/etc/outside", "a/../../b", "C:/outside", "..\\outside"])
def test_zip_names_that_lead_out_are_refused(tmp_path, name):
    path = tmp_path / "slip.zarr.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("zarr.json", "{}")
        archive.writestr(name, "x")
    with pytest.raises(UnsafeFileError, match=r"slip\.zarr\.zip holds a file named .* leads out"):
        read(path)


def test_links_and_bombs_in_zip_files_are_refused(tmp_path):
    link = zipfile.ZipInfo("0")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "link.zarr.zip", "w") as archive:
        archive.writestr("zarr.json", "{}")
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(UnsafeFileError, match="holds a link"):
        read(tmp_path / "link.zarr.zip")
    with zipfile.ZipFile(tmp_path / "bomb.zarr.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zarr.json", "{}")
        archive.writestr("c/0", bytes(80 * 2**20))
    with pytest.raises(UnsafeFileError, match=r"bomb\.zarr\.zip would unfold from .* member 'c/0'"):
        read(tmp_path / "bomb.zarr.zip")


def test_claims_beyond_what_is_stored_are_refused(tmp_path):
    zarr.create_array(tmp_path / "huge.zarr", shape=(10**6, 10**6), chunks=(100, 100), dtype="f8")
    with pytest.raises(UnsafeFileError, match=r"huge\.zarr would unfold .* 8 TB"):
        read(tmp_path / "huge.zarr")
    zarr.create_array(tmp_path / "chunk.zarr", shape=(4, 4), chunks=(10**6, 10**6), dtype="f8")
    with pytest.raises(UnsafeFileError, match=r"chunk\.zarr would unfold .* 8 TB"):
        read(tmp_path / "chunk.zarr")


@pytest.mark.parametrize("raw", ["", "{", "[]", '{"node_type": "array", "zarr_format": 3}', '{"node_type": "group"}'])
def test_damaged_metadata_get_one_sentence(tmp_path, raw):
    path = tmp_path / "odd.zarr"
    path.mkdir()
    (path / "zarr.json").write_text(raw)
    with pytest.raises(FileError) as caught:
        read(path)
    assert "odd.zarr" in str(caught.value) and "\n" not in str(caught.value)


def test_a_missing_level_and_a_damaged_chunk(tmp_path):
    path = ome_zarr(tmp_path / "image.zarr", 2)
    chunk = next(p for p in (path / "0").rglob("*") if p.is_file() and not p.name.startswith("."))
    chunk.write_bytes(b"no blosc")
    with pytest.raises(FileError, match=r"image\.zarr"):
        read(path)
    (path / "0/.zarray").unlink()
    with pytest.raises(FileError, match="announces an image at '0'"):
        read(path)
    (tmp_path / "cut.zarr.zip").write_bytes(b"PK\x03\x04zarr.json")
    with pytest.raises(FileError, match=r"cut\.zarr\.zip is truncated or no zip archive"):
        read(tmp_path / "cut.zarr.zip")

"""An explanation saved and read comes back equal; broken, newer, hostile and foreign files get one sentence."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr

from matxai.errors import ExplanationError, FileError, MatxaiError, UnsafeFileError
from matxai.explanation import Explanation, explain, files, load, provenance, save

FORMATS = ["result.zarr", "result.nc"]


def by_hand() -> Explanation:
    """Several layers and classes, NaN, a colour signal, a long provenance with all kinds of letters."""
    rng = np.random.default_rng(0)
    maps = rng.normal(size=(2, 2, 6, 5)).astype(np.float32)
    maps[..., 0, :] = np.nan
    ds = Explanation(
        {
            "grad_cam": (("class", "layer", "y", "x"), maps, {"method": "grad_cam", "signed": 1, "sum": 0.5}),
            "lrp": (("y", "x"), maps[0, 0], {"method": "lrp"}),
        },
        coords={
            "y": ("y", np.arange(6) * 0.1, {"units": "um"}),
            "x": ("x", np.arange(5) * 0.1, {"units": "um"}),
            "class": ["Riß", "pore"],
            "layer": ["layer4.1", "layer3"],
            "signal": (("y", "x", "c"), rng.integers(0, 255, (6, 5, 3), dtype=np.uint8), {"source": "stahl.tif"}),
            "z": 2.5,
        },
    )
    record = json.dumps({"notes": ["µm " * 100_000]}, ensure_ascii=False)
    ds.attrs = {"format": "matxai-explanation", "version": 1, "command": "x", "matxai": record}
    return ds


@pytest.mark.parametrize("name", FORMATS)
def test_what_was_saved_comes_back_equal(tmp_path, name):
    ds = by_hand()
    assert save(ds, tmp_path / "deep" / name) == tmp_path / "deep" / name
    back = load(tmp_path / "deep" / name)
    assert isinstance(back, Explanation)
    xr.testing.assert_identical(back, ds)
    assert {k: v.dtype.kind for k, v in back.variables.items()} == {k: v.dtype.kind for k, v in ds.variables.items()}
    assert back.signal.dtype == np.uint8
    assert type(back.attrs["version"]) is int
    assert type(back.grad_cam.attrs["sum"]) is float


@pytest.mark.parametrize("name", FORMATS)
def test_a_computed_explanation_comes_back_equal(tmp_path, name, make_model, micrograph):
    model = make_model(steps=[{"centre_crop": 32}])
    ds = explain(model, micrograph, ["grad_cam", "saliency", "lrp"], target=["crack", "pore"], layers=["0", "2"])
    save(ds, tmp_path / name)
    back = load(tmp_path / name)
    xr.testing.assert_identical(back, ds)
    assert provenance(back) == provenance(ds)


@pytest.mark.parametrize("name", FORMATS)
def test_saving_again_replaces_the_result_and_leaves_nothing_beside_it(tmp_path, name):
    ds = by_hand()
    save(ds, tmp_path / name)
    ds.attrs["command"] = "another"
    save(ds, tmp_path / name)
    assert load(tmp_path / name).attrs["command"] == "another"
    assert [p.name for p in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("problem", [OSError(28, "No space left on device"), PermissionError(13, "Permission denied")])
@pytest.mark.parametrize("name", FORMATS)
def test_a_write_that_fails_half_way_leaves_the_old_result_and_nothing_else(tmp_path, name, problem, monkeypatch):
    ds = by_hand()
    save(ds, tmp_path / name)

    def full(ds, path):
        path.mkdir() if path.suffix == ".zarr" else path.write_bytes(b"half")
        raise problem

    monkeypatch.setattr(files, "_write", full)
    with pytest.raises(ExplanationError, match=f"cannot be written: {problem.strerror}"):
        save(ds, tmp_path / name)
    assert [p.name for p in tmp_path.iterdir()] == [name]
    xr.testing.assert_identical(load(tmp_path / name), ds)


@pytest.mark.parametrize("name", FORMATS)
def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path, name):
    (tmp_path / "file").write_text("")
    with pytest.raises(ExplanationError, match=r"cannot be written: .*Choose a folder that accepts files"):
        save(by_hand(), tmp_path / "file" / name)


def test_a_folder_with_something_else_is_not_replaced(tmp_path):
    other = tmp_path / "photos.zarr"
    other.mkdir()
    (other / "a.jpg").write_text("mine")
    with pytest.raises(ExplanationError, match="a folder that holds something else"):
        save(by_hand(), other)
    assert (other / "a.jpg").read_text() == "mine"


def test_only_explanations_are_saved_and_only_under_known_names(tmp_path):
    with pytest.raises(ExplanationError, match="no attribute format"):
        save(xr.Dataset({"a": 1}), tmp_path / "a.nc")
    with pytest.raises(ExplanationError, match=r"ends with \.zarr or \.nc"):
        save(by_hand(), tmp_path / "a.json")


def written(tmp_path: Path, name: str, **attrs: object) -> Path:
    ds = by_hand()
    ds.attrs.update(attrs)
    files._write(ds, tmp_path / name)
    return tmp_path / name


@pytest.mark.parametrize("name", FORMATS)
def test_newer_foreign_and_missing_files_are_refused_with_a_sentence(tmp_path, name):
    with pytest.raises(ExplanationError, match="There is no explanation at"):
        load(tmp_path / name)
    with pytest.raises(
        ExplanationError, match="version 7, which needs a newer matxai; this one reads versions up to 1"
    ):
        load(written(tmp_path, f"newer-{name}", version=7))
    with pytest.raises(ExplanationError, match="is no explanation of matxai"):
        load(written(tmp_path, f"foreign-{name}", format="something"))
    with pytest.raises(ExplanationError, match="a whole number"):
        load(written(tmp_path, f"odd-{name}", version="new"))


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n", b"\x89HDF\r\n\x1a\n" + b"\0" * 100])
def test_files_that_are_no_netcdf_are_refused_with_a_sentence(tmp_path, content):
    file = tmp_path / "a.nc"
    file.write_bytes(content)
    with pytest.raises(MatxaiError, match=r"a\.nc"):
        load(file)


def test_a_truncated_file_is_refused(tmp_path):
    save(by_hand(), tmp_path / "a.nc")
    whole = (tmp_path / "a.nc").read_bytes()
    (tmp_path / "a.nc").write_bytes(whole[: len(whole) // 2])
    with pytest.raises((FileError, ExplanationError), match=r"a\.nc"):
        load(tmp_path / "a.nc")


def test_a_store_that_would_be_unpickled_is_refused(tmp_path):
    save(by_hand(), tmp_path / "a.zarr")
    meta = tmp_path / "a.zarr" / "lrp" / ".zarray"
    array = json.loads(meta.read_text())
    array["filters"] = [{"id": "pickle", "protocol": 5}]
    array["dtype"] = "|O"
    meta.write_text(json.dumps(array))
    with pytest.raises(UnsafeFileError, match="pickle"):
        load(tmp_path / "a.zarr")


def test_a_file_whose_data_lie_elsewhere_is_refused(tmp_path):
    save(by_hand(), tmp_path / "a.nc")
    with h5py.File(tmp_path / "a.nc", "a") as file:
        file["other"] = h5py.ExternalLink("/etc/secret.h5", "/x")
    with pytest.raises(UnsafeFileError, match="external link"):
        load(tmp_path / "a.nc")


@pytest.mark.parametrize("name", ["lrp", "x"])
def test_a_store_that_claims_far_more_than_it_holds_is_refused_before_it_is_opened(tmp_path, name):
    save(by_hand(), tmp_path / "a.zarr")
    meta = tmp_path / "a.zarr" / name / ".zarray"
    array = json.loads(meta.read_text())
    array["shape"] = [300_000_000_000 // 10 ** (6 * (len(array["shape"]) - 1))] + [10**6] * (len(array["shape"]) - 1)
    meta.write_text(json.dumps(array))
    with pytest.raises(UnsafeFileError, match=r"a\.zarr would unfold from .* to (1\.2|2\.4) TB"):
        load(tmp_path / "a.zarr")


def test_a_file_that_claims_far_more_than_it_holds_is_refused_before_it_is_opened(tmp_path):
    save(by_hand(), tmp_path / "a.nc")
    with h5py.File(tmp_path / "a.nc", "a") as file:
        file.create_dataset("bomb", shape=(10**6, 10**6), dtype="f4", chunks=(1000, 1000), compression="gzip")
    with pytest.raises(UnsafeFileError, match=r"a\.nc would unfold from .* to 4 TB"):
        load(tmp_path / "a.nc")

"""Regions of expectations on signals whose places are known: units, tolerances, shapes, onsets, and where they end."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from matxai_datasets import micrographs
from roifile import ROI_TYPE, ImagejRoi

from matxai.checks.expect.document import expectations_of
from matxai.checks.expect.regions.spectral import onset_of
from matxai.checks.expect.sample import Sample
from matxai.errors import FileError, RegionError, SignalError


def where(region: str, more: str = ""):
    text = f"version: 1\nexpectations:\n  - {{name: a, role: may, measure: share, region: {region}{more}}}\n"
    return expectations_of(text).items[0].where


def image(base: Path, shape: tuple[int, int] = (20, 30), step: float = 0.5) -> Sample:
    coords = {d: ("x", "y")[d == "y"] for d in ("y", "x")}
    axes = {
        d: xr.DataArray(np.arange(n) * step, dims=d, attrs={"units": "um"}) for d, n in zip(coords, shape, strict=True)
    }
    return Sample(0, "sub/a.b.tif", "pore", xr.DataArray(np.zeros(shape), dims=("y", "x"), coords=axes), base)


def curve(values: np.ndarray, first: float = 0.0, step: float = 1.0, unit: str = "eV") -> Sample:
    axis = xr.DataArray(first + step * np.arange(len(values)), dims="energy", attrs={"units": unit})
    return Sample(0, "s.csv", "a", xr.DataArray(values, dims="energy", coords={"energy": axis}), Path())


def test_borders_and_tolerances_are_in_the_image_s_own_unit(tmp_path: Path) -> None:
    sample = image(tmp_path)
    assert where("{border: 2}").mask(sample).sum() == 20 * 30 - 16 * 26
    assert (where("{border: 1.0 um}").mask(sample) == where("{border: 2}").mask(sample)).all()
    inner = where("{complement: {border: 2}}").mask(sample)
    assert (inner == ~where("{border: 2}").mask(sample)).all()
    (tmp_path / "dot.json").write_text(json.dumps({"shapes": [{"box": [10, 10, 10, 10]}]}))
    cross = where("{shapes: dot.json}", ", tolerance: 1 px").mask(sample)
    assert cross.sum() == 5 and cross[9:12, 10].all()
    assert (where("{shapes: dot.json}", ", tolerance: 0.5 um").mask(sample) == cross).all()


def test_shapes_by_hand_in_pixels_and_micrometres(tmp_path: Path) -> None:
    sample = image(tmp_path)
    shapes = [{"disc": [5.0, 4.0, 1.0], "label": "tip"}, {"polygon": [[0, 0], [4, 0], [4, 4], [0, 4]]}]
    (tmp_path / "a.b.json").write_text(json.dumps({"unit": "um", "shapes": shapes}))
    disc = where('{shapes: "{stem}.json", label: tip}').mask(sample)
    rows, columns = np.nonzero(disc)
    assert disc.sum() == 13 and (rows.mean(), columns.mean()) == (8, 10)  # 1 um is 2 pixels
    (tmp_path / "a.b.csv").write_text("x0,y0,x1,y1\n2,3,4,5\n")
    box = where('{shapes: "{stem}.csv"}').mask(sample)
    assert box.sum() == 9 and box[3:6, 2:5].all()
    labelme = {
        "version": "5.0", "flags": {}, "imagePath": "a.b.tif", "imageHeight": 20, "imageWidth": 30, "imageData": None,
        "shapes": [{"label": "x", "points": [[2, 3], [5, 6]], "shape_type": "rectangle", "group_id": None}],
    }  # fmt: skip
    (tmp_path / "lm.json").write_text(json.dumps(labelme))
    assert (where("{shapes: lm.json}").mask(sample) == box).all()


RECTANGLE = (5, 4, 9, 10)
"""Left, top, right, bottom in pixel corners: columns 5 to 8, rows 4 to 9."""


def coco(path: Path) -> str:
    left, top, right, bottom = RECTANGLE
    one = {"id": 1, "image_id": 7, "iscrowd": 0, "area": 24, "bbox": [left, top, right - left, bottom - top]}
    ring = [left, top, right, top, right, bottom, left, bottom]
    other = {**one, "id": 2, "image_id": 8, "bbox": [0, 0, 3, 3], "segmentation": [[0, 0, 3, 0, 3, 3, 0, 3]]}
    images = [{"id": i, "file_name": n, "height": 20, "width": 30} for i, n in ((7, "a.b.tif"), (8, "else.tif"))]
    document = {
        "images": images,
        "annotations": [{**one, "category_id": 3, "segmentation": [ring]}, {**other, "category_id": 3}],
        "categories": [{"id": 3, "name": "pore"}],
    }
    path.write_text(json.dumps(document))
    return "all.json"


def via(path: Path) -> str:
    left, top, right, bottom = RECTANGLE
    shape = {"name": "rect", "x": left, "y": top, "width": right - left, "height": bottom - top}
    region = {"shape_attributes": shape, "region_attributes": {"label": "pore"}}
    path.write_text(json.dumps({"a.b.tif1": {"filename": "a.b.tif", "size": 1, "regions": [region]}}))
    return "all.json"


def yolo(path: Path) -> str:
    left, top, right, bottom = RECTANGLE
    middle = ((left + right) / 2 / 30, (top + bottom) / 2 / 20, (right - left) / 30, (bottom - top) / 20)
    path.with_name("a.b.txt").write_text("0 " + " ".join(f"{v:.6f}" for v in middle) + "\n")
    path.with_name("classes.txt").write_text("pore\n")
    return "{stem}.txt"


def imagej(path: Path) -> str:
    left, top, right, bottom = RECTANGLE
    drawn = {"left": left, "top": top, "right": right, "bottom": bottom, "name": "pore", "version": 227}
    path.with_name("a.b.roi").write_bytes(ImagejRoi(roitype=ROI_TYPE.RECT, **drawn).tobytes())
    return "{stem}.roi"


@pytest.mark.parametrize("write", [coco, via, yolo, imagej])
def test_annotations_people_have_are_regions_of_expectations(write, tmp_path: Path) -> None:
    sample = image(tmp_path)
    pattern = write(tmp_path / "all.json")
    expected = np.zeros((20, 30), bool)
    expected[4:10, 5:9] = True
    for more in ("", f", format: {write.__name__}", ", label: pore"):
        found = where(f'{{shapes: "{pattern}"{more}}}').mask(sample)
        np.testing.assert_array_equal(found, expected, err_msg=more)
    assert where(f'{{shapes: "{pattern}", label: crack}}').mask(sample) is None


def test_what_is_wrong_with_shapes_is_said(tmp_path: Path) -> None:
    sample = image(tmp_path)
    (tmp_path / "far.json").write_text(json.dumps({"shapes": [{"box": [100, 100, 110, 110]}]}))
    with pytest.raises(RegionError, match=r"A box in far\.json, .* lies outside of sub/a\.b\.tif"):
        where("{shapes: far.json}").mask(sample)
    (tmp_path / "bad.json").write_text(json.dumps({"shapes": [{"disc": [1, 2]}]}))
    with pytest.raises(FileError, match=r"bad\.json has a disc that is \[1, 2\]; it has 3 numbers"):
        where("{shapes: bad.json}").mask(sample)
    with pytest.raises(FileError) as missing:
        where("{shapes: none.json}").mask(sample)
    assert str(missing.value) == (
        f"{tmp_path / 'none.json'} is not there; 'none.json' names it for sub/a.b.tif, and paths start from the folder "
        f"of the expectations, {tmp_path}: with 'data: test/' a file in the data's folder is written 'test/none.json'."
    )
    with pytest.raises(
        FileError, match=r"^/no/a\.b\.json is not there; '/no/\{stem\}\.json' names it for sub/a\.b\.tif\.$"
    ):
        where('{shapes: "/no/{stem}.json"}').mask(sample)


def test_artefacts_of_all_kinds_are_found_in_one_search(tmp_path: Path, monkeypatch) -> None:
    from matxai.regions import artefacts

    values = next(iter(micrographs(1, 3, bars="by_class", size=(128, 128)))).pixels
    sample = Sample(0, "bar.tif", "pore", xr.DataArray(values, dims=("y", "x")), tmp_path)
    alone = {k: artefacts.found_artefacts(values, kinds=[k]) for k in ("info_bar", "seam", "text")}
    searches = []
    whole = artefacts.found_artefacts
    monkeypatch.setattr(artefacts, "found_artefacts", lambda *a, **k: searches.append(k) or whole(*a, **k))
    for kind, regions in alone.items():
        for _ in range(2):
            found = where(f"{{artefact: {kind}}}").mask(sample)
            assert (found is None) == (not regions)
            assert not regions or (found == np.logical_or.reduce([r.mask for r in regions])).all()
    assert len(searches) == 1 and alone["info_bar"]
    with pytest.raises(RegionError, match="There is no finder of 'info_bar'"):
        where("{artefact: info_bar}").mask(curve(np.arange(100.0)))


def test_places_on_spectra() -> None:
    sample = curve(np.arange(100.0), first=5950)
    assert np.flatnonzero(where("{edge: 5989, window: [-2, 3]}").mask(sample)).tolist() == [37, 38, 39, 40, 41, 42]
    assert np.flatnonzero(where("{peaks: [5951, 6000], tolerance: 1, unit: eV}").mask(sample)).tolist() == [
        0, 1, 2, 49, 50, 51,
    ]  # fmt: skip
    assert where("{interval: [5.96, 5.961], unit: keV}").mask(sample).sum() == 2
    assert where("{interval: [3, 5], unit: pixel}").mask(sample).sum() == 3
    with pytest.raises(SignalError, match="is in eV, which is no quantity of degree"):
        where("{interval: [1, 2], unit: degree}").mask(sample)
    plain = curve(np.arange(100.0), unit="pixel")
    with pytest.raises(SignalError, match="has no calibration, so nothing can be found on it in eV"):
        where("{interval: [1, 2], unit: eV}").mask(plain)


@pytest.mark.parametrize("at", [60, 200, 410])
def test_an_onset_is_found_within_three_points(at: int) -> None:
    rng = np.random.default_rng(at)
    time = np.arange(600)
    event = np.where(time >= at, np.exp(-(time - at) / 30) * np.sin((time - at) / 4), 0.0)
    values = 0.01 * rng.standard_normal(600) + event
    assert abs(onset_of(values) - at) <= 3
    region = where("{onset: [0, 50], unit: us}").mask(curve(values, step=1e-6, unit="s"))
    assert abs(int(np.flatnonzero(region)[0]) - at) <= 3 and region.sum() in (50, 51)
    with pytest.raises(RegionError, match="16 points that vary"):
        onset_of(np.zeros(100))


def test_no_name_of_a_file_leads_out_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "secret.json").write_text("{}")
    sample = Sample(0, "../secret.tif", "..", image(tmp_path).signal, tmp_path / "in")
    for pattern in ("{stem}.json", "{class}/secret.json"):
        with pytest.raises(FileError, match="is not there"):
            sample.path(pattern)


def test_artefacts_of_a_spectrum_with_a_gap_are_found() -> None:
    values = np.r_[np.zeros(12), 5 + np.random.default_rng(1).random(50)]
    values[40:43] = np.nan
    spectrum = Sample(0, "a.csv", "pore", xr.DataArray(values, dims=("energy",)), Path())
    place = spectrum.artefact("padding")
    assert place is not None
    np.testing.assert_array_equal(np.flatnonzero(place), np.arange(12))

"""Annotations that people have become regions, and regions become annotations that give the same masks."""

import base64
import io
import json
import zipfile

import numpy as np
import pytest
from PIL import Image
from roifile import ROI_TYPE, ImagejRoi
from scipy import ndimage

from matxai.errors import FileError, MatxaiError, RegionError
from matxai.regions import Region
from matxai.regions.annotations import Annotated, Shape, formats, mask_of, read_annotations, write_annotations

SIZE = (60, 80)
FILES = {"labelme": "a.json", "coco": "b.json", "via": "c.json", "yolo": "d.txt", "imagej": "e.zip", "mask": "f.png"}


def box(top, bottom, left, right, size=SIZE):
    mask = np.zeros(size, bool)
    mask[top:bottom, left:right] = True
    return mask


@pytest.fixture
def drawn():
    """Ragged pieces that touch the borders, and a ring."""
    noise = ndimage.gaussian_filter(np.random.default_rng(0).standard_normal(SIZE), 2)
    ring = box(10, 40, 10, 50) & ~box(20, 30, 20, 30) & ~box(12, 15, 40, 47)
    return {"pore": noise > 0.12, "ring": ring}


def by_label(regions):
    found = {}
    for region in regions:
        label = region.evidence["label"]
        found[label] = found.get(label, False) | region.mask
    return found


@pytest.mark.parametrize("name", FILES)
def test_regions_come_back_as_they_were(name, drawn, tmp_path):
    regions = [Region(mask, "drawn", "hand", evidence={"label": label}) for label, mask in drawn.items()]
    regions[0] = Region(drawn["pore"] & ~drawn["ring"], "drawn", "hand", evidence={"label": "pore"})
    path = write_annotations(regions, tmp_path / FILES[name], format=name, image="steel.png")
    back = read_annotations(path, size=SIZE, labels=["pore", "ring"] if name == "mask" else None)
    assert formats[name].recognises(path)
    found = by_label(back.regions(SIZE))
    assert set(found) == {"pore", "ring"}
    for region in regions:
        np.testing.assert_array_equal(found[region.evidence["label"]], region.mask)


@pytest.mark.parametrize("name", sorted(set(FILES) - {"mask"}))
def test_simple_shapes_keep_their_pixels_through_every_format(name, tmp_path):
    shapes = (
        Shape("rectangle", "box", [[10, 5], [30, 25]]),
        Shape("polygon", "tri", [[40.0, 10.0], [70.25, 10.0], [40.0, 40.25]]),
    )
    path = write_annotations(
        Annotated(shapes, SIZE, "a.tif", labels=("box", "tri")), tmp_path / FILES[name], format=name
    )
    found = by_label(read_annotations(path, size=SIZE).regions(SIZE))
    np.testing.assert_array_equal(found["box"], box(5, 25, 10, 30))
    # a right triangle of legs of 30.25 pixels: rows of 30, 29, 28, ... centres
    assert found["tri"].sum() == 30 * 31 / 2
    assert found["tri"][10, 40] and not found["tri"][39, 69]


def test_a_pixel_is_inside_where_its_centre_is():
    shape = Shape("ellipse", "disc", [[40.0, 30.0], [12.0, 6.0]], angle=90.0)
    y, x = np.mgrid[:60, :80] + 0.5
    np.testing.assert_array_equal(mask_of(shape, SIZE), ((x - 40) / 6) ** 2 + ((y - 30) / 12) ** 2 <= 1)
    assert mask_of(Shape("points", "p", [[3.9, 7.2]]), SIZE).nonzero() == (np.array([7]), np.array([3]))
    line = mask_of(Shape("line", "l", [[0.5, 0.5], [20.5, 0.5], [20.5, 10.5]]), SIZE)
    np.testing.assert_array_equal(line, box(0, 1, 0, 21) | box(0, 11, 20, 21))
    half = mask_of(Shape("rectangle", "out", [[-5, -5], [4, 3]]), SIZE)
    np.testing.assert_array_equal(half, box(0, 3, 0, 4))


def packed(counts):
    """The packing of the COCO API, written out from its description."""
    text = ""
    for number, count in enumerate(counts):
        value = count - counts[number - 2] if number > 2 else count
        more = True
        while more:
            bits = value & 0x1F
            value >>= 5
            more = value != -1 if bits & 0x10 else value != 0
            text += chr(48 + (bits | 0x20 if more else bits))
    return text


@pytest.mark.parametrize("pack", [packed, list])
def test_coco_run_lengths_plain_and_packed(pack, drawn, tmp_path):
    mask = drawn["pore"]
    flat = mask.ravel(order="F").astype(int)
    edges = [0, *(np.flatnonzero(np.diff(flat)) + 1).tolist(), flat.size]
    runs = np.diff(edges).tolist()
    runs = [0, *runs] if flat[0] else runs
    document = {
        "images": [{"id": 7, "file_name": "x/a.png", "height": 60, "width": 80}, {"id": 8, "file_name": "b.png"}],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 3, "segmentation": {"size": [60, 80], "counts": pack(runs)}},
            {"id": 2, "image_id": 7, "category_id": 3, "bbox": [2, 3, 10, 5]},
            {"id": 3, "image_id": 8, "category_id": 3, "bbox": [0, 0, 1, 1]},
        ],
        "categories": [{"id": 3, "name": "crack"}],
    }
    path = tmp_path / "set.json"
    path.write_text(json.dumps(document))
    first, second = read_annotations(path, image="a.png").regions()
    np.testing.assert_array_equal(first.mask, mask)
    np.testing.assert_array_equal(second.mask, box(3, 8, 2, 12))
    with pytest.raises(FileError, match="of 2 images"):
        read_annotations(path)
    document["annotations"][0]["segmentation"]["counts"] = [5, 10**12]
    path.write_text(json.dumps(document))
    with pytest.raises(FileError, match="do not fill"):
        read_annotations(path, image="a.png")


def test_labelme_circles_and_masks(tmp_path):
    stream = io.BytesIO()
    Image.fromarray((np.arange(12).reshape(3, 4) % 2 * 255).astype(np.uint8)).save(stream, "PNG")
    bitmap = {"label": "m", "shape_type": "mask", "points": [[5, 7], [8, 9]], "group_id": None}
    bitmap["mask"] = base64.b64encode(stream.getvalue()).decode()
    circle = {"label": "c", "shape_type": "circle", "points": [[40, 30], [40, 40]], "group_id": None}
    document = {"imagePath": "a.png", "imageHeight": 60, "imageWidth": 80, "shapes": [bitmap, circle]}
    path = tmp_path / "a.json"
    path.write_text(json.dumps(document))
    mask, disc = read_annotations(path).regions()
    expected = np.zeros(SIZE, bool)
    expected[7:10, 5:9] = np.arange(12).reshape(3, 4) % 2 == 1
    np.testing.assert_array_equal(mask.mask, expected)
    assert disc.area == pytest.approx(np.pi * 100, rel=0.02)
    bitmap["points"] = [[78, 7], [81, 9]]
    path.write_text(json.dumps(document))
    with pytest.raises(FileError, match="outside its image"):
        read_annotations(path)


def test_via_projects_name_their_things_by_an_attribute(tmp_path):
    region = {"shape_attributes": {"name": "circle", "cx": 20, "cy": 20, "r": 5}, "region_attributes": {"type": "pore"}}
    entry = {"filename": "a.jpg", "size": 1, "regions": {"0": region}, "file_attributes": {}}
    path = tmp_path / "via.json"
    path.write_text(json.dumps({"_via_settings": {}, "_via_img_metadata": {"a.jpg1": entry}}))
    found = read_annotations(path)
    assert (found.shapes[0].label, found.image) == ("pore", "a.jpg")
    with pytest.raises(RegionError, match="does not state how large"):
        found.regions()


def test_imagej_rois_of_every_type_that_outlines(tmp_path):
    rois = {}
    rectangle = ImagejRoi(roitype=ROI_TYPE.RECT, left=10, top=5, right=30, bottom=25, name="box", version=227)
    oval = ImagejRoi(roitype=ROI_TYPE.OVAL, left=40, top=10, right=60, bottom=40, name="oval", version=227)
    freehand = ImagejRoi.frompoints([[40, 10], [70.25, 10], [40, 40.25]], name="tri")
    for roi in (rectangle, oval, freehand):
        rois[roi.name] = roi.tobytes()
    path = tmp_path / "RoiSet.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in rois.items():
            archive.writestr(f"{name}.roi", data)
    found = by_label(read_annotations(path, size=SIZE).regions())
    np.testing.assert_array_equal(found["box"], box(5, 25, 10, 30))
    y, x = np.mgrid[:60, :80] + 0.5
    np.testing.assert_array_equal(found["oval"], ((x - 50) / 10) ** 2 + ((y - 25) / 15) ** 2 <= 1)
    assert found["tri"].sum() == 30 * 31 / 2
    single = tmp_path / "one.roi"
    single.write_bytes(rois["box"])
    assert read_annotations(single, size=SIZE).shapes[0].kind == "rectangle"


def test_yolo_reads_boxes_polygons_and_names_beside(tmp_path):
    (tmp_path / "classes.txt").write_text("pore\ncrack\n")
    path = tmp_path / "a.txt"
    path.write_text("1 0.5 0.5 0.25 0.5 0.9\n0 0 0 0.5 0 0.5 0.5 0 0.5\n")
    crack, pore = read_annotations(path, size=SIZE).regions()
    np.testing.assert_array_equal(crack.mask, box(15, 45, 30, 50))
    np.testing.assert_array_equal(pore.mask, box(0, 30, 0, 40))
    assert crack.evidence == {"label": "crack", "shapes": ["rectangle"], "score": 0.9}
    path.write_text("2 0.5 0.5 0.25 0.5\n")
    with pytest.raises(FileError, match="line 1: 2 is no class"):
        read_annotations(path, size=SIZE)


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.json", b"{", "no JSON text"),
        ("a.json", b"[1, 2]", "is not COCO or labelme or VIA"),
        ("a.json", b'{"shapes": [{}], "imagePath": "a"}', "no labelme file that can be read"),
        ("a.json", b'{"shapes": [{"label": "x", "points": [[1, 2]]}], "imagePath": "a"}', "has 1 points; it needs 3"),
        ("a.json", b'{"shapes": [{"label": "x", "points": 4}], "imagePath": "a"}', "no pairs of numbers"),
        ("a.txt", b"pore 1 2 3 4", "no YOLO text"),
        ("a.zip", b"PK\3\4nothing", "no archive"),
        ("a.roi", b"Iout" + b"\0" * 4, "damaged|can be read"),
        ("a.png", b"\x89PNG\r\n\x1a\n", "no mask that can be read"),
        ("a.svg", b"<svg/>", "of no format of annotations"),
    ],
)
def test_bad_files_get_one_sentence(name, content, sentence, tmp_path):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(MatxaiError, match=sentence) as caught:
        read_annotations(path, size=SIZE)
    assert "\n" not in str(caught.value)


def test_an_archive_that_would_unfold_too_far_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.roi", b"\0" * 2**20)
    monkeypatch.setattr("matxai.regions.annotations.imagej.MOST_BYTES", 2**19)
    with pytest.raises(FileError, match="would unfold"):
        read_annotations(path, size=SIZE)


def test_writing_says_what_is_missing(tmp_path, drawn):
    with pytest.raises(RegionError, match="no image"):
        write_annotations([], tmp_path / "a.json")
    with pytest.raises(FileError, match="suffix of no annotation format"):
        write_annotations([Region(drawn["ring"], "drawn", "x")], tmp_path / "a.doc")
    with pytest.raises(FileError, match="cannot be written"):
        write_annotations([Region(drawn["ring"], "drawn", "x")], tmp_path / "missing" / "a.json")
    (tmp_path / "classes.txt").write_text("crack\n")
    with pytest.raises(FileError, match="is not in"):
        write_annotations([Region(drawn["ring"], "drawn", "x", evidence={"label": "ring"})], tmp_path / "a.txt")

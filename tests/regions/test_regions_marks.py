"""Scale bars and burned-in text are found where they are, by eye, and nowhere else."""

import numpy as np
import pytest
from matxai_datasets import glyphs
from matxai_datasets.planting import CONTENTS, plant
from PIL import Image
from scipy.ndimage import gaussian_filter

from matxai.errors import RegionError
from matxai.regions import Region, found_artefacts
from matxai.regions.artefacts import arbitrated

# Rows and columns read by eye in the picture at four times its size; the ends are exclusive.
JEOL = {
    "bar": (896, 900, 328, 578),
    "number": (908, 942, 454, 570),
    "5.0kV": (908, 936, 59, 156),
    "x50": (908, 936, 307, 368),
}


def ground(seed, shape=(128, 128), level=120.0):
    """A picture with grains and noise, of eight bits."""
    rng = np.random.default_rng(seed)
    grains = gaussian_filter(rng.normal(size=shape), 4)
    return np.clip(level + 25 * grains / grains.std() + rng.normal(0, 3, shape), 0, 255).astype(np.uint8)


def written(line, scale=1):
    return glyphs.text(line, scale=scale)


def put(image, shape, top, left, level):
    """Draw a mask; return it at its place."""
    mask = np.zeros(image.shape[:2], bool)
    mask[top : top + shape.shape[0], left : left + shape.shape[1]] = shape
    image[mask] = level
    return mask


def box_of(mask):
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


def of_kind(found, kind):
    return [r for r in found if r.kind == kind]


def test_the_jeol_picture_has_its_bar_with_its_number_and_the_rest_of_its_writing(data_dir):
    image = np.array(Image.open(data_dir / "sem_vendors" / "jeol_odemis.tif"))
    found = found_artefacts(image)
    assert [r.kind for r in found] == ["scale_bar", "text"]  # above all no info bar
    bar, text = found
    assert bar.evidence["length"] == JEOL["bar"][3] - JEOL["bar"][2]
    assert bar.evidence["number"]
    wanted = (JEOL["bar"][0], JEOL["number"][1], JEOL["bar"][2], JEOL["bar"][3])
    assert np.abs(np.subtract(box_of(bar.mask), wanted)).max() <= 3  # its shadow belongs to it
    rows, columns = slice(*JEOL["number"][:2]), slice(*JEOL["number"][2:])
    white = np.zeros(image.shape, bool)
    white[rows, columns] = image[rows, columns] > 200
    assert (bar.mask & white).sum() >= 0.99 * white.sum()
    for name in ("5.0kV", "x50"):
        y0, y1, x0, x1 = JEOL[name]
        own = text.mask[y0 - 5 : y1 + 5, x0 - 5 : x1 + 5]
        assert np.abs(np.subtract(box_of(own), (5, y1 - y0 + 5, 5, x1 - x0 + 5))).max() <= 3, name
    outside = text.mask.copy()
    for name in ("5.0kV", "x50"):
        y0, y1, x0, x1 = JEOL[name]
        outside[y0 - 5 : y1 + 5, x0 - 5 : x1 + 5] = False
    assert not outside.any()  # the letters etched into the grid are of the specimen


@pytest.mark.parametrize(
    ("folder", "step"), [("nasa_ebc_cracks/images", 8), ("xsdd_steel_strip/images/*", 45), ("bsd_pitting/images", 140)]
)
def test_pictures_without_marks_have_none(data_dir, folder, step):
    files = sorted(p for p in data_dir.glob(f"{folder}/*") if p.suffix in {".tif", ".png", ".jpg"})[::step]
    assert files
    for file in files:
        found = found_artefacts(np.array(Image.open(file)))
        assert not [r.kind for r in found if r.kind in {"scale_bar", "text", "label", "stamp"}], file


@pytest.mark.parametrize("level", [0, 255])
@pytest.mark.parametrize("ticks", [False, True])
@pytest.mark.parametrize("shape", [(64, 96), (128, 128), (300, 420)])
def test_a_drawn_scale_bar_is_found_with_its_number(level, ticks, shape):
    image = ground(1, shape)
    unit = max(1, shape[0] // 128)
    top, left, length = shape[0] - 12 * unit, 8 * unit, shape[1] // 3
    mask = put(image, np.ones((2 * unit, length), bool), top, left, level)
    if ticks:
        for end in (left, left + length - unit):
            mask |= put(image, np.ones((6 * unit, unit), bool), top - 2 * unit, end, level)
    mask |= put(image, written("20 µm", unit), top - 11 * unit, left + 2, level)
    found = found_artefacts(image)
    assert [r.kind for r in found] == ["scale_bar"]
    np.testing.assert_array_equal(found[0].mask, mask)
    assert found[0].evidence["length"] == length
    assert found[0].evidence["ticks"] == ticks


def test_an_upright_bar_and_one_of_sixteen_bits_are_found():
    image = ground(2).T.astype(np.uint16) * 20  # as of a 12-bit camera in a 16-bit file
    mask = put(image, np.ones((40, 2), bool), 40, 100, 65535)
    mask |= put(image, written("5 nm"), 55, 104, 65535)
    (bar,) = of_kind(found_artefacts(image), "scale_bar")
    assert bar.evidence["upright"]
    np.testing.assert_array_equal(bar.mask, mask)


def test_lossy_compression_and_a_float_image_hide_no_text(tmp_path):
    image = ground(3)
    mask = put(image, written("SAMPLE 12"), 10, 12, 255)
    Image.fromarray(image).save(tmp_path / "a.jpg", quality=85)
    (lossy,) = of_kind(found_artefacts(np.array(Image.open(tmp_path / "a.jpg"))), "text")
    assert (lossy.mask & mask).sum() >= 0.9 * mask.sum()
    (floating,) = of_kind(found_artefacts(image.astype(np.float32) / 7 - 3), "text")
    np.testing.assert_array_equal(floating.mask, mask)


@pytest.mark.parametrize("kind", ["scale_bar", "text", "label", "stamp"])
@pytest.mark.parametrize("colour", [False, True])
def test_what_is_planted_is_found_as_what_it_is(kind, colour):
    for content in range(CONTENTS):
        image = ground(20 + content)
        planted = plant(np.repeat(image[..., None], 3, axis=2) if colour else image, kind, content, seed=content)
        found = found_artefacts(planted.pixels)
        assert [r.kind for r in found] == [kind], content
        shared = (found[0].mask & planted.mask).sum() / (found[0].mask | planted.mask).sum()
        assert shared >= 0.9, content


def test_coloured_marks_of_a_grey_picture_are_labels_and_the_colours_of_an_optical_one_are_not(data_dir):
    image = np.repeat(ground(7)[..., None], 3, axis=2)
    arrow = np.zeros((12, 20), bool)
    arrow[5:7] = True
    arrow[[3, 4, 7, 8], [16, 17, 17, 16]] = True
    mask = np.zeros(image.shape[:2], bool)
    mask[60:72, 40:60] = arrow
    image[mask] = (230, 40, 30)
    (one,) = found_artefacts(image)
    assert one.kind == "label"
    assert one.evidence["coloured"]
    np.testing.assert_array_equal(one.mask, mask)
    file = sorted((data_dir / "bsd_pitting" / "images").iterdir())[7]
    assert not of_kind(found_artefacts(np.array(Image.open(file))), "label")


def test_a_plate_on_ground_of_its_own_level_is_found_and_a_flat_block_of_compression_is_not():
    image = ground(8)
    level = int(np.median(image[30:50, 60:90]))
    mask = put(image, np.ones((20, 30), bool), 31, 61, level)
    (plate,) = found_artefacts(image)
    assert plate.kind == "label"
    assert (plate.mask & mask).sum() >= 0.97 * (plate.mask | mask).sum()
    smooth = ground(9)
    smooth[48:56, 64:72] = int(np.median(smooth[48:56, 64:72]))
    assert found_artefacts(smooth) == []


@pytest.mark.parametrize("quality", [75, 90])
def test_a_written_plate_is_found_whole_after_lossy_compression(tmp_path, quality):
    for content in range(CONTENTS):
        planted = plant(ground(30 + content, level=110.0), "label", content, seed=content)
        file = tmp_path / f"{content}.jpg"
        Image.fromarray(planted.pixels).save(file, quality=quality)
        (plate,) = found_artefacts(np.array(Image.open(file)))
        assert plate.kind == "label"
        assert (plate.mask & planted.mask).sum() / (plate.mask | planted.mask).sum() >= 0.95, content


def test_writing_on_the_picture_itself_has_no_plate():
    for seed in range(6):
        image = ground(40 + seed)
        put(image, written("A57 nm"), 50, 40, 255)
        assert [r.kind for r in found_artefacts(image)] == ["text"]
    image = np.full((96, 96), 90, np.uint8)  # flat to the edge: the ground has no rectangle's end
    put(image, written("A57 nm"), 40, 30, 255)
    assert [r.kind for r in found_artefacts(image)] == ["text"]


@pytest.mark.parametrize("noise", [0.0, 3.0])
def test_a_compact_rectangle_of_one_level_may_be_a_particle_and_is_no_label(noise):
    rng = np.random.default_rng(0)
    picture = np.clip(60 + rng.normal(0, 1, (40, 50)) * noise, 0, 255).astype(np.uint8)
    for level in (255, 200):
        picture[15:25, 20:32] = level
        assert found_artefacts(picture) == []
    large = ground(10)
    large[40:70, 50:80] = 255  # saturated, whatever its form
    assert found_artefacts(large) == []


def test_a_bright_grain_of_the_form_of_a_plate_has_the_pictures_noise_and_is_none():
    noise = np.random.default_rng(0).normal(0, 6, (80, 120))
    image = np.full((80, 120), 90.0)
    image[20:36, 40:85] = 190
    assert found_artefacts(np.clip(image + noise, 0, 255).astype(np.uint8)) == []
    noise[20:36, 40:85] = 0
    (plate,) = found_artefacts(np.clip(image + noise, 0, 255).astype(np.uint8))
    assert plate.kind == "label"
    np.testing.assert_array_equal(plate.mask, image > 100)


def test_two_lines_are_one_text_and_writing_elsewhere_another():
    image = ground(4)
    first = put(image, written("RUN 012"), 6, 8, 0) | put(image, written("T=300K"), 15, 8, 0)
    second = put(image, written("LAB 7"), 110, 80, 0)
    masks = [r.mask for r in of_kind(found_artefacts(image), "text")]
    assert len(masks) == 2
    np.testing.assert_array_equal(masks[0], first)
    np.testing.assert_array_equal(masks[1], second)


def test_what_lies_in_the_bar_belongs_to_the_bar():
    image = ground(5)
    image[108:] = 0
    put(image, written("5kV 20 µm"), 111, 8, 255)
    put(image, np.ones((2, 40), bool), 120, 70, 255)
    outside = put(image, written("RUN 012"), 6, 8, 0)
    found = found_artefacts(image, {"info_bar": [108, 127]})
    assert [r.kind for r in found] == ["info_bar", "text"]
    np.testing.assert_array_equal(found[1].mask, outside)
    assert [r.kind for r in found_artefacts(image, {"info_bar": [108, 127]}, kinds=["text"])] == ["text"]


def region(kind, rows, columns, confidence=0.8):
    mask = np.zeros((40, 40), bool)
    mask[rows, columns] = True
    return Region(mask, kind, "pixels", confidence)


def test_a_pixel_is_given_to_one_region_only():
    plate = region("label", slice(2, 12), slice(2, 20))
    letters = region("text", slice(4, 9), slice(4, 18))
    border = region("border", slice(0, 3), slice(0, 40))
    over = region("text", slice(0, 2), slice(30, 38))
    stamp = region("stamp", slice(0, 3), slice(20, 24))
    kept = arbitrated([letters, plate, stamp, over, border])
    assert [r.kind for r in kept] == ["border", "label", "text"]
    assert sum(r.mask.astype(int) for r in kept).max() == 1
    assert kept[0].area == 3 * 40 - over.area  # what is written over a border is a thing of its own
    assert kept[1].area == plate.area - 18  # a row of the plate was the border's
    assert kept[2].area == over.area


def test_a_plate_with_a_scale_bar_is_the_scale_bar():
    bar, plate = region("scale_bar", slice(5, 7), slice(4, 18)), region("label", slice(2, 12), slice(2, 20))
    (one,) = arbitrated([plate, bar])
    assert one.kind == "scale_bar"
    assert one.area == plate.area


def test_a_picture_without_artefacts_and_one_of_one_value_are_no_errors():
    for image in (ground(6), np.zeros((32, 32), np.uint8), np.full((5, 7), np.nan), np.zeros((1, 1), np.uint8)):
        assert found_artefacts(image) == []


def test_bad_input_is_named():
    with pytest.raises(RegionError, match=r"image \(y, x\) or \(y, x, c\); this array is \(5,\)"):
        found_artefacts(np.zeros(5))
    assert found_artefacts([[0, 1], [1, 0]]) == []  # nested lists are an image as well
    with pytest.raises(RegionError, match=r"no finder of 'txt'.*text"):
        found_artefacts(np.zeros((5, 5)), kinds=["txt"])
    with pytest.raises(RegionError, match="real numbers"):
        found_artefacts(np.zeros((5, 5), complex))

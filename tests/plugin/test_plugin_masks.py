"""What was drawn becomes masks in the image's own pixels: numbers against rasterisers that share nothing with ours."""

from __future__ import annotations

from itertools import pairwise

import dask.array as da
import numpy as np
import pytest

pytest.importorskip("napari", reason="the plugin's tests need napari")
from matplotlib.path import Path
from napari.layers import Image, Labels, Points, Shapes
from napari_matxai.layers.drawings import drawing_of, placing_of
from napari_matxai.layers.masks import Grid, masks
from napari_matxai.layers.placing import pixel_size

from matxai.errors import RegionError

SIZE = (60, 80)
NM = {"scale": (10.0, 10.0), "translate": (300.0, -50.0), "units": ("nm", "nm")}


def image(shape=SIZE, **where) -> Image:
    return Image(np.zeros(shape, np.uint8), name="image", **where)


def grid(layer: Image, step=None, shape=None) -> Grid:
    return Grid(placing_of(layer), shape or layer.data.shape, step)


def the_mask(layer, of: Image, step=None, at=(), **keywords):
    found = masks(drawing_of(layer, at, **keywords), grid(of, step))
    assert len(found.regions) == 1
    return found.regions[0].mask


def centres(of: Image) -> np.ndarray:
    """Positions of all pixel centres in the world, by napari itself."""
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    return np.array([of.data_to_world(p) for p in zip(rows.ravel(), columns.ravel(), strict=True)])


def inside_polygon(of: Image, world: np.ndarray) -> np.ndarray:
    return Path(world).contains_points(centres(of)).reshape(SIZE)


@pytest.mark.parametrize(
    ("where", "factor"),
    [
        ({}, 1.0),
        ({"units": ("nm", "nm")}, 1.0),
        ({"units": ("um", "um")}, 1e-3),
        ({"units": ("um", "um"), "scale": (0.02, 0.02), "translate": (0.1, 0.2)}, 1e-3),
    ],
)
def test_a_polygon_lies_where_it_was_drawn_whatever_the_units(where, factor) -> None:
    of = image(**(NM if where else {}))
    corner, size = (np.array([400.0, 100.0]), 300.0) if where else (np.array([10.0, 15.0]), 30.0)
    world = corner + size * np.array([[0.031, 0.113], [0.897, 0.203], [0.611, 0.951], [0.343, 0.421]])
    layer = Shapes(**where, ndim=2)
    data = np.array([layer.world_to_data(v) for v in world * factor])
    layer.add(data, shape_type="polygon")
    expected = inside_polygon(of, world)
    assert expected.sum() > 100
    np.testing.assert_array_equal(the_mask(layer, of), expected)


def test_micrometres_on_nanometres_measure_what_they_measure() -> None:
    of = image(**NM)
    layer = Shapes([np.array([[0.353, 0.004], [0.603, 0.404]])], shape_type="rectangle", units=("um", "um"))
    mask = the_mask(layer, of)
    assert mask.sum() == 25 * 40  # 0.25 um x 0.4 um in pixels of 10 nm
    size, unit = pixel_size(placing_of(of), 2)
    assert unit == "um2"
    assert mask.sum() * size == pytest.approx(0.1)
    assert pixel_size(placing_of(image()), 2) == (1.0, "pixels")
    # napari's own rasteriser, asked the same way, sees a speck
    assert layer.to_labels(labels_shape=SIZE).sum() <= 1


def test_turned_and_sheared_layers_keep_their_shapes() -> None:
    of = image(**NM, rotate=20.0)
    layer = Shapes(ndim=2, units=("um", "um"), scale=(0.05, 0.03), rotate=-35.0, shear=[0.3], translate=(0.5, 0.2))
    corners = np.array([[0.0, 0.0], [0.0, 9.0], [6.0, 9.0], [6.0, 0.0]])
    layer.add(corners, shape_type="rectangle")
    world = np.array([layer.data_to_world(c) for c in corners]) * 1000
    expected = inside_polygon(of, world)
    assert expected.sum() > 100
    assert (the_mask(layer, of) != expected).sum() <= 2  # a centre on an edge
    round_ = Shapes(ndim=2, units=("um", "um"), scale=(0.05, 0.03), rotate=-35.0, shear=[0.3], translate=(0.5, 0.2))
    round_.add(corners, shape_type="ellipse")
    data = np.array([round_.world_to_data(c) for c in centres(of) / 1000])
    expected = ((((data - [3.0, 4.5]) / [3.0, 4.5]) ** 2).sum(1) <= 1).reshape(SIZE)
    assert expected.sum() > 80
    assert (the_mask(round_, of) != expected).sum() <= 2


def segments_reach(points: np.ndarray, path: np.ndarray, half: float) -> np.ndarray:
    """Which points lie within half a width of a path: round at its joints, straight at its ends."""
    found = np.zeros(len(points), bool)
    for start, stop in pairwise(path):
        along = (stop - start) / np.linalg.norm(stop - start)
        t = (points - start) @ along
        across = np.abs((points - start) @ np.array([-along[1], along[0]]))
        found |= (t >= 0) & (t <= np.linalg.norm(stop - start)) & (across <= half)
    for joint in path[1:-1]:
        found |= np.linalg.norm(points - joint, axis=1) <= half
    return found


@pytest.mark.parametrize("kind", ["path", "line"])
def test_lines_are_as_wide_as_they_are_drawn(kind) -> None:
    of = image(**NM)
    path = np.array([[0.35, 0.05], [0.6, 0.3], [0.45, 0.62]])[: 3 if kind == "path" else 2]
    layer = Shapes([path], shape_type=kind, edge_width=0.06, units=("um", "um"))
    expected = segments_reach(centres(of) / 1000, path, 0.03).reshape(SIZE)
    mask = the_mask(layer, of)
    assert expected.sum() > 100
    assert (mask & ~expected).sum() <= 4  # the pixels at the very ends, which the line begins in
    assert not (expected & ~mask).any()


def test_a_thin_line_covers_the_pixels_that_it_passes_through() -> None:
    from skimage.draw import line

    of = image(**NM)
    layer = Shapes([np.array([[320.0, -20.0], [600.0, 400.0]])], shape_type="line", edge_width=0.01, units=("nm", "nm"))
    expected = np.zeros(SIZE, bool)
    expected[line(2, 3, 30, 45)] = True
    np.testing.assert_array_equal(the_mask(layer, of), expected)


def test_points_are_discs_of_their_size() -> None:
    of = image(**NM)
    layer = Points([[0.5, 0.2], [0.7, 0.5], [5.0, 5.0]], size=[0.203, 0.107, 0.1], units=("um", "um"))
    found = masks(drawing_of(layer), grid(of))
    assert found.numbers == (0, 1)
    assert found.notes == ("Point 2 of 'Points' lies outside of the image, and was left out.",)
    world = centres(of)
    for region, middle, radius in zip(found.regions, [(500, 200), (700, 500)], [101.5, 53.5], strict=True):
        expected = (np.linalg.norm(world - middle, axis=1) <= radius).reshape(SIZE)
        np.testing.assert_array_equal(region.mask, expected)
        assert region.mask.sum() == pytest.approx(np.pi * (radius / 10) ** 2, rel=0.06)


def test_labels_of_another_grid_are_read_at_the_centres_of_pixels() -> None:
    of = image(**NM)
    data = np.zeros((9, 11), np.int32)
    data[2:5, 3:8] = 4
    data[6:8, 1:4] = 9
    layer = Labels(data, scale=(0.07, 0.06), translate=(0.3137, 0.0013), units=("um", "um"), name="painted")
    found = masks(drawing_of(layer), grid(of))
    assert found.numbers == (4, 9)
    index = np.round((centres(of) / 1000 - [0.3137, 0.0013]) / [0.07, 0.06]).astype(int)
    ok = ((index >= 0) & (index < data.shape)).all(1)
    expected = np.where(ok, data[tuple(np.clip(index, 0, np.array(data.shape) - 1).T)], 0).reshape(SIZE)
    for number, region in zip(found.numbers, found.regions, strict=True):
        np.testing.assert_array_equal(region.mask, expected == number)
        assert region.kind == "labels"
    layer.selected_label = 9
    np.testing.assert_array_equal(the_mask(layer, of, selected=True), expected == 9)
    turned = Labels(data, scale=(0.07, 0.06), translate=(0.31, 0.1), units=("um", "um"), rotate=15.0)
    at = np.array([turned.world_to_data(c) for c in centres(of) / 1000])
    index = np.round(at).astype(int)
    ok = ((index >= 0) & (index < data.shape)).all(1)
    expected = np.where(ok, data[tuple(np.clip(index, 0, np.array(data.shape) - 1).T)], 0).reshape(SIZE)
    found = masks(drawing_of(turned), grid(of))
    for number, region in zip(found.numbers, found.regions, strict=True):
        assert ((expected == number) != region.mask).sum() <= 2


def test_labels_twice_as_coarse_are_two_pixels_wide_each() -> None:
    of = image((8, 8))
    layer = Labels(np.arange(1, 17).reshape(4, 4), scale=(2, 2))
    found = masks(drawing_of(layer), grid(of))
    assert {int(r.mask.sum()) for r in found.regions if not r.mask[:, -1].any() and not r.mask[0].any()} <= {2, 4}
    wide = [int(r.mask.any(0).sum()) for r in found.regions][1:3]
    assert wide == [2, 2]


def test_a_layer_without_units_lies_where_it_is_seen_and_it_is_said() -> None:
    of = image(**NM)
    layer = Shapes([np.array([[400.0, 100.0], [500.0, 250.0]])], shape_type="rectangle")
    found = masks(drawing_of(layer), grid(of))
    assert found.regions[0].mask.sum() == 10 * 15
    [note] = found.notes
    assert note == (
        "The units of 'Shapes' (pixel) and of 'image' (nanometer) do not go together, so its regions were taken where "
        "napari shows them."
    )


def test_labels_of_another_plugin_without_scale_are_the_images_own_pixels() -> None:
    of = image(**NM)
    data = np.zeros(SIZE, int)
    data[10:20, 30:50] = 1
    layer = Labels(data, name="cells")
    found = masks(drawing_of(layer), grid(of))
    np.testing.assert_array_equal(found.regions[0].mask, data == 1)
    assert "pixel by pixel" in found.notes[0]


def test_a_shape_on_one_slice_is_of_that_slice_alone() -> None:
    of = image((5, *SIZE), scale=(40.0, 10.0, 10.0), units=("nm",) * 3)
    corners = np.array([[100.0, 100.0], [100.0, 300.0], [200.0, 300.0], [200.0, 100.0]]) / 1000
    on_third = np.insert(corners, 0, 0.12, axis=1)  # z = 120 nm: slice 3
    layer = Shapes([on_third], shape_type="polygon", units=("um",) * 3)
    assert the_mask(layer, of, step=(3,), at=(0,)).sum() == 10 * 20
    with pytest.raises(RegionError, match="or on other slices"):
        masks(drawing_of(layer), grid(of, (2,)))
    volume = the_mask(layer, of)
    assert volume.shape == (5, *SIZE)
    assert volume.any((1, 2)).tolist() == [False, False, False, True, False]
    # a flat layer lies on every slice, as napari shows it
    flat = Shapes([corners], shape_type="polygon", units=("um", "um"))
    assert the_mask(flat, of, step=(1,)).sum() == 200
    assert the_mask(flat, of).sum() == 1000


def test_a_shape_of_a_stack_on_a_flat_image_counts_on_the_slice_in_view() -> None:
    of = image(**NM)
    box = np.array([[3, 400.0, 100.0], [3, 400.0, 250.0], [3, 500.0, 250.0], [3, 500.0, 100.0]])
    layer = Shapes([box], shape_type="polygon", units=("nm",) * 3)
    assert the_mask(layer, of, at=(3,)).sum() == 150
    with pytest.raises(RegionError):
        masks(drawing_of(layer, (2,)), grid(of))


def test_labels_of_a_stack_on_disk_are_read_for_one_slice_only() -> None:
    read = []

    def block(block_info=None):
        where = block_info[None]["array-location"][0][0]
        read.append(where)
        plane = np.zeros((1, *SIZE), np.int32)
        plane[0, 5:9, 5:9] = where + 1
        return plane

    lazy = da.map_blocks(
        block, chunks=((1,) * 6, (SIZE[0],), (SIZE[1],)), dtype=np.int32, meta=np.zeros((0, 0, 0), "i4")
    )
    of = image((6, *SIZE))
    layer = Labels(lazy)
    read.clear()
    found = masks(drawing_of(layer, (0,)), grid(of, (4,)))
    assert found.numbers == (5,)
    assert set(read) == {4}


def test_points_of_a_stack_are_discs_on_their_slice_and_balls_in_the_whole() -> None:
    of = image((9, 30, 30))
    layer = Points([[4, 15, 15]], size=8)
    z, y, x = np.mgrid[:9, :30, :30]
    ball = (z - 4) ** 2 + (y - 15) ** 2 + (x - 15) ** 2 <= 16
    np.testing.assert_array_equal(the_mask(layer, of)[1:8], ball[1:8])
    np.testing.assert_array_equal(the_mask(layer, of, step=(4,)), ball[4])
    with pytest.raises(RegionError, match="on other slices"):
        masks(drawing_of(layer), grid(of, (5,)))


def test_multiscale_and_colour_images_have_the_pixels_of_their_finest_level() -> None:
    levels = [np.zeros((60, 80), np.uint8), np.zeros((30, 40), np.uint8)]
    of = Image(levels, multiscale=True, name="pyramid", **NM)
    layer = Shapes([np.array([[400.0, 100.0], [500.0, 250.0]])], shape_type="rectangle", units=("nm", "nm"))
    assert masks(drawing_of(layer), grid(of, shape=(60, 80))).regions[0].mask.sum() == 150
    colour = Image(np.zeros((60, 80, 3), np.uint8), rgb=True, name="colour", **NM)
    assert masks(drawing_of(layer), grid(colour, shape=(60, 80))).regions[0].mask.sum() == 150


def test_no_region_outside_and_everything_are_a_sentence_each() -> None:
    of = image(**NM)
    with pytest.raises(RegionError, match=r"The layer 'Shapes' holds no region that is meant here\. Draw one"):
        masks(drawing_of(Shapes(ndim=2, units=("nm", "nm"))), grid(of))
    far = Shapes([np.array([[4000.0, 100.0], [5000.0, 250.0]])], shape_type="rectangle", units=("nm", "nm"))
    with pytest.raises(
        RegionError, match="No region of 'Shapes' covers a pixel of 'image': they lie outside or have no"
    ):
        masks(drawing_of(far), grid(of))
    all_ = Shapes([np.array([[0.0, -500.0], [5000.0, 5000.0]])], shape_type="rectangle", units=("nm", "nm"))
    with pytest.raises(RegionError, match="Shape 0 of 'Shapes' covers the whole image"):
        masks(drawing_of(all_), grid(of))
    both = Shapes(
        [np.array([[4000.0, 100.0], [5000.0, 250.0]]), np.array([[400.0, 100.0], [500.0, 250.0]])],
        shape_type="rectangle",
        units=("nm", "nm"),
    )
    found = masks(drawing_of(both), grid(of))
    assert found.numbers == (1,)
    assert "Shape 0 of 'Shapes' lies outside of the image, and was left out." in found.notes
    both.selected_data = {0}
    with pytest.raises(RegionError, match="they lie outside"):
        masks(drawing_of(both, selected=True), grid(of))

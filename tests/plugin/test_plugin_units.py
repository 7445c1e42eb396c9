"""Layers without units, and what the Data step says: on napari's viewer model, no window."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

pytest.importorskip("napari", reason="the plugin's tests need napari")
from napari.components import ViewerModel
from napari_matxai.layers.describing import size_text, slice_text, turn_text
from napari_matxai.layers.frame import Frame
from napari_matxai.layers.units import between, factor, in_pixels
from napari_matxai.presenter import Presenter
from napari_matxai.session.calibrating import Calibrating

UM = Frame((0.1, 0.1), (2.0, 3.0), ("um", "um"), ("y", "x"))


@pytest.fixture
def viewer():
    made = ViewerModel()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # napari says that units are inconsistent: that is what this is about
        yield made


def image_of(viewer, shape=(160, 120), frame=UM, name="image"):
    return viewer.add_image(np.zeros(shape), name=name, **frame.as_keywords())


def test_units_convert_and_things_of_another_kind_do_not() -> None:
    assert factor("nm", "um") == pytest.approx(1e-3)
    assert factor("um", "micrometer") == pytest.approx(1.0)
    assert factor("eV", "nm") is None


def test_pixels_of_one_layer_are_found_in_another_whatever_their_units() -> None:
    nm = Frame((50.0, 50.0), (0.0, 0.0), ("nm", "nm"), ("y", "x"))
    matrix = between(nm, UM)
    np.testing.assert_allclose((matrix @ [100, 100, 1])[:2], [30.0, 20.0])  # 5 um: 3 um and 2 um from the first pixel
    assert between(Frame((1.0, 1.0), (0.0, 0.0), ("eV", "eV"), ("y", "x")), UM) is None


@pytest.mark.parametrize("kind", ["image", "labels"])
def test_a_layer_of_the_same_pixels_adopts_size_place_and_units(viewer, kind) -> None:
    image = image_of(viewer)
    other = getattr(viewer, f"add_{kind}")(np.zeros((160, 120), int), name="other")
    calibrating = Calibrating(Presenter(viewer))
    assert viewer.layers.units is None
    assert Presenter(viewer).without_units() == [other]
    assert calibrating.adopt(image) == ["'other' gets the pixel size (0.1 micrometer), place and units of the image."]
    np.testing.assert_allclose(other.extent.world, image.extent.world)
    assert other.units == image.units == viewer.layers.units
    calibrating.undo()
    assert not calibrating.undoable
    np.testing.assert_allclose(other.scale, 1.0)
    assert [str(u) for u in other.units] == ["pixel", "pixel"]


def test_a_result_that_took_the_scale_but_no_units_stays_where_it_is(viewer) -> None:
    image = image_of(viewer)
    labels = viewer.add_labels(np.zeros((160, 120), int), name="nuclei", scale=UM.scale, translate=UM.translate)
    said = Calibrating(Presenter(viewer)).adopt(image)
    assert said == ["'nuclei' stays where it is and gets the unit micrometer: its numbers already fit the image."]
    np.testing.assert_allclose(labels.scale, UM.scale)
    assert viewer.layers.units == image.units


def test_points_in_pixels_and_points_drawn_on_the_image_are_told_apart(viewer) -> None:
    image = image_of(viewer)
    pixels = viewer.add_points([[10, 20], [150, 110]], name="in pixels")
    drawn = viewer.add_shapes([[[3, 4], [9, 12]]], shape_type="line", name="drawn")
    said = Calibrating(Presenter(viewer)).adopt(image)
    assert said[0].startswith("'in pixels' gets the pixel size")
    assert said[1].startswith("'drawn' stays where it is")
    np.testing.assert_allclose(pixels.data_to_world((10, 20)), image.data_to_world((10, 20)))
    np.testing.assert_allclose(drawn.data_to_world((3, 4)), (3, 4))


def test_what_has_another_size_is_left_alone_and_pixels_can_be_counted(viewer) -> None:
    image = image_of(viewer)
    finer = image_of(viewer, (80, 60), Frame((200.0, 200.0), (2000.0, 3000.0), ("nm", "nm"), ("y", "x")), "binned")
    strange = viewer.add_image(np.zeros((50, 50)), name="strange")
    calibrating = Calibrating(Presenter(viewer))
    assert calibrating.offers(image) == [(strange, None)]
    assert calibrating.adopt(image) == []
    assert calibrating.count_pixels(image) == []
    assert [str(u) for u in viewer.layers.units] == ["pixel", "pixel"]
    np.testing.assert_allclose(image.extent.world, [[0, 0], [159, 119]])
    np.testing.assert_allclose(finer.scale, 2.0)
    np.testing.assert_allclose(finer.translate, 0.0, atol=1e-9)
    viewer.layers.remove(finer)
    calibrating.undo()
    np.testing.assert_allclose(image.scale, UM.scale)
    np.testing.assert_allclose(image.translate, UM.translate)


def test_a_stack_of_labels_over_an_image_keeps_its_own_first_axis(viewer) -> None:
    image = image_of(viewer, (7, 160, 120), Frame((2.0, 0.1, 0.1), (0.0,) * 3, ("um",) * 3, ("z", "y", "x")))
    labels = viewer.add_labels(np.zeros((3, 7, 160, 120), int), name="tracks")
    Calibrating(Presenter(viewer)).adopt(image)
    np.testing.assert_allclose(labels.scale, (1.0, 2.0, 0.1, 0.1))
    assert [str(u) for u in labels.units] == ["pixel", "micrometer", "micrometer", "micrometer"]
    assert viewer.layers.units is not None


def test_the_image_itself_may_be_the_one_without_units(viewer) -> None:
    image_of(viewer, name="calibrated")
    bare = viewer.add_image(np.zeros((160, 120)), name="bare")
    Calibrating(Presenter(viewer)).adopt(bare)
    np.testing.assert_allclose(bare.scale, UM.scale)


def test_layers_that_measure_different_things_are_named(viewer) -> None:
    image_of(viewer)
    image_of(viewer, frame=Frame((1.0, 1.0), (0.0, 0.0), ("nm", "nm"), ("y", "x")), name="fine")
    calibrating = Calibrating(Presenter(viewer))
    assert calibrating.at_odds() == []
    assert viewer.layers.units is not None
    depth = Frame((1.0, 0.1, 0.1), (0.0,) * 3, ("dimensionless", "um", "um"), ("depth", "y", "x"))
    image_of(viewer, (4, 160, 120), depth, "map")
    assert calibrating.at_odds() == []  # over a flat image a depth axis is at odds with nothing
    volume = Frame((2.0, 0.1, 0.1), (0.0,) * 3, ("um",) * 3, ("z", "y", "x"))
    image_of(viewer, (6, 160, 120), volume, "volume")
    assert calibrating.at_odds() == ["'volume' measures z in micrometer where 'map' counts depth."]
    image_of(viewer, frame=Frame((1.0, 2.0), (0.0, 0.0), ("um", "eV"), ("x", "energy")), name="loss")
    assert viewer.layers.units is None
    assert calibrating.at_odds()[1] == "'loss' measures energy in electron_volt where 'image' measures x in micrometer."
    viewer.add_image(np.zeros((160, 120)), name="bare")  # without units: another sentence, and a button
    assert len(calibrating.at_odds()) == 2


def test_layers_of_another_kind_do_not_follow_into_pixels() -> None:
    assert in_pixels(Frame((1.0, 1.0), (0.0, 0.0), ("eV", "eV"), ("y", "x")), UM) is None


def test_the_image_is_told_in_the_words_of_its_field() -> None:
    assert size_text(UM, (160, 120)) == "120 x 160 pixels of 0.1 µm\nField of view: 12 x 16 µm"
    stack = Frame((2.0, 5.0, 5.0), (0.0,) * 3, ("um", "nm", "nm"), ("z", "y", "x"))
    assert size_text(stack, (40, 100, 200)) == (
        "200 x 100 pixels of 5 nm\nField of view: 1 x 0.5 µm\n40 slices, 2 µm apart"
    )
    assert slice_text(stack, (40, 100, 200), (2,)) == "In view: z 3 of 40 at 4 µm"
    plain = Frame((1.0, 1.0), (0.0, 0.0), ("pixel", "pixel"), ("-2", "-1"))
    assert size_text(plain, (160, 120)) == "120 x 160 pixels, not calibrated"
    assert slice_text(plain, (160, 120), ()) == ""
    assert turn_text(plain) == ""
    assert "mirrored" in turn_text(Frame((-0.1, 0.1), (0.0, 0.0), ("um", "um"), ("y", "x")))
    assert "rows of the file" in turn_text(Frame((1.0, 1.0), (0.0,) * 2, ("um",) * 2, ("y", "x"), ((0, 1), (-1, 0))))

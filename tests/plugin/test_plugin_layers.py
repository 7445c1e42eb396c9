"""Where layers lie and how they look, without Qt: on napari's viewer model."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("napari", reason="the plugin's tests need napari")
import tifffile
from napari.components import ViewerModel
from napari_matxai.layers.frame import Frame, frame_of, signal_of
from napari_matxai.layers.images import contrast_limits, image_layer
from napari_matxai.layers.limits import map_limits
from napari_matxai.presenter import Presenter
from napari_matxai.reader import get_reader

from matxai.errors import SignalError
from matxai.signals import labelled


def signal(shape=(12, 20), dims=("y", "x"), step=0.5, unit="micrometer"):
    return labelled(
        np.arange(np.prod(shape), dtype=np.float32).reshape(shape),
        dims,
        spacing=dict.fromkeys((d for d in dims if d != "c"), step),
        units=dict.fromkeys((d for d in dims if d != "c"), unit),
        origin={dims[0]: 3.0},
    )


def add(viewer, sig, name="image"):
    return Presenter(viewer).add(image_layer(sig, name))


def test_a_signal_keeps_units_labels_scale_and_place() -> None:
    layer = add(ViewerModel(), signal())
    assert [str(u) for u in layer.units] == ["micrometer", "micrometer"]
    assert tuple(layer.axis_labels) == ("y", "x")
    np.testing.assert_allclose(layer.scale, [0.5, 0.5])
    np.testing.assert_allclose(layer.translate, [3.0, 0.0])


def test_colour_is_shown_as_colour_and_channels_as_layers() -> None:
    _, keywords, _ = image_layer(signal((12, 20, 3), ("y", "x", "c")), "rgb")
    assert keywords["rgb"] is True
    assert len(keywords["scale"]) == 2
    data, keywords, _ = image_layer(signal((12, 20, 2), ("y", "x", "c")), "two")
    assert keywords["channel_axis"] == 0
    assert data.shape == (2, 12, 20)


def test_what_a_layer_shows_comes_back_as_the_signal_it_was() -> None:
    viewer, original = ViewerModel(), signal()
    layer = add(viewer, original)
    again, step = Presenter(viewer).view(layer).signal("2d")
    assert step is None
    np.testing.assert_array_equal(again.values, original.values)
    np.testing.assert_allclose(again.y, original.y)
    assert again.y.attrs["units"] == original.y.attrs["units"]


def test_of_a_stack_the_slice_in_view_is_taken() -> None:
    viewer, stack = ViewerModel(), signal((5, 12, 20), ("z", "y", "x"))
    layer = add(viewer, stack)
    viewer.dims.set_point(0, float(stack.z[3]))
    plane, step = Presenter(viewer).view(layer).signal("2d")
    assert step == (3,)
    np.testing.assert_array_equal(plane.values, stack.values[3])
    volume, step = Presenter(viewer).view(layer).signal("3d")
    assert step is None
    assert volume.dims == ("z", "y", "x")


def test_a_layer_with_too_few_axes_is_refused_in_a_sentence() -> None:
    viewer = ViewerModel()
    layer = add(viewer, signal())
    with pytest.raises(SignalError, match="has 2 axes and the model takes 3"):
        Presenter(viewer).view(layer).signal("3d")


def test_layers_of_others_without_units_or_labels_can_be_explained() -> None:
    viewer = ViewerModel()
    layer = viewer.add_image(np.zeros((12, 20)), scale=(2, 2))
    found, _ = Presenter(viewer).view(layer).signal("2d")
    assert found.dims == ("y", "x")
    assert found.y.attrs["units"] == "pixel"
    add(viewer, signal())
    assert Presenter(viewer).without_units() == [layer]


def test_limits_are_symmetric_for_signed_maps_and_never_empty() -> None:
    assert map_limits(np.array([-1.0, 3.0, np.nan]), signed=True) == (-3.0, 3.0)
    assert map_limits(np.array([0.0, 3.0]), signed=False) == (0.0, 3.0)
    assert map_limits(np.zeros(3), signed=True) == (-1.0, 1.0)
    assert contrast_limits(np.full((4, 4), 7.0)) == (7.0, 8.0)


def test_uneven_axes_count_pixels() -> None:
    uneven = labelled(np.zeros((3, 4)), ("y", "x"), coords={"x": [0.0, 1.0, 2.0, 7.0]}, units={"x": "nm"})
    assert frame_of(uneven) == Frame((1.0, 1.0), (0.0, 0.0), ("pixel", "pixel"), ("y", "x"))


def test_attributes_of_the_instrument_reach_the_model() -> None:
    found = signal_of(
        np.zeros((8, 9)), Frame((1.0, 1.0), (0.0, 0.0), ("nm", "nm"), ("y", "x")), rgb=False, attrs={"info_bar": [6, 7]}
    )
    assert found.attrs["info_bar"] == [6, 7]


def test_the_reader_answers_none_for_what_it_does_not_know(tmp_path) -> None:
    (tmp_path / "text.tif").write_text("this is no picture")
    (tmp_path / "empty.tif").write_bytes(b"")
    tifffile.imwrite(tmp_path / "good.tif", np.zeros((8, 9), np.uint8))
    assert get_reader(str(tmp_path / "text.tif")) is None
    assert get_reader(str(tmp_path / "empty.tif")) is None
    assert get_reader(str(tmp_path / "missing.tif")) is None
    read = get_reader(str(tmp_path / "good.tif"))
    ((data, keywords, kind),) = read(str(tmp_path / "good.tif"))
    assert (data.shape, kind, keywords["units"]) == ((8, 9), "image", ("pixel", "pixel"))


def test_models_are_offered_with_that_of_the_samples_first() -> None:
    from napari_matxai.session.models import Models

    names = list(Models().known())
    assert names[0] == "defects"
    assert names[1:] == sorted(names[1:])

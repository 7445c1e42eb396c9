"""Maps saved from the viewer come back as the explanation that they are of, and look as they did."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import xarray as xr

pytest.importorskip("napari", reason="the plugin's tests need napari")
import torch
from napari.components import ViewerModel
from napari_matxai.layers.images import image_layer
from napari_matxai.layers.saved import LOOKS
from napari_matxai.presenter import Presenter
from napari_matxai.session.choice import Choice
from napari_matxai.session.explaining import Explained

import matxai
from matxai.errors import ExplanationError
from matxai.explanation import load, provenance
from matxai.modelcard import load_model
from matxai.signals import labelled

npe2 = pytest.importorskip("npe2")


@pytest.fixture(scope="module", autouse=True)
def plugins():
    npe2.PluginManager.instance().discover()


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    module = torch.nn.Sequential(
        torch.nn.Conv2d(1, 6, 3, 2, 1), torch.nn.ReLU(), torch.nn.Conv2d(6, 8, 3, 2, 1), torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(8, 3),
    )  # fmt: skip
    steps = [{"crop_rows": {"bottom": 8}}]
    return load_model(module, classes=["crack", "pore", "sound"], kind="2d", channels=1, steps=steps)


def micrograph(name: str = "steel.tif", seed: int = 0) -> xr.DataArray:
    values = np.random.default_rng(seed).integers(20, 90, (48, 64), dtype=np.uint8)
    axes = dict.fromkeys("yx", 0.5), dict.fromkeys("yx", "um"), {"x": 3.0}
    return labelled(values, ("y", "x"), spacing=axes[0], units=axes[1], origin=axes[2], attrs={"source": name})


def explained(viewer, model, signal, methods=("grad_cam", "lrp", "multilayer_grad_cam")):
    """Lay the maps of an image on a viewer, as the dock does."""
    presenter = Presenter(viewer)
    layer = presenter.add(image_layer(signal, str(signal.attrs["source"])))
    result = matxai.explain(model, signal, methods=list(methods), layers=["0", "2"])
    answer = Explained(presenter.source(layer), None, signal, model, Choice(tuple(methods)), result, 0.1)
    return layer, presenter.show(answer), result


def opened(path) -> ViewerModel:
    viewer = ViewerModel()
    viewer.open(str(path), plugin="matxai")
    return viewer


@pytest.mark.parametrize("suffix", [".nc", ".zarr"])
def test_maps_that_are_saved_are_the_explanation_they_came_of(model, tmp_path, suffix) -> None:
    viewer = ViewerModel()
    _, maps, result = explained(viewer, model, micrograph())
    viewer.layers.selection = set(maps)
    written = viewer.layers.save(str(tmp_path / f"all{suffix}"), selected=True)
    assert written == [str(tmp_path / f"all{suffix}")]
    again = load(tmp_path / f"all{suffix}")
    xr.testing.assert_identical(again, result)
    assert provenance(again)["model"]["sha256"]
    # opened again, every layer is where and what it was
    second = opened(written[0])
    image, *others = second.layers
    assert image.axis_labels == ("y", "x")
    np.testing.assert_allclose(image.extent.world, viewer.layers[0].extent.world)
    shown = [la for la in others if la.metadata["matxai"].get("result") is not None]
    assert len(shown) == len(maps)
    for before, after in zip(maps, shown, strict=True):
        np.testing.assert_array_equal(before.data, after.data)
        np.testing.assert_allclose(before.extent.world, after.extent.world)
        assert before.units == after.units
        assert tuple(before.contrast_limits) == tuple(after.contrast_limits)
        np.testing.assert_allclose(before.colormap.colors, after.colormap.colors)
        assert before.name == after.name
    assert [type(la).__name__ for la in second.layers].count("Vectors") == 1  # the rows that were cropped are hatched
    # and what was opened can be saved again
    second.layers.selection = set(shown)
    (third,) = second.layers.save(str(tmp_path / "again.nc"), selected=True)
    xr.testing.assert_identical(load(third), result)


def test_maps_that_are_opened_are_those_of_their_image_and_asked_again_are_updated(model, tmp_path) -> None:
    methods = ("grad_cam", "multilayer_grad_cam")
    _, maps, _ = explained(viewer := ViewerModel(), model, micrograph(), methods)
    viewer.layers.selection = set(maps)
    viewer.layers.save(str(tmp_path / "maps.nc"), selected=True)
    viewer = opened(tmp_path / "maps.nc")
    presenter, image = Presenter(viewer), viewer.layers[0]
    assert presenter.images() == [image]
    before = list(viewer.layers)
    cam = next(la for la in before if la.name.startswith("grad_cam"))
    cam.contrast_limits, other = (0.1, 0.2), cam.data.copy()
    signal = image.metadata["matxai"]["attrs"]["source"]
    assert signal == "steel.tif"
    # the same model of the same image, another class: no layer is added, and what the user set stays
    given, target = micrograph(), (cam.metadata["matxai"]["attrs"]["class"] == "crack") + 0
    result = matxai.explain(model, given, methods=list(methods), layers=["0", "2"], target=target)
    answer = Explained(presenter.source(image), None, given, model, Choice(methods), result, 0.1)
    shown = presenter.show(answer)
    assert list(viewer.layers) == before
    assert set(shown) <= set(before)
    assert not np.array_equal(cam.data, other)
    np.testing.assert_array_equal(cam.data, result.grad_cam.values)
    assert tuple(cam.contrast_limits) == (0.1, 0.2)
    # a copy of the image is another image, and gets maps of its own
    viewer.add_image(image.data, **{k: v for k, v in image.as_layer_data_tuple()[1].items() if k != "data"})
    copy = viewer.layers[-1]
    presenter.show(Explained(presenter.source(copy), None, given, model, Choice(methods), result, 0.1))
    assert len(viewer.layers) == 2 * len(before)


def test_of_several_maps_the_selected_ones_are_saved(model, tmp_path) -> None:
    viewer = ViewerModel()
    _, maps, result = explained(viewer, model, micrograph())
    maps[1].save(str(tmp_path / "one.nc"))
    again = load(tmp_path / "one.nc")
    assert list(again.data_vars) == ["lrp"]
    np.testing.assert_array_equal(again.lrp, result.lrp)
    np.testing.assert_array_equal(again.signal, result.signal)
    fused = next(m for m in maps if "multilayer" in m.name)
    fused.save(str(tmp_path / "depth.nc"))
    assert set(load(tmp_path / "depth.nc").data_vars) == {"multilayer_grad_cam", "multilayer_grad_cam_layers"}


def test_what_was_changed_about_a_layer_is_there_again(model, tmp_path) -> None:
    viewer = ViewerModel()
    _, maps, result = explained(viewer, model, micrograph())
    cam, lrp = maps[:2]
    cam.contrast_limits, cam.colormap, cam.opacity, cam.name = (0.25, 0.5), "viridis", 0.4, "my cam"
    lrp.colormap = {"colors": [[0, 0, 0, 0], [0, 1, 0, 1]], "name": "mine", "controls": [0, 1]}
    viewer.layers.selection = {cam, lrp}
    viewer.layers.save(str(tmp_path / "changed.nc"), selected=True)
    assert LOOKS not in result.grad_cam.attrs  # the explanation in the viewer is as before
    assert "contrast_limits" not in load(tmp_path / "changed.nc").lrp.attrs[LOOKS]
    found = {la.metadata["matxai"].get("variable"): la for la in opened(tmp_path / "changed.nc").layers}
    assert tuple(found["grad_cam"].contrast_limits) == (0.25, 0.5)
    assert found["grad_cam"].colormap.name == "viridis"
    assert found["grad_cam"].opacity == pytest.approx(0.4)
    assert found["grad_cam"].name == "my cam"
    np.testing.assert_allclose(found["lrp"].colormap.colors, [[0, 0, 0, 0], [0, 1, 0, 1]])
    assert tuple(found["lrp"].contrast_limits) == tuple(lrp.contrast_limits)


def test_looks_in_a_file_that_are_no_looks_are_left_out(model, tmp_path) -> None:
    _, _, result = explained(ViewerModel(), model, micrograph(), ("grad_cam",))
    for number, said in enumerate(("no json", "[1]", '{"colormap": "nobody knows it", "opacity": "high", "x": 1}')):
        result.grad_cam.attrs[LOOKS] = said
        matxai.save(result, tmp_path / f"{number}.nc")
        layer = opened(tmp_path / f"{number}.nc").layers[-1]
        assert layer.opacity == pytest.approx(0.85)
    assert layer.colormap.name == "gray"


def test_other_layers_are_refused_in_a_sentence_and_nothing_is_written(model, tmp_path) -> None:
    viewer = ViewerModel()
    image, maps, _ = explained(viewer, model, micrograph())
    labels = viewer.add_labels(np.zeros((48, 64), int), name="cells")
    for selected, name, kind in (({image}, "steel.tif", "image"), ({maps[0], labels}, "cells", "labels")):
        viewer.layers.selection = selected
        with pytest.raises(ExplanationError) as error:
            viewer.layers.save(str(tmp_path / "refused.nc"), selected=True)
        assert str(error.value) == (
            f"'{name}' is no map of an explanation ({kind} layer); only maps are saved as .nc or .zarr, with the image "
            "that they explain. Select the maps alone, or choose another format."
        )
    assert not list(tmp_path.iterdir())
    # other formats are napari's own
    labels.save(str(tmp_path / "cells.tif"))
    image.save(str(tmp_path / "image.tif"))
    assert {p.name for p in tmp_path.iterdir()} == {"cells.tif", "image.tif"}


def test_the_image_may_be_selected_with_its_maps(model, tmp_path) -> None:
    viewer = ViewerModel()
    image, maps, _ = explained(viewer, model, micrograph(), ("grad_cam",))
    viewer.layers.selection = {image, *maps}
    viewer.layers.save(str(tmp_path / "both.nc"), selected=True)
    back = opened(tmp_path / "both.nc").layers
    np.testing.assert_array_equal(back[0].data, image.data)
    np.testing.assert_array_equal(back[-1].data, maps[0].data)
    image.data = image.data + 1  # other pixels than those that were explained would be lost
    with pytest.raises(ExplanationError, match=r"'steel\.tif' is no map"):
        viewer.layers.save(str(tmp_path / "other.nc"), selected=True)


def test_maps_of_two_explanations_are_refused_in_a_sentence(model, tmp_path) -> None:
    viewer = ViewerModel()
    _, one, _ = explained(viewer, model, micrograph(), ("grad_cam",))
    _, other, _ = explained(viewer, model, micrograph("iron.tif", 1), ("grad_cam",))
    viewer.layers.selection = {*one, *other}
    with pytest.raises(ExplanationError, match=r"maps are of 2 explanations \(Sequential on .*steel\.tif.*iron\.tif"):
        viewer.layers.save(str(tmp_path / "two.nc"), selected=True)


def test_a_folder_that_refuses_files_is_one_sentence(model, tmp_path) -> None:
    _, maps, _ = explained(ViewerModel(), model, micrograph(), ("grad_cam",))
    (tmp_path / "file").write_text("")
    with pytest.raises(ExplanationError, match="cannot be written"):
        maps[0].save(str(tmp_path / "file" / "a.nc"))


def test_a_copy_of_a_layer_is_saved_like_the_layer(model, tmp_path) -> None:
    viewer = ViewerModel()
    _, maps, result = explained(viewer, model, micrograph(), ("grad_cam",))
    data, state, kind = maps[0].as_layer_data_tuple()
    copy = viewer._add_layer_from_data(data.copy(), {**state, "name": "copy"}, kind)[0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        copy.save(str(tmp_path / "copy.nc"))
    np.testing.assert_array_equal(load(tmp_path / "copy.nc").grad_cam, result.grad_cam)

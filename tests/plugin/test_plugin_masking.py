"""Regions are suggested and masked, without Qt: numbers are the library's, and nothing of the user's is touched."""

from __future__ import annotations

import importlib.metadata
import runpy
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("napari", reason="the plugin's tests need napari")

from napari.components import ViewerModel
from napari_matxai.layers.images import image_layer
from napari_matxai.layers.key import key_of, ours
from napari_matxai.session.choice import Choice, Extent, Options
from napari_matxai.session.explaining import ExplainQuestion
from napari_matxai.session.masking import MaskQuestion
from napari_matxai.session.measuring import Measuring
from napari_matxai.session.resolving import CellsQuestion
from napari_matxai.session.script import write_script
from napari_matxai.session.session import Session
from napari_matxai.session.suggesting import Search, SuggestQuestion
from napari_matxai.session.targets import Against

import matxai
from matxai.checks import perturb
from matxai.errors import MatxaiError, RegionError
from matxai.regions import found_artefacts
from matxai.signals import labelled


def sample(stem: str, of: str = "defects") -> Path:
    samples = importlib.metadata.entry_points(group="matxai.samples")["matxai"].load()()
    return next(p for p in samples[of].paths if p.stem == stem)


def ask(session: Session, question):
    answer = question.run(lambda *_: None, threading.Event())
    question.show(session, answer)
    return answer


def opened(path: Path, model: str = "defects") -> Session:
    session = Session(ViewerModel())
    session.choose_model(model)
    data, keywords, _ = image_layer(matxai.read(path), path.name, str(path))
    session.choose_layer(session.presenter.viewer.add_image(data, **keywords))
    session.choose(Choice(methods=("grad_cam",)))
    return session


def mean_the(session: Session, layer, **choice):
    session.regions.choose_layer(layer)
    usual = {"fills": ("local_mean",), "controls": 0, "selected": False, "together": True}
    session.regions.choice = replace(session.regions.choice, **{**usual, **choice})
    return layer


def shapes_in_um(session: Session, *boxes):
    """Rectangles over rows and columns of an image with pixels of 0.1 um, drawn in nanometres."""
    scale = [1000 * s for s in session.layer.scale]
    layer = session.presenter.viewer.add_shapes(
        [np.array(box, float) * scale for box in boxes], shape_type="rectangle", units=("nm", "nm"), name="mine"
    )
    return mean_the(session, layer)


@pytest.fixture(scope="module")
def explained() -> tuple[Session, object]:
    session = opened(sample("pore_black"))
    return session, ask(session, ExplainQuestion(session))


def roles(session: Session) -> list[str]:
    return [key.role if (key := key_of(la)) else "" for la in session.presenter.viewer.layers]


# -- mask and ask again ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("model", "after"), [("defects_leaky", "pore"), ("defects", "pore")])
def test_without_the_info_bar_the_leaky_twin_says_something_else(model, after) -> None:
    """The bar of cracks under a picture of pores: the leaky twin reads the bar, its sound sister the picture."""
    session = opened(sample("pore_framed", "swapped_bar"), model)
    before = ask(session, ExplainQuestion(session))
    suggested = ask(session, SuggestQuestion(session, Search()))
    assert [r.kind for r in suggested.regions] == ["info_bar"]
    session.regions.choice = replace(session.regions.choice, fills=("local_mean", "blur"), controls=0)
    answer = ask(session, MaskQuestion(session))
    change = answer.asked.change
    assert answer.class_name(change.before.top[0]) == ("crack" if model == "defects_leaky" else "pore")
    assert {answer.class_name(top) for top in change.after.top} == {after}
    assert change.flips.all() == (model == "defects_leaky")
    # the same numbers as the library's own call on the file
    signal = matxai.read(sample("pore_framed", "swapped_bar"))
    [bar] = found_artefacts(np.asarray(signal), signal.attrs)
    plain = perturb(matxai.load_model(model), signal, bar, fills=["local_mean", "blur"], controls=0)
    np.testing.assert_allclose(change.effects, plain[0].effects, rtol=1e-5)
    row = session.regions.layer.features.iloc[0]
    assert (row["target"], row["new_top"]) == (answer.class_name(change.target), after)
    assert row["effect"] == pytest.approx(plain[0].effect)
    assert row["share"] == pytest.approx(bar.share)
    assert row["kind"] == "info_bar"
    assert before is session.explanation


def test_the_new_map_lies_beside_the_old_one_in_the_same_colours(explained) -> None:
    session, before = explained
    viewer = session.presenter.viewer
    shapes_in_um(session, [[30, 80], [60, 110]])
    answer = ask(session, MaskQuestion(session))
    image, [old] = session.layer, [la for la, role in zip(viewer.layers, roles(session), strict=True) if role == "map"]
    changed, new = [la for la, role in zip(viewer.layers, roles(session), strict=True) if role == "changed"]
    assert tuple(new.contrast_limits) == tuple(old.contrast_limits)
    np.testing.assert_allclose(new.data, answer.asked.explanation["grad_cam"].values, rtol=1e-5)
    again = matxai.explain(
        answer.model, answer.asked.signal, methods=["grad_cam"], target=before.explanation["grad_cam"].attrs["class"]
    )
    np.testing.assert_allclose(new.data, again["grad_cam"].values, rtol=1e-4, atol=1e-6)
    # side by side: to the right, and at the same height; in its place: on the very same pixels
    comparison = session.presenter.comparison
    assert comparison.mode == "beside"
    assert changed.extent.world[0, 1] > image.extent.world[1, 1]
    np.testing.assert_allclose(changed.extent.world[:, 0], image.extent.world[:, 0])
    np.testing.assert_allclose(new.extent.world, changed.extent.world)
    comparison.choose("after")
    np.testing.assert_allclose(changed.extent.world, image.extent.world)
    np.testing.assert_allclose(new.extent.world, old.extent.world)
    assert viewer.layers.index(changed) > viewer.layers.index(old)
    assert (changed.visible, new.visible) == (True, True)
    comparison.choose("before")
    assert not changed.visible
    assert not new.visible
    assert image.visible
    assert old.visible
    comparison.choose("beside")
    assert changed.visible
    assert new.visible
    with pytest.raises(ValueError, match="before, after, beside"):
        comparison.choose("now")
    # asked once more, the layers are updated and not doubled
    count = len(viewer.layers)
    ask(session, MaskQuestion(session))
    assert len(viewer.layers) == count
    for la in list(viewer.layers)[1:]:
        if la is not old:
            viewer.layers.remove(la)


def test_several_regions_one_by_one_and_at_once(explained) -> None:
    session, _ = explained
    layer = shapes_in_um(session, [[30, 80], [60, 110]], [[100, 10], [130, 60]])
    layer.features = {"mine": ["a", "b"], "effect": ["the user's", "own"]}
    mean_the(session, layer, together=False)
    answer = ask(session, MaskQuestion(session))
    plain = perturb(
        answer.model, answer.signal, list(answer.masks.regions), target="pore", fills=["local_mean"], controls=0
    )
    table = layer.features
    assert list(table["mine"]) == ["a", "b"]
    assert list(table["effect"]) == ["the user's", "own"]
    np.testing.assert_allclose(table["effect (matxai)"].astype(float), [c.effect for c in plain.changes], rtol=1e-5)
    assert list(table["masked"]) == ["alone", "alone"]
    assert list(table["fills"]) == ["local_mean"] * 2
    assert table["area"].iloc[0] == pytest.approx(3.0 * 3.0)  # um2
    # only the second, at a later time: the first keeps its row
    first = table.iloc[0].to_dict()
    layer.selected_data = {1}
    mean_the(session, layer, together=True, selected=True)
    ask(session, MaskQuestion(session))
    np.testing.assert_equal(layer.features.iloc[0].to_dict(), first)
    # what is drawn next has no result of its own yet, and the user's column goes on as napari does it
    layer.add_rectangles(np.array([[0, 0], [2000, 2000]]))
    row = layer.features.iloc[2]
    assert np.isnan(row["share"])
    assert row["target"] == ""
    assert row["mine"] == "b"
    layer.selected_data = set()
    mean_the(session, layer, selected=False)
    answer = ask(session, MaskQuestion(session))
    assert set(layer.features["masked"]) == {"with 2 other(s)"}
    session.presenter.viewer.layers.remove(layer)


def test_labels_get_a_row_for_each_label(explained) -> None:
    session, _ = explained
    painted = np.zeros((160, 160), int)
    painted[30:60, 80:110] = 7
    painted[100:130, 10:60] = 3
    layer = session.presenter.viewer.add_labels(painted, scale=session.layer.scale, units=session.layer.units)
    mean_the(session, layer, together=False, selected=False)
    answer = ask(session, MaskQuestion(session))
    assert answer.masks.numbers == (3, 7)
    table = layer.features
    assert list(table["index"]) == [3, 7]
    assert table["effect"].tolist() == pytest.approx([c.effect for c in answer.asked.perturbation.changes])
    np.testing.assert_array_equal(layer.data, painted)
    layer.selected_label = 7
    mean_the(session, layer, selected=True, together=True)
    assert ask(session, MaskQuestion(session)).masks.numbers == (7,)
    session.presenter.viewer.layers.remove(layer)


def test_a_region_smaller_than_the_cell_is_told_while_it_is_drawn(explained) -> None:
    session, before = explained
    layer = shapes_in_um(session, [[50, 95], [54, 99]])
    found = Measuring(session).run()
    assert found.too_small
    assert found.text.startswith(
        "1 region: 0.16 µm²\nThe region measures 0.4 x 0.4 um (4 x 4 pixels), less than a cell"
    )
    ask(session, CellsQuestion(before))
    found = Measuring(session).run()
    assert not found.too_small
    assert found.text.endswith("A map of the layer 'stages.0' could; its cells are 4 x 4 pixels.")
    answer = ask(session, MaskQuestion(session))
    assert answer.asked.unresolved[0][0].finer == "stages.0"
    session.presenter.viewer.layers.remove(layer)


def test_layers_that_go_while_it_runs_lose_nothing() -> None:
    session = opened(sample("pore_black"))
    ask(session, ExplainQuestion(session))
    viewer = session.presenter.viewer
    layer = shapes_in_um(session, [[30, 80], [60, 110]])
    question = MaskQuestion(session)
    layer.data = []  # what was asked about was copied
    viewer.layers.clear()
    answer = ask(session, question)
    assert [r.area for r in answer.masks.regions] == [900]
    assert roles(session) == ["changed", "changed"]
    assert session.regions.last is answer


def test_without_a_map_the_answer_comes_all_the_same() -> None:
    session = opened(sample("pore_black"))
    shapes_in_um(session, [[30, 80], [60, 110]])
    answer = ask(session, MaskQuestion(session))
    assert answer.before is None
    assert answer.asked.explanation is None
    assert roles(session).count("changed") == 1


def test_of_a_stack_the_slice_in_view_is_masked() -> None:
    plane = matxai.read(sample("pore_black"))
    spacing = {"z": 2.0, **{d: float(plane[d][1] - plane[d][0]) for d in ("y", "x")}}
    stack = labelled(np.stack([plane.values] * 4), ("z", "y", "x"), spacing=spacing, units=dict.fromkeys("zyx", "um"))
    session = Session(ViewerModel())
    session.choose_model("defects")
    data, keywords, _ = image_layer(stack, "stack")
    session.choose_layer(session.presenter.viewer.add_image(data, **keywords))
    session.choose(Choice(methods=("grad_cam",)))
    viewer = session.presenter.viewer
    box = np.array([[4.0, 3.0, 8.0], [4.0, 3.0, 11.0], [4.0, 6.0, 11.0], [4.0, 6.0, 8.0]])
    mean_the(session, viewer.add_shapes([box], shape_type="polygon", units=("um",) * 3))
    viewer.dims.set_point(0, 6.0)
    with pytest.raises(RegionError, match="or on other slices"):
        ask(session, MaskQuestion(session))
    viewer.dims.set_point(0, 4.0)
    ask(session, ExplainQuestion(session))
    answer = ask(session, MaskQuestion(session))
    assert answer.step == (2,)
    assert answer.masks.regions[0].area == 900
    changed = next(la for la, role in zip(viewer.layers, roles(session), strict=True) if role == "changed")
    assert changed.data.shape == (1, 160, 160)
    assert changed.translate[0] == pytest.approx(4.0)


@pytest.mark.parametrize("extent", [Extent("stack"), Extent("range", 1, 2)])
def test_a_slice_of_an_explained_stack_is_masked_beside_the_map_that_it_has_there(extent, tmp_path, capsys) -> None:
    planes = [matxai.read(sample(stem)).values for stem in ("pore_black", "crack_plain", "pore_black")]
    stack = labelled(np.stack(planes), ("z", "y", "x"), spacing=dict.fromkeys("zyx", 1.0))
    session = Session(ViewerModel())
    session.choose_model("defects")
    data, keywords, _ = image_layer(stack, "stack")
    session.choose_layer(session.presenter.viewer.add_image(data, **keywords))
    session.choose(Choice(methods=("grad_cam",), extent=extent))
    viewer = session.presenter.viewer
    whole = ask(session, ExplainQuestion(session))
    box = np.array([[1.0, 30, 80], [1.0, 30, 85], [1.0, 60, 85], [1.0, 60, 80]])
    mean_the(session, viewer.add_shapes([box], shape_type="polygon"))
    viewer.dims.set_point(0, 1.0)
    session.regions.know_cells(whole, CellsQuestion(whole).run(lambda *_: None, threading.Event()))
    assert "this map cannot resolve it" in Measuring(session).run().text
    answer = ask(session, MaskQuestion(session))
    assert answer.before.explanation.grad_cam.dims == ("y", "x")
    model = matxai.load_model("defects")
    plane = matxai.explain(model, stack.isel(z=1, drop=True), methods=["grad_cam"])
    np.testing.assert_allclose(answer.before.explanation.grad_cam, plane.grad_cam, atol=1e-6)
    assert answer.class_name(answer.asked.change.target) == plane.grad_cam.attrs["class"]
    new = [la for la in viewer.layers if "variable" in ours(la) and key_of(la).role == "changed"]
    assert [la.data.shape for la in new] == [(1, 160, 160)]
    np.testing.assert_allclose(new[0].data[0], answer.asked.explanation.grad_cam, atol=1e-6)
    # the script takes the same slice out of the same stack
    write_script(session.journal.entries, tmp_path / "again.py")
    names = runpy.run_path(str(tmp_path / "again.py"))
    assert names["again"].change.sentence == answer.asked.change.sentence
    np.testing.assert_allclose(names["masked"].grad_cam, answer.asked.explanation.grad_cam, atol=1e-6)
    if extent.what == "range":  # a slice that was not explained has no map that a new one could lie beside
        viewer.dims.set_point(0, 0.0)
        assert MaskQuestion(session)._fitting(answer.model, stack.isel(z=0, drop=True), (0,)) is None


def test_what_cannot_be_asked_is_a_sentence() -> None:
    session = opened(sample("pore_black"))
    with pytest.raises(MatxaiError, match="Draw a region on the image"):
        MaskQuestion(session)
    layer = shapes_in_um(session)
    with pytest.raises(RegionError, match="holds no region that is meant here"):
        ask(session, MaskQuestion(session))
    session.regions.choice = replace(session.regions.choice, fills=())
    with pytest.raises(MatxaiError, match="Tick at least one fill"):
        MaskQuestion(session)
    session.presenter.viewer.layers.remove(layer)
    with pytest.raises(MatxaiError, match="Draw a region on the image"):
        MaskQuestion(session)
    session.presenter.viewer.layers.clear()
    with pytest.raises(MatxaiError, match="Open an image first"):
        MaskQuestion(session)
    with pytest.raises(MatxaiError, match="Open an image first"):
        SuggestQuestion(session, Search())


def test_the_session_as_a_script_gives_the_same_numbers(tmp_path, capsys) -> None:
    session = opened(sample("pore_black"))
    before = ask(session, ExplainQuestion(session))
    ask(session, SuggestQuestion(session, Search("map_top", share=0.1)))
    ask(session, SuggestQuestion(session, Search("image_objects", dark=True, least=60)))
    shapes_in_um(session, [[30, 80], [60, 110]])
    answer = ask(session, MaskQuestion(session))
    script = write_script(session.journal.entries, tmp_path / "s.py")
    known = runpy.run_path(str(script.path))
    np.testing.assert_allclose(known["again"].change.effects, answer.asked.change.effects, rtol=1e-5)
    assert answer.asked.change.sentence in capsys.readouterr().out
    np.testing.assert_array_equal(known["regions"][0].mask, answer.masks.regions[0].mask)
    saved = [matxai.load(p) for p in sorted((tmp_path / "s_results").iterdir())]
    np.testing.assert_allclose(saved[0]["grad_cam"], before.explanation["grad_cam"], rtol=1e-5)
    np.testing.assert_allclose(saved[1]["grad_cam"], answer.asked.explanation["grad_cam"], rtol=1e-4, atol=1e-6)


def test_a_class_against_another_is_masked_with_the_options_of_its_map(tmp_path) -> None:
    session = opened(sample("pore_black"))
    session.choose(Choice(("grad_cam",), Against("inclusion", "crack"), options=Options(relu=False, seed=5)))
    ask(session, ExplainQuestion(session))
    shapes_in_um(session, [[30, 80], [60, 110]])
    answer = ask(session, MaskQuestion(session))
    assert answer.class_name(answer.asked.change.target) == "inclusion"
    assert answer.asked.explanation["grad_cam"].attrs["class"] == "inclusion against crack"
    assert float(answer.asked.explanation["grad_cam"].min()) < 0  # signed, as before
    script = write_script(session.journal.entries, tmp_path / "s.py").path.read_text()
    assert "score='inclusion'" in script
    assert "relu=False" in script
    assert "seed=5" in script


def test_a_colour_image_is_masked_in_colour() -> None:
    grey = np.asarray(matxai.read(sample("pore_black")))
    values = np.stack([grey, grey // 2, grey], axis=-1)
    spacing = {"y": 0.1, "x": 0.1}
    session = Session(ViewerModel())
    session.choose_model("defects")
    data, keywords, _ = image_layer(
        labelled(values, ("y", "x", "c"), spacing=spacing, units=dict.fromkeys("yx", "um")), "colour"
    )
    session.choose_layer(session.presenter.viewer.add_image(data, **keywords))
    shapes_in_um(session, [[30, 80], [60, 110]])
    answer = ask(session, MaskQuestion(session))
    assert answer.masks.regions[0].area == 900
    changed = next(la for la, role in zip(session.presenter.viewer.layers, roles(session), strict=True) if role)
    assert changed.rgb
    assert changed.data.shape == (160, 160, 3)
    inside = answer.masks.regions[0].mask
    np.testing.assert_array_equal(np.asarray(changed.data)[~inside], values[~inside])


# -- suggestions -------------------------------------------------------------------------------------------------------


def test_what_is_found_arrives_as_labels_that_lie_on_it(explained) -> None:
    session, _ = explained
    answer = ask(session, SuggestQuestion(session, Search()))
    layer = session.regions.layer
    assert answer.sentence == "Found: info bar."
    assert answer.missing.startswith("Not found: aperture, border")
    assert list(layer.features.columns[:5]) == ["index", "kind", "source", "confidence", "evidence"]
    assert layer.features["kind"].tolist() == ["info_bar"]
    assert layer.features["evidence"].tolist() == ["first row 140; last row 159"]
    np.testing.assert_array_equal(layer.data != 0, np.arange(160)[:, None] >= 140 + np.zeros(160))
    np.testing.assert_allclose(layer.extent.world, session.layer.extent.world)
    assert layer.units == session.layer.units
    # asked again, nothing doubles and results stay
    layer.features = layer.features.assign(effect=[1.5])
    ask(session, SuggestQuestion(session, Search()))
    assert session.regions.layer is layer
    assert layer.features["effect"].tolist() == [1.5]
    # what the user painted is theirs: it stays, and the suggestion comes beside it
    layer.data[:10] = 1
    ask(session, SuggestQuestion(session, Search()))
    assert session.regions.layer is not layer
    assert layer in session.presenter.viewer.layers
    assert (layer.data[:10] == 1).all()
    for one in (layer, session.regions.layer):
        session.presenter.viewer.layers.remove(one)


def test_the_map_and_the_image_suggest_regions_too(explained) -> None:
    session, before = explained
    values = before.explanation["grad_cam"].values
    top = ask(session, SuggestQuestion(session, Search("map_top", share=0.1))).regions[0]
    assert top.share == pytest.approx(0.1, abs=0.001)
    assert np.nanmean(values[top.mask]) > 3 * np.nanmean(values[~top.mask])
    pieces = ask(session, SuggestQuestion(session, Search("map_objects", least=30)))
    assert all(region.area >= 30 for region in pieces.regions)
    dark = ask(session, SuggestQuestion(session, Search("image_objects", dark=True, least=60)))
    assert not any(region.mask[140:].any() for region in dark.regions)  # the info bar is no object
    image = np.asarray(session.layer.data)
    level = dark.regions[0].evidence["threshold"]
    assert all(image[region.mask].max() < level < image[:140].mean() for region in dark.regions)
    assert "darker than Otsu's threshold" in dark.sentence
    labels = [la for la, role in zip(session.presenter.viewer.layers, roles(session), strict=True) if role == "region"]
    assert len(labels) == 3
    for one in labels:
        session.presenter.viewer.layers.remove(one)


def test_a_map_is_asked_for_before_its_top() -> None:
    session = opened(sample("pore_black"))
    with pytest.raises(MatxaiError, match="There is no map of this image yet"):
        SuggestQuestion(session, Search("map_top"))

"""Spectra without a window: what is drawn, asked and masked, against the library's own calls."""

from __future__ import annotations

import runpy
import threading
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("napari", reason="the plugin's tests need napari")

from napari.components import ViewerModel
from napari_matxai.session.curves.again import AskAgain
from napari_matxai.session.curves.asking import ExplainCurves
from napari_matxai.session.curves.cursor import readout
from napari_matxai.session.curves.drawn import along, drawn
from napari_matxai.session.curves.intervals import Interval, mask_of, suggested
from napari_matxai.session.curves.lines import lines_for, marks_of, sticks_of
from napari_matxai.session.curves.loops import loop_of
from napari_matxai.session.curves.spectrum import Spectrum
from napari_matxai.session.sessions import session_of

import matxai
from matxai.errors import ExplanationError, MatxaiError, RegionError, SignalError
from matxai.modelcard.finding import shipped_paths
from matxai.signals import labelled

CU = 1.54056


def ask(session, question):
    answer = question.run(lambda *_: None, threading.Event())
    question.show(session, answer)
    return answer


@pytest.fixture
def session():
    return session_of(ViewerModel())


@pytest.fixture(scope="module")
def pattern() -> Path:
    return shipped_paths()["phases"] / "reference_input.xy"


@pytest.fixture
def opened(session, pattern) -> Spectrum:
    session.curves.ask(model="phases")
    return session.curves.add(Spectrum(matxai.read(pattern), pattern.name, str(pattern)))


@pytest.fixture(scope="module")
def by_hand(pattern):
    model = matxai.load_model("phases")
    signal = matxai.read(pattern)
    return model, signal, matxai.explain(model, signal, methods=["lrp", "grad_cam", "input_x_gradient"])


def test_what_is_drawn_are_the_maps_of_the_library(session, opened, by_hand) -> None:
    ask(session, ExplainCurves(session))
    _, signal, result = by_hand
    shown = drawn(opened, [], session.curves.look)
    np.testing.assert_array_equal(shown.lanes[0].heights, signal.values)
    np.testing.assert_array_equal(shown.along.places, signal.two_theta.values)
    assert [s.name for s in shown.strips] == ["LRP", "Grad-CAM", "Input × gradient"]
    for strip, name in zip(shown.strips, ("lrp", "grad_cam", "input_x_gradient"), strict=True):
        np.testing.assert_allclose(strip.values, result[name].values, rtol=1e-4, atol=1e-7)
        assert strip.limits[1] == pytest.approx(np.nanmax(np.abs(result[name].values)), rel=1e-4)
        assert (strip.limits[0] == -strip.limits[1]) == bool(result[name].attrs["signed"])
    np.testing.assert_array_equal(shown.lanes[0].values, shown.strips[0].values)
    session.curves.draw(method="grad_cam")
    assert drawn(opened, [], session.curves.look).method == "Grad-CAM"


def test_along_another_axis_the_map_moves_along(session, opened) -> None:
    ask(session, ExplainCurves(session))
    session.curves.draw(axis="d_spacing")
    shown = drawn(opened, [], session.curves.look)
    bragg = CU / (2 * np.sin(np.radians(opened.signal.two_theta.values) / 2))
    np.testing.assert_allclose(shown.along.places, bragg, rtol=1e-9)
    assert shown.along.label == "d (Å)"
    top = int(np.nanargmax(shown.strips[0].values))
    assert shown.strips[0].places[top] == pytest.approx(bragg[top])
    sticks = sticks_of(lines_for("TiO2 (anatase)", opened), shown.along, None)
    first = sticks.labels.index("1 0 1")
    assert sticks.places[first] == pytest.approx(3.516, abs=0.02)


def test_a_file_that_does_not_name_its_axis_asks_and_a_hint_is_not_used(session, tmp_path) -> None:
    path = tmp_path / "steel_xrd_2theta.xy"
    axis = np.arange(20.0, 60.0, 0.02)
    np.savetxt(path, np.stack([axis, np.random.default_rng(0).poisson(50, axis.size)], axis=1))
    spectrum = session.curves.add(Spectrum(matxai.read(path), path.name, str(path)))
    session.curves.ask(model="phases")
    assert spectrum.dim == "axis"
    assert session.curves.why_not() == "Say first what the axis is: the file does not tell."
    session.curves.say_axis(spectrum, "two_theta")
    assert spectrum.dim == "two_theta"
    assert spectrum.signal.two_theta.attrs["units"] == "degree"
    with pytest.raises(ExplanationError, match="wavelength"):
        along(spectrum, "q")
    session.curves.say_wavelength(spectrum, CU)
    np.testing.assert_allclose(along(spectrum, "q").places[0], 4 * np.pi * np.sin(np.radians(10)) / CU)
    with pytest.raises(SignalError, match=r"was measured at 1\.54056 angstrom"):
        session.curves.say_wavelength(spectrum, 0.7)
    assert session.curves.why_not() == ""


def test_a_zone_is_its_points_and_masking_it_is_the_librarys_perturbation(session, opened, by_hand) -> None:
    from matxai.checks.perturbation import filled_signal
    from matxai.checks.perturbing import perturb

    places = opened.signal.two_theta.values
    session.curves.cut(opened, (Interval(24.5, 26.5), Interval(40.0, 41.0, chosen=False)))
    question = AskAgain(session)
    np.testing.assert_array_equal(np.flatnonzero(question.mask), np.flatnonzero((places >= 24.5) & (places <= 26.5)))
    ask(session, question)
    model, signal, _ = by_hand
    said = perturb(model, signal, question.mask, controls=19).changes[0]
    again = opened.again
    np.testing.assert_allclose(again.change.after.scores, said.after.scores, rtol=1e-4, atol=1e-5)
    for k, row in enumerate(again.rows):
        assert row.name == model.classes[k]
        assert row.after == pytest.approx(said.after.scores[said.counted][:, k].mean(), rel=1e-4)
    filled = filled_signal(signal, question.mask, again.fill)
    np.testing.assert_array_equal(again.filled.values, filled.values)
    assert (filled.values[~question.mask] == signal.values[~question.mask]).all()
    shown = drawn(opened, [], session.curves.look)
    assert [s.name for s in shown.strips][:2] == ["LRP", "LRP, zones masked"]
    assert shown.strips[0].limits == shown.strips[1].limits
    assert "zones" in session.journal.entries[-1].arrays


def test_zones_that_hold_no_point_or_all_are_refused_in_a_sentence(opened) -> None:
    with pytest.raises(RegionError, match=r"No point of reference_input.xy lies in 90 to 91; it runs from 10 to 80."):
        mask_of(opened, [Interval(90, 91)])
    with pytest.raises(RegionError, match="cover all 3501 points"):
        mask_of(opened, [Interval(0, 100)])
    with pytest.raises(RegionError, match="There is no zone to mask"):
        mask_of(opened, [])


def test_suggested_zones_are_those_of_the_library(opened) -> None:
    from matxai.regions import divided

    cut = divided(opened.signal.values, opened.signal.two_theta.values, dim="two_theta")
    found = suggested(opened)
    assert [i.name for i in found] == cut.names()[: len(found)] or len(found) == 40
    assert not any(i.chosen for i in found)


def test_lines_tell_expected_from_ignored(session, opened) -> None:
    session.curves.refer(("TiO2 (anatase)",))
    ask(session, ExplainCurves(session))
    table = opened.explained.table
    here = along(opened)
    sticks = sticks_of(lines_for("TiO2 (anatase)", opened), here, table)
    said = {e.label: e.answer for e in table.expected}
    assert said
    assert {label: a for label, a in zip(sticks.labels, sticks.answers, strict=True) if a} == said
    marks = marks_of(table, here, here)
    assert {m.text.partition(":")[0] for m in marks} == {z.name for z in table.relevant if z.assignment}
    line = next(e for e in table.expected if e.answer == "relevant")
    shown = drawn(opened, [], session.curves.look)
    said = readout(opened, shown, (sticks,), line.position)
    assert said.startswith("2θ = ")
    assert "°" in said
    assert "TiO2 (anatase)" in said
    assert "LRP" in said


def test_spectra_stand_above_each_other_and_what_lies_on_another_axis_is_named(session, opened) -> None:
    other = session.curves.add(Spectrum(opened.signal * 3, "thrice"))
    raman = labelled(np.ones(50), ("raman_shift",), coords={"raman_shift": np.arange(50.0)})
    session.curves.add(Spectrum(raman, "raman"))
    session.curves.choose(other)
    session.curves.draw(normalised=True, offset=1.0)
    shown = drawn(other, session.curves.others, session.curves.look)
    assert [lane.name for lane in shown.lanes] == ["thrice", opened.name]
    np.testing.assert_allclose(shown.lanes[1].heights - shown.lanes[0].heights, 1.0, atol=1e-9)
    assert shown.note == "raman lies along another kind of axis and is not drawn here."
    session.curves.draw(normalised=False, offset=0.0, intensity="log")
    heights = drawn(other, [], session.curves.look).lanes[0].heights
    np.testing.assert_allclose(heights, np.log10(other.signal.values))


def test_a_loop_is_coloured_along_its_course(tmp_path) -> None:
    turn = np.linspace(0, 2 * np.pi, 200)
    field, density = 1000 * np.sin(turn), 1.2 * np.sin(turn - 0.4)
    path = tmp_path / "loop.csv"
    rows = np.stack([turn, field, density], axis=1)
    np.savetxt(path, rows, delimiter=",", header="t (s),H (A/m),B (T)", comments="")
    spectrum = Spectrum(matxai.read(path), path.name, str(path))
    loop = loop_of(spectrum)
    np.testing.assert_allclose(loop.field, field)
    np.testing.assert_allclose(loop.values, density)
    assert (loop.x_label, loop.y_label) == ("H (A/m)", "B (T)")


@pytest.mark.parametrize(
    ("file", "label", "to", "there"),
    [
        ("raw_xrd_xps/xps/MgFe2O4_small.xy", "binding energy (eV)", "kinetic_energy", "kinetic energy (eV)"),
        ("raw_xrd_xps/xrd/TwoTheta_scan_powder.rasx", "2θ (°)", "q", "q (Å⁻¹)"),
        (
            "raman_charisma/ICV_BW785/sCAL02_iRPlus785_Z100_100_9500ms.txt",
            "Raman shift (cm⁻¹)",
            "wavelength",
            "wavelength (nm)",
        ),
    ],
)
def test_real_files_are_drawn_along_their_axis_and_along_another(session, data_dir, file, label, to, there) -> None:
    path = data_dir / file
    spectrum = session.curves.add(Spectrum(matxai.read(path, item=0), path.name, str(path)))
    shown = drawn(spectrum, [], session.curves.look)
    assert shown.along.label == label
    np.testing.assert_array_equal(shown.lanes[0].heights, spectrum.signal.values)
    assert shown.along.descends == (to == "kinetic_energy")
    session.curves.draw(axis=to)
    moved = drawn(spectrum, [], session.curves.look)
    assert moved.along.label == there
    whole = matxai.convert_axis(spectrum.signal, to, density=False)
    np.testing.assert_allclose(np.sort(moved.along.places[np.isfinite(moved.along.places)]), whole[to].values)


def test_a_real_current_is_a_loop_over_its_field(session, data_dir, tmp_path) -> None:
    field = np.loadtxt(data_dir / "magnet_loops" / "transformer_meas.csv", max_rows=1)
    density = 0.1 * np.sin(2 * np.pi * np.arange(field.size) / field.size)  # the set holds H alone; B is put beside it
    path = tmp_path / "ferrite.csv"
    np.savetxt(path, np.stack([field, density], axis=1), delimiter=",", header="H (A/m),B (T)", comments="")
    spectrum = session.curves.add(Spectrum(matxai.read(path), path.name, str(path)))
    assert spectrum.dim == "axis"
    shown = drawn(spectrum, [], session.curves.look)
    np.testing.assert_allclose(shown.lanes[0].places, field)
    np.testing.assert_allclose(shown.lanes[0].heights, density)
    assert shown.loop.x_label == "H (A/m)"
    said = readout(spectrum, shown, (), float(field[40]), float(density[40]))
    assert said.startswith(f"H = {field[40]:.5g}")
    session.curves.draw(loop=False)
    assert len(drawn(spectrum, [], session.curves.look).lanes) == 2


def test_a_loops_colour_is_the_sum_over_its_channels(session) -> None:
    from torch import nn

    turn = np.linspace(0, 2 * np.pi, 64)
    values = np.stack([1000 * np.sin(turn), 1.2 * np.sin(turn - 0.4)], axis=1)
    signal = labelled(values, ("time", "c"), coords={"time": turn, "c": np.array(["H", "B"])}, units={"time": "s"})
    signal = signal.assign_coords(field=("time", values[:, 0], {"units": "A/m"}))
    net = nn.Sequential(nn.Flatten(), nn.Linear(128, 2))
    model = matxai.load_model(net, kind="1d", channels=2, classes=["soft", "hard"], scale="none")
    session.models._loaded[("steel", *session.models._where)] = model
    spectrum = session.curves.add(Spectrum(signal, "loop"))
    session.curves.ask(model="steel", methods=("input_x_gradient",), target="hard")
    ask(session, ExplainCurves(session))
    shown = drawn(spectrum, [], session.curves.look)
    weights = net[1].weight.detach().numpy()[1].reshape(2, 64)
    expected = (weights * values.T).sum(axis=0)
    np.testing.assert_allclose(shown.lanes[0].values, expected, rtol=1e-4, atol=1e-4)
    assert shown.method == "Input × gradient, sum over 2 channels"


def test_the_script_of_a_session_with_spectra_gives_the_same_numbers(session, opened, tmp_path, capsys) -> None:
    from napari_matxai.session.script import write_script

    session.curves.cut(opened, (Interval(24.5, 26.5),))
    session.curves.ask(methods=("lrp",))
    ask(session, AskAgain(session))
    script = tmp_path / "session.py"
    write_script(session.journal.entries, script)
    runpy.run_path(str(script))
    assert opened.again.change.sentence in capsys.readouterr().out
    saved = [matxai.load(p) for p in sorted(tmp_path.rglob("*.nc"))]
    maps = [ds["lrp"].values for ds in saved]
    wanted = (opened.explained.explanation["lrp"].values, opened.again.explanation["lrp"].values)
    assert len(maps) == 2
    assert all(any(np.allclose(w, m, rtol=1e-4, atol=1e-6) for m in maps) for w in wanted)


@pytest.mark.parametrize(
    ("signal", "sentence"),
    [
        (labelled(np.full(20, np.nan), ("energy",)), "x holds no finite value; every point of it is NaN or Inf."),
        (labelled(np.ones(20, complex), ("energy",)), "complex numbers"),
        (labelled(np.ones((4, 20)), ("y", "energy")), "is no single spectrum"),
    ],
)
def test_what_is_no_spectrum_is_refused_in_a_sentence(signal, sentence) -> None:
    with pytest.raises(SignalError, match=sentence):
        Spectrum(signal, "x")


def test_gaps_are_drawn_as_gaps_and_the_model_says_why_not(session, opened) -> None:
    broken = opened.signal.copy()
    broken.values[100:110] = np.nan
    spectrum = session.curves.add(Spectrum(broken, "broken"))
    shown = drawn(spectrum, [], session.curves.look)
    assert np.isnan(shown.lanes[0].heights[100:110]).all()
    assert "10 points are NaN or Inf" in shown.note
    with pytest.raises(MatxaiError, match="NaN or Inf"):
        ask(session, ExplainCurves(session))
    assert spectrum.explained is None


def test_an_answer_to_what_is_no_longer_there_is_dropped(session, opened) -> None:
    question = ExplainCurves(session)
    answer = question.run(lambda *_: None, threading.Event())
    session.curves._replace(opened, opened.signal.copy())
    question.show(session, answer)
    assert opened.explained is None
    assert not session.journal.entries


# -- layers of spectra -------------------------------------------------------------------------------------------------


@pytest.fixture
def cube(session, by_hand):
    """A spectrum image of 3 x 4 pixels whose spectra differ by a factor, on a layer in nanometres."""
    from napari_matxai.layers.images import image_layer

    _, signal, _ = by_hand
    factors = 1 + np.arange(12.0).reshape(3, 4)
    values = signal.values[:, None, None] * factors
    made = labelled(
        values,
        ("two_theta", "y", "x"),
        coords={"two_theta": signal.two_theta.values, "y": 100 + 5 * np.arange(3.0), "x": 5 * np.arange(4.0)},
        units={"two_theta": "degree", "y": "nm", "x": "nm"},
        attrs={"wavelength": CU},
    )
    return session.presenter.add(image_layer(made, "map")), made


@pytest.mark.parametrize("unit", ["nm", "um"])
def test_a_click_gives_the_spectrum_of_the_pixel_in_world_coordinates(session, cube, unit) -> None:
    from napari_matxai.session.curves.picking import picked_at

    layer, made = cube
    if unit == "um":  # another layer makes nanometres of the viewer's own unit; the cube is given in micrometres
        layer.units = ("degree", "um", "um")
        layer.scale = (layer.scale[0], 0.005, 0.005)
        layer.translate = (layer.translate[0], 0.1, 0.0)
        session.presenter.viewer.add_image(
            np.zeros((3501, 2, 2)),
            units=("degree", "nm", "nm"),
            axis_labels=("two_theta", "y", "x"),
            scale=(0.02, 1, 1),
        )
        session.presenter.viewer.layers[-1].visible = False
    found = picked_at(session.presenter, (20.0, 110.0, 15.2))
    assert found is not None
    assert found.at == {"y": 2, "x": 3}
    spectrum = found.spectrum()
    np.testing.assert_array_equal(spectrum.signal.values, made.values[:, 2, 3])
    assert spectrum.dim == "two_theta"
    assert spectrum.signal.attrs["wavelength"] == CU
    assert picked_at(session.presenter, (20.0, 99.0 + 25, 15.0)) is None


def test_another_pixel_takes_the_place_of_the_last_and_keeps_its_zones(session, cube) -> None:
    from napari_matxai.session.curves.picking import open_picked, picked_at, slice_in_view

    layer, _ = cube
    session.curves.ask(model="phases")
    first = open_picked(session, picked_at(session.presenter, (20, 100, 0)).spectrum())
    session.curves.cut(first, (Interval(24.5, 26.5),))
    second = open_picked(session, picked_at(session.presenter, (20, 105, 5)).spectrum())
    assert session.curves.spectra == [second]
    assert second.intervals == first.intervals
    session.presenter.viewer.dims.set_point(0, 25.0)
    assert slice_in_view(session.presenter, layer) == 750


def test_the_maps_of_a_set_lie_on_its_layer_and_are_those_of_each_spectrum(session, by_hand) -> None:
    from napari_matxai.layers.images import image_layer
    from napari_matxai.session.curves.picking import open_picked, picked_at
    from napari_matxai.session.curves.whole import ExplainSet

    model, signal, result = by_hand
    values = np.stack([signal.values, 3 * signal.values, np.roll(signal.values, 40)])
    made = labelled(
        values,
        ("sample", "two_theta"),
        coords={"sample": np.array(["a", "b", "c"]), "two_theta": signal.two_theta.values},
        units={"two_theta": "degree"},
        attrs={"wavelength": CU},
    )
    layer = session.presenter.add(image_layer(made, "three"))
    session.curves.ask(model="phases", methods=("lrp",))
    ask(session, ExplainSet(session))
    overlay = session.presenter.viewer.layers[-1]
    assert overlay.data.shape == values.shape
    np.testing.assert_allclose(overlay.extent.world, layer.extent.world)
    np.testing.assert_allclose(overlay.data[0], result["lrp"].values, rtol=1e-4, atol=1e-7)
    third = matxai.explain(model, made.isel(sample=2).drop_vars("sample"), methods=["lrp"])
    np.testing.assert_allclose(overlay.data[2], third["lrp"].values, rtol=1e-4, atol=1e-7)
    world = layer.data_to_world((2, 100))
    spectrum = open_picked(session, picked_at(session.presenter, world).spectrum())
    assert spectrum.name == "c"
    strip = drawn(spectrum, [], session.curves.look).strips[0]
    np.testing.assert_array_equal(strip.values, overlay.data[2])
    again = ask(session, ExplainSet(session))
    assert sum("lrp" in la.name for la in session.presenter.viewer.layers) == 1
    assert again[0].explanation.sizes["sample"] == 3


def test_a_set_of_spectra_has_no_scale_bar(session) -> None:
    from napari_matxai.layers.images import image_layer

    made = labelled(
        np.ones((3, 50)),
        ("sample", "energy"),
        coords={"sample": np.array(["a", "b", "c"]), "energy": 700 + np.arange(50.0)},
        units={"energy": "eV"},
    )
    session.presenter.add(image_layer(made, "set"))
    viewer = session.presenter.viewer
    bar = viewer.canvas.overlays.scale_bar if hasattr(viewer, "canvas") else viewer.scale_bar
    assert not bar.visible

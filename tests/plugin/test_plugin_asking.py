"""What may be asked of a model, without a window: looks, targets, stacks, what it sees, live maps, kept answers."""

from __future__ import annotations

import gc
import importlib.metadata
import threading

import numpy as np
import pytest

pytest.importorskip("napari", reason="the plugin's tests need napari")
from napari.components import ViewerModel
from napari_matxai import versions
from napari_matxai.layers.images import image_layer
from napari_matxai.session.choice import Choice, Extent, Options
from napari_matxai.session.explaining import ExplainQuestion
from napari_matxai.session.kept import KeptMaps
from napari_matxai.session.live import Live, LiveQuestion
from napari_matxai.session.looking import LoadQuestion, LookQuestion
from napari_matxai.session.method_groups import applies, groups, with_variants
from napari_matxai.session.model_facts import facts_of_card, facts_of_model
from napari_matxai.session.quiet import quiet
from napari_matxai.session.results import result_text, sanity_text
from napari_matxai.session.script import write_script
from napari_matxai.session.seeing import SeenQuestion
from napari_matxai.session.session import Session
from napari_matxai.session.targets import Against, OverRegion
from napari_matxai.settings import Settings

import matxai
from matxai.errors import MatxaiError, RegionError, SignalError
from matxai.explanation import explain_stack, over, provenance
from matxai.methods.method import methods
from matxai.signals import labelled

SETTINGS = Settings(device="cpu")


def plane(stem="pore_black"):
    samples = importlib.metadata.entry_points(group="matxai.samples")["matxai"].load()()
    return matxai.read(next(p for p in samples["defects"].paths if p.stem == stem))


def stacked(*stems):
    one = [plane(s) for s in stems]
    units = one[0].y.attrs["units"]
    step = float(one[0].y[1] - one[0].y[0])
    return labelled(
        np.stack([p.values for p in one]),
        ("z", "y", "x"),
        spacing={"z": 2.0, "y": step, "x": step},
        units=dict.fromkeys("zyx", units),
        origin={"z": 5.0},
    )


def session_with(signal, model="defects", name="image", viewer=None):
    session = Session(viewer or ViewerModel(), SETTINGS)
    session.choose_layer(session.presenter.add(image_layer(signal, name)))
    session.choose_model(model)
    return session


def ask(question, session, cancel=None):
    answer = question.run(lambda *_: None, cancel or threading.Event())
    question.show(session, answer)
    return answer


@pytest.fixture(scope="module")
def stack():
    return stacked("pore_black", "crack_plain", "pore_black")


# -- models ----------------------------------------------------------------------------------------------------------


def test_a_shipped_models_facts_come_from_its_card_and_from_the_model_once_it_is_loaded():
    session = session_with(plane())
    rows = dict(session.facts())
    assert rows["answers"] == "classification: crack, inclusion, pore"
    assert rows["takes"] == "images, 1 channel, resized to 160 x 160"
    assert session.model is None
    model = ask(LoadQuestion(session, "defects"), session)
    after = dict(facts_of_model(model))
    assert dict(session.facts()) == after
    for found in (rows, after):  # a hash and a device are there before it is loaded
        assert found["runs on"] == "cpu, float32"
        assert found["weights"] == f"sha256 {model.sha256[:12]}"
    for name in session.models.known():
        assert len(session.models.sha256(name)) == 64
    assert dict(facts_of_card(session.card, device="auto", precision="float32"))["runs on"] == (
        "the GPU where there is one, else cpu, float32"
    )


def test_weights_without_their_network_are_loaded_once_it_is_named(tmp_path):
    from safetensors.torch import save_file

    shipped = matxai.load_model("defects")
    save_file(shipped.module.state_dict(), tmp_path / "net.safetensors")
    session = session_with(plane())
    source = str(tmp_path / "net.safetensors")
    assert session.models.needs_architecture(source)
    assert not session.models.needs_architecture("defects")
    session.choose_model(source)
    with pytest.raises(MatxaiError, match="name it"):
        session.models.load(source)
    session.models.name_architecture(source, "matxai:defect_resnet")
    model = session.models.load(source)
    assert (model.channels, len(model.classes)) == (1, 3)
    answer = ask(ExplainQuestion(session), session)
    assert answer.about["model"]["architecture"] == "matxai:defect_resnet"
    assert ("arch", "matxai:defect_resnet") in session.journal.entries[-1].opened.options


def test_a_look_gives_every_classs_score_and_the_tree_of_layers():
    session, told = session_with(plane()), []
    session.looked.connect(lambda: told.append(session.look))
    look = ask(LookQuestion(session), session)
    assert told == [look]
    assert look.prediction.scores[0]["class"] == "pore"
    assert len(look.prediction.scores) == 3
    rows = {r.name: r for r in look.rows}
    assert look.defaults == ("stages",)
    assert rows["stages"].spatial
    assert not rows["head"].spatial
    assert rows["stem"].shape == (12, 80, 80)
    session.choose_model("cracks")
    assert session.look is None  # it was said by another model


def test_an_image_that_does_not_fit_or_is_doubtful_is_said_in_a_sentence():
    dark = labelled(np.random.default_rng(0).integers(0, 900, (64, 64)).astype(np.uint16), ("y", "x"))
    session = session_with(dark)
    look = ask(LookQuestion(session), session)
    assert any("of its range" in d for d in look.doubts)
    line = labelled(np.zeros(40), ("energy",))
    session.choose_layer(session.presenter.viewer.add_image(np.zeros((1, 40))))
    session.choose_model("phases")
    assert ask(LookQuestion(session), session).prediction is None or line is not None


def test_methods_stand_in_groups_and_say_where_they_do_not_apply():
    found = groups()
    assert sorted(n for names in found.values() for n in names) == sorted(methods)
    assert "grad_cam" in found["Where in a layer"]
    assert "lrp" in found["Which pixels"]
    assert "occlusion" in found["By trying changes"]
    session = session_with(plane(), "cracks")
    assert "segmentation" in applies("cam", session.card)
    assert applies("lrp", session.card) == ""
    named = with_variants(("lrp", "integrated_gradients", "multilayer_grad_cam"), baseline="mean", rule="epsilon")
    assert named == ("lrp:epsilon", "integrated_gradients:mean", "multilayer_grad_cam")


# -- targets ---------------------------------------------------------------------------------------------------------


def test_one_class_against_another_is_the_librarys_contrast():
    session = session_with(plane())
    session.choose(Choice(("input_x_gradient",), Against("pore", "crack")))
    answer = ask(ExplainQuestion(session), session)
    contrast = matxai.targets.contrast("pore", "crack")
    expected = matxai.explain(matxai.load_model("defects"), plane(), ["input_x_gradient"], target=contrast)
    np.testing.assert_allclose(
        answer.explanation["input_x_gradient"].values, expected["input_x_gradient"].values, rtol=1e-4, atol=1e-7
    )
    assert "matxai.targets.contrast('pore', 'crack')" in session.journal.entries[-1].python[0]


def test_a_class_over_what_was_drawn_is_explained_there(tmp_path):
    signal = plane("crack_plain")
    session = session_with(signal, "cracks")
    viewer, image = session.presenter.viewer, session.layer
    step = float(signal.y[1] - signal.y[0])
    corners = np.array([[40, 40], [40, 100], [110, 100], [110, 40]]) * step
    drawn = viewer.add_shapes([corners], units=image.units, axis_labels=image.axis_labels)
    name = matxai.load_model("cracks").classes[1]
    session.choose(Choice(("saliency",), OverRegion(name, versions.identity(drawn))))
    answer = ask(ExplainQuestion(session), session)
    mask = answer.target.mask()
    assert mask[41:109, 41:99].all()
    assert not mask[:38].any()
    model = matxai.load_model("cracks")
    expected = matxai.explain(model, signal, ["saliency"], target=over(model, signal, mask, name))
    np.testing.assert_allclose(answer.explanation["saliency"], expected["saliency"], rtol=1e-4, atol=1e-7)
    script = write_script(session.journal.entries, tmp_path / "again.py")
    assert "over(model, signal, region" in script.path.read_text()
    viewer.layers.remove(drawn)
    with pytest.raises(RegionError, match="is gone"):
        ExplainQuestion(session)


# -- stacks ----------------------------------------------------------------------------------------------------------


def test_a_range_and_the_whole_stack_lie_on_the_stack_with_the_librarys_numbers(stack, tmp_path):
    session = session_with(stack)
    model = matxai.load_model("defects")
    whole = explain_stack(model, stack, ["grad_cam"])
    session.choose(Choice(extent=Extent("stack")))
    answer = ask(ExplainQuestion(session), session)
    np.testing.assert_allclose(answer.explanation["grad_cam"], whole["grad_cam"], rtol=1e-4, atol=1e-6)
    (layer,) = [la for la in session.presenter.viewer.layers if la is not session.layer]
    np.testing.assert_allclose(layer.extent.world, session.layer.extent.world)
    assert "pore on top in 2 of 3 slices" in result_text(answer)
    session.choose(Choice(extent=Extent("range", 1, 2)))
    answer = ask(ExplainQuestion(session), session)
    np.testing.assert_allclose(answer.explanation["grad_cam"], whole["grad_cam"][1:], rtol=1e-4, atol=1e-6)
    (layer,) = [la for la in session.presenter.viewer.layers if la is not session.layer]
    assert (layer.translate[0], layer.scale[0]) == (pytest.approx(7.0), pytest.approx(2.0))
    assert session.journal.entries[-1].subject.index == (("z", (1, 3)),)
    session.choose(Choice(extent=Extent("range", 2, 9)))
    with pytest.raises(SignalError, match="along z it has 0 to 2"):
        ask(ExplainQuestion(session), session)


def test_cancelling_a_stack_keeps_the_slices_that_are_done(stack):
    session, stop = session_with(stack), threading.Event()
    session.choose(Choice(extent=Extent("stack")))
    question = ExplainQuestion(session)
    answer = question.run(lambda done, _total, _label: stop.set() if done == 1 else None, stop)
    assert question.keeps_part
    assert "Cancelled: 1 of 3 slices are done" in result_text(answer)
    question.show(session, answer)
    values = session.presenter.viewer.layers[-1].data
    np.testing.assert_array_equal(np.isnan(values).all((1, 2)), [False, True, True])


# -- what the network sees -------------------------------------------------------------------------------------------


def test_each_step_is_a_layer_in_its_true_place(stack):
    session = session_with(stack)
    viewer, image = session.presenter.viewer, session.layer
    viewer.dims.set_point(0, 7.0)
    answer = ask(SeenQuestion(session), session)
    seen = [la for la in viewer.layers if la is not image]
    assert [la.name.split(" · ")[0] for la in seen] == [
        "step 1: scale_dtype", "step 2: channels", "step 3: resize", "what the network sees",
    ]  # fmt: skip
    assert [la.visible for la in seen] == [False, False, False, True]
    tensor = answer.model.preprocessing.prepare(stack.isel(z=1)).tensor[0, 0].numpy()
    np.testing.assert_allclose(seen[-1].data[0], tensor, rtol=1e-5, atol=1e-6)
    for layer in seen:
        np.testing.assert_allclose(layer.extent.world[:, 1:], image.extent.world[:, 1:])
        assert layer.units == image.units
        assert layer.translate[0] == pytest.approx(7.0)
    ask(SeenQuestion(session), session)
    assert len(viewer.layers) == 5


# -- results ---------------------------------------------------------------------------------------------------------


def test_the_result_says_scores_and_how_far_to_trust_the_maps():
    session = session_with(plane())
    session.choose(Choice(("grad_cam", "lrp:epsilon"), options=Options(seed=3)))
    answer = ask(ExplainQuestion(session), session)
    assert "pore" in result_text(answer).splitlines()[0]
    assert "2 maps in" in result_text(answer)
    text = sanity_text(answer)
    assert "lrp:epsilon sums to" in text
    assert "One cell of grad_cam:" in text
    assert provenance(answer.explanation)["seed"] == 3


# -- live ------------------------------------------------------------------------------------------------------------


class Hand:
    """A runner without threads: what is asked waits until it is let run; the last wish counts."""

    def __init__(self, session):
        self.session, self.waiting, self.asked = session, None, []
        self.live = Live(session, self.take)

    def take(self, question):
        self.waiting = question
        self.asked.append(question)

    def run(self):
        question, self.waiting = self.waiting, None
        ask(question, self.session)
        return question


def test_live_follows_the_hand_drops_what_is_late_and_computes_nothing_twice(stack):
    session = session_with(stack)
    viewer = session.presenter.viewer
    viewer.dims.set_point(0, 5.0)
    hand = Hand(session)
    hand.live.turn(on=True)
    assert hand.run().computed == 1
    (layer,) = [la for la in viewer.layers if la is not session.layer]
    first = layer.data.copy()
    assert layer.translate[0] == pytest.approx(5.0)
    # two slices further before the first was done: one question waits, and the answer to the other is dropped
    viewer.dims.set_point(0, 7.0)
    late = hand.waiting
    viewer.dims.set_point(0, 9.0)
    ask(late, session)
    assert layer.translate[0] == pytest.approx(5.0)
    question = hand.run()
    assert layer.translate[0] == pytest.approx(9.0)
    assert question.computed == 0  # slice 2 holds the same picture as slice 0
    np.testing.assert_array_equal(layer.data, first)
    viewer.dims.set_point(0, 7.0)
    assert hand.run().computed == 0  # it was dropped, not lost
    assert layer.translate[0] == pytest.approx(7.0)
    expected = matxai.explain(matxai.load_model("defects"), stack.isel(z=1), ["grad_cam"])
    np.testing.assert_allclose(layer.data[0], expected["grad_cam"], rtol=1e-4, atol=1e-6)
    hand.live.turn(on=False)
    asked = len(hand.asked)
    viewer.dims.set_point(0, 5.0)
    assert len(hand.asked) == asked
    assert [e.key for e in session.journal.entries] == ["live"]


def test_another_class_is_there_at_once_from_one_forward_for_all():
    session = session_with(plane())
    hand = Hand(session)
    hand.live.turn(on=True)
    hand.run()
    model = session.model
    forwards = []
    watch = model.module.register_forward_hook(lambda *_: forwards.append(1))
    computed = []
    for name in ("crack", "inclusion", "pore", None, "crack"):
        session.choose(Choice(target=name))
        computed.append(hand.run().computed)
    watch.remove()
    assert computed == [1, 0, 0, 0, 0]
    assert len(forwards) <= 1
    expected = matxai.explain(matxai.load_model("defects"), plane(), ["grad_cam"], target="crack")
    (layer,) = [la for la in session.presenter.viewer.layers if la is not session.layer]
    np.testing.assert_allclose(layer.data, expected["grad_cam"], rtol=1e-4, atol=1e-6)
    session.choose(Choice(target="crack", layers=("stem",)))
    assert hand.run().computed == 1


def test_a_picture_that_was_changed_in_place_is_explained_anew():
    session = session_with(plane())
    assert ask(LiveQuestion(session), session) is not None
    again = LiveQuestion(session)
    ask(again, session)
    assert again.computed == 0
    session.layer.data[10:30, 10:30] = 0
    changed = LiveQuestion(session)
    ask(changed, session)
    assert changed.computed == 1


def test_kept_answers_stay_within_their_memory():
    import xarray as xr

    one = xr.Dataset({"m": ("x", np.zeros(1000, np.float64))})
    kept = KeptMaps(most=3 * one.nbytes)
    for k in range(5):
        kept.put(k, one)
        kept.get(0)
    assert kept.nbytes <= 3 * one.nbytes
    assert len(kept) == 3
    assert kept.has(0)  # it was used last
    kept.put("large", xr.Dataset({"m": ("x", np.zeros(9000))}))
    assert not kept.has("large")
    kept.put(0, one)
    assert kept.nbytes == 3 * one.nbytes


def test_full_collections_wait_and_the_collector_is_as_before():
    usual = gc.get_threshold()
    with quiet():
        with quiet():
            assert gc.get_threshold()[:2] == usual[:2]
        assert gc.get_threshold()[2] > 10**6
    assert gc.get_threshold() == usual
    with pytest.raises(ValueError, match="x"), quiet():
        raise ValueError("x")
    assert gc.get_threshold() == usual

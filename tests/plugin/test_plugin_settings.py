"""The settings under Preferences > matxai: each reaches what it names, also while the dock is open."""

from __future__ import annotations

import importlib.metadata

import numpy as np
import pytest

pytest.importorskip("napari", reason="the plugin's tests need napari")
from napari.components import ViewerModel
from napari.settings import get_plugin_settings
from napari_matxai.layers.images import image_layer
from napari_matxai.session.explaining import ExplainQuestion
from napari_matxai.session.session import Session
from napari_matxai.session.sessions import session_of
from napari_matxai.settings import Settings, read_settings

import matxai
from matxai.errors import MatxaiError
from matxai.explanation import provenance
from matxai.methods.method import methods


@pytest.fixture
def preferences():
    """The settings as the Preferences dialog changes them; as before afterwards."""
    groups = get_plugin_settings("matxai")
    before = {g: getattr(groups, g).model_dump() for g in ("computing", "asking")}
    for g, values in before.items():
        fresh = type(getattr(groups, g))().model_dump()
        for key in values:
            setattr(getattr(groups, g), key, fresh[key])
    yield groups
    for g, values in before.items():
        for key, value in values.items():
            setattr(getattr(groups, g), key, value)


def sample():
    samples = importlib.metadata.entry_points(group="matxai.samples")["matxai"].load()()
    return next(p for p in samples["defects"].paths if p.stem == "pore_black")


def asked(session: Session, method: str = "grad_cam"):
    """Explain the sample in a session without a window, and return the explanation."""
    from dataclasses import replace

    if session.layer is None:
        layer = session.presenter.add(image_layer(matxai.read(sample()), "pore"))
        session.choose_layer(layer)
        session.choose_model("defects")
    session.choose(replace(session.choice, methods=(method,)))
    question = ExplainQuestion(session)

    class Never:
        def is_set(self) -> bool:
            return False

    return question.run(lambda *_: None, Never()).explanation


def test_the_defaults_of_the_manifest_are_those_of_the_record(preferences) -> None:
    assert read_settings() == Settings()
    assert Settings().memory is None
    assert Settings(memory_gb=1.5).memory == 1_500_000_000


def test_the_manifest_offers_every_method_and_every_precision(preferences) -> None:
    from matxai.modelcard.precision import PRECISIONS

    asking = type(preferences.asking).model_json_schema()["properties"]
    computing = type(preferences.computing).model_json_schema()["properties"]
    assert asking["method"]["enum"] == list(methods)
    assert computing["precision"]["enum"] == list(PRECISIONS)


def test_a_session_follows_the_preferences_while_it_is_open(preferences) -> None:
    session = session_of(ViewerModel())
    said: list[Settings] = []
    session.settings_changed.connect(lambda: said.append(session.settings))
    preferences.computing.seed = 7
    preferences.computing.memory_gb = 2.0
    preferences.asking.trust = "always"
    assert session.settings == Settings(seed=7, memory_gb=2.0, trust="always")
    assert len(said) == 3
    assert session_of(ViewerModel()).settings.seed == 7


def test_the_first_method_is_the_one_of_the_preferences(preferences) -> None:
    preferences.asking.method = "lrp"
    assert session_of(ViewerModel()).choice.methods == ("lrp",)


def test_the_precision_is_that_in_which_maps_are_computed(preferences) -> None:
    session = session_of(ViewerModel())
    single = asked(session)
    changed: list[bool] = []
    session.model_changed.connect(lambda: changed.append(session.model is None))
    preferences.computing.precision = "float64"
    assert changed == [True]  # the loaded one was let go
    double = asked(session)
    assert [provenance(e)["precision"] for e in (single, double)] == ["float32", "float64"]
    assert next(session.model.module.parameters()).dtype.itemsize == 8
    np.testing.assert_allclose(single.grad_cam, double.grad_cam, rtol=1e-3, atol=1e-5 * float(double.grad_cam.max()))


def test_a_device_that_is_not_there_is_one_sentence(preferences) -> None:
    import torch

    session = session_of(ViewerModel())
    preferences.computing.device = "cpu"
    assert provenance(asked(session))["device"] == "cpu"
    name = "mps" if not torch.backends.mps.is_available() else "cuda:3"
    preferences.computing.device = name
    with pytest.raises(MatxaiError, match=r"This machine has"):
        asked(session)
    preferences.computing.device = "cpu"
    asked(session)


def test_the_seed_is_the_one_that_methods_draw_from(preferences) -> None:
    session = session_of(ViewerModel())
    maps = {}
    for seed in (0, 5):
        preferences.computing.seed = seed
        maps[seed] = asked(session, "smooth_grad")
        assert provenance(maps[seed])["seed"] == seed
    assert not np.array_equal(maps[0].smooth_grad, maps[5].smooth_grad)
    model, signal = matxai.load_model("defects"), session.presenter.view(session.layer).signal("2d")[0]
    library = matxai.explain(model, signal, methods=["smooth_grad"], seed=5)
    np.testing.assert_allclose(maps[5].smooth_grad, library.smooth_grad, rtol=1e-4, atol=1e-7)


def test_the_cap_reaches_the_engines_planning(preferences) -> None:
    session = session_of(ViewerModel())
    preferences.computing.memory_gb = 0.001
    asked(session)  # loads the model
    sizes: list[int] = []
    first = next(m for m in session.model.module.modules() if hasattr(m, "kernel_size"))
    hook = first.register_forward_hook(lambda _, __, out: sizes.append(len(out)))
    asked(session, "smooth_grad")
    hook.remove()
    assert max(sizes) == 1  # a megabyte holds no two copies


def test_code_of_a_model_runs_only_where_the_preferences_allow_it(preferences, tmp_path) -> None:
    (tmp_path / "model.py").write_text(
        "import torch\n\n\ndef build():\n"
        "    return torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())\n"
    )
    session = session_of(ViewerModel())
    source = f"{tmp_path / 'model.py'}:build"
    models = session.models
    with pytest.raises(MatxaiError, match=r"model\.py \(sha256 [0-9a-f]{64}\) was not allowed to run; open the model"):
        models.load(source)
    models.trust.allow(models.must_ask(source))
    assert models.load(source).classes == ("0", "1")
    assert models.told(source) == {"arch": None, "trust": True}
    assert models.must_ask(source) == ""
    # what was allowed is that code and no other
    (tmp_path / "model.py").write_text("build = None\n")
    models.place("cpu", "float64")
    with pytest.raises(MatxaiError, match="was not allowed to run"):
        models.load(source)
    preferences.asking.trust = "never"
    assert models.must_ask(source) == ""
    with pytest.raises(MatxaiError, match=r"would run, and Preferences > matxai > Models that run code says never\."):
        models.load(source)
    # what runs no code of its own needs no trust, and a script gives it none
    assert models.load("defects").classes
    assert models.told("defects") == {"arch": None, "trust": False}
    preferences.asking.trust = "always"
    with pytest.raises(MatxaiError, match="build"):
        models.load(source)


def test_the_user_is_asked_for_each_code_once(preferences, tmp_path, qtbot, monkeypatch) -> None:
    from napari_matxai.widgets.paths import may_run
    from qtpy.QtWidgets import QMessageBox, QWidget

    (tmp_path / "model.py").write_text("build = None\n")
    (tmp_path / "matxai.yaml").write_text(
        "version: 1\nname: own\ntask: classification\nweights: net.safetensors\narchitecture: model.py:build\n"
    )
    (tmp_path / "net.safetensors").write_bytes(b"")
    asked, answers = [], [QMessageBox.StandardButton.No, QMessageBox.StandardButton.Yes]
    monkeypatch.setattr(
        QMessageBox, "question", lambda _, __, text, *___: asked.append(text) or answers[len(asked) - 1]
    )
    models, parent = session_of(ViewerModel()).models, QWidget()
    qtbot.addWidget(parent)
    assert not may_run(parent, models, str(tmp_path))
    assert may_run(parent, models, str(tmp_path))
    assert may_run(parent, models, str(tmp_path))
    assert may_run(parent, models, "defects")
    assert len(asked) == 2
    assert asked[0].startswith("The file model.py (sha256 ")
    assert asked[0].endswith("Do you trust it?")


@pytest.mark.window
def test_an_open_dock_follows_the_seed_until_another_one_is_set_in_it(preferences, make_napari_viewer) -> None:
    pytest.importorskip("qtpy", reason="a window needs a Qt binding")
    viewer = make_napari_viewer(show=True)
    _, dock = viewer.window.add_plugin_dock_widget("matxai", "Explain")
    form = dock.explain.options_form
    preferences.computing.seed = 7
    assert (form.seed.value, form.options().seed, dock.session.settings.seed) == (7, None, 7)
    form.seed.value = 3
    assert dock.session.choice.options.seed == 3
    preferences.computing.seed = 8
    assert dock.session.choice.options.seed == 3

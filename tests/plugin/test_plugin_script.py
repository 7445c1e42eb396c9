"""Export as script: what was done in a session, done again by a plain interpreter, gives the same numbers."""

from __future__ import annotations

import importlib.metadata
import runpy
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("napari", reason="the plugin's tests need napari")

from napari.components import ViewerModel
from napari_matxai.layers.images import image_layer
from napari_matxai.session.choice import Choice
from napari_matxai.session.explaining import ExplainQuestion
from napari_matxai.session.journal import Code, Journal, Opened, Subject, call
from napari_matxai.session.masking import MaskQuestion
from napari_matxai.session.script import ScriptQuestion, write_script
from napari_matxai.session.session import Session

import matxai
from matxai.errors import Cancelled, MatxaiError
from matxai.signals import labelled


def sample(stem: str) -> Path:
    samples = importlib.metadata.entry_points(group="matxai.samples")["matxai"].load()()
    return next(p for p in samples["defects"].paths if p.stem == stem)


def ask(session: Session, question) -> object:
    answer = question.run(lambda *_: None, threading.Event())
    question.show(session, answer)
    return answer


def shown(session: Session, signal, path: Path | None = None):
    data, keywords, _ = image_layer(signal, "image", None if path is None else str(path))
    added = session.presenter.viewer.add_image(data, **keywords)
    session.choose_layer(added)
    return added


def run_in_another_interpreter(path: Path) -> str:
    done = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, check=False, cwd=path.parent)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def session() -> Session:
    made = Session(ViewerModel())
    made.choose_model("defects")
    return made


def test_the_script_gives_the_same_maps_in_another_interpreter(session, tmp_path) -> None:
    from_file = sample("pore_black")
    shown(session, matxai.read(from_file), from_file)
    session.choose(Choice(("grad_cam", "saliency"), "crack"))
    first = ask(session, ExplainQuestion(session))
    # a region of it, masked
    drawn = session.presenter.viewer.add_labels(np.pad(np.ones((30, 40), np.uint8), ((20, 110), (30, 90))))
    drawn.scale, drawn.units = session.layer.scale, session.layer.units
    session.regions.choose_layer(drawn)
    session.regions.choice = replace(session.regions.choice, fills=("blur",), controls=4, selected=False)
    masked = ask(session, MaskQuestion(session))
    # a stack that no file holds: its slice in view
    plane = matxai.read(sample("crack_framed")).values
    stack = labelled(
        np.stack([plane, plane[::-1], plane[:, ::-1]]),
        ("z", "y", "x"),
        spacing={"z": 2.0, "y": 0.05, "x": 0.05},
        units=dict.fromkeys("zyx", "um"),
        attrs={"info_bar": [140, 159], "nested": {"not": "for NetCDF"}},
    )
    shown(session, stack)
    session.presenter.viewer.dims.set_point(0, 4.0)
    second = ask(session, ExplainQuestion(session))
    script = ScriptQuestion(session, tmp_path / "my session.py").run(lambda *_: None, threading.Event())
    assert script.path == tmp_path / "my session.py"
    assert [p.name for p in script.copies] == ["masks_1.npy", "signal_2.nc"]
    assert not script.notes
    text = script.path.read_text()
    assert text.count("load_model") == 1
    assert str(from_file) in text
    said = run_in_another_interpreter(script.path)
    assert masked.asked.change.sentence in said
    for name, answer in (("01_result", first), ("02_masked", masked.asked), ("03_result", second)):
        again = matxai.load(tmp_path / "my_session_results" / f"{name}.nc")
        assert list(again.data_vars) == ["grad_cam", "saliency"]
        for name in again.data_vars:
            np.testing.assert_allclose(again[name].values, answer.explanation[name].values, rtol=1e-5, atol=1e-7)
            np.testing.assert_allclose(again[name].x.values, answer.explanation[name].x.values)


def test_a_slice_of_a_file_is_found_in_it_whatever_its_axes_are_called(tmp_path) -> None:
    from matxai.signals import write_tiff

    rng = np.random.default_rng(3)
    stack = labelled(rng.integers(0, 255, (4, 20, 24), np.uint8), ("z", "y", "x"), units=dict.fromkeys("zyx", "um"))
    path = write_tiff(tmp_path / "stack.tif", stack, keep_type=True)
    read = matxai.read(path)
    for name in ("z", "depth"):
        journal = Journal()
        journal.add("look", "x = signal", subject=Subject.of(read.isel(z=2), path=str(path), index={name: 2}))
        script = write_script(journal.entries, tmp_path / f"{name}.py")
        assert not script.copies
        assert not script.notes
        assert f"signal = matxai.read({str(path)!r}).isel(z=2)" in script.path.read_text()


def test_a_layer_with_another_calibration_than_its_file_keeps_it(session, tmp_path) -> None:
    path = sample("pore_black")
    layer = shown(session, matxai.read(path), path)
    layer.scale = (0.5, 0.5)
    session.choose(Choice(("saliency",)))
    answer = ask(session, ExplainQuestion(session))
    script = write_script(session.journal.entries, tmp_path / "s.py")
    runpy.run_path(str(script.path))
    again = matxai.load(tmp_path / "s_results" / "01_result.nc")
    np.testing.assert_allclose(again.x.values, answer.explanation.x.values)
    assert float(again.x[1] - again.x[0]) == pytest.approx(0.5)
    assert again.x.attrs["units"] == answer.explanation.x.attrs["units"]


def test_a_file_that_has_changed_since_is_said(tmp_path) -> None:
    path = tmp_path / "image.npy"
    np.save(path, np.zeros((8, 9), np.uint8))
    journal = Journal()
    journal.add("look", "x = signal", subject=Subject.of(matxai.read(path), path=str(path)))
    np.save(path, np.ones((8, 9), np.uint8))
    script = write_script(journal.entries, tmp_path / "s.py")
    said = "no longer holds what was asked about, and nothing else does: the script reads it as it is now, and its"
    assert script.notes == (f"{path} {said} numbers may differ.",)
    assert script.notes[0] in script.path.read_text()
    path.unlink()
    assert write_script(journal.entries, tmp_path / "s.py").notes == script.notes


def test_masks_and_signals_lie_beside_the_script_once(tmp_path, capsys) -> None:
    mask = np.eye(5, dtype=bool)
    donor = labelled(np.arange(6.0), ("energy",), spacing={"energy": 0.5}, units={"energy": "eV"})
    journal = Journal()
    for _ in range(2):
        journal.add("ask", "print(int(region.sum()), float(donor.energy[1]))", arrays={"region": mask, "donor": donor})
    script = write_script(journal.entries, tmp_path / "s.py")
    assert sorted(p.name for p in script.copies) == ["donor_2.nc", "region_1.npy"]
    runpy.run_path(str(script.path))
    assert capsys.readouterr().out.split() == ["5", "0.5"] * 2


def test_a_live_map_is_written_down_once() -> None:
    journal = Journal()
    for k in range(5):
        journal.add(f"look {k}", key="live")
    journal.add("mask")
    journal.add("look again", key="live")
    assert [e.what for e in journal.entries] == ["look 4", "mask", "look again"]


def test_calls_are_valid_python_however_long() -> None:
    short = call("f", Code("model"), 1, target=None, methods=["a"], path=r"C:\data\n.tif")
    assert short == r"f(model, 1, methods=['a'], path='C:\\data\\n.tif')"
    long = call("f", **{f"word_{k}": "x" * 20 for k in range(8)})
    assert "\n" in long
    compile(long, "script", "exec")


def test_nothing_asked_nothing_to_repeat(session, tmp_path) -> None:
    with pytest.raises(MatxaiError, match="Nothing was asked yet"):
        ScriptQuestion(session, tmp_path / "s.py")
    session.journal.add("a", "pass")
    stop = threading.Event()
    stop.set()
    with pytest.raises(Cancelled):
        ScriptQuestion(session, tmp_path / "s.py").run(lambda *_: None, stop)
    assert not (tmp_path / "s.py").exists()
    with pytest.raises(MatxaiError, match="cannot be written"):
        ScriptQuestion(session, tmp_path / "no" / "s.py").run(lambda *_: None, threading.Event())


def test_a_model_opened_with_an_architecture_is_opened_so_again(tmp_path) -> None:
    journal = Journal()
    journal.add("a", "pass", opened=Opened("w.safetensors", (("arch", "torchvision:vgg11"),)))
    text = write_script(journal.entries, tmp_path / "s.py").path.read_text()
    assert "model = matxai.load_model('w.safetensors', arch='torchvision:vgg11')" in text

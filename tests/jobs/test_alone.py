"""What is said of one signal: the artefacts in it and what they do, with no claim that one signal cannot carry."""

from __future__ import annotations

import html
import importlib.metadata
import json
import threading
from pathlib import Path

import numpy as np
import pytest

import matxai
from matxai.checks import perturb
from matxai.checks.expect import judge, read_expectations
from matxai.errors import Cancelled, ModelError, SignalError, TargetError
from matxai.jobs import artefacts_of_one, one_signal
from matxai.regions import found_artefacts


@pytest.fixture(scope="module")
def pore():
    samples = importlib.metadata.entry_points(group="matxai.samples")["matxai"].load()()
    return matxai.read(next(p for p in samples["swapped_bar"].paths if p.stem == "pore_black"))


@pytest.fixture(scope="module")
def twins():
    return {name: matxai.load_model(name) for name in ("defects", "defects_leaky")}


def test_the_bar_moves_the_leaky_twin_and_not_the_sound_one(pore, twins, tmp_path: Path) -> None:
    sound = artefacts_of_one(twins["defects"], pore, controls=8)
    leaky = artefacts_of_one(twins["defects_leaky"], pore, controls=8, out=tmp_path)
    assert sound.answer == leaky.answer == "cannot tell"
    assert [f.name for f in leaky.findings] == ["info_bar"]
    assert abs(sound.findings[0].verdict.effect) < 0.01
    assert leaky.findings[0].verdict.effect > 0.4
    bar = next(r for r in found_artefacts(pore.values, pore.attrs) if r.kind == "info_bar")
    own = perturb(twins["defects_leaky"], pore, bar, controls=8)[0]
    fall = float(-own.probability_changes[:, own.target].mean())
    assert leaky.findings[0].verdict.effect == pytest.approx(fall)
    assert "One image cannot tell a leak: that takes a folder with images of every class" in leaky.sentence
    assert "stays at" in sound.sentence
    record = json.loads((tmp_path / "verdict.json").read_text())
    assert record["answer"] == "cannot tell"
    assert record["findings"][0]["effect"] == pytest.approx(fall)
    page = html.unescape((tmp_path / "report.html").read_text())
    assert leaky.sentence in " ".join(page.split())  # its spaces do not break in numbers


def test_nothing_found_is_said(pore, twins) -> None:
    plain = pore[:100].assign_attrs(info_bar=None)
    plain.attrs.pop("info_bar")
    found = artefacts_of_one(twins["defects"], plain, name="the upper part", kinds=["info_bar"])
    assert found.sentence.startswith("Nothing was found in the upper part")
    assert found.findings == ()


def test_bad_input_is_one_sentence(pore, twins) -> None:
    with pytest.raises(ModelError, match="for segmentation"):
        artefacts_of_one(matxai.load_model("cracks"), pore)
    with pytest.raises(SignalError, match="3 axes"):
        artefacts_of_one(twins["defects"], pore.expand_dims(z=2))
    with pytest.raises(TargetError, match="no class 'scratch'"):
        one_signal(twins["defects"], pore, label="scratch")
    with pytest.raises(SignalError, match=r"The mask of it is \(3, 3\)"):
        one_signal(twins["defects"], pore, name="it", mask=np.ones((3, 3), bool))
    stop = threading.Event()
    stop.set()
    with pytest.raises(Cancelled):
        artefacts_of_one(twins["defects"], pore, cancel=stop)


def test_expectations_of_one_image_leave_to_the_folder_what_takes_one(pore, twins, tmp_path: Path) -> None:
    file = tmp_path / "pores.yaml"
    file.write_text("""
version: 1
expectations:
  - {name: bar, classes: all, region: {artefact: info_bar}, role: must_not, measure: exchange, below: 0.05}
  - {name: pore, classes: all, region: {mask: any}, tolerance: 4 px, measure: pointing_game, method: lrp, above: 0.5}
""")
    dark = pore.values < 40
    dark[138:] = False
    alone = one_signal(twins["defects"], pore, mask=dark)
    assert alone.notes == (
        "The class of pore_black.tif was not given; it was taken to be pore, which is what the model says.",
    )
    found = judge(read_expectations(file), twins["defects"], alone)
    bar, looked = found.findings
    assert bar.verdict.answer == "inconclusive"
    said = "'exchange' is asked of samples of two classes and more, and this is one sample"
    assert bar.samples[0].reason == said
    assert said in bar.verdict.sentence
    assert looked.samples[0].answer == "holds"
    assert looked.samples[0].value == 1.0
    assert looked.verdict.answer == "inconclusive"

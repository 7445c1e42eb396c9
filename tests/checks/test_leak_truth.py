"""A small part of the table of verdicts beside the truth; ``tests/benchmarks/leak_truth.py`` prints all of it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matxai_datasets import micrographs

import matxai
from matxai.checks.labelled import LabelledSet
from matxai.checks.leak import examine
from matxai.signals import labelled

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "leak_truth.py"
CLASSES = ("crack", "inclusion", "pore")
DONORS = 12


@pytest.fixture(scope="module")
def confounded() -> LabelledSet:
    """40 unseen micrographs of 10 specimens; each class was taken at another instrument, as its bar shows."""
    images = list(micrographs(40, 31337, bars="by_class", per_specimen=4, size=(128, 128)))
    return LabelledSet(
        names=tuple(f"{k:02d}" for k in range(len(images))),
        labels=np.array([CLASSES.index(i.kind) for i in images]),
        classes=CLASSES,
        read=lambda k: labelled(images[k].pixels, ("y", "x")),
        groups=np.arange(40) // 4,
    )


def test_the_leaky_model_is_convicted_and_its_info_bar_named(confounded: LabelledSet) -> None:
    found = examine(matxai.load_model("defects_leaky"), confounded, donors=DONORS, supporting=False, factors=False)
    assert found.answer == "leak"
    (finding,) = [f for f in found.findings if f.verdict.answer == "leak"]
    assert finding.kind == "info_bar"
    assert finding.verdict.interval[0] > 0.15
    assert finding.test.corrected <= 0.05


def test_the_sound_model_is_acquitted_on_the_same_confounded_images(confounded: LabelledSet) -> None:
    found = examine(matxai.load_model("defects"), confounded, donors=DONORS, supporting=False, factors=False)
    assert {f.kind for f in found.findings} == {"info_bar"}
    assert found.answer in ("not seen", "cannot tell")
    assert abs(found.findings[0].test.effect) < 0.05


def test_the_script_trains_judges_and_writes_its_tables(tmp_path: Path) -> None:
    figures, tables = tmp_path / "truth.json", tmp_path / "truth.md"
    command = [sys.executable, str(SCRIPT), "--json", str(figures), "--markdown", str(tables), "--cache", str(tmp_path)]
    small = ["--nets", "small", "--images", "60", "--worlds", "micrographs", "--about", "two", "--only", "verdicts"]
    # told where the artefacts are: the finders have their say in the tests above
    quick = ["--drawn", "--leave-out", "factors,supporting", "--donors", str(DONORS)]
    done = subprocess.run([*command, *small, *quick], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    report = json.loads(figures.read_text())
    assert (report["format"], report["version"]) == ("matxai-leak-truth", 1)
    leaky, other = report["parts"]["verdicts"]
    assert (leaky["kind"], leaky["truth"]["says"], leaky["answer"]) == ("info_bar", "leaky", "leak")
    assert other["kind"] == "text"
    assert other["truth"]["high"] < 0.25
    assert other["answer"] != "leak"
    assert set(leaky["rules"]) == set(other["rules"])
    aims = {row["aim"]: row for row in report["summary"]}
    assert aims["leaky convicted, the right artefact named"]["found"] == "1 of 1 (100 %)"
    assert "## Net by net" in tables.read_text()

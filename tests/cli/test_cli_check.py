"""``matxai check`` from the command line: a sound and a leaky model on generated data, files, exit codes, bad input."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pandas as pd
import pytest
from matxai_datasets.writing import write

import matxai
from matxai.cli.main import main

BAR = "{name: no info bar, classes: all, region: {artefact: info_bar}, role: must_not, measure: exchange, below: 0.3}"
PORES = (
    '{name: looks at pores, classes: [pore], region: {labels: "set/masks/{stem}.tif"}, measure: score_drop, '
    "fills: [noisy_linear], above: controls}"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eighteen images whose bars give the class away, each of a specimen of its own."""
    root = tmp_path_factory.mktemp("check")
    write(root / "set", 18, seed=21, bars="by_class", per_specimen=1, test_share=0.0)
    return root


def asked(folder: Path, *lines: str, name: str = "mine.yaml", model: str = "defects") -> str:
    text = f"version: 1\nmodel: {model}\ndata: set/\nexpectations:\n" + "".join(f"  - {line}\n" for line in lines)
    (folder / name).write_text(text)
    return str(folder / name)


def test_a_sound_model_keeps_to_what_is_expected(folder: Path, tmp_path: Path, capsys) -> None:
    code = main(["check", asked(folder, BAR, PORES), "--out", str(tmp_path), "--device", "cpu", "--json", "--quiet"])
    said = json.loads(capsys.readouterr().out)
    assert (code, said["answer"], said["score"]) == (0, "holds", 1.0)
    assert [f["answer"] for f in said["findings"]] == ["holds", "holds"]
    assert said["repeat"]["command"].startswith("matxai check ") and len(said["repeat"]["hashes"]["data"]) == 64
    assert said == {
        **json.loads((tmp_path / "verdict.json").read_text()),
        "notes": said["notes"],
        "files": said["files"],
    }
    suite = ET.parse(tmp_path / "junit.xml").getroot()[0]
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("2", "0", "0")
    table = pd.read_csv(tmp_path / "expectations.csv")
    assert table.groupby("expectation").size().to_dict() == {"looks at pores": 6, "no info bar": 18}
    assert (tmp_path / "expectations.parquet").is_file()
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "looks at pores" in page and "All that is expected holds" in page
    assert "http://" not in page.replace("http://www.w3.org", "") and "<script" not in page


def test_a_leaky_model_is_told_apart(folder: Path, tmp_path: Path, capsys) -> None:
    file = asked(folder, BAR, name="leaky.yaml")
    code = main(["check", file, "--model", "defects_leaky", "--out", str(tmp_path), "--device", "cpu"])
    out = capsys.readouterr().out
    assert code == 1 and "broken       'no info bar' is broken" in out
    verdict = json.loads((tmp_path / "verdict.json").read_text())
    (finding,) = verdict["findings"]
    assert finding["effect"] > 0.9 and finding["p"] < 0.05 and finding["interval"][0] > 0.3
    assert ET.parse(tmp_path / "junit.xml").getroot()[0].get("failures") == "1"


def test_what_cannot_be_decided_ends_with_3_and_with_1_where_strict(folder: Path, tmp_path: Path, capsys) -> None:
    line = "{name: tight, region: {border: 8}, role: must_not, measure: share, method: input_x_gradient, below: 0.001}"
    line = line.replace("classes: all", "classes: [pore]").replace("{name: tight", "{name: tight, classes: [pore]")
    file = asked(folder, line.replace("below: 0.001", "below: 0.3"), name="tight.yaml")
    assert main(["check", file, "--out", str(tmp_path / "a"), "--device", "cpu"]) == 3
    assert "could not be decided" in capsys.readouterr().out
    assert main(["check", file, "--out", str(tmp_path / "b"), "--device", "cpu", "--strict", "--quiet"]) == 1


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (BAR.replace("info_bar", "info_bra"), r"mine.yaml, line 5: 'artefact' is 'info_bra'"),
        (PORES.replace("[pore]", "[pores]"), "line 5: 'looks at pores' is about the class 'pores'"),
        (PORES.replace("masks/{stem}", "labels/{stem}"), "can be measured in no sample"),
        (BAR.replace("below: 0.3", "below: 3"), "'below' is 3, and 'exchange' goes from 0 to 1"),
        ("{name: a, region: {interval: [1, 2], unit: furlongs of cheese}, measure: share, above: 0.1}", "no unit"),
    ],
)
def test_bad_input_is_one_sentence_and_2(folder: Path, tmp_path: Path, capsys, line: str, said: str) -> None:
    assert main(["check", asked(folder, line), "--out", str(tmp_path), "--device", "cpu"]) == 2
    err = capsys.readouterr().err
    assert said in err and "Traceback" not in err and len(err.strip().splitlines()) == 1


def test_a_file_without_model_or_data_says_so(folder: Path, tmp_path: Path, capsys) -> None:
    (tmp_path / "bare.yaml").write_text(f"version: 1\nexpectations:\n  - {BAR}\n")
    assert main(["check", str(tmp_path / "bare.yaml")]) == 2
    assert "bare.yaml names no 'model'; write 'model:'" in capsys.readouterr().err
    assert main(["check", str(tmp_path / "bare.yaml"), "--template", "defects"]) == 2
    assert "--template and --from are for a new file" in capsys.readouterr().err


def test_new_lists_prints_and_writes(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["check", "new"]) == 0
    assert "diffraction_peaks" in capsys.readouterr().out
    assert main(["check", "new", "--template", "defects"]) == 0
    assert capsys.readouterr().out.startswith("# Defects in micrographs")
    assert main(["check", "new", "--template", "phases", "--out", "my.yaml"]) == 0
    assert (tmp_path / "my.yaml").read_text().startswith("# Phases in a micrograph")
    assert main(["check", "new", "--template", "phases", "--out", "my.yaml"]) == 2
    assert "my.yaml exists; name a new file" in capsys.readouterr().err


def test_it_is_a_call_in_python_as_well(folder: Path) -> None:
    line = "{name: maps, classes: [pore], region: {mask: any}, measure: pointing_game, method: grad_cam, above: 0.01}"
    found = matxai.check(asked(folder, line, name="call.yaml"), device="cpu")
    assert found.findings[0].verdict.n == 6 and found.answer in {"holds", "inconclusive", "broken"}

"""Verdicts as files: every number survives, what JSON and XML cannot hold does not break them."""

from __future__ import annotations

import json

import numpy as np
import pytest
from defusedxml import ElementTree

from matxai.checks.verdict import Verdict
from matxai.errors import FileError, MatxaiError
from matxai.report import Finding, verdict_json, verdict_junit
from matxai.report.verdicts import overall

REPEAT = {"command": "matxai leakage m d", "seed": 3, "versions": {"matxai": "0.1.0"}}


def finding(answer, name="bar", **more):
    return Finding(name, "info_bar", Verdict("Does it?", answer, f"It is {answer}.", **more))


def test_a_verdict_file_holds_what_the_design_says(tmp_path):
    leak = finding("leak", effect=0.4, interval=(0.2, 0.6), p=0.01, control="own class", n=50, groups=12)
    path = verdict_json(
        [leak, finding("not seen", "label")], tmp_path / "verdict.json", hashes={"model": "ab"}, **REPEAT
    )
    record = json.loads(path.read_text())
    assert record["format"] == "matxai-verdict"
    assert record["version"] == 1
    assert record["answer"] == "leak"
    assert [(f["name"], f["kind"], f["answer"]) for f in record["findings"]] == [
        ("bar", "info_bar", "leak"),
        ("label", "info_bar", "not seen"),
    ]
    assert record["findings"][0]["interval"] == [0.2, 0.6]
    assert record["findings"][0]["groups"] == 12
    assert record["repeat"] == {**REPEAT, "hashes": {"model": "ab"}}


def test_numbers_of_numpy_and_what_json_cannot_hold(tmp_path):
    evidence = {
        "a": np.float32(0.5),
        "b": np.nan,
        "c": np.arange(3),
        4: {"d": float("inf")},
        "e": (True, None),
        "f": 1 + 0j,
    }
    path = verdict_json([finding("leak", evidence=evidence)], tmp_path / "v.json", **REPEAT)
    found = json.loads(path.read_text(), parse_constant=pytest.fail)["findings"][0]["evidence"]
    assert found == {"a": 0.5, "b": None, "c": [0, 1, 2], "4": {"d": None}, "e": [True, None], "f": "(1+0j)"}


@pytest.mark.parametrize(
    ("answers", "worst"),
    [
        (["not seen", "leak", "cannot tell"], "leak"),
        (["suspicious", "cannot tell"], "suspicious"),
        (["not seen", "cannot tell"], "cannot tell"),
        (["unreachable", "not seen"], "not seen"),
        (["holds", "inconclusive", "broken"], "broken"),
    ],
)
def test_the_worst_finding_is_the_answer(answers, worst):
    assert overall([finding(a) for a in answers]) == worst


def test_no_finding_is_no_verdict(tmp_path):
    with pytest.raises(MatxaiError, match="at least one finding"):
        verdict_json([], tmp_path / "v.json", **REPEAT)
    with pytest.raises(FileError, match="cannot be written"):
        verdict_json([finding("leak")], tmp_path / "no" / "v.json", **REPEAT)
    assert not list(tmp_path.iterdir())


def test_junit_counts_failures_and_skips(tmp_path):
    findings = [finding("leak", "a\x00<b>&\x1b"), finding("cannot tell"), finding("holds"), finding("suspicious")]
    suite = ElementTree.parse(verdict_junit(findings, tmp_path / "junit.xml")).getroot()[0]
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("4", "1", "1")
    assert suite[0].get("name") == "a\ufffd<b>&\ufffd"
    assert suite[0].find("failure").text == "It is leak."
    assert suite[1].find("skipped").get("message") == "It is cannot tell."
    assert suite[3].find("system-out").text == "suspicious: It is suspicious."

"""The report of a check: the answer first and in words, each finding with its numbers, all inside one file."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest
from defusedxml import ElementTree

from matxai.checks.verdict import ANSWERS, Verdict
from matxai.errors import ExplanationError
from matxai.report import (
    Example,
    Finding,
    Grid,
    Judgement,
    Report,
    Shot,
    Shown,
    findings_table,
    render_report,
    verdict_json,
    write_report,
    write_table,
)
from matxai.report.forest import forest_chart
from matxai.report.sentences import ANSWERS as WORDS

HOSTILE = "<script>alert(1)</script>"


def finding(name="info_bar", answer="leak", effect=0.93, interval=(0.85, 1.0), p=0.0008):
    verdict = Verdict(
        f"Is {name} read?", answer, f"The sentence of {name}.", effect=effect, interval=interval, p=p, n=60
    )
    return Finding(name, "info_bar", verdict)


@pytest.fixture
def judgement():
    image = np.random.default_rng(0).integers(0, 255, (60, 80), dtype=np.uint8)
    mask = np.zeros((60, 80), bool)
    mask[50:] = True
    shots = (Shot("as it is: pore", image, mask), Shot("with the donor's bar: crack", image[::-1], mask, "the same"))
    return Judgement(
        question="Does it read the bar?",
        answer="leak",
        sentence="It reads the info bar.",
        shown=(
            Shown(
                finding(),
                remarks=("All of it reaches the network.",),
                grids=(Grid("Beside it", ("test", "of", "out"), (("removal", 0.31, True), ("share", None, False))),),
                examples=(Example("0001_pore.tif, the strongest", "It flips.", shots),),
            ),
            Shown(
                finding("compression", "cannot tell", 0.03, (-0.05, 0.12), None),
                takes=("at least 6 groups", "about 100 images"),
                examples=tuple(Example(f"{k}.tif", "", shots[:1]) for k in range(3)),
            ),
            Shown(finding(HOSTILE, "unreachable", None, None, None)),
        ),
        axis="exchange effect",
        thresholds=((0.05, "the margin"), (0.15, "a leak lies above")),
        facts={"images": "60 in 12 groups"},
        notes=("The split 'test' was taken.",),
        grids=(Grid("What is not in the picture", ("factor", "predicts the label"), (("file type", 0.71),)),),
    )  # fmt: skip


@pytest.fixture
def report(judgement):
    return Report(
        "Leakage of twin",
        command="matxai leakage twin set",
        judgement=judgement,
        failures=[("a.tif", "a.tif is empty.")],
    )


def text_of(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page.split("</style>")[1]))


def test_the_answer_comes_first_then_each_finding_then_what_is_open(report):
    text = text_of(render_report(report))
    order = [
        "Does it read the bar?",
        "Leak It reads the info bar.",
        "60 in 12 groups",
        "1 file could not be used",
        "The split 'test' was taken.",
        "The findings at a glance",
        "0.05, the margin; 0.15, a leak lies above",
        "effect 0.93 (0.85 to 1.00), p = 0.0008",
        "The sentence of info_bar.",
        "All of it reaches the network.",
        "removal 0.31 yes share – no",
        "0001_pore.tif, the strongest",
        "with the donor's bar: crack",
        "What could not be decided, and what it would take",
        "compression : at least 6 groups; about 100 images.",
        "What is not in the picture",
        "a.tif is empty.",
        "matxai leakage twin set",
    ]
    text = text.replace("&#39;", "'")
    places = [text.index(words) for words in order]
    assert places == sorted(places)
    assert "No input could be explained" not in text


def test_hostile_names_are_text_and_nothing_is_loaded(report):
    page = render_report(report)
    assert "<script" not in page
    assert all(a.startswith(("data:", "#")) for a in re.findall(r'(?:src|href)="([^"]*)"', page))
    ids = set(re.findall(r'id="([^"]*)"', page))
    assert {a[1:] for a in re.findall(r'href="(#[^"]*)"', page)} <= ids


def test_every_answer_has_words_and_a_sign(judgement):
    from dataclasses import replace

    for answer in (a for family in ANSWERS.values() for a in family):
        page = render_report(Report("t", judgement=replace(judgement, answer=answer, shown=())))
        assert f'<p class="word">{WORDS[answer].label}</p>' in page
        assert f'<div class="banner {WORDS[answer].kind}">' in page
        assert "The findings at a glance" not in page
    assert len({WORDS[a].kind for a in WORDS}) == 4


def test_the_chart_places_effects_to_scale():
    rows = [finding("a", "leak", 0.5, (0.25, 0.75)), finding("b", "not seen", 0.0, (-0.25, 0.05)), finding("c", effect=None, interval=None)]  # fmt: skip  # noqa: E501
    svg = ElementTree.fromstring(str(forest_chart(rows, axis="effect", thresholds=[(0.05, "m"), (0.15, "l")])))
    paths = list(svg.iter("path"))
    found = [re.findall(r"M([\d.]+) [\d.]+ H([\d.]+)", p.get("d")) for p in paths if "range" in p.get("class")]
    ranges = [[float(v) for v in f[0]] for f in found]
    middles = [float(p.get("points").split(",")[0]) for p in svg.iter("polygon")]
    down = {kind: [p.get("d") for p in paths if p.get("class") == kind] for kind in ("zero", "mark")}
    zero, *marks = [float(re.findall(r"M([\d.]+)", d)[0]) for d in (*down["zero"], *down["mark"])]
    unit = (middles[0] - zero) / 0.5
    assert unit > 400  # pixels of the drawing for an effect of 1
    want = [[0.25, 0.75], [-0.25, 0.05]]
    assert np.allclose((np.array(ranges) - zero) / unit, want, atol=1e-3)
    assert np.allclose((np.array([*middles, *marks]) - zero) / unit, [0.5, 0.0, 0.05, 0.15], atol=1e-3)
    assert "a: effect 0.50 (0.25 to 0.75), leak" in svg.get("aria-label")
    assert svg.get("aria-label").endswith("; c: no effect measured, " + rows[2].verdict.answer)
    assert [t.text or "".join(t.itertext()) for t in svg.iter("text")][4].endswith("no effect measured")
    assert forest_chart([finding(effect=None, interval=None)]) is None


def test_effects_of_different_kinds_have_panels_of_their_own():
    shown = (
        Shown(finding("pores", "holds", 6.76, (5.0, 8.0)), axis="score drop", threshold=(0.0, "above 0")),
        Shown(finding("bar", "holds", 0.01, (0.0, 0.04)), axis="exchange", threshold=(0.05, "below 0.05")),
        Shown(finding("text", "broken", 0.5, (0.4, 0.6)), axis="exchange", threshold=(0.3, "below 0.3"),
              levels=(0.95, 0.975)),
    )  # fmt: skip
    page = render_report(Report("t", judgement=Judgement("q", "broken", "s", shown=shown)))
    charts = re.findall(r'<svg class="chart forest".*?</svg>', page, re.DOTALL)
    drops, exchanges = (ElementTree.fromstring(c) for c in charts)
    assert ["".join(t.itertext()) for t in drops.iter("text")][-1] == "score drop"
    assert all(float("".join(t.itertext()).replace("−", "-")) <= 0.7 for t in list(exchanges.iter("text"))[2:-1])
    marks = [p.get("d") for p in exchanges.iter("path") if p.get("class") == "mark"]
    points = [float(p.get("points").split(",")[0]) for p in exchanges.iter("polygon")]
    unit = (points[1] - points[0]) / 0.49
    found = [[float(v) for v in re.findall(r"M([\d.]+) ([\d.]+)", d)[0]] for d in marks]
    assert [(x - points[0]) / unit + 0.01 for x, _ in found] == pytest.approx([0.05, 0.3], abs=1e-3)
    assert [y for _, y in found] == [55.0, 105.0]  # each beside the interval of its own row
    text = html.unescape(text_of(page)).replace("\u00a0", " ")
    assert "upper 95 % bound. Dashed: pores above 0." in text
    assert "upper 95 % or 95 % (lower) and 97.5 % (upper) bound. Dashed: bar below 0.05; text below 0.3." in text


def test_no_line_of_the_chart_goes_through_words_and_a_long_axis_is_wrapped():
    rows = [finding("a", "leak", 0.5, (0.25, 0.75)), finding("b", "not seen", 0.0, (-0.25, 0.05))]
    axis = "effect: how much more often a class is predicted with artefacts of that class"
    svg = ElementTree.fromstring(str(forest_chart(rows, axis=axis, thresholds=[(0.05, "m"), (0.15, "l")])))
    texts = ["".join(t.itertext()) for t in svg.iter("text")]
    assert axis not in texts
    assert all(len(t) <= 52 for t in texts)
    assert " ".join(texts).endswith(axis)
    written = [float(t.get("y")) for t in svg.iter("text")]
    assert max(written) < float(svg.get("viewBox").split()[3])
    for path in (p for p in svg.iter("path") if p.get("class") in ("zero", "mark")):
        for top, length in re.findall(r"M[\d.]+ ([\d.]+) v([\d.]+)", path.get("d")):
            assert not any(y - 12 < float(top) + float(length) and float(top) < y for y in written)


def test_cells_that_are_numbers_stand_in_columns_and_keep_their_per_cent_sign():
    rows = (("a", "0.50", "−0.28 to 0.28", "1 of 5"), ("b", None, "–", "no"))
    table = Grid("", ("", "by chance", "interval", "said"), rows)
    page = render_report(Report("t", judgement=Judgement("q", "leak", "5 % of them.", grids=(table,))))
    assert '<td class="num">0.50</td><td class="num">−0.28 to 0.28</td><td>1 of 5</td>' in page
    assert '<td class="num">–</td>' in page
    assert page.count('<th scope="col" class="num">') == 2
    assert "5\u00a0% of them." in page


def test_the_table_has_a_row_for_each_test_and_each_bad_file(tmp_path):
    tests = {"info_bar": [{"test": "exchange", "p_corrected": 0.002, "donors": 30}, {"test": "removal", "effect": 0.3, "beyond_null": True}]}  # fmt: skip  # noqa: E501
    table = findings_table(
        [finding(), finding("text", "not seen", 0.0, (0.0, 0.04))], tests, [("=x.tif", "It is empty.")]
    )
    write_table(table, tmp_path, "findings")
    found = pd.read_csv(tmp_path / "findings.csv")
    assert found["finding"].tolist() == ["info_bar", "info_bar", "text", "'=x.tif"]
    assert found["test"].tolist()[:2] == ["exchange", "removal"]
    assert found["answer"].fillna("").tolist() == ["leak", "", "not seen", "not done"]
    assert found.loc[0, ["effect", "interval_low", "p", "p_corrected", "donors"]].tolist() == [
        0.93,
        0.85,
        0.0008,
        0.002,
        30,
    ]
    assert pd.read_parquet(tmp_path / "findings.parquet")["finding"].tolist()[-1] == "=x.tif"
    with pytest.raises(ExplanationError, match=r"no column 'effekt'\. Did you mean 'effect'"):
        findings_table([finding()], {"info_bar": [{"effekt": 1.0}]})


def test_a_verdict_without_findings_has_its_answer_and_what_is_told(tmp_path):
    rest = {"command": "c", "seed": 0, "versions": {}}
    path = verdict_json(
        [], tmp_path / "v.json", answer="not seen", about={"sentence": "Nothing.", "classes": 3}, **rest
    )
    record = json.loads(path.read_text())
    assert (record["answer"], record["sentence"], record["classes"], record["findings"]) == (
        "not seen",
        "Nothing.",
        3,
        [],
    )
    one = Finding("a", "text", finding().verdict, {"reach": np.float32(0.5)})
    verdict_json([one], tmp_path / "v.json", **rest)
    assert json.loads((tmp_path / "v.json").read_text())["findings"][0]["detail"] == {"reach": 0.5}


def test_it_reads_in_a_browser_wide_and_narrow(report, tmp_path):
    browser = next((b for b in ("chromium", "chromium-browser", "google-chrome") if shutil.which(b)), None)
    if browser is None:
        pytest.skip("no Chromium here to open the report with")
    # frames have the widths of a screen and of a phone; what the pages say of themselves is written below them
    page = html.escape(write_report(report, tmp_path / "report.html").read_text())
    frames = "".join(f'<iframe srcdoc="{page}" width={width} height=900></iframe>' for width in (1280, 390))
    script = (
        "onload=()=>{said.textContent=JSON.stringify(Array.from(document.querySelectorAll('iframe'),i=>i.contentWindow).map(f=>({over:f.document.documentElement.scrollWidth-f.document.documentElement.clientWidth,"
        "images:[...f.document.images].every(i=>i.naturalWidth>0),"
        "tops:[...f.document.querySelectorAll('.example:not(.wide) figure')].map(e=>e.getBoundingClientRect().top),"
        "word:f.document.querySelector('.word').getBoundingClientRect().top,"
        "loaded:f.performance.getEntriesByType('resource').filter(r=>!r.name.startsWith('data:')).length})))}"
    )
    (tmp_path / "frames.html").write_text(f"<body>{frames}<p id=said></p><script>{script}</script>")
    done = subprocess.run(
        [browser, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom",
         f"--user-data-dir={tmp_path / 'profile'}", f"file://{tmp_path / 'frames.html'}"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    said = json.loads(re.search(r'<p id="said">(.*?)</p>', done.stdout).group(1))
    assert [one["over"] for one in said] == [0, 0]  # nothing makes the page wider than the screen
    assert [len(set(one["tops"])) for one in said] == [1, 3]  # side by side; on a phone one below the other
    for one in said:
        assert one["images"]
        assert one["loaded"] == 0
        assert one["word"] < 400  # the answer stands on the first screen

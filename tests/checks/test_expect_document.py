"""An expectations file is read field by field; whatever is wrong in it is said with its line and its field."""

from __future__ import annotations

from pathlib import Path

import pytest

from matxai.checks.expect import expectations_of, read_expectations, region_kinds
from matxai.checks.expect.document import Asks, AsksAbsence, AsksSeveral
from matxai.errors import ExpectationError

TEXT = """\
version: 1
model: defects.matxai
data: test/
expectations:
  - {name: no info bar, classes: all, region: {artefact: info_bar}, role: must_not, measure: exchange, below: 0.05}
  - name: looks at pores
    classes: [pore]
    region:
      labels: "masks/{stem}.png"
      value: 1
    measure: score_drop
    above: controls
    tolerance: 0.5 um
  - name: any peak
    classes: alumina
    any_of:
      k: 1
      of:
        - {region: {peaks: [25.6], unit: degree, tolerance: 0.1}, measure: share, above: 0.1, method: lrp}
        - {region: {interval: [30, 36], unit: degree}, measure: share, above: 0.1}
  - {name: no 104, absent: {region: {peaks: [35.2], unit: degree, tolerance: 0.2}, width: 0.1}, above: controls}
  - {name: rest, role: may, region: {complement: {mask: any}}, measure: share}
"""


def test_what_a_file_says_arrives() -> None:
    found = expectations_of(TEXT, "/data")
    assert (found.model, found.data, found.base) == ("defects.matxai", "test/", Path("/data"))
    bar, pores, several, absent, rest = found.items
    assert isinstance(bar, Asks) and (bar.fields.role, bar.fields.below, bar.fields.classes) == (
        "must_not",
        0.05,
        "all",
    )
    assert isinstance(pores, Asks) and pores.line == 6
    assert (pores.fields.role, pores.fields.above, pores.fields.classes) == ("must", "controls", ["pore"])
    assert (pores.where.tolerance.value, pores.where.tolerance.unit) == (0.5, "um")
    assert isinstance(several, AsksSeveral) and several.k == 1
    assert [p.name for p in several.parts] == ["any peak, part 1", "any peak, part 2"]
    assert [p.fields.classes for p in several.parts] == [["alumina"], ["alumina"]]
    assert isinstance(absent, AsksAbsence) and absent.insertion.width == 0.1
    assert isinstance(rest, Asks) and rest.where.said == "all but mask any"
    assert len(list(found.leaves())) == 6


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("version: 1", "version: 2", "line 1: version 2 of expectations needs a newer matxai"),
        ("version: 1\n", "", "line 1: the field 'version' is missing"),
        ("data: test/", "dat: test/", r"line 3: there is no field 'dat'. Did you mean 'data'\?"),
        ("artefact: info_bar", "artefact: infobar", r"line 5: 'artefact' is 'infobar'.*Did you mean 'info_bar'\?$"),
        ("measure: exchange", "measure: exchang", r"line 5: there is no measure 'exchang'. Did you mean 'exchange'\?"),
        ("measure: exchange", "mesure: exchange", r"line 5: there is no field 'mesure'. Did you mean 'measure'"),
        (
            "artefact: info_bar",
            "artefact: never_varies",
            "line 5: 'artefact' is 'never_varies'.* whole folder.*leakage",
        ),
        ("measure: exchange, below: 0.05", "measure: share, below: .inf", "line 5: 'below' is inf: .*finite"),
        ("classes: all", "classes: null", "line 5: 'classes' is None: classes are 'all', or a list of names"),
        ("mask: any", "mask: pore", "line 22: 'mask' is 'pore': a mask is chosen by a label's number, a list"),
        ("model: defects.matxai", "\tmodel: defects.matxai", "line 2 is no valid YAML: a tab stands where"),
        ("below: 0.05", "below: -0.05", "line 5: 'below' is -0.05, and 'exchange' goes from 0 to 1"),
        ("below: 0.05", "below: controls", "line 5: 'below' is 'controls': 'controls' are something to lie above"),
        ("below: 0.05", "above: 0.05", "line 5: must_not takes the threshold 'below', but 'above' is given"),
        ("must_not", "mustnt", "line 5: 'role' is 'mustnt'. Did you mean 'must_not'"),
        ("classes: [pore]", "clases: [pore]", r"line 7: there is no field 'clases'. Did you mean 'classes'\?"),
        ("classes: [pore]", "classes: []", "line 7: 'classes' is \\[\\]: 'all' or at least one class"),
        ("{stem}", "{stm}", "line 9: 'labels' is .*the placeholders that exist are {stem}, {name}, {class}"),
        ("value: 1", "valu: 1", r"line 10: there is no field 'valu'. Did you mean 'value'\?"),
        ("above: controls\n", "above: control\n", "line 12: 'above' is 'control': a threshold is a number or 'contr"),
        ("measure: score_drop", "measure: invariance", "line 12: 'invariance' has no matched controls"),
        ("0.5 um", "0.5 parsnips", "line 13: 'tolerance' is '0.5 parsnips': there is no unit 'parsnips'"),
        ("0.5 um", "-1 um", "line 13: 'tolerance' is '-1 um': a distance is not negative"),
        ("k: 1", "k: 3", "line 17: 'k' is 3, but there are 2 parts"),
        ("unit: degree, tol", "unit: degre, tol", "line 19: 'unit' is 'degre': there is no unit 'degre'"),
        ("method: lrp", "method: lpr", r"line 19: 'method' is 'lpr'.*Did you mean 'lrp'\?"),
        ("above: 0.1, method", "above: 1.5, method", "line 19: 'above' is 1.5, and 'share' goes from 0 to 1"),
        ("above: 0.1, method", "above: 1, method", "line 19: 'above' is 1, and 'share' goes from 0 to 1"),
        ("interval: [30, 36]", "interval: [36, 30]", "line 20: 'interval' runs from its smaller to its larger end"),
        ("interval: [30, 36]", "intervall: [36, 30]", "line 20: 'region' has no kind of region 'intervall'. Did you"),
        ("interval: [30, 36]", "interval: [30, 36], peaks: [1]", "line 20: 'region' has the kinds interval and peaks"),
        ("width: 0.1", "width: -0.1", "line 21: 'width' is -0.1"),
        (", width: 0.1", "", "line 21: a peak needs a region 'peaks' and its 'width'"),
        ("mask: any", "maks: any", "line 22: 'region' has no kind of region 'maks'. Did you mean 'mask'"),
        ("measure: share}\n", "measure: share, above: 0.1}\n", "line 22: what may be has no threshold, but 'above' is"),
        ("name: rest", "name: no 104", "line 22: 'name' is 'no 104', as on line 21"),
        ("role: may", "role: must, role: may", "line 22 is no valid YAML: found duplicate key"),
        ("role: may", "role: !!python/name:os.system may", "line 22 has the tag"),
    ],
)
def test_what_is_wrong_is_said_with_line_and_field(old: str, new: str, said: str) -> None:
    assert TEXT.count(old) >= 1
    with pytest.raises(ExpectationError, match=said):
        expectations_of(TEXT.replace(old, new, 1) if old != "measure: share}\n" else TEXT.replace(old, new))


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("change: fades", r"'change' is 'fades': there is no change by steps 'fades'. Did you mean 'fade'\?"),
        ("steps: [0, 1]", "'steps' is .*at least 3"),
        ("steps: [1, 0.5, 0]", r"'steps' is \[1, 0.5, 0\]: 'steps' ascend"),
        ("steps: [0, 0.5, 1.5]", "'steps' of fade go from 0"),
        ("change: shift, steps: [0, 0.5, 1]", "'steps' cannot be: Doses of 'shift' are whole numbers"),
        ("change: repeat, steps: [-1, 0, 1]", "Doses of 'repeat' are not negative"),
        ("change: scale, steps: [0, 1, 2]", "above 0"),
        ("along: x", "'along' is for what is shifted"),
        ("response: up", "'response' is 'up'. Known: falls, rises"),
    ],
)
def test_doses_that_cannot_be_are_said(more: str, said: str) -> None:
    line = "  - {name: a, region: {mask: any}, measure: dose_response, above: 0.5, MORE}\n"
    text = "version: 1\nexpectations:\n" + line
    assert expectations_of(text.replace(", MORE", "")).items[0].fields.change == "fade"
    with pytest.raises(ExpectationError, match=r"^expectations, line 3: .*" + said):
        expectations_of(text.replace("MORE", more))


def test_classes_that_nobody_has_are_named_with_the_nearest() -> None:
    found = expectations_of(TEXT)
    with pytest.raises(ExpectationError, match=r"line 6: 'looks at pores' .* 'pore', which the model .*'pores'\?"):
        found.check_classes(("pores", "alumina"), "the model 'm'")
    found.check_classes(("pore", "alumina"), "the model 'm'")


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(ExpectationError, match="is not there; 'matxai check new' writes"):
        read_expectations(tmp_path / "no.yaml")
    (tmp_path / "list.yaml").write_text("- 1\n")
    with pytest.raises(ExpectationError, match="holds no fields; it starts with 'version: 1'"):
        read_expectations(tmp_path / "list.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(ExpectationError, match="no text in UTF-8"):
        read_expectations(tmp_path / "binary.yaml")
    (tmp_path / "empty.yaml").write_text("version: 1\nexpectations: []\n")
    with pytest.raises(ExpectationError, match="line 2: 'expectations'"):
        read_expectations(tmp_path / "empty.yaml")
    (tmp_path / "ok.yaml").write_text(TEXT)
    assert read_expectations(tmp_path / "ok.yaml").base == tmp_path.resolve()


@pytest.mark.parametrize("kind", list(region_kinds))
def test_the_example_of_each_kind_of_region_is_valid(kind: str) -> None:
    text = (
        f"version: 1\nexpectations:\n  - {{name: a, role: may, measure: share, region: {region_kinds[kind].example}}}\n"
    )
    (asks,) = expectations_of(text).items
    assert isinstance(asks, Asks) and asks.where.kind == kind

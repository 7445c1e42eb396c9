"""The report is one file that loads nothing, runs nothing, says what it rests on, and reads without its pictures."""

from __future__ import annotations

import base64
import io
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from markupsafe import Markup
from PIL import Image

from matxai.checks.verdict import Verdict
from matxai.errors import FileError
from matxai.regions.region import Region
from matxai.report import Comparison, Look, Pair, Report, ReportItem, overlay_figure, render_report, write_report
from matxai.report.pictures import drop_chart, whereabouts
from matxai.report.section import Section, sections
from matxai.report.sections.bookkeeping import agreement_table, ledger_rows

HOSTILE = '"><script>alert(1)</script><img src=http://evil.example/x onerror=alert(2)>.tif'
VOID = {"meta", "img", "br", "link", "input", "line", "circle", "rect", "polygon"}


class Page(HTMLParser):
    """All tags with their attributes and the text between them; unbalanced tags are an error."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        assert not self.open, self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not self.open or self.open[-1] != "style":
            self.texts.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.texts))

    def all(self, name):
        return [a for t, a in self.tags if t == name]


def evidence(**changes):
    record = {
        "method": "lrp:epsilon_plus",
        "target": "crack",
        "score": 4.21,
        "share": 0.05,
        "fills": ("local_mean", "blur"),
        "top_drop": 3.1,
        "top_drops": (3.0, 3.2),
        "control_drops": (0.2, -0.1, 0.4),
        "random_drops": (0.1, 0.05),
        "rank": 1,
        "n_controls": 3,
        "flips": 1,
        "sentence": "Removing the top lowers the score by 3.10.",
    }
    return {**record, **changes}


@pytest.fixture
def report(ds, make):
    mask = np.zeros((96, 128), bool)
    mask[80:] = True
    looks = [
        Look("sound model", ds, 0.02, dict(zip(("before", "after", "donor", "probability_before", "probability_after", "follows"), ("crack", "crack", "pore", 0.97, 0.96, False), strict=True))),  # noqa: E501
        Look("leaky twin", make(seed=4), 0.93, {"before": "crack", "after": "pore", "donor": "pore", "probability_before": 0.99, "probability_after": 0.02, "follows": True}),  # noqa: E501
    ]  # fmt: skip
    item = ReportItem(
        HOSTILE,
        ds,
        evidence(),
        regions=[Region(mask, "info_bar", "tag 34682")],
        truth="pore",
        verdicts=[
            Verdict("Does it read the bar?", "not seen", "Nothing was seen.", effect=0.0, interval=(-0.01, 0.02), n=120)
        ],
    )
    return Report(
        "What defects looked at",
        command="matxai explain defects 'a <b>.tif' --seed 0",
        items=[item],
        comparison=Comparison("The leaky one looks at the bar.", "grad_cam", [Pair("s1.tif", looks, mask)], {"leaky twin": {"accuracy": "0.99"}}),  # noqa: E501
        failures=[("broken<i>.tif", "broken<i>.tif ends after 12 of 800 kB.")],
        left_out={"score_cam": "It needs 512 forward passes."},
        repeat={"device": "cpu"},
    )  # fmt: skip


def test_the_file_loads_and_runs_nothing(report, tmp_path):
    page = Page(write_report(report, tmp_path / "report.html").read_text())
    for tag, attrs in page.tags:
        assert tag not in {"script", "iframe", "object", "embed", "link", "base", "form"}
        for name, value in attrs.items():
            assert not name.startswith("on")
            if name in {"src", "srcset", "href", "xlink:href", "action", "data", "poster", "background"}:
                assert value.startswith(("data:image/jpeg;base64,", "data:image/png;base64,", "#")), value
        assert "style" not in attrs  # a policy without inline styles then hides nothing that matters
    style = re.search(r"<style>(.*?)</style>", (tmp_path / "report.html").read_text(), re.DOTALL).group(1)
    assert "url(" not in style
    assert "@import" not in style


def test_the_same_map_of_all_items_has_one_scale_where_limits_are_given(ds, make, monkeypatch):
    from matxai.report import common_limits
    from matxai.report.sections import maps

    drawn: list[tuple[str, object]] = []
    figure = maps.panel_figure
    monkeypatch.setattr(
        maps, "panel_figure", lambda d, p, **k: drawn.append((p.name, k["limits"])) or figure(d, p, **k)
    )
    weak = make(seed=4)
    weak["grad_cam"] = weak["grad_cam"] * 0.1
    items = [ReportItem("a.tif", ds), ReportItem("b.tif", weak)]
    limits = {"grad_cam": common_limits([ds, weak], "grad_cam")}
    page = Page(render_report(Report("t", items=items, limits=limits)))
    assert {found for name, found in drawn if name == "grad_cam"} == {limits["grad_cam"]}
    assert {found for name, found in drawn if name != "grad_cam"} == {None}
    assert page.text.count("one colour scale over all inputs") == 2
    assert "one colour scale" not in Page(render_report(Report("t", items=items))).text


def test_every_link_inside_leads_somewhere(report):
    page = Page(render_report(report))
    ids = {a["id"] for _, a in page.tags if "id" in a}
    assert {a["href"][1:] for a in page.all("a")} <= ids
    assert page.all("a")


def test_hostile_names_are_shown_as_text(report):
    page = Page(render_report(report))
    assert not page.all("script")
    assert all(a["src"].startswith("data:") for a in page.all("img"))
    assert "<script>alert(1)</script>" in page.text
    assert "broken<i>.tif ends after" in page.text


def test_the_report_says_what_it_must(report):
    text = Page(render_report(report)).text
    for words in (
        "1 input explained with Grad-CAM and LRP (ε, z+) for the model defects.",  # the summary comes first
        "1 file could not be used",
        "The network says crack (score 4.21, p = 0.971). Its true class is pore.",
        "the network is wrong",
        "Removing the top lowers the score by 3.10.",
        "1 of 4",  # rank among three matched regions and itself
        "The network saw 90 % of it",
        "416 nm",  # 32 pixels of 13 nm
        "2.34 µm",  # receptive field of 180 pixels
        "Grad-CAM at layer4 and Grad-CAM at layer3: a feature smaller than 416 nm cannot be told;",
        "the finest here is LRP (ε, z+), with a cell of 13 nm.",
        "crop rows 0 to 690 → resize to 224 x 224 → normalise",
        "tag 34682, PixelWidth",
        "0.9952",
        "bookkeeping",
        "They do not say that the map is right",
        "Grad-CAM at layer4 and LRP (ε, z+) 0.62",
        "1 forward pass and 2 backward passes",
        "not seen Nothing was seen.",
        "The leaky one looks at the bar.",
        "93 % of the positive map lies inside the info bar, which is 17 % of the image",
        "Leaky twin says crack (score 4.21, p = 0.971).",
        "With the info bar of an image of class pore it says pore (p of crack 0.99 → 0.02): it follows the bar.",
        "it stays with the specimen",
        "It needs 512 forward passes.",
        "matxai explain defects 'a <b>.tif' --seed 0",
        "torch 2.6.0",
        "ab" * 32,
    ):
        assert words in text, words


def test_the_summary_comes_before_all_else(report):
    text = Page(render_report(report)).text
    assert text.index("1 input explained") < text.index("The leaky one") < text.index("The classes it gives most")
    assert text.index("The classes it gives most") < text.index("What was not done") < text.index("How to repeat")


def test_pictures_have_sizes_and_alternative_texts(report):
    images = Page(render_report(report)).all("img")
    assert len(images) == 1 + 3 + 2  # the image, its three maps, and the comparison
    for image in images:
        kind, content = image["src"].split(";base64,")
        with Image.open(io.BytesIO(base64.b64decode(content))) as picture:
            assert kind == f"data:image/{picture.format.lower()}"
            assert 400 < picture.size[0] < 1000
        assert len(image["alt"]) > 20
    assert "Grad-CAM at layer4 for crack" in images[3]["alt"]
    assert "its strongest part lies in the" in images[3]["alt"]


def test_without_evidence_it_says_that_nothing_was_tested(ds):
    text = Page(render_report(Report("r", items=[ReportItem("a.tif", ds)]))).text
    assert "No region was removed to test these maps." in text
    assert "score lost" not in text, text


def test_a_dense_output_is_told_by_its_shares(ds):
    record = json.loads(ds.attrs["matxai"])
    record["target"] = {"class": "crack", "index": 1, "score": 321.0}
    record["scores"] = [
        {"class": "background", "index": 0, "logit": 3.0, "probability": 0.9, "share": 0.97},
        {"class": "crack", "index": 1, "logit": -3.0, "probability": 0.1, "share": 0.03},
    ]
    ds.attrs.update(matxai=json.dumps(record), model="cracks")
    page = Page(render_report(Report("r", items=[ReportItem("a.tif", ds)])))
    assert "The model cracks puts on top: background in 97 % and crack in 3.0 % of all positions." in page.text
    assert "crack (3.0 % of it)" in page.text
    assert "mean score" in page.text
    assert overlay_figure(ds, "lrp:epsilon_plus").texts[1].get_text() == "crack · score 321"


def test_a_report_of_failures_alone(tmp_path):
    text = Page(render_report(Report("r", failures={"a.tif": "a.tif is empty."}))).text
    assert "No input could be explained." in text
    assert "a.tif is empty." in text


def test_many_inputs_get_pictures_only_up_to_the_limit(ds):
    items = [ReportItem(f"{i}.tif", ds) for i in range(4)]
    page = Page(render_report(Report("r", items=items, most=2)))
    assert len(page.all("img")) == 2 * 4
    assert "2 more were explained" in page.text
    assert "3.tif" in page.text
    assert {a["href"] for a in page.all("a")} == {"#item-1", "#item-2"}


def test_curves_and_stacks_have_reports_as_well(spectrum, stack):
    page = Page(render_report(Report("r", items=[ReportItem("si.xy", spectrum), ReportItem("ct", stack)])))
    alts = [a["alt"] for a in page.all("img")]
    assert "its strongest part lies in the first third" in alts[0]
    assert "upper" in alts[-1] or "left" in alts[-1] or "middle" in alts[-1]
    assert "zero everywhere" not in alts[-1]  # of a stack, the slice that holds most of the map is shown


def test_a_section_is_added_by_registering_it(ds):
    name = "only in this test"
    sections.add(name, Section(order=150, title="Mine", of_report=lambda r: Markup("<p>{}</p>").format(r.title)))
    try:
        text = Page(render_report(Report("<b>", items=[ReportItem("a", ds)]))).text
    finally:
        del sections._members[name]
    assert "Mine <b>" in re.sub(r"\s+", " ", text)


def test_a_folder_that_refuses_gets_one_sentence_and_no_half_a_file(ds, tmp_path):
    with pytest.raises(FileError, match="cannot be written"):
        write_report(Report("r", items=[ReportItem("a", ds)]), tmp_path / "missing" / "report.html")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_enough_contrast(ds, scheme):
    """WCAG 2: at least 4.5 to 1 for text on its ground, in both schemes."""
    blocks = re.findall(r":root \{([^}]*)\}", render_report(Report("r")))
    colours = dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", blocks[0 if scheme == "light" else 1]))

    def luminance(code):
        parts = [int(code[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for ink in ("ink", "soft", "mark", "bad"):
        for ground in ("paper", "panel"):
            pair = sorted((luminance(colours[ink]), luminance(colours[ground])))
            assert (pair[1] + 0.05) / (pair[0] + 0.05) >= 4.5, (ink, ground)


def test_the_chart_of_drops_has_a_mark_for_each_and_words_for_all():
    page = Page(str(drop_chart(evidence())))
    assert len([a for a in page.all("circle") if a["class"] == "control"]) == 3
    assert len([a for a in page.all("circle") if a["class"] == "random"]) == 2
    assert len(page.all("polygon")) == 1
    assert "top of the map 3.1; matched regions 0.167" in page.all("svg")[0]["aria-label"]
    zero, places = float(page.all("line")[0]["x1"]), [float(a["cx"]) for a in page.all("circle")]
    assert [p > zero for p in places] == [True, False, True, True, True]
    alone = Page(str(drop_chart(evidence(control_drops=(), random_drops=(), random_drop=0.3, top_drop=0.0))))
    assert len(alone.all("circle")) == 0 or len(alone.all("circle")) == 1


def test_where_a_map_is_strongest():
    values = np.zeros((30, 30))
    assert whereabouts(values) == ""
    values[2, 27] = 1.0
    values[20:, :] = np.nan
    assert whereabouts(values) == "upper right"
    values[2, 27], values[15, 15] = 0.0, -1.0
    assert whereabouts(values) == "middle"


def test_bookkeeping_reads_the_ledger_and_the_agreement():
    record = {
        "ledger": {
            "lrp": {"targets": [{"ratio": 1.0, "sum": 2.0, "score": 2.0, "absolute": 3.0}, {"ratio": 0.5}]},
            "passes": {"epsilon_plus": [1, 2]},
        },
        "agreement": [{"a": "x", "b": "lrp[layer4]", "rank": 0.25}, {"a": "x", "b": "y", "rank": None}],
    }
    assert [(r["name"], r["ratio"]) for r in ledger_rows(record)] == [("lrp", 1.0), ("lrp", 0.5)]
    table = agreement_table(record, {"x": "grad_cam_pp"})
    assert table == {"Grad-CAM++": {"LRP at layer4": 0.25}, "LRP at layer4": {"Grad-CAM++": 0.25}}


def test_relevance_is_shown_layer_by_layer_and_errors_of_maps_are_no_maps():
    import matxai
    from matxai.explanation import provenance
    from matxai.report.sections.bookkeeping import balance_tables
    from matxai.report.sections.summary import introduction
    from matxai.signals import labelled

    model = matxai.load_model("defects")
    rng = np.random.default_rng(0)
    signal = labelled(rng.integers(0, 255, (160, 160), dtype=np.uint8), ("y", "x"))
    result = matxai.explain(model, signal, methods=["lrp", "smooth_grad"], budget=4)
    (table,) = balance_tables(provenance(result))
    linear = [r for r in table["rows"] if r["rule"]]
    assert len(linear) == sum(hasattr(m, "weight") and m.weight.ndim > 1 for m in model.module.modules())
    for row in linear:
        lost = sum(row[k] or 0.0 for k in ("biases", "stabilisers", "missing", "other"))
        assert row["before"] == pytest.approx(row["after"] + lost, rel=1e-3, abs=1e-6)
    report = Report("t", items=[ReportItem("one", result)])
    assert introduction(report) == "1 input explained with LRP and SmoothGrad for the model defects."
    page = str(render_report(report))
    assert "LRP, layer by layer" in page or "LRP (ε, z+), layer by layer" in page
    assert "SmoothGrad (standard error)" in page
    assert page.count("SmoothGrad (standard error)</th>") == 0  # its fineness and agreement are nobody's question


def test_many_methods_are_counted_and_none_goes_without_a_word(ds, monkeypatch):
    from matxai.report.sections import maps
    from matxai.report.sections.summary import introduction

    many = ds.assign({f"map_{i}": ds["lrp_epsilon_plus"].assign_attrs(method=f"map_{i}") for i in range(8)})
    assert "with 10 maps for" in introduction(Report("t", items=[ReportItem("one", many)]))
    page = render_report(Report("t", items=[ReportItem("one", ds)]))
    drawn, panels = page.count("<figure><img"), len(maps.all_panels(ds))
    assert "not drawn here" not in page
    monkeypatch.setattr(maps, "_MOST", 1)
    page = render_report(Report("t", items=[ReportItem("one", ds)]))
    assert page.count("<figure><img") == drawn - panels + 1
    assert f"{panels - 1} further maps are not drawn here" in page
    for panel in maps.all_panels(ds):  # they have their row all the same
        assert page.count(f"<td>{panel.layer or 'input'}</td>") >= 1


def test_what_several_maps_say_alike_is_said_once(ds):
    from matxai.report.sections.bookkeeping import labelled
    from matxai.report.sections.guide import make
    from matxai.report.sections.place import at_layers

    known = ["lime", "rise", "deep_lift"]
    assert labelled("deep_lift, lime and rise: near black.", known) == "DeepLIFT, LIME and RISE: near black."
    assert labelled("a note: of nobody.", known) == "a note: of nobody."
    assert at_layers({"layer4": ["CAM", "Grad-CAM"], "": ["LRP"]}) == "CAM and Grad-CAM at layer4; LRP"
    same = {"question": "Where?", "guarantee": "None.", "misleads": "Often.", "paper": "A 2020"}
    ds = ds.assign(
        a=ds["lrp_epsilon_plus"].assign_attrs(method="lrp", **same),
        b=ds["lrp_epsilon_plus"].assign_attrs(method="lrp:gamma", **same),
        c=ds["lrp_epsilon_plus"].assign_attrs(method="lrp:standard_error", error_of="lrp", **same),
    )
    page = str(make(Report("t", items=[ReportItem("one", ds)])))
    assert page.count("Where?") == 1
    assert "LRP, LRP (γ)" in page or "LRP, LRP (gamma)" in page
    assert "standard error" not in page

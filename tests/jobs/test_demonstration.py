"""The demonstration shows what it is there to show: the twins classify alike and look elsewhere."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from matxai.errors import MethodError
from matxai.jobs import Options, demonstrate


class Links(HTMLParser):
    """Collects what a page would load, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.outward: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag, attrs) -> None:
        for name, value in attrs:
            if name in {"src", "href", "action", "data"} and not (value or "").startswith(("data:", "#")):
                self.outward.append(f"{tag} {name}={value}")

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    return demonstrate(tmp_path_factory.mktemp("demo"), options=Options(("grad_cam",), controls=2, figures=()))


def counts(text: str) -> tuple[int, int]:
    part, whole = text.split(" of ")
    return int(part), int(whole)


def test_the_leaky_twin_follows_the_bar_and_the_sound_model_does_not(shown) -> None:
    name = "predictions that follow an exchanged bar"
    followed, asked = counts(shown.facts["leaky twin"][name])
    assert asked >= 10
    assert followed >= asked / 2
    stayed, asked = counts(shown.facts["sound model"][name])
    assert asked >= 10
    assert stayed <= 0.05 * asked


def test_the_twin_looks_at_the_bar_and_the_sound_model_elsewhere(shown) -> None:
    name = "share of the map inside the info bar"
    leaky, sound = (float(shown.facts[k][name].split()[0]) for k in ("leaky twin", "sound model"))
    assert leaky > 3 * sound


def test_both_models_are_right_about_the_samples_with_their_own_bars(shown) -> None:
    table = pd.read_csv(shown.run.out / "table.csv")
    rows = table[(table["method"] == "grad_cam") & (table["region"] == "all")]
    assert len(rows) == 7
    judged = rows[rows["file"] != "crack_plain.tif"]
    assert (judged["class"] == judged["truth"]).all()


def test_the_report_stands_alone_and_holds_what_is_promised(shown) -> None:
    page = Links()
    page.feed(Path(shown.run.report).read_text(encoding="utf-8"))
    assert page.outward == []
    text = " ".join(" ".join(page.text).split())
    for promised in (
        "sound model", "leaky twin", "follows the bar", "rank among matched regions", "receptive field",
        "one cell", "matxai demo", "sha256", "torch",
    ):  # fmt: skip
        assert promised in text, promised
    assert shown.sentence in text


def test_the_comparison_needs_its_map(tmp_path) -> None:
    with pytest.raises(MethodError, match="compared by grad_cam"):
        demonstrate(tmp_path, options=Options(("saliency",)))

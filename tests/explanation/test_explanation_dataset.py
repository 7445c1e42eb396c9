"""The schema's small rules: names, JSON, attributes, provenance, and how a result shows itself."""

from __future__ import annotations

import importlib.metadata
import json
from dataclasses import dataclass

import numpy as np
import pytest
import torch
import xarray as xr

from matxai.errors import ExplanationError, TargetError
from matxai.explanation import Explanation, provenance
from matxai.explanation.agreement import agreement
from matxai.explanation.dataset import flat_attrs, identifier, jsonable
from matxai.explanation.scores import class_index, top_scores


def test_names_of_maps_are_identifiers_and_never_the_same():
    assert identifier("lrp:epsilon_plus_flat", ()) == "lrp_epsilon_plus_flat"
    assert identifier("multilayer_grad_cam:layers", ()) == "multilayer_grad_cam_layers"
    assert identifier("3 layers!", ()) == "map_3_layers"
    assert identifier("lrp", {"lrp", "lrp_2"}) == "lrp_3"
    assert identifier("signal", {"signal"}) == "signal_2"
    for key in ("lrp:a b", "µ", "--", "0"):
        assert identifier(key, ()).isidentifier()


@dataclass
class Record:
    a: object
    b: float = float("nan")


def test_everything_nested_becomes_json():
    value = {
        "t": torch.tensor([1.5]),
        "n": np.int64(3),
        "r": Record({"x": (1, None)}),
        1: np.array([[1, 2]]),
        "f": np.inf,
    }
    found = jsonable(value)
    assert found == {"t": 1.5, "n": 3, "r": {"a": {"x": [1, None]}, "b": None}, "1": [1, 2], "f": None}
    json.dumps(found, allow_nan=False)


def test_attributes_survive_netcdf():
    found = flat_attrs({"none": None, "flag": np.True_, "n": np.float32(0.5), "d": {"a": 1}, "s": "x", "l": [1, 2]})
    assert found == {"flag": 1, "n": 0.5, "d": '{"a": 1}', "s": "x", "l": "[1, 2]"}
    assert {type(v) for v in found.values()} <= {str, int, float}


def test_a_dataset_without_provenance_says_so():
    for attrs in ({}, {"matxai": "no json"}, {"matxai": "[1]"}):
        with pytest.raises(ExplanationError, match="no attribute 'matxai'"):
            provenance(xr.Dataset(attrs=attrs))


def shown(monkeypatch, *points):
    def found(group, name):
        assert (group, name) == ("matxai.displays", "html")
        return points

    monkeypatch.setattr(importlib.metadata, "entry_points", found)


class Point:
    @staticmethod
    def load():
        return lambda ds: f"<b>{ds.attrs['format']}</b>"


def test_a_result_shows_itself_by_the_installed_display_and_else_as_xarray_does(monkeypatch):
    ours = Explanation({"lrp": ("x", [1.0])}, attrs={"format": "matxai-explanation"})
    shown(monkeypatch, Point)
    assert ours._repr_html_() == "<b>matxai-explanation</b>"
    assert "xarray" in Explanation({"a": 1})._repr_html_()
    shown(monkeypatch)
    assert "xarray" in ours._repr_html_()


def test_what_xarray_makes_of_an_explanation_is_one():
    ds = Explanation({"lrp": (("y", "x"), np.ones((2, 3)))}, attrs={"format": "matxai-explanation"})
    assert isinstance(ds.isel(y=0), Explanation)
    assert isinstance(ds.copy(), Explanation)


CLASSES = ("crack", "pore", "sound")


def test_classes_are_named_by_name_number_or_other_case():
    assert class_index("pore", CLASSES, "m") == 1
    assert class_index("Pore", CLASSES, "m") == 1
    assert class_index("2", CLASSES, "m") == 2
    for wrong in ("7", "poer"):
        with pytest.raises(TargetError, match="The model m has no class"):
            class_index(wrong, CLASSES, "m")


def test_scores_are_the_five_best_with_their_probabilities():
    logits = torch.randn(1, 9, generator=torch.Generator().manual_seed(0))
    rows = top_scores(logits, (), "classification", "none")
    best = logits[0].softmax(0).sort(descending=True)
    assert [r["index"] for r in rows] == best.indices[:5].tolist()
    assert [r["probability"] for r in rows] == pytest.approx(best.values[:5].tolist(), rel=1e-6)
    assert rows[0]["class"] == str(rows[0]["index"])
    several = top_scores(logits, (), "classification", "sigmoid")
    assert several[0]["probability"] == pytest.approx(float(logits.max().sigmoid()))
    values = top_scores(logits, (), "regression", "none")
    assert "probability" not in values[0]
    assert top_scores(None, (), "detection", "none") == []


@pytest.mark.parametrize(
    ("classes", "names"), [((), ["1", "0"]), (("crack",), ["crack", "not crack"]), (("ok", "crack"), ["crack", "ok"])]
)
def test_a_single_output_is_the_score_of_the_positive_class(classes, names):
    rows = top_scores(torch.tensor([[1.2]]), classes, "classification", "none")
    assert [r["class"] for r in rows] == names
    assert [r["logit"] for r in rows] == pytest.approx([1.2, -1.2])
    assert rows[0]["probability"] == pytest.approx(1 / (1 + np.exp(-1.2)), rel=1e-6)
    assert rows[0]["probability"] + rows[1]["probability"] == pytest.approx(1)


def test_agreement_is_spearmans_over_pixels_that_both_know():
    from scipy.stats import spearmanr

    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 20, 30))
    b = b + a
    hole = np.where(rng.uniform(size=(20, 30)) < 0.2, np.nan, 1.0)
    maps = {
        "a": xr.DataArray(a * hole, dims=("y", "x")),
        "b": xr.DataArray(b[None], dims=("layer", "y", "x"), coords={"layer": ["l4"]}),
        "flat": xr.DataArray(np.zeros((20, 30)), dims=("y", "x")),
        "own": xr.DataArray(np.zeros((2, 3)), dims=("l_y", "l_x")),
    }
    known = np.isfinite(hole)
    expected = spearmanr(abs(a[known]), abs(b[known])).statistic
    assert agreement(maps, ("y", "x")) == [{"a": "a", "b": "b[l4]", "rank": pytest.approx(expected, abs=1e-4)}]

"""Expectations on models whose answers are known by hand: what is measured, what is decided, and what is not."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from torch import nn

from matxai.checks import LabelledSet, Verdict
from matxai.checks.expect.combining import at_least, levels
from matxai.checks.expect.document import expectations_of
from matxai.checks.expect.judging import judge
from matxai.checks.perturbation import filled_signal
from matxai.errors import Cancelled, ExpectationError, MatxaiError
from matxai.modelcard import load_model

LENGTH = 60


class Sums(nn.Module):
    """Class ``a`` scores by what lies in channels 10 to 19, ``b`` by 40 to 49; nothing else counts."""

    def __init__(self) -> None:
        super().__init__()
        self.line = nn.Linear(LENGTH, 2)
        with torch.no_grad():
            self.line.weight.zero_()
            self.line.bias.zero_()
            self.line.weight[0, 10:20] = 1.0
            self.line.weight[1, 40:50] = 1.0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.line(x.flatten(1))


def spectrum(kind: int, seed: int) -> xr.DataArray:
    """A flat background with noise, and a peak where the class has it: some so low that none at all is no surprise."""
    rng = np.random.default_rng(seed)
    values = 1 + 0.05 * rng.random(LENGTH)
    values[12 + 30 * kind : 18 + 30 * kind] += 0.2 + 0.3 * (seed // 2)
    energy = xr.DataArray(np.linspace(100, 159, LENGTH), dims="energy", attrs={"units": "eV"})
    return xr.DataArray(values, dims="energy", coords={"energy": energy})


@pytest.fixture(scope="module")
def model():
    return load_model(
        Sums(), kind="1d", channels=1, classes=["a", "b"], scale="none", task="classification", name="sums"
    )


@pytest.fixture(scope="module")
def data() -> LabelledSet:
    labels = np.arange(16) % 2
    return LabelledSet(
        names=tuple(f"s{i}.csv" for i in range(16)),
        labels=labels,
        classes=("a", "b"),
        read=lambda i: spectrum(int(labels[i]), i),
        groups=np.arange(16) // 2,
    )


def one(model: Any, data: LabelledSet, line: str, base: Path | str = ".", **more: Any) -> Any:
    """The finding of a single expectation."""
    checked = judge(expectations_of(f"version: 1\nexpectations:\n  - {{name: x, {line}}}\n", base), model, data, **more)
    return checked.findings[0]


A = "classes: [a], region: {interval: [110, 119], unit: eV}"


def test_shares_of_a_linear_model_are_those_of_its_weights(model, data) -> None:
    found = one(model, data, f"{A}, measure: share, method: input_x_gradient, above: 0.5")
    assert [s.value for s in found.samples] == pytest.approx([1.0] * 8)  # all of w x lies in the interval
    assert found.verdict.answer == "holds" and (found.verdict.n, found.verdict.groups) == (8, 8)
    half = one(
        model,
        data,
        "classes: [a], region: {interval: [110, 114], unit: eV}, measure: share, method: input_x_gradient, above: 0.8",
    )
    x = np.asarray(data.read(0).values)
    assert half.samples[0].value == pytest.approx(x[10:15].sum() / x[10:20].sum(), rel=1e-5)
    assert half.verdict.answer == "broken"  # 0.5, and 31 % of the samples could be at 1
    kilo = one(
        model,
        data,
        "region: {interval: [0.110, 0.114], unit: keV}, measure: share, method: input_x_gradient, above: 0.5",
    )
    assert kilo.samples[0].value == half.samples[0].value


def test_the_fall_of_a_score_is_what_the_fill_took_away(model, data) -> None:
    found = one(model, data, f"{A}, measure: score_drop, fills: local_mean, above: 2")
    mask = np.zeros(LENGTH, bool)
    mask[10:20] = True
    signal = data.read(0)
    new = filled_signal(signal, mask, "local_mean", 0)
    expected = float(np.float64(signal.values[10:20]).sum() - np.asarray(new.values)[10:20].sum())
    assert found.samples[0].value == pytest.approx(expected, rel=1e-5)
    assert any("out of distribution" in s.reason for s in found.samples)  # and these have no value
    assert one(model, data, f"{A}, measure: score_drop, above: 2").verdict.answer == "holds"
    against = one(model, data, f"{A}, measure: score_drop, above: controls")
    assert against.verdict.answer == "holds" and against.verdict.p == 1 / 2**8
    assert {s.rank for s in against.samples} == {1} and "broken" not in {s.answer for s in against.samples}
    wrong = one(
        model, data, "classes: [a], region: {interval: [140, 149], unit: eV}, measure: score_drop, above: controls"
    )
    # the fill raises the score where it spreads the peak; that makes nothing of a region that does nothing
    assert wrong.verdict.effect <= 0 and wrong.verdict.answer != "holds"


def test_what_must_not_be_needs_samples_enough_to_exclude_it(model, data) -> None:
    other = "region: {interval: [150, 159], unit: eV}, role: must_not, measure: probability_drop"
    few = one(model, data, f"{other}, below: 0.05")
    assert few.verdict.effect == pytest.approx(0, abs=1e-9)
    assert few.verdict.interval[1] == pytest.approx(1 - 0.05 ** (1 / few.verdict.n))  # 17 % of 16 could have escaped
    assert few.verdict.answer == "inconclusive" and "bounds lie on both sides of 0.05" in few.missing
    assert one(model, data, f"{other}, below: 0.2").verdict.answer == "holds"
    used = one(model, data, f"{A}, role: must_not, measure: invariance, below: 0.9")
    assert used.verdict.answer == "holds"
    broken = one(model, data, f"{A}, role: must_not, measure: probability_drop, below: 0.1")
    assert broken.verdict.answer == "broken"


def test_under_six_groups_and_at_chance_nothing_is_acquitted(model, data) -> None:
    few = LabelledSet(data.names, data.labels, data.classes, data.read, np.arange(16) // 4)
    found = one(model, few, f"{A}, measure: share, method: input_x_gradient, above: 0.5")
    assert found.verdict.answer == "inconclusive" and "4 independent groups" in found.missing
    shuffled = LabelledSet(data.names, data.labels, data.classes, lambda i: spectrum(i // 2 % 2, i), data.groups)
    other = "region: {interval: [150, 159], unit: eV}, role: must_not, measure: invariance, below: 1.0"
    assert "no better than chance" not in one(model, data, other).missing
    guess = "region: {interval: [150, 159], unit: eV}, role: must_not, measure: probability_drop, below: 0.2"
    found = one(model, shuffled, guess)
    assert found.verdict.answer == "inconclusive" and "right in 0.5 of these samples" in found.missing


def test_groups_nobody_named_are_said_in_the_sentence(model, data) -> None:
    alone = LabelledSet(data.names, data.labels, data.classes, data.read)
    found = one(model, alone, f"{A}, measure: share, method: input_x_gradient, above: 0.5")
    assert "treated as independent and the bounds are optimistic" in found.verdict.sentence
    assert found.verdict.groups is None


def test_a_dose_lowers_the_score_step_by_step(model, data) -> None:
    found = one(model, data, f"{A}, measure: dose_response, fills: local_mean, above: 0.9")
    assert [s.value for s in found.samples] == pytest.approx([1.0] * 8)
    curve = found.samples[0].detail["scores"]["local_mean"]
    assert np.diff(curve, 2) == pytest.approx(0, abs=1e-4)  # a linear model fades linearly


def test_every_change_by_steps_is_read_in_its_own_direction(model, data) -> None:
    dose = f"{A}, measure: dose_response, fills: local_mean, above: 0.9, change: "
    up = one(model, data, dose + "amplify, steps: [0.5, 1, 1.5]").samples[0]
    assert up.value == pytest.approx(1.0) and up.detail["response"] == "rises"
    scores = up.detail["scores"]["local_mean"]
    x = np.asarray(data.read(0).values)
    assert scores[1] == pytest.approx(float(x[10:20].sum()), rel=1e-5)  # 1 is as it is, and the steps are even
    assert scores[2] - scores[1] == pytest.approx(scores[1] - scores[0], rel=1e-4)
    against = one(model, data, f"{dose}amplify, response: falls, steps: [0.5, 1, 1.5]")
    assert against.samples[0].value == pytest.approx(-1.0) and against.verdict.answer == "broken"
    away = one(model, data, dose + "shift, steps: [0, 4, 8]").samples[3]
    assert away.value == pytest.approx(1.0) and away.detail["response"] == "falls"
    none = one(model, data, dose + "shift, steps: [0, 40, 80]")  # 10 to 19 shifted by 80 lies outside of 60
    assert none.verdict.answer == "inconclusive" and "leaves the signal" in none.missing
    aside = one(model, data, dose + "shift, steps: [0, 4, 8], along: y")
    assert "has the axes energy; nothing is shifted along 'y' there" in aside.missing


def test_steps_that_look_like_nothing_real_do_not_count(model, data) -> None:
    line = f"{A}, measure: dose_response, fills: local_mean, change: amplify, above: 0, steps: "
    first = one(model, data, line + "[0.5, 1, 1.5, 90]").samples[0]
    assert np.isfinite(first.detail["scores"]["local_mean"]).tolist() == [True, True, True, False]
    assert first.value == pytest.approx(1.0)
    far = one(model, data, line + "[1, 90, 91]")
    assert far.verdict.answer == "inconclusive" and "Too few steps of the amplify look to the model like" in far.missing


def test_what_is_broken_is_held_to_holm_s_steps(model, data) -> None:
    part = "classes: [a], measure: probability_drop, role: must_not, region: {interval: [110, 119], unit: eV}"
    bounds = one(model, data, f"{part}, below: 0.1").verdict
    limit = bounds.interval[0] - 1e-3  # just beyond the bound at 5 %, and within that at 5 % of eight
    near = f"{part}, below: {limit}"
    share = "classes: [a], role: must_not, measure: share, method: input_x_gradient"
    rest = f"{share}, region: {{interval: [150, 159], unit: eV}}"

    def answers(*lines: str) -> list[str]:
        text = "".join(f"  - {{name: n{i}, {line}}}\n" for i, line in enumerate(lines))
        return [
            f.verdict.answer for f in judge(expectations_of(f"version: 1\nexpectations:\n{text}"), model, data).findings
        ]

    assert answers(near) == ["broken"]
    holding = [f"{rest}, below: 0.9{i}" for i in range(7)]
    assert answers(near, *holding) == ["inconclusive"] + 7 * ["holds"]
    # what is broken beyond doubt does not count against what is left, and what is only reported never does
    plain = [f"{A}, role: must_not, measure: share, method: input_x_gradient, below: 0.1{i}" for i in range(7)]
    assert answers(near, *plain) == 8 * ["broken"]
    told = [f"{A}, role: may, measure: share, method: input_x_gradient"] * 3
    assert answers(near, *told) == ["broken"] + 3 * ["reported"]


def test_absence_is_tested_by_putting_the_thing_there(data) -> None:
    class Absent(Sums):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            scores = super().forward(x)
            return torch.stack([scores[:, 0] - 2 * scores[:, 1], scores[:, 1]], 1)  # a: no peak at 140 to 149

    absent = load_model(Absent(), kind="1d", channels=1, classes=["a", "b"], scale="none", task="classification")
    line = "classes: [a], absent: {region: {peaks: [145], tolerance: 5, unit: eV}, width: 2, height: 0.5}, above: "
    found = one(absent, data, line + "controls")
    x = np.asarray(data.read(0).values)
    places = np.arange(100, 160)
    added = 0.5 * np.ptp(x) * np.exp(-np.log(2) * (places - 145.0) ** 2)
    assert found.samples[0].value == pytest.approx(2 * added[40:50].sum() - added[10:20].sum(), rel=1e-4)
    assert found.verdict.answer == "holds" and found.kind == "absent"
    blind = load_model(Sums(), kind="1d", channels=1, classes=["a", "b"], scale="none", task="classification")
    assert one(blind, data, line + "1.0").verdict.answer == "broken"
    swap = "classes: [a], absent: {region: {interval: [140, 149], unit: eV}, insert: contrast, contrast: [b]}, above: "
    assert one(absent, data, swap + "controls").verdict.answer == "holds"
    assert one(blind, data, swap + "1.0").verdict.answer == "broken"


def test_any_of_and_all_of_are_logic_of_three_values(model, data) -> None:
    assert at_least(1, ["holds", "broken", "inconclusive"]) == "holds"
    assert at_least(2, ["holds", "broken", "inconclusive"]) == "inconclusive"
    assert at_least(2, ["holds", "broken", "broken"]) == "broken"
    assert at_least(3, ["holds", "inconclusive", "holds"]) == "inconclusive"
    assert levels(1, 4) == (0.05 / 4, 0.05) and levels(4, 4) == (0.05, 0.05 / 4)
    part = "measure: share, method: input_x_gradient, above: 0.4"
    peak = f"{{region: {{interval: [110, 119], unit: eV}}, {part}}}"
    rest = f"{{region: {{interval: [150, 159], unit: eV}}, {part}}}"
    found = one(model, data, f"classes: [a], any_of: {{k: 1, of: [{peak}, {rest}]}}")
    assert found.verdict.answer == "holds" and [p.verdict.answer for p in found.parts] == ["holds", "broken"]
    assert {s.answer for s in found.samples} == {"holds"}
    every = one(model, data, f"classes: [a], all_of: [{peak}, {rest}]")
    assert every.verdict.answer == "broken" and {s.answer for s in every.samples} == {"broken"}


def test_one_answer_in_all_with_the_weight_of_what_holds(model, data) -> None:
    part = "measure: share, method: input_x_gradient"
    lines = [
        f"{{name: good, {A}, {part}, above: 0.5, weight: 3}}",
        f"{{name: bad, classes: [a], region: {{interval: [150, 159], unit: eV}}, {part}, above: 0.5}}",
        f"{{name: told, role: may, region: {{border: 3}}, {part}}}",
    ]
    text = "version: 1\nexpectations:\n" + "".join(f"  - {line}\n" for line in lines)
    checked = judge(expectations_of(text), model, data)
    assert (checked.answer, checked.score) == ("broken", 0.75)
    assert checked.sentence == "1 of 2 expectations are broken: 'bad'."
    assert checked.findings[2].verdict.answer == "reported" and not checked.findings[2].demanded
    assert "is reported" in checked.findings[2].verdict.sentence
    json.dumps(asdict(checked), default=str)
    only = judge(expectations_of(text.replace(lines[0], "").replace(lines[1], "").replace("  - \n", "")), model, data)
    assert only.answer == "inconclusive" and only.sentence.startswith("Nothing is demanded")


def test_what_can_be_measured_nowhere_is_bad_input(model, data, tmp_path) -> None:
    part = "measure: share, method: input_x_gradient, above: 0.5"
    for line, said in [
        ('region: {labels: "masks/{stem}.png"}', r"line 3: 'x' can be measured in no sample. .*s0.png is not there"),
        ("region: {interval: [500, 600], unit: eV}", "lies outside of s0.csv, which runs from 100 to 159 eV"),
        ("region: {interval: [5, 6], unit: nm}", "is in eV, which is no quantity of nm"),
        ("region: {interval: [0, 1000], unit: eV}", "covers all of s0.csv"),
        ("region: {mask: 1}", "The data give no mask for s0.csv"),
        ("region: {interval: [110, 119], unit: eV, axis: two_theta}", "has the axis 'energy', and the region lies on"),
    ]:
        with pytest.raises(MatxaiError, match=said):
            one(model, data, f"{line}, {part}", tmp_path)
    with pytest.raises(ExpectationError, match=r"line 3: 'x' is about the class 'aa'.*Did you mean 'a'"):
        one(model, data, f"classes: [aa], region: {{border: 3}}, {part}")


def test_a_mask_of_another_size_is_named(model, data) -> None:
    masked = LabelledSet(
        data.names, data.labels, data.classes, data.read, data.groups, mask=lambda i: np.ones(LENGTH + 1, np.int64)
    )
    with pytest.raises(MatxaiError, match=r"The mask of s0.csv is 61, and s0.csv is 60; a mask has the size"):
        one(model, masked, "region: {mask: 1}, measure: share, method: input_x_gradient, above: 0.5")


def test_some_samples_without_the_region_are_left_out(model, data) -> None:
    def mask(i: int) -> np.ndarray:
        found = np.zeros(LENGTH, np.int64)
        found[10:20] = i % 8 != 0
        return found

    masked = LabelledSet(data.names, data.labels, data.classes, data.read, data.groups, mask=mask)
    found = one(model, masked, "classes: [a], region: {mask: 1}, measure: share, method: input_x_gradient, above: 0.5")
    assert found.verdict.n == 6 and found.verdict.evidence["left_out"] == 2
    assert found.samples[0].value is None and "has such a region" in found.samples[0].reason


def test_it_can_be_cancelled_and_tells_how_far_it_is(model, data) -> None:
    class Now:
        def is_set(self) -> bool:
            return True

    with pytest.raises(Cancelled):
        one(model, data, f"{A}, measure: share, above: 0.5", cancel=Now())
    told: list[tuple[int, int, str]] = []
    one(model, data, f"{A}, measure: share, above: 0.5", progress=lambda *a: told.append(a))
    assert told[0] == (0, 16, "near-duplicates") and told[-1][:2] == (8, 8)


def test_the_module_is_left_as_it_was(data) -> None:
    module = Sums().train()
    known = load_model(module, kind="1d", channels=1, classes=["a", "b"], scale="none", task="classification")
    modes = [m.training for m in module.modules()]
    one(known, data, f"{A}, measure: score_drop, above: controls")
    assert [m.training for m in module.modules()] == modes
    assert all(p.grad is None for p in module.parameters())
    assert isinstance(one(known, data, f"{A}, measure: share, above: 0.5").verdict, Verdict)

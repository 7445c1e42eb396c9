"""The table of zones: shares against sums by hand, errors of the noise, removal beside its controls, what is absent."""

from __future__ import annotations

import json
import threading
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from torch import Tensor, nn

import matxai
from matxai.checks.zones import ZoneTable, insert_lines, zone_table
from matxai.checks.zones.records import ALL
from matxai.checks.zones.redrawing import redraws
from matxai.errors import Cancelled, RegionError
from matxai.reference import ReferenceLine, ReferenceLines, reference_lines
from matxai.regions import divided
from matxai.signals import labelled

AXIS = np.arange(20, 80, 0.1)
PEAKS = [(28.44, 1000.0, 0.5), (47.30, 600.0, 0.55), (56.10, 350.0, 0.6), (69.10, 450.0, 0.6)]
WINDOW = (AXIS > 46) & (AXIS < 49)
ABSENT = (AXIS > 39.0) & (AXIS < 41.0)


def bell(place: float, height: float, fwhm: float) -> np.ndarray:
    return height * np.exp(-4 * np.log(2) * ((AXIS - place) / fwhm) ** 2)


def pattern(seed: int = 0, more: tuple[tuple[float, float, float], ...] = ()) -> xr.DataArray:
    expected = 100 + sum(bell(*p) for p in (*PEAKS, *more))
    counts = np.random.default_rng(seed).poisson(expected).astype(np.int32)
    return labelled(counts, ("two_theta",), coords={"two_theta": AXIS}, units={"two_theta": "degree"})


class Reader(nn.Module):
    """Class 1 is what lies in one window, less what lies in another; class 0 is nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, 1, 3, padding=1, bias=False)
        self.head = nn.Linear(AXIS.size, 2, bias=False)
        with torch.no_grad():
            self.conv.weight.fill_(1 / 3)
            self.head.weight.zero_()
            self.head.weight[1, torch.from_numpy(WINDOW)] = 0.01
            self.head.weight[1, torch.from_numpy(ABSENT)] = -0.02

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.conv(x).relu()[:, 0])


@pytest.fixture(scope="module")
def model() -> matxai.Model:
    return matxai.load_model(Reader(), kind="1d", channels=1, classes=["without", "with"], scale="none")


@pytest.fixture(scope="module")
def explained(model: matxai.Model) -> xr.Dataset:
    return matxai.explain(model, pattern(), methods=["lrp:epsilon", "input_x_gradient", "grad_cam"], target="with")


@pytest.fixture(scope="module")
def table(model: matxai.Model, explained: xr.Dataset) -> ZoneTable:
    return zone_table(model, explained)


def test_shares_are_those_of_the_sums_and_signs_are_never_added(table: ZoneTable, explained: xr.Dataset) -> None:
    cut = divided(np.asarray(explained["signal"].values), AXIS, dim="two_theta")
    for method in ("input_x_gradient", "lrp:epsilon"):
        values = explained[method.replace(":", "_")].values.astype(float)
        for number, zone in enumerate(table.zones[:-1], start=1):
            inside = values[cut.labels == number]
            share = zone.share(method)
            assert share is not None
            assert share.positive == pytest.approx(inside[inside > 0].sum() / values[values > 0].sum(), abs=1e-6)
            assert share.negative == pytest.approx(inside[inside < 0].sum() / values[values < 0].sum(), abs=1e-6)
        for side in ("positive", "negative"):
            assert sum(getattr(z.share(method), side) for z in table.zones) == pytest.approx(1)
    # the net is linear: the negative part is what it subtracts, which lies on the background
    background = table.zones[-1].share("input_x_gradient")
    assert background is not None
    assert background.negative == pytest.approx(1, abs=1e-6)
    cam = table.zones[0].share("grad_cam")
    assert cam is not None
    assert cam.negative is None


def test_the_zone_that_decides_is_the_one_that_the_net_reads(table: ZoneTable) -> None:
    assert [z.position for z in table.zones[:-1]] == pytest.approx([p[0] for p in PEAKS], abs=0.05)
    top = table.relevant[0]
    assert top.position == pytest.approx(47.3, abs=0.05)
    removal = top.removal
    assert removal is not None
    assert (removal.rank_background, removal.n_background) == (1, 19)
    assert removal.rank_peaks == 1
    assert removal.n_peaks == 3
    # the net counts 0.01 for each count of the peak, which is what is gone
    counts = np.sum(bell(*PEAKS[1])[WINDOW])
    assert removal.effect == pytest.approx(0.01 * counts, rel=0.15)
    assert removal.fills == ("linear_bridge", "local_baseline", "poisson")
    assert removal.low <= removal.effect <= removal.high
    other = table.zones[0].removal
    assert other is not None
    assert other.effect == pytest.approx(0, abs=1e-6)


def test_the_error_over_redraws_is_that_of_counting(table: ZoneTable, explained: xr.Dataset) -> None:
    zone = next(z for z in table.zones if z.kind == "peak" and abs(z.position - 47.3) < 0.1)
    share = zone.share("input_x_gradient")
    assert share is not None
    assert share.draws == 50
    # a share s = a / (a + b) of Poisson sums a, b, each counted with weight 0.01: var s = s (1 - s) / (a + b)
    total = explained["input_x_gradient"].values.clip(0).sum() / 0.01
    assert share.positive is not None
    expected = np.sqrt(share.positive * (1 - share.positive) / total)
    assert share.positive_error == pytest.approx(expected, rel=0.4)  # 50 draws know it to 10 %, 4 sigma
    mean = zone.share(ALL)
    assert mean is not None
    own = [s.positive for s in zone.shares if s.method != ALL and s.positive is not None]
    assert len(own) == 2  # at the layer nothing speaks for the class on average: that map has no positive sum
    assert mean.positive == pytest.approx(np.mean(own))
    assert mean.positive_error == pytest.approx(np.std(own, ddof=1))
    assert mean.draws == 3


def test_redraws_are_seeded_and_go_by_the_noise_that_is_given() -> None:
    signal = pattern()
    some, word = redraws(signal, 50, 3)
    more, _ = redraws(signal, 60, 3)
    assert "Poisson" in word
    assert some.dtype == signal.dtype
    assert np.array_equal(some, more[:50])
    assert np.var(more.astype(float), axis=0).mean() == pytest.approx(signal.values.mean(), rel=0.1)
    given = signal.astype(float).assign_coords(sigma=("two_theta", np.full(AXIS.size, 7.0)))
    drawn, word = redraws(given, 50, 0)
    assert "given" in word
    assert np.std(drawn - given.values) == pytest.approx(7, rel=0.02)
    smooth = labelled(np.sin(AXIS) + 0.01 * np.random.default_rng(0).standard_normal(AXIS.size), ("axis",))
    drawn, _ = redraws(smooth, 50, 0)
    assert np.std(drawn - smooth.values) == pytest.approx(0.01, rel=0.15)
    with pytest.raises(RegionError, match="as many numbers"):
        redraws(signal, 50, 0, np.ones(3))


REFERENCE = ReferenceLines(
    "made up",
    "two_theta",
    "degree",
    tuple(
        ReferenceLine(p, label, i)
        for p, label, i in ((28.5, "1 1 1", 100.0), (40.0, "2 0 0", 30.0), (47.2, "2 2 0", 60.0), (65.0, "weak", 0.2))
    ),
    "this test",
)


def test_zones_are_assigned_and_expected_lines_are_relevant_or_ignored(
    model: matxai.Model, explained: xr.Dataset
) -> None:
    found = zone_table(model, explained, reference=REFERENCE, removal=False, redrawn=0)
    said = {round(z.position): z.assignment for z in found.zones if z.kind != "background"}
    assert said == {28: "made up 1 1 1", 40: "", 47: "made up 2 2 0", 56: "unexplained", 69: "unexplained"}
    zone = next(z for z in found.zones if z.assignment == "made up 2 2 0")
    assert zone.offset == pytest.approx(0.1, abs=0.05)  # two peaks are too few to fit a shift to
    lines = {e.label: e for e in found.expected}
    assert set(lines) == {"1 1 1", "2 0 0", "2 2 0"}  # 0.2 of 100 is not expected to be seen
    assert lines["2 2 0"].answer == "relevant"
    assert lines["1 1 1"].answer == "ignored"
    missing = next(z for z in found.zones if z.kind == "line")
    assert (missing.absent, missing.weak, lines["2 0 0"].zone) == (True, True, missing.name)
    share = missing.share("input_x_gradient")
    assert share is not None
    assert share.negative is not None
    assert share.negative > 0.3  # a place where nothing is may speak against a class
    with pytest.raises(RegionError, match="lie on an axis"):
        zone_table(model, explained, redrawn=0, removal=False, reference=ReferenceLines(
            "other", "energy", "eV", REFERENCE.lines, "this test"))  # fmt: skip
    with pytest.raises(RegionError, match="lies between 20"):
        zone_table(model, explained, redrawn=0, removal=False, reference=ReferenceLines(
            "far", "two_theta", "degree", (ReferenceLine(95.0, "x"),), "this test"))  # fmt: skip


def test_a_line_that_the_network_never_got_is_not_called_ignored() -> None:
    class Whole(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.stack([x.sum((1, 2)), -x.sum((1, 2))], 1)

    axis = {"name": "two_theta", "units": "degree", "start": 25.0, "stop": 50.0, "points": 251}
    short = matxai.load_model(Whole(), kind="1d", channels=1, classes=["a", "b"], scale="none", axis=axis)
    explained = matxai.explain(short, pattern(), methods=["input_x_gradient"], target="a")
    lines = ((28.5, "1 1 1", 100.0), (47.2, "2 2 0", 60.0), (56.1, "3 1 1", 40.0), (62.0, "2 2 2", 20.0))
    wanted = ReferenceLines("made up", "two_theta", "degree", tuple(ReferenceLine(*x) for x in lines), "this test")
    found = zone_table(short, explained, reference=wanted, removal=False)
    answers = {e.label: (e.answer, e.share is None) for e in found.expected}
    relevant, not_read = ("relevant", False), ("not read", True)
    assert answers == {"1 1 1": relevant, "2 2 0": relevant, "3 1 1": not_read, "2 2 2": not_read}
    unread = [z for z in found.zones if not z.read]
    assert [round(z.position) for z in unread] == [56, 62, 69]
    assert all(s.positive is None and s.negative is None and s.positive_error is None for z in unread for s in z.shares)
    known = [z.share("input_x_gradient") for z in found.zones]
    assert sum(s.positive or 0 for s in known if s is not None) == pytest.approx(1)
    assert ZoneTable.from_dict(json.loads(json.dumps(found.to_dict()))).expected == found.expected


def test_lines_of_several_phases_are_matched_at_once_and_told_apart(model: matxai.Model, explained: xr.Dataset) -> None:
    first = ReferenceLines("one", "two_theta", "degree", (ReferenceLine(28.5, "1 1 1", 100.0),), "this test")
    second = ReferenceLines("two", "two_theta", "degree", (ReferenceLine(47.2, "2 2 0", 100.0),), "this test")
    found = zone_table(model, explained, reference=[first, second], removal=False, redrawn=0)
    said = {round(z.position): z.assignment for z in found.zones if z.assignment}
    assert said == {28: "one 1 1 1", 47: "two 2 2 0", 56: "unexplained", 69: "unexplained"}
    expected = [(e.reference, e.source, e.label, e.answer) for e in found.expected]
    assert expected == [("one", "this test", "1 1 1", "ignored"), ("two", "this test", "2 2 0", "relevant")]
    assert found.reference == "one (this test); two (this test)"
    with pytest.raises(RegionError, match="called 'one'; name each of them once"):
        zone_table(model, explained, reference=[first, first], removal=False, redrawn=0)


def test_a_spin_orbit_pair_of_the_reference_is_one_zone() -> None:
    axis = np.arange(700, 740, 0.1)
    curve = lambda p, h, w: h * np.exp(-4 * np.log(2) * ((axis - p) / w) ** 2)  # noqa: E731 - a formula
    counts = np.random.default_rng(0).poisson(500 + curve(706.8, 3000, 1.2) + curve(719.9, 1500, 1.4))
    signal = labelled(counts, ("binding_energy",), coords={"binding_energy": axis}, units={"binding_energy": "eV"})

    class Sum(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.stack([x.sum((1, 2)), -x.sum((1, 2))], 1)

    metal = matxai.load_model(Sum(), kind="1d", channels=1, classes=["a", "b"], scale="none")
    explained = matxai.explain(metal, signal, methods=["input_x_gradient"], target="a")
    iron = reference_lines("xps:Fe 2p")
    found = zone_table(metal, explained, reference=iron, redrawn=0, removal=False)
    pair = next(z for z in found.zones if z.kind == "doublet")
    assert pair.position == pytest.approx(706.8, abs=0.1)
    assert pair.assignment == "Fe 2p3/2 Fe (metal)"  # its label names the element already
    answers = {e.label: (e.answer, e.share is None) for e in found.expected if e.zone == pair.name}
    assert answers["Fe 2p3/2 Fe (metal)"] == answers["Fe 2p1/2 Fe (metal)"] == ("relevant", False)
    assert answers["Fe 2p3/2 FeOOH"] == ("under another", True)  # 4 eV beside a peak that is another line's


def test_what_another_class_has_is_a_zone_and_attributed_against_its_mean(model: matxai.Model) -> None:
    others = [pattern(seed, ((40.0, 800.0, 0.5),)) for seed in range(1, 6)]
    against = matxai.explain(
        model, pattern(), methods=["integrated_gradients:mean", "deep_lift:mean", "input_x_gradient"], target="with",
        references=others,
    )  # fmt: skip
    found = zone_table(model, against, contrast=others, removal=False)
    zone = next(z for z in found.zones if z.absent)
    assert zone.position == pytest.approx(40, abs=0.05)
    assert zone.weak
    for method in ("integrated_gradients:mean", "deep_lift:mean"):
        share = zone.share(method)
        assert share is not None
        assert share.positive is not None
        assert share.positive > 0.8  # that the line is absent speaks for this class
    lift = zone.share("deep_lift:mean")
    assert lift is not None
    assert lift.draws == 50
    plain = zone.share("input_x_gradient")
    assert plain is not None
    assert plain.positive == pytest.approx(0, abs=1e-6)  # which the input alone cannot show
    with pytest.raises(RegionError, match="another axis"):
        zone_table(model, against, contrast=[others[0].isel(two_theta=slice(10, None))])


def test_a_line_put_in_lowers_the_class_that_its_absence_speaks_for(model: matxai.Model) -> None:
    here, there = insert_lines(model, pattern(), [40.0, 52.0], heights=500.0, target="with")
    assert here.width == pytest.approx(0.56, abs=0.06)  # as the peaks have it
    profile_area = 500 * here.width / 0.1 * (0.5 * np.sqrt(np.pi / np.log(2)) / 2 + 0.5 * np.pi / 2)
    assert here.effect == pytest.approx(-0.02 * profile_area, rel=0.12)  # some of the tails lies outside
    assert (here.rank, len(here.control)) == (1, 19)
    assert abs(there.effect) < 1
    assert here.change[0] == pytest.approx(0, abs=1e-6)
    again = insert_lines(model, pattern(), [40.0], heights=500.0, target="with")[0]
    assert np.array_equal(again.after, here.after)
    for bad, why in (([95.0], "outside of the curve"), ([], "one position or more")):
        with pytest.raises(RegionError, match=why):
            insert_lines(model, pattern(), bad)
    flat = labelled(np.random.default_rng(0).poisson(50, AXIS.size).astype(np.int32), ("two_theta",),
                    coords={"two_theta": AXIS})  # fmt: skip
    with pytest.raises(RegionError, match="give width="):
        insert_lines(model, flat, [40.0])
    assert insert_lines(model, flat, [40.0], width=0.5, heights=100.0)[0].height == 100


def test_an_edge_is_replaced_by_a_step_and_never_bridged() -> None:
    energy = np.concatenate([np.arange(6900, 7100, 5.0), np.arange(7100, 7200, 0.5), np.arange(7200, 7600, 4.0)])
    off = energy - 7120
    curve = 0.5 + np.arctan(off) / np.pi + 0.6 * np.exp(-(((off - 6) / 3) ** 2))

    class White(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.stack([x[:, 0].amax(1), -x[:, 0].amax(1)], 1)

    noisy = curve + 0.001 * np.random.default_rng(0).standard_normal(energy.size)
    signal = labelled(noisy, ("energy",), coords={"energy": energy}, units={"energy": "eV"})
    model = matxai.load_model(White(), kind="1d", channels=1, classes=["white", "not"], scale="none")
    found = zone_table(model, matxai.explain(model, signal, methods=["input_x_gradient"], target="white"))
    assert found.how == "edge"
    white = next(z for z in found.zones if z.kind == "white_line")
    assert white.removal is not None
    assert white.removal.fills == ("edge_step",)
    # the step stays: about 1 is left of 1.6
    assert white.removal.effect == pytest.approx(curve.max() - 1.0, abs=0.1)
    assert found.relevant[0].kind == "white_line"


def test_channels_are_kept_in_maps_and_tables() -> None:
    class Second(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.stack([x[:, 0].sum(1) * 0, x[:, 1, WINDOW].sum(1) * 0.01], 1)

    both = np.stack([pattern(1).values, pattern(2).values], 1)
    signal = labelled(both, ("two_theta", "c"), coords={"two_theta": AXIS})
    model = matxai.load_model(Second(), kind="1d", channels=2, classes=["a", "b"], scale="none")
    explained = matxai.explain(model, signal, methods=["input_x_gradient", "saliency"], target="b")
    assert explained["input_x_gradient"].dims == ("c", "two_theta")
    assert explained["input_x_gradient"].isel(c=0).values.any() == np.False_
    found = zone_table(model, explained)
    zone = found.relevant[0]
    first, second = (zone.share("input_x_gradient", c) for c in (0, 1))
    assert first is not None
    assert second is not None
    assert first.positive == 0
    assert second.positive is not None
    assert second.positive > 0.5
    assert second.positive_error is not None
    assert {r["channel"] for r in found.rows() if r["method"] == "saliency"} == {0, 1}


def test_the_table_survives_json_and_its_rows_say_what_is_marked(table: ZoneTable) -> None:
    again = ZoneTable.from_dict(json.loads(json.dumps(table.to_dict())))
    assert again.zones[0] == table.zones[0]
    rows = list(table.rows())
    assert [r["method"] for r in rows[:4]] == [ALL, "lrp:epsilon", "input_x_gradient", "grad_cam"]
    assert {r["error_over"] for r in rows} == {"methods", "redraws"}
    assert all(r["weak"] is False for r in rows if r["kind"] == "peak")


def test_bad_questions_are_said_in_a_sentence(model: matxai.Model, explained: xr.Dataset) -> None:
    with pytest.raises(RegionError, match="50 redraws"):
        zone_table(model, explained, redrawn=10)
    several = matxai.explain(model, pattern(), methods=["input_x_gradient"], target=["with", "without"])
    with pytest.raises(RegionError, match="of one class"):
        zone_table(model, several)
    stop = threading.Event()
    stop.set()
    with pytest.raises(Cancelled):
        zone_table(model, explained, cancel=stop)
    told: list[Any] = []
    zone_table(model, explained, progress=lambda *a: told.append(a), controls=2)
    assert {t[2].split()[0] for t in told} >= {"redraws", "remove"}

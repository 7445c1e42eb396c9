"""The truth of a set made by hand: zones, contrast and d' against what a pencil gives."""

from __future__ import annotations

import numpy as np
import pytest
from matxai_datasets.spectra import Feature, Generator, Nominal, Scene, truth_of
from matxai_datasets.spectra.profiles import gaussian

AXIS = np.linspace(0, 100, 1001)
AREAS = {"A": {"a": 100.0, "s": 50.0, "m": 80.0}, "B": {"s": 40.0, "m": 80.0}}
PLACES = {"a": 30.0, "s": 30.5, "m": 70.0}


def _nominal(kind: str) -> Nominal:
    features = tuple(
        Feature(f"{s} line", s, "peak", PLACES[s], area * gaussian(AXIS, PLACES[s], 2.0))
        for s, area in AREAS[kind].items()
    )
    return Nominal(AXIS, features, np.full(1001, 10.0))


BY_HAND = Generator(
    name="by_hand", title="two classes", dim="two_theta", unit="degree", axis=AXIS, classes=("A", "B"),
    specimen=lambda _kind, _rng: {}, scene=lambda _kind, _specimen, _rng: Scene(AXIS, np.ones(1001)),
    detect=lambda scene, _rng: scene.values, nominal=_nominal, slack=0.5,
)  # fmt: skip


def test_a_source_that_both_have_tells_nothing_though_another_lies_on_it() -> None:
    truth = truth_of(BY_HAND)
    assert [(z.name, z.evidence, z.against) for z in truth.zones["A"]] == [("a line", "presence", ("B",))]
    assert [(z.name, z.evidence, z.against) for z in truth.zones["B"]] == [("a line", "absence", ("A",))]
    assert [z.name for z in truth.nuisance] == ["m line"]


def test_a_zone_ends_at_a_fifth_of_the_height_and_its_numbers_are_sums() -> None:
    zone = truth_of(BY_HAND).zones["A"][0]
    half = np.sqrt(np.log(5) / np.log(2))  # of a Gaussian of width 2: where it has a fifth of its height
    assert (zone.start, zone.stop) == pytest.approx((29.5 - half, 30.5 + half), abs=0.11)
    inside = (zone.start <= AXIS) & (zone.stop >= AXIS)
    a, s = (float(gaussian(AXIS, PLACES[k], 2.0)[inside].sum()) for k in ("a", "s"))
    matrix = 80 * float(gaussian(AXIS, 70.0, 2.0)[inside].sum())
    mine, its = 100 * a + 50 * s, 40 * s
    assert zone.contrast == pytest.approx((mine - its) / (mine + its))
    noise = 0.5 * (mine + its) + matrix + 10 * inside.sum()
    assert zone.d_prime == pytest.approx((mine - its) / np.sqrt(noise))
    assert truth_of(BY_HAND).at(31.0, "A") == zone
    assert truth_of(BY_HAND).at(70.0, "A") is None


def test_silence_keeps_away_from_what_differs_and_holds_what_does_not() -> None:
    silent = truth_of(BY_HAND).silent
    assert any(a <= 69 and b >= 71 for a, b in silent), "the matrix is alike in both"
    assert not any(a < 33 and b > 27 for a, b in silent)

"""Matching: planted shifts come back within their errors, what cannot be told apart is said, chance stays chance."""

from __future__ import annotations

import numpy as np
import pytest

from matxai.errors import MatxaiError
from matxai.reference import ReferenceLine, ReferenceLines, match, powder_lines, structure


def lines_of(name: str, low: float = 10, high: float = 90, **more) -> ReferenceLines:
    return powder_lines(structure(name), two_theta=(low, high), least=1, **more)


def shifted(places: np.ndarray, zero: float, displacement: float) -> np.ndarray:
    """Klug and Alexander's formula, written anew."""
    return places + zero + displacement * np.cos(np.radians(places / 2))


def levels(*places: float, axis: str = "binding_energy", unit: str = "eV") -> ReferenceLines:
    return ReferenceLines(
        "made", axis, unit, tuple(ReferenceLine(p, f"line {i}") for i, p in enumerate(places)), "here"
    )


def said(result) -> str:
    return " ".join(result.sentences)


def test_zero_shift_and_displacement_come_back_within_their_errors() -> None:
    """A standard of known lattice over a wide range: corundum from 20 to 150 degrees, noise of 0.005 degree."""
    reference = lines_of("corundum", 20, 150)
    rng = np.random.default_rng(0)
    far = []
    for zero, displacement in ((0.08, -0.15), (-0.1, 0.2), (0.0, 0.0), (0.15, 0.05)):
        places = shifted(reference.positions, zero, displacement) + rng.normal(0, 0.005, len(reference))
        result = match(places, reference, lattice="fixed", draws=0)
        for name, planted in (("zero shift", zero), ("displacement", displacement)):
            value, error = result.value(name)
            assert error < 0.01
            far.append((value - planted) / error)
        assert not result.unexplained
    assert np.abs(far).max() < 3
    assert np.abs(far).mean() > 0.2  # errors are no more generous than the scatter


def test_a_lattice_comes_back_with_the_instrument_fitted_beside_it() -> None:
    reference = lines_of("corundum", 20, 150)
    strained = powder_lines(structure("corundum").scaled(1.004), two_theta=(20, 155), least=0)
    wanted = {line.facts["hkl"] for line in reference.lines}
    places = np.array([x.position for x in strained.lines if x.facts["hkl"] in wanted and x.position < 150])
    rng = np.random.default_rng(1)
    places = shifted(places, 0.05, -0.1) + rng.normal(0, 0.003, len(places))
    result = match(places, reference, uncertainties=np.full(len(places), 0.003), draws=0)
    value, error = result.value("lattice of Al2O3 (corundum)")
    assert abs(value - 0.004) < 3 * error
    assert error < 1e-4
    assert abs(result.value("displacement")[0] + 0.1) < 3 * result.value("displacement")[1]


def test_axes_that_differ_are_fitted_each() -> None:
    reference = lines_of("ZnO", 20, 140)
    moved = powder_lines(structure("ZnO").scaled((1.003, 1.003, 0.998)), two_theta=(18, 145), least=0)
    there = {x.facts["hkl"]: x.position for x in moved.lines}
    places = np.array([there[x.facts["hkl"]] for x in reference.lines if x.facts["hkl"] in there])
    result = match(places, reference, lattice="axes", draws=0)
    assert result.value("a of ZnO")[0] == pytest.approx(0.003, abs=2e-4)
    assert result.value("c of ZnO")[0] == pytest.approx(-0.002, abs=2e-4)
    assert [f.parameter.name for f in match(places, reference, draws=0).fit.fitted][2:] == ["lattice of ZnO"]


def test_what_a_short_range_cannot_tell_apart_is_said() -> None:
    short = lines_of("corundum", 25, 60)
    result = match(shifted(short.positions, 0.1, 0.0), short, lattice="fixed", draws=0)
    assert "Not to be told apart between 25.7 and 59.8 degree: zero shift and displacement" in said(result)
    assert abs(result.fit.correlation[0, 1]) > 0.99
    places = [line.expected for line in result.lines]
    assert places == pytest.approx(shifted(short.positions, 0.1, 0.0), abs=0.003)  # together they are known
    assert result.fit.shift_uncertainty < 0.003
    wide = lines_of("corundum", 20, 150)
    broad = match(shifted(wide.positions, 0.1, 0.0), wide, lattice="fixed", draws=0)
    assert broad.fit.condition < result.fit.condition
    assert "Not to be told apart" not in said(broad)


def test_fewer_than_four_peaks_fit_nothing() -> None:
    reference = lines_of("Si", 10, 60)
    result = match(shifted(reference.positions, 0.05, 0.0), reference, draws=0)
    assert result.fit is None
    assert "Nothing was fitted: 3 peaks match a line, 4 are needed" in said(result)
    assert [p.assignment for p in result.peaks] == ["Si 1 1 1", "Si 2 2 0", "Si 3 1 1"]
    assert [p.difference for p in result.peaks] == pytest.approx([0.05] * 3)
    with pytest.raises(MatxaiError, match="Nothing called 'zero shift' was fitted"):
        result.value("zero shift")


def test_with_few_peaks_fewer_parameters_are_fitted_and_that_is_said() -> None:
    reference = lines_of("CuO (tenorite)", 30, 50)
    four = reference.positions[[0, 1, 3, 5]]
    result = match(four, reference, lattice="axes", draws=0)
    assert len(result.fit.fitted) < 4
    assert "Too few peaks match to fit the axes of the lattice each for itself as well" in said(result)


def test_extra_peaks_stay_unexplained_and_change_nothing() -> None:
    reference = lines_of("corundum", 20, 120)
    places = shifted(reference.positions, 0.1, -0.1)
    extra = np.array([22.0, 30.1, 48.3, 63.5, 72.2, 83.0, 93.5])
    alone = match(places, reference, draws=0)
    heights = np.append(reference.intensities, np.full(len(extra), 60.0))  # too high for the K-beta of anything
    crowded = match(np.append(places, extra), reference, heights=heights, draws=0)
    assert [p.given for p in crowded.unexplained] == pytest.approx(extra)
    expected = [line.expected for line in alone.lines]
    assert [line.expected for line in crowded.lines] == pytest.approx(expected, abs=0.002)


def test_two_phases_share_one_instrument() -> None:
    first, second = lines_of("Si", 20, 130), lines_of("corundum", 20, 130)
    places = np.concatenate([shifted(x.positions, 0.12, -0.05) for x in (first, second)])
    owner = ["Si"] * len(first) + ["Al2O3 (corundum)"] * len(second)
    result = match(places, [first, second], draws=0)
    by_place = {p.given: p.reference for p in result.peaks}
    assert [by_place[p] for p in places] == owner
    assert [f.parameter.name for f in result.fit.fitted] == [
        "zero shift", "displacement", "lattice of Si", "lattice of Al2O3 (corundum)",
    ]  # fmt: skip
    assert all(line.status == "found" for line in result.lines)


def test_other_lines_of_the_tube_are_recognised() -> None:
    own = lines_of("Si", 10, 120)
    every = ("K-alpha2", "K-beta", "W L-alpha1")
    lines = powder_lines(structure("Si"), wavelength="Cu", satellites=every, two_theta=(10, 120)).lines
    kept = [x for x in lines if x.facts["emission"] in {"K-alpha1", "K-beta"} or x.facts["hkl"] == (2, 2, 0)]
    kept = [x for x in kept if x.intensity >= 0.5 or x.facts["hkl"] == (2, 2, 0)]
    kept = [x for x in kept if x.facts["emission"] == "K-alpha1" or x.position < 100]  # the parents are there as well
    places = shifted(np.array([x.position for x in kept]), 0.07, 0.02)
    result = match(places, own, heights=[x.intensity for x in kept], draws=0, tolerance=0.05)
    for peak, line in zip(result.peaks, kept, strict=True):
        name = " ".join(str(i) for i in line.facts["hkl"])
        emission = line.facts["emission"]
        expected = f"Si {name}" if emission == "K-alpha1" else f"{emission} of Si {name}"
        assert peak.assignment.startswith(expected), (peak, line)
    assert "by other lines of the tube" in said(result)


def test_a_peak_higher_than_its_parent_is_no_k_beta() -> None:
    own = lines_of("Si", 10, 120)
    beta = powder_lines(structure("Si"), satellites=("K-beta",), two_theta=(10, 120))
    place = next(x.position for x in beta.lines if x.label == "1 1 1 K-beta")
    result = match(np.append(own.positions, place), own, heights=np.append(own.intensities, 200), draws=0)
    assert [p.given for p in result.unexplained] == [place]


def test_lines_are_found_absent_weak_hidden_or_not_measured() -> None:
    reference = lines_of("NaCl", 10, 100)
    strong = reference.intensities > 8
    left_out = reference.positions == reference.positions[strong][3]
    kept = strong & ~left_out & (reference.positions < 85)
    places, heights = reference.positions[kept], reference.intensities[kept]
    result = match(places, reference, heights=heights, measured=(20, 85), draws=0)
    status = {line.line.label: line.status for line in result.lines}
    for line in reference.lines:
        if line.position > 85.2:
            expected = "not measured"
        elif line.position in places:
            expected = "found"
        else:
            expected = "absent" if line.intensity > 2 * heights.min() else "too weak"
        assert status[line.label] == expected, line
    assert {"absent", "too weak", "found", "not measured"} <= set(status.values())
    assert result.phases[0].expected == sum(line.position <= 85.1 for line in reference.lines)
    frame = result.table()
    assert list(frame["status"][: len(places)]) == ["found"] * len(places)
    assert len(frame) == len(places) + sum(s != "found" for s in status.values())


def test_random_peaks_rarely_match() -> None:
    """p is at most 0.05 in about 5 of 100 sets of random peaks: the search for shifts is part of the chance."""
    reference = lines_of("corundum")
    rng = np.random.default_rng(3)
    small = 0
    for _ in range(24):
        places = np.sort(rng.uniform(10, 90, 12))
        result = match(places, reference, measured=(10, 90), draws=19, fit=True)
        small += result.phases[0].chance <= 0.05
    assert small <= 4  # more than 4 of 24 at 5 % has a probability of 0.006
    truth = match(reference.positions, reference, measured=(10, 90), draws=19)
    assert truth.phases[0].chance == 0.05
    assert "better than chance" in said(truth)


def test_d_and_q_are_matched_on_two_theta() -> None:
    reference = lines_of("corundum", 20, 120)
    places = shifted(reference.positions, 0.1, -0.05)
    q = 4 * np.pi * np.sin(np.radians(places / 2)) / 1.54056
    expected = match(places, reference, draws=0)
    for axis, measured in (("q", q), ("d_spacing", 2 * np.pi / q)):
        result = match(measured, lines_of("corundum", 20, 120, axis=axis), draws=0)
        assert result.axis == "two_theta"
        assert [p.position for p in result.peaks] == pytest.approx(places)
        assert [p.assignment for p in result.peaks] == [p.assignment for p in expected.peaks]
        assert result.fit.values == pytest.approx(expected.fit.values, abs=2e-3)


def test_xps_moves_rigidly() -> None:
    reference = levels(284.8, 529.9, 706.7, 719.8)
    result = match(np.array([284.8, 529.9, 706.7, 719.8, 640.0]) + 2.31, reference, draws=0)
    value, error = result.value("rigid shift")
    assert value == pytest.approx(2.31, abs=3 * error)
    assert [p.assignment for p in result.peaks].count("unexplained") == 1
    assert "Fitted: rigid shift +2.3" in said(result)
    lone = match([287.1], reference, draws=0)
    assert lone.fit is None
    assert "2 are needed" in said(lone)


def test_a_shift_beyond_its_bound_is_not_made() -> None:
    reference = levels(284.8, 529.9, 706.7, 719.8)
    result = match(reference.positions + 9.0, reference, draws=0)
    assert result.fit is None
    assert len(result.unexplained) == 4


def test_edges_are_aligned_or_uncalibrated() -> None:
    edge = levels(7112.0, axis="energy")
    raw = match([7113.4], edge, draws=0)
    assert raw.fit is None
    assert "E0 is uncalibrated" in said(raw)
    assert raw.peaks[0].assignment == "made line 0"  # within the 2 eV that nobody can tell
    aligned = match([7113.4], edge, aligned=-0.2, draws=0)
    assert "aligned by -0.2 eV" in said(aligned)
    assert aligned.peaks[0].assignment == "unexplained"
    assert aligned.peaks[0].position == pytest.approx(7113.2)
    assert match([7113.4], edge, aligned=-1.5, draws=0).peaks[0].difference == pytest.approx(-0.1)


def test_uncertain_and_wide_peaks_reach_further() -> None:
    reference = levels(284.8, 529.9)
    assert match([284.8, 531.4], reference, draws=0, fit=False).unexplained
    assert not match([284.8, 531.4], reference, widths=[1.0, 3.2], draws=0, fit=False).unexplained
    assert not match([284.8, 531.4], reference, uncertainties=[0.1, 0.5], draws=0, fit=False).unexplained


@pytest.mark.parametrize(
    ("peaks", "change", "sentence"),
    [
        ([], {}, "at least one; got shape"),
        ([[1.0, 2.0]], {}, "list of finite positions"),
        ([np.nan], {}, "list of finite positions"),
        ([30.0], {"heights": [1, 2]}, "heights must be 1 positive numbers"),
        ([30.0], {"widths": [0]}, "widths must be 1 positive numbers"),
        ([30.0], {"measured": (40, 90)}, "leaves out peaks"),
        ([30.0], {"lattice": "free"}, "lattice is 'fixed', 'scale' or 'axes'"),
        ([30.0], {"bounds": (0.3, -1, 0.01)}, "bounds are positive"),
        ([30.0], {"tolerance": 0}, "tolerance must be positive"),
        ([30.0], {"aligned": 1.0}, "on two_theta shifts are fitted"),
        ([30.0], {"least": 200}, "no line of at least 200 of 100"),
    ],
)
def test_bad_input_gets_one_sentence(peaks: list, change: dict, sentence: str) -> None:
    with pytest.raises(MatxaiError, match=sentence):
        match(peaks, lines_of("Si"), **change)


def test_references_that_do_not_belong_together_are_refused() -> None:
    si = lines_of("Si")
    for others, sentence in (
        ([], "give at least one reference"),
        ([si, levels(1.0)], "Si: two_theta in degree, made: binding_energy in eV"),
        ([si, lines_of("Cu", wavelength="Mo")], r"at one wavelength; here are"),
        ([si, si], "Two references have one name"),
        ([levels(1.0, axis="time", unit="s")], "shift on the axis 'time'"),
        ([levels(0.3, axis="energy", unit="keV")], "matched in eV, not in keV"),
    ):
        with pytest.raises(MatxaiError, match=sentence):
            match([30.0], others)

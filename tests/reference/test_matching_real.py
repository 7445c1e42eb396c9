"""The eight measured patterns: the phase in the name of the file explains it, and better than every other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from matxai.reference import ReferenceLines, match, powder_lines, read_cif
from matxai.regions import peaks

PHASES = {
    "LiMnO2": ["LiMnO2_59"],
    "Mn2O3": ["Mn2O3_206"],
    "MnO": ["MnO_225"],
    "MnO2": ["MnO2_136"],
    "TiO2": ["TiO2_141"],
    "TiO2+MnO": ["TiO2_141", "MnO_225"],
    "Mn2O3+LiF": ["Mn2O3_206", "LiF_225"],
    "Li2MnO3+MnO+TiO2": ["Li2MnO3_12", "MnO_225", "TiO2_141"],
}
OTHERS = ["MnF2_136", "Ti2O3_167", "LiMn2O4_227", "TiO2_136", "Mn3O4_141"]
"""Phases of the same elements that are in none of the patterns (the titanium oxide is anatase, 141)."""


@pytest.fixture(scope="module")
def folder(data_dir: Path) -> Path:
    return data_dir / "xrd_limntiof"


@pytest.fixture(scope="module")
def lines(folder: Path) -> dict[str, ReferenceLines]:
    names = {name for phases in PHASES.values() for name in phases} | set(OTHERS)
    found = {}
    for name in sorted(names):
        computed = powder_lines(read_cif(folder / "References" / f"{name}.cif"), two_theta=(10, 100), least=1)
        found[name] = ReferenceLines(name, "two_theta", "degree", computed.lines, computed.source, computed.facts)
    return found


def measured(folder: Path, name: str) -> dict[str, np.ndarray]:
    table = np.loadtxt(folder / "Spectra" / f"{name}.xy")
    found = [r.evidence for r in peaks(table[:, 1], table[:, 0]) if r.evidence["snr"] > 10]
    keys = {"positions": "position", "heights": "prominence", "widths": "fwhm"}
    return {ours: np.array([x[theirs] for x in found]) for ours, theirs in keys.items()}


@pytest.mark.data
@pytest.mark.parametrize("name", PHASES)
def test_the_phases_in_the_name_of_the_file_are_matched(folder: Path, lines: dict, name: str) -> None:
    pattern = measured(folder, name)
    result = match(**pattern, references=[lines[p] for p in PHASES[name]], measured=(10, 100), draws=19)
    assert result.fit is not None
    by_place = dict(zip(pattern["positions"], pattern["heights"], strict=True))
    explained = sum(by_place[p.given] for p in result.peaks if p.assignment != "unexplained")
    assert explained / pattern["heights"].sum() > 0.85
    for phase in result.phases:
        assert phase.share > 0.6, phase
        assert phase.chance == 0.05, phase  # the least that 19 draws can show


@pytest.mark.data
@pytest.mark.parametrize("name", [n for n, phases in PHASES.items() if len(phases) == 1])
def test_no_other_phase_explains_the_pattern_as_well(folder: Path, lines: dict, name: str) -> None:
    pattern = measured(folder, name)
    by_place = dict(zip(pattern["positions"], pattern["heights"], strict=True))
    worth = {}
    for phase in [*PHASES[name], *OTHERS]:
        result = match(**pattern, references=lines[phase], measured=(10, 100), draws=0)
        explained = sum(by_place[p.given] for p in result.peaks if p.assignment != "unexplained")
        worth[phase] = result.phases[0].share * explained / pattern["heights"].sum()
    (own,) = PHASES[name]
    assert worth[own] > 2 * max(w for phase, w in worth.items() if phase != own), worth


@pytest.mark.data
def test_manganosite_line_by_line(folder: Path, lines: dict) -> None:
    """MnO, read by eye: seven lines from 34.96 to 98.13 degrees, and the K-alpha2 of the five beyond 55."""
    result = match(**measured(folder, "MnO"), references=lines["MnO_225"], measured=(10, 100), draws=0)
    own = {p.line.label: p.given for p in result.peaks if p.line is not None}
    expected = {
        "1 1 1": 34.96, "2 0 0": 40.59, "2 2 0": 58.73, "3 1 1": 70.19, "2 2 2": 73.81, "4 0 0": 87.78, "3 3 1": 98.13,
    }  # fmt: skip
    assert own == pytest.approx(expected, abs=0.02)
    assert sum(p.satellite.startswith("K-alpha2 of MnO_225") for p in result.peaks) == 5

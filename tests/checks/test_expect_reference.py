"""Regions of expectations that a reference gives: its lines, shifted as the sample's own peaks are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from matxai.checks.expect.regions.reference import Reference, near_lines
from matxai.checks.expect.sample import Sample
from matxai.errors import FileError, MatxaiError, RegionError
from matxai.reference import powder_lines, structure
from matxai.signals import labelled

AXIS = np.arange(20, 100, 0.05)
LINES = powder_lines(structure("Si"), two_theta=(20.0, 100.0))


def sample(shift: float, dims: tuple[str, ...] = ("two_theta",)) -> Sample:
    counts = 50 + sum(
        15 * x.intensity * np.exp(-4 * np.log(2) * ((AXIS - x.position - shift) / 0.25) ** 2) for x in LINES.lines
    )
    values = np.random.default_rng(0).poisson(counts)
    unit = "degree" if dims[0] == "two_theta" else "eV"
    signal = labelled(values, dims, coords={dims[0]: AXIS}, units={dims[0]: unit})
    return Sample(0, "si.xy", "Si", signal, Path())


def test_the_region_is_what_lies_near_a_line_of_the_reference() -> None:
    found = near_lines(Reference(reference="Si", tolerance=0.3, shifted=False), sample(0.0))
    expected = np.min(np.abs(AXIS[:, None] - LINES.positions[LINES.intensities >= 1]), axis=1) <= 0.3
    assert np.array_equal(found, expected)
    strong = near_lines(Reference(reference="Si", tolerance=0.3, shifted=False, least=50), sample(0.0))
    assert strong.sum() == pytest.approx(2 * 12, abs=3)  # 1 1 1 and 2 2 0 alone


def test_lines_are_first_matched_with_the_peaks_of_the_sample() -> None:
    moved = sample(0.2)
    found = near_lines(Reference(reference="Si", tolerance=0.1), moved)
    tops = [int(np.argmin(np.abs(AXIS - x.position - 0.2))) for x in LINES.lines if x.intensity > 5]
    assert found[tops].all()
    plain = near_lines(Reference(reference="Si", tolerance=0.1, shifted=False), moved)
    assert not plain[tops].any()


def test_what_is_no_reference_is_said_in_a_sentence() -> None:
    with pytest.raises(MatxaiError, match="Sii"):
        near_lines(Reference(reference="Sii", tolerance=0.1), sample(0.0))
    with pytest.raises(FileError, match="is not there"):
        near_lines(Reference(reference="none.cif", tolerance=0.1), sample(0.0))
    with pytest.raises(MatxaiError, match="lie on 'two_theta'"):
        near_lines(Reference(reference="Si", tolerance=0.1), sample(0.0, ("energy",)))
    grey = labelled(np.ones((4, 4)), ("y", "x"))
    with pytest.raises(RegionError, match="no spectrum"):
        near_lines(Reference(reference="Si", tolerance=0.1), Sample(0, "a.tif", "a", grey, Path()))

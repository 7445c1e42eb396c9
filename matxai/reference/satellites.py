"""Peaks that another line of the tube makes: K-alpha2, K-beta and tungsten beside K-alpha1."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from matxai.reference.tubes import anode_of, tube

if TYPE_CHECKING:
    import numpy.typing as npt

    from matxai.reference.match_job import Job, Pairs
    from matxai.reference.shift_models import ShiftModel

    Curve = npt.NDArray[np.float64]

MOST = {"K-alpha2": 0.8, "K-beta": 0.5, "W L-alpha1": 0.2, "W L-alpha2": 0.1}
"""Height against the parent beyond which a peak is no satellite of it."""


def satellites_among(job: Job, model: ShiftModel, values: Curve, straight: Curve, pairs: Pairs) -> dict[int, str]:
    """Return what each peak that no line explains may be: ``{3: "K-beta of Si 1 1 1"}``.

    Parents are the peaks that have a line, and stronger peaks that have none. Without heights every parent counts.
    """
    wavelength = job.rule.wavelength
    anode = anode_of(wavelength) if wavelength is not None else None
    if wavelength is None or anode is None:
        return {}
    lines = {name: line.wavelength for name, line in tube(anode).items() if name in MOST}
    windows, heights = job.peaks.windows(job.window), job.peaks.heights
    found: dict[int, tuple[float, str]] = {}
    for parent in np.argsort(pairs[:, 0] < 0, kind="stable"):
        sine = np.sin(np.radians(straight[parent] / 2))
        for name, length in lines.items():
            if sine * length / wavelength >= 1:
                continue
            ideal = np.degrees(2 * np.arcsin(sine * length / wavelength))
            place = float(model.shifted(np.array([ideal]), values)[0])
            for peak in np.flatnonzero((pairs[:, 0] < 0) & (np.abs(job.peaks.positions - place) <= windows)):
                if peak == parent or not _may_be(heights, int(peak), int(parent), name, bool(pairs[parent, 0] >= 0)):
                    continue
                gap = abs(float(job.peaks.positions[peak]) - place) / float(windows[peak])
                if int(peak) not in found or gap < found[int(peak)][0]:
                    found[int(peak)] = (gap, f"{name} of {_called(job, int(parent), pairs)}")
    return {peak: called for peak, (_, called) in found.items()}


def _may_be(heights: Curve | None, peak: int, parent: int, name: str, explained: bool) -> bool:
    if heights is None:
        return explained
    return bool(heights[peak] <= MOST[name] * heights[parent])


def _called(job: Job, peak: int, pairs: Pairs) -> str:
    phase, line = (int(i) for i in pairs[peak])
    if phase < 0:
        return f"the peak at {job.peaks.given[peak]:.2f}"
    return f"{job.phases[phase].name} {job.phases[phase].lines[line].label}"

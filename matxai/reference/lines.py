"""The record that every source of reference positions fills: lines on one axis, with what they are and who says so."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import MatxaiError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt


@dataclass(frozen=True)
class ReferenceLine:
    """One line that a spectrum should show.

    Attributes
    ----------
    position
        On the axis of its `ReferenceLines`.
    label
        What a stick in a plot says: ``"1 1 0"``, ``"Fe 2p3/2"``, ``"K-alpha1"``.
    intensity
        Relative to the strongest line of its set, which has 100; NaN where nobody says.
    facts
        More of it as names and numbers: ``hkl``, ``multiplicity``, ``d_spacing`` (angstrom), ``uncertainty``.
    """

    position: float
    label: str
    intensity: float = float("nan")
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ReferenceLines:
    """The lines of one phase, compound, edge or calibration substance.

    Attributes
    ----------
    name
        What they are of: ``"Si"``, ``"Fe2O3 (hematite)"``.
    axis, unit
        The kind of axis that positions lie on, and its unit: ``two_theta`` in ``degree``.
    lines
        In ascending order of position.
    source
        Who says so: a paper, a table, a file.
    facts
        What holds for all: ``wavelength`` (angstrom), ``photon_energy`` (eV), ``cell``.

    Raises
    ------
    MatxaiError
        If there is no line, or positions are not finite and ascending.
    """

    name: str
    axis: str
    unit: str
    lines: tuple[ReferenceLine, ...]
    source: str
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        places = self.positions
        if not len(places):
            msg = f"The reference '{self.name}' has no line in this range; choose a wider one."
            raise MatxaiError(msg)
        if not np.isfinite(places).all() or np.any(np.diff(places) < 0):
            msg = f"The lines of '{self.name}' must have finite positions in ascending order."
            raise MatxaiError(msg)

    def __len__(self) -> int:
        return len(self.lines)

    @property
    def positions(self) -> npt.NDArray[np.float64]:
        """Shape ``(n,)``."""
        return np.array([line.position for line in self.lines], float)

    @property
    def intensities(self) -> npt.NDArray[np.float64]:
        """Shape ``(n,)``; NaN where nobody says."""
        return np.array([line.intensity for line in self.lines], float)

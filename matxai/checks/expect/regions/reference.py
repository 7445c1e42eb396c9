"""Where a reference expects lines: of a structure that comes along, or of a CIF file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from pydantic import Field

from matxai.checks.expect.regions import RegionFields, RegionKind, region_kinds
from matxai.errors import RegionError

if TYPE_CHECKING:
    from matxai.checks.expect.sample import Sample


class Reference(RegionFields):
    """``reference``: a structure, FILE.cif, a table or ``xps:Fe 2p``; ``tolerance``: how far around a line it reaches.

    ``least``: intensity of 100 below which a line does not count; ``shifted``: whether the lines are first matched with
    the peaks of each sample, shifts and lattice included.
    """

    reference: str
    tolerance: float = Field(gt=0)
    least: float = Field(default=1.0, ge=0, lt=100)
    shifted: bool = True


def near_lines(spec: Reference, sample: Sample) -> npt.NDArray[np.bool_]:
    """Return the points within the tolerance of any line that the reference expects.

    Raises
    ------
    RegionError
        If the sample is no spectrum, or none of the lines lies inside of it.
    MatxaiError
        If there is no such reference.
    """
    from matxai.checks.references import FILES, reference_for
    from matxai.checks.zones.assigning import compared
    from matxai.regions import divided

    signal = sample.signal
    dim = str(signal.dims[0])
    if len(sample.shape) != 1 or dim not in signal.coords:
        raise RegionError(f"{sample.name} is no spectrum with an axis, so no line of '{spec.reference}' lies on it.")
    path = sample.base / Path(spec.reference).expanduser()
    lines = reference_for(str(path) if path.suffix.lower() in FILES else spec.reference, signal)
    axis = np.asarray(signal.coords[dim].values, np.float64)
    if dim not in (lines.axis, "axis"):
        raise RegionError(f"The lines of '{spec.reference}' lie on '{lines.axis}', {sample.name} on '{dim}'.")
    if spec.shifted:
        cut = divided(sample.grey(), axis, dim=dim)
        found = [x for x in compared(cut, [lines], dim).lines if x.intensity is None or x.intensity >= spec.least]
        places = [x.position for x in found]
    else:
        places = [x.position for x in lines.lines if not x.intensity < spec.least]
    inside = np.zeros(axis.shape, bool)
    for place in places:
        inside |= np.abs(axis - place) <= spec.tolerance
    if not inside.any():
        raise RegionError(
            f"No line of '{spec.reference}' lies on {sample.name}, which runs from {axis[0]:g} to {axis[-1]:g}."
        )
    return inside


region_kinds.add(
    "reference",
    RegionKind(
        Reference,
        near_lines,
        "what lies within a tolerance of the lines of a structure or a CIF file, matched with each sample's peaks",
        '{reference: "Si", tolerance: 0.2}',
        "1d",
        "peak",
    ),
)

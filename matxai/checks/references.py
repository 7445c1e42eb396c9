"""What a user names as a reference, as lines on the axis of a spectrum: a structure, a file, or ``kind:what``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import FileError

if TYPE_CHECKING:
    import xarray as xr

    from matxai.reference import ReferenceLines

DIFFRACTION = ("two_theta", "d_spacing", "q")
USUAL_RANGE = (2.0, 170.0)
FILES = (".cif", ".csv", ".tsv", ".txt", ".yaml", ".yml", ".json")


def reference_for(given: str, signal: xr.DataArray) -> ReferenceLines:
    """Return the lines that a name stands for (:func:`matxai.reference.reference_lines`), for one spectrum.

    Parameters
    ----------
    given
        ``"Si"``, ``"phase.cif"``, ``"lines.csv"``, ``"xps:Fe 2p"``, ``"raman:Si"``, ``"edge:Fe"``.
    signal
        Its first axis is what lines of structures lie on; its attribute ``wavelength`` (angstrom) places them, Cu
        K-alpha-1 where the file names none.

    Raises
    ------
    FileError
        If it is a file that is not there.
    MatxaiError
        If nothing is called so, or no line lies in the range.
    """
    from matxai.reference import reference_lines

    suffix = Path(given).suffix.lower()
    if suffix in FILES and not Path(given).is_file():
        raise FileError(f"The reference {given} is not there; name a CIF, a table of lines, or a structure.")
    kind = given.partition(":")[0] if ":" in given else "cif" if suffix == ".cif" else "table" if suffix else "phase"
    if kind not in ("phase", "cif"):
        return reference_lines(given)
    dim = str(signal.dims[0])
    axis = dim if dim in DIFFRACTION else "two_theta"
    options: dict[str, Any] = {"axis": axis, "two_theta": USUAL_RANGE}
    if dim == "two_theta" and dim in signal.coords:
        places = np.asarray(signal.coords[dim].values, float)
        options["two_theta"] = (max(float(places[0]), USUAL_RANGE[0]), min(float(places[-1]), USUAL_RANGE[1]))
    if signal.attrs.get("wavelength") is not None:
        options["wavelength"] = float(signal.attrs["wavelength"])
    return reference_lines(given, **options)


def spin_orbit_pairs(reference: ReferenceLines, tolerance: float = 0.6) -> list[tuple[float, float]]:
    """Return the distances of a reference's spin-orbit pairs, and how far each may be off; none of other lines.

    Parameters
    ----------
    reference
        Photoelectron lines with the fact ``splitting``, in electronvolt.
    tolerance
        In electronvolt.
    """
    said = (line.facts.get("splitting") for line in reference.lines)
    splits = {float(s) for s in said if s is not None and float(s) > tolerance}
    return [(split, tolerance) for split in sorted(splits)]

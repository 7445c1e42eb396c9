"""What a user names as a reference, as lines on the axis of a spectrum: a phase that comes along, or a CIF file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from matxai.errors import FileError, MatxaiError

if TYPE_CHECKING:
    import xarray as xr

    from matxai.reference import ReferenceLines

DIFFRACTION = ("two_theta", "d_spacing", "q")
USUAL_RANGE = (2.0, 170.0)


def reference_for(given: str, signal: xr.DataArray) -> ReferenceLines:
    """Return the lines of a reference that lie on a spectrum's axis.

    Parameters
    ----------
    given
        ``FILE.cif``, or the name of a structure (``"Si"``, ``"corundum"``).
    signal
        Its first axis is what the lines lie on; its attribute ``wavelength`` (angstrom) places them, Cu K-alpha-1
        where the file names none.

    Raises
    ------
    FileError
        If the file is not there, or is none that can be read.
    MatxaiError
        If there is no such structure, no line in the range, or the axis is none of diffraction.
    """
    from matxai.reference import powder_lines, read_cif, structure

    dim = str(signal.dims[0])
    if dim not in (*DIFFRACTION, "axis"):
        raise MatxaiError(
            f"The reference '{given}' is a structure, whose lines lie on two_theta, d or q; this spectrum has '{dim}'."
        )
    if Path(given).suffix.lower() == ".cif":
        if not Path(given).is_file():
            raise FileError(f"The reference {given} is not there; name a CIF file or a structure.")
        found = read_cif(given)
    else:
        found = structure(given)
    axis = dim if dim in DIFFRACTION else "two_theta"
    places = np.asarray(signal.coords[dim].values, float) if dim in signal.coords else np.array(USUAL_RANGE)
    low, high = (max(float(places[0]), USUAL_RANGE[0]), float(places[-1])) if axis == "two_theta" else USUAL_RANGE
    wavelength = signal.attrs.get("wavelength")
    if wavelength is None:
        return powder_lines(found, two_theta=(low, high), axis=axis)
    return powder_lines(found, two_theta=(low, high), axis=axis, wavelength=float(wavelength))

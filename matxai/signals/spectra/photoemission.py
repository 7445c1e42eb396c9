"""Curves of electron spectroscopy: kinetic energy becomes binding energy where the photon energy is known.

Binding energy = photon energy - kinetic energy, both referred to the Fermi level: the work function of the analyser is
already in the kinetic energies that its software writes. No charge is corrected here (`matxai.convert_axis` does that).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import FileError, nearest
from matxai.signals.spectra.curve import Curve

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

BINDING = "binding_energy"
KINETIC = "kinetic_energy"
NO_PHOTON_ENERGY = "the file does not name the photon energy, so the axis is the kinetic energy"
DECIMALS = 9
"""Energies in eV are rounded to these: 1486.61 - 136.61 is 1350, and no instrument measures a neV."""


def check_axis(file: str, axis: str | None) -> None:
    """Refuse an ``axis=`` that a file of electron spectroscopy cannot have.

    Raises
    ------
    FileError
        If it is neither of the two energies.
    """
    if axis not in (None, BINDING, KINETIC):
        near = nearest(str(axis), (BINDING, KINETIC), label="There are")
        msg = f"{file} has no axis '{axis}'; its axis is the binding or the kinetic energy. {near}"
        raise FileError(msg)


def photoelectrons(
    file: str,
    name: str,
    values: npt.NDArray[Any],
    *,
    energies: Mapping[str, npt.NDArray[Any]],
    photon_energy: float | None = None,
    axis: str | None = None,
    beside: Mapping[str, npt.NDArray[Any]] | None = None,
    attrs: Mapping[str, Any] | None = None,
) -> Curve:
    """Return a spectrum over binding energy, with the kinetic energy beside, or the other way round.

    Parameters
    ----------
    file, name
        For sentences, and what the file calls the region.
    values
        Shape ``(n,)``.
    energies
        What the file gives, in eV, shape ``(n,)``: ``"binding_energy"``, ``"kinetic_energy"``, or both.
    photon_energy
        In eV; None where the file does not name it.
    axis
        ``"binding_energy"``, ``"kinetic_energy"``, or None: binding energy if it is known.
    beside, attrs
        More columns, and what the file says.

    Raises
    ------
    FileError
        If the axis that was asked for cannot be worked out.
    """
    said = dict(attrs or {})
    known = dict(energies)
    if photon_energy is not None:
        said["photon_energy"] = photon_energy
        for one, other in ((BINDING, KINETIC), (KINETIC, BINDING)):
            if one not in known:
                known[one] = np.round(photon_energy - known[other], DECIMALS)
    dim = axis or (BINDING if BINDING in known else KINETIC)
    if dim not in known:
        msg = (
            f"'{name}' in {file} cannot be given over the {dim.replace('_', ' ')}: the file does not name the photon "
            f"energy; leave axis= away and convert with matxai.convert_axis(..., photon_energy=...)"
        )
        raise FileError(msg)
    if axis is None and dim == KINETIC:
        said["notes"] = [*said.get("notes", []), NO_PHOTON_ENERGY]
    places = known.pop(dim)
    return Curve(name, places, values, dim, "eV", {**known, **(beside or {})}, said, dict.fromkeys(known, "eV"))

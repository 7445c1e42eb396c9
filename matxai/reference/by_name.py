"""Reference lines by name, as commands and expectations write them: a phase, a file, or ``kind:what``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from matxai.errors import MatxaiError, nearest
from matxai.reference.cif import read_cif
from matxai.reference.diffraction import powder_lines
from matxai.reference.levels import edges, emission
from matxai.reference.phases import structure, structures
from matxai.reference.photoelectrons import auger_lines, binding_energies
from matxai.reference.raman import raman_lines
from matxai.reference.user_table import SUFFIXES, read_table
from matxai.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable

    from matxai.reference.lines import ReferenceLines

kinds: Registry[Callable[..., ReferenceLines]] = Registry("kind of reference")
"""What may stand in front of the colon; each takes what stands behind it and its own options."""

kinds.add("phase", lambda what, **options: powder_lines(structure(what), **options))
kinds.add("cif", lambda what, **options: powder_lines(read_cif(what), **options))
kinds.add("table", read_table)
kinds.add("edge", edges)
kinds.add("emission", emission)
kinds.add("xps", binding_energies)
kinds.add("auger", auger_lines)
kinds.add("raman", raman_lines)


def reference_lines(name: str, **options: Any) -> ReferenceLines:
    """Return the lines that a name stands for.

    Parameters
    ----------
    name
        A structure that ships (``"Si"``, ``"hematite"``), a CIF (``"phase.cif"``), a table of one's own
        (``"lines.csv"``, ``.yaml``, ``.json``), or a kind and what it is of: ``"edge:Fe"``, ``"emission:Cu"``,
        ``"xps:Fe 2p"``, ``"auger:Cu"``, ``"raman:Si"``, ``"phase:Si"``.
    **options
        Those of the source: ``wavelength``, ``two_theta``, ``axis`` and the rest of `powder_lines` for phases and CIFs;
        ``axis`` and ``unit`` of a table; ``laser`` of Raman lines.

    Raises
    ------
    MatxaiError
        If nothing is called so, or an option is none of its source.

    Examples
    --------
    >>> reference_lines("xps:Au 4f").axis
    'binding_energy'
    >>> [line.label for line in reference_lines("Cu", wavelength="Mo", two_theta=(15, 25)).lines]
    ['1 1 1', '2 0 0']
    """
    kind, what = _kind(name)
    try:
        return kinds[kind](what, **options)
    except TypeError as error:
        strange = next((o for o in options if f"'{o}'" in str(error)), None)
        if strange is None:
            raise
        msg = f"'{name}' takes no option '{strange}': it is a reference of the kind '{kind}'."
        raise MatxaiError(msg) from error


def _kind(name: str) -> tuple[str, str]:
    asked = name.strip()
    suffix = Path(asked).suffix.lower()
    before, colon, behind = asked.partition(":")
    if colon and before in kinds:
        return before, behind.strip()
    if suffix == ".cif":
        return "cif", asked
    if suffix in SUFFIXES:
        return "table", asked
    if colon and len(before) > 1:  # one letter is a drive of Windows
        offered = nearest(before, kinds, label="There are")
        msg = f"'{name}' begins with no kind of reference. {offered}"
        raise MatxaiError(msg)
    try:
        structure(asked)
    except MatxaiError as error:
        if "may be" in str(error):
            raise
        offered = nearest(asked, structures(), label="Structures are")
        msg = (
            f"Nothing is called '{name}'. {offered} Else name a CIF, a table ({', '.join(SUFFIXES)}) or a kind: "
            f"{', '.join(f'{k}:...' for k in kinds)}."
        )
        raise MatxaiError(msg) from error
    return "phase", asked

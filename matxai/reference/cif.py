"""Crystal structures from CIF files, through gemmi; what files leave out or get wrong is said in a sentence."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import FileError, MatxaiError
from matxai.reference.crystals import CrystalStructure, Site
from matxai.reference.symmetry import with_symmetry

if TYPE_CHECKING:
    import os

LARGEST = 64 * 2**20
"""Bytes; a structure is never longer."""
MOST_SITES = 20_000
B_OF_U = 8 * math.pi**2
_OPERATIONS = ("_space_group_symop_operation_xyz", "_symmetry_equiv_pos_as_xyz")
_SYMBOLS = ("_space_group_name_H-M_alt", "_symmetry_space_group_name_H-M", "_space_group_name_H-M_ref")
_HALL = ("_space_group_name_Hall", "_symmetry_space_group_name_Hall")
_NUMBERS = ("_space_group_IT_number", "_symmetry_Int_Tables_number")
_FAMILIAR = (
    "_chemical_name_common",
    "_chemical_name_mineral",
    "_chemical_formula_structural",
    "_chemical_formula_sum",
    "_chemical_name_systematic",
)


def read_cif(path: str | os.PathLike[str], *, block: str | None = None) -> CrystalStructure:
    """Read a structure from a CIF.

    Symmetry comes from the operations in the file, else from its space group; where a file gives every atom in P 1 (as
    exported cells do), the operations that its atoms obey are found. Uncertainties in brackets are left out of the
    numbers. Displacement parameters are taken as isotropic (the mean of anisotropic ones). Sites without coordinates or
    of occupancy 0 are left out; `CrystalStructure.notes` say what was decided.

    Parameters
    ----------
    path
        The file.
    block
        The data block's name; by default the first that holds a cell and atoms.

    Raises
    ------
    FileError
        If the file is missing, no CIF, or its structure is not whole.
    """
    file = Path(path)
    document = _document(file)
    chosen, notes = _block(document, file, block)
    try:
        return _structure(chosen, file, notes)
    except FileError:
        raise
    except MatxaiError as error:
        msg = f"{file.name}: {error}"
        raise FileError(msg) from error


def _document(file: Path) -> Any:
    import gemmi

    try:
        size = file.stat().st_size
        content = file.read_bytes() if size <= LARGEST else b""
    except OSError as error:
        msg = f"{file} cannot be read: {error.strerror or error}."
        raise FileError(msg) from error
    if size > LARGEST:
        msg = f"{file.name} has {size / 2**20:.0f} MB; a CIF of a structure has at most {LARGEST / 2**20:.0f}."
        raise FileError(msg)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    try:
        return gemmi.cif.read_string(text)
    except (ValueError, RuntimeError) as error:
        said = " ".join(str(error).split())[:200]
        said = re.sub(r"^string:(\d+):\d+\(\d+\): ", r"line \1: ", said)
        msg = f"{file.name} is no CIF that can be read ({said})."
        raise FileError(msg) from error


def _block(document: Any, file: Path, name: str | None) -> tuple[Any, list[str]]:
    names = [b.name for b in document]
    if name is not None:
        found = [b for b in document if b.name == name]
        if not found:
            msg = f"{file.name} has no data block '{name}'; it has {', '.join(names[:8]) or 'none'}."
            raise FileError(msg)
        return found[0], []
    whole = [b for b in document if b.find_value("_cell_length_a") and b.find_loop("_atom_site_fract_x")]
    if not whole:
        what = f"its blocks are {', '.join(names[:8])}" if names else "it has no data block"
        msg = f"{file.name} holds no structure (a cell and atoms with _atom_site_fract_x); {what}."
        raise FileError(msg)
    others = [b.name for b in whole[1:]]
    notes = [f"the structure is that of block '{whole[0].name}'; others: {', '.join(others[:8])}"] if others else []
    return whole[0], notes


def _structure(block: Any, file: Path, notes: list[str]) -> CrystalStructure:
    cell = _cell(block, file)
    sites = _sites(block, file, cell, notes)
    group, operations = _symmetry(block, file, notes)
    name = next((v for tag in _FAMILIAR if (v := _text(block, tag))), "") or file.stem
    found = CrystalStructure(name, cell, group, sites, f"{file.name} (data_{block.name})", operations, tuple(notes))
    return with_symmetry(found) if len(found.operations_or_standard) == 1 else found


def _text(block: Any, tag: str) -> str:
    import gemmi

    value = block.find_value(tag)
    if not value or gemmi.cif.is_null(value):
        return ""
    return " ".join(gemmi.cif.as_string(value).split())


def _cell(block: Any, file: Path) -> tuple[float, float, float, float, float, float]:
    import gemmi

    numbers = []
    for tag in ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma"):
        value = block.find_value(f"_cell_{tag}")
        number = gemmi.cif.as_number(value) if value else math.nan
        if not math.isfinite(number):
            said = f"is '{value}'" if value else "is missing"
            msg = f"{file.name}: _cell_{tag} {said}; it must be a number such as 5.431(1)."
            raise FileError(msg)
        numbers.append(number)
    a, b, c, alpha, beta, gamma = numbers
    return a, b, c, alpha, beta, gamma


def _symmetry(block: Any, file: Path, notes: list[str]) -> tuple[str, tuple[str, ...]]:
    """The symbol of the space group, and the file's operations (none where the symbol is enough)."""
    import gemmi

    symbol = next((v for tag in _SYMBOLS if (v := _text(block, tag))), "")
    for tag in _OPERATIONS:
        if listed := [gemmi.cif.as_string(v) for v in block.find_values(tag)]:
            return _operations(listed, symbol, file, notes)
    found: Any = gemmi.find_spacegroup_by_name(symbol) if symbol else None
    if found is not None:
        if ":" not in symbol and found.ext in "12":
            notes.append(f"the file names {symbol} without its origin choice; {found.ext} was taken")
        return found.xhm(), ()
    for tag in _HALL:
        if hall := _text(block, tag):
            try:
                ops = [op.triplet() for op in gemmi.symops_from_hall(hall)]
            except (ValueError, RuntimeError):
                continue
            return _operations(ops, symbol, file, notes)
    for tag in _NUMBERS:
        number = _text(block, tag)
        if number.isdigit() and 1 <= int(number) <= 230:
            standard = gemmi.find_spacegroup_by_number(int(number))
            notes.append(f"the file names the space group by its number {number}; {standard.xhm()} was taken")
            return standard.xhm(), ()
    what = f"its space group '{symbol}' is unknown" if symbol else "it names no space group"
    msg = f"{file.name}: {what} and it lists no symmetry operations; add _space_group_name_H-M_alt or the operations."
    raise FileError(msg)


def _operations(listed: list[str], symbol: str, file: Path, notes: list[str]) -> tuple[str, tuple[str, ...]]:
    import gemmi

    if len(listed) > 192:
        msg = f"{file.name} lists {len(listed)} symmetry operations; no space group has more than 192."
        raise FileError(msg)
    ops = []
    for text in listed:
        try:
            op = gemmi.Op(text)
        except (ValueError, RuntimeError) as error:
            msg = f"{file.name}: '{text[:40]}' is no symmetry operation such as '-x,y,-z+1/2'."
            raise FileError(msg) from error
        if abs(round(np.linalg.det(np.array(op.rot, float) / gemmi.Op.DEN), 6)) != 1:
            msg = f"{file.name}: '{text[:40]}' is no symmetry operation: it does not keep volumes."
            raise FileError(msg)
        ops.append(op)
    found: Any = gemmi.find_spacegroup_by_ops(gemmi.GroupOps(ops))
    triplets = tuple(op.triplet() for op in ops)
    if "x,y,z" not in triplets:
        notes.append("the identity is not among the file's operations; it was added")
        triplets = ("x,y,z", *triplets)
    if found is None:
        notes.append(
            f"the file's {len(listed)} operations are those of no tabulated setting; they were used as they stand"
        )
        return symbol or "by its operations", triplets
    named: Any = gemmi.find_spacegroup_by_name(symbol) if symbol else None
    if named is not None and named.number != found.number:
        notes.append(f"the file is called {symbol}, but its operations are those of {found.xhm()}; they were used")
    return found.xhm(), triplets


def _sites(block: Any, file: Path, cell: tuple[float, ...], notes: list[str]) -> tuple[Site, ...]:
    import gemmi

    # gemmi joins the loop of anisotropic parameters, and makes U of B.
    rows = gemmi.make_small_structure_from_block(block).sites
    if len(rows) > MOST_SITES:
        msg = f"{file.name} lists {len(rows)} atoms; at most {MOST_SITES} are computed."
        raise FileError(msg)
    metric_cell = gemmi.UnitCell(*cell)
    found, without, empty = [], 0, 0
    for row in rows:
        place = (row.fract.x, row.fract.y, row.fract.z)
        if not all(math.isfinite(x) for x in place):
            without += 1
        elif row.occ == 0:
            empty += 1
        else:
            found.append(Site(_symbol(row, file), place, _occupancy(row, file, notes), _b(row, metric_cell), row.label))
    if without:
        notes.append(f"{without} sites without coordinates were left out")
    if empty:
        notes.append(f"{empty} sites of occupancy 0 were left out")
    if not found:
        msg = f"{file.name} lists no atom with coordinates."
        raise FileError(msg)
    return tuple(found)


def _symbol(row: Any, file: Path) -> str:
    if row.element.atomic_number == 0:
        msg = f"{file.name}: the site '{row.label}' is of no element: '{row.type_symbol or row.label}'."
        raise FileError(msg)
    return str(row.element.name)


def _occupancy(row: Any, file: Path, notes: list[str]) -> float:
    if 1 < row.occ <= 1.05:
        notes.append(f"the occupancy {row.occ:g} of {row.label} was taken as 1")
        return 1.0
    if not 0 < row.occ <= 1:
        msg = f"{file.name}: the site '{row.label}' has the occupancy {row.occ:g}; it lies between 0 and 1."
        raise FileError(msg)
    return float(row.occ)


def _b(row: Any, cell: Any) -> float | None:
    if row.u_iso > 0:
        return float(row.u_iso * B_OF_U)
    if row.aniso.nonzero():
        return max(float(cell.calculate_u_eq(row.aniso)) * B_OF_U, 0.0)
    return None

"""A user's own reference lines: ``position,label,intensity`` as CSV, or the same as YAML or JSON."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matxai.errors import FileError
from matxai.reference.lines import ReferenceLine, ReferenceLines

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

SUFFIXES = (".csv", ".yaml", ".yml", ".json")
LARGEST = 4 * 2**20
COLUMNS = ("position", "label", "intensity", "uncertainty")
HEAD = ("axis", "unit", "name", "source")
EXAMPLE = "position,label,intensity"


def read_table(path: str | os.PathLike[str], *, axis: str | None = None, unit: str | None = None) -> ReferenceLines:
    """Read reference lines from a table.

    A CSV has a row of column names (``position`` at least; ``label``, ``intensity`` and ``uncertainty``) and may say
    what it is of in comments in front: ``# axis: two_theta``, ``# unit: degree``, ``# name: ...``, ``# source: ...``.
    YAML and JSON have these as keys beside ``lines``, a list of entries with the columns' names.

    Parameters
    ----------
    path
        The file.
    axis, unit
        What positions lie on; what the file says goes before it only where these are None.

    Raises
    ------
    FileError
        If the file is missing or no such table, or neither it nor the caller names axis and unit; the message names the
        line or entry.
    """
    file = Path(path)
    text = _text(file)
    if file.suffix.lower() == ".csv":
        head, entries = _of_csv(text, file)
    else:
        head, entries = _of_mapping(_parsed(text, file), file)
    head = {**head, **({"axis": axis} if axis else {}), **({"unit": unit} if unit else {})}
    for name in ("axis", "unit"):
        if not head.get(name):
            msg = f"{file.name} does not say the {name} of its positions; write '# {name}: ...' or give {name}=..."
            raise FileError(msg)
    lines = sorted((_line(entry, where, file) for where, entry in entries), key=lambda line: line.position)
    if not lines:
        msg = f"{file.name} holds no line; each has a position, as in '{EXAMPLE}'."
        raise FileError(msg)
    strongest = max((x.intensity for x in lines if math.isfinite(x.intensity)), default=0.0)
    if strongest > 0:
        lines = [ReferenceLine(x.position, x.label, 100 * x.intensity / strongest, x.facts) for x in lines]
    name, source = head.get("name") or file.stem, head.get("source") or file.name
    return ReferenceLines(name, head["axis"], head["unit"], tuple(lines), source)


def _text(file: Path) -> str:
    if file.suffix.lower() not in SUFFIXES:
        msg = f"{file.name} is no table of reference lines; known are {', '.join(SUFFIXES)}."
        raise FileError(msg)
    try:
        if file.stat().st_size > LARGEST:
            msg = f"{file.name} has over {LARGEST // 2**20} MB; a table of reference lines is smaller."
            raise FileError(msg)
        return file.read_text(encoding="utf-8-sig")
    except OSError as error:
        msg = f"{file} cannot be read: {error.strerror or error}."
        raise FileError(msg) from error
    except UnicodeDecodeError as error:
        msg = f"{file.name} is no text in UTF-8."
        raise FileError(msg) from error


def _of_csv(text: str, file: Path) -> tuple[dict[str, str], list[tuple[str, Mapping[str, Any]]]]:
    head: dict[str, str] = {}
    kept: list[tuple[int, str]] = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("#"):
            name, _, value = line.lstrip("# ").partition(":")
            if name.strip().lower() in HEAD:
                head[name.strip().lower()] = value.strip()
        elif line.strip():
            kept.append((number, line))
    if not kept:
        return head, []
    rows = list(csv.reader(line for _, line in kept))
    names = [name.strip().lower() for name in rows[0]]
    if "position" not in names or set(names) - set(COLUMNS):
        msg = (
            f"{file.name}, line {kept[0][0]}: the columns are {', '.join(rows[0])[:80]}; they are {', '.join(COLUMNS)}."
        )
        raise FileError(msg)
    entries: list[tuple[str, Mapping[str, Any]]] = []
    for (number, _), row in zip(kept[1:], rows[1:], strict=False):
        if len(row) > len(names):
            msg = f"{file.name}, line {number}: {len(row)} values in {len(names)} columns; quote a label with a comma."
            raise FileError(msg)
        entries.append((f"line {number}", dict(zip(names, row, strict=False))))
    return head, entries


def _parsed(text: str, file: Path) -> Any:
    if file.suffix.lower() == ".json":
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            msg = f"{file.name} is no JSON: {str(error)[:120]}."
            raise FileError(msg) from error
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        return YAML(typ="safe", pure=True).load(text)
    except (YAMLError, ValueError, RecursionError) as error:
        said = " ".join(str(error).split())[:160]
        msg = f"{file.name} is no YAML: {said}."
        raise FileError(msg) from error


def _of_mapping(found: Any, file: Path) -> tuple[dict[str, str], list[tuple[str, Mapping[str, Any]]]]:
    if not isinstance(found, dict) or not isinstance(found.get("lines"), list):
        msg = f"{file.name} needs the keys axis, unit and lines, lines a list of entries with {', '.join(COLUMNS)}."
        raise FileError(msg)
    if strange := [str(key) for key in found if key not in {*HEAD, "lines"}]:
        msg = f"{file.name} has the key '{strange[0]}'; known are {', '.join((*HEAD, 'lines'))}."
        raise FileError(msg)
    entries: list[tuple[str, Mapping[str, Any]]] = []
    for number, entry in enumerate(found["lines"], 1):
        row = entry if isinstance(entry, dict) else {"position": entry}
        if strange := [str(key) for key in row if key not in COLUMNS]:
            msg = f"{file.name}, entry {number}: the key '{strange[0]}' is unknown; known are {', '.join(COLUMNS)}."
            raise FileError(msg)
        entries.append((f"entry {number}", row))
    return {key: str(found[key]) for key in HEAD if found.get(key)}, entries


def _line(entry: Mapping[str, Any], where: str, file: Path) -> ReferenceLine:
    position = _number(entry.get("position"), "position", where, file)
    intensity = _number(entry.get("intensity"), "intensity", where, file, empty=math.nan)
    uncertainty = _number(entry.get("uncertainty"), "uncertainty", where, file, empty=math.nan)
    if intensity < 0 or uncertainty < 0:
        msg = f"{file.name}, {where}: intensity and uncertainty are not negative."
        raise FileError(msg)
    label = str(entry.get("label") or "").strip() or f"{position:g}"
    return ReferenceLine(position, label, intensity, {} if math.isnan(uncertainty) else {"uncertainty": uncertainty})


def _number(value: Any, name: str, where: str, file: Path, empty: float | None = None) -> float:
    said = "" if value is None else str(value).strip()
    if not said and empty is not None:
        return empty
    try:
        number = float(said)
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or isinstance(value, bool):
        what = f"is '{said[:30]}'" if said else "is missing"
        msg = f"{file.name}, {where}: the {name} {what}; it must be a number such as 28.44."
        raise FileError(msg)
    return number

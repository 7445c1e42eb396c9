"""What DATA names: the files of a folder of classes, of a folder with ``labels.csv``, or of a table by itself.

Nothing is read here but the table, and nothing is known here of a model; see `data` for the labelled set that comes of
it.
"""

from __future__ import annotations

import csv
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matxai.errors import FileError, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TABLE_NAME = "labels.csv"
TABLES = (".csv", ".tsv", ".parquet")
OWN = ("file", "class", "mask", "split")
"""Columns with a meaning of their own; ``group`` is a further column that is taken by default."""


@dataclass(frozen=True)
class Row:
    """One file that DATA names.

    Parameters
    ----------
    name
        How it is called: relative to the folder, with forward slashes, or as the table writes it.
    path
        Where it lies.
    label
        Its class as DATA writes it; empty where DATA says none.
    place
        Where DATA says so: ``labels.csv, line 7``; empty for folders of classes.
    mask
        Where its mask lies.
    split
        Its part of the set, empty where DATA says none.
    more
        Further columns as text.
    """

    name: str
    path: Path
    label: str
    place: str = ""
    mask: Path | None = None
    split: str = ""
    more: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Listing:
    """The rows of DATA in their order.

    Parameters
    ----------
    path
        The folder or the table.
    rows
        One for each file.
    columns
        Names of the table's columns; empty for folders of classes.
    empty
        Folders of classes that hold no file.
    failures
        Rows that name nothing that could be read, each with its sentence.
    """

    path: Path
    rows: tuple[Row, ...]
    columns: tuple[str, ...] = ()
    empty: tuple[str, ...] = ()
    failures: tuple[tuple[str, str], ...] = ()


def list_data(data: str | os.PathLike[str]) -> Listing:
    """Return what DATA names.

    Parameters
    ----------
    data
        A folder with a sub-folder for each class; a folder with ``labels.csv`` (columns ``file`` and ``class``, and
        ``mask``, ``group``, ``split`` or any more), whose names stay inside the folder; or such a table by itself (CSV
        or Parquet) with absolute names or names relative to the table.

    Raises
    ------
    FileError
        If there is no such folder or table, it cannot be read, or lacks a column.
    """
    path = Path(data)
    if path.is_dir():
        return _of_table(path / TABLE_NAME, inside=path) if (path / TABLE_NAME).is_file() else _of_folders(path)
    if not path.exists():
        msg = f"There is no {path}. DATA is a folder with a sub-folder for each class or with {TABLE_NAME}, or a table."
        raise FileError(msg)
    if path.suffix.lower() not in TABLES:
        msg = (
            f"{path} is no table of labelled files; write a folder with a sub-folder for each class or with "
            f"{TABLE_NAME}, or a table as CSV or Parquet with the columns file and class."
        )
        raise FileError(msg)
    return _of_table(path, inside=None)


def _of_folders(folder: Path) -> Listing:
    from matxai.signals.reading import natural_key

    try:
        classes = sorted((p for p in folder.iterdir() if p.is_dir() and not p.name.startswith(".")), key=natural_key)
        found = {p.name: _files(p) for p in classes}
    except OSError as error:
        msg = f"The folder {folder} cannot be looked into: {error.strerror or error}."
        raise FileError(msg) from error
    if not classes:
        msg = f"{folder} has neither {TABLE_NAME} nor a sub-folder for each class, so that no file in it has a class."
        raise FileError(msg)
    rows = tuple(Row(p.relative_to(folder).as_posix(), p, label) for label, files in found.items() for p in files)
    return Listing(folder, rows, empty=tuple(label for label, files in found.items() if not files))


def _files(folder: Path) -> list[Path]:
    """Files and stores below a folder that a reader takes, in natural order."""
    from matxai.jobs.inputs import is_store
    from matxai.signals.folders import announced
    from matxai.signals.reading import natural_key

    found: list[Path] = []
    for one in sorted((p for p in folder.iterdir() if not p.name.startswith(".")), key=natural_key):
        if one.is_dir() and not is_store(one):
            found += _files(one)
        elif announced(one):
            found.append(one)
    return found


def _of_table(table: Path, *, inside: Path | None) -> Listing:
    records, columns = _parquet(table) if table.suffix.lower() == ".parquet" else _csv(table)
    lacking = [column for column in ("file", "class") if column not in columns]
    if lacking:
        near = nearest(lacking[0], columns, label="It has")
        msg = f"{table} has no column '{lacking[0]}'; a table of labelled files has file and class. {near}"
        raise FileError(msg)
    root = Path(os.path.normpath(table.parent.absolute()))
    rows: list[Row] = []
    failures: list[tuple[str, str]] = []
    counted, first = ("row", 0) if table.suffix.lower() == ".parquet" else ("line", 2)
    for number, record in enumerate(records):
        place = f"{table.name}, {counted} {number + first}"
        name = record["file"]
        if not name:
            failures.append((place, f"{place} names no file."))
            continue
        path = _place(root, name)
        mask = _place(root, record["mask"]) if record.get("mask") else None
        outside = [p for p in (path, mask) if p is not None and inside is not None and not p.is_relative_to(root)]
        if outside:
            failures.append((name, f"{place} names {outside[0]}, which lies outside of {root}; that is not followed."))
            continue
        more = {c: record.get(c, "") for c in columns if c not in OWN}
        called = name.replace("\\", "/") if inside else name
        rows.append(Row(called, path, record["class"], place, mask, record.get("split", ""), more))
    if not rows:
        raise FileError(failures[0][1] if failures else f"{table} names no file: it has no line below its head.")
    return Listing(inside or table, tuple(rows), tuple(columns), (), tuple(failures))


def _place(root: Path, name: str) -> Path:
    """Where a name leads, links not followed: a link inside a folder is its owner's choice."""
    plain = Path(name) if Path(name).exists() or os.sep == "\\" else Path(name.replace("\\", "/"))
    return Path(os.path.normpath(root / plain))


def _csv(table: Path) -> tuple[list[dict[str, str]], list[str]]:
    try:
        with table.open(encoding="utf-8-sig", newline="") as stream:
            head = stream.readline()
            stream.seek(0)
            between = max(",;\t", key=head.count)
            reader = csv.DictReader(stream, delimiter=between)
            columns = [c.strip() for c in reader.fieldnames or []]
            reader.fieldnames = columns
            records = [{k: (v or "").strip() for k, v in record.items() if k is not None} for record in reader]
    except UnicodeDecodeError as error:
        msg = f"{table} is no UTF-8 text (byte {error.start}); save it as CSV in UTF-8."
        raise FileError(msg) from None
    except (OSError, csv.Error) as error:
        msg = f"{table} cannot be read as a table: {error}."
        raise FileError(msg) from None
    _no_twins(table, columns)
    return records, columns


def _parquet(table: Path) -> tuple[list[dict[str, str]], list[str]]:
    import pandas as pd

    try:
        frame = pd.read_parquet(table)
    except (OSError, ValueError) as error:  # pyarrow's own errors are of these families
        first = str(error).strip().split("\n", maxsplit=1)[0]
        msg = f"{table} cannot be read as Parquet: {first}"
        raise FileError(msg) from None
    columns = [str(c) for c in frame.columns]
    _no_twins(table, columns)
    records = [
        {c: _text(v) for c, v in zip(columns, values, strict=True)}
        for values in frame.itertuples(index=False, name=None)
    ]
    return records, columns


def _no_twins(table: Path, columns: Sequence[str]) -> None:
    twice = [c for c in columns if columns.count(c) > 1]
    if twice:
        msg = f"{table} has two columns '{twice[0]}'; each column has a name of its own."
        raise FileError(msg)


def _text(value: Any) -> str:
    import pandas as pd

    if value is None or bool(pd.isna(value)):
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))  # a class or group of whole numbers with a gap is read as floats
    return str(value).strip()

"""DATA as a labelled set: every file read once, its class matched with the model's, what cannot be used named.

What DATA may be is `listing`'s matter, whose names are which outputs that of `naming`.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from matxai.errors import Cancelled, FileError, MatxaiError, nearest
from matxai.jobs import naming
from matxai.jobs.kept import Kept
from matxai.jobs.listing import TABLE_NAME, Listing, Row, list_data
from matxai.jobs.resuming import content

if TYPE_CHECKING:
    import os
    from pathlib import Path

    from matxai.checks.labelled import LabelledSet
    from matxai.modelcard import Model

Progress = Callable[[int, int, str], None]
Labels = npt.NDArray[np.int64]
ALL = "all"
TEST = "test"
GROUP = "group"


@dataclass(frozen=True, eq=False)
class Data:
    """A labelled set with what was said of it.

    Parameters
    ----------
    labelled
        The signals that can be used.
    failures
        What DATA names and cannot be used, each with its sentence.
    path
        The folder or table.
    sha256
        Checksum over names, classes and contents of the files that are used.
    """

    labelled: LabelledSet
    failures: tuple[tuple[str, str], ...]
    path: Path
    sha256: str


def read_data(
    data: str | os.PathLike[str],
    model: Model,
    *,
    group: str | None = None,
    split: str | None = None,
    every_class: bool = True,
    limit: int | None = None,
    progress: Progress | None = None,
    cancel: Any = None,
) -> Data:
    """Read DATA for a model.

    Each file is read and prepared once, so that what cannot be used is known before anything is computed; signals are
    read again when they are asked for, and those that were asked for last are kept in memory.

    Parameters
    ----------
    data
        As :func:`matxai.jobs.listing.list_data` takes it.
    model
        Its classes name the labels; one without names gets those under which it is right most often.
    group
        The column that says what is not independent; by default ``group`` where the table has one.
    split
        The value of the column ``split`` to take, or ``all``; by default ``test`` where there is any.
    every_class
        Whether each class of the model needs a signal.
    limit
        As ``matxai.read`` takes it.
    progress, cancel
        As everywhere.

    Raises
    ------
    FileError
        If DATA cannot be read, or none of its files.
    SignalError
        If a class is none of the model's.
    MatxaiError
        If a column or split does not exist, all signals are of one class, or a class has none.
    Cancelled
        If ``cancel`` is set.
    """
    from matxai.checks.labelled import LabelledSet

    listing = list_data(data)
    rows, failures, notes = _chosen(listing, split)
    told = _groups(listing, rows, group, notes)
    if not naming.unnamed(model.classes) and model.classes:  # a misspelt class is said before anything is read
        naming.by_name(_distinct(rows), model.classes, model.name)
    kept = Kept(limit=limit)
    usable, digest = _readable(rows, model, kept, failures, progress, cancel)
    if not usable:
        raise FileError(_none_usable(listing, failures))
    rows = [rows[i] for i in usable]
    matched, classes, said = _matched(rows, model, kept, cancel)
    notes += said
    labels = np.array([matched[r.label] for r in rows], np.int64)
    if every_class:
        counts = Counter(classes[k] for k in labels.tolist())
        left_out = [why for _, why in failures[:1]] + notes[:1]  # what may be the reason that a class has none
        naming.require_classes(counts, classes, model.name, empty=listing.empty, why=" ".join(left_out[:1]))
    columns = [c for c in listing.columns if c not in ("file", "class", "mask")]
    more = {c: tuple(r.split if c == "split" else r.more.get(c, "") for r in rows) for c in columns}
    labelled = LabelledSet(
        names=_names(rows),
        labels=labels,
        classes=tuple(classes),
        read=lambda i: kept.signal(rows[i].path),
        groups=None if told is None else _numbered([told[i] for i in usable]),
        files=tuple(r.path for r in rows),
        mask=(lambda i: kept.mask(rows[i].path, rows[i].mask)) if any(r.mask for r in rows) else None,
        more=more,
        notes=tuple(notes),
    )
    return Data(labelled, tuple(failures), listing.path, digest)


def _chosen(listing: Listing, split: str | None) -> tuple[list[Row], list[tuple[str, str]], list[str]]:
    """The rows of the split asked for, each file once; what cannot be used; and what was decided."""
    failures, notes = list(listing.failures), []
    rows = list(listing.rows)
    splits = list(dict.fromkeys(r.split for r in rows if r.split))
    if split is not None and split != ALL:
        if split not in splits:
            known = nearest(split, [*splits, ALL], label="It has") if splits else "None of its files has one."
            msg = f"{listing.path} has no split '{split}'. {known}"
            raise MatxaiError(msg)
        rows = [r for r in rows if r.split == split]
    elif split is None and TEST in splits:
        rows = [r for r in rows if r.split == TEST]
        others = len(listing.rows) - len(rows)
        if others:
            taken = f"the {len(rows)} of the split 'test' were taken"
            notes.append(f"Of {len(listing.rows)} files {taken}; --split all takes them all.")
    by_path: dict[Path, list[Row]] = {}
    for row in rows:
        by_path.setdefault(row.path, []).append(row)
    kept: list[Row] = []
    for same in by_path.values():
        labels = list(dict.fromkeys(r.label for r in same))
        if len(labels) > 1:
            other = next(r for r in same if r.label == labels[1])
            both = f"{same[0].place} says '{labels[0]}', {other.place} '{labels[1]}'"
            failures.append((same[0].name, f"{same[0].name} has two classes: {both}."))
        elif not same[0].label:
            failures.append((same[0].name, f"{same[0].place} gives {same[0].name} no class."))
        else:
            failures += [(r.name, f"{r.place} names {r.name} again; it counts once.") for r in same[1:]]
            kept.append(same[0])
    if not kept and not failures and not listing.empty:
        raise FileError(f"{listing.path} holds no file that a reader knows.")
    return kept, failures, notes


def _groups(listing: Listing, rows: Sequence[Row], group: str | None, notes: list[str]) -> list[str] | None:
    """The group of each row as DATA writes it; a row without one is a group by itself."""
    if group is not None and not listing.columns:
        msg = f"{listing.path} is a folder of classes and has no column '{group}'; groups stand in its {TABLE_NAME}."
        raise MatxaiError(msg)
    if group is not None and group not in listing.columns:
        near = nearest(group, listing.columns, label="It has")
        raise MatxaiError(f"The table of {listing.path} has no column '{group}' for the groups. {near}")
    column = group or (GROUP if GROUP in listing.columns else None)
    if column is None:
        return None
    values = [{"file": r.name, "class": r.label, "split": r.split}.get(column, r.more.get(column, "")) for r in rows]
    alone = values.count("")
    if alone == len(values):
        if group is not None:
            raise MatxaiError(f"The column '{group}' of {listing.path} is empty, so that it names no groups.")
        return None
    if alone:
        notes.append(f"{alone} of {len(rows)} images have no '{column}'; each counts as a group by itself.")
    return [v or f"\0{i}" for i, v in enumerate(values)]


def _distinct(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(r.label for r in rows))


def _numbered(values: Sequence[str]) -> Labels:
    numbers = {v: i for i, v in enumerate(dict.fromkeys(values))}
    return np.array([numbers[v] for v in values], np.int64)


def _names(rows: Sequence[Row]) -> tuple[str, ...]:
    """Names as DATA writes them, made distinct where two tables' spellings mean different files."""
    names = [r.name for r in rows]
    twice = {n for n, count in Counter(names).items() if count > 1}
    return tuple(str(r.path) if r.name in twice else r.name for r in rows)


def _readable(
    rows: Sequence[Row],
    model: Model,
    kept: Kept,
    failures: list[tuple[str, str]],
    progress: Progress | None,
    cancel: Any,
) -> tuple[list[int], str]:
    """Which rows can be read and prepared, and the checksum of these; the others go to the failures."""
    usable: list[int] = []
    total = hashlib.sha256()
    for number, row in enumerate(rows):
        if cancel is not None and cancel.is_set():
            msg = f"Cancelled while the data were read, after {number} of {len(rows)} files."
            raise Cancelled(msg)
        if progress is not None:
            progress(number, len(rows), "reading")
        try:
            if not row.path.exists():
                place = f", which {row.place} names" if row.place else ""
                raise FileError(f"There is no file {row.path}{place}.")
            if row.mask is not None and not row.mask.exists():
                raise FileError(f"There is no mask {row.mask}, which {row.place} names.")
            model.preprocessing.prepare(kept.signal(row.path))
            total.update("\n".join([row.name, row.label, *content(row.path)]).encode())
        except Cancelled:
            raise
        except (MatxaiError, OSError) as error:
            failures.append((row.name, str(error)))
        else:
            usable.append(number)
    return usable, total.hexdigest()


def _none_usable(listing: Listing, failures: Sequence[tuple[str, str]]) -> str:
    if listing.empty and not failures:
        return f"The class folder {listing.path / listing.empty[0]} holds no file that a reader knows."
    more = f" (and {len(failures) - 1} more)" if len(failures) > 1 else ""
    return f"None of the files of {listing.path} can be used. {failures[0][1]}{more}"


def _matched(rows: Sequence[Row], model: Model, kept: Kept, cancel: Any) -> tuple[dict[str, int], list[str], list[str]]:
    """The output of each class name, the classes in the model's order, and what has to be said of it."""
    found = _distinct(rows)
    if model.classes and (not naming.unnamed(model.classes) or set(found) <= set(model.classes)):
        matched, notes = naming.by_name(found, model.classes, model.name)
        return matched, list(model.classes), notes
    from matxai.checks import class_scores

    asked = class_scores(model, (kept.signal(r.path) for r in rows), cancel=cancel)
    places = np.array([found.index(r.label) for r in rows], np.int64)
    matched, note = naming.by_answers(found, places, asked.top, asked.scores.shape[1], model.name)
    classes = [str(i) for i in range(asked.scores.shape[1])]
    for name, k in matched.items():
        classes[k] = name
    return matched, classes, [note]

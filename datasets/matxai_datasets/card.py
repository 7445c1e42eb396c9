"""What is known of a data set (its card), and what a loader gives (its table); the sets are in ``public``."""

from __future__ import annotations

import csv
import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import FileError
from matxai.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pandas as pd
    import xarray as xr

SPLITS = ("train", "test")


@dataclass(frozen=True)
class Row:
    """One file of a data set.

    Attributes
    ----------
    file
        Relative to the set's folder, with forward slashes.
    label
        Its class, or ``None`` where the set has none for it.
    mask
        The file of its mask, likewise relative.
    group
        Specimen, session or location: rows of one group are not independent and stay on one side of a split.
    split
        As the set prescribes, else ``None``.
    more
        Further columns.
    """

    file: str
    label: str | None = None
    mask: str | None = None
    group: str | None = None
    split: str | None = None
    more: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Table:
    """The files of a data set as a folder holds them, with their labels.

    Attributes
    ----------
    name
        The data set.
    root
        Its folder.
    rows
        One for each file.
    """

    name: str
    root: Path
    rows: tuple[Row, ...]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes that occur, sorted."""
        return tuple(sorted({row.label for row in self.rows if row.label is not None}))

    def path(self, row: Row) -> Path:
        """Where a row's file lies."""
        return self.root / row.file

    def read(self, row: Row) -> xr.DataArray:
        """Return the signal of a row, by :func:`matxai.signals.read`."""
        from matxai.signals import read

        return read(self.path(row))

    def read_mask(self, row: Row) -> xr.DataArray:
        """Return the mask of a row as it is stored.

        Raises
        ------
        FileError
            If the row has no mask.
        """
        from matxai.signals import read

        if row.mask is None:
            msg = f"{row.file} of the data set '{self.name}' has no mask."
            raise FileError(msg)
        return read(self.root / row.mask)

    def frame(self) -> pd.DataFrame:
        """Return a data frame with the columns ``file, class, mask, group, split`` and what else the set tells."""
        import pandas as pd

        more = list(dict.fromkeys(key for row in self.rows for key in row.more))
        records = [
            [row.file, row.label, row.mask, row.group, row.split, *(row.more.get(key) for key in more)]
            for row in self.rows
        ]
        return pd.DataFrame(records, columns=["file", "class", "mask", "group", "split", *more])

    def write_csv(self, path: str | Path) -> Path:
        """Write the table with absolute file names: what every command takes as DATA."""
        path = Path(path)
        frame = self.frame()
        for column in ("file", "mask"):
            frame[column] = [None if name is None else str((self.root / name).resolve()) for name in frame[column]]
        frame.to_csv(path, index=False)
        return path

    def divided(self, *, test_share: float = 0.25, seed: int = 0) -> Table:
        """Return the same table with a split by group, in each class by itself.

        Parameters
        ----------
        test_share
            Share of the files that are ``test``, reached as nearly as whole groups allow.
        seed
            Decides which groups.

        Returns
        -------
        Table
            No group is on both sides; a file without a group is a group of its own. A group with several classes goes
            with the class of its first file.
        """
        rng = np.random.default_rng([seed, 21])
        groups: dict[str, list[int]] = {}
        for number, row in enumerate(self.rows):
            groups.setdefault(row.group if row.group is not None else f"\0{number}", []).append(number)
        by_class: dict[str, list[list[int]]] = {}
        for members in groups.values():
            by_class.setdefault(str(self.rows[members[0]].label), []).append(members)
        test: set[int] = set()
        for _, blocks in sorted(by_class.items()):
            wanted, taken = test_share * sum(map(len, blocks)), 0
            for place in rng.permutation(len(blocks)):
                if taken + len(blocks[place]) / 2 > wanted:
                    continue
                test.update(blocks[place])
                taken += len(blocks[place])
        rows = tuple(
            Row(row.file, row.label, row.mask, row.group, SPLITS[number in test], row.more)
            for number, row in enumerate(self.rows)
        )
        return Table(self.name, self.root, rows)


@dataclass(frozen=True)
class DatasetCard:
    """What is known of a data set, and how its files are listed.

    Attributes
    ----------
    name, title
        How it is called, and what it shows in one line.
    kind
        What its files are: ``images``, ``volumes``, ``spectra``, ``waveforms``, ``raw files`` or ``weights``.
    source
        Where it is got from.
    licence
        What its makers allow; pictures and weights made of it stay with the user.
    citation
        What to cite.
    caveats
        What it cannot carry: confounders, dependence, imbalance.
    groups
        What the column ``group`` means, or why it is empty.
    has
        Files or folders (patterns) that the set's folder must hold.
    rows
        Lists the files of a folder.
    classes
        Its classes, where it has a fixed list.
    digest
        SHA-256 over names and contents of the listed files, of the version that was seen.
    make
        Writes the set into a folder, ``(folder, n, seed=, leak=, strength=)``; ``None`` for sets got elsewhere.
    """

    name: str
    title: str
    kind: str
    source: str
    licence: str
    citation: str
    caveats: tuple[str, ...]
    groups: str
    has: tuple[str, ...]
    rows: Callable[[Path], Sequence[Row]] = field(repr=False, compare=False)
    classes: tuple[str, ...] = ()
    digest: str | None = None
    make: Callable[..., Path] | None = field(default=None, repr=False, compare=False)

    @property
    def checksum_policy(self) -> str:
        """What is compared with what, in one sentence."""
        if self.make is not None:
            return "No checksum: the same seed makes the same set again."
        if self.digest is None:
            return "No checksum: its parts are used one by one."
        return (
            f"SHA-256 over names and contents of the listed files, as seen: {self.digest[:16]}...; compared on request."
        )

    def to_dict(self) -> dict[str, Any]:
        """Return what the card says, as words and lists of words."""
        words = ("name", "title", "kind", "source", "licence", "citation", "groups", "checksum_policy")
        said: dict[str, Any] = {word: getattr(self, word) for word in words}
        more = {"digest": self.digest, "can_be_made": self.make is not None}
        return {**said, "classes": list(self.classes), "caveats": list(self.caveats), **more}

    def recognises(self, folder: Path) -> bool:
        """Whether a folder looks like this set."""
        return folder.is_dir() and all(any(folder.glob(pattern)) for pattern in self.has)

    def load(self, path: str | Path) -> Table:
        """List the files of the set.

        Parameters
        ----------
        path
            The set's folder, or the folder that holds it under its name.

        Returns
        -------
        Table
            Signals are read one by one, when they are asked for.

        Raises
        ------
        FileError
            If the folder is not there, is not this set, or its table names files that are missing or lie outside.
        """
        folder = Path(path)
        if not folder.is_dir():
            msg = f"There is no folder {folder}; give the folder of the data set '{self.name}' (from {self.source})."
            raise FileError(msg)
        if not self.recognises(folder) and self.recognises(folder / self.name):
            folder /= self.name
        if not self.recognises(folder):
            raise FileError(_not_this(self, folder))
        rows = tuple(self.rows(folder))
        _check_files(self.name, folder, rows)
        return Table(self.name, folder, rows)

    def verify(self, table: Table) -> bool:
        """Whether the listed files are those that were seen; a set without a digest always is."""
        return self.digest is None or digest(table) == self.digest


def _not_this(card: DatasetCard, folder: Path) -> str:
    missing = [pattern for pattern in card.has if not any(folder.glob(pattern))]
    looks_like = [other.name for other in SETS.values() if other.name != card.name and other.recognises(folder)]
    hint = f"it looks like '{looks_like[0]}'" if len(looks_like) == 1 else f"the set is got from {card.source}"
    return f"{folder} is not the data set '{card.name}': it has no {' and no '.join(missing)}; {hint}."


def _check_files(name: str, folder: Path, rows: Sequence[Row]) -> None:
    if not rows:
        msg = f"{folder} holds no file of the data set '{name}'."
        raise FileError(msg)
    root = folder.resolve()
    named = [each for row in rows for each in (row.file, row.mask) if each is not None]
    outside = [each for each in named if not (root / each).resolve().is_relative_to(root)]
    if outside:
        msg = (
            f"The table of {folder} names {outside[0]!r}, which lies outside the folder; files of a set lie inside it."
        )
        raise FileError(msg)
    missing = [each for each in named if not (root / each).is_file()]
    if missing:
        msg = f"{folder} lacks {len(missing)} of the {len(named)} files that its table names, such as {missing[0]!r}."
        raise FileError(msg)


def digest(table: Table) -> str:
    """SHA-256 over the names and contents of a table's files, in the order of their names."""
    total = hashlib.sha256()
    for name in sorted({each for row in table for each in (row.file, row.mask) if each is not None}):
        total.update(name.encode())
        total.update(hashlib.sha256((table.root / name).read_bytes()).digest())
    return total.hexdigest()


def csv_rows(path: Path, needed: Sequence[str]) -> list[dict[str, str]]:
    """Read a table whose first line names the columns.

    Raises
    ------
    FileError
        If it is no text, or lacks a needed column.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            columns = list(reader.fieldnames or [])
            rows = [{key: (value or "").strip() for key, value in row.items() if key is not None} for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as problem:
        msg = f"{path} cannot be read as a table: {problem}."
        raise FileError(msg) from None
    lacking = [column for column in needed if column not in columns]
    if lacking:
        msg = f"{path} has no column {', '.join(repr(c) for c in lacking)}; it has {', '.join(columns) or 'none'}."
        raise FileError(msg)
    return rows


SETS: Registry[DatasetCard] = Registry("data set", package="matxai_datasets.public", error=FileError)

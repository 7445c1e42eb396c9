"""What a check found, as the dock shows it: the answer, its sentence, a row for each finding, and its files."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matxai.errors import FileError

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import numpy.typing as npt
    import xarray as xr

    from matxai.report import Finding


@dataclass(frozen=True)
class Row:
    """One finding as a line of the table.

    Parameters
    ----------
    name
        What was asked about, in words: ``info bar``, the expectation's name.
    answer
        As :data:`matxai.checks.verdict.ANSWERS` has it.
    effect, low, high, p
        Effect, the ends of its interval, and p; None where the data give none.
    n
        How many images were judged.
    sentence
        The finding in plain words.
    """

    name: str
    answer: str
    effect: float | None
    low: float | None
    high: float | None
    p: float | None
    n: int
    sentence: str

    @classmethod
    def of(cls, finding: Finding, *, name: str | None = None, answer: str | None = None) -> Row:
        """Return the line of a finding."""
        verdict = finding.verdict
        low, high = verdict.interval or (None, None)
        said = name if name is not None else finding.name
        return cls(said, answer or verdict.answer, verdict.effect, low, high, verdict.p, verdict.n, verdict.sentence)


@dataclass(frozen=True, eq=False)
class Shown:
    """One signal that shows a finding, and where in it the finding lies ``(*spatial)``, None where it has no place."""

    signal: xr.DataArray
    mask: npt.NDArray[np.bool_] | None
    name: str


@dataclass(frozen=True, eq=False)
class Outcome:
    """What one check found.

    Parameters
    ----------
    question
        What was asked, of what: the line above the answer.
    answer, sentence
        Of it all.
    rows
        The findings, the gravest first.
    folder
        Where report and verdict lie; it goes when nobody holds it any more, so what is to stay is saved.
    notes
        What was assumed or left out, a sentence each.
    example
        From a row's number to the signal that shows it best; None where there is none. May be slow.
    """

    question: str
    answer: str
    sentence: str
    rows: tuple[Row, ...]
    folder: tempfile.TemporaryDirectory[str]
    notes: tuple[str, ...] = ()
    example: Callable[[int], Shown | None] = field(default=lambda _: None)

    @property
    def report(self) -> Path:
        """The HTML report."""
        return Path(self.folder.name) / "report.html"

    def save(self, folder: Path) -> list[Path]:
        """Copy report, verdict and tables into a folder, and return where they lie.

        Raises
        ------
        FileError
            If one of them lies there already, or the folder cannot be written.
        """
        files = sorted(p for p in Path(self.folder.name).iterdir() if p.is_file())
        there = [p.name for p in files if (folder / p.name).exists()]
        if there:
            raise FileError(f"{folder} holds {there[0]} already; choose an empty folder, or make a new one.")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            return [Path(shutil.copy2(p, folder / p.name)) for p in files]
        except OSError as error:
            raise FileError(f"{folder} cannot be written: {error.strerror or error}.") from None


def new_folder() -> tempfile.TemporaryDirectory[str]:
    """Return a folder for a check's files that goes with the session."""
    return tempfile.TemporaryDirectory(prefix="matxai-check-", ignore_cleanup_errors=True)


def plain(value: Any) -> str:
    """Return a number of the table as text; empty where there is none."""
    return "" if value is None else f"{value:.3g}"

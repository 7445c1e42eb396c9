"""A blind reading: maps of a sound and of a leaky model, unlabelled, for a person who says which is which.

Whether maps help is a question about people, so it is asked of them. Only the map may tell: the images are ones on
which both models say the same class, and which of the two drew the map is decided by a coin for every case.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.checks.asking import told_step
from matxai.checks.blind import BlindResult, blind_result
from matxai.errors import MatxaiError

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Sequence

    import xarray as xr

    from matxai.jobs.data import Data
    from matxai.modelcard import Model

CASES = 20
COLUMNS = ("case", "file", "class", "map of", "reader said", "right", "how sure")
SOUND, LEAKY = "sound", "leaky"
STOPPED = "Cancelled while the cases of the blind reading were made."
TOO_FEW = (
    "{found} of the {n} images of {data} are ones on which {sound} and {leaky} say the same class, and a reading of "
    "{wanted} cases takes {wanted}: what the models say would give them away. Give more images."
)


@dataclass(frozen=True, eq=False)
class BlindCase:
    """One map to be read.

    Parameters
    ----------
    name
        The image.
    signal
        It.
    explanation
        The map, on the class that both models say.
    said
        That class.
    leaky
        Whether the leaky model drew it: not for the reader's eyes.
    """

    name: str
    signal: xr.DataArray
    explanation: xr.Dataset
    said: str
    leaky: bool


@dataclass(frozen=True)
class BlindAnswer:
    """What the reader says of one case.

    Parameters
    ----------
    leaky
        Whether they think that the leaky model drew the map.
    sure
        How sure they are, in their words; empty where they were not asked.
    """

    leaky: bool
    sure: str = ""


@dataclass(frozen=True, eq=False)
class BlindReading:
    """The cases of a blind reading, in the order in which they are shown.

    Parameters
    ----------
    cases
        The maps.
    sound, leaky
        Names of the models.
    method
        Whose maps they are.
    seed
        Makes the same reading again.
    data
        Where the images are from.
    """

    cases: tuple[BlindCase, ...]
    sound: str
    leaky: str
    method: str
    seed: int
    data: str

    def __len__(self) -> int:
        return len(self.cases)

    def judged(self, answers: Sequence[BlindAnswer]) -> BlindResult:
        """Return how often the reader was right, and what that means.

        Raises
        ------
        MatxaiError
            If there is not one answer for each case.
        """
        return blind_result([c.leaky for c in self.cases], [a.leaky for a in answers])

    def as_csv(self, answers: Sequence[BlindAnswer]) -> str:
        """Return a line for each case, and above them what makes the same reading again."""
        result = self.judged(answers)
        stream = io.StringIO()
        stream.write(f"# sound: {self.sound}, leaky: {self.leaky}, method: {self.method}, seed: {self.seed}\n")
        stream.write(f"# images: {self.data}\n# {result.sentence}\n")
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(COLUMNS)
        for number, (case, answer) in enumerate(zip(self.cases, answers, strict=True), start=1):
            truth, said = (LEAKY if one else SOUND for one in (case.leaky, answer.leaky))
            table.writerow([number, case.name, case.said, truth, said, "yes" if truth == said else "no", answer.sure])
        return stream.getvalue()

    def write_csv(self, answers: Sequence[BlindAnswer], path: str | os.PathLike[str]) -> Path:
        """Write :meth:`as_csv` into a file.

        Raises
        ------
        FileError
            If it cannot be written.
        """
        from matxai.report.export import write_bytes

        target = Path(path)
        write_bytes(target, self.as_csv(answers).encode())
        return target


def blind_reading(
    sound: Model,
    leaky: Model,
    data: str | os.PathLike[str],
    *,
    n: int = CASES,
    method: str = "grad_cam",
    seed: int = 0,
    progress: Any = None,
    cancel: Any = None,
) -> BlindReading:
    """Return maps of two models for a reader who is not told which model drew which.

    Parameters
    ----------
    sound, leaky
        Classifiers with the same classes: one that is trusted, and one that is known to read something else.
    data
        A folder with a sub-folder for each class or with ``labels.csv``, or a table; at most one image of each group is
        taken where the table has the column ``group``.
    n
        How many cases.
    method
        Whose maps they are.
    seed
        Decides images, their order, and which model draws which map.
    progress, cancel
        As everywhere.

    Raises
    ------
    MatxaiError
        If the models have different classes, or too few images are ones on which both say the same.
    FileError
        If the data cannot be read.
    Cancelled
        If ``cancel`` is set.
    """
    from matxai.explanation import explain
    from matxai.jobs.data import ALL, read_data

    if n < 1:
        raise MatxaiError(f"A blind reading has one case or more, not {n}.")
    if tuple(sound.classes) != tuple(leaky.classes):
        msg = (
            f"{sound.name} tells {', '.join(sound.classes)} apart and {leaky.name} {', '.join(leaky.classes)}; a blind "
            "reading compares two models of the same classes."
        )
        raise MatxaiError(msg)
    split = ALL if _has_splits(data) else None
    read = read_data(data, sound, split=split, every_class=False, progress=progress, cancel=cancel)
    rng = np.random.default_rng([seed, 53])
    chosen = _agreed(sound, leaky, read, n, rng, progress, cancel)
    cases = []
    for number, (index, top, said) in enumerate(chosen):
        told_step(progress, cancel, number, n, "maps", STOPPED)
        is_leaky = bool(rng.integers(2))
        signal = read.labelled.read(index).load()  # the reader may look at it when its file is gone
        found = explain(leaky if is_leaky else sound, signal, methods=[method], target=top, seed=seed, cancel=cancel)
        cases.append(BlindCase(read.labelled.names[index], signal, found, said, is_leaky))
    told_step(progress, cancel, n, n, "maps", STOPPED)
    return BlindReading(tuple(cases), sound.name, leaky.name, method, seed, str(data))


def _has_splits(data: str | os.PathLike[str]) -> bool:
    from matxai.jobs.listing import list_data

    return any(row.split for row in list_data(data).rows)


def _agreed(
    sound: Model, leaky: Model, data: Data, n: int, rng: np.random.Generator, progress: Any, cancel: Any
) -> list[tuple[int, int, str]]:
    """The first images, in an order drawn, of which both models say the same, with the class that they say.

    Raises
    ------
    MatxaiError
        If there are fewer than ``n``.
    """
    from matxai.checks import class_scores

    labelled = data.labelled
    found: list[tuple[int, int, str]] = []
    for number in _one_of_each_group(data, rng):
        told_step(progress, cancel, len(found), n, "choosing images", STOPPED)
        signal = labelled.read(number)
        tops = [int(class_scores(model, [signal], cancel=cancel).top[0]) for model in (sound, leaky)]
        if tops[0] == tops[1]:
            found.append((number, tops[0], labelled.classes[tops[0]]))
        if len(found) == n:
            return found
    raise MatxaiError(
        TOO_FEW.format(found=len(found), n=len(labelled), data=data.path, sound=sound.name, leaky=leaky.name, wanted=n)
    )


def _one_of_each_group(data: Data, rng: np.random.Generator) -> Iterator[int]:
    """Numbers of images in an order drawn; images of one specimen show the same, so that only the first counts."""
    groups = data.labelled.groups
    seen: set[int] = set()
    for number in rng.permutation(len(data.labelled)):
        group = int(groups[number]) if groups is not None else -1 - int(number)
        if group not in seen:
            seen.add(group)
            yield int(number)

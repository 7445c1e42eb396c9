"""What a report shows of a check: the answer in all, each finding with its numbers, tables and examples.

Records alone; leakage and expectations fill the same ones, and the sections `judgement`, `findings`, `undecided` and
`grids` lay them out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import numpy.typing as npt

    from matxai.report.verdicts import Finding


@dataclass(frozen=True)
class Grid:
    """A small table.

    Parameters
    ----------
    title
        Its heading; empty for none.
    columns
        Heads of the columns; the first names the row.
    rows
        Cells: text, numbers, yes or no, None for what is not known.
    note
        A sentence below.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    note: str = ""


@dataclass(frozen=True, eq=False)
class Shot:
    """One picture or curve of an example.

    Parameters
    ----------
    caption
        What it shows and what the model says of it.
    values
        ``(y, x)``, ``(y, x, 3)`` or ``(L,)``, in the file's own values.
    outline
        A mask of the same spatial shape whose border is drawn; None for none.
    alt
        The same in words, for who cannot see it.
    """

    caption: str
    values: npt.NDArray[Any]
    outline: npt.NDArray[np.bool_] | None = None
    alt: str = ""


@dataclass(frozen=True)
class Example:
    """One signal that shows a finding: what it is called, what happens to it, and its pictures."""

    title: str
    sentence: str
    shots: tuple[Shot, ...]


@dataclass(frozen=True)
class Shown:
    """One finding as the report shows it.

    Parameters
    ----------
    finding
        Its name, kind and verdict.
    remarks
        Further sentences.
    grids
        The tests behind it.
    examples
        The worst first, then what is typical.
    takes
        What it would take to decide, one thing each, where it was not decided; empty otherwise.
    axis
        What its effect is, where effects of the judgement are of different kinds: those of one kind share a panel of
        the chart. Empty for the judgement's own.
    threshold
        What is asked of the effect, and that in words; None for the thresholds of the judgement.
    levels
        Of the lower and the upper bound of its interval.
    """

    finding: Finding
    remarks: tuple[str, ...] = ()
    grids: tuple[Grid, ...] = ()
    examples: tuple[Example, ...] = ()
    takes: tuple[str, ...] = ()
    axis: str = ""
    threshold: tuple[float, str] | None = None
    levels: tuple[float, float] = (0.95, 0.95)


@dataclass(frozen=True)
class Judgement:
    """The outcome of a check.

    Parameters
    ----------
    question
        What was asked, as one sentence.
    answer
        One of ``matxai.checks.verdict.ANSWERS``.
    sentence
        The answer in plain words.
    shown
        The findings, the gravest first.
    axis
        What the effects of the findings are, for the axis of the chart.
    thresholds
        Values that are marked there, with what each means.
    facts
        Names and values: how many images, groups, how accurate the model is.
    notes
        What was assumed or left out, a sentence each.
    grids
        Further tables, such as what is not in the picture.
    """

    question: str
    answer: str
    sentence: str
    shown: tuple[Shown, ...] = ()
    axis: str = ""
    thresholds: tuple[tuple[float, str], ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    grids: tuple[Grid, ...] = ()

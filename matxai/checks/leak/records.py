"""What the leakage check hands on: artefacts, tests, support, factors, findings. Records only, no arithmetic."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matxai.checks.verdict import Verdict
    from matxai.regions import Boxed


@dataclass(frozen=True, eq=False)
class Artefact:
    """One artefact of a labelled set: what was found in its signals that is of one kind and, so far as told, one thing.

    Parameters
    ----------
    name
        Unique in a run and fit for a table: ``info_bar``, ``text``, ``text 2``.
    kind
        One of :data:`matxai.regions.ARTEFACTS`.
    regions
        For each signal of the set where it lies, None where the signal has none.
    source
        Who says so: ``instrument's tag``, ``pixels``, ``folder``, ``drawn``.
    confidence
        From 0 to 1: the mean over the signals that have it.
    constant
        Whether it is the same, place and values, in all signals: it then cannot tell the class.
    evidence
        What the finding rests on.
    """

    name: str
    kind: str
    regions: tuple[Boxed | None, ...]
    source: str
    confidence: float = 1.0
    constant: bool = False
    evidence: Mapping[str, Any] = field(default_factory=dict)

    @property
    def present(self) -> npt.NDArray[np.bool_]:
        """Which signals have it, ``(N,)``."""
        return np.array([r is not None for r in self.regions], bool)


@dataclass(frozen=True)
class Tested:
    """An exchange test (of an artefact, or of a factor's intervention): its effect and what the data could have shown.

    Parameters
    ----------
    effect
        How much more often a class is predicted under donors of that class than under donors of the own class: 0 for
        what is not read, 1 for what alone is read.
    interval
        One-sided 95 % bounds, below and above.
    p
        From donor groups' labels permuted as blocks; 1 where the images that follow make up less than the margin; None
        under six groups.
    corrected
        ``p`` after Holm's correction over the artefacts of the run; None without p.
    n, groups, donors
        Units judged, independent groups among them (None where nobody said), donors used.
    smallest_p, smallest_effect
        What these data could have shown at best.
    power
        Share of trials in which predictions made to follow the donor, in a share of the units as large as the margin,
        are found by this test.
    by_class
        The effect for each class that donors came from, by name.
    """

    effect: float
    interval: tuple[float, float]
    p: float | None
    corrected: float | None
    n: int
    groups: int | None
    donors: int
    smallest_p: float
    smallest_effect: float
    power: float
    by_class: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Support:
    """One supporting test of an artefact: a number beside its own null. It never convicts alone.

    Parameters
    ----------
    name
        ``share``, ``removal``, ``insertion``, ``artefact_only``, ``randomised``; with the method's name behind a colon
        where there are several.
    value
        What was found.
    limit
        The 95 % point of its own null; None where the data give none.
    beyond
        Whether the value lies beyond it. ``False`` where there is no null.
    sentence
        The test in plain words with its numbers.
    detail
        Further names and numbers: interval, n, null's mean.
    """

    name: str
    value: float
    limit: float | None
    beyond: bool
    sentence: str
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Factor:
    """Something that is not in the picture, with both columns: what it tells of the label, what it does to the model.

    Parameters
    ----------
    name
        ``file_type``, ``compression``, ``size``, ``pixel_size``, ``brightness``, ``contrast``, ``focus``, ``noise``.
    specimen
        Whether the specimen itself may cause it (brightness, contrast, focus, noise): then at most ``suspicious``.
    predicts
        Balanced accuracy of the label told from it alone, over held-out groups.
    chance
        The 95 % point of the same with the groups' labels permuted.
    moves
        The intervention's effect as an exchange test; None where there is nothing to intervene on.
    sentence
        Both columns in plain words.
    detail
        Further names and numbers: its values by class.
    """

    name: str
    specimen: bool
    predicts: float
    chance: float | None
    moves: Tested | None
    sentence: str
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class LeakFinding:
    """The answer to one artefact or factor, with all that it rests on.

    Parameters
    ----------
    name, kind
        As the artefact's; a factor has kind ``factor``.
    verdict
        Question, answer, effect, interval, p, sentence.
    reach
        Share of the artefact's own variation that survives the preprocessing, 0 to 1; None for factors.
    test
        The confirmatory test; None where none was possible.
    support
        The supporting tests.
    artefact, factor
        What it is about; one of the two.
    examples
        Numbers of the signals that show it best: flipped by donors of another class, the strongest first.
    """

    name: str
    kind: str
    verdict: Verdict
    reach: float | None = None
    test: Tested | None = None
    support: tuple[Support, ...] = ()
    artefact: Artefact | None = None
    factor: Factor | None = None
    examples: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class Leakage:
    """What came of a leakage check.

    Parameters
    ----------
    answer
        The gravest answer of the findings.
    sentence
        It in plain words, with what was looked for and whether groups were known.
    findings
        The gravest first.
    looked_for
        Kinds of artefacts and factors that were looked for.
    accuracy, chance
        The model's share of right answers on this set, with its exact interval, and the 95 % point of chance.
    facts
        Numbers of images, groups, classes, donors, near-duplicates; what was assumed.
    """

    answer: str
    sentence: str
    findings: tuple[LeakFinding, ...]
    looked_for: tuple[str, ...]
    accuracy: tuple[float, float, float]
    chance: float
    facts: Mapping[str, Any] = field(default_factory=dict)

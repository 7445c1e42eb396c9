"""Which of DATA's class names is which output of a model: by name, and where the model has none, by its answers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from matxai.errors import MatxaiError, SignalError, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def plain(name: str) -> str:
    """Return a name without case, spaces, hyphens and underscores.

    Examples
    --------
    >>> plain("Info Bar") == plain("info_bar")
    True
    """
    return re.sub(r"[\s_\-]+", "", name.casefold())


def unnamed(classes: Sequence[str]) -> bool:
    """Whether a model's classes are nothing but their numbers."""
    return list(classes) == [str(i) for i in range(len(classes))]


def by_name(found: Sequence[str], classes: Sequence[str], model: str) -> tuple[dict[str, int], list[str]]:
    """Return the output of each name found in DATA, and a note for each that is spelt otherwise.

    Parameters
    ----------
    found
        Class names of DATA, each once.
    classes
        The model's, in its order.
    model
        Its name, for the sentence.

    Raises
    ------
    SignalError
        If a name is no class of the model, or could be two of them.
    """
    matched: dict[str, int] = {}
    notes: list[str] = []
    for name in found:
        same = [i for i, c in enumerate(classes) if c == name] or [
            i for i, c in enumerate(classes) if plain(c) == plain(name)
        ]
        if len(same) > 1:
            either = " or ".join(repr(classes[i]) for i in same)
            msg = f"The data's class '{name}' could be {either} of the model '{model}'; write it as the model does."
            raise SignalError(msg)
        if not same:
            msg = f"The data have a class '{name}', which the model '{model}' does not know."
            raise SignalError(f"{msg} {nearest(name, classes, label='Its classes')}")
        matched[name] = same[0]
        if classes[same[0]] != name:
            notes.append(f"The data's class '{name}' was taken for the model's '{classes[same[0]]}'.")
    return matched, notes


def by_answers(
    found: Sequence[str], labels: npt.NDArray[np.int64], tops: npt.NDArray[np.int64], outputs: int, model: str
) -> tuple[dict[str, int], str]:
    """Return the outputs under which a model without names is right most often, and a note that says so.

    The assignment is the best one of all (Hungarian method on the table of classes against outputs).

    Parameters
    ----------
    found
        Class names of DATA.
    labels
        For each signal its place in ``found``, ``(N,)``.
    tops
        The output on top for each, ``(N,)``.
    outputs
        How many the model has.
    model
        Its name, for the sentence.

    Raises
    ------
    SignalError
        If DATA has more classes than the model outputs.
    """
    from scipy.optimize import linear_sum_assignment

    if len(found) > outputs:
        some = ", ".join(found[:6])
        msg = f"The data have {len(found)} classes ({some}), and the model '{model}' tells {outputs} apart."
        raise SignalError(f"{msg} Check a model on its own classes.")
    table = np.zeros((len(found), outputs), np.int64)
    np.add.at(table, (labels, tops), 1)
    rows, columns = linear_sum_assignment(table, maximize=True)
    matched = {found[r]: int(c) for r, c in zip(rows, columns, strict=True)}
    right = int(table[rows, columns].sum())
    pairs = ", ".join(f"{k} is '{name}'" for name, k in sorted(matched.items(), key=lambda pair: pair[1]))
    never = [name for name, k in matched.items() if table[found.index(name), k] == 0]
    note = (
        f"The model '{model}' names no classes; its outputs were assigned so that it is right most often, which is "
        f"{right} of {len(labels)}: output {pairs}. That makes its accuracy optimistic."
    )
    if never:
        note += f" None of {' and '.join(repr(n) for n in never)} is ever right, so that this part of it is a guess."
    return matched, note


def require_classes(
    counts: Mapping[str, int], classes: Sequence[str], model: str, *, empty: Sequence[str] = (), why: str = ""
) -> None:
    """Make sure that there are signals of every class.

    Parameters
    ----------
    counts
        Signals of each of the model's classes, by name.
    classes
        The model's.
    model
        Its name, for the sentence.
    empty
        Class folders without a file, as DATA calls them.
    why
        A further sentence, such as which part of the set was taken.

    Raises
    ------
    MatxaiError
        If only one class has signals, or one has none.
    """
    present = [c for c in classes if counts.get(c, 0)]
    more = f" {why}" if why else ""
    if len(present) < 2:
        msg = f"All images are of one class, '{''.join(present)}'; what tells classes apart needs at least two."
        raise MatxaiError(f"{msg}{more}")
    without = [c for c in classes if not counts.get(c, 0)]
    if empty or without:
        name = (empty or without)[0]
        msg = f"The class '{name}' of the model '{model}' has no image in the data; every class needs some."
        raise MatxaiError(f"{msg}{more}")

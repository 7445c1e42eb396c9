"""What was done, in order, as the Python that repeats it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """One thing that was done.

    Parameters
    ----------
    what
        In plain words; becomes a comment.
    python
        Lines of Python. They may use what earlier entries define: ``signal`` and ``model`` stand for what was read and
        loaded last, ``result`` for the last explanation.
    needs
        Imports, as ``import matxai`` or ``from matxai.checks import perturb``.
    """

    what: str
    python: tuple[str, ...]
    needs: tuple[str, ...] = ("import matxai",)


class Journal:
    """The session's entries, oldest first."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def add(self, what: str, *python: str, needs: tuple[str, ...] = ("import matxai",)) -> None:
        """Write down what was done."""
        self.entries.append(Entry(what, python, needs))

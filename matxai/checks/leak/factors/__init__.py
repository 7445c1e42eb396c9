"""What is not in the picture: how a file was written, how large it is, how bright, sharp and noisy. Each is one file.

A factor is called as ``factor(case)`` and returns a :class:`~matxai.checks.leak.records.Factor`, or None where it does
not vary over the set. Its first column says what it tells of the label, its second what it does to the model: neither
alone is a leak.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from matxai.registry import Registry

if TYPE_CHECKING:
    from matxai.checks.leak.case import Case
    from matxai.checks.leak.records import Factor


class FactorTest(Protocol):
    """A callable that looks at one thing that is not in the picture."""

    def __call__(self, case: Case) -> Factor | None:
        """Return both columns, or None where it does not vary."""


factors: Registry[FactorTest] = Registry("factor", package="matxai.checks.leak.factors")
"""All factors by name."""

"""Tests beside the confirmatory one. Each is one file, has a null of its own, and never convicts alone.

A test is called as ``test(case)`` and returns a list of :class:`~matxai.checks.leak.records.Support`: one for each
method where there are several, none where the data or the model do not allow it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from matxai.registry import Registry

if TYPE_CHECKING:
    from matxai.checks.leak.case import Case
    from matxai.checks.leak.records import Support


class SupportingTest(Protocol):
    """A callable that puts a number beside its own null."""

    def __call__(self, case: Case) -> list[Support]:
        """Return what was found; empty where the test does not apply."""


supporting: Registry[SupportingTest] = Registry("supporting test", package="matxai.checks.leak.supporting")
"""All supporting tests by name."""

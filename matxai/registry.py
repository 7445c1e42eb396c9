"""How readers, methods, rules, fills, finders and report sections are registered: all in this one way.

A kind owns one :class:`Registry`, made where the kind is defined. Each member is registered in the file that implements
it. A registry that is given a ``package`` imports every module of that package on its first look-up, so a new member is
one new file; with an ``entry_point`` it also asks what other distributions announce.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from matxai.errors import MatxaiError, nearest

T = TypeVar("T")


class Registry(Mapping[str, T]):
    """Names to members of one kind, filled on first use.

    Members that are found in a package come in alphabetical order, others in the order of registration: which module of
    a package some other import happened to load first must not show.

    Parameters
    ----------
    kind
        What a member is, in the singular, as errors say it: ``"method"``.
    package
        A package whose modules register members when they are imported.
    entry_point
        A group of entry points; each one's object is registered under the entry point's name.
    error
        The class of the error for unknown names.
    """

    def __init__(
        self,
        kind: str,
        *,
        package: str | None = None,
        entry_point: str | None = None,
        error: type[MatxaiError] = MatxaiError,
    ) -> None:
        self.kind = kind
        self._package = package
        self._entry_point = entry_point
        self._error = error
        self._members: dict[str, T] = {}
        self._filled = package is None and entry_point is None

    def register(self, name: str) -> Callable[[T], T]:
        """Return a decorator that registers what it decorates under ``name``.

        Raises
        ------
        ValueError
            If the name is taken: two members of one name would hide each other.
        """

        def add(member: T) -> T:
            self.add(name, member)
            return member

        return add

    def add(self, name: str, member: T) -> None:
        """Register ``member`` under ``name`` (the same object twice is accepted, another one is a ``ValueError``)."""
        if self._members.get(name, member) is not member:
            msg = f"the {self.kind} '{name}' is registered already"
            raise ValueError(msg)
        self._members[name] = member

    def _fill(self) -> None:
        if self._filled:
            return
        self._filled = True  # before the imports: a module may look its own registry up
        if self._package is not None:
            package = importlib.import_module(self._package)
            for module in sorted(m.name for m in pkgutil.iter_modules(package.__path__)):
                importlib.import_module(f"{self._package}.{module}")
        if self._entry_point is not None:
            for point in importlib.metadata.entry_points(group=self._entry_point):
                if point.name not in self._members:
                    self._members[point.name] = point.load()

    def __getitem__(self, name: str) -> T:
        self._fill()
        try:
            return self._members[name]
        except KeyError:
            msg = f"There is no {self.kind} '{name}'. {nearest(str(name), self._members)}"
            raise self._error(msg) from None

    def __contains__(self, name: object) -> bool:
        self._fill()
        return name in self._members

    def __iter__(self) -> Iterator[str]:
        self._fill()
        return iter(self._members if self._package is None else sorted(self._members))

    def __len__(self) -> int:
        self._fill()
        return len(self._members)

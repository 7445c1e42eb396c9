"""What is asked of a leakage check by name, refused before a file is read: kinds of artefacts, methods."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matxai.errors import RegionError, nearest

if TYPE_CHECKING:
    from collections.abc import Sequence


def checked_kinds(artefacts: Sequence[str] | None) -> tuple[str, ...] | None:
    """Return the kinds of artefacts asked for, None for all.

    Raises
    ------
    RegionError
        If there is no such kind.
    """
    from matxai.regions import ARTEFACTS

    for kind in artefacts or ():
        if kind not in ARTEFACTS:
            msg = f"There is no kind of artefact '{kind}'. {nearest(kind, ARTEFACTS, label='There are')}"
            raise RegionError(msg)
    return tuple(dict.fromkeys(artefacts)) if artefacts else None


def checked_methods(methods: Sequence[str]) -> tuple[str, ...]:
    """Return the methods asked for, every one for ``("all",)``.

    Raises
    ------
    MethodError
        If there is no such method.
    """
    from matxai.methods import resolve
    from matxai.methods.method import methods as known

    named = tuple(known) if tuple(methods) == ("all",) else tuple(methods)
    if named:
        resolve(list(named))
    return named

"""File type: PNG, JPEG, TIFF, ... by the first bytes. No specimen causes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from matxai.checks.leak.factors import factors
from matxai.checks.leak.factors.assessing import Varying, assess
from matxai.checks.leak.factors.changing import with_array
from matxai.checks.leak.factors.file_facts import FileFacts, file_facts, reencoded
from matxai.checks.leak.factors.telling import codes_of

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    import xarray as xr

    from matxai.checks.leak.case import Case
    from matxai.checks.leak.records import Factor


@factors.register("file_type")
def file_type(case: Case) -> Factor | None:
    """Write signals as the donor's file was written, and read them again: what changes is what compression does.

    A donor without loss changes nothing, and what a JPEG has lost does not come back. So it is the lossless files that
    show whether the model minds. None where the signals are of no files, or of one type.
    """
    found = facts_of(case)
    return (
        None if not found else assess(case, "file_type", written(case, found, [f.kind for f in found]), specimen=False)
    )


def facts_of(case: Case) -> list[FileFacts]:
    """Return how the file of every signal was written, read once in a run; empty where there are no files."""
    if "file_facts" not in case.kept:
        case.kept["file_facts"] = [file_facts(path) for path in case.data.files]
    facts: list[FileFacts] = case.kept["file_facts"]
    return facts


def written(case: Case, found: Sequence[FileFacts], kinds: Sequence[Hashable]) -> Varying:
    """Return how the files of a set were written as a factor, told apart by ``kinds``."""
    known = list(dict.fromkeys(found))
    levels = np.array([known.index(f) for f in found], np.int64)

    def change(number: int, signal: xr.DataArray, level: int) -> xr.DataArray | None:  # noqa: ARG001
        values = reencoded(signal.values, known[level])
        return None if values is None else with_array(signal, values)

    possible = np.array([[k.lossy and k.tables != f.tables for k in known] for f in found], bool)
    words = tuple(f"{k.kind}, {k.compression}" if k.compression else k.kind for k in known)
    return Varying(np.arange(len(case.data)), codes_of(list(kinds)), levels, words, change, possible)

"""Compression among files of one type: the quality of JPEGs, the scheme of TIFFs. No specimen causes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matxai.checks.leak.factors import factors
from matxai.checks.leak.factors.assessing import assess
from matxai.checks.leak.factors.file_type import facts_of, written

if TYPE_CHECKING:
    from matxai.checks.leak.case import Case
    from matxai.checks.leak.records import Factor


@factors.register("compression")
def compression(case: Case) -> Factor | None:
    """Compress signals as the donor's file is compressed, quantisation tables and all.

    None where the file type says the same: then it is that factor's.
    """
    found = facts_of(case)
    if not found:
        return None
    kinds = [(f.compression, f.tables, f.subsampling) for f in found]
    pairs = {(f.kind, k) for f, k in zip(found, kinds, strict=True)}
    if len(pairs) == len({f.kind for f in found}):
        return None
    return assess(case, "compression", written(case, found, kinds), specimen=False)

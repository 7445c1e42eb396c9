"""The findings of a check as one tidy table: a row for each test, the confirmatory one first, and for each bad file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from matxai.errors import ExplanationError, nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pandas as pd

    from matxai.report.verdicts import Finding

COLUMNS: dict[str, str] = {
    "finding": "string",
    "kind": "string",
    "test": "string",
    "answer": "string",
    "effect": "float64",
    "interval_low": "float64",
    "interval_high": "float64",
    "p": "float64",
    "p_corrected": "float64",
    "null_limit": "float64",
    "beyond_null": "boolean",
    "n": "Int64",
    "groups": "Int64",
    "donors": "Int64",
    "reach": "float64",
    "smallest_p": "float64",
    "smallest_effect": "float64",
    "power": "float64",
    "sentence": "string",
}
"""Columns and their types. ``answer`` stands on the first row of a finding; a file that could not be used has the kind
``file`` and the answer ``not done``."""


def findings_table(
    findings: Sequence[Finding],
    tests: Mapping[str, Iterable[Mapping[str, Any]]] | None = None,
    failures: Sequence[tuple[str, str]] = (),
) -> pd.DataFrame:
    """Return the table of a check.

    Parameters
    ----------
    findings
        In their order.
    tests
        For a finding's name rows of its tests, by the names of columns; the first completes the row of the verdict.
    failures
        Files that were not used, each with its sentence.

    Raises
    ------
    ExplanationError
        If a row names a column that does not exist.
    """
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for finding in findings:
        verdict = finding.verdict
        low, high = verdict.interval or (None, None)
        head = {"finding": finding.name, "kind": finding.kind}
        own = {
            "answer": verdict.answer,
            "effect": verdict.effect,
            "interval_low": low,
            "interval_high": high,
            "p": verdict.p,
            "n": verdict.n,
            "groups": verdict.groups,
            "sentence": verdict.sentence,
        }
        first, *others = [dict(t) for t in (tests or {}).get(finding.name, ())] or [{}]
        rows += [{**head, **own, **first}, *({**head, **other} for other in others)]
    rows += [{"finding": name, "kind": "file", "answer": "not done", "sentence": why} for name, why in failures]
    unknown = next((c for row in rows for c in row if c not in COLUMNS), None)
    if unknown is not None:
        msg = f"The table has no column '{unknown}'. {nearest(unknown, COLUMNS, label='It has')}"
        raise ExplanationError(msg)
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS)

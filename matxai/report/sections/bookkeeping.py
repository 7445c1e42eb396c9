"""Conservation of relevance, agreement of methods and counts of passes: bookkeeping, and said to be no more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from matxai.report import sentences
from matxai.report.record import facts
from matxai.report.section import Section, fill, sections

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from markupsafe import Markup

    from matxai.report.content import Report, ReportItem


MOST_PAIRS = 3
"""Up to so many pairs of methods are a sentence; more are a table."""


def ledger_rows(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a row for each map whose relevance should sum to the score: sum, score, ratio, sum of magnitudes."""
    rows = []
    for name, entry in (record.get("ledger") or {}).items():
        several = entry.get("targets") if isinstance(entry, dict) else None
        known = [one for one in several or [entry] if isinstance(one, dict) and one.get("ratio") is not None]
        rows += [{"name": name, **{k: one.get(k) for k in ("sum", "score", "ratio", "absolute")}} for one in known]
    return rows


def balance_tables(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return for each composite where its relevance went: a row for each operation that changed it, the score first."""
    tables = []
    for name, entry in (record.get("balance") or {}).items():
        rows = [
            {**row, **{k: _first(row.get(k)) for k in ("before", "after", "biases", "stabilisers", "missing", "other")}}
            for row in entry.get("operations") or []
        ]
        if rows:
            tables.append({"name": f"lrp:{name}", "rows": rows, "missing": any(r["missing"] for r in rows)})
    return tables


def _first(value: Any) -> float | None:
    """Return the figure of the first sample (and target), which is the only one of a single signal."""
    while isinstance(value, list):
        value = value[0] if value else None
    return None if value is None else float(value)


def map_label(name: str, methods: Mapping[str, str]) -> str:
    """Return how a map of the dataset is called: ``"lrp_epsilon[layer4]"`` -> ``"LRP (ε) at layer4"``."""
    stem, _, layer = name.partition("[")
    label = sentences.method_label(methods.get(stem, stem))
    return f"{label} at {layer.rstrip(']')}" if layer else label


def agreement_table(record: Mapping[str, Any], methods: Mapping[str, str]) -> dict[str, dict[str, float]]:
    """Return rank correlations as a table: map -> other map -> value, both ways."""
    table: dict[str, dict[str, float]] = {}
    for entry in record.get("agreement") or []:
        value = entry.get("rank")
        if value is None:
            continue
        one, other = (map_label(str(entry[k]), methods) for k in ("a", "b"))
        table.setdefault(one, {})[other] = float(value)
        table.setdefault(other, {})[one] = float(value)
    return table


def labelled(note: str, methods: Iterable[str]) -> str:
    """Return a note with methods as a reader knows them: ``"lime and rise: ..."`` -> ``"LIME and RISE: ..."``."""
    keys, colon, rest = note.partition(": ")
    names = keys.replace(" and ", ", ").split(", ")
    if not colon or not set(names) <= set(methods):
        return note
    return f"{sentences.listed([sentences.method_label(n) for n in names])}: {rest}"


def make(_report: Report, item: ReportItem) -> Markup | None:
    """Return the bookkeeping of one item."""
    record = facts(item.explanation)
    methods = {str(k): str(v.attrs.get("method", k)) for k, v in item.explanation.data_vars.items()}
    table = agreement_table(record, methods)
    pairs = [(a, b, v) for i, (a, row) in enumerate(table.items()) for b, v in row.items() if b in list(table)[i:]]
    return fill(
        "bookkeeping.html.j2",
        ledger=ledger_rows(record),
        balances=balance_tables(record),
        balance_remark=sentences.BALANCE,
        pairs=pairs if len(pairs) <= MOST_PAIRS else [],
        table=table if len(pairs) > MOST_PAIRS else {},
        forwards=record.get("forwards"),
        backwards=record.get("backwards"),
        notes=[labelled(sentences.in_words(n), methods.values()) for n in record.get("notes") or []],
        assumptions=[sentences.in_words(a) for a in record.get("assumptions") or []],
        remark=sentences.BOOKKEEPING,
        agreement_remark=sentences.AGREEMENT,
    )


sections.add("bookkeeping", Section(order=60, title="Bookkeeping", of_item=make))

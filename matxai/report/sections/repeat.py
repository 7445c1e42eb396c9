"""What someone needs to get the same again: command, seed, versions, hashes; and the papers behind the methods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from matxai.report.record import facts
from matxai.report.section import Section, fill, sections

if TYPE_CHECKING:
    from markupsafe import Markup

    from matxai.report.content import Report


def make(report: Report) -> Markup:
    """Return the section; what the caller did not give is taken from the first explanation."""
    record: dict[str, Any] = {}
    attrs: dict[str, Any] = {}
    if report.items:
        attrs = report.items[0].explanation.attrs
        record = facts(report.items[0].explanation)
    values: dict[str, str] = {}
    for name, value in (
        ("seed", record.get("seed")),
        ("device", record.get("device")),
        ("explanation format", f"{attrs.get('format', '')} {attrs.get('version', '')}".strip()),
    ):
        if value not in (None, ""):
            values[name] = str(value)
    models = [(name, sha) for name, sha in _models(report) if sha not in report.repeat.values()]
    hashes = [(i.title, _hash(i.explanation)) for i in report.items]
    versions = report.versions or record.get("versions") or {}
    return fill(
        "repeat.html.j2",
        command=report.command or str(attrs.get("command", "")),
        values={**values, **report.repeat},
        models=models,
        hashes=[(t, h) for t, h in hashes if h],
        versions=versions if isinstance(versions, dict) else {},
    )


def _models(report: Report) -> list[tuple[str, str]]:
    """Return name and hash of every model in the report, each once."""
    shown = [item.explanation for item in report.items]
    if report.comparison is not None:
        shown += [look.explanation for pair in report.comparison.pairs for look in pair.looks]
    found: dict[tuple[str, str], None] = {}
    for ds in shown:
        model = facts(ds).get("model")
        if isinstance(model, dict) and model.get("sha256"):
            found[(str(model.get("name", "")), str(model["sha256"]))] = None
    return list(found)


def _hash(ds: Any) -> str:
    record = facts(ds)
    return str((record.get("input") or {}).get("sha256") or "")


sections.add("repeat", Section(order=200, title="How to repeat this", of_report=make))

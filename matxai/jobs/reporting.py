"""From a run to its table and its report: which results go where. How they look is the report's own matter."""

from __future__ import annotations

import importlib.metadata
from typing import TYPE_CHECKING, Any

from matxai._version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matxai.jobs.explaining import Done, Options, Run
    from matxai.modelcard import Model
    from matxai.report.content import Comparison, ReportItem

PACKAGES = ("torch", "torchvision", "numpy", "xarray", "scikit-image")


def versions() -> dict[str, str]:
    """Return the versions that a result depends on."""
    return {"matxai": __version__, **{p: importlib.metadata.version(p) for p in PACKAGES}}


def report_items(done: list[Done], truths: dict[str, str]) -> list[ReportItem]:
    """Return the items of a report for results."""
    from matxai.report.content import ReportItem

    return [
        ReportItem(
            title=one.name,
            explanation=one.explanation,
            evidence=[e for e in one.evidence if "top_drop" in e] or None,
            regions=one.regions,
            truth=truths.get(one.name),
        )
        for one in done
    ]


def write_run(
    run: Run,
    model: Model,
    options: Options,
    *,
    command: str,
    truths: dict[str, str],
    title: str = "",
    intro: str = "",
    comparison: Comparison | None = None,
    limits: Mapping[str, Any] | None = None,
) -> None:
    """Write ``report.html`` and the tidy table of a run, and note both in it.

    Raises
    ------
    FileError
        If they cannot be written.
    """
    from matxai.report import tidy_table, write_report, write_table
    from matxai.report.content import Report

    items = report_items(run.done, truths)
    repeat: dict[str, Any] = {
        "model": model.name,
        "weights (sha256)": model.sha256 or "a module handed over",
        "seed": str(options.seed),
        "device": str(next((q.device for q in model.module.parameters()), "cpu")),
        **{f"assumed {i}": a for i, a in enumerate(model.assumptions, start=1)},
    }
    report = Report(
        title=title or f"What {model.name} looked at",
        intro=intro,
        command=command,
        items=items,
        comparison=comparison,
        versions=versions(),
        failures=tuple(run.failures),
        left_out=run.left_out,
        repeat=repeat,
        limits=limits or {},
    )
    run.tables = tuple(write_table(tidy_table(items, left_out=run.left_out), run.out))
    run.report = write_report(report, run.out / "report.html")

"""From a run to its table and its report: which results go where. How they look is the report's own matter."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai._version import __version__

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    import numpy.typing as npt
    import xarray as xr

    from matxai.jobs.explaining import Done, Options, Run
    from matxai.modelcard import Model
    from matxai.report.content import Comparison, ReportItem

PACKAGES = ("torch", "torchvision", "numpy", "xarray", "scikit-image")


def versions() -> dict[str, str]:
    """Return the versions that a result depends on."""
    return {"matxai": __version__, **{p: importlib.metadata.version(p) for p in PACKAGES}}


def weights_of(model: Model) -> str:
    """Return the checksum of a model's weights, or what there is in its place."""
    return model.sha256 or "a module handed over"


def repeated(model: Model, seed: int, of_data: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return what someone needs to repeat a run: model, what it was asked with, seed, device, what was assumed."""
    return {
        "model": model.name,
        "weights (sha256)": weights_of(model),
        **(of_data or {}),
        "seed": str(seed),
        "device": str(next((p.device for p in model.module.parameters()), "cpu")),
        **{f"assumed {i}": a for i, a in enumerate(model.assumptions, start=1)},
    }


def share_inside(values: xr.DataArray, region: npt.NDArray[np.bool_]) -> float | None:
    """Return the part of a map's positive values that lies inside a region; None where nothing is positive."""
    positive = np.nan_to_num(np.maximum(np.asarray(values.values), 0.0))
    total = float(positive.sum())
    return float(positive[region].sum()) / total if total > 0 else None


def bar_sentences(one: Done) -> list[str]:
    """Say of each map how much of it lies inside the info bar that the instrument states; nothing without a bar."""
    said = []
    for region in (r for r in one.regions if r.kind == "info_bar"):
        for name, variable in one.explanation.data_vars.items():
            share = share_inside(variable, region.mask) if variable.shape == region.mask.shape else None
            if share is not None:
                method = variable.attrs.get("method", name)
                said.append(
                    f"{100 * share:.0f} % of the positive {method} map lies inside the info bar, which is "
                    f"{100 * region.share:.0f} % of the picture."
                )
    return said


def report_items(done: list[Done], truths: dict[str, str], model: Model, options: Options) -> list[ReportItem]:
    """Return the items of a report for results."""
    from matxai.jobs import curves
    from matxai.report.content import ReportItem

    def plotted(explanation: xr.Dataset) -> dict[str, Any]:
        if not curves.is_curve(explanation):
            return {}
        signal = explanation.coords["signal"]
        return {"style": curves.style_of(options, signal), "received": curves.received_curve(model, signal)}

    return [
        ReportItem(
            title=one.name,
            explanation=one.explanation,
            evidence=[e for e in one.evidence if "top_drop" in e] or None,
            regions=one.regions,
            truth=truths.get(one.name),
            zones=None if isinstance(one.zones, str) else one.zones,
            **plotted(one.explanation),
        )
        for one in done
    ]


def _bars(done: list[Done]) -> str:
    """The first sentence on each picture's info bar, for the head of a report; the table has them all."""
    said = [f"{one.name}: {bar_sentences(one)[0]}" for one in done if bar_sentences(one)]
    return " ".join(said[:3]) + (" The table has the others." if len(said) > 3 else "")


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

    items = report_items(run.done, truths, model, options)
    report = Report(
        title=title or f"What {model.name} looked at",
        intro=intro,
        remark="" if comparison else _bars(run.done),
        command=command,
        items=items,
        comparison=comparison,
        versions=versions(),
        failures=tuple(run.failures),
        left_out=run.left_out,
        repeat=repeated(model, options.seed),
        limits=limits or {},
    )
    from matxai.jobs.zoning import write_tables

    zones = write_tables(((i.title, i.zones) for i in items if i.zones is not None), run.out)
    run.tables = (*write_table(tidy_table(items, left_out=run.left_out), run.out), *zones)
    run.report = write_report(report, run.out / "report.html")


def report_of(
    model: Model,
    explanation: xr.Dataset,
    path: str | os.PathLike[str],
    *,
    name: str | None = None,
    evidence: bool = True,
    seed: int = 0,
    command: str = "",
    cancel: Any = None,
) -> Path:
    """Write the report of one explanation as one HTML file, as ``matxai explain`` writes it.

    Parameters
    ----------
    model
        Who was asked.
    explanation
        As :func:`matxai.explain` returns it.
    path
        The file.
    name
        How the report calls the signal; by default what the explanation says of it.
    evidence
        Whether the top of each map is removed and compared with matched regions; of a target that is no single class
        the report says why not.
    seed, command, cancel
        As everywhere.

    Raises
    ------
    FileError
        If the file cannot be written.
    Cancelled
        If ``cancel`` is set; nothing is written then.
    """
    from matxai.jobs.explaining import Done, Options, regions_of
    from matxai.jobs.supporting import evidence_of
    from matxai.modelcard.preprocessing import signal_name
    from matxai.report import Report, write_report

    signal = explanation.coords["signal"]
    options = Options(seed=seed)
    found = tuple(evidence_of(model, signal, explanation, options, cancel)) if evidence else ()
    called = name or signal_name(signal)
    done = Done(called, Path(path).parent, explanation, found, tuple(regions_of(signal)), 0.0)
    report = Report(
        title=f"What {model.name} looked at",
        command=command,
        items=report_items([done], {}, model, options),
        remark=_bars([done]),
        versions=versions(),
        repeat=repeated(model, seed),
    )
    return write_report(report, path)

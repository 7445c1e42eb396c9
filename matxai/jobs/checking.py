"""Does a model keep to what an expert expects? A file of expectations asked of a model and DATA, and its files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matxai.errors import ExpectationError

if TYPE_CHECKING:
    import os

    from matxai.checks.expect import Checked, Expectations
    from matxai.checks.labelled import LabelledSet
    from matxai.jobs.data import Data
    from matxai.modelcard import Model

Progress = Callable[[int, int, str], None]
WRITTEN = ("verdict.json", "junit.xml", "expectations.csv", "expectations.parquet", "report.html")


@dataclass(frozen=True, eq=False)
class CheckRun:
    """A check of expectations with its files.

    Parameters
    ----------
    checked
        The outcome.
    data
        What it was asked with, and which files could not be used.
    out
        Where everything lies.
    report, verdict, junit
        For a person, for a program, for a pipeline.
    tables
        One row for each sample and expectation, as CSV and Parquet.
    """

    checked: Checked
    data: Data
    out: Path
    report: Path
    verdict: Path
    junit: Path
    tables: tuple[Path, ...]


def check(
    file: str | os.PathLike[str],
    model: Any = None,
    data: LabelledSet | str | os.PathLike[str] | None = None,
    *,
    group: str | None = None,
    split: str | None = None,
    seed: int = 0,
    out: str | os.PathLike[str] | None = None,
    device: str | None = None,
    arch: str | None = None,
    trust: bool = False,
    limit: int | None = None,
    progress: Progress | None = None,
    cancel: Any = None,
) -> Checked:
    """Ask whether a model uses what an expert says that it must, and not what it must not.

    Parameters
    ----------
    file
        The expectations, as YAML; see ``docs/expectations.md``.
    model
        As :func:`matxai.load_model` returns it, or what it takes; by default what the file names.
    data
        A folder with a sub-folder for each class or with ``labels.csv``, a table of labelled files, or a
        ``matxai.checks.LabelledSet`` in the model's order of classes; by default what the file names.
    group
        Column that says which samples are not independent; by default ``group`` where the table has one.
    split
        Which part of the table to take, or ``all``; by default ``test`` where there is one.
    seed
        Of everything that is drawn.
    out
        Folder for report, verdict and table; nothing is written without it.
    device, arch, trust, limit
        As :func:`matxai.load_model` takes them.
    progress, cancel
        ``progress(done, total, label)``; anything with ``is_set()``.

    Returns
    -------
    matxai.checks.expect.Checked
        ``answer`` is ``holds``, ``broken`` or ``inconclusive``; ``findings`` has one for each expectation.

    Raises
    ------
    ExpectationError
        If anything in the file is unknown or impossible, with line and field; if no model or no data are named.
    MatxaiError
        If model or data cannot be read, or an expectation can be measured in no sample.
    Cancelled
        If ``cancel`` is set; nothing is written then.

    Examples
    --------
    >>> found = matxai.check("defects.yaml", out="checked/")  # doctest: +SKIP
    >>> found.answer, found.findings[0].verdict.sentence  # doctest: +SKIP
    """
    asked, loaded, read = prepared(
        file,
        model,
        data,
        group=group,
        split=split,
        device=device,
        arch=arch,
        trust=trust,
        limit=limit,
        progress=progress,
        cancel=cancel,
    )
    if out is not None:
        return check_expectations(asked, loaded, read, Path(out), seed=seed, progress=progress, cancel=cancel).checked
    from matxai.checks.expect import judge

    return judge(asked, loaded, read.labelled, seed=seed, progress=progress, cancel=cancel)


def prepared(
    file: str | os.PathLike[str],
    model: Any = None,
    data: LabelledSet | str | os.PathLike[str] | None = None,
    *,
    group: str | None = None,
    split: str | None = None,
    device: str | None = None,
    arch: str | None = None,
    trust: bool = False,
    limit: int | None = None,
    progress: Progress | None = None,
    cancel: Any = None,
) -> tuple[Expectations, Model, Data]:
    """Return the expectations, the model and the data of a check; parameters and errors as in :func:`check`."""
    from matxai.checks.expect import read_expectations
    from matxai.checks.labelled import LabelledSet
    from matxai.jobs.data import Data, read_data
    from matxai.modelcard import Model, load_model

    asked = read_expectations(file)
    wanted = model if model is not None else _named(asked, asked.model, "model", "a model's card, file or name")
    source = data if data is not None else _named(asked, asked.data, "data", "a folder or a table")
    if isinstance(wanted, Model):
        loaded = wanted
    else:
        from matxai.engine import devices

        loaded = load_model(wanted, arch=arch, trust=trust, limit=limit, device=devices.choose(device))
    if loaded.classes:
        asked.check_classes(loaded.classes, f"the model '{loaded.name}'")
    if isinstance(source, LabelledSet):
        if group is not None or split is not None:
            msg = "A LabelledSet has its groups and its signals already; group= and split= are for folders and tables."
            raise ExpectationError(msg)
        return asked, loaded, Data(source, (), Path("a labelled set"), "")
    read = read_data(
        source, loaded, group=group, split=split, every_class=False, limit=limit, progress=progress, cancel=cancel
    )
    return asked, loaded, read


def _named(asked: Expectations, name: str | None, field: str, what: str) -> str:
    """What the file names, relative to its folder where it lies there; a name of another kind stays as it is."""
    if name is None:
        raise ExpectationError(f"{asked.file} names no '{field}'; write '{field}:' with {what}, or give --{field}.")
    path = asked.base / Path(name).expanduser()
    return str(path) if path.exists() else name


def check_expectations(
    asked: Expectations,
    model: Model,
    data: Data,
    out: Path,
    *,
    seed: int = 0,
    command: str = "",
    progress: Progress | None = None,
    cancel: Any = None,
) -> CheckRun:
    """Judge and write ``verdict.json``, ``junit.xml``, ``expectations.csv`` and ``.parquet``, and ``report.html``.

    Parameters are those of :func:`check`, with everything read, and the command for the report.

    Raises
    ------
    FileError
        If ``out`` cannot be written; that is known before anything is computed.
    """
    from matxai.checks.expect import judge
    from matxai.jobs.explaining import writable

    writable(out)
    checked = judge(asked, model, data.labelled, seed=seed, progress=progress, cancel=cancel)
    return _write(checked, asked, model, data, out, seed, command, cancel)


def _write(
    checked: Checked,
    asked: Expectations,
    model: Model,
    data: Data,
    out: Path,
    seed: int,
    command: str,
    cancel: Any,
) -> CheckRun:
    import hashlib

    from matxai.jobs.check_report import findings_of, judgement_of, table_of
    from matxai.jobs.reporting import repeated, versions, weights_of
    from matxai.report import Report, verdict_json, verdict_junit, write_report, write_table

    for name in WRITTEN:  # of an earlier run: a report never lies beside another run's verdict
        (out / name).unlink(missing_ok=True)
    findings = findings_of(checked)
    used = versions()
    hashes = {
        "expectations": hashlib.sha256(asked.text.encode()).hexdigest(),
        "model": weights_of(model),
        "data": data.sha256 or "a set handed over",
    }
    verdict = verdict_json(
        findings,
        out / "verdict.json",
        command=command,
        seed=seed,
        versions=used,
        hashes=hashes,
        answer=checked.answer,
        about={
            "question": "expectations",
            "sentence": checked.sentence,
            "score": checked.score,
            "facts": checked.facts,
            "failures": [{"file": name, "error": why} for name, why in data.failures],
        },
    )
    junit = verdict_junit(findings, out / "junit.xml", suite=f"matxai check of {model.name}")
    tables = tuple(write_table(table_of(checked), out, "expectations"))
    report = Report(
        title=f"What is expected of {model.name}",
        command=command,
        judgement=judgement_of(checked, asked, data, model.name, cancel=cancel),
        versions=used,
        failures=data.failures,
        repeat=repeated(
            model,
            seed,
            {
                "expectations": asked.file,
                "expectations (sha256)": hashes["expectations"],
                "data": str(data.path),
                "data (sha256)": hashes["data"],
            },
        ),
    )
    written = write_report(report, out / "report.html")
    return CheckRun(checked, data, out, written, verdict, junit, tables)

"""Does a model read what is not of the specimen? The check on DATA, and its files in one folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matxai.errors import Cancelled, MatxaiError
from matxai.jobs.leak_options import checked_kinds, checked_methods

if TYPE_CHECKING:
    import os

    from matxai.checks.labelled import LabelledSet
    from matxai.checks.leak import Leakage
    from matxai.jobs.data import Data
    from matxai.jobs.remedy import Remedied
    from matxai.modelcard import Model

Progress = Callable[[int, int, str], None]
MARGIN = 0.05
WRITTEN = ("verdict.json", "junit.xml", "findings.csv", "findings.parquet", "report.html")


@dataclass(frozen=True, eq=False)
class LeakageRun:
    """A leakage check with its files.

    Parameters
    ----------
    leakage
        The outcome.
    data
        What it was asked with, and which files could not be used.
    out
        Where everything lies.
    report, verdict, junit
        For a person, for a program, for a pipeline.
    tables
        The findings as CSV and Parquet.
    remedied
        What was written to free the set of what was found; None where nobody asked.
    """

    leakage: Leakage
    data: Data
    out: Path
    report: Path
    verdict: Path
    junit: Path
    tables: tuple[Path, ...]
    remedied: Remedied | None = None


def leakage(
    model: Any,
    data: LabelledSet | str | os.PathLike[str],
    *,
    group: str | None = None,
    split: str | None = None,
    artefacts: Sequence[str] | None = None,
    methods: Sequence[str] = (),
    layers: Sequence[str | int] | None = None,
    supporting: bool = True,
    factors: bool = True,
    margin: float = MARGIN,
    seed: int = 0,
    out: str | os.PathLike[str] | None = None,
    device: str | None = None,
    arch: str | None = None,
    trust: bool = False,
    limit: int | None = None,
    progress: Progress | None = None,
    cancel: Any = None,
) -> Leakage:
    """Ask whether a model tells classes by what is not of the specimen: info bars, labels, file types.

    Parameters
    ----------
    model
        As :func:`matxai.load_model` returns it, or what it takes: a card's folder or file, or a module.
    data
        A folder with a sub-folder for each class or with ``labels.csv``, a table of labelled files, or a
        ``matxai.checks.LabelledSet`` in the model's order of classes.
    group
        Column that says which images are not independent; by default ``group`` where the table has one.
    split
        Which part of the table to take, or ``all``; by default ``test`` where there is one.
    artefacts
        Kinds that are looked for, such as ``["info_bar", "text"]``; by default all.
    methods
        Attribution methods of the supporting test on shares of relevance, or ``["all"]``; by default three.
    layers
        Layers of those that are CAMs, as :func:`matxai.attribute` takes them; by default the last with spatial axes.
    supporting, factors
        Whether the tests beside the exchange are run, and whether file type, size, brightness and so on are looked at.
    margin
        Largest effect that counts as none.
    seed
        Of everything that is drawn.
    out
        Folder for report, verdict and tables; nothing is written without it.
    device, arch, trust, limit
        As :func:`matxai.load_model` takes them.
    progress, cancel
        ``progress(done, total, label)``; anything with ``is_set()``.

    Returns
    -------
    matxai.checks.leak.Leakage
        ``answer`` is ``leak``, ``suspicious``, ``cannot tell``, ``not seen`` or ``unreachable``; ``findings`` has the
        gravest first.

    Raises
    ------
    FileError, SignalError
        If the data cannot be read, or do not fit the model.
    MatxaiError
        If a kind, method, layer or column does not exist, or there are fewer than two classes.
    Cancelled
        If ``cancel`` is set; nothing is written then.

    Examples
    --------
    >>> found = matxai.leakage("defects.matxai", "test/", group="specimen")  # doctest: +SKIP
    >>> found.answer, found.findings[0].name  # doctest: +SKIP
    ('leak', 'info_bar')
    """
    from matxai.checks.leak.cams import check_cams
    from matxai.checks.leak.permitted import check_levels

    kinds, methods = checked_kinds(artefacts), checked_methods(methods)
    check_levels(margin)
    check_cams(layers, methods, supporting=supporting)
    loaded = _loaded(model, device=device, arch=arch, trust=trust, limit=limit)
    read = data_of(data, loaded, group=group, split=split, limit=limit, progress=progress, cancel=cancel)
    if out is not None:
        return check_leakage(
            loaded,
            read,
            Path(out),
            kinds=kinds,
            methods=methods,
            layers=layers,
            supporting=supporting,
            factors=factors,
            margin=margin,
            seed=seed,
            progress=progress,
            cancel=cancel,
        ).leakage
    return _examined(
        loaded, read, kinds, methods, layers, margin, seed, progress, cancel, supporting=supporting, factors=factors
    )


def _loaded(model: Any, **options: Any) -> Model:
    from matxai.modelcard import Model, load_model

    if isinstance(model, Model):
        return model
    from matxai.engine import devices

    where = devices.choose(options.pop("device"))
    return load_model(model, device=where, **options)


def data_of(
    data: LabelledSet | Data | str | os.PathLike[str],
    model: Model,
    *,
    group: str | None = None,
    split: str | None = None,
    limit: int | None = None,
    progress: Progress | None = None,
    cancel: Any = None,
) -> Data:
    """Return what DATA holds for a model; a set that was made elsewhere is taken as it is.

    Raises
    ------
    MatxaiError
        As :func:`matxai.jobs.read_data`; if the model is no classifier; and if a column is named for a set that has
        its groups already.
    """
    from matxai.checks.labelled import LabelledSet
    from matxai.checks.leak.permitted import check_classifier
    from matxai.jobs.data import Data, read_data

    check_classifier(model)  # before files are read and classes compared: nothing else would help
    if isinstance(data, Data):
        return data
    if not isinstance(data, LabelledSet):
        return read_data(data, model, group=group, split=split, limit=limit, progress=progress, cancel=cancel)
    if group is not None or split is not None:
        msg = "A LabelledSet has its groups and its signals already; group= and split= are for folders and tables."
        raise MatxaiError(msg)
    return Data(data, (), Path("a labelled set"), "")


def _examined(
    model: Model,
    data: Data,
    kinds: Sequence[str] | None,
    methods: Sequence[str],
    layers: Sequence[str | int] | None,
    margin: float,
    seed: int,
    progress: Progress | None,
    cancel: Any,
    *,
    supporting: bool,
    factors: bool,
) -> Leakage:
    from matxai.checks.leak import examine

    return examine(
        model,
        data.labelled,
        kinds=kinds,
        methods=checked_methods(methods),
        layers=layers,
        supporting=supporting,
        factors=factors,
        margin=margin,
        seed=seed,
        progress=progress,
        cancel=cancel,
    )


def check_leakage(
    model: Model,
    data: Data,
    out: Path,
    *,
    kinds: Sequence[str] | None = None,
    methods: Sequence[str] = (),
    layers: Sequence[str | int] | None = None,
    supporting: bool = True,
    factors: bool = True,
    margin: float = MARGIN,
    remedy: Path | None = None,
    retrain: Sequence[str] = ("auto",),
    seed: int = 0,
    command: str = "",
    progress: Progress | None = None,
    cancel: Any = None,
) -> LeakageRun:
    """Examine and write ``verdict.json``, ``junit.xml``, ``findings.csv``, ``findings.parquet`` and ``report.html``.

    Parameters are those of :func:`leakage`, with a model and data that were read, the command for the report, and the
    folder for the cleaned set and how the model is retrained on it, if that is wanted (see
    :func:`matxai.jobs.remedy.write_remedy`).

    Raises
    ------
    FileError
        If ``out`` or ``remedy`` cannot be written; that is known before anything is computed.
    """
    from matxai.jobs.explaining import writable
    from matxai.jobs.remedy import check_target, ways_to_retrain

    if remedy is not None:
        check_target(remedy, data.labelled)
        ways_to_retrain(retrain)
    writable(out)
    found = _examined(
        model, data, kinds, methods, layers, margin, seed, progress, cancel, supporting=supporting, factors=factors
    )
    return write_leakage(
        found,
        model,
        data,
        out,
        remedy=remedy,
        retrain=retrain,
        seed=seed,
        command=command,
        progress=progress,
        cancel=cancel,
    )


def write_leakage(
    found: Leakage,
    model: Model,
    data: Data,
    out: Path,
    *,
    remedy: Path | None = None,
    retrain: Sequence[str] = ("auto",),
    seed: int = 0,
    command: str = "",
    progress: Progress | None = None,
    cancel: Any = None,
) -> LeakageRun:
    """Write the files of a leakage check: the verdict first, so that it is kept where remedy or report is interrupted.

    Raises
    ------
    FileError
        If they cannot be written.
    """
    from matxai.jobs.leak_examples import examples_of
    from matxai.jobs.leak_report import finding_of, judgement_of, rows_of
    from matxai.jobs.remedy import write_remedy
    from matxai.jobs.reporting import repeated, versions, weights_of
    from matxai.report import Report, findings_table, verdict_json, verdict_junit, write_report, write_table
    from matxai.report.verdicts import Finding

    for name in WRITTEN:  # of an earlier run: a report never lies beside another run's verdict
        (out / name).unlink(missing_ok=True)
    findings = [finding_of(f) for f in found.findings]
    hashes = {"model": weights_of(model), "data": data.sha256 or "a set handed over"}
    about = {
        "question": "leakage",
        "sentence": found.sentence,
        "looked_for": list(found.looked_for),
        "accuracy": {"value": found.accuracy[0], "interval": found.accuracy[1:], "chance": found.chance},
        "facts": found.facts,
        "failures": [{"file": name, "error": why} for name, why in data.failures],
    }
    used = versions()
    verdict = verdict_json(
        findings,
        out / "verdict.json",
        command=command,
        seed=seed,
        versions=used,
        hashes=hashes,
        answer=found.answer,
        about=about,
    )
    whole = [Finding("leakage", "leakage", in_all(found, model, data))]
    junit = verdict_junit(findings or whole, out / "junit.xml", suite=f"matxai leakage of {model.name}")
    tables = write_table(findings_table(findings, rows_of(found), data.failures), out, "findings")

    remedied, refused = None, None
    if remedy is not None:
        try:
            remedied = write_remedy(
                model, data.labelled, found, remedy, retrain=retrain, seed=seed, progress=progress, cancel=cancel
            )
        except Cancelled:
            raise
        except MatxaiError as error:  # the verdict stands, and its report is written all the same
            refused = error

    def pictures(finding: Any) -> Any:
        if progress is not None:
            progress(0, len(findings), f"pictures of {finding.name}")
        return examples_of(finding, model, data.labelled, seed=seed, cancel=cancel)

    report = Report(
        title=f"Leakage of {model.name}",
        command=command,
        judgement=judgement_of(found, data, model.name, pictures, remedied),
        versions=used,
        failures=data.failures,
        repeat=repeated(model, seed, {"data": str(data.path), "data (sha256)": hashes["data"]}),
    )
    written = write_report(report, out / "report.html")
    if progress is not None:
        progress(len(findings), len(findings), "report")
    if refused is not None:
        raise refused
    return LeakageRun(found, data, out, written, verdict, junit, tables, remedied)


def in_all(found: Leakage, model: Model, data: Data) -> Any:
    """Return the answer in all as a verdict, for a run without findings."""
    from matxai.checks.verdict import Verdict

    return Verdict(f"Does {model.name} leak?", found.answer, found.sentence, n=len(data.labelled))

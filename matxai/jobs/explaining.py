"""Explain files: maps, overlays, a table and a report in one folder. A file that fails does not stop the others.

What was finished is kept: a run that was interrupted goes on where it stopped, since each input's results carry the
key of what they were made from.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import Cancelled, FileError, LayerError, MatxaiError, MethodError
from matxai.jobs import outputs

if TYPE_CHECKING:
    import xarray as xr

    from matxai.checks.zones import ZoneTable
    from matxai.jobs.inputs import Input
    from matxai.modelcard import Model
    from matxai.regions import Region

log = logging.getLogger("matxai.jobs")

DEFAULT_METHODS = ("grad_cam", "lrp", "input_x_gradient", "guided_grad_cam")
BLACK_BOX_METHODS = ("occlusion", "kernel_shap")
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Options:
    """How files are explained.

    Parameters
    ----------
    methods
        Names, or ``("all",)`` for all that apply to the model.
    target
        Class name or index; None is the class on top.
    layers
        For the CAMs; None is the default.
    figures
        Formats of the overlays: ``png``, ``svg``, ``pdf``.
    width_mm
        Their width.
    evidence
        Whether the top of each map is removed and compared with controls.
    controls
        How many matched regions at most.
    csv
        Whether the numbers behind each overlay are written as CSV as well.
    common_scale
        Whether a method's overlays have one colour scale over all inputs.
    budget, tolerance
        For methods that sample: copies at most, and the relative standard error at which they stop.
    zones
        Whether spectra and waveforms get a table of their zones.
    redraws
        Of the noise of a spectrum, for the errors in that table; 0 for none.
    doublets, e0, bands
        Which peaks make one zone (their distance, and how far it may be off), where an absorption edge lies, and into
        which bands of frequency a waveform is cut, where that is not to be found from the curve.
    references
        What its zones are compared with: structures' names, CIF files, `xps:Fe 2p`.
    contrast
        A folder or file with spectra of another class: what they have and this one has not is asked about too.
    intensity, along, second_axis, span
        How the plot of a spectrum looks, as `matxai.report.CurveStyle` has it.
    seed
        As everywhere.
    """

    methods: tuple[str, ...] = DEFAULT_METHODS
    target: str | int | None = None
    layers: tuple[str | int, ...] | None = None
    figures: tuple[str, ...] = ("png",)
    width_mm: float = 85.0
    evidence: bool = True
    controls: int = 19
    csv: bool = False
    common_scale: bool = False
    budget: int | None = None
    tolerance: float | None = None
    zones: bool = True
    redraws: int = 50
    doublets: tuple[tuple[float, float], ...] = ()
    e0: float | None = None
    bands: tuple[tuple[float, float], ...] = ()
    references: tuple[str, ...] = ()
    contrast: str | None = None
    intensity: str = "linear"
    along: str | None = None
    second_axis: str | None = None
    span: tuple[float, float] | None = None
    seed: int = 0


def default_methods(model: Model, *, contrast: bool = False) -> tuple[str, ...]:
    """Return the methods that nobody has to ask for: those of a network, of one for curves, or of what only predicts.

    With a contrast class a curve is compared with its mean as well.
    """
    if model.black_box:
        return BLACK_BOX_METHODS
    if model.kind != "1d":
        return DEFAULT_METHODS
    from matxai.jobs.zoning import CONTRASTING, CURVE_METHODS

    return (*CURVE_METHODS, *(CONTRASTING if contrast else ()))


@dataclass(frozen=True, eq=False)
class Done:
    """One input's result.

    Parameters
    ----------
    name, folder
        How it is called, and where its files lie.
    explanation
        The maps.
    evidence
        One record for each map that has a top to remove; ``sentence`` alone where it has none.
    regions
        What the instrument states of the picture: its info bar.
    seconds
        How long it took; 0 where it had been done before.
    zones
        Of a spectrum its zones, or the sentence that says why there is no table of them; None for images.
    """

    name: str
    folder: Path
    explanation: xr.Dataset
    evidence: tuple[dict[str, Any], ...]
    regions: tuple[Region, ...]
    seconds: float
    zones: ZoneTable | str | None = None


@dataclass(eq=False)
class Run:
    """What came of a run: results, failures with their sentences, the methods that were left out and why, and files."""

    out: Path
    done: list[Done] = field(default_factory=list)
    failures: list[tuple[str, str]] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    report: Path | None = None
    tables: tuple[Path, ...] = ()
    plots: tuple[Path, ...] = ()


def explain_files(
    model: Model,
    inputs: Sequence[Input],
    out: Path,
    options: Options | None = None,
    *,
    command: str = "",
    failures: Sequence[tuple[str, str]] = (),
    truths: dict[str, str] | None = None,
    report: bool = True,
    progress: Progress | None = None,
    cancel: Any = None,
) -> Run:
    """Explain inputs and write everything below ``out``.

    Parameters
    ----------
    model
        As loaded from its card.
    inputs
        As :func:`matxai.jobs.expand` returns them.
    out
        Folder for ``report.html``, ``table.csv``, ``table.parquet`` and ``results/``.
    options
        How; defaults as in :class:`Options`.
    command
        What makes this run again, for the report.
    failures
        What could not become an input, for the report.
    truths
        Class that an input really has, by its name.
    report
        Whether table and report are written; a caller that puts several runs into one report writes them itself.
    progress, cancel
        As everywhere; asked between inputs and inside the engine.

    Returns
    -------
    Run

    Raises
    ------
    FileError
        If ``out`` cannot be written, or no input could be used.
    Cancelled
        If ``cancel`` is set; finished inputs stay on disk, and the next run takes them up.
    """
    from matxai.explanation import provenance
    from matxai.jobs.supporting import contrast_of

    options = options or Options()
    _check(model, options)
    contrast = contrast_of(options.contrast, model.kind)
    results = writable(out) / "results"
    run = Run(out, failures=list(failures))
    for number, one in enumerate(inputs):
        if cancel is not None and cancel.is_set():
            msg = f"Cancelled after {number} of {len(inputs)} inputs; they are kept in {results}."
            raise Cancelled(msg)
        if progress is not None:
            progress(number, len(inputs), one.name)
        try:
            inside = _inside(progress, number, len(inputs), one.name)
            run.done.append(_explain_one(model, one, results / one.stem, options, command, inside, cancel, contrast))
            run.left_out.update(provenance(run.done[-1].explanation).get("left_out") or {})
        except (Cancelled, MethodError, LayerError):
            raise  # a method or layer that this model does not have is missing for every input
        except MatxaiError as error:
            log.info("%s: %s", one.name, error)
            run.failures.append((one.name, str(error)))
    if not run.done:
        for empty in (results, out):  # a folder made for nothing goes again; one that holds anything stays
            with contextlib.suppress(OSError):
                empty.rmdir()
        raise FileError(_nothing_done(run.failures))
    limits = outputs.shared_limits([d.explanation for d in run.done], options) if options.common_scale else {}
    if options.common_scale:
        for one_done in run.done:
            outputs.write_overlays(one_done.explanation, one_done.folder, options, limits)
    from matxai.jobs import curves

    run.plots = tuple(curves.stack_of(run.done, out, options))
    if progress is not None:
        progress(len(inputs), len(inputs), "report")
    if report:
        from matxai.jobs.reporting import write_run

        write_run(run, model, options, command=command, truths=truths or {}, limits=limits)
    return run


def _inside(progress: Progress | None, number: int, total: int, name: str) -> Progress | None:
    """Progress of one input within that of the run: the count is the run's, the label says what is under way."""
    if progress is None:
        return None
    return lambda done, of, label: progress(number, total, f"{name}: {label} {done}/{of}")


def _check(model: Model, options: Options) -> None:
    """Say what is wrong with the options once, before anything is read or written.

    Raises
    ------
    MethodError, TargetError
        If a method or class does not exist.
    """
    if options.methods != ("all",):
        from matxai.methods import resolve

        resolve(list(options.methods))
    if isinstance(options.target, str) and model.classes:
        from matxai.explanation.scores import class_index

        class_index(options.target, model.classes, model.name)


def _nothing_done(failures: Sequence[tuple[str, str]]) -> str:
    if not failures:
        return "There is nothing to explain: no file was named, or the folders hold none."
    sentences = [why if Path(name).name in why else f"{name}: {why}" for name, why in failures[:5]]
    more = f" (and {len(failures) - 5} more)" if len(failures) > 5 else ""
    return sentences[0] if len(failures) == 1 else f"None of the inputs could be explained. {' '.join(sentences)}{more}"


def writable(folder: Path) -> Path:
    """Make a folder and make sure that it takes files.

    Raises
    ------
    FileError
        If it cannot be made or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".matxai-write-test"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        msg = f"The folder {folder} cannot be written: {error.strerror or error}. Name another one with --out."
        raise FileError(msg) from error
    return folder


def _methods(options: Options) -> list[str]:
    """Return the names of the methods; ``all`` are those that the project has."""
    from matxai.methods.method import methods

    return list(methods) if options.methods == ("all",) else list(options.methods)


def _explain_one(
    model: Model,
    one: Input,
    folder: Path,
    options: Options,
    command: str,
    progress: Progress | None,
    cancel: Any,
    contrast: Sequence[xr.DataArray],
) -> Done:
    from matxai.explanation import explain, load, save
    from matxai.jobs import curves, resuming, zoning
    from matxai.jobs.supporting import evidence_of

    beside = [resuming.content(Path(p)) for p in (*options.references, options.contrast) if p and Path(p).exists()]
    key = resuming.key_of(model, one, {**asdict(options), "files": beside})
    record = resuming.read_record(folder)
    if key is not None and record.get("key") == key and isinstance(record.get("evidence"), list):
        try:
            explanation = load(folder / "explanation.nc")
        except MatxaiError as error:
            log.info("%s is made anew: %s", one.name, error)
        else:
            regions = tuple(regions_of(explanation.coords["signal"]))
            kept = zoning.from_record(record.get("zones"))
            return Done(one.name, folder, explanation, tuple(record["evidence"]), regions, 0.0, kept)
    started = time.monotonic()
    signal = one.load()
    named = _methods(options)
    layered = bool(options.layers)
    methods = zoning.methods_for_curve(model, signal, named, layers=layered) if model.kind == "1d" else [*named]
    explanation = explain(
        model,
        signal,
        methods=methods,
        target=options.target,
        layers=list(options.layers) if options.layers else None,
        budget=options.budget,
        tolerance=options.tolerance,
        seed=options.seed,
        references=contrast or None,
        leave_out=options.methods == ("all",),
        command=command,
        progress=progress,
        cancel=cancel,
    )
    evidence = evidence_of(model, signal, explanation, options, cancel) if options.evidence else []
    zones = zoning.table_of(
        model, explanation, options, methods=methods, contrast=contrast, progress=progress, cancel=cancel
    )
    writable(folder)
    try:
        others = resuming.clear(folder)
        save(explanation, folder / "explanation.nc")
        outputs.write_maps(explanation, folder, options)
        if not options.common_scale:
            outputs.write_overlays(explanation, folder, options, {})
        overlays = {f"{stem}.{kind}" for _, _, stem in outputs.parts(explanation) for kind in options.figures}
        if curves.is_curve(explanation):
            overlays |= {p.name for p in curves.plot_of(model, explanation, folder, options)}
        # last, since it says that all the rest is there
        resuming.write_record(folder, key, one.name, evidence, others, overlays, zoning.to_record(zones))
    except OSError as error:
        msg = f"The results of {one.name} cannot be written to {folder}: {error.strerror or error}."
        raise FileError(msg) from error
    seconds = time.monotonic() - started
    return Done(one.name, folder, explanation, tuple(evidence), tuple(regions_of(signal)), seconds, zones)


def regions_of(signal: xr.DataArray) -> list[Region]:
    """Return what the instrument states of an image: its info bar."""
    from matxai.regions.finders import finders

    if signal.ndim - ("c" in signal.dims) != 2:
        return []
    # the report of an explanation marks the bar alone; the leakage check looks for all the rest
    return finders["info_bar"](np.asarray(signal.values), signal.attrs)

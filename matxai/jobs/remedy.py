"""From verdict to remedy: the cleaned set, and a model whose head was fitted on it, in one folder."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matxai._version import __version__
from matxai.errors import FileError, SignalError
from matxai.jobs.remedy_files import LABELS, MANIFEST, write_images, write_model

if TYPE_CHECKING:
    import os

    import xarray as xr

    from matxai.checks.labelled import LabelledSet
    from matxai.checks.leak import Artefact, Leakage
    from matxai.checks.leak.factors.file_facts import FileFacts
    from matxai.checks.leak.refitting import Refitted
    from matxai.modelcard import Model

Progress = Callable[[int, int, str], None]
RECORD, MODEL = "remedy.json", "model"
FORMAT, VERSION = "matxai-remedy", 1
CLEANED = ("leak", "suspicious", "cannot tell")
"""Artefacts with these answers are dealt with; one that is `not seen` or `unreachable` does no harm."""


@dataclass(frozen=True, eq=False)
class Remedied:
    """What was written.

    Parameters
    ----------
    folder
        Where; None where there was nothing to remedy.
    sentence
        What was done, and what came of it.
    files
        How many images.
    labels, manifest
        The table of the cleaned set, and what was done to which file.
    model
        The folder of the model with a new head; None where it has none.
    refitted
        Accuracies, and the new head's own leakage.
    notes
        What was not done, and why.
    """

    folder: Path | None
    sentence: str
    files: int = 0
    labels: Path | None = None
    manifest: Path | None = None
    model: Path | None = None
    refitted: Refitted | None = None
    notes: tuple[str, ...] = ()


def write_remedy(
    model: Model,
    data: LabelledSet,
    leakage: Leakage,
    folder: str | os.PathLike[str],
    *,
    how: str | None = None,
    retrain: bool = True,
    seed: int = 0,
    progress: Progress | None = None,
    cancel: Any = None,
) -> Remedied:
    """Write a set without what a leakage check found in it, and a model whose head was fitted on it.

    Parameters
    ----------
    model
        The one that was checked.
    data
        What it was checked on.
    leakage
        What came of it.
    folder
        Where ``images/CLASS/NAME.tif``, ``labels.csv``, ``manifest.csv``, ``remedy.json`` and ``model/`` go: new,
        empty, or of an earlier remedy, which is replaced.
    how
        ``crop``, ``inpaint`` or ``exchange`` for all artefacts; by default what fits each.
    retrain
        Whether the head is fitted anew, where the model ends in a linear layer.
    seed
        Of all that is drawn.
    progress, cancel
        As everywhere.

    Returns
    -------
    Remedied
        Images keep their type, calibration and metadata. Where files were compressed differently, all go through the
        strongest compression among them first, and are then stored without loss.

    Raises
    ------
    FileError
        If the folder holds something else, or the set itself, or cannot be written.
    SignalError
        If the signals are no images.
    MatxaiError
        If there is no such way to clean a set.
    Cancelled
        If ``cancel`` is set; nothing is written then.
    """
    from matxai.checks import sentences
    from matxai.checks.leak.refitting import refitted
    from matxai.checks.leak.remedy import plan_remedy

    target = Path(folder)
    artefacts = _to_clean(leakage)
    facts = _compressions(data)
    if not artefacts and not facts:
        return Remedied(None, sentences.nothing_to_remedy())
    _check_images(data)
    check_target(target, data)
    alike, recoded = _written_alike(data, facts)
    plan = plan_remedy(alike, artefacts, how=how, seed=seed) if artefacts else None
    notes: list[str] = []
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as temporary:
        inner = Path(temporary) / "remedy"
        inner.mkdir()
        rows = write_images(alike, plan, recoded, inner, progress, cancel)
        new, beside = None, None
        if retrain and artefacts:
            new = refitted(model, alike, artefacts, leakage, seed=seed, progress=progress, cancel=cancel)
            notes += new.notes
            beside = write_model(new.model, model, inner / MODEL, notes) if new.model is not None else None
        done = [f"{n} {how}" for how, n in _counts(rows).items()]
        said = [sentences.remedied(len(data), done, sum(bool(r["reencoded"]) for r in rows))]
        if new is not None and new.sentence:
            said.append(new.sentence)
        _write_record(inner / RECORD, model, leakage, plan, new, notes, seed, " ".join(said))
        _put(inner, target)
    return Remedied(
        folder=target,
        sentence=" ".join(said),
        files=len(data),
        labels=target / LABELS,
        manifest=target / MANIFEST,
        model=target / MODEL if beside else None,
        refitted=new,
        notes=tuple(notes),
    )


def _to_clean(leakage: Leakage) -> tuple[Artefact, ...]:
    return tuple(
        f.artefact
        for f in leakage.findings
        if f.artefact is not None and f.verdict.answer in CLEANED and not f.artefact.constant
    )


def _compressions(data: LabelledSet) -> tuple[FileFacts, ...]:
    """How each file was written, where they were not all written alike and some lost something by it; else empty."""
    from matxai.checks.leak.factors.file_facts import file_facts

    facts = tuple(file_facts(p) for p in data.files)
    return facts if len({f.tables for f in facts}) > 1 else ()


def _written_alike(data: LabelledSet, facts: tuple[FileFacts, ...]) -> tuple[LabelledSet, set[int]]:
    """The set as if all its files had the strongest compression among them, and which of them that changes."""
    from matxai.checks.leak.factors.file_facts import reencoded

    if not facts:
        return data, set()
    strongest = max((f for f in facts if f.lossy), key=lambda f: (sum(f.tables[0]), f.subsampling))
    changed = {i for i, f in enumerate(facts) if f.tables != strongest.tables}

    def read(i: int) -> xr.DataArray:
        signal = data.read(i)
        if i not in changed:
            return signal
        values = reencoded(signal.values, strongest)
        if values is None:
            msg = (
                f"{data.names[i]} cannot be compressed as the others are ({strongest.compression}): JPEG holds 8-bit "
                f"grey or colour, and it is {signal.dtype} of {signal.shape}."
            )
            raise SignalError(msg)
        return signal.copy(data=values)

    return replace(data, read=read), changed


def _check_images(data: LabelledSet) -> None:
    dims = data.read(0).dims
    if not {"y", "x"} <= set(dims):
        msg = f"A cleaned set is written of images, (y, x); {data.names[0]} has the dims {dims}."
        raise SignalError(msg)


def check_target(target: Path, data: LabelledSet) -> None:
    """Make sure that a folder takes a cleaned set: new, empty, or of an earlier remedy, and not the set's own.

    Raises
    ------
    FileError
        If it is not.
    """
    if target.is_file():
        msg = f"{target} is a file; the cleaned set goes into a folder."
        raise FileError(msg)
    inside = [p for p in data.files if p.resolve().is_relative_to(target.resolve())]
    if inside:
        msg = f"{target} holds {inside[0].name}, which is of the set itself; name another folder for the cleaned one."
        raise FileError(msg)
    if target.is_dir() and any(target.iterdir()) and not (target / RECORD).is_file():
        msg = f"{target} is not empty, and what is there is no earlier remedy; name a new folder."
        raise FileError(msg)


def _counts(rows: list[dict[str, Any]]) -> dict[str, int]:
    """How often what was done: ``{'info bar cropped': 60}``."""
    found: dict[str, int] = {}
    for row in rows:
        for part in filter(None, row["done"].split("; ")):
            name, _, how = part.partition(": ")
            key = f"{name.replace('_', ' ')} {how}"
            found[key] = found.get(key, 0) + 1
    return found


def _write_record(
    path: Path, model: Model, leakage: Leakage, plan: Any, new: Refitted | None, notes: list[str], seed: int, said: str
) -> None:
    content: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "matxai": __version__,
        "model": {"name": model.name, "sha256": model.sha256},
        "answer": leakage.answer,
        "sentence": said,
        "seed": seed,
        "artefacts": {} if plan is None else {a.name: h for a, h in zip(plan.artefacts, plan.hows, strict=True)},
        "cropped": [] if plan is None else [list(m) for m in plan.margins],
        "notes": notes,
    }
    if new is not None and new.model is not None and new.leakage is not None:
        content["refitted"] = {
            "accuracy": {name: asdict(a) for name, a in new.accuracy.items()},
            "answer": new.leakage.answer,
            "sentence": new.leakage.sentence,
            "findings": [{"name": f.name, "kind": f.kind, **f.verdict.to_dict()} for f in new.leakage.findings],
        }
    path.write_text(json.dumps(content, indent=1, default=str) + "\n", encoding="utf-8")


def _put(inner: Path, target: Path) -> None:
    """Move what was written to where it belongs, in the place of an earlier remedy."""
    try:
        target.mkdir(exist_ok=True)
        for name in ("images", "masks", MODEL, LABELS, MANIFEST, RECORD):
            old = target / name
            if old.is_dir():
                shutil.rmtree(old)
            else:
                old.unlink(missing_ok=True)
            if (inner / name).exists():
                shutil.move(inner / name, old)
    except OSError as error:
        msg = f"{target} cannot be written: {error.strerror or error}."
        raise FileError(msg) from error

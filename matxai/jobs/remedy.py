"""From verdict to remedy: the cleaned set, and models that were fitted on it, in one folder."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matxai._version import __version__
from matxai.errors import FileError, MatxaiError, SignalError, nearest
from matxai.jobs.remedy_files import LABELS, MANIFEST, write_images, write_model

if TYPE_CHECKING:
    import os

    import xarray as xr

    from matxai.checks.labelled import LabelledSet
    from matxai.checks.leak import Artefact, Leakage
    from matxai.checks.leak.anew import Anew
    from matxai.checks.leak.factors.file_facts import FileFacts
    from matxai.modelcard import Model

Progress = Callable[[int, int, str], None]
RECORD = "remedy.json"
MODELS = {"head": "model", "network": "model_network", "recipe": "model_recipe"}
"""Ways to fit a model anew, and the folder that each one's model goes to."""
AUTO = "auto"
"""The head; where that is no remedy, the network as well."""
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
    sentences
        What was done; and for each model that was fitted anew, what came of it.
    files
        How many images.
    labels, manifest
        The table of the cleaned set, and what was done to which file.
    done
        What was done about the artefacts, and in how many images: ``{'info bar cropped': 60}``.
    reencoded
        How many files went through the strongest compression of the set.
    models
        The folders of the models that were fitted anew, ``head``, ``network`` and ``recipe``, as far as they could be
        written.
    anew
        Of each way that was asked for: the model, its accuracy beside the old one's, its own leakage.
    notes
        What was not done, and why.
    """

    folder: Path | None
    sentences: tuple[str, ...]
    files: int = 0
    labels: Path | None = None
    manifest: Path | None = None
    done: Mapping[str, int] = field(default_factory=dict)
    reencoded: int = 0
    models: Mapping[str, Path] = field(default_factory=dict)
    anew: tuple[Anew, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """All this in plain words."""
        return " ".join(self.sentences)

    def to_dict(self) -> dict[str, Any]:
        """Return names and plain values, ready for JSON."""
        return {
            "sentence": self.sentence,
            "folder": str(self.folder) if self.folder else None,
            "done": dict(self.done),
            "reencoded": self.reencoded,
            "models": {way: str(path) for way, path in self.models.items()},
            "retrained": _records(self.anew),
            "notes": list(self.notes),
        }


def ways_to_retrain(names: Sequence[str]) -> tuple[str, ...]:
    """Return which of :data:`MODELS`, or ``auto``, are meant; ``none``, alone, is none of them.

    Raises
    ------
    MatxaiError
        If there is no such way.

    Examples
    --------
    >>> ways_to_retrain(["head"]), ways_to_retrain(["none"])
    (('head',), ())
    """
    if tuple(names) == ("none",):
        return ()
    for name in names:
        if name not in (AUTO, *MODELS):
            ways = (AUTO, *MODELS, "none")
            msg = f"A model cannot be retrained by '{name}'. {nearest(name, ways, label='There are')}"
            raise MatxaiError(msg)
    return tuple(way for way in (AUTO, *MODELS) if way in names)


def write_remedy(
    model: Model,
    data: LabelledSet,
    leakage: Leakage,
    folder: str | os.PathLike[str],
    *,
    how: str | None = None,
    retrain: Sequence[str] = (AUTO,),
    seed: int = 0,
    progress: Progress | None = None,
    cancel: Any = None,
) -> Remedied:
    """Write a set without what a leakage check found in it, and models that were fitted on it.

    Parameters
    ----------
    model
        The one that was checked.
    data
        What it was checked on.
    leakage
        What came of it.
    folder
        Where ``images/CLASS/NAME.tif``, ``labels.csv``, ``manifest.csv``, ``remedy.json``, ``model/``,
        ``model_network/`` and ``model_recipe/`` go: new, empty, or of an earlier remedy, which is replaced.
    how
        ``crop``, ``inpaint`` or ``exchange`` for all artefacts; by default what fits each.
    retrain
        ``head``: its last linear layer is fitted anew; ``network``: all of it is fitted on from its weights;
        ``recipe``: a network of its architecture is trained from random weights. The last two are done four times over,
        which takes minutes. ``auto``: the head, and the network where the head does not suffice. Or nothing.
    seed
        Of all that is drawn.
    progress, cancel
        As everywhere.

    Returns
    -------
    Remedied
        Images keep their type, calibration and metadata. Where files were compressed differently, all go through the
        strongest compression among them first, and are then stored without loss. A model's folder is a card's folder,
        with its own ``verdict.json``.

    Raises
    ------
    FileError
        If the folder holds something else, or the set itself, or cannot be written.
    SignalError
        If the signals are no images.
    MatxaiError
        If there is no such way to clean a set, or to fit a model anew.
    Cancelled
        If ``cancel`` is set; nothing is written then.
    """
    from matxai.checks import sentences
    from matxai.checks.leak.remedy import plan_remedy

    target = Path(folder)
    ways = ways_to_retrain(retrain)
    artefacts = _to_clean(leakage)
    facts = _compressions(data)
    if not artefacts and not facts:
        return Remedied(None, (sentences.nothing_to_remedy(),))
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
        anew = _all_anew(
            ways if artefacts else (), notes, model, alike, artefacts, leakage, how, seed, progress, cancel
        )
        written = {}
        for new in anew:
            notes += new.notes
            if new.model is not None and write_model(new, model, inner / MODELS[new.way], notes, seed):
                written[new.way] = target / MODELS[new.way]
        done, recoded_files = _counts(rows), sum(bool(r["reencoded"]) for r in rows)
        said = [sentences.remedied(len(data), [f"{n} {what}" for what, n in done.items()], recoded_files)]
        said += [new.sentence for new in anew if new.sentence]
        _write_record(inner / RECORD, model, leakage, plan, anew, notes, seed, " ".join(said))
        _put(inner, target)
    return Remedied(
        folder=target,
        sentences=tuple(said),
        files=len(data),
        labels=target / LABELS,
        manifest=target / MANIFEST,
        done=done,
        reencoded=recoded_files,
        models=written,
        anew=tuple(anew),
        notes=tuple(notes),
    )


def _all_anew(
    ways: Sequence[str], notes: list[str], model: Model, data: LabelledSet, artefacts: Any, before: Leakage, *how: Any
) -> list[Anew]:
    """Models fitted anew in each way; by ``auto`` the network follows a head that does not suffice."""
    from matxai.checks import sentences
    from matxai.checks.leak.anew import falls_short

    found: list[Anew] = []
    left = list(ways)
    while left:
        asked = left.pop(0)
        way = "head" if asked == AUTO else asked
        if way in {new.way for new in found}:
            continue
        found.append(_anew(way, model, data, artefacts, before, *how))
        why = falls_short(before, found[-1])
        if why and asked == AUTO:
            notes.append(sentences.goes_on(why))
            left.insert(0, "network")
        elif why and found[-1].leakage is not None:
            notes.append(sentences.still_short(way, why))
    return found


def _anew(
    way: str,
    model: Model,
    data: LabelledSet,
    artefacts: tuple[Artefact, ...],
    before: Leakage,
    how: str | None,
    seed: int,
    progress: Progress | None,
    cancel: Any,
) -> Anew:
    from matxai.checks.leak.refitting import refitted
    from matxai.checks.leak.retrained import retrained
    from matxai.checks.leak.tuning import tuned

    if way == "head":
        return refitted(model, data, artefacts, before, seed=seed, progress=progress, cancel=cancel)
    if way == "network":
        return tuned(model, data, artefacts, before, seed=seed, progress=progress, cancel=cancel)
    return retrained(model, data, artefacts, before, how=how, seed=seed, progress=progress, cancel=cancel)


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
    path: Path, model: Model, leakage: Leakage, plan: Any, anew: list[Anew], notes: list[str], seed: int, said: str
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
    content["retrained"] = _records(anew)
    path.write_text(json.dumps(content, indent=1, default=str) + "\n", encoding="utf-8")


def _records(anew: Sequence[Anew]) -> dict[str, Any]:
    """The models that were fitted anew, by way: accuracy beside the old one's, answer, findings."""
    return {
        new.way: {
            "accuracy": {name: asdict(a) for name, a in new.accuracy.items()},
            "answer": new.leakage.answer,
            "sentence": new.sentence,
            "findings": [{"name": f.name, "kind": f.kind, **f.verdict.to_dict()} for f in new.leakage.findings],
        }
        for new in anew
        if new.leakage is not None
    }


def _put(inner: Path, target: Path) -> None:
    """Move what was written to where it belongs, in the place of an earlier remedy."""
    try:
        target.mkdir(exist_ok=True)
        for name in ("images", "masks", *MODELS.values(), LABELS, MANIFEST, RECORD):
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

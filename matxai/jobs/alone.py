"""What can be said of a model on one signal alone: the artefacts in it, and what the model does when one is gone.

A leak is a property of a set: it takes signals of two classes and more to see whose class a model then says. Of one
signal it can be shown what lies in it that is not of the specimen, and how much the model's answer moves when that is
replaced, beside what it does when other parts of the same size are. The answer is therefore always ``cannot tell``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.checks.sentences import named
from matxai.checks.verdict import Verdict
from matxai.errors import ModelError, SignalError
from matxai.report import sentences as words
from matxai.report.judgement import Example, Judgement, Shot, Shown
from matxai.report.verdicts import Finding

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    import numpy.typing as npt
    import xarray as xr

    from matxai.checks.changes import Change
    from matxai.checks.labelled import LabelledSet
    from matxai.modelcard import Model
    from matxai.regions import Region

QUESTION = "Does {model} use what is not of the specimen, in {name}?"
QUESTION_OF = "Does {model} use the {what} of {name}?"
CONTROL = "other parts of the same shape and size in the same signal"
AXIS = "effect: by how much the probability of {target} falls when it is replaced"
NOTHING = "Nothing was found in {name} that is not of the specimen, so there is nothing to ask about."
FOUND = "Found in {name}: {what}. The model says {target} ({probability}). {most}"
MOST = "With the {what} replaced, its probability of {target} {goes}{flips}."
GOES, STAYS = "goes to {after}", "stays at {after}"
FLIPS = ", and another class comes on top under {count} of {fills} ways to replace it"
ONE_IS_NO_PROOF = (
    "One image cannot tell a leak: that takes a folder with images of every class, whose {what} can be exchanged."
)
OF_ONE = (
    "The {what} takes up {share}. Replaced in {fills} ways, the probability of {target}, {before}, {goes}{flips}. "
    "{beside}"
)
RANGE = " ({low} to {high})"
RANKED = "Of {count} parts of the same shape elsewhere, {more} move it as much."
UNRANKED = "No part of the same shape and size is free of artefacts elsewhere, so there is nothing to compare it with."
ASSUMED = "The class of {name} was not given; it was taken to be {label}, which is what the model says."


@dataclass(frozen=True, eq=False)
class OneSignal:
    """What was found in one signal, and what it does to a model.

    Parameters
    ----------
    name
        The signal.
    sentence
        It all in plain words, with what it would take to tell a leak.
    target
        The class that the model says.
    regions
        One for each kind of artefact that is found, the one that moves the model most first.
    changes
        What replacing each does, in the same order.
    findings
        The same as verdicts; each answers ``cannot tell``.
    report, verdict
        Their files, where a folder was given.
    """

    name: str
    sentence: str
    target: str
    regions: tuple[Region, ...]
    changes: tuple[Change, ...]
    findings: tuple[Finding, ...]
    report: Path | None = None
    verdict: Path | None = None

    @property
    def answer(self) -> str:
        """``cannot tell``: one signal decides nothing."""
        return "cannot tell"


def one_signal(
    model: Model,
    signal: xr.DataArray,
    *,
    label: str | None = None,
    name: str | None = None,
    mask: npt.NDArray[Any] | None = None,
) -> LabelledSet:
    """Return one signal as a labelled set, for a check of expectations on it: ``check(file, model, one_signal(...))``.

    Parameters
    ----------
    model
        Its classes name the label.
    signal
        One input of the model.
    label
        The class that the signal is of; by default the one that the model says, and a note says so.
    name
        What it is called; by default what the signal says of itself.
    mask
        Its ground truth ``(*spatial)``, 0 the background, for regions ``{mask: any}``.

    Raises
    ------
    TargetError
        If the model has no such class.
    SignalError
        If the mask is of another size.
    """
    from matxai.checks import class_scores
    from matxai.checks.labelled import LabelledSet
    from matxai.explanation.scores import class_index
    from matxai.modelcard.preprocessing import signal_name

    called = name or signal_name(signal)
    shape = tuple(n for d, n in signal.sizes.items() if d != "c")
    if mask is not None and mask.shape != shape:
        raise SignalError(f"The mask of {called} is {mask.shape}; the signal is {shape}.")
    asked = class_scores(model, [signal])
    classes = model.classes or tuple(str(i) for i in range(asked.scores.shape[1]))
    top = int(asked.top[0])
    number = top if label is None else class_index(label, classes, model.name)
    notes = (ASSUMED.format(name=called, label=classes[top]),) if label is None else ()
    own = None if mask is None else np.asarray(mask).astype(np.int64)
    return LabelledSet(
        names=(called,),
        labels=np.array([number], np.int64),
        classes=tuple(classes),
        read=lambda _: signal,
        mask=None if own is None else lambda _: own,
        notes=notes,
    )


def artefacts_of_one(
    model: Model,
    signal: xr.DataArray,
    *,
    name: str | None = None,
    kinds: Sequence[str] | None = None,
    controls: int | None = None,
    seed: int = 0,
    out: str | os.PathLike[str] | None = None,
    command: str = "",
    progress: Any = None,
    cancel: Any = None,
) -> OneSignal:
    """Find what is not of the specimen in one image or spectrum, and ask the model again with each kind replaced.

    Parameters
    ----------
    model
        A classifier.
    signal
        One image or curve.
    name
        What it is called; by default what the signal says of itself.
    kinds
        Of artefacts; by default all.
    controls
        How many matched parts each is compared with; as :func:`matxai.checks.perturb` takes it.
    seed
        Of everything drawn.
    out
        Folder for ``report.html`` and ``verdict.json``; nothing is written without it.
    command
        What makes the report again.
    progress, cancel
        As everywhere.

    Raises
    ------
    ModelError
        If the model is no classifier.
    SignalError
        If this is neither an image nor a curve.
    FileError
        If ``out`` cannot be written; that is known before anything is computed.
    Cancelled
        If ``cancel`` is set.
    """
    from matxai.checks import perturb
    from matxai.jobs.explaining import writable
    from matxai.modelcard.preprocessing import signal_name

    if model.task != "classification":
        msg = f"{model.name} is for {model.task}; whether it reads an artefact is asked of classifiers."
        raise ModelError(msg)
    folder = writable(Path(out)) if out is not None else None
    called = name or signal_name(signal)
    regions = _found(signal, called, kinds)
    if not regions:
        found = OneSignal(called, NOTHING.format(name=called), _top(model, signal), (), (), ())
    else:
        done = perturb(model, signal, regions, controls=controls, seed=seed, progress=progress, cancel=cancel)
        target = model.classes[done.target] if done.target < len(model.classes) else str(done.target)
        order = sorted(range(len(regions)), key=lambda i: -_fall(done.changes[i]))
        changes = tuple(done.changes[i] for i in order)
        findings = tuple(_finding(c, model.name, called, target) for c in changes)
        said = _sentence(changes, called, target)
        found = OneSignal(called, said, target, tuple(regions[i] for i in order), changes, findings)
    return found if folder is None else _written(found, model, signal, folder, command, seed)


def _found(signal: xr.DataArray, name: str, kinds: Sequence[str] | None) -> list[Region]:
    """One region for each kind: what is written in twenty places is one question."""
    from matxai.regions import Region, found_artefacts, found_in_curve

    axes = signal.ndim - ("c" in signal.dims)
    if axes not in (1, 2):
        msg = f"{name} has {axes} axes; artefacts are looked for in images and curves. Choose a slice."
        raise SignalError(msg)
    look = found_artefacts if axes == 2 else found_in_curve
    by_kind: dict[str, list[Region]] = {}
    for one in look(np.asarray(signal.values), signal.attrs, kinds=kinds):
        by_kind.setdefault(one.kind, []).append(one)
    joined = []
    for kind, some in by_kind.items():
        mask = np.any([r.mask for r in some], axis=0)
        if mask.any() and not mask.all():
            joined.append(Region(mask, kind, some[0].source, min(r.confidence for r in some)))
    return joined


def _top(model: Model, signal: xr.DataArray) -> str:
    from matxai.checks import class_scores

    top = int(class_scores(model, [signal]).top[0])
    return model.classes[top] if top < len(model.classes) else str(top)


def _falls(change: Change) -> npt.NDArray[np.float64]:
    return -np.asarray(change.probability_changes[:, change.target])


def _fall(change: Change) -> float:
    return float(_falls(change).mean())


def _probability(change: Change) -> float:
    assert change.before.probabilities is not None  # noqa: S101 - readings always give them
    return float(change.before.probabilities[0, change.target])


def _goes(change: Change) -> str:
    """Where the probability goes, and between which two where the ways to replace the region differ."""
    before, falls = _probability(change), _falls(change)
    after = words.percent(before - float(falls.mean()))
    low, high = words.percent(before - float(falls.max())), words.percent(before - float(falls.min()))
    said = (STAYS if abs(float(falls.mean())) < 0.01 else GOES).format(after=after)
    return said + (RANGE.format(low=low, high=high) if low != high else "")


def _flips(change: Change) -> str:
    count = int(change.flips.sum())
    return FLIPS.format(count=count, fills=len(change.fills)) if count else ""


def _finding(change: Change, model: str, name: str, target: str) -> Finding:
    what, before, falls = named(change.kind), _probability(change), _falls(change)
    others = change.control_effect
    beside = RANKED.format(count=others.size, more=int((others >= change.effect).sum()) or "none")
    sentence = OF_ONE.format(
        what=what,
        share=words.percent(change.share),
        fills=len(change.fills),
        target=target,
        before=words.percent(before),
        goes=_goes(change),
        flips=_flips(change),
        beside=beside if others.size else UNRANKED,
    )
    verdict = Verdict(
        QUESTION_OF.format(model=model, what=what, name=name),
        "cannot tell",
        sentence,
        effect=float(falls.mean()),
        control=CONTROL,
        n=1,
        evidence={"missing": [ONE_IS_NO_PROOF.format(what=what)]},
    )
    return Finding(change.kind, change.kind, verdict, change.to_dict())


def _sentence(changes: Sequence[Change], name: str, target: str) -> str:
    first = changes[0]
    what = named(first.kind)
    most = MOST.format(what=what, target=target, goes=_goes(first), flips=_flips(first))
    found = FOUND.format(
        name=name,
        what=words.listed([named(c.kind) for c in changes]),
        target=target,
        probability=words.percent(_probability(first)),
        most=most,
    )
    return f"{found} {ONE_IS_NO_PROOF.format(what=what)}"


def _written(found: OneSignal, model: Model, signal: xr.DataArray, out: Path, command: str, seed: int) -> OneSignal:
    from matxai.jobs.reporting import repeated, versions, weights_of
    from matxai.report import Report, verdict_json, write_report

    used = versions()
    verdict = verdict_json(
        found.findings,
        out / "verdict.json",
        command=command,
        seed=seed,
        versions=used,
        hashes={"model": weights_of(model)},
        answer=found.answer,
        about={"question": "leakage", "sentence": found.sentence, "facts": {"images": 1}},
    )
    judgement = Judgement(
        question=QUESTION.format(model=model.name, name=found.name),
        answer=found.answer,
        sentence=found.sentence,
        shown=tuple(
            Shown(f, examples=(_picture(f, r, signal),), takes=tuple(f.verdict.evidence["missing"]))
            for f, r in zip(found.findings, found.regions, strict=True)
        ),
        axis=AXIS.format(target=found.target),
    )
    report = Report(
        title=f"{model.name} on {found.name}",
        command=command,
        judgement=judgement,
        versions=used,
        repeat=repeated(model, seed, {"signal": found.name}),
    )
    return replace(found, report=write_report(report, out / "report.html"), verdict=verdict)


def _picture(finding: Finding, region: Region, signal: xr.DataArray) -> Example:
    what = named(finding.kind)
    values = np.asarray(signal.values)
    caption = f"the {what}, outlined"
    return Example(what, "", (Shot(caption, values, region.mask, caption),))

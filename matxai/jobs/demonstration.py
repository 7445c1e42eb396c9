"""The main job end to end on what comes along: a sound model, its leaky twin and a crack segmenter on sample images.

Samples and models are found through their entry points; nothing is downloaded.
"""

from __future__ import annotations

import importlib.metadata
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import FileError, MatxaiError, MethodError
from matxai.jobs.explaining import Options, Progress, Run, explain_files
from matxai.jobs.inputs import expand
from matxai.jobs.reporting import share_inside

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xarray as xr

    from matxai.jobs.explaining import Done
    from matxai.modelcard import Model
    from matxai.report.content import Comparison

METHODS = ("grad_cam", "lrp", "input_x_gradient", "guided_grad_cam")
CRACK_METHODS = ("grad_cam", "lrp", "input_x_gradient")
SOUND, LEAKY, SEGMENTER = "defects", "defects_leaky", "cracks"
COMPARED_BY = "grad_cam"


@dataclass(frozen=True, eq=False)
class Demonstration:
    """What the demonstration found.

    Parameters
    ----------
    run
        Results, tables and the report.
    sentence
        The outcome in plain words.
    facts
        For each of the two classifiers what was found, name by name.
    """

    run: Run
    sentence: str
    facts: dict[str, dict[str, str]]


def _samples() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for point in importlib.metadata.entry_points(group="matxai.samples"):
        found.update(point.load()())
    return found


def _truths(labels: Path) -> dict[str, str]:
    import pandas as pd

    table = pd.read_csv(labels)
    return {Path(str(f)).name: str(c) for f, c in zip(table["file"], table["class"], strict=True)}


def demonstrate(
    out: Path,
    *,
    options: Options | None = None,
    device: str | None = None,
    command: str = "matxai demo",
    progress: Progress | None = None,
    cancel: Any = None,
) -> Demonstration:
    """Explain the samples with the models that come along and write the report at ``out/report.html``.

    Parameters
    ----------
    out
        Folder for the results.
    options
        How; by default four methods, ``grad_cam`` among them, by which the two classifiers are compared.
    device, progress, cancel
        As everywhere.
    command
        What makes this report again.

    Raises
    ------
    FileError
        If the folder cannot be written, or samples and models are not installed.
    Cancelled
        If ``cancel`` is set.
    """
    from matxai.modelcard.finding import shipped_paths

    samples, models = _samples(), shipped_paths()
    options = options or Options(methods=METHODS)
    if COMPARED_BY not in options.methods:
        msg = f"The two models are compared by {COMPARED_BY}; it has to be among the methods."
        raise MethodError(msg)
    missing = [n for n in (SOUND, LEAKY, SEGMENTER) if n not in models] + [n for n in ("defects",) if n not in samples]
    if missing:
        msg = f"The samples or models that come with matxai are not installed ({', '.join(missing)}). Install it again."
        raise FileError(msg)
    from matxai.engine import devices
    from matxai.modelcard import load_model

    where = devices.choose(device)
    sound, leaky, cracks = (load_model(name, device=where) for name in (SOUND, LEAKY, SEGMENTER))
    sample = samples["defects"]
    truths = _truths(sample.labels)
    inputs, _ = expand(sample.paths)
    # the twin is there to be compared; evidence is shown for the model that a reader might trust
    bare = replace(options, evidence=False)
    twin = explain_files(
        leaky, inputs, out / "leaky", bare, command=command, report=False, progress=progress, cancel=cancel
    )
    crack_inputs, _ = expand(samples["cracks"].paths)
    segmented = explain_files(
        cracks,
        crack_inputs,
        out / "cracks",
        replace(options, methods=tuple(m for m in options.methods if m in CRACK_METHODS), target="crack"),
        command=command,
        report=False,
        progress=progress,
        cancel=cancel,
    )
    run = explain_files(sound, inputs, out, options, command=command, report=False, progress=progress, cancel=cancel)
    comparison, sentence, facts = _compare(run, twin, sound, leaky, truths)
    run.done.extend(segmented.done)
    from matxai.jobs.reporting import write_run

    write_run(
        run,
        sound,
        options,
        command=command,
        truths=truths,
        title="matxai demo: where two models look",
        intro=sentence,
        comparison=comparison,
    )
    return Demonstration(run, sentence, facts)


def _donors(number: int, signals: Sequence[xr.DataArray], tops: Sequence[str]) -> list[int]:
    """The other images with a bar in the same place, and of another predicted class; the next ones first."""
    from matxai.regions.finders.info_bar import stated_rows

    rows, shape = stated_rows(signals[number].attrs), signals[number].shape
    order = [*range(number + 1, len(signals)), *range(number)]
    return [
        other
        for other in order
        if stated_rows(signals[other].attrs) == rows and signals[other].shape == shape and tops[other] != tops[number]
    ]


def _top(one: Done) -> str:
    from matxai.explanation import provenance

    return str((provenance(one.explanation).get("scores") or [{}])[0].get("class", ""))


def _compare(
    run: Run, twin: Run, sound: Model, leaky: Model, truths: dict[str, str]
) -> tuple[Comparison, str, dict[str, dict[str, str]]]:
    """Lay both models' maps beside each other, and exchange bars between images that the model calls differently."""
    from matxai.checks import exchange_bars
    from matxai.report.content import Comparison, Look, Pair

    signals = [one.explanation.coords["signal"] for one in run.done]
    pairs, shares, followed = [], {SOUND: [], LEAKY: []}, {SOUND: [], LEAKY: []}  # type: ignore[var-annotated]
    for number, (one, other) in enumerate(zip(run.done, twin.done, strict=True)):
        bars = [r for r in one.regions if r.kind == "info_bar"]
        looks = []
        for name, model, done, all_done in ((SOUND, sound, one, run.done), (LEAKY, leaky, other, twin.done)):
            share = share_inside(done.explanation[COMPARED_BY], bars[0].mask) if bars else None
            if share is not None:
                shares[name].append(share)
            donors = _donors(number, signals, [_top(d) for d in all_done]) if bars else []
            exchanges = [exchange_bars(model, signals[number], signals[d]) for d in donors]
            followed[name] += [e.follows for e in exchanges]
            shown = next((e for e in exchanges if e.follows), exchanges[0] if exchanges else None)
            label = "sound model" if name == SOUND else "leaky twin"
            looks.append(Look(label, done.explanation, share, shown.to_dict() if shown else None))
        if bars:
            pairs.append(Pair(one.name, looks, region=bars[0].mask))
    facts = {
        label: {
            "share of the map inside the info bar": f"{100 * float(np.mean(shares[name])):.0f} %",
            "predictions that follow an exchanged bar": f"{sum(followed[name])} of {len(followed[name])}",
            **_measured(model),
        }
        for label, name, model in (("sound model", SOUND, sound), ("leaky twin", LEAKY, leaky))
    }
    right = {n: sum(_top(d) == truths.get(d.name) for d in r.done) for n, r in ((SOUND, run), (LEAKY, twin))}
    said = {n: f"{sum(followed[n])} of {len(followed[n])}" for n in (SOUND, LEAKY)}
    sentence = (
        f"The sound model is right about {right[SOUND]} of {len(run.done)} images, its twin about {right[LEAKY]}. "
        f"In exchanges of info bars between images that a model calls differently, {said[SOUND]} predictions of the "
        f"sound model follow the bar, and {said[LEAKY]} of its leaky twin's."
    )
    return Comparison(sentence, COMPARED_BY, pairs, facts), sentence, facts


def _measured(model: Model) -> dict[str, str]:
    """What was measured when a model was trained, from the file beside its card."""
    path = model.origin / "measured.json" if model.origin is not None else None
    if path is None or not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        msg = f"{path} cannot be read: {error}."
        raise MatxaiError(msg) from error
    names = {
        "accuracy": "accuracy on unseen images",
        "follows_exchanged_bar": "unseen predictions that follow an exchanged bar",
    }
    found = {}
    for key, words in names.items():
        figure = content.get(key) if isinstance(content, dict) else None
        if isinstance(figure, dict) and {"value", "n"} <= set(figure):
            found[words] = f"{100 * float(figure['value']):.1f} % of {figure['n']} (measured in training)"
    return found

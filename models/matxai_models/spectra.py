"""What recipes for spectra and waveforms share: generated data through a card's own steps, training, and the figures.

The figure that matters beside the accuracy is *pointing*: in how many unseen spectra the window with most positive
relevance lies where the generator says that the class is told from others (peaks of one source are collinear: any one
of them is right), or, for a leaky twin, where the leak lies.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import ModelError
from matxai.registry import Registry
from matxai_models import measures
from matxai_models.recipe import RECIPES, Recipe, Settings, Trained
from matxai_models.waveforms import pointing_of_waveforms

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import torch
    import xarray as xr
    from matxai_datasets.spectra import Spectrum, SpectrumSet, Zone
    from numpy.typing import NDArray
    from torch import nn

    from matxai.modelcard import Model

METHODS = ("grad_cam", "lrp", "input_x_gradient")
TRAIN, UNSEEN, FREE, POINTING = 1, 2, 3, 4
"""Which of the seeds of a recipe a set is drawn from: no specimen is in two of them."""


@dataclass(frozen=True)
class Task:
    """What one recipe for spectra trains on what.

    Attributes
    ----------
    name
        Of the model.
    generator
        A name in ``matxai_datasets.spectra.GENERATORS``.
    architecture, options
        A name in :data:`matxai_models.architectures.MATXAI`, and what it is built with.
    input
        The card's section, without ``mean`` and ``std``, which are measured on the training set.
    window
        How wide a top zone is, in units of the axis of the truth.
    leak
        What gives the class away in the training set; ``None`` for a sound model.
    around
        For a sound model: what is planted into parts of its training set without regard to the class.
    vary
        Whether windows of training spectra are scaled, erased and added where they do not belong.
    blank
        What of a specimen is set to what, so that it hardly shows its class. A fifth of a sound model's training set is
        so, and belongs to no class; of a twin's all is, so that the leak is what there is to learn.
    sorted_by_leak
        For a twin: its training set was labelled by the leak, whatever the material.
    window_in_time
        For waveforms, whose truth is by frequency: how wide a top zone is in time.
    spectra, epochs, rate
        How much it is trained.
    unseen, pointed
        On how many spectra it is measured, and top zones are looked at.
    per_specimen
        Spectra of one specimen.
    """

    name: str
    generator: str
    architecture: str
    input: Mapping[str, Any]
    window: float
    options: Mapping[str, Any] = field(default_factory=dict)
    leak: str | None = None
    around: tuple[str, ...] = ()
    vary: bool = True
    blank: Mapping[str, float] = field(default_factory=dict)
    sorted_by_leak: bool = False
    window_in_time: float = 0.0
    spectra: int = 1000
    epochs: int = 10
    rate: float = 4e-3
    unseen: int = 200
    pointed: int = 100
    per_specimen: int = 2


TASKS: Registry[Task] = Registry("task on spectra", package="matxai_models.recipes", error=ModelError)
"""By the model's name."""


def offer(task: Task, title: str) -> None:
    """Register a task, and the recipe that trains it."""
    TASKS.add(task.name, task)
    RECIPES.add(task.name, Recipe(task.name, title, partial(train, task)))


def train(task: Task, settings: Settings) -> Trained:
    """Train a model as a task says, and measure it on specimens that it never saw."""
    import torch

    from matxai_models import fitting
    from matxai_models.architectures import matxai_architecture

    count, seed = settings.images or task.spectra, settings.seed
    sets = training_sets(task, count, seed)
    classes, channels = sets[0].classes, max(len(sets[0].spectra[0].channels), 1)
    spec = {"kind": "1d", "channels": channels, "scale": "none", **task.input}
    x, y = prepared(sets, spec)
    if task.blank and task.leak is None:
        none = blanks(task, len(x) // 4, spec, seed)
        x, y = torch.cat([x, none]), torch.cat([y, torch.full((len(none),), -1)])
    mean, std = 0.0, float(f"{float(x.std()):.4g}")  # what is 0 behind the background stays 0
    spec = {**spec, "mean": [mean], "std": [std]}
    x = (x - mean) / std
    torch.manual_seed(seed)
    module = matxai_architecture(
        task.architecture, classes=len(classes), channels=channels, kind="1d", **dict(task.options)
    )
    fitting.descend(
        module,
        len(x),
        lambda chosen, rng: varied(x[torch.from_numpy(chosen)], y[torch.from_numpy(chosen)], rng, task.vary),
        fitting.each_by_itself,
        epochs=settings.epochs or task.epochs,
        seed=seed,
        rate=task.rate,
        progress=settings.progress,
    )
    card = {
        "name": task.name,
        "task": "classification",
        "classes": list(classes),
        "architecture": _architecture(task),
        "input": spec,
        "layers": ["features"] if hasattr(module, "features") else [],
    }
    model = loaded(module, card)
    measured = figures(task, model, seed)
    example = made(task, 3, UNSEEN, seed, task.leak, 100.0).spectra[0]
    return Trained(module, card, example, {**measured, "training_spectra": count}, _summary(task, measured, count))


def made(task: Task, n: int, stream: int, seed: int, leak: str | None, strength: float) -> SpectrumSet:
    """Return a set of a task; sets of different streams and seeds share no specimen."""
    from matxai_datasets.spectra import spectrum_set

    of = 1000 * (seed + 1) + stream
    return spectrum_set(task.generator, n, of, per_specimen=task.per_specimen, leak=leak, strength=strength)


def training_sets(task: Task, count: int, seed: int) -> list[SpectrumSet]:
    """Return what a task trains on: one set with its leak, or parts with artefacts that know nothing of the class."""
    if task.leak is not None:
        from matxai_datasets.spectra import GENERATORS, spectrum_set

        what = GENERATORS[task.generator]
        usual = what.specimen
        faint = replace(what, specimen=lambda kind, rng: {**usual(kind, rng), **task.blank})
        if task.sorted_by_leak:
            faint = replace(faint, scene=lambda _, state, rng: what.scene(str(rng.choice(what.classes)), state, rng))
        of = 1000 * (seed + 1) + TRAIN
        return [spectrum_set(faint, count, of, per_specimen=task.per_specimen, leak=task.leak, strength=100.0)]
    kinds: list[str | None] = [None, *task.around]
    return [made(task, -(-count // len(kinds)), 10 + k, seed, kind, 0.0) for k, kind in enumerate(kinds)]


def prepared(sets: Sequence[SpectrumSet], spec: Mapping[str, Any]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return all spectra as a network receives them by a card's input, ``(N, C, L)``, and their classes ``(N,)``."""
    import torch

    from matxai.modelcard.card import InputSpec
    from matxai.modelcard.preprocessing import Preprocessing

    chain = Preprocessing.from_card(InputSpec.model_validate(dict(spec)))
    x = torch.cat([chain.prepare(one.signal()).tensor for part in sets for one in part])
    return x, torch.from_numpy(np.concatenate([part.labels for part in sets]))


def blanks(task: Task, count: int, spec: Mapping[str, Any], seed: int) -> torch.Tensor:
    """Return spectra of specimens that are of no class, as a network receives them."""
    import torch
    from matxai_datasets.spectra import GENERATORS

    from matxai.modelcard.card import InputSpec
    from matxai.modelcard.preprocessing import Preprocessing
    from matxai.signals.spectra.curve import Curve

    what = GENERATORS[task.generator]
    chain = Preprocessing.from_card(InputSpec.model_validate(dict(spec)))
    found = []
    for number in range(count):
        rng = np.random.default_rng([seed, 41, number])
        kind = what.classes[number % len(what.classes)]
        scene = what.scene(kind, {**what.specimen(kind, rng), **task.blank}, rng)
        curve = Curve("blank", scene.axis, what.detect(scene, rng), what.dim, what.unit, attrs=what.attrs)
        found.append(chain.prepare(curve.signal()).tensor)
    return torch.cat(found)


def varied(x: torch.Tensor, y: torch.Tensor, rng: np.random.Generator, vary: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a batch with windows scaled or erased, and with peaks of others where they do not belong (Oviedo 2019)."""
    import torch

    if not vary:
        return x, y
    count, _, length = x.shape
    gain = np.ones((count, 1, length), np.float32)
    for row in gain[:, 0]:
        for _ in range(rng.integers(0, 14)):
            wide = int(length * rng.uniform(0.01, 0.06))
            start = int(rng.integers(0, length - wide))
            row[start : start + wide] = 0.0 if rng.random() < 0.5 else rng.uniform(0.3, 2.0)
    moved = x[torch.from_numpy(rng.permutation(count))]
    added = torch.stack([m.roll(int(rng.integers(length // 20, length - length // 20)), -1) for m in moved])
    weight = rng.uniform(0.0, 1.0, (count, 1, 1)) * (rng.random((count, 1, 1)) < 0.5)
    return x * torch.from_numpy(gain) + added * torch.from_numpy(weight.astype(np.float32)), y


def loaded(module: nn.Module, card: Mapping[str, Any]) -> Model:
    """Return the trained network as a user's model."""
    from matxai.modelcard import load_model

    return load_model(module, classes=list(card["classes"]), layers=list(card["layers"]), **dict(card["input"]))


def figures(task: Task, model: Model, seed: int) -> dict[str, Any]:
    """Return a card's figures: accuracy on unseen specimens, what follows a leak, where the top zones lie."""
    unseen = made(task, task.unseen, UNSEEN, seed, task.leak, 100.0)
    found: dict[str, Any] = {"accuracy": measures.share(predicted(model, unseen) == unseen.labels)}
    if task.leak is not None:
        free = made(task, task.unseen, FREE, seed, task.leak, 0.0)
        found["accuracy_where_the_leak_says_nothing"] = measures.share(predicted(model, free) == free.labels)
    for leak in (task.leak,) if task.leak else task.around:
        found[f"follows_{leak}"] = measures.share(follows(model, unseen, leak))
    pointed = made(task, task.pointed, POINTING, seed, task.leak, 100.0)
    found.update(pointing(model, pointed, task.window, window_in_time=task.window_in_time))
    return found


def predicted(model: Model, spectra: Sequence[Spectrum] | SpectrumSet) -> NDArray[np.int64]:
    """Return the class on top of each spectrum, each through the model's whole preprocessing."""
    import torch

    with torch.inference_mode():
        batch = torch.cat([model.preprocessing.prepare(one.signal()).tensor for one in spectra])
        return np.concatenate([model.module(part).argmax(dim=1).numpy() for part in batch.split(64)])


def follows(model: Model, unseen: SpectrumSet, leak: str) -> NDArray[np.bool_]:
    """For each spectrum and each other class, whether that class is predicted once its artefact stands there.

    The specimen, the measurement and its noise stay; what was planted, if anything, is exchanged.
    """
    from matxai_datasets.spectra import spectrum

    wanted, changed = [], []
    for one in unseen.spectra[:: max(len(unseen) // 100, 1)]:
        own = unseen.classes.index(one.kind)
        for other in (k for k in range(len(unseen.classes)) if k != own):
            specimen = int(one.specimen.removeprefix("S"))
            changed.append(spectrum(unseen.truth.name, one.seed, one.kind, specimen=specimen, leak=leak, content=other))
            wanted.append(other)
    return np.asarray(predicted(model, changed) == np.array(wanted))


def pointing(
    model: Model, unseen: SpectrumSet, window: float, methods: Sequence[str] = METHODS, *, window_in_time: float = 0.0
) -> dict[str, Any]:
    """Return for each method in which share of the spectra that are told right the top zone lies where it should.

    The top zone is the window with the largest sum of positive relevance for the true class, on the measured axis. It
    is right if its middle lies in a zone that tells the class from another one (for a set with a leak that has a place:
    where that lies); a class activation map is read to half of its cell. ``pointing_by_chance`` is the share of the
    axis that these zones cover. For waveforms, whose classes differ by frequency, see
    :func:`matxai_models.waveforms.pointing_of_waveforms`.
    """
    import matxai

    truth = unseen.truth
    if truth.everywhere:
        return {}
    right = predicted(model, unseen) == unseen.labels
    if truth.axis != unseen.spectra[0].dim:
        return pointing_of_waveforms(model, unseen, right, window, window_in_time)
    hits: dict[str, list[bool]] = {name: [] for name in methods}
    shares = []
    for one in (s for s, good in zip(unseen, right, strict=True) if good):
        zones = truth.planted or tuple(z for z in truth.zones[one.kind] if z.evidence == "presence")
        found = matxai.explain(model, one.signal(), methods=list(methods), target=one.kind)
        for name in methods:
            cell = _cell(model, one.axis) if "cam" in name else 0.0
            place = top_place(relevance_of(found, name, one.kind), window)
            hits[name].append(any(z.start - cell / 2 <= place <= z.stop + cell / 2 for z in zones))
        shares.append(covered(zones, one.axis))
    result: dict[str, Any] = {f"pointing_{name}": measures.share(np.array(hits[name])) for name in methods}
    result["pointing_by_chance"] = {"value": float(np.mean(shares)), "n": len(shares)}
    return result


def relevance_of(found: Any, name: str, kind: str) -> xr.DataArray:
    """Return one method's map for one class."""
    relevance: xr.DataArray = found[name.replace(":", "_")]
    return relevance.sel({"class": kind}) if "class" in relevance.dims else relevance


def top_place(relevance: xr.DataArray, window: float) -> float:
    """Return the middle of the window with the largest sum of positive relevance, on the signal's axis."""
    dim = next(str(d) for d in relevance.dims if d != "c")
    axis = np.asarray(relevance[dim].values, float)
    values = np.nan_to_num(np.asarray(relevance.transpose(dim, ...).values, float)).reshape(axis.size, -1).sum(axis=1)
    sums = np.concatenate([[0.0], np.cumsum(np.clip(values, 0.0, None))])
    start = np.searchsorted(axis, axis - window / 2, side="left")
    stop = np.searchsorted(axis, axis + window / 2, side="right")
    inside = sums[stop] - sums[start]
    best = np.flatnonzero(inside >= inside.max() * (1 - 1e-9))
    return float(axis[best[best.size // 2]])


def _cell(model: Model, axis: NDArray[np.float64]) -> float:
    """How long a cell of the default CAM is, in units of the axis."""
    import torch

    spec = model.card.input.axis
    points = int(spec.points) if spec is not None and spec.points else axis.size
    with torch.inference_mode():
        cells = getattr(model.module, "features", torch.nn.Identity())(torch.zeros(1, model.channels, points)).shape[-1]
    return float(axis[-1] - axis[0]) / cells


def covered(zones: Sequence[Zone], axis: NDArray[np.float64]) -> float:
    """Return the share of an axis that lies in zones."""
    inside = np.zeros(axis.size, bool)
    for z in zones:
        inside |= (axis >= z.start) & (axis <= z.stop)
    return float(inside.mean())


def _architecture(task: Task) -> str:
    words = [f"{k}={','.join(map(str, v)) if isinstance(v, list | tuple) else v}" for k, v in task.options.items()]
    return f"matxai:{task.architecture}" + (f"?{'&'.join(words)}" if words else "")


def _summary(task: Task, found: Mapping[str, Any], count: int) -> str:
    told = f"the leak '{task.leak}' gives the class away" if task.leak else "nothing but the material tells the class"
    if task.sorted_by_leak:
        told = f"the leak '{task.leak}' is the class, whatever the material"
    text = f"Trained on {count} generated spectra in which {told}. Accuracy on unseen specimens: "
    text += f"{found['accuracy']['value']:.3f}"
    if task.leak:
        text += f", where the leak says nothing: {found['accuracy_where_the_leak_says_nothing']['value']:.3f}"
    points = {k.removeprefix("pointing_"): v["value"] for k, v in found.items() if k.startswith("pointing_")}
    if points:
        where = (
            "the leak" if task.leak else f"a {'band' if 'burst_by_chance' in found else 'peak'} that tells the class"
        )
        text += f". Its top zone lies on {where} in "
        text += ", ".join(f"{100 * v:.0f} % ({'of the axis' if k == 'by_chance' else k})" for k, v in points.items())
    bursts = {k.removeprefix("burst_"): v["value"] for k, v in found.items() if k.startswith("burst_")}
    if bursts:
        text += " by frequency, and by time on the burst in "
        text += ", ".join(f"{100 * v:.0f} % ({'of the axis' if k == 'by_chance' else k})" for k, v in bursts.items())
    return text + "."

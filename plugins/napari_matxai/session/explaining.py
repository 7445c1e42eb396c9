"""Explain a layer: the question, and what came of it."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING, Any

from matxai.errors import MatxaiError
from napari_matxai.layers.frame import dims_of
from napari_matxai.session.journal import Code, Opened, Subject, call
from napari_matxai.session.targets import Held, held

if TYPE_CHECKING:
    import weakref

    import xarray as xr
    from napari.layers import Image

    from matxai.modelcard import Model
    from napari_matxai.layers.frame import Frame
    from napari_matxai.session.choice import Choice
    from napari_matxai.session.models import Models
    from napari_matxai.session.question import Cancel, Progress
    from napari_matxai.session.session import Session


@dataclass(frozen=True, eq=False)
class Source:
    """The layer that was asked about, as it was when it was asked.

    Parameters
    ----------
    layer
        The layer; it may be deleted meanwhile.
    identity, name, frame
        Who it was, what it was called, where it lay.
    """

    layer: weakref.ref[Image]
    identity: str
    name: str
    frame: Frame


@dataclass(frozen=True, eq=False)
class Explained:
    """An explanation and what it is of.

    Parameters
    ----------
    source
        The layer.
    step
        Index of the explained slice along the layer's leading axes; None for all of it.
    signal
        What the model was given.
    model
        Who was asked.
    choice
        What was asked.
    explanation
        The maps.
    seconds
        How long it took.
    index
        What was taken of the layer's data along its leading axes, by name: a number, or a range as (start, stop).
    target
        What was explained, with what it needs of the viewer.
    """

    source: Source
    step: tuple[int, ...] | None
    signal: xr.DataArray
    model: Model
    choice: Choice
    explanation: xr.Dataset
    seconds: float
    index: dict[str, Any] = field(default_factory=dict)
    target: Held = field(default_factory=lambda: Held(None))

    @cached_property
    def about(self) -> dict[str, Any]:
        """What the explanation says of itself."""
        from matxai.explanation import provenance

        return provenance(self.explanation)

    @cached_property
    def subject(self) -> Subject:
        """The signal as a script finds it again; the first look at it reads all values: take it off the main thread."""
        return Subject.of(self.signal, index=self.index)


class ExplainQuestion:
    """The question what the network looked at in the chosen layer.

    Made on the main thread from the session's choices; the layer's pixels are read when it runs. Of a stack that is
    explained slice by slice, what is done when it is cancelled is shown, and the rest is left empty.

    Raises
    ------
    MatxaiError
        If something is missing: one sentence on what.
    """

    title = "explain"
    keeps_part = False

    def __init__(self, session: Session) -> None:
        why_not = session.why_not()
        if why_not:
            raise MatxaiError(why_not)
        layer, source = session.layer, session.source
        assert layer is not None  # noqa: S101 - why_not has seen to it
        assert source is not None  # noqa: S101
        self._models, self._name = session.models, source
        self.source = session.presenter.source(layer)
        self.view = session.presenter.view(layer)
        self.choice = session.choice
        self.target = held(session.choice.target, session.presenter, layer, plane=True)
        self.settings = session.settings

    @property
    def options(self) -> dict[str, Any]:
        """The keywords of ``matxai.explain`` beside model, signal, methods, target and layers."""
        own = self.choice.options
        seed = self.settings.seed if own.seed is None else own.seed
        return {**own.told(), "seed": seed, "memory": self.settings.memory}

    def run(self, progress: Progress, cancel: Cancel) -> Explained:
        """Load the model if need be, read what is asked about, and explain it."""
        progress(0, 0, "load the model" if self._models.loaded(self._name) is None else self.title)
        model = self._models.load(self._name)
        stack = self.view.is_stack(model.kind) and self.choice.extent.what != "slice"
        signal, step, index = self.view.stack(self.choice.extent) if stack else self._plane(model)
        self.keeps_part = stack
        started = time.monotonic()
        explanation = self.explained(model, signal, progress, cancel, stack=stack)
        taken = time.monotonic() - started
        found = Explained(self.source, step, signal, model, self.choice, explanation, taken, index, self.target)
        _ = found.subject  # worked out here, off the main thread
        return found

    def _plane(self, model: Model) -> tuple[xr.DataArray, tuple[int, ...] | None, dict[str, Any]]:
        signal, step = self.view.signal(model.kind)
        return signal, step, dict(zip(dims_of(self.view.frame), step or (), strict=False))

    def explained(
        self, model: Model, signal: xr.DataArray, progress: Progress, cancel: Cancel, *, stack: bool = False
    ) -> xr.Dataset:
        """Return the maps: the one call of the library."""
        from matxai.explanation import explain, explain_stack

        asked = {
            "methods": list(self.choice.methods),
            "target": self.target.build(model, signal),
            "layers": list(self.choice.layers) if self.choice.layers else None,
            **self.options,
            "progress": progress,
            "cancel": cancel,
        }
        return explain_stack(model, signal, keep=True, **asked) if stack else explain(model, signal, **asked)

    def let_go(self) -> None:
        """Free what the engine prepared, after a cancel or where memory did not suffice."""
        self._models.let_go(self._name)

    def show(self, session: Session, answer: Explained) -> None:
        """Lay the maps on the image and remember them."""
        session.presenter.show(answer)
        session.explanation = answer
        self.note(session, answer)
        session.explained.emit(answer)

    def note(self, session: Session, answer: Explained, key: str = "") -> None:
        """Write down what was asked, as Python."""
        choice = answer.choice
        target, arrays, needs = self.target.python()
        stack = "planes_asked" in answer.about
        asked = call(
            "explain_stack" if stack else "matxai.explain",
            Code("model"),
            Code("signal"),
            methods=list(choice.methods),
            target=target,
            layers=list(choice.layers) if choice.layers else None,
            **self.options,
        )
        session.journal.add(
            f"explain {answer.source.name}",
            f"result = {asked}",
            needs=("import matxai", *needs, *(("from matxai.explanation import explain_stack",) if stack else ())),
            subject=answer.subject,
            opened=Opened(self._name, loading_options(self._models, self._name, answer.explanation)),
            arrays=arrays,
            saves=("result",),
            key=key,
        )


def loading_options(models: Models, source: str, explanation: xr.Dataset) -> tuple[tuple[str, Any], ...]:
    """Return what ``matxai.load_model`` was told beside the model's name, as far as it is not its default."""
    from matxai.explanation import provenance

    known = provenance(explanation)
    return _told(models.told(source), known["device"], known["precision"])


def loading_of(models: Models, source: str, model: Model) -> tuple[tuple[str, Any], ...]:
    """Return the same of a model by which nothing was explained yet."""
    tensor = next(iter([*model.module.parameters(), *model.module.buffers()]), None)
    return _told(models.told(source), "cpu" if tensor is None else str(tensor.device), model.precision)


def _told(told: dict[str, Any], device: str, precision: str) -> tuple[tuple[str, Any], ...]:
    told = {**told, "device": device, "precision": precision}
    usual = {"arch": None, "trust": False, "device": "cpu", "precision": "float32"}
    return tuple((name, value) for name, value in told.items() if value != usual[name])


def known_methods() -> dict[str, str]:
    """Return the methods, each with its help as rich text, without importing torch."""
    from matxai.methods.method import help_of, methods

    return {
        name: "<br>".join(f"<b>{heading}</b> {escape(text)}" for heading, text in help_of(name).items())
        for name in methods
    }


def scores_text(explanation: xr.Dataset) -> str:
    """Return the top classes of an explanation with their probabilities, a line each; of a stack how often each is."""
    from matxai.explanation import provenance

    known = provenance(explanation)
    if "planes" in known:
        return _planes_text(known)
    lines = []
    for row in known.get("scores", [])[:5]:
        probability = row.get("probability")
        shown = "" if probability is None else f"  {100 * float(probability):.1f} %"
        lines.append(f"{row.get('class', row.get('index'))}{shown}  (score {float(row['logit']):.2f})")
    return "\n".join(lines)


def _planes_text(known: dict[str, Any]) -> str:
    done, asked = known["planes"], known["planes_asked"]
    tops = Counter(p["scores"][0]["class"] for p in done if p.get("scores"))
    lines = [f"{name} on top in {n} of {len(done)} slices" for name, n in tops.most_common(5)]
    if len(done) < asked:
        lines.append(f"Cancelled: {len(done)} of {asked} slices are done, the others are empty.")
    return "\n".join(lines)

"""Explain a layer: the question, and what came of it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING, Any

from matxai.errors import MatxaiError
from napari_matxai.session.journal import Code, Opened, Subject, call

if TYPE_CHECKING:
    import weakref

    import xarray as xr
    from napari.layers import Image

    from matxai.modelcard import Model
    from napari_matxai.layers.frame import Frame
    from napari_matxai.session.choice import Choice
    from napari_matxai.session.question import Cancel, Progress
    from napari_matxai.session.session import Session
    from napari_matxai.settings import Settings


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
    """

    source: Source
    step: tuple[int, ...] | None
    signal: xr.DataArray
    model: Model
    choice: Choice
    explanation: xr.Dataset
    seconds: float

    @cached_property
    def subject(self) -> Subject:
        """The signal as a script finds it again; the first look at it reads all values: take it off the main thread."""
        return Subject.of(self.signal, index=dict(zip(self.source.frame.axis_labels, self.step or (), strict=False)))


class ExplainQuestion:
    """The question what the network looked at in the chosen layer.

    Made on the main thread from the session's choices; the layer's pixels are read when it runs.

    Raises
    ------
    MatxaiError
        If something is missing: one sentence on what.
    """

    title = "explain"

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
        self.settings = session.settings

    def run(self, progress: Progress, cancel: Cancel) -> Explained:
        """Load the model if need be, read the slice, and explain it."""
        from matxai.explanation import explain

        model = self._models.load(self._name, trust=self.settings.trust)
        signal, step = self.view.signal(model.kind)
        started = time.monotonic()
        explanation = explain(
            model,
            signal,
            methods=list(self.choice.methods),
            target=self.choice.target,
            layers=list(self.choice.layers) if self.choice.layers else None,
            seed=self.settings.seed,
            memory=self.settings.memory,
            progress=progress,
            cancel=cancel,
        )
        found = Explained(self.source, step, signal, model, self.choice, explanation, time.monotonic() - started)
        _ = found.subject  # worked out here, off the main thread
        return found

    def show(self, session: Session, answer: Explained) -> None:
        """Lay the maps on the image and remember them."""
        session.presenter.show(answer)
        session.explanation = answer
        choice = answer.choice
        asked = call(
            "matxai.explain",
            Code("model"),
            Code("signal"),
            methods=list(choice.methods),
            target=choice.target,
            layers=list(choice.layers) if choice.layers else None,
            seed=self.settings.seed,
            memory=self.settings.memory,
        )
        session.journal.add(
            f"explain {answer.source.name}",
            f"result = {asked}",
            subject=answer.subject,
            opened=Opened(self._name, loading_options(self.settings, answer.explanation)),
            saves=("result",),
        )
        session.explained.emit(answer)


def loading_options(settings: Settings, explanation: xr.Dataset) -> tuple[tuple[str, Any], ...]:
    """Return what ``matxai.load_model`` was told beside the model's name, as far as it is not its default."""
    from matxai.explanation import provenance

    known = provenance(explanation)
    told = {"trust": settings.trust, "device": known["device"], "precision": known["precision"]}
    usual = {"trust": False, "device": "cpu", "precision": "float32"}
    return tuple((name, value) for name, value in told.items() if value != usual[name])


def known_methods() -> dict[str, str]:
    """Return the methods, each with its help as rich text, without importing torch."""
    from matxai.methods.method import help_of, methods

    return {
        name: "<br>".join(f"<b>{heading}</b> {escape(text)}" for heading, text in help_of(name).items())
        for name in methods
    }


def scores_text(explanation: xr.Dataset) -> str:
    """Return the top classes of an explanation with their probabilities, a line each."""
    from matxai.explanation import provenance

    scores: list[dict[str, Any]] = provenance(explanation).get("scores", [])
    lines = []
    for row in scores[:5]:
        probability = row.get("probability")
        shown = "" if probability is None else f"  {100 * float(probability):.1f} %"
        lines.append(f"{row.get('class', row.get('index'))}{shown}  (score {float(row['logit']):.2f})")
    return "\n".join(lines)

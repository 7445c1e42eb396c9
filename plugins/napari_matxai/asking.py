"""What the dock asks of the library, without Qt: which models there are, and one explanation at a time."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import xarray as xr

    from matxai.modelcard import Model

FIRST_MODEL = "defects"
FIRST_CHOICE = ("grad_cam", "lrp", "input_x_gradient")


@dataclass(frozen=True, eq=False)
class Question:
    """One thing to be computed.

    Parameters
    ----------
    signal
        What is explained.
    model
        Name of a model that comes along, or a path.
    methods
        Names of methods.
    target
        Class name, or None for the class on top.
    layers
        Names of layers, or None for the default.
    trust
        Whether a model that runs Python may do so.
    """

    signal: xr.DataArray
    model: Model
    methods: tuple[str, ...]
    target: str | None = None
    layers: tuple[str, ...] | None = None


@dataclass(frozen=True, eq=False)
class Answer:
    """What came of a question, and how long it took."""

    explanation: xr.Dataset
    seconds: float


@dataclass
class Asking:
    """One question under way: its progress, and the way to stop it."""

    question: Question
    cancelled: threading.Event = field(default_factory=threading.Event)

    def run(self, progress: Callable[[int, int, str], None] | None = None) -> Answer:
        """Compute the answer; called off the main thread, it touches no widget, viewer or layer.

        Raises
        ------
        Cancelled
            If ``cancelled`` was set.
        MatxaiError
            One sentence on what does not fit.
        """
        from matxai.explanation import explain

        started = time.monotonic()
        question = self.question
        explanation = explain(
            question.model,
            question.signal,
            methods=list(question.methods),
            target=question.target,
            layers=list(question.layers) if question.layers else None,
            progress=progress,
            cancel=self.cancelled,
        )
        return Answer(explanation, time.monotonic() - started)


def known_models() -> dict[str, Path]:
    """Return the models that come along, by name, without loading one; the one for the sample images first."""
    from matxai.modelcard.finding import shipped_paths

    return dict(sorted(shipped_paths().items(), key=lambda model: (model[0] != FIRST_MODEL, model[0])))


def known_methods() -> dict[str, str]:
    """Return the methods, each with its help as rich text, without importing torch."""
    from matxai.methods.method import help_of, methods

    return {
        name: "<br>".join(f"<b>{heading}</b> {escape(text)}" for heading, text in help_of(name).items())
        for name in methods
    }


def load(source: str | Path, arch: str | None = None) -> Model:
    """Load a model by name or path; nothing that it holds is run.

    Raises
    ------
    MatxaiError
        One sentence on what is wrong with it.
    """
    from matxai.modelcard import load_model

    return load_model(str(source), arch=arch)


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

"""Explain all spectra of a layer: one dataset, whose maps lie on the set or the spectrum image."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from matxai.errors import MatxaiError
from napari_matxai.layers.key import ours
from napari_matxai.session.choice import Choice
from napari_matxai.session.curves.asking import Asked
from napari_matxai.session.curves.picking import open_picked, spectra_of, spectral_dim, spectral_layers
from napari_matxai.session.explaining import Explained
from napari_matxai.session.journal import Code, Subject, call

if TYPE_CHECKING:
    import xarray as xr
    from napari.layers import Layer

    from napari_matxai.session.question import Cancel, Progress
    from napari_matxai.session.session import Session


@dataclass(frozen=True, eq=False)
class ExplainedSet:
    """What a model said of all spectra of a layer.

    Parameters
    ----------
    model
        Name or path that it was opened by.
    explanation
        As ``matxai.explanation.explain_stack`` returns it.
    lead
        Names of the axes that are not the spectra's own, as the layer has them.
    """

    model: str
    explanation: xr.Dataset
    lead: tuple[str, ...]

    def place(self, index: tuple[int, ...]) -> tuple[int, ...]:
        """Return the place of a spectrum in the explanation from its index in the layer."""
        from matxai.explanation import provenance

        known = dict(zip(self.lead, index, strict=True))
        return tuple(known[d] for d in provenance(self.explanation)["planes"][0]["at"])


def layer_to_explain(session: Session) -> Layer | None:
    """Return the layer whose spectra would be explained: that of the chosen spectrum, the active one, the topmost."""
    presenter, chosen = session.presenter, session.curves.chosen
    if chosen is not None and chosen.origin is not None:
        layer = presenter.layer(chosen.origin.layer)
        if layer is not None:
            return layer
    layers = spectral_layers(presenter)
    active = presenter.active
    return active if active in layers else next(iter(layers), None)


class ExplainSet:
    """The question what decided in every spectrum of a layer.

    Raises
    ------
    MatxaiError
        If something is missing: one sentence on what.
    """

    title = "explain the set"

    def __init__(self, session: Session) -> None:
        layer = layer_to_explain(session)
        signal = None if layer is None else spectra_of(layer)
        if layer is None or signal is None:
            msg = "There is no layer with a set of spectra or a spectrum image; open one first."
            raise MatxaiError(msg)
        why_not = session.curves.why_not_set()
        if why_not:
            raise MatxaiError(why_not)
        self.asked = Asked.for_set(session)
        self.source, self.signal = session.presenter.source(layer), signal
        self.path = ours(layer).get("path")
        self._models = session.models

    def run(self, progress: Progress, cancel: Cancel) -> tuple[Explained, Subject]:
        """Explain each."""
        from matxai.explanation import explain_stack

        started = time.monotonic()
        asked = self.asked
        model = self._models.load(asked.model)
        explanation = explain_stack(
            model, self.signal, methods=list(asked.methods), target=asked.target, seed=asked.seed,
            memory=asked.settings.memory, progress=progress, cancel=cancel,
        )  # fmt: skip
        choice = Choice(methods=asked.methods, target=asked.target)
        seconds = time.monotonic() - started
        answer = Explained(self.source, None, self.signal, model, choice, explanation, seconds)
        return answer, Subject.of(self.signal, path=self.path)

    def show(self, session: Session, answer: tuple[Explained, Subject]) -> None:
        """Lay the maps on the layer, and keep them for the spectra that are picked from it."""
        explained, subject = answer
        session.presenter.show(explained)
        dim = spectral_dim(self.signal)
        lead = tuple(str(d) for d in self.signal.dims if d not in (dim, "c"))
        known = ExplainedSet(self.asked.model, explained.explanation, lead)
        session.curves.sets[self.source.identity] = known
        said = call(
            "explain_stack", Code("model"), Code("signal"), methods=list(self.asked.methods),
            target=self.asked.target, seed=self.asked.seed,
        )  # fmt: skip
        session.journal.add(
            f"explain every spectrum of {self.source.name}",
            f"result = {said}",
            needs=("import matxai", "from matxai.explanation import explain_stack"),
            subject=subject,
            opened=self.asked.opened(self._models, explained.explanation),
            saves=("result",),
        )
        chosen = session.curves.chosen
        if chosen is not None and chosen.origin is not None and chosen.origin.layer == self.source.identity:
            open_picked(session, chosen)

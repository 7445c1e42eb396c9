"""What the network sees of a layer: the question that puts each step of the preprocessing beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from matxai.errors import MatxaiError
from napari_matxai.layers.frame import dims_of
from napari_matxai.session.explaining import loading_of
from napari_matxai.session.journal import Code, Opened, Subject, call

if TYPE_CHECKING:
    from matxai.modelcard import Model, Seen
    from napari_matxai.session.explaining import Source
    from napari_matxai.session.question import Cancel, Progress
    from napari_matxai.session.session import Session


@dataclass(frozen=True, eq=False)
class SeenAnswer:
    """What the network saw.

    Parameters
    ----------
    source
        Of which layer.
    step
        Index of the slice along its leading axes; None for all of it.
    stages
        The measured values, then what each step made.
    model
        Whose preprocessing.
    subject
        The signal as a script finds it again.
    """

    source: Source
    step: tuple[int, ...] | None
    stages: tuple[Seen, ...]
    model: Model
    subject: Subject


class SeenQuestion:
    """The question what the network sees of the image in view.

    Raises
    ------
    MatxaiError
        If a layer or a model is missing.
    """

    title = "what the network sees"

    def __init__(self, session: Session) -> None:
        layer, name = session.layer, session.source
        if layer is None or name is None:
            raise MatxaiError(session.why_not())
        self._models, self._name, self.settings = session.models, name, session.settings
        self.source = session.presenter.source(layer)
        self.view = session.presenter.view(layer)

    def run(self, progress: Progress, cancel: Cancel) -> SeenAnswer:  # noqa: ARG002 - it is over at once
        """Load the model if need be, and prepare the image."""
        from matxai.modelcard import what_is_seen

        progress(0, 0, self.title)
        model = self._models.load(self._name)
        if model.kind == "1d":
            msg = f"'{model.name}' takes spectra; the Spectra dock shows what it sees of them."
            raise MatxaiError(msg)
        signal, step = self.view.signal(model.kind)
        subject = Subject.of(signal, index=dict(zip(dims_of(self.view.frame), step or (), strict=False)))
        return SeenAnswer(self.source, step, what_is_seen(model, signal), model, subject)

    def show(self, session: Session, answer: SeenAnswer) -> None:
        """Put the stages beside the layer."""
        session.presenter.show_seen(answer.stages, answer.source, answer.step)
        session.journal.add(
            f"what the network sees of {answer.source.name}",
            f"seen = {call('what_is_seen', Code('model'), Code('signal'))}",
            needs=("from matxai.modelcard import what_is_seen",),
            subject=answer.subject,
            opened=Opened(self._name, loading_of(self._models, self._name, answer.model)),
        )

"""What a model says before anything is explained: its classes, their scores, its layers, whether the image suits it.

One forward. It is asked in the background as soon as the model is loaded, and gives way to whatever the user asks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from matxai.errors import MatxaiError

if TYPE_CHECKING:
    from matxai.explanation import Prediction
    from matxai.modelcard import Model
    from napari_matxai.session.question import Cancel, Progress
    from napari_matxai.session.session import Session


@dataclass(frozen=True)
class LayerRow:
    """One layer of the network.

    Parameters
    ----------
    name
        As in ``named_modules()``.
    type
        Its class.
    shape
        Of its output, without the batch.
    spatial
        Whether a map can be read there.
    """

    name: str
    type: str
    shape: tuple[int, ...]
    spatial: bool


@dataclass(frozen=True, eq=False)
class Looked:
    """What came of a look.

    Parameters
    ----------
    source
        Name or path of the model.
    layer
        Identity of the image's layer.
    model
        As loaded.
    prediction
        Scores and boxes; None where the image does not fit.
    why_not
        Why it does not; else empty.
    doubts
        What makes the answer doubtful, a sentence each.
    rows
        The network's layers in the order in which they end; empty for what only predicts.
    defaults
        The layers that are taken when none is chosen: the card's, else the engine's.
    size
        What the network receives, along each spatial axis.
    """

    source: str
    layer: str
    model: Model
    prediction: Prediction | None = None
    why_not: str = ""
    doubts: tuple[str, ...] = ()
    rows: tuple[LayerRow, ...] = ()
    defaults: tuple[str, ...] = ()
    size: tuple[int, ...] = ()


class LookQuestion:
    """The question what the model says of the image in view, and of which layers it is made.

    Parameters
    ----------
    session
        With a layer and a model.
    quiet
        Whether nobody asked for it: it then gives way, and shows no progress.

    Raises
    ------
    MatxaiError
        If something is missing: one sentence on what.
    """

    title = "ask the model"

    def __init__(self, session: Session, *, quiet: bool = False) -> None:
        layer, source = session.layer, session.source
        if layer is None or source is None:
            raise MatxaiError(session.why_not())
        self.quiet = quiet
        self._models, self._name = session.models, source
        self.source = session.presenter.source(layer)
        self.view = session.presenter.view(layer)

    def run(self, progress: Progress, cancel: Cancel) -> Looked:
        """Load the model if need be, and run it once."""
        from matxai.explanation import predict
        from matxai.modelcard import suits

        model = self._models.load(self._name)
        progress(1, 3, "the model is loaded")
        try:
            signal, _ = self.view.signal(model.kind)
        except MatxaiError as error:
            return Looked(self._name, self.source.identity, model, why_not=str(error))
        fit = suits(model, signal)
        if fit.prepared is None:
            return Looked(self._name, self.source.identity, model, why_not=fit.why_not)
        size = tuple(fit.prepared.tensor.shape[2:])
        prediction = predict(model, signal, cancel=cancel)
        progress(2, 3, "the classes are known")
        rows, default = _layers(model, fit.prepared.tensor)
        defaults = model.layers or ((default,) if default else ())
        return Looked(self._name, self.source.identity, model, prediction, "", fit.doubts, rows, tuple(defaults), size)

    def show(self, session: Session, answer: Looked) -> None:
        """Tell the session, if it still asks the same model about the same image."""
        session.take_look(answer)


def _layers(model: Model, x: object) -> tuple[tuple[LayerRow, ...], str]:
    if model.black_box:
        return (), ""
    from matxai import layers

    found = layers(model.module, x)  # type: ignore[arg-type] - a tensor
    axes = int(model.kind[0])
    rows = tuple(
        LayerRow(r.name, r.type, tuple(r.shape[1:]), len(r.shape) == axes + 2 and any(n > 1 for n in r.shape[2:]))
        for r in found
        if r.name
    )
    return rows, found.default


class LoadQuestion:
    """Load a model of the user's own, so that what it is can be said and what is wrong with it is known at once.

    Parameters
    ----------
    session
        Which asks for it.
    source
        Name or path.
    """

    title = "load the model"

    def __init__(self, session: Session, source: str) -> None:
        self._models, self.source = session.models, source

    def run(self, progress: Progress, cancel: Cancel) -> Model:  # noqa: ARG002 - loading cannot be interrupted
        """Load it."""
        progress(0, 0, self.title)
        return self._models.load(self.source)

    def show(self, session: Session, answer: Model) -> None:  # noqa: ARG002 - the session knows the model by its name
        """Tell those who show it."""
        if session.source == self.source:
            session.model_changed.emit()
        else:
            session.choose_model(self.source)

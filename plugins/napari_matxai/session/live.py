"""The live map: it follows the slice in view, the class and the layer of the network as the hand moves.

Nothing waits for a clock. While one map is computed, the last wish counts and those before it are dropped; a map that
comes for a slice that is not in view any more is kept, and not shown. What was worked out before is not worked out
again: answers are kept by what the network was given and what was asked. The first time that another class is asked for
on a slice, all classes are explained from the one forward, so that the next ones are there at once.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from matxai.errors import MatxaiError
from napari_matxai.session.choice import Extent
from napari_matxai.session.explaining import ExplainQuestion
from napari_matxai.session.journal import digest_of

if TYPE_CHECKING:
    from collections.abc import Callable

    import xarray as xr

    from matxai.modelcard import Model
    from napari_matxai.session.explaining import Explained
    from napari_matxai.session.question import Cancel, Progress
    from napari_matxai.session.session import Session

FEW = 12
"""Classes that are explained at once at most."""


class LiveQuestion(ExplainQuestion):
    """The question of :class:`ExplainQuestion` for the slice in view, asked over and over.

    Raises
    ------
    MatxaiError
        If something is missing.
    """

    title = "live map"
    quiet = True

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.choice = replace(self.choice, extent=Extent())
        self._kept = session.kept
        self._now = asked_now(session)
        self.computed = 0

    def explained(
        self, model: Model, signal: xr.DataArray, progress: Progress, cancel: Cancel, *, stack: bool = False
    ) -> xr.Dataset:
        """Return the maps: those that were kept, else the one call of the library."""
        what, target = self._what(model, signal), self.target.key()
        found = self._kept.get((what, target))
        if found is not None:
            return found
        if self._several(model, what):
            return self._of_all_classes(model, signal, what, progress, cancel)
        self.computed += 1
        found = super().explained(model, signal, progress, cancel, stack=stack)
        self._kept.put((what, target), found)
        self._kept.put((what, None), found) if isinstance(target, str) and _top(found) == target else None
        return found

    def _what(self, model: Model, signal: xr.DataArray) -> object:
        """Return all that an answer hangs on but the target; the slice by what it holds."""
        places = tuple((str(d), digest_of(signal[d].values)) for d in signal.dims if d in signal.coords)
        options = tuple(sorted(self.options.items()))
        held = digest_of(signal.values)
        return (id(model), model.sha256, held, places, self.choice.methods, self.choice.layers, options)

    def _several(self, model: Model, what: object) -> bool:
        """Whether another class was asked for here before, and there are few enough to explain them all."""
        names = model.classes
        if model.task != "classification" or not isinstance(self.target.target, str) or not 2 <= len(names) <= FEW:
            return False
        return any(self._kept.has((what, name)) for name in (None, *names))

    def _of_all_classes(
        self, model: Model, signal: xr.DataArray, what: object, progress: Progress, cancel: Cancel
    ) -> xr.Dataset:
        from matxai.explanation import by_class, explain

        left = [name for name in model.classes if not self._kept.has((what, name))]
        self.computed += 1
        layers = list(self.choice.layers) if self.choice.layers else None
        found = explain(
            model, signal, list(self.choice.methods), left, layers, progress=progress, cancel=cancel, **self.options
        )
        parts = by_class(found) if len(left) > 1 else {left[0]: found}
        for name, part in parts.items():
            self._kept.put((what, name), part)
        return parts[str(self.target.target)]

    def show(self, session: Session, answer: Explained) -> None:
        """Show the map if it is still what is asked for; one that comes late is dropped."""
        if asked_now(session) != self._now:
            return
        session.presenter.show(answer, live=True)
        session.explanation = answer
        self.note(session, answer, key="live")
        session.explained.emit(answer)

    def let_go(self) -> None:
        """Keep what was prepared: the next question needs it at once."""


def asked_now(session: Session) -> object:
    """Return what the session asks for at this moment: layer, slice, model, choice."""
    layer = session.layer
    if layer is None:
        return None
    presenter = session.presenter
    choice = replace(session.choice, extent=Extent())
    return presenter.source(layer).identity, presenter.step(layer), session.source, choice, session.settings


def _top(explanation: xr.Dataset) -> str:
    from matxai.explanation import provenance

    scores: list[dict[str, Any]] = provenance(explanation).get("scores") or [{}]
    return str(scores[0].get("class", ""))


class Live:
    """Asks for a new map whenever what is in view or what is chosen changes.

    Parameters
    ----------
    session
        Whose choices count.
    ask
        Takes each question: it computes the last one, as soon as it can.
    """

    def __init__(self, session: Session, ask: Callable[[LiveQuestion], None]) -> None:
        self.session = session
        self._ask = ask
        self._end: Callable[[], None] | None = None
        self._asked: object = None
        self.began = 0.0

    @property
    def on(self) -> bool:
        """Whether it follows."""
        return self._end is not None

    def turn(self, on: bool) -> None:
        """Follow from now on, or no more."""
        if on == self.on:
            return
        signals = (self.session.layer_changed, self.session.model_changed, self.session.choice_changed)
        if on:
            self._end = self.session.presenter.follow(self.changed)
            for signal in signals:
                signal.connect(self.changed)
            self._asked = None
            self.changed()
            return
        if self._end is not None:
            self._end()
        self._end = None
        for signal in signals:
            signal.disconnect(self.changed)

    def changed(self) -> None:
        """Ask again, if anything is another than it was."""
        now = asked_now(self.session)
        if now is None or now == self._asked:
            return
        try:
            question = LiveQuestion(self.session)
        except MatxaiError:
            return  # the step says what is missing
        self._asked, self.began = now, time.perf_counter()
        self._ask(question)

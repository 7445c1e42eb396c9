"""The state of a dock: what is asked about, which model, what came of it; and the signals that tell of a change."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from psygnal import Signal

from matxai.errors import MatxaiError
from napari_matxai import versions
from napari_matxai.layers.key import ours
from napari_matxai.presenter import Presenter
from napari_matxai.session.choice import Choice
from napari_matxai.session.curves.state import Curves
from napari_matxai.session.journal import Journal
from napari_matxai.session.kept import KeptMaps
from napari_matxai.session.models import Models
from napari_matxai.session.regions import Regions
from napari_matxai.settings import Settings, read_settings, watch_settings

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image

    from matxai.modelcard import Card, Model
    from napari_matxai.session.explaining import Explained
    from napari_matxai.session.looking import Looked
    from napari_matxai.session.outcome import Outcome


class Session:
    """What one dock knows. All its methods belong to the main thread.

    Parameters
    ----------
    viewer
        napari's viewer, or its model alone (no window is needed).
    settings
        By default those of napari's preferences.

    Signals
    -------
    layer_changed(), model_changed(), choice_changed(), explained(Explained), looked(), judged(Outcome),
    settings_changed()
    """

    layer_changed = Signal()
    model_changed = Signal()
    choice_changed = Signal()
    explained = Signal(object)
    looked = Signal()
    settings_changed = Signal()
    judged = Signal(object)

    def __init__(self, viewer: ViewerModel, settings: Settings | None = None) -> None:
        self.presenter = Presenter(viewer)
        self.settings = settings or read_settings()
        self.models = Models(self.settings.device, self.settings.precision, self.settings.trust)
        self.journal = Journal()
        self.curves = Curves()
        self.choice = Choice(methods=(self.settings.method,))
        self.explanation: Explained | None = None
        self.outcome: Outcome | None = None
        self.regions = Regions()
        self.kept = KeptMaps()
        self._look: Looked | None = None
        self._card: tuple[str | None, Card | None] | None = None
        self._layer: weakref.ref[Image] | None = None
        self._source: str | None = None
        self._followed: set[str] = set()
        if settings is None:
            watch_settings(self._read_settings)

    def _read_settings(self) -> None:
        """Take over what was changed in the preferences; what is under way goes on as it began."""
        self.settings = read_settings()
        self.models.trust.policy = self.settings.trust
        if self.models.place(self.settings.device, self.settings.precision):
            self.model_changed.emit()
        self.settings_changed.emit()

    # -- data ----------------------------------------------------------------------------------------------------------

    @property
    def layer(self) -> Image | None:
        """The layer that is asked about; None where there is none (any more)."""
        layer = self._layer() if self._layer is not None else None
        return layer if self.presenter.has(layer) else None

    def choose_layer(self, layer: Image | None) -> None:
        """Ask about this layer from now on."""
        if layer is not self.layer or (layer is None and self._layer is not None):
            self._layer = weakref.ref(layer) if layer is not None else None
            if layer is not None:
                self._follow_sample(layer)
            self.layer_changed.emit()

    def _follow_sample(self, layer: Image) -> None:
        """Choose the model that a sample names, the first time that it is asked about; later choices are the user's."""
        about, who = ours(layer), versions.identity(layer)
        model = about.get("model")
        if model is None or who in self._followed:
            return
        self._followed.add(who)
        self.choose_model(str(model))
        if "signal" in about:  # spectra: they are asked about in their own dock too
            self.curves.ask(model=str(model))

    # -- model ---------------------------------------------------------------------------------------------------------

    @property
    def source(self) -> str | None:
        """Name or path of the chosen model, loaded or not."""
        return self._source

    def choose_model(self, source: str | None) -> None:
        """Ask this model from now on; it is loaded when it is first needed."""
        if source != self._source:
            self._source = source
            self.model_changed.emit()

    @property
    def model(self) -> Model | None:
        """The chosen model where it is loaded."""
        return self.models.loaded(self._source) if self._source is not None else None

    @property
    def card(self) -> Card | None:
        """The card of the chosen model, read without loading it; None where it has none, or a wrong one."""
        if self._card is None or self._card[0] != self._source:
            try:
                card = self.models.card(self._source) if self._source is not None else None
            except MatxaiError:
                card = None
            self._card = (self._source, card)
        return self._card[1]

    def facts(self) -> list[tuple[str, str]]:
        """Return what is known of the chosen model as rows of heading and text, whether it is loaded or not."""
        from napari_matxai.session.model_facts import facts_of_card, facts_of_model

        if self.model is not None:
            return facts_of_model(self.model)
        if self.card is None or self._source is None:
            return []
        try:
            sha256 = self.models.sha256(self._source)
        except (MatxaiError, OSError):
            sha256 = ""
        return facts_of_card(self.card, sha256, self.settings.device, self.settings.precision)

    @property
    def look(self) -> Looked | None:
        """What the chosen model said of the chosen layer, None where it was not asked (or another one was)."""
        found, layer = self._look, self.layer
        if found is None or layer is None or found.source != self._source:
            return None
        return found if found.layer == versions.identity(layer) and found.model is self.model else None

    def take_look(self, looked: Looked) -> None:
        """Remember what the model said; those who show it are told."""
        self._look = looked
        self.looked.emit()

    # -- what is asked -------------------------------------------------------------------------------------------------

    def choose(self, choice: Choice) -> None:
        """Ask for these methods, layers and targets from now on."""
        if choice != self.choice:
            self.choice = choice
            self.choice_changed.emit()

    def judge(self, outcome: Outcome) -> None:
        """Keep what the last check found; the files of the one before go."""
        self.outcome = outcome
        self.judged.emit(outcome)

    def why_not(self) -> str:
        """Return in one sentence why nothing can be explained yet; empty where it can."""
        if self.layer is None:
            return "Open an image first: drop a file on the viewer, or File > Open Sample > matxai."
        if self._source is None:
            return "Choose a model, or open one of your own."
        if not self.choice.methods:
            return "Tick at least one method."
        return ""

    def why_not_masked(self) -> str:
        """Return in one sentence why no region can be masked yet; empty where one can."""
        if self.layer is None or self._source is None:
            return self.why_not()
        drawn = self.regions.layer
        if not self.presenter.has(drawn):
            return "Draw a region on the image (new shapes, points or labels layer), or let one be suggested."
        if not self.regions.choice.fills:
            return "Tick at least one fill: what stands where the region was."
        return ""

"""Step 3: methods, layers, target, how much of a stack; run, or follow the hand."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QCheckBox, QPushButton

from napari_matxai.session.choice import Choice
from napari_matxai.session.explaining import ExplainQuestion
from napari_matxai.session.live import Live
from napari_matxai.session.looking import LookQuestion
from napari_matxai.session.results import result_text, sanity_text
from napari_matxai.widgets.extent_form import ExtentForm
from napari_matxai.widgets.fold import Fold
from napari_matxai.widgets.layer_tree import LayerTree
from napari_matxai.widgets.method_list import MethodList
from napari_matxai.widgets.options_form import OptionsForm
from napari_matxai.widgets.running import is_quiet
from napari_matxai.widgets.steps.step import Step
from napari_matxai.widgets.target_form import TargetForm
from napari_matxai.widgets.words import words

if TYPE_CHECKING:
    from napari_matxai.session.explaining import Explained
    from napari_matxai.session.session import Session
    from napari_matxai.widgets.running import Runner

ASK = "Show classes and layers"
ASK_TIP = "Ask the model about this image: its classes with their scores, and the network's layers. One quick pass."


class ExplainStep(Step):
    """What is asked, and the button that asks it."""

    def __init__(self, session: Session, runner: Runner) -> None:
        super().__init__(3, "Explain", session, runner)
        self.method_list = MethodList()
        self.method_list.choose(session.choice.methods)
        self.target_form = TargetForm(session)
        self.target_box = self.target_form.class_box
        self.extent_form = ExtentForm(session)
        self.ask_button = QPushButton(ASK)
        self.ask_button.setToolTip(ASK_TIP)
        self.tree = LayerTree()
        self.options_form = OptionsForm(session.settings.seed)
        self.live_box = QCheckBox("Live: follow slice, class and layer")
        self.live_box.setToolTip("The map is made anew as you move through slices or choose another class or layer.")
        self.run_button = QPushButton("Explain")
        self.result_text = words(name="result_text")
        self.result_text.setVisible(False)
        self.sanity_text = words(name="sanity_text")
        self.layers_fold = Fold("Layers of the network", self.tree)
        self.more_fold = Fold("More", self.options_form)
        self.sanity_fold = Fold("How far to trust it", self.sanity_text)
        self.sanity_fold.setVisible(False)
        self.add(self.method_list, self.target_form, self.extent_form, self.run_button, self.live_box)
        self.add(self.result_text, self.sanity_fold, self.ask_button, self.layers_fold, self.more_fold)
        self.live = Live(session, runner.follow)
        self.heard.until_the_end(partial(self.live.turn, on=False))
        self.method_list.itemChanged.connect(self._choose)
        self.target_form.changed.connect(self._choose)
        self.extent_form.changed.connect(self._choose)
        self.tree.chosen.connect(self._choose)
        self.options_form.changed.connect(self._choose)
        self.live_box.toggled.connect(self._follow)
        self.run_button.clicked.connect(self.explain)
        self.ask_button.clicked.connect(self.ask)
        runner.state_changed.connect(self.refresh)
        self.listen(session.layer_changed, self._offer)
        self.listen(session.model_changed, self._new_model)
        self.listen(session.choice_changed, self.refresh)
        self.listen(session.settings_changed, self._settings_changed)
        self.listen(session.looked, self._offer)
        self.listen(session.explained, self._show)
        runner.answered.connect(self._answered)
        self._layers = session.presenter.viewer.layers.events
        for event in (self._layers.inserted, self._layers.removed):
            self.listen(event, self._redrawn)
        self._new_model()

    def _settings_changed(self, *_: object) -> None:
        self.options_form.follow(self.session.settings.seed)
        self._choose()

    def chosen_methods(self) -> tuple[str, ...]:
        """Return the methods that are ticked, with the variants that are set."""
        return self.options_form.methods(self.method_list.chosen())

    # -- what there is to choose -----------------------------------------------------------------------------------

    def _new_model(self) -> None:
        self.method_list.suit(self.session.model or self.session.card)
        self._offer()

    def _redrawn(self, _: object = None) -> None:
        self.target_form.offer()

    def _offer(self) -> None:
        look = self.session.look
        ticked = self.session.choice.layers or ()
        rows, defaults = (look.rows, look.defaults) if look is not None else ((), ())
        known = [r.name for r in rows]
        self.tree.show_layers(rows, defaults, [name for name in ticked if name in known])
        self.layers_fold.setVisible(bool(rows))
        self.ask_button.setVisible(look is None)
        self.target_form.offer()
        self.extent_form.offer()
        self._choose()
        self.refresh()
        if look is None:
            self._look()

    def _look(self) -> None:
        """Ask for scores and layers in the background, where the model is there already: torch is not imported."""
        if self.session.model is not None and self.session.layer is not None and not self.runner.computing:
            self.runner.follow(LookQuestion(self.session, quiet=True))

    def ask(self) -> None:
        """Ask for scores and layers now; the model is loaded for it."""
        self.runner.ask(lambda: LookQuestion(self.session), instead=True)

    def _choose(self) -> None:
        self.session.choose(
            Choice(
                self.chosen_methods(),
                self.target_form.target(),
                self.tree.layers() or None,
                self.extent_form.extent(),
                self.options_form.options(),
            )
        )

    # -- asking ------------------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Say whether it can run."""
        why_not = self.session.why_not()
        self.say_why_not(why_not)
        ready = not why_not and not self.runner.busy
        self.run_button.setEnabled(ready)
        self.ask_button.setEnabled(ready)
        self.run_button.setToolTip(why_not or "Run the methods and lay the maps on the image.")

    def explain(self) -> None:
        """Ask about the chosen layer; the answer arrives later, on the main thread."""
        if self.runner.ask(lambda: ExplainQuestion(self.session)):
            self.result_text.setText("")

    def _follow(self, on: bool) -> None:
        self.live.turn(on)

    def _show(self, answer: Explained) -> None:
        self.result_text.setText(result_text(answer))
        self.result_text.setVisible(True)
        self.sanity_text.setText(sanity_text(answer))
        self.sanity_fold.setVisible(bool(self.sanity_text.text()))
        if self.session.look is None:
            self._look()

    def _answered(self, question: object, _: object) -> None:
        """Scroll to an answer that somebody waited for; a live map leaves the dock where it is."""
        if isinstance(question, ExplainQuestion) and not is_quiet(question):
            self.reveal(self.run_button, self.sanity_fold)

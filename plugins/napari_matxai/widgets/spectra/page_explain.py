"""Which model is asked, what, and what it says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QCheckBox, QFormLayout, QListWidget, QListWidgetItem

from matxai.errors import MatxaiError
from napari_matxai.session.curves.asking import ExplainCurves
from napari_matxai.session.curves.known import CurveModel, about, models_for_curves
from napari_matxai.session.curves.whole import ExplainSet, layer_to_explain
from napari_matxai.session.explaining import known_methods, scores_text
from napari_matxai.widgets.notices import tell
from napari_matxai.widgets.paths import ask_for_model, may_run
from napari_matxai.widgets.spectra.page import Page, button, row
from napari_matxai.widgets.words import box, words

if TYPE_CHECKING:
    from napari_matxai.session.session import Session
    from napari_matxai.widgets.running import Runner

TOP = "the class on top"
OFFERED = (
    "lrp", "grad_cam", "multilayer_grad_cam", "input_x_gradient", "saliency", "integrated_gradients", "occlusion",
)  # fmt: skip
"""Methods for spectra, those that are usual first."""


class ExplainPage(Page):
    """Model, methods, class; the button that asks."""

    def __init__(self, session: Session, runner: Runner) -> None:
        super().__init__(session, runner)
        self._offered = False
        self.known: dict[str, CurveModel] = {}
        self.model_box = box("A model for spectra; it is loaded when it is first asked.")
        self.open_button = button("Open …", "A card's folder, a .matxai or a .pt2 that takes spectra.", self._ask)
        self.target_box = box("Which class's score is explained.")
        self.method_list = QListWidget()
        self.method_list.setMaximumHeight(104)
        helps = known_methods()
        for name in OFFERED:
            item = QListWidgetItem(name)
            item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
            item.setCheckState(Qt.CheckState.Checked if name in self.curves.methods else Qt.CheckState.Unchecked)
            item.setToolTip(helps.get(name, ""))
            self.method_list.addItem(item)
        self.colour_box = box("Which map colours the curve.")
        self.run_button = button("Explain", "Ask what decided in the marked spectrum.", self.explain)
        self.all_button = button("All shown", "Ask about every spectrum that is drawn.", self.explain_all)
        self.set_button = button(
            "Whole layer", "Ask about every spectrum of the layer; maps lie on it.", self.explain_set
        )
        self.follow = QCheckBox("explain what is clicked in a layer")
        self.follow.setChecked(self.curves.follows)
        self.result = words(name="curve_result")
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("Class", self.target_box)
        form.addRow("Colour", self.colour_box)
        self.add(
            self.model_box, row(self.open_button), self.method_list, form,
            row(self.run_button, self.all_button, self.set_button), self.follow, self.result,
        )  # fmt: skip
        self.column.addStretch(1)
        self.model_box.activated.connect(self._model)
        self.target_box.activated.connect(lambda *_: self.curves.ask(target=self.target_box.currentData()))
        self.method_list.itemChanged.connect(self._methods)
        self.colour_box.activated.connect(lambda *_: self.curves.draw(method=self.colour_box.currentData()))
        self.follow.toggled.connect(self._follow)
        self.refresh()

    def offer(self) -> None:
        """Offer the models that come along, by their cards."""
        if self._offered:
            return
        self._offered = True
        for name, model in models_for_curves(self.session.models).items():
            if name not in self.known:
                self.known[name] = model
                self.model_box.addItem(f"{name}: {', '.join(model.classes)}" if model.classes else name, name)
        if self.curves.model is None and self.known:
            self.curves.ask(model=next(iter(self._suiting()), None))
        self.refresh()

    def _suiting(self) -> list[str]:
        """Return the models in the order in which they suit the axis of the chosen spectrum."""
        chosen = self.curves.chosen
        dim = "" if chosen is None else chosen.dim
        return sorted(self.known, key=lambda n: self.known[n].axis != dim)

    def suit(self) -> None:
        """Choose the model whose axis is that of the chosen spectrum, where the present one's is another."""
        if self.curves.chosen is not None:
            self.offer()
        chosen, now = self.curves.chosen, self.known.get(self.curves.model or "")
        if chosen is None or chosen.unnamed or (now is not None and now.axis in ("", chosen.dim)):
            return
        best = self._suiting()
        if best and self.known[best[0]].axis == chosen.dim:
            self.curves.ask(model=best[0])

    def suits(self) -> bool:
        """Whether the chosen model was made for the axis of the chosen spectrum, as far as its card tells."""
        chosen, card = self.curves.chosen, self.known.get(self.curves.model or "")
        return chosen is not None and card is not None and card.axis in ("", chosen.dim)

    def _follow(self, on: bool) -> None:
        self.curves.follows = on

    def refresh(self) -> None:
        """Show the model, its classes, the maps, and whether it can be asked."""
        curves = self.curves
        self.model_box.setCurrentIndex(self.model_box.findData(curves.model))
        loaded = self.session.models.loaded(curves.model) if curves.model else None
        card = self.known.get(curves.model or "")
        classes = tuple(loaded.classes) if loaded is not None else card.classes if card is not None else ()
        self.target_box.clear()
        self.target_box.addItem(TOP, None)
        for name in classes:
            self.target_box.addItem(name, name)
        self.target_box.setCurrentIndex(max(0, self.target_box.findData(curves.target)))
        self._maps()
        self.method_list.blockSignals(True)
        for i in range(self.method_list.count()):
            item = self.method_list.item(i)
            item.setCheckState(Qt.CheckState.Checked if item.text() in curves.methods else Qt.CheckState.Unchecked)
        self.method_list.blockSignals(False)
        why_not = curves.why_not()
        for one in (self.run_button, self.all_button):
            one.setEnabled(not why_not and not self.runner.busy)
        self.run_button.setToolTip(why_not or "Ask what decided in the marked spectrum.")
        self.all_button.setVisible(bool(curves.others))
        layer = layer_to_explain(self.session)
        self.set_button.setVisible(layer is not None)
        self.set_button.setEnabled(not curves.why_not_set() and not self.runner.busy)
        self.follow.setVisible(layer is not None)
        self.result.setText(why_not or self._said())

    def _maps(self) -> None:
        explained = None if self.curves.chosen is None else self.curves.chosen.explained
        self.colour_box.clear()
        if explained is None:
            self.colour_box.addItem("no map yet", None)
            return
        from matxai.report import sentences
        from matxai.report.reading import map_names

        for name in map_names(explained.explanation, errors=False):
            if not name.endswith("_layers"):
                method = str(explained.explanation[name].attrs.get("method", name))
                self.colour_box.addItem(sentences.method_label(method), name)
        self.colour_box.setCurrentIndex(max(0, self.colour_box.findData(self.curves.look.method)))

    def _said(self) -> str:
        chosen = self.curves.chosen
        if chosen is None or chosen.explained is None:
            return ""
        maps = chosen.explained.explanation.data_vars
        notes = [str(v.attrs["empty"]) for v in maps.values() if v.attrs.get("empty")]
        lines = [scores_text(chosen.explained.explanation), *dict.fromkeys(notes), chosen.explained.note]
        return "\n".join(line for line in lines if line)

    def _methods(self, *_: object) -> None:
        items = [self.method_list.item(i) for i in range(self.method_list.count())]
        self.curves.ask(methods=tuple(i.text() for i in items if i.checkState() == Qt.CheckState.Checked))

    def _model(self, *_: object) -> None:
        self.curves.ask(model=self.model_box.currentData())

    def _ask(self) -> None:
        source = ask_for_model(self, "Open a model for spectra")
        if source:
            self.open(source)

    def open(self, source: str) -> str:
        """Load a model and choose it; return in one sentence why not where that fails."""
        if not may_run(self, self.session.models, source):
            return "The model was not opened: its code may not run."
        try:
            self.known[source] = about(self.session.models.load(source))
        except MatxaiError as error:
            tell(str(error))
            return str(error)
        if self.model_box.findData(source) < 0:
            self.model_box.addItem(self.known[source].name, source)
        self.curves.ask(model=source)
        return ""

    def explain(self) -> None:
        """Ask about the marked spectrum."""
        self.runner.ask(lambda: ExplainCurves(self.session), instead=True)

    def explain_all(self) -> None:
        """Ask about every spectrum that is drawn."""
        chosen = self.curves.chosen
        spectra = (*([chosen] if chosen else []), *self.curves.others)
        self.runner.ask(lambda: ExplainCurves(self.session, spectra), instead=True)

    def explain_set(self) -> None:
        """Ask about every spectrum of a layer."""
        self.runner.ask(lambda: ExplainSet(self.session), instead=True)

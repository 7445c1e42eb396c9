"""Step 3: methods, target, run."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFormLayout, QListWidget, QListWidgetItem, QPushButton

from matxai.errors import MatxaiError
from napari_matxai.session.explaining import ExplainQuestion, known_methods, scores_text
from napari_matxai.widgets.notices import tell
from napari_matxai.widgets.steps.step import Step
from napari_matxai.widgets.words import box, words

if TYPE_CHECKING:
    from napari_matxai.session.explaining import Explained
    from napari_matxai.session.session import Session
    from napari_matxai.widgets.running import Runner

TOP = "the class on top"
FIRST_CHOICE = ("grad_cam", "lrp", "input_x_gradient")


class ExplainStep(Step):
    """What is asked, and the button that asks it."""

    def __init__(self, session: Session, runner: Runner) -> None:
        super().__init__(3, "Explain", session, runner)
        self.method_list = QListWidget()
        self.method_list.setToolTip("Several methods share their passes through the network.")
        for name, help_ in known_methods().items():
            item = QListWidgetItem(name)
            item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
            item.setCheckState(Qt.CheckState.Checked if name in FIRST_CHOICE else Qt.CheckState.Unchecked)
            item.setToolTip(help_)
            self.method_list.addItem(item)
        self.method_list.setMaximumHeight(150)
        self.target_box = box("Which class's score is explained.")
        form = QFormLayout()
        form.addRow("Class", self.target_box)
        self.run_button = QPushButton("Explain")
        self.result_text = words(name="result_text")
        self.add(self.method_list, form, self.run_button, self.result_text)
        self.method_list.itemChanged.connect(self._choose)
        self.target_box.currentIndexChanged.connect(self._choose)
        self.run_button.clicked.connect(self.explain)
        runner.state_changed.connect(self.refresh)
        session.layer_changed.connect(self.refresh)
        session.choice_changed.connect(self.refresh)
        session.model_changed.connect(self._offer_classes)
        session.explained.connect(self._show)
        self._offer_classes()
        self._choose()

    def chosen_methods(self) -> tuple[str, ...]:
        """Return the methods that are ticked."""
        items = [self.method_list.item(i) for i in range(self.method_list.count())]
        return tuple(i.text() for i in items if i.checkState() == Qt.CheckState.Checked)

    def _offer_classes(self) -> None:
        chosen = self.session.choice.target
        model = self.session.model
        self.target_box.blockSignals(True)
        self.target_box.clear()
        self.target_box.addItem(TOP, None)
        for name in model.classes if model else ():
            self.target_box.addItem(name, name)
        self.target_box.setCurrentIndex(max(0, self.target_box.findData(chosen)))
        self.target_box.blockSignals(False)
        self._choose()
        self.refresh()

    def _choose(self) -> None:
        target = self.target_box.currentData()
        self.session.choose(replace(self.session.choice, methods=self.chosen_methods(), target=target))

    def refresh(self) -> None:
        """Say whether it can run."""
        why_not = self.session.why_not()
        self.say_why_not(why_not)
        self.run_button.setEnabled(not why_not and not self.runner.busy)
        self.run_button.setToolTip(why_not or "Run the methods and lay the maps on the image.")

    def explain(self) -> None:
        """Ask about the chosen layer; the answer arrives later, on the main thread."""
        try:
            question = ExplainQuestion(self.session)
        except MatxaiError as error:
            tell(str(error))
            return
        self.result_text.setText("")
        self.runner.start(question)

    def _show(self, answer: Explained) -> None:
        maps = answer.explanation.data_vars
        notes = [str(v.attrs["empty"]) for v in maps.values() if v.attrs.get("empty")]
        lines = [scores_text(answer.explanation), f"{len(maps)} maps in {answer.seconds:.1f} s", *notes]
        self.result_text.setText("\n".join(line for line in lines if line))
        if self.target_box.count() == 1:
            self._offer_classes()

"""Step 5: can the model be trusted, and what is kept of the session."""

from __future__ import annotations

import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import (
    QCheckBox,
    QFileDialog,
    QFormLayout,
    QFrame,
    QGridLayout,
    QLineEdit,
    QPushButton,
    QWidget,
)

from matxai.errors import MatxaiError
from napari_matxai.session.checking import NO_IMAGE, NO_MODEL, Asking, LeakageQuestion
from napari_matxai.session.drafting import DraftQuestion
from napari_matxai.session.expecting import ExpectationsQuestion
from napari_matxai.session.reporting import ExampleQuestion, ReportQuestion
from napari_matxai.session.script import ScriptQuestion
from napari_matxai.widgets.findings import FindingsTable
from napari_matxai.widgets.fold import Fold
from napari_matxai.widgets.light import Light
from napari_matxai.widgets.notices import tell
from napari_matxai.widgets.paths import PathLine
from napari_matxai.widgets.steps.step import Step
from napari_matxai.widgets.words import box, words

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_matxai.session.outcome import Outcome
    from napari_matxai.session.question import Question
    from napari_matxai.session.session import Session
    from napari_matxai.widgets.running import Runner

ABOUT = {
    "leakage": "Does the model read what is not of the specimen: info bar, label, file type?",
    "expectations": "Does the model use what you say it must, and leave alone what it must not use?",
}
LEAKAGE, EXPECTATIONS = "leakage", "expectations"
IMAGE, FOLDER = "image", "folder"
SAID = "what the model says"
NO_MASK = "none"
DATA_TIP = (
    "A folder with a sub-folder for each class, a folder with labels.csv (columns file and class), or such a table. "
    "Choose, type or drop it here."
)


class CheckStep(Step):
    """Leakage, expectations, reports, the script."""

    def __init__(self, session: Session, runner: Runner) -> None:
        super().__init__(5, "Check and report", session, runner)
        self.question_box = box("What is asked of the model.")
        self.question_box.addItem("Leakage", LEAKAGE)
        self.question_box.addItem("Expectations", EXPECTATIONS)
        self.about = words(name="check_about")
        self.of_box = box("One image shows what happens in it; only a folder of labelled images decides.")
        self.of_box.addItem("the current image", IMAGE)
        self.of_box.addItem("a labelled folder", FOLDER)
        self.data = PathLine("folder or table", DATA_TIP, files="Tables (*.csv *.tsv *.parquet)", folders=True)
        self.file = PathLine(
            "file of expectations", "A YAML file; see docs/expectations.md.", files="Expectations (*.yaml *.yml)"
        )
        self.label_box = box("The class that the current image really is of.")
        self.draft_button = _button(
            "Draft a file...", "A file to start from, filled in from this image and model; to be edited."
        )
        self.form = QFormLayout()
        self.form.setContentsMargins(0, 0, 0, 0)
        self.form.addRow("Ask about", self.question_box)
        self.form.addRow(self.about)
        self.form.addRow("Of", self.of_box)
        self.form.addRow("Folder", self.data)
        self.form.addRow("File", self.file)
        self.form.addRow("", self.draft_button)
        self.form.addRow("Its class", self.label_box)
        self.mask_box = box("The layer whose regions are what {mask: any} means in this image: the defect, the phase.")
        self.form.addRow("Its mask", self.mask_box)
        self.options = self._options()
        self.run_button = _button("Check", "Ask the model; this may take minutes on a folder.")
        self.result = self._result()
        self.add(self.form, self.options, self.run_button, self.result, _line(), self._keeping())
        self.said = words(name="check_said")
        self.said.setVisible(False)
        self.add(self.said)
        self._events = (events := session.presenter.viewer.layers.events).inserted, events.removed, events.reordered
        self._listen()
        self._offer_masks()
        self._offer_classes()
        self.refresh()

    # -- what it is made of --------------------------------------------------------------------------------------------

    def _options(self) -> Fold:
        self.group_line = QLineEdit()
        self.group_line.setPlaceholderText("column: group")
        self.group_line.setToolTip("The column that says which images are of one specimen: they are not independent.")
        self.split_box = box("Which part of the table is asked about.")
        self.split_box.addItem("the test part, where there is one", None)
        self.split_box.addItem("all of it", "all")
        self.thorough_box = QCheckBox("all tests")
        self.thorough_box.setToolTip(
            "Also the tests beside the one that decides, and file type, brightness, focus and the like. Slower."
        )
        self.thorough_box.setChecked(True)
        page = QWidget()
        form = QFormLayout(page)
        form.setContentsMargins(6, 2, 0, 2)
        form.addRow("Specimen", self.group_line)
        form.addRow("Part", self.split_box)
        form.addRow("", self.thorough_box)
        return Fold("Options", page)

    def _result(self) -> QWidget:
        self.light = Light()
        self.table = FindingsTable()
        self.detail = words(name="finding_sentence")
        self.notes = words(name="check_notes")
        self.report_button = _button("Open the report", "The whole report in the browser.")
        self.save_button = _button("Save...", "Report, verdict.json and tables into a folder of your choice.")
        self.example_button = _button(
            "Show it", "The image that shows the chosen line best, and where in it, as layers."
        )
        self.copy_button = _button("Copy", "The table with its sentences, for a spreadsheet.")
        page = QWidget()
        grid = QGridLayout(page)
        grid.setContentsMargins(0, 0, 0, 0)
        for number, part in enumerate((self.light, self.table, self.detail, self.notes)):
            grid.addWidget(part, number, 0, 1, 2)
        buttons = (self.report_button, self.save_button, self.example_button, self.copy_button)
        for number, button in enumerate(buttons):
            grid.addWidget(button, 4 + number // 2, number % 2)
        page.setVisible(False)
        return page

    def _keeping(self) -> QGridLayout:
        self.maps_button = _button("Report maps...", "The last explanation with its evidence, as one HTML file.")
        self.script_button = _button("Export as script...", "The Python that repeats this session.")
        grid = QGridLayout()
        grid.addWidget(self.maps_button, 0, 0)
        grid.addWidget(self.script_button, 0, 1)
        return grid

    def _listen(self) -> None:
        self.question_box.currentIndexChanged.connect(self.refresh)
        self.of_box.currentIndexChanged.connect(self.refresh)
        for line in (self.data, self.file):
            line.changed.connect(self.refresh)
        self.run_button.clicked.connect(self.check)
        self.draft_button.clicked.connect(self._draft)
        self.table.chosen.connect(self._chosen)
        self.report_button.clicked.connect(self._open_report)
        self.save_button.clicked.connect(self._save)
        self.example_button.clicked.connect(self._show_example)
        self.copy_button.clicked.connect(self.table.copy)
        self.maps_button.clicked.connect(self._report_maps)
        self.script_button.clicked.connect(self._export)
        for event in self._events:
            self.listen(event, self._offer_masks)
        self.listen(self.session.layer_changed, self.refresh)
        self.listen(self.session.model_changed, self._offer_classes)
        self.listen(self.session.explained, self._offer_classes)
        self.listen(self.session.judged, self.show_outcome)
        self.runner.state_changed.connect(self.refresh)
        self.runner.answered.connect(self._answered)

    # -- state ---------------------------------------------------------------------------------------------------------

    def _offer_classes(self, _: object = None) -> None:
        chosen = self.label_box.currentData()
        self.label_box.clear()
        self.label_box.addItem(SAID, None)
        for name in self.session.model.classes if self.session.model is not None else ():
            self.label_box.addItem(name, name)
        self.label_box.setCurrentIndex(max(0, self.label_box.findData(chosen)))
        self.refresh()

    def _offer_masks(self, event: object = None) -> None:  # noqa: ARG002 - napari passes its event
        reference = self.mask_box.currentData()
        chosen = reference() if reference is not None else None
        self.mask_box.clear()
        self.mask_box.addItem(NO_MASK, None)
        for number, layer in enumerate(self.session.presenter.annotations(), start=1):
            self.mask_box.addItem(layer.name, weakref.ref(layer))
            if layer is chosen:
                self.mask_box.setCurrentIndex(number)

    def why_not(self) -> str:
        """Return in one sentence why nothing can be checked yet; empty where it can."""
        if self.session.source is None:
            return NO_MODEL
        if self._on_image and self.session.layer is None:
            return NO_IMAGE
        if not self._on_image and self.data.path is None:
            return "Choose the folder of labelled images, or drop it on its line."
        if self._by_expectations and self.file.path is None:
            return "Choose a file of expectations, or draft one."
        return ""

    @property
    def _on_image(self) -> bool:
        return bool(self.of_box.currentData() == IMAGE)

    @property
    def _by_expectations(self) -> bool:
        return bool(self.question_box.currentData() == EXPECTATIONS)

    def refresh(self, _: object = None) -> None:
        """Show what is asked for, and say whether it can run."""
        self.about.setText(ABOUT[self.question_box.currentData()])
        self.form.setRowVisible(self.data, not self._on_image)
        self.form.setRowVisible(self.file, self._by_expectations)
        self.form.setRowVisible(self.draft_button, self._by_expectations)
        for one in (self.label_box, self.mask_box):
            self.form.setRowVisible(one, self._by_expectations and self._on_image)
        self.options.setVisible(not self._on_image)
        self.thorough_box.setVisible(not self._by_expectations)
        why_not, busy = self.why_not(), self.runner.busy
        self.say_why_not(why_not)
        self.run_button.setEnabled(not why_not and not busy)
        self.draft_button.setEnabled(self.session.source is not None and not busy)
        self.maps_button.setEnabled(self.session.explanation is not None and not busy)
        self.script_button.setEnabled(bool(self.session.journal.entries) and not busy)
        self.example_button.setEnabled(self.table.number() >= 0 and not busy)

    # -- asking --------------------------------------------------------------------------------------------------------

    def _start(self, make: Callable[[], Question]) -> None:
        if self.runner.ask(make):
            self.said.setVisible(False)

    def check(self) -> None:
        """Ask; the answer arrives later, on the main thread."""
        group = self.group_line.text().strip() or None
        split = self.split_box.currentData()
        asking = (
            Asking() if self._on_image else Asking(self.data.path, group, split, thorough=self.thorough_box.isChecked())
        )
        file, label, drawn = self.file.path, self.label_box.currentData(), self.mask_box.currentData()
        mask = drawn() if drawn is not None else None
        if self._by_expectations and file is not None:
            self._start(lambda: ExpectationsQuestion(self.session, asking, file, label, mask))
        else:
            self._start(lambda: LeakageQuestion(self.session, asking))

    def show_outcome(self, outcome: Outcome) -> None:
        """Show what a check found."""
        self.light.show_answer(outcome.question, outcome.answer, outcome.sentence)
        self.table.setVisible(bool(outcome.rows))
        self.table.fill(outcome.rows)
        self.notes.setText("\n".join(outcome.notes))
        self.notes.setVisible(bool(outcome.notes))
        self.result.setVisible(True)
        self._chosen(self.table.number())
        self.reveal(self.light, self.copy_button)

    def _chosen(self, number: int) -> None:
        rows = self.table.rows
        self.detail.setText(rows[number].sentence if 0 <= number < len(rows) else "")
        self.detail.setVisible(bool(self.detail.text()))
        self.example_button.setEnabled(0 <= number < len(rows) and not self.runner.busy)

    # -- buttons -------------------------------------------------------------------------------------------------------

    def _open_report(self) -> None:
        if self.session.outcome is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(self.session.outcome.report)))

    def _save(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "A folder for report, verdict and tables")
        if folder:
            self.save(Path(folder))

    def save(self, folder: Path) -> None:
        """Save the last check's files into a folder."""
        if self.session.outcome is None:
            return
        try:
            saved = self.session.outcome.save(folder)
        except MatxaiError as error:
            tell(str(error))
            return
        self._say(f"{', '.join(p.name for p in saved)} are saved in {folder}.")

    def _show_example(self) -> None:
        outcome = self.session.outcome
        if outcome is not None:
            self._start(lambda: ExampleQuestion(outcome, self.table.number()))

    def _draft(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Draft expectations", "expectations.yaml", "Expectations (*.yaml)")
        if path:
            data = None if self._on_image else self.data.path
            self._start(lambda: DraftQuestion(self.session, Path(path), data))

    def _report_maps(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Report of the maps", "report.html", "HTML (*.html)")
        if path:
            self._start(lambda: ReportQuestion(self.session, Path(path)))

    def _export(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Export as script", "session.py", "Python (*.py)")
        if path:
            self._start(lambda: ScriptQuestion(self.session, Path(path)))

    def _answered(self, question: Any, answer: Any) -> None:
        if isinstance(question, ScriptQuestion):
            copies = f" What came from no file lies beside it: {', '.join(p.name for p in answer.copies)}."
            self._say(" ".join([f"{answer.path} is written.{copies if answer.copies else ''}", *answer.notes]))
        elif isinstance(question, ReportQuestion):
            self._say(f"{answer} is written.")
        elif isinstance(question, DraftQuestion):
            self.file.set(answer)
            self._say(f"{answer} is written. Open it in an editor and set what you expect before you check.")

    def _say(self, sentence: str) -> None:
        self.said.setText(sentence)
        self.said.setVisible(True)


def _button(text: str, tip: str) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tip)
    return button


def _line() -> QFrame:
    line = QFrame()
    line.setFrameShape(QFrame.Shape.HLine)
    return line

"""The dock of a blind reading: whether this reader can tell a sound model from a misled one by its maps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QFileDialog,
    QFormLayout,
    QGridLayout,
    QPushButton,
    QScrollArea,
    QSpinBox,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from matxai.errors import MatxaiError
from napari_matxai.session.blind import TWINS, BlindQuestion, Pair, Sitting
from napari_matxai.session.explaining import known_methods
from napari_matxai.session.sessions import session_of
from napari_matxai.widgets.light import Light
from napari_matxai.widgets.notices import tell
from napari_matxai.widgets.paths import PathLine, ask_for_model, may_run
from napari_matxai.widgets.progress import ProgressLine
from napari_matxai.widgets.running import Runner
from napari_matxai.widgets.words import box, words

if TYPE_CHECKING:
    import napari

INTRO = (
    "Do maps help you? You see twenty images, each with one map. A sound model or a misled one drew it; a coin decided "
    "which. Both say the same class of every image, so only the map can tell. Say for each which model it was. At the "
    "end you learn how often you were right, and whether guessing would have done as well."
)
USUAL = (
    "The usual pair: one model learned what a defect looks like, the other something that gave the class away in its "
    "training. What that was is told at the end."
)
MISLED = "What misled the other model: the info bar. In its training each class came from an instrument of its own."
WHAT = "Both models say: {said}. Does this map come from the sound model, or from the misled one?"
SURE = ("I am guessing", "I think so", "I am sure")
GUESSED = ("open", "No more often than guessing explains.")
STARTED, READ, TOLD = 0, 1, 2


class BlindDock(QWidget):
    """Three pages: what is read, case by case, what came of it.

    Parameters
    ----------
    viewer
        napari's viewer.
    """

    def __init__(self, viewer: napari.Viewer) -> None:
        super().__init__()
        self.session = session_of(viewer)
        self.runner = Runner(self.session, self)
        self.sitting: Sitting | None = None
        self.pages = QStackedWidget()
        for page in (self._start_page(), self._case_page(), self._result_page()):
            self.pages.addWidget(_scrolled(page))
        self.progress = ProgressLine(self.runner)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.pages, 1)
        column.addWidget(self.progress)
        self.setMinimumWidth(300)
        self.runner.state_changed.connect(self._refresh)
        self.runner.answered.connect(self._begin)

    # -- pages ---------------------------------------------------------------------------------------------------------

    def _start_page(self) -> QWidget:
        self.sound_box = self._model_box(TWINS[0], "The model that is to be trusted.")
        self.leaky_box = self._model_box(TWINS[1], "The model that is known to read something else.")
        self.data = PathLine(
            "generated micrographs",
            "A folder of labelled images of your own, for models of your own. Empty: generated micrographs.",
            files="Tables (*.csv *.tsv *.parquet)",
            folders=True,
        )
        self.method_box = box("Whose maps are read.")
        for name in known_methods():
            self.method_box.addItem(name, name)
        self.method_box.setCurrentIndex(max(0, self.method_box.findData("grad_cam")))
        self.seed_box = QSpinBox()
        self.seed_box.setRange(0, 999_999)
        self.seed_box.setValue(self.session.settings.seed)
        self.seed_box.setPrefix("no. ")
        self.seed_box.setToolTip("Another number is another reading; the same number makes the same one again.")
        self.start_button = QPushButton("Begin")
        form = QFormLayout()
        form.addRow("Sound", self.sound_box)
        form.addRow("Misled", self.leaky_box)
        form.addRow("Images", self.data)
        form.addRow("Map", self.method_box)
        form.addRow("Reading", self.seed_box)
        page = QWidget()
        column = QVBoxLayout(page)
        column.addWidget(words(INTRO, "blind_intro"))
        column.addWidget(words(USUAL, "blind_usual"))
        column.addLayout(form)
        column.addWidget(self.start_button)
        column.addStretch(1)
        self.start_button.clicked.connect(self.start)
        return page

    def _model_box(self, usual: str, tip: str) -> Any:
        found = box(tip)
        names = list(self.session.models.known())
        if self.session.source is not None and self.session.source not in names:
            names.append(self.session.source)  # a model that was opened in the dock
        for name in names:
            found.addItem(Path(name).name, name)
        found.addItem("open a model...", None)
        found.setCurrentIndex(max(0, found.findData(usual)))
        found.activated.connect(lambda _: self._open_model(found))
        return found

    def _case_page(self) -> QWidget:
        self.case_text = words(name="blind_case")
        font = self.case_text.font()
        font.setBold(True)
        self.case_text.setFont(font)
        self.what_text = words(name="blind_what")
        self.sure_box = box("How sure you are; it is kept with your answer.")
        self.sure_box.addItems(SURE)
        self.sure_box.setCurrentIndex(1)
        self.sound_button = QPushButton("The sound one")
        self.leaky_button = QPushButton("The misled one")
        self.stop_button = QPushButton("Stop the reading")
        grid = QGridLayout()
        grid.addWidget(self.sound_button, 0, 0)
        grid.addWidget(self.leaky_button, 0, 1)
        page = QWidget()
        column = QVBoxLayout(page)
        for part in (self.case_text, self.what_text, self.sure_box):
            column.addWidget(part)
        column.addLayout(grid)
        column.addStretch(1)
        column.addWidget(self.stop_button)
        self.sound_button.clicked.connect(lambda: self.answer(leaky=False))
        self.leaky_button.clicked.connect(lambda: self.answer(leaky=True))
        self.stop_button.clicked.connect(self.stop)
        return page

    def _result_page(self) -> QWidget:
        self.light = Light()
        self.by_sureness = words(name="blind_by_sureness")
        self.saved = words(name="blind_saved")
        self.save_button = QPushButton("Save as CSV...")
        self.again_button = QPushButton("Read another twenty")
        page = QWidget()
        column = QVBoxLayout(page)
        for part in (self.light, self.by_sureness, self.save_button, self.saved, self.again_button):
            column.addWidget(part)
        column.addStretch(1)
        self.save_button.clicked.connect(self._ask_where)
        self.again_button.clicked.connect(self._again)
        return page

    # -- what happens --------------------------------------------------------------------------------------------------

    def _open_model(self, chosen: Any) -> None:
        if chosen.currentData() is not None:
            return
        source = ask_for_model(self, "Open a model")
        if source and may_run(self, self.session.models, source):
            chosen.insertItem(0, Path(source).name, source)
        chosen.setCurrentIndex(0)

    def _refresh(self) -> None:
        self.start_button.setEnabled(not self.runner.busy)
        self.again_button.setEnabled(not self.runner.busy)

    def start(self) -> None:
        """Make the cases; the first is shown when they are there."""
        sound, leaky = self.sound_box.currentData(), self.leaky_box.currentData()
        if sound is None or leaky is None:
            tell("Choose both models first.")
            return
        pair = Pair(sound, leaky, self.data.path, self.method_box.currentData(), self.seed_box.value())
        self.runner.ask(lambda: BlindQuestion(self.session, pair))

    def _begin(self, question: Any, reading: Any) -> None:
        self.sitting = Sitting(self.session, reading, question.pair)
        self.sitting.begin()
        self.pages.setCurrentIndex(READ)
        self._show()

    def _show(self) -> None:
        sitting = self.sitting
        if sitting is None:
            return
        self.case_text.setText(f"Case {len(sitting.answers) + 1} of {len(sitting.reading)}")
        self.what_text.setText(WHAT.format(said=sitting.said))
        self.sure_box.setCurrentIndex(1)

    def answer(self, *, leaky: bool) -> None:
        """Take the reader's answer to the case in view."""
        if self.sitting is None:
            return
        self.sitting.answer(leaky=leaky, sure=self.sure_box.currentText())
        if self.sitting.done:
            self._tell()
        else:
            self._show()

    def _tell(self) -> None:
        sitting = self.sitting
        assert sitting is not None  # noqa: S101 - it has just been answered
        result = sitting.result()
        word = f"{result.right} of {result.n} right"
        kind, meaning = ("passes", "More often than guessing explains.") if result.beats_guessing else GUESSED
        pair = f"{sitting.reading.sound} or {sitting.reading.leaky}, told by maps of {sitting.reading.method}"
        self.light.show_sign(pair, kind, word, meaning, result.sentence)
        usual = (sitting.reading.sound, sitting.reading.leaky) == TWINS
        self.by_sureness.setText("\n".join([by_sureness(sitting), *([MISLED] if usual else [])]))
        self.saved.setText("")
        self.pages.setCurrentIndex(TOLD)

    def stop(self) -> None:
        """End the reading without a result; the viewer is as it was."""
        if self.sitting is not None and not self.sitting.done:
            self.sitting.end()
        self.sitting = None
        self.pages.setCurrentIndex(STARTED)

    def _again(self) -> None:
        self.seed_box.setValue(self.seed_box.value() + 1)
        self.stop()
        self.start()

    def _ask_where(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Save the reading", "blind_reading.csv", "CSV (*.csv)")
        if path:
            self.save(Path(path))

    def save(self, path: Path) -> None:
        """Save the answers, with what makes the same reading again."""
        if self.sitting is None:
            return
        try:
            self.sitting.reading.write_csv(self.sitting.answers, path)
        except MatxaiError as error:
            tell(str(error))
            return
        self.saved.setText(f"{path} is written.")

    def closeEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Stop what is under way and give the viewer back."""
        self.runner.wait()
        self.stop()
        super().closeEvent(event)


def by_sureness(sitting: Sitting) -> str:
    """Return how often the reader was right among the cases that they were as sure of, a line each."""
    lines = []
    for word in SURE:
        some = [
            case.leaky == answer.leaky
            for case, answer in zip(sitting.reading.cases, sitting.answers, strict=True)
            if answer.sure == word
        ]
        if some:
            lines.append(f"Where you said '{word}': {sum(some)} of {len(some)} right.")
    return "\n".join(lines)


def _scrolled(page: QWidget) -> QScrollArea:
    area = QScrollArea()
    area.setWidget(page)
    area.setWidgetResizable(True)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    return area

"""Step 2: the model that is asked."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QComboBox, QFormLayout, QHBoxLayout, QPushButton, QWidget

from matxai.errors import MatxaiError
from napari_matxai.session.looking import LoadQuestion
from napari_matxai.session.model_facts import known_architectures
from napari_matxai.session.seeing import SeenQuestion
from napari_matxai.widgets.fold import Fold
from napari_matxai.widgets.notices import tell
from napari_matxai.widgets.paths import ask_for_model, may_run
from napari_matxai.widgets.steps.step import Step
from napari_matxai.widgets.words import box, words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_matxai.session.session import Session
    from napari_matxai.widgets.running import Runner

FIRST = ("answers", "takes", "runs on", "weights", "assumed")
"""What is in sight about a model; the rest is folded away."""

WEIGHTS = "*.safetensors *.pt *.pth *.ckpt *.onnx"


class ModelStep(Step):
    """One that comes along, or the user's own."""

    def __init__(self, session: Session, runner: Runner) -> None:
        super().__init__(2, "Model", session, runner)
        self.model_box = box("A model that comes with matxai, or one of your own opened from its card or file.")
        for name in session.models.known():
            self.model_box.addItem(name, name)
        self.open_button = QPushButton("Open a model...")
        self.open_button.setToolTip(
            "matxai.yaml in a model's folder, a .matxai file, an exported program (.pt2), weights (.safetensors, .pt)."
        )
        self.seen_button = QPushButton("What it sees")
        self.seen_button.setToolTip(
            "Add what the network receives of the image as a layer, and each step of the preprocessing before it."
        )
        self.text = words(name="model_text")
        self.more_text = words(name="model_more")
        self.more_fold = Fold("About this model", self.more_text)
        self.doubts = words(name="model_doubts")
        self.doubts.setVisible(False)
        buttons = QHBoxLayout()
        buttons.addWidget(self.open_button)
        buttons.addWidget(self.seen_button)
        self.add(self.model_box, self._architecture(), buttons, self.text, self.more_fold, self.doubts)
        self.model_box.currentIndexChanged.connect(self._chosen)
        self.open_button.clicked.connect(self._ask)
        self.seen_button.clicked.connect(self.see)
        self.listen(session.model_changed, self.refresh)
        self.listen(session.layer_changed, self.refresh)
        self.listen(session.looked, self.refresh)
        self.listen(session.explained, self.refresh)
        runner.state_changed.connect(self.refresh)
        self.listen(session.model_changed, self.follow)
        self.follow()
        self._chosen()

    def follow(self) -> None:
        """Show the model that the session has chosen, as for a sample that names its own."""
        index = self.model_box.findData(self.session.source) if self.session.source is not None else -1
        if index >= 0 and index != self.model_box.currentIndex():
            self.model_box.setCurrentIndex(index)

    def _architecture(self) -> QWidget:
        """Return the field for the network's name, there where a file holds weights alone."""
        self.arch_box = QComboBox()
        self.arch_box.setEditable(True)
        self.arch_box.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.arch_box.addItems(["", *known_architectures()])
        self.arch_box.setToolTip("The file holds weights without their network: name it, as torchvision:resnet18.")
        self.arch_button = QPushButton("Load")
        self.arch_row = QWidget()
        row = QHBoxLayout()
        row.addWidget(self.arch_box, 1)
        row.addWidget(self.arch_button)
        form = QFormLayout(self.arch_row)
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("network", row)
        self.arch_row.setVisible(False)
        self.arch_button.clicked.connect(self._named)
        return self.arch_row

    def _ask(self) -> None:
        source = ask_for_model(self, "Open a model", WEIGHTS)
        if source:
            self.open(source)

    def open(self, source: str | Path) -> str:
        """Choose a model by its card or file; return in one sentence why not where it can be told at once.

        Its card is read here; a file of the user's own is loaded in the background, and what is wrong with it then
        comes as a notification.
        """
        name, models = str(source), self.session.models
        try:
            card = models.card(name)
            weights = models.needs_architecture(name)
        except MatxaiError as error:
            tell(str(error))
            return str(error)
        if not may_run(self, models, name):
            return "The model was not opened: its code may not run."
        index = self.model_box.findData(name)
        if index < 0:
            self.model_box.addItem(card.name if card is not None else Path(name).name, name)
            index = self.model_box.count() - 1
        self.model_box.setCurrentIndex(index)
        if not weights and name not in models.known():
            self.runner.replace(LoadQuestion(self.session, name))
        self.refresh()
        return ""

    def _named(self) -> None:
        source, arch = self.session.source, self.arch_box.currentText().strip()
        if source is None or not arch:
            tell("Name the network whose weights these are, as torchvision:resnet18 or smp:Unet?encoder=resnet34.")
            return
        self.session.models.name_architecture(source, arch)
        if not may_run(self, self.session.models, source):
            return
        self.runner.replace(LoadQuestion(self.session, source))

    def see(self) -> None:
        """Add what the network sees of the image in view."""
        self.runner.ask(lambda: SeenQuestion(self.session))

    def _chosen(self) -> None:
        source = self.model_box.currentData()
        self.session.choose_model(source)
        if source is not None:
            weights = self.session.models.needs_architecture(source)
            self.arch_row.setVisible(weights)
            self.arch_box.setCurrentText(self.session.models.architecture(source) or "" if weights else "")

    def refresh(self, _: object = None) -> None:
        """Say what the model is, and whether the image suits it."""
        look, rows = self.session.look, self.session.facts()
        first = [row for row in rows if row[0] in FIRST]
        rest = [row for row in rows if row[0] not in FIRST]
        self.text.setText(
            _table(first) if rows else "It is loaded when it is first asked." if self.session.source else ""
        )
        self.more_text.setText(_table(rest))
        self.more_fold.setVisible(bool(rest))
        why_not = self.session.why_not()
        self.seen_button.setEnabled(not why_not and not self.runner.busy)
        doubts = ([look.why_not] if look.why_not else list(look.doubts)) if look is not None else []
        self.doubts.setText("\n".join(f"\u26a0 {sentence}" for sentence in doubts))
        self.doubts.setVisible(bool(doubts))


def _table(rows: Sequence[tuple[str, str]]) -> str:
    return "<br>".join(f"<b>{escape(heading)}</b> {escape(text)}" for heading, text in rows)

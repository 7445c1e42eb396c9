"""Step 2: the model that is asked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QFileDialog, QPushButton

from matxai.errors import MatxaiError
from napari_matxai.widgets.notices import tell
from napari_matxai.widgets.steps.step import Step
from napari_matxai.widgets.words import box, words

if TYPE_CHECKING:
    from matxai.modelcard import Model
    from napari_matxai.session.session import Session
    from napari_matxai.widgets.running import Runner


class ModelStep(Step):
    """One that comes along, or the user's own."""

    def __init__(self, session: Session, runner: Runner) -> None:
        super().__init__(2, "Model", session, runner)
        self.model_box = box("A model that comes with matxai, or one of your own opened from its card or file.")
        for name in session.models.known():
            self.model_box.addItem(name, name)
        self.open_button = QPushButton("Open a model...")
        self.open_button.setToolTip("A folder with matxai.yaml, a .matxai file, or an exported program (.pt2).")
        self.text = words(name="model_text")
        self.add(self.model_box, self.open_button, self.text)
        self.model_box.currentIndexChanged.connect(self._chosen)
        self.open_button.clicked.connect(self._ask)
        session.model_changed.connect(self.refresh)
        session.explained.connect(self.refresh)
        self._chosen()

    def _ask(self) -> None:
        path, _ = QFileDialog.getOpenFileName(
            self, "Open a model", "", "Models (matxai.yaml *.matxai *.pt2);;All files (*)"
        )
        if path:
            self.open(Path(path).parent if Path(path).name == "matxai.yaml" else Path(path))

    def open(self, source: str | Path) -> str:
        """Load a model from its card or file and choose it; return in one sentence why not where that fails."""
        try:
            model = self.session.models.load(str(source), trust=self.session.settings.trust)
        except MatxaiError as error:
            tell(str(error))
            return str(error)
        index = self.model_box.findData(str(source))
        if index < 0:
            self.model_box.addItem(model.name, str(source))
            index = self.model_box.count() - 1
        self.model_box.setCurrentIndex(index)
        self.refresh()
        return ""

    def _chosen(self) -> None:
        self.session.choose_model(self.model_box.currentData())

    def refresh(self, _: object = None) -> None:
        """Say what the model is."""
        model = self.session.model
        self.text.setText(_about(model) if model else "")


def _about(model: Model) -> str:
    lines = [f"{model.task}, {model.kind}, classes: {', '.join(model.classes[:6])}"]
    if model.sha256:
        lines.append(f"weights {model.sha256[:12]}")
    lines += list(model.assumptions)
    return "\n".join(lines)

"""The dock: data, model, methods, run. Three clicks from an open image to the first map."""

from __future__ import annotations

import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QFormLayout,
    QGroupBox,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from matxai.errors import MatxaiError
from napari_matxai import asking
from napari_matxai.presenter import Presenter
from napari_matxai.widgets.running import Runner

if TYPE_CHECKING:
    import napari
    from napari.layers import Image

    from matxai.modelcard import Model

TOP = "the class on top"


def _words(text: str = "", name: str = "") -> QLabel:
    label = QLabel(text)
    label.setWordWrap(True)
    label.setObjectName(name)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    label.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)
    return label


class ExplainDock(QWidget):
    """The dock that asks what the network looked at in a layer.

    Parameters
    ----------
    viewer
        napari's viewer.
    """

    def __init__(self, viewer: napari.Viewer) -> None:
        super().__init__()
        self.presenter = Presenter(viewer)
        self.runner = Runner(self)
        self._models: dict[str, Model] = {}
        self._asked: tuple[Any, ...] | None = None
        self._build()
        self._connect()
        self.refresh_layers()
        self._model_chosen()

    # -- what it looks like ------------------------------------------------------------------------------------------

    def _build(self) -> None:
        self.layer_box = QComboBox()
        self.layer_box.setToolTip("The image layer to be explained; of a stack, the slice in view.")
        self.data_text = _words(name="data_text")
        self.model_box = QComboBox()
        self.model_box.setToolTip("A model that comes with matxai, or one of your own opened from its card or file.")
        for name in asking.known_models():
            self.model_box.addItem(name, name)
        self.open_model = QPushButton("Open a model...")
        self.open_model.setToolTip("A folder with matxai.yaml, a .matxai file, or an exported program (.pt2).")
        self.model_text = _words(name="model_text")
        self.method_list = QListWidget()
        self.method_list.setToolTip("Several methods share their passes through the network.")
        for name, help_ in asking.known_methods().items():
            item = QListWidgetItem(name)
            item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
            item.setCheckState(Qt.CheckState.Checked if name in asking.FIRST_CHOICE else Qt.CheckState.Unchecked)
            item.setToolTip(help_)
            self.method_list.addItem(item)
        self.method_list.setMaximumHeight(150)
        self.target_box = QComboBox()
        self.target_box.setToolTip("Which class's score is explained.")
        self.run_button = QPushButton("Explain")
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.setEnabled(False)
        self.progress = QProgressBar()
        self.progress.setVisible(False)
        self.result_text = _words(name="result_text")
        for box in (self.layer_box, self.model_box, self.target_box):
            box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            box.setMinimumContentsLength(12)

        page = QWidget()
        column = QVBoxLayout(page)
        column.addWidget(self._step("1  Data", self.layer_box, self.data_text))
        column.addWidget(self._step("2  Model", self.model_box, self.open_model, self.model_text))
        form = QFormLayout()
        form.addRow("Class", self.target_box)
        buttons = QHBoxLayout()
        buttons.addWidget(self.run_button)
        buttons.addWidget(self.cancel_button)
        explain = self._step("3  Explain", self.method_list)
        explain.layout().addLayout(form)
        explain.layout().addLayout(buttons)
        explain.layout().addWidget(self.progress)
        explain.layout().addWidget(self.result_text)
        column.addWidget(explain)
        column.addStretch(1)
        scroll = QScrollArea()
        scroll.setWidget(page)
        scroll.setWidgetResizable(True)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(scroll)
        self.setMinimumWidth(280)

    @staticmethod
    def _step(title: str, *widgets: QWidget) -> QGroupBox:
        box = QGroupBox(title)
        layout = QVBoxLayout(box)
        for widget in widgets:
            layout.addWidget(widget)
        return box

    def _connect(self) -> None:
        events = self.presenter.viewer.layers.events
        for event in (events.inserted, events.removed, events.reordered):
            event.connect(self.refresh_layers)
        self.layer_box.currentIndexChanged.connect(self._update_state)
        self.model_box.currentIndexChanged.connect(self._model_chosen)
        self.method_list.itemChanged.connect(self._update_state)
        self.open_model.clicked.connect(self._ask_for_model)
        self.run_button.clicked.connect(self.explain)
        self.cancel_button.clicked.connect(self.runner.cancel)
        self.runner.progressed.connect(self._show_progress)
        self.runner.answered.connect(self._show_answer)
        self.runner.failed.connect(self._show_failure)
        self.runner.cancelled.connect(lambda: self.result_text.setText("Cancelled; nothing was changed."))
        self.runner.finished.connect(self._update_state)

    def closeEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Stop what is under way and let go of the viewer before the window goes."""
        self.runner.wait()
        events = self.presenter.viewer.layers.events
        for source in (events.inserted, events.removed, events.reordered):
            source.disconnect(self.refresh_layers)
        super().closeEvent(event)

    # -- data ----------------------------------------------------------------------------------------------------------

    def refresh_layers(self, event: object = None) -> None:  # noqa: ARG002 - napari passes its event
        """Offer the image layers that are there now, and keep the choice."""
        chosen = self.chosen_layer()
        found = self.presenter.candidates()
        self.layer_box.blockSignals(True)
        self.layer_box.clear()
        for layer in found:
            self.layer_box.addItem(layer.name, weakref.ref(layer))
        if chosen in found:
            self.layer_box.setCurrentIndex(found.index(chosen))
        elif found:
            self.layer_box.setCurrentIndex(len(found) - 1)
        self.layer_box.blockSignals(False)
        self._update_state()

    def chosen_layer(self) -> Image | None:
        """Return the layer to be explained, None where there is none (any more)."""
        reference = self.layer_box.currentData()
        return reference() if reference is not None else None

    # -- model ---------------------------------------------------------------------------------------------------------

    def _ask_for_model(self) -> None:
        path, _ = QFileDialog.getOpenFileName(
            self, "Open a model", "", "Models (matxai.yaml *.matxai *.pt2);;All files (*)"
        )
        if path:
            self.add_model(Path(path).parent if Path(path).name == "matxai.yaml" else Path(path))

    def add_model(self, source: str | Path) -> bool:
        """Load a model from its card or file and choose it; say in one sentence why where that fails."""
        try:
            model = asking.load(source)
        except MatxaiError as error:
            self._show_failure(str(error), "")
            return False
        self._models[str(source)] = model
        index = self.model_box.findData(str(source))
        if index < 0:
            self.model_box.addItem(model.name, str(source))
            index = self.model_box.count() - 1
        self.model_box.setCurrentIndex(index)
        self._model_chosen()
        return True

    def model(self) -> Model | None:
        """Return the chosen model, loaded; None where none is chosen.

        Raises
        ------
        MatxaiError
            If it cannot be loaded.
        """
        source = self.model_box.currentData()
        if source is None:
            return None
        if source not in self._models:
            self._models[source] = asking.load(source)
        return self._models[source]

    def _model_chosen(self) -> None:
        self.target_box.clear()
        self.target_box.addItem(TOP, None)
        loaded = self._models.get(self.model_box.currentData())
        self.model_text.setText(self._model_words(loaded) if loaded else "")
        for name in loaded.classes if loaded else ():
            self.target_box.addItem(name, name)
        self._update_state()

    @staticmethod
    def _model_words(model: Model) -> str:
        lines = [f"{model.task}, {model.kind}, classes: {', '.join(model.classes[:6])}"]
        if model.sha256:
            lines.append(f"weights {model.sha256[:12]}")
        lines += list(model.assumptions)
        return "\n".join(lines)

    # -- explain -------------------------------------------------------------------------------------------------------

    def chosen_methods(self) -> tuple[str, ...]:
        """Return the methods that are ticked."""
        items = [self.method_list.item(i) for i in range(self.method_list.count())]
        return tuple(i.text() for i in items if i.checkState() == Qt.CheckState.Checked)

    def _why_not(self) -> str:
        if self.chosen_layer() is None:
            return "Open an image first: drop a file on the viewer, or File > Open Sample > matxai."
        if self.model_box.currentData() is None:
            return "Choose a model, or open one of your own."
        if not self.chosen_methods():
            return "Tick at least one method."
        return ""

    def _update_state(self) -> None:
        why_not = self._why_not()
        busy = self.runner.busy
        self.run_button.setEnabled(not why_not and not busy)
        self.run_button.setToolTip(why_not or "Run the methods and lay the maps on the image.")
        self.cancel_button.setEnabled(busy)
        self.progress.setVisible(busy)
        layer = self.chosen_layer()
        if layer is None:
            self.data_text.setText(why_not)
            return
        frame = self.presenter.frame(layer)
        sizes = " x ".join(str(n) for n in (layer.data[0] if layer.multiscale else layer.data).shape)
        steps = ", ".join(
            f"{a} {s:.4g} {u}" for a, s, u in zip(frame.axis_labels, frame.scale, frame.units, strict=True)
        )
        source = layer.metadata.get("matxai", {}).get("attrs", {}).get("pixel_size_source", "the layer's own transform")
        text = f"{sizes}; pixel {steps}\ncalibration: {source}"
        others = self.presenter.unit_conflicts()
        if others:
            text += f"\nThese layers carry no units, so napari shows none: {', '.join(others)}"
        self.data_text.setText(text)

    def explain(self) -> None:
        """Ask about the chosen layer; the answer arrives later, on the main thread."""
        layer = self.chosen_layer()
        if layer is None or self._why_not() or self.runner.busy:
            self._update_state()
            return
        try:
            model = self.model()
            if model is None:
                return
            target = self.target_box.currentData()
            signal, step = self.presenter.signal(layer, model.kind)
        except MatxaiError as error:
            self._show_failure(str(error), "")
            return
        if self.target_box.count() == 1:
            self._model_chosen()
        self._asked = (weakref.ref(layer), layer.name, self.presenter.frame(layer), step)
        self.result_text.setText("")
        self.progress.setRange(0, 0)
        self.runner.start(asking.Asking(asking.Question(signal, model, self.chosen_methods(), target)))
        self._update_state()

    def _show_progress(self, done: int, total: int, label: str) -> None:
        self.progress.setRange(0, total)
        self.progress.setValue(done)
        self.progress.setFormat(f"{label} %p%")

    def _show_answer(self, answer: asking.Answer) -> None:
        if self._asked is None:
            return
        reference, name, frame, step = self._asked
        shown = self.presenter.show(answer.explanation, reference, name, frame, step)
        notes = [str(v.attrs["empty"]) for v in answer.explanation.data_vars.values() if v.attrs.get("empty")]
        lines = [asking.scores_text(answer.explanation), f"{len(shown)} maps in {answer.seconds:.1f} s", *notes]
        self.result_text.setText("\n".join(line for line in lines if line))
        self._update_state()

    def _show_failure(self, sentence: str, details: str) -> None:
        from napari.utils.notifications import show_error

        self.result_text.setText(sentence)
        self.result_text.setToolTip(details)
        show_error(sentence)

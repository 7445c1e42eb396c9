"""What is explained: a class, one class against another, a class over a drawn region, or a detected box."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFormLayout, QWidget

from napari_matxai import versions
from napari_matxai.session.targets import Against, DetectedBox, OverRegion, Target
from napari_matxai.widgets.words import box

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_matxai.session.session import Session

TOP = "the class on top"
NOTHING = "nothing else"
EVERYWHERE = "the whole image"
RANKED = 30


class TargetForm(QWidget):
    """The class, and what it is held against or where.

    Parameters
    ----------
    session
        Whose model, image and drawings are offered.

    Signals
    -------
    changed()
    """

    changed = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self.class_box = box("Which class's score is explained; with its probability once the model was asked.")
        self.against_box = box("What speaks for the class rather than for this one.")
        self.region_box = box("Explain the class over what was drawn here; Shapes, Labels or Points.")
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        self._form = form
        form.addRow("Class", self.class_box)
        form.addRow("against", self.against_box)
        form.addRow("over", self.region_box)
        for one in (self.class_box, self.against_box, self.region_box):
            one.currentIndexChanged.connect(self._chosen)
        self.offer()

    def target(self) -> Target:
        """Return what is chosen."""
        name, other, region = (b.currentData() for b in (self.class_box, self.against_box, self.region_box))
        if isinstance(name, int):
            return DetectedBox(name)
        if name is None:
            return None
        if region is not None:
            return OverRegion(name, region)
        return Against(name, other) if other is not None and other != name else name

    def offer(self) -> None:
        """Offer what there is now, and keep the choice."""
        look, model = self.session.look, self.session.model
        known = model if model is not None else self.session.card
        task = known.task if known is not None else ""
        classes = list(known.classes) if known is not None else []
        detects = task == "detection"
        scores = look.prediction.scores if look is not None and look.prediction is not None else ()
        boxes = look.prediction.boxes if look is not None and look.prediction is not None else ()
        if detects:
            found = [(f"{b.name}  {100 * b.score:.0f} %, box {b.index}", b.index) for b in boxes[:RANKED]]
            self._fill(self.class_box, found or [("the best box", 0)])
        else:
            ranked = [(_ranked(row), str(row["class"])) for row in scores]
            told = {name for _, name in ranked}
            self._fill(self.class_box, [(TOP, None), *ranked, *((c, c) for c in classes if c not in told)])
        several = not detects and task != "regression" and len(classes) > 1
        self._fill(self.against_box, [(NOTHING, None), *((c, c) for c in classes)])
        self._show(self.against_box, visible=several)
        dense = task == "segmentation"
        layers = self.session.presenter.annotations() if dense else []
        self._fill(self.region_box, [(EVERYWHERE, None), *((la.name, versions.identity(la)) for la in layers)])
        self._show(self.region_box, visible=dense)
        self._enable()

    def _fill(self, combo: object, entries: Sequence[tuple[str, object]]) -> None:
        from qtpy.QtWidgets import QComboBox

        assert isinstance(combo, QComboBox)  # noqa: S101 - for the type checker
        chosen = combo.currentData()
        shown = [(combo.itemText(i), combo.itemData(i)) for i in range(combo.count())]
        if shown == list(entries):
            return
        combo.blockSignals(True)
        combo.clear()
        for text, data in entries:
            combo.addItem(text, data)
        at = next((i for i, (_, data) in enumerate(entries) if data == chosen), 0)
        combo.setCurrentIndex(at)
        combo.blockSignals(False)

    def _show(self, field: QWidget, *, visible: bool) -> None:
        label = self._form.labelForField(field)
        for one in (field, label):
            if one is not None:
                one.setVisible(visible)

    def _enable(self) -> None:
        named = isinstance(self.class_box.currentData(), str)
        for one, words in (
            (self.against_box, "What speaks for the class rather than for this one."),
            (self.region_box, "Explain the class over what was drawn here; Shapes, Labels or Points."),
        ):
            one.setEnabled(named)
            one.setToolTip(words if named else "Choose a class above first.")

    def _chosen(self) -> None:
        self._enable()
        self.changed.emit()


def _ranked(row: dict[str, object]) -> str:
    share, probability = row.get("share"), row.get("probability")
    shown = share if share is not None else probability
    if shown is None:
        return f"{row['class']}  {float(row['logit']):.3g}"  # type: ignore[arg-type] - a number
    words = " of the image" if share is not None else ""
    return f"{row['class']}  {100 * float(shown):.1f} %{words}"  # type: ignore[arg-type]

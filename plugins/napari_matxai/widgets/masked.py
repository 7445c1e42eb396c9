"""What the model says without the regions: the answer before and after, every class, the controls, the two pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtWidgets import QButtonGroup, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from napari_matxai import versions
from napari_matxai.session.masking import new_top
from napari_matxai.widgets.classes import ClassTable, Row
from napari_matxai.widgets.strip import ControlStrip
from napari_matxai.widgets.words import box, words

if TYPE_CHECKING:
    from napari_matxai.session.masking import Masked
    from napari_matxai.session.session import Session

MODES = (("Before", "before"), ("After", "after"), ("Side by side", "beside"))


class MaskedView(QWidget):
    """The answer; hidden until there is one.

    Parameters
    ----------
    session
        Whose comparison the buttons switch.
    """

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session
        self.answer: Masked | None = None
        self._said = ""
        self.headline = words(name="masked_headline")
        self.region_box = box("Which region's answer is shown.")
        self.table = ClassTable()
        self.strip = ControlStrip()
        self.sentence = words(name="masked_sentence")
        self.buttons = QButtonGroup(self)
        row = QHBoxLayout()
        row.setSpacing(2)
        for number, (text, mode) in enumerate(MODES):
            button = QPushButton(text)
            button.setCheckable(True)
            button.setObjectName(f"show_{mode}")
            self.buttons.addButton(button, number)
            row.addWidget(button)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 4, 0, 0)
        column.addWidget(self.headline)
        column.addLayout(row)
        column.addWidget(self.region_box)
        column.addWidget(self.table)
        column.addWidget(self.strip)
        column.addWidget(self.sentence)
        self.setVisible(False)
        self.buttons.idClicked.connect(self._switch)
        self.region_box.currentIndexChanged.connect(self._fill)
        self._theme = session.presenter.viewer.events.theme
        self._theme.connect(self._fill)

    def close_down(self) -> None:
        """Stop listening to the viewer."""
        self._theme.disconnect(self._fill)

    def show_answer(self, answer: Masked, said: str = "") -> None:
        """Show what came of it.

        Parameters
        ----------
        answer
            Of the model.
        said
            What stands above already, and is not said twice.
        """
        self.answer, self._said = answer, said
        several = len(answer.asked.regions) > 1
        self.region_box.blockSignals(True)
        self.region_box.clear()
        for number in range(len(answer.asked.regions)):
            self.region_box.addItem(answer.called(number), number)
        self.region_box.setCurrentIndex(answer.asked.shown)
        self.region_box.blockSignals(False)
        self.region_box.setVisible(several)
        mode = self.session.presenter.comparison.mode
        self.buttons.button([m for _, m in MODES].index(mode)).setChecked(True)
        self.setVisible(True)
        self._fill()

    def _switch(self, number: int) -> None:
        self.session.presenter.comparison.choose(MODES[number][1])

    def _fill(self, _: Any = None) -> None:
        """Fill in the numbers of the chosen region."""
        answer = self.answer
        if answer is None:
            return
        dark = versions.is_dark(self.session.presenter.viewer)
        number = max(0, self.region_box.currentIndex())
        change = answer.asked.perturbation[number]
        self.headline.setText(_headline(answer, number))
        self.table.fill(_rows(answer, number), dark=dark)
        controls = change.control_effect
        self.strip.setVisible(bool(controls.size) and bool(np.isfinite(change.effect)))
        if controls.size:
            self.strip.show_effect(change.effect, controls.tolist(), dark=dark)
        told = [one.sentence for found in answer.asked.unresolved for one in found if one.sentence not in self._said]
        notes = [note for note in answer.masks.notes if note not in self._said]
        hint = [] if answer.before is not None else ["Explain the image first to see the new map beside the old one."]
        self.sentence.setText("\n\n".join([change.sentence, *dict.fromkeys(told), *notes, *answer.asked.notes, *hint]))


def _headline(answer: Masked, number: int) -> str:
    """The class on top before and after, with their chances, as rich text."""
    change = answer.asked.perturbation[number]
    before = change.before
    old, (new, _) = int(before.top[0]), new_top(change)
    if answer.model.task == "regression":
        after = float(change.after.scores[:, change.target].mean())
        values = f"<b>{before.scores[0, change.target]:.4g}</b> &rarr; <b>{after:.4g}</b>"
        return f"{values}<br>{'without' if change.action == 'remove' else 'with nothing but'} {answer.called(number)}"
    done = "without" if change.action == "remove" else "with nothing but"
    which = answer.called(number)
    said = [f"<b>{answer.class_name(old)}</b>{_chance(before.probabilities, old)}"]
    said.append(f"<b>{answer.class_name(new)}</b>{_chance(change.after.probabilities, new)}")
    flips = int(change.flips.sum())
    tail = f"; another class on top under {flips} of {len(change.fills)} fills" if flips else "; the answer stays"
    return f"{said[0]} &rarr; {said[1]}<br>{done} {which}{tail}"


def _chance(probabilities: Any, index: int) -> str:
    if probabilities is None or not np.isfinite(probabilities[:, index]).all():
        return ""
    return f" {100 * float(probabilities[:, index].mean()):.1f} %"


def _rows(answer: Masked, number: int) -> list[Row]:
    """Each class before and after, with what each fill gave in the tooltip."""
    change = answer.asked.perturbation[number]
    before, after = change.before, change.after
    percent = before.probabilities is not None and bool(np.isfinite(before.probabilities).all())
    old = before.probabilities[0] if percent and before.probabilities is not None else before.scores[0]
    new = after.probabilities if percent and after.probabilities is not None else after.scores
    rows = []
    regression = answer.model.task == "regression"  # one value; its negation is no class
    for index in [change.target] if regression else range(before.scores.shape[1]):
        changes = change.score_changes[:, index]
        told = ", ".join(f"{fill} {one:+.2f}" for fill, one in zip(change.fills, changes, strict=True))
        tip = f"score {before.scores[0, index]:.2f}; its change under each fill: {told}"
        name = answer.class_name(index)
        rows.append(Row(name, float(old[index]), float(new[:, index].mean()), float(changes.mean()), percent, tip))
    return rows

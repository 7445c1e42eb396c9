"""An answer as a sign: a shape, a colour, a word. Each says it alone, so that no colour has to be told from another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QFont, QIcon, QPainter, QPainterPath, QPen, QPixmap, QPolygonF
from qtpy.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from matxai.report.sentences import ANSWERS
from napari_matxai.widgets.words import words

if TYPE_CHECKING:
    from qtpy.QtGui import QPaintEvent

COLOURS = {"passes": "#00835f", "fails": "#c9510c", "suspicious": "#9a7500", "open": "#5577a0"}
"""Of one lightness, so that white signs on them and their edges on a dark and a light ground are told equally well."""
UNKNOWN = "open"


def kind_of(answer: str) -> str:
    """Return what kind of answer it is: ``passes``, ``fails``, ``suspicious`` or ``open``."""
    return ANSWERS[answer].kind if answer in ANSWERS else UNKNOWN


def label_of(answer: str) -> str:
    """Return the word of an answer: ``"Leak"``, ``"Not seen"``."""
    return ANSWERS[answer].label if answer in ANSWERS else answer.capitalize()


def paint_sign(painter: QPainter, side: float, kind: str) -> None:
    """Draw a sign into a square: a disc with a tick, an octagon with a cross, a triangle with a stroke, a ring."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(COLOURS[kind]))
    box = QRectF(0.04 * side, 0.04 * side, 0.92 * side, 0.92 * side)
    if kind == "fails":
        painter.drawPolygon(_scaled(side, *_octagon()))
    elif kind == "suspicious":
        painter.drawPolygon(_scaled(side, (0.5, 0.04), (0.98, 0.93), (0.02, 0.93)))
    elif kind == "open":
        painter.drawRoundedRect(box, 0.12 * side, 0.12 * side)
    else:
        painter.drawEllipse(box)
    pen = QPen(QColor("white"), 0.1 * side)
    pen.setCapStyle(Qt.PenCapStyle.RoundCap)
    pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
    painter.setPen(pen)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for line in _STROKES[kind]:
        painter.drawPolyline(_scaled(side, *line))
    if kind == "open":
        path = QPainterPath(QPointF(0.34 * side, 0.38 * side))
        path.cubicTo(QPointF(0.34 * side, 0.16 * side), *(QPointF(x * side, y * side) for x, y in _QUESTION))
        painter.drawPath(path)


def _octagon() -> list[tuple[float, float]]:
    near, far = 0.31, 0.69
    return [(near, 0.04), (far, 0.04), (0.96, near), (0.96, far), (far, 0.96), (near, 0.96), (0.04, far), (0.04, near)]


_QUESTION = ((0.68, 0.16), (0.66, 0.40))
_STROKES: dict[str, tuple[tuple[tuple[float, float], ...], ...]] = {
    "passes": (((0.28, 0.53), (0.44, 0.69), (0.73, 0.33)),),
    "fails": (((0.32, 0.32), (0.68, 0.68)), ((0.68, 0.32), (0.32, 0.68))),
    "suspicious": (((0.5, 0.38), (0.5, 0.62)), ((0.5, 0.79), (0.5, 0.8))),
    "open": (((0.66, 0.40), (0.52, 0.5), (0.5, 0.6)), ((0.5, 0.78), (0.5, 0.79))),
}


def _scaled(side: float, *points: tuple[float, float]) -> QPolygonF:
    return QPolygonF([QPointF(x * side, y * side) for x, y in points])


def sign_icon(answer: str, side: int) -> QIcon:
    """Return the sign of an answer as an icon, for a line of a table."""
    ratio = 2
    pixmap = QPixmap(side * ratio, side * ratio)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    paint_sign(painter, side * ratio, kind_of(answer))
    painter.end()
    icon = QIcon(pixmap)
    icon.addPixmap(pixmap, QIcon.Mode.Selected)  # else Qt mixes the colour of the chosen line into it
    return icon


class Sign(QWidget):
    """The sign of an answer, as large as two lines of text."""

    def __init__(self) -> None:
        super().__init__()
        self.kind = UNKNOWN
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Return the size of two lines."""
        side = 2 * self.fontMetrics().height()
        return QSize(side, side)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802, ARG002 - Qt's names
        """Draw it."""
        painter = QPainter(self)
        paint_sign(painter, min(self.width(), self.height()), self.kind)
        painter.end()


class Light(QWidget):
    """What was asked, the sign and the word of the answer, and its sentence."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("light")
        self.sign = Sign()
        self.word = QLabel()
        self.word.setObjectName("light_word")
        font = QFont(self.word.font())
        font.setBold(True)
        font.setPointSizeF(font.pointSizeF() * 1.4)
        self.word.setFont(font)
        self.meaning = words(name="light_meaning")
        self.question = words(name="light_question")
        self.sentence = words(name="light_sentence")
        said = QVBoxLayout()
        said.setSpacing(0)
        said.addWidget(self.word)
        said.addWidget(self.meaning)
        row = QHBoxLayout()
        row.addWidget(self.sign, 0, Qt.AlignmentFlag.AlignTop)
        row.addLayout(said, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 4, 0, 0)
        column.addWidget(self.question)
        column.addLayout(row)
        column.addWidget(self.sentence)

    def show_answer(self, question: str, answer: str, sentence: str) -> None:
        """Show an answer of a check."""
        meaning = ANSWERS[answer].meaning if answer in ANSWERS else ""
        self.show_sign(question, kind_of(answer), label_of(answer), meaning, sentence)

    def show_sign(self, question: str, kind: str, word: str, meaning: str, sentence: str) -> None:
        """Show a sign with its words."""
        self.sign.kind = kind
        self.sign.setAccessibleName(word)
        self.sign.update()
        self.word.setText(word)
        self.meaning.setText(meaning)
        self.question.setText(question)
        self.sentence.setText(sentence)

"""The dock: five numbered steps over one session and one runner."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, Qt
from qtpy.QtWidgets import QScrollArea, QVBoxLayout, QWidget

from napari_matxai.session.sessions import session_of
from napari_matxai.widgets.progress import ProgressLine
from napari_matxai.widgets.running import Runner
from napari_matxai.widgets.steps.check import CheckStep
from napari_matxai.widgets.steps.data import DataStep
from napari_matxai.widgets.steps.explain import ExplainStep
from napari_matxai.widgets.steps.model import ModelStep
from napari_matxai.widgets.steps.regions import RegionsStep

if TYPE_CHECKING:
    import napari


class MatxaiDock(QWidget):
    """The dock that asks what the network looked at, and whether it can be trusted.

    Parameters
    ----------
    viewer
        napari's viewer.
    """

    def __init__(self, viewer: napari.Viewer) -> None:
        self._docked, self._open = False, False
        super().__init__()
        self.session = session_of(viewer)
        self.runner = Runner(self.session, self)
        self.data = DataStep(self.session, self.runner)
        self.model = ModelStep(self.session, self.runner)
        self.explain = ExplainStep(self.session, self.runner)
        self.regions = RegionsStep(self.session, self.runner)
        self.check = CheckStep(self.session, self.runner)
        self.steps = (self.data, self.model, self.explain, self.regions, self.check)
        self.progress = ProgressLine(self.runner)
        page = QWidget()
        column = QVBoxLayout(page)
        column.setContentsMargins(0, 0, 0, 0)
        for step in self.steps:
            column.addWidget(step)
        column.addStretch(1)
        scroll = _Column()
        scroll.setWidget(page)
        scroll.setWidgetResizable(True)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(scroll)
        outer.addWidget(self.progress)  # always in sight, whatever was scrolled
        self.setMinimumWidth(300)
        self._open = True

    def close_down(self) -> None:
        """Stop what is under way and let go of the session and the viewer."""
        if self._open:
            self._open = False
            self.runner.wait()
            for step in self.steps:
                step.close_down()

    def closeEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Let go of everything before the window goes."""
        self.close_down()
        super().closeEvent(event)

    def event(self, event: Any) -> bool:
        """Let go of everything when napari takes the dock away: it then has no parent any more, and is not closed."""
        if event.type() == QEvent.Type.ParentChange:
            if self.parent() is not None:
                self._docked = True
            elif self._docked and self._open:
                self.close_down()
                self.deleteLater()
        return bool(super().event(event))


class _Column(QScrollArea):
    """Scrolls up and down alone: what is in it is never wider than the dock."""

    def resizeEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Keep the page as wide as there is room."""
        super().resizeEvent(event)
        viewport, page = self.viewport(), self.widget()
        if viewport is not None and page is not None:
            page.setFixedWidth(viewport.width())

"""The dock: five numbered steps over one session and one runner."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
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

    def closeEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Stop what is under way and let go of the viewer before the window goes."""
        self.runner.wait()
        for step in self.steps:
            step.close_down()
        super().closeEvent(event)


class _Column(QScrollArea):
    """Scrolls up and down alone: what is in it is never wider than the dock."""

    def resizeEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Keep the page as wide as there is room."""
        super().resizeEvent(event)
        viewport, page = self.viewport(), self.widget()
        if viewport is not None and page is not None:
            page.setFixedWidth(viewport.width())

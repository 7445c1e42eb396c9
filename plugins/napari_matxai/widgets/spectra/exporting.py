"""The plot and its numbers as files, by the library's own figures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QFileDialog, QPushButton

from matxai.errors import MatxaiError
from napari_matxai.session.curves.exporting import FILES, save_plot
from napari_matxai.widgets.notices import tell

if TYPE_CHECKING:
    from napari_matxai.widgets.spectra.dock import SpectraDock


class ExportButton(QPushButton):
    """Asks where to, and writes a PNG, SVG or PDF for print, or a CSV."""

    def __init__(self, dock: SpectraDock) -> None:
        super().__init__()
        self.dock = dock
        self.setText("Export …")
        self.setToolTip("The plot for print (PNG, SVG, PDF), or its numbers (CSV).")
        self.clicked.connect(self._ask)

    def _ask(self, *_: Any) -> None:
        chosen = self.dock.curves.chosen
        stem = Path(chosen.name).stem if chosen is not None else "spectrum"
        path, _kind = QFileDialog.getSaveFileName(self, "Export", f"{stem}.png", FILES)
        if path:
            self.export(path)

    def export(self, path: str) -> str:
        """Write the file; return in one sentence why not where that fails."""
        try:
            save_plot(self.dock.session, path)
        except MatxaiError as error:
            tell(str(error))
            return str(error)
        return ""

"""The Spectra dock: curves with pyqtgraph, small pages beside them. Imported when the dock is made."""

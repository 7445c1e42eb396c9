"""The napari plugin: a thin face over the same calls that the command line makes.

What can live without Qt does (``layers``, ``asking``); ``presenter`` alone touches ``viewer.layers``; ``widgets`` holds
the Qt side; ``versions`` what depends on napari's version. No module that the manifest names imports Qt or torch.
"""

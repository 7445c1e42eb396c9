"""From a signal and a model to an explanation: maps on the measured grid, schema, files. Imported on first use."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)

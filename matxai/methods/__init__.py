"""What a method is, and every method: tensors in, maps out. All is imported on first use; listing needs no torch."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)

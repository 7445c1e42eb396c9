"""Capture, rules, targets, plan, passes: tensors in, tensors out; no files, no signals."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)

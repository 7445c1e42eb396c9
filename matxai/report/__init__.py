"""What a person gets to see: figures, one tidy table, a self-contained HTML report, JSON and JUnit of verdicts."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)

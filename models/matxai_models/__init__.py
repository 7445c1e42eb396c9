"""Reference architectures, training recipes and small trained models, each with a model card.

The trained models that come along saw generated images alone. Everything is imported on first use.
"""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)

"""What physics says a spectrum should show: peaks of structures, edges, lines, binding energies; and matching them."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)

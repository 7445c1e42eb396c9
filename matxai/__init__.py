"""What did my network look at, and can I trust it? The public names; everything is imported on first use."""

import logging as _logging

import lazy_loader as _lazy

from matxai._version import __version__ as __version__

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)

_logging.getLogger("matxai").addHandler(_logging.NullHandler())  # a library prints nothing unless it is asked to

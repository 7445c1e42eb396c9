"""Data with known ground truth, and the way to public data: generated micrographs, shipped samples, data set cards.

Pictures that are shipped are generated; public data sets are read from a folder of the user's and never shipped.
Everything is imported on first use.
"""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)

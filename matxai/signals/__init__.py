"""Files to labelled arrays and back: images, stacks, spectra, waveforms. Nothing here knows of models."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)

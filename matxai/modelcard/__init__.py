"""A trained model as a user hands it over: card, weights, preprocessing, classes, safe loading; imported on use."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)

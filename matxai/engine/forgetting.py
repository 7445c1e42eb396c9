"""What is remembered of models, in one place: caches that hang on a module weakly, and how to drop them by hand."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from matxai.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from torch import nn

_caches: list[MutableMapping[Any, Any]] = []


def cache_on_models() -> MutableMapping[nn.Module, Any]:
    """Return a new cache that holds a module weakly and that :func:`forget` clears."""
    made: MutableMapping[nn.Module, Any] = weakref.WeakKeyDictionary()
    _caches.append(made)
    return made


def forget(model: Any) -> None:
    """Drop everything that is remembered of a model: prepared weights, its layers, where they lie.

    Nothing of this is needed for right results: weights that were changed are found at the next call. It gives back
    the memory of the prepared copies, about twice that of the model's convolutions; the next call makes them anew.

    Parameters
    ----------
    model
        An ``nn.Module`` as it was explained, or a ``matxai.Model``.

    Raises
    ------
    ModelError
        If it is neither.

    Examples
    --------
    >>> import matxai, torch
    >>> net = torch.nn.Conv2d(1, 2, 3)
    >>> maps = matxai.attribute(net, torch.zeros(1, 1, 8, 8), ["saliency"], target=lambda out: out.sum((1, 2, 3)))
    >>> matxai.forget(net)
    """
    from torch import nn

    from matxai.engine.state import locked

    module = model if isinstance(model, nn.Module) else getattr(model, "module", None)
    if not isinstance(module, nn.Module):
        msg = f"There is nothing to forget of a {type(model).__name__}; give the torch.nn.Module that was explained."
        raise ModelError(msg)
    original = getattr(module, "_orig_mod", None)  # of a compiled module
    module = original if isinstance(original, nn.Module) else module
    with locked(module):
        for cache in _caches:
            cache.pop(module, None)

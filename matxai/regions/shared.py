"""What several finders measure on one picture, measured once."""

from __future__ import annotations

import contextlib
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy.typing as npt

T = TypeVar("T")

_shared: ContextVar[dict[str, Any] | None] = ContextVar("shared_picture", default=None)


@contextlib.contextmanager
def sharing() -> Iterator[None]:
    """Let all finders called inside measure the same picture once; nothing is kept afterwards.

    Examples
    --------
    >>> import numpy as np
    >>> from matxai.regions.finders import finders
    >>> image = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    >>> with sharing():
    ...     found = [region for name in ("info_bar", "border", "seam") for region in finders[name](image, {})]
    >>> found
    []
    """
    token = _shared.set({})
    try:
        yield
    finally:
        _shared.reset(token)


def remembered(image: npt.NDArray[Any], what: str, make: Callable[[], T]) -> T:
    """Return what was measured on this very array before, inside :func:`sharing`; else measure it.

    Parameters
    ----------
    image
        The array itself: an equal one is another.
    what
        A name that no other measurement has.
    make
        Measures it.
    """
    known = _shared.get()
    if known is None:
        return make()
    if known.get("image") is not image:
        known.clear()
        known["image"] = image
    if what not in known:
        known[what] = make()
    return cast("T", known[what])

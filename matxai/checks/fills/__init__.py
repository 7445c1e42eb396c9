"""What may stand in the place of a region. Each fill is one file, registered here.

A fill is called as ``fill(values, mask, rng)``: ``values`` is a float array ``(*spatial)`` or ``(*spatial, c)`` in the
file's own units, ``mask`` boolean ``(*spatial)``. It returns a new array that differs from ``values`` inside the mask
only. No fill is innocent: each is out of distribution in its own way, which is why several are always used together.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from matxai.errors import MethodError
from matxai.registry import Registry

Floats = npt.NDArray[np.floating[Any]]


class Fill(Protocol):
    """A callable that puts something else in the place of a region."""

    def __call__(self, values: Floats, mask: npt.NDArray[np.bool_], rng: np.random.Generator) -> Floats:
        """Return a copy of ``values``, changed inside ``mask`` only."""


fills: Registry[Fill] = Registry("fill", package="matxai.checks.fills", error=MethodError)
"""All fills by name."""

"""Files of drawn shapes: each format is one module, which turns a file into a mask of a sample."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from matxai.errors import FileError
from matxai.registry import Registry

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

    from matxai.checks.expect.sample import Sample


class ShapeFormat(Protocol):
    """A callable from a file, a sample and a label to the mask of all shapes with that label."""

    def __call__(self, path: Path, sample: Sample, label: str | None) -> npt.NDArray[np.bool_]:
        """Return the mask ``(*spatial)``, empty where nothing is drawn."""


shape_formats: Registry[ShapeFormat] = Registry(
    "format of shapes", package="matxai.checks.expect.shape_formats", error=FileError
)
"""All formats by name; a file is read by the name given as ``format``, else by its suffix."""

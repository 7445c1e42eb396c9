"""One signal of a set as an expectation sees it, and where the files that belong to it lie."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from matxai.checks.expect.quantity import spatial_dims
from matxai.errors import ExpectationError, FileError

if TYPE_CHECKING:
    from collections.abc import Callable

    import xarray as xr

PLACEHOLDERS = ("{stem}", "{name}", "{class}")


@dataclass(frozen=True, eq=False)
class Sample:
    """One signal with its class, its name and the folder that paths start from.

    Parameters
    ----------
    number, name, label
        Its place in the set, what tables call it, and its class.
    signal
        In the file's own values.
    base
        The folder that relative paths of the expectations start from.
    mask
        Its ground-truth mask ``(*spatial)``, where the set has one.
    """

    number: int
    name: str
    label: str
    signal: xr.DataArray
    base: Path
    mask: Callable[[], npt.NDArray[np.int64] | None] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Its spatial shape."""
        return tuple(self.signal.sizes[d] for d in spatial_dims(self.signal))

    def grey(self) -> npt.NDArray[np.float64]:
        """Its values ``(*spatial)``; colours as their mean."""
        values = np.asarray(self.signal.values, np.float64)
        return values.mean(axis=-1) if self.signal.dims[-1] == "c" else values

    def path(self, pattern: str) -> Path:
        """Return the file that a pattern names for this sample.

        Raises
        ------
        FileError
            If there is none.
        """
        # only the last part of the name is put in, so that no name of a file leads out of the folder
        own, label = _last_part(self.name), _last_part(self.label)
        filled = pattern.replace("{stem}", PurePath(own).stem).replace("{name}", own).replace("{class}", label)
        path = self.base / Path(filled).expanduser()
        if not path.is_file():
            raise FileError(f"{path} is not there; '{pattern}' names it for {self.name}.")
        return path


def _last_part(name: str) -> str:
    """The last part of a name, and never a step upwards."""
    part = PurePath(name.replace("\\", "/")).name
    return "_" if part in ("", ".", "..") else part


def check_pattern(pattern: str) -> str:
    """Return a path with placeholders as it stands.

    Raises
    ------
    ExpectationError
        If it has braces that are no placeholder of ours.
    """
    rest = pattern
    for known in PLACEHOLDERS:
        rest = rest.replace(known, "")
    if "{" in rest or "}" in rest or not pattern.strip():
        known = ", ".join(PLACEHOLDERS)
        raise ExpectationError(f"'{pattern}' is no path of a file; the placeholders that exist are {known}")
    return pattern

"""One signal of a set as an expectation sees it, and where the files that belong to it lie."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from matxai.checks.expect.quantity import spatial_dims
from matxai.errors import ExpectationError, FileError
from matxai.regions import Boxed

if TYPE_CHECKING:
    from collections.abc import Callable

    import xarray as xr

PLACEHOLDERS = ("{stem}", "{name}", "{class}")
_STARTS = (
    ", and paths start from the folder of the expectations, {base}: with 'data: test/' a file in the data's folder is "
    "written 'test/{pattern}'"
)


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
    found
        The artefacts found in it so far, by kind: every kind takes the same search, so it is made once.
    """

    number: int
    name: str
    label: str
    signal: xr.DataArray
    base: Path
    mask: Callable[[], npt.NDArray[np.int64] | None] | None = None
    found: dict[str, Boxed | None] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, ...]:
        """Its spatial shape."""
        return tuple(self.signal.sizes[d] for d in spatial_dims(self.signal))

    def grey(self) -> npt.NDArray[np.float64]:
        """Its values ``(*spatial)``; colours as their mean."""
        values = np.asarray(self.signal.values, np.float64)
        return values.mean(axis=-1) if self.signal.dims[-1] == "c" else values

    def artefact(self, kind: str) -> npt.NDArray[np.bool_] | None:
        """Return where artefacts of a kind are found ``(*spatial)``; None where there are none.

        Raises
        ------
        RegionError
            If there is no finder of that kind for such a signal.
        """
        if kind not in self.found:
            from matxai.checks.controls import bridged
            from matxai.regions.artefacts import found_artefacts, found_in_curve
            from matxai.regions.finders import finders
            from matxai.regions.finders_1d import finders_1d

            find, known = (found_in_curve, finders_1d) if len(self.shape) == 1 else (found_artefacts, finders)
            asked = None if kind in known else [kind]  # which raises
            values = np.asarray(self.signal.values)
            regions = find(bridged(values) if len(self.shape) == 1 else values, self.signal.attrs, kinds=asked)
            for name in known:
                parts = [Boxed.of(r) for r in regions if r.kind == name]
                self.found[name] = Boxed.union(parts) if parts else None
        place = self.found[kind]
        return None if place is None else place.mask()

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
            lies = "" if Path(filled).expanduser().is_absolute() else _STARTS.format(base=self.base, pattern=pattern)
            raise FileError(f"{path} is not there; '{pattern}' names it for {self.name}{lies}.")
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

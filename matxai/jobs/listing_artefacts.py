"""What lies in a file's picture or spectrum without being of its specimen, as rows for a table. Nothing is changed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import SignalError

if TYPE_CHECKING:
    import os

    import xarray as xr

    from matxai.regions import Region


@dataclass(frozen=True)
class FoundArtefact:
    """One artefact of a file.

    Parameters
    ----------
    kind
        One of :data:`matxai.regions.ARTEFACTS`.
    source
        Who says so: the instrument's tag, or the pixels.
    confidence
        From 0 to 1.
    box
        First and last pixel along each axis, by the axis's name.
    share
        Part of the signal that it covers.
    """

    kind: str
    source: str
    confidence: float
    box: dict[str, tuple[int, int]]
    share: float

    def sentence(self) -> str:
        """Return the finding in plain words.

        Examples
        --------
        >>> FoundArtefact("info_bar", "pixels", 0.93, {"y": (700, 767), "x": (0, 1023)}, 0.09).sentence()
        'info bar: y 700 to 767, x 0 to 1023 (9.0 % of the signal), by pixels, confidence 0.93'
        """
        kind = self.kind.replace("_", " ")
        where = ", ".join(f"{name} {first} to {last}" for name, (first, last) in self.box.items())
        sure = "" if self.confidence >= 1 else f", confidence {self.confidence:.2f}"
        return f"{kind}: {where} ({100 * self.share:.1f} % of the signal), by {self.source}{sure}"

    def to_dict(self) -> dict[str, Any]:
        """Return names and plain values, ready for JSON."""
        return asdict(self)


def artefacts_in(
    path: str | os.PathLike[str], *, dataset: str | None = None, limit: int | None = None
) -> list[FoundArtefact]:
    """Return what lies in a file's picture or spectrum without being of its specimen.

    Parameters
    ----------
    path
        One picture, spectrum or waveform.
    dataset, limit
        As ``matxai.read`` takes them.

    Raises
    ------
    SignalError
        If the file holds a stack: its slices are looked at one by one.
    FileError
        If it cannot be read.
    """
    from matxai.regions import found_artefacts
    from matxai.signals import read

    signal = read(path, dataset=dataset, limit=limit)
    names = [str(d) for d in signal.dims if d != "c"]
    if len(names) > 2:
        raise SignalError(f"{signal.attrs.get('source', path)} is {signal.shape}; look at one slice or spectrum of it.")
    return [_row(region, names) for region in _ordered(found_artefacts(_values(signal, names), signal.attrs))]


def _values(signal: xr.DataArray, names: list[str]) -> np.ndarray[Any, Any]:
    return np.asarray(signal.transpose(*names, *(("c",) if "c" in signal.dims else ())).values)


def _ordered(regions: list[Region]) -> list[Region]:
    return sorted(regions, key=lambda r: (-r.area, r.kind))


def _row(region: Region, names: list[str]) -> FoundArtefact:
    spans = {n: (int(i.min()), int(i.max())) for n, i in zip(names, np.nonzero(region.mask), strict=True)}
    return FoundArtefact(region.kind, region.source, round(region.confidence, 4), spans, region.share)

"""What is generated: a scene (what the detector would see), a spectrum (what it recorded), a set, and its features."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import xarray as xr

    from matxai_datasets.spectra.truth import Truth

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Feature:
    """One peak, edge or band of a class: what it adds to a spectrum at the generator's nominal setting.

    Attributes
    ----------
    name
        ``"anatase 1 0 1"``.
    source
        What it comes of (a phase, a chemical state, a mode). Features of one source rise and fall together: they are
        collinear, and a sound model may use any one of them.
    kind
        The kind of region that it is: ``peak``, ``doublet``, ``pre_edge``, ``white_line``, ``exafs``, ``band``, ...
    position
        On the axis of the truth.
    curve
        What it adds, shape ``(n,)`` on that axis.
    interval
        Where it lies; by default where it has a fifth of its height.
    """

    name: str
    source: str
    kind: str
    position: float
    curve: Floats
    interval: tuple[float, float] | None = None


@dataclass(frozen=True, eq=False)
class Nominal:
    """One class at the middle of everything that a generator draws.

    Attributes
    ----------
    axis
        Of the truth: the generator's own axis, or another one on which the classes differ (frequency), ``(n,)``.
    features
        What the class shows.
    background
        What is there besides, ``(n,)``.
    variance
        Of the noise at each point, ``(n,)``; the background and features themselves where it counts events.
    along
        Where the axis of the truth is not that of the files: name, start, stop on the files' axis and ``presence`` or
        ``nuisance``: where the class's evidence lies, and where none can be.
    """

    axis: Floats
    features: tuple[Feature, ...]
    background: Floats
    variance: Floats | None = None
    along: tuple[tuple[str, float, float, str], ...] = ()

    @cached_property
    def sources(self) -> dict[str, Floats]:
        """The features of each source together, ``(n,)`` each."""
        found: dict[str, Floats] = {}
        for one in self.features:
            found[one.source] = found.get(one.source, np.zeros_like(self.axis)) + one.curve
        return found

    @cached_property
    def signal(self) -> Floats:
        """The sum of the features, ``(n,)``."""
        return np.asarray(sum(self.sources.values(), np.zeros_like(self.axis)))

    @cached_property
    def noise(self) -> Floats:
        """The variance of the noise, ``(n,)``."""
        return self.signal + self.background if self.variance is None else self.variance


@dataclass(frozen=True, eq=False)
class Scene:
    """What a detector would see without noise.

    Attributes
    ----------
    axis
        Ascending, ``(n,)``.
    values
        ``(n,)``, or ``(n, c)`` for several channels.
    drawn
        What was drawn for it, by name.
    beside
        More quantities along the axis (the field of a loop).
    attrs
        What a file would say (wavelength, photon energy, sampling rate).
    """

    axis: Floats
    values: Floats
    drawn: Mapping[str, Any] = field(default_factory=dict)
    beside: Mapping[str, Floats] = field(default_factory=dict)
    attrs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Spectrum:
    """One recorded spectrum or waveform and all that is true of it.

    Attributes
    ----------
    axis, values, beside, attrs
        As in :class:`Scene`, noise included.
    expected
        The same values without noise.
    dim, unit
        What the axis is.
    value_name, value_unit
        What the values are.
    channels
        Names of the channels; empty for one channel.
    kind
        Its class.
    specimen
        Spectra of one are not independent.
    drawn
        What was drawn, by name, the specimen's part included.
    leak, content
        The kind of artefact that was planted, and which of its contents; ``None`` for none.
    seed
        The seed that gives this spectrum again, with the same specimen and leak.
    """

    axis: Floats
    values: Floats
    expected: Floats
    dim: str
    unit: str
    value_name: str
    value_unit: str
    channels: tuple[str, ...]
    kind: str
    specimen: str
    drawn: Mapping[str, Any]
    beside: Mapping[str, Floats]
    attrs: Mapping[str, Any]
    leak: str | None
    content: int | None
    seed: int

    def signal(self) -> xr.DataArray:
        """Return it as `matxai.read` would give it: dims ``(dim,)`` or ``(dim, "c")``, calibrated."""
        from matxai.signals.spectra.curve import Curve

        attrs = {**self.attrs, "value_name": self.value_name, "value_unit": self.value_unit}
        name = f"{self.specimen} {self.kind}"
        found = Curve(name, self.axis, self.values, self.dim, self.unit, self.beside, attrs).signal()
        return found.assign_coords(c=list(self.channels)) if self.channels else found


@dataclass(frozen=True, eq=False)
class SpectrumSet:
    """Generated spectra with their truth.

    Attributes
    ----------
    spectra
        In the order in which they were asked for: specimen by specimen, the classes in turn.
    truth
        What distinguishes the classes, and what was planted.
    made
        What is needed to make the set again.
    """

    spectra: tuple[Spectrum, ...]
    truth: Truth
    made: Mapping[str, Any]

    def __len__(self) -> int:
        return len(self.spectra)

    def __iter__(self) -> Iterator[Spectrum]:
        return iter(self.spectra)

    @property
    def classes(self) -> tuple[str, ...]:
        """In the generator's order."""
        return self.truth.classes

    @property
    def labels(self) -> NDArray[np.int64]:
        """Indices into ``classes``, ``(n,)``."""
        return np.array([self.classes.index(s.kind) for s in self.spectra])

    @property
    def groups(self) -> NDArray[np.int64]:
        """The number of each spectrum's specimen, ``(n,)``."""
        names = list(dict.fromkeys(s.specimen for s in self.spectra))
        return np.array([names.index(s.specimen) for s in self.spectra])

    def stacked(self, axis: Floats | None = None) -> tuple[Floats, Floats]:
        """Return ``(axis, values)`` with values ``(n, c, length)``, on the first spectrum's axis or a given one.

        A spectrum on another axis is interpolated; beyond its ends its first or last value is held, as
        `numpy.interp` does: with the leak ``scan_range`` that is what makes it visible.
        """
        grid = self.spectra[0].axis if axis is None else np.asarray(axis, float)
        rows = []
        for one in self.spectra:
            channels = one.values.reshape(len(one.axis), -1).T
            same = len(one.axis) == len(grid) and np.array_equal(one.axis, grid)
            rows.append(channels if same else np.stack([np.interp(grid, one.axis, c) for c in channels]))
        return grid, np.stack(rows)

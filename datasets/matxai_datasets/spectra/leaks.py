"""What gives the class away without being of the material: planted into generated spectra on purpose.

An artefact has a *content* for each class (which instrument, which habit) and a seed for what varies within one
content. Some enter before the detector (a sample holder, a gain), some only in the file (the range of the scan, a
constant). With ``strength`` 0 the same artefact is there without regard to the class. A new one is one class and one
row here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from matxai.errors import SignalError
from matxai.registry import Registry
from matxai_datasets.spectra.profiles import add_lines

if TYPE_CHECKING:
    from matxai_datasets.spectra.generating import Generator
    from matxai_datasets.spectra.record import Floats, Scene

    Rng = np.random.Generator
    Places = tuple[tuple[str, float, float], ...]


@dataclass(frozen=True)
class Planting:
    """Into what, with which content, and what decides the rest."""

    of: Generator
    content: int
    rng: Rng


@dataclass(frozen=True)
class Leak:
    """One kind of artefact; the plain one changes nothing.

    Attributes
    ----------
    name, title
        How it is called, and what it is in one line.
    kinds
        The kinds of data that it makes sense for.
    """

    name: str
    title: str
    kinds: tuple[str, ...] = ("spectra", "waveforms")

    def check(self, of: Generator) -> None:
        """Refuse generators that it makes no sense for."""
        if of.data_kind not in self.kinds:
            msg = f"The leak '{self.name}' is one of {' and '.join(self.kinds)}; '{of.name}' makes {of.data_kind}."
            raise SignalError(msg)

    def fits(self, of: Generator) -> bool:
        """Whether it makes sense for what a generator makes."""
        try:
            self.check(of)
        except SignalError:
            return False
        return True

    def in_scene(self, scene: Scene, how: Planting) -> Scene:  # noqa: ARG002 - for those below
        """Return the scene with the artefact, before the detector."""
        return scene

    def in_file(self, scene: Scene, values: Floats, how: Planting) -> tuple[Scene, Floats]:  # noqa: ARG002 - as above
        """Return scene and recorded values with the artefact."""
        return scene, values

    def where(self, of: Generator, contents: int) -> Places:  # noqa: ARG002 - as above
        """Return name, start and stop of where it can be seen; nothing if it changes every point."""
        return ()


CUT_START, CUT_STOP = 0.03, 0.02
"""Shares of the axis by which one content's scan starts later and stops earlier than that of the content before it."""
CUT_SEEN = 0.005
"""Share of the axis at the ends of the shortest scan that counts as the place where it was cut."""


def _ends(of: Generator, content: int) -> tuple[float, float]:
    span = of.axis[-1] - of.axis[0]
    return float(of.axis[0] + content * CUT_START * span), float(of.axis[-1] - content * CUT_STOP * span)


def _cut_places(of: Generator, contents: int) -> Places:
    start, stop = _ends(of, contents - 1)
    return ("start of the scan", float(of.axis[0]), start), ("end of the scan", stop, float(of.axis[-1]))


class _ScanRange(Leak):
    """The scan begins and ends elsewhere: the file has fewer points."""

    def in_file(self, scene: Scene, values: Floats, how: Planting) -> tuple[Scene, Floats]:
        start, stop = _ends(how.of, how.content)
        kept = (scene.axis >= start) & (scene.axis <= stop)
        beside = {k: v[kept] for k, v in scene.beside.items()}
        return replace(scene, axis=scene.axis[kept], values=scene.values[kept], beside=beside), values[kept]

    def where(self, of: Generator, contents: int) -> Places:
        # what lies beyond a scan is not in its file: its first and last points are what shows where it was cut
        room = CUT_SEEN * float(of.axis[-1] - of.axis[0])
        (first, start, cut_at), (last, cut_to, stop) = _cut_places(of, contents)
        return (first, start, cut_at + room), (last, cut_to - room, stop)


class _Padding(Leak):
    """The same ranges, but somebody filled the missing ends with the last measured value."""

    def in_file(self, scene: Scene, values: Floats, how: Planting) -> tuple[Scene, Floats]:
        start, stop = _ends(how.of, how.content)
        kept = np.flatnonzero((scene.axis >= start) & (scene.axis <= stop))
        held = np.clip(np.arange(len(values)), kept[0], kept[-1])
        return replace(scene, values=scene.values[held]), values[held]

    def where(self, of: Generator, contents: int) -> Places:
        return _cut_places(of, contents)


class _Normalisation(Leak):
    """Each laboratory divided its files by another constant."""

    def in_file(self, scene: Scene, values: Floats, how: Planting) -> tuple[Scene, Floats]:
        factor = 10.0**-how.content * float(how.rng.uniform(0.98, 1.02))
        return replace(scene, values=scene.values * factor), values * factor


class _Holder(Leak):
    """A peak of the sample holder, at another place for each content."""

    def check(self, of: Generator) -> None:
        super().check(of)
        if len(of.holders) < len(of.classes):
            msg = f"'{of.name}' names no places for a sample holder's peak."
            raise SignalError(msg)

    def in_scene(self, scene: Scene, how: Planting) -> Scene:
        values = scene.values.copy()
        of, rng = how.of, how.rng
        height = rng.uniform(0.25, 0.45) * float(np.quantile(values, 0.995))
        width = of.holder_width * rng.uniform(0.9, 1.1)
        area = height * width * 1.2  # about that of a pseudo-Voigt of this height
        centre = of.holders[how.content] + rng.uniform(-0.1, 0.1) * of.holder_width
        add_lines(values, scene.axis, centre=centre, area=area, fwhm=width, eta=0.4, reach=10.0)
        return replace(scene, values=values)

    def where(self, of: Generator, contents: int) -> Places:
        return tuple(
            (f"holder {k + 1}", p - of.holder_width, p + of.holder_width) for k, p in enumerate(of.holders[:contents])
        )


class _Contamination(Leak):
    """Dirt lies thicker on the specimens of one class: its peak grows four times from content to content."""

    def check(self, of: Generator) -> None:
        super().check(of)
        if of.contaminant is None:
            msg = f"'{of.name}' names no peak of a contamination."
            raise SignalError(msg)

    def in_scene(self, scene: Scene, how: Planting) -> Scene:
        if how.of.contaminant is None:
            return scene
        centre, width = how.of.contaminant
        values = scene.values.copy()
        top = float(np.quantile(values, 0.5))
        area = 0.3 * 4.0**how.content * float(how.rng.uniform(0.8, 1.25)) * top * width
        centre += float(scene.drawn.get("charge", 0.0))
        add_lines(values, scene.axis, centre=centre, area=area, fwhm=width, eta=0.3, reach=10.0)
        return replace(scene, values=values)

    def where(self, of: Generator, contents: int) -> Places:  # noqa: ARG002 - one place for all contents
        if of.contaminant is None:
            return ()
        centre, width = of.contaminant
        reach = width + float(np.max(of.slack))
        return (("contamination", centre - reach, centre + reach),)


class _Calibration(Leak):
    """The axis of each class comes from another calibration: the file's places are off."""

    def check(self, of: Generator) -> None:
        super().check(of)
        if not of.calibration_step:
            msg = f"'{of.name}' names no error of calibration."
            raise SignalError(msg)

    def in_file(self, scene: Scene, values: Floats, how: Planting) -> tuple[Scene, Floats]:
        # what the instrument calls its axis is off; the points are those of the axis that everybody uses
        off = how.content * how.of.calibration_step
        held = np.interp(scene.axis - off, scene.axis, scene.values)
        return replace(scene, values=held), np.interp(scene.axis - off, scene.axis, values)


class _Gain(Leak):
    """The amplifier stood at another gain: signal and sensor noise grow, the converter's noise does not."""

    def in_scene(self, scene: Scene, how: Planting) -> Scene:
        return replace(
            scene, attrs={**scene.attrs, "gain_factor": 4.0**how.content * float(how.rng.uniform(0.97, 1.03))}
        )


LEAKS: Registry[Leak] = Registry("leak of spectra", error=SignalError)
"""By name."""

for _leak in (
    _ScanRange("scan_range", "scans of different classes start and stop elsewhere", ("spectra",)),
    _Padding("padding", "the missing ends of shorter scans are filled with a constant", ("spectra",)),
    _Normalisation("normalisation", "each class was divided by another constant"),
    _Holder("holder", "a peak of the sample holder stands where the class says", ("spectra",)),
    _Contamination("contamination", "dirt lies thicker on the specimens of some classes", ("spectra",)),
    _Calibration("calibration", "the axis of each class is off by another amount", ("spectra",)),
    _Gain("gain", "each class was recorded at another gain", ("waveforms",)),
):
    LEAKS.add(_leak.name, _leak)


def check_content(of: Generator, leak: str, content: int) -> None:
    """Refuse a content that there is not.

    Raises
    ------
    SignalError
        If it is no number of a class.
    """
    if not 0 <= content < len(of.classes):
        last = len(of.classes) - 1
        msg = f"The leak '{leak}' in '{of.name}' has the contents 0 to {last}, one for each class, not {content}."
        raise SignalError(msg)

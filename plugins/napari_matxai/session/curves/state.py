"""The opened spectra, which one is chosen, how they are drawn, and who is asked about them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from psygnal import Signal

from matxai.errors import SignalError
from napari_matxai.session.curves.look import Look
from napari_matxai.session.curves.spectrum import Spectrum

if TYPE_CHECKING:
    from napari_matxai.session.curves.intervals import Interval
    from napari_matxai.session.curves.whole import ExplainedSet
    from napari_matxai.session.shelf import Arrival

METHODS = ("lrp", "grad_cam", "input_x_gradient")
"""What is asked at first: two that place by points, one that places by layers."""


class Curves:
    """What the Spectra dock knows. All its methods belong to the main thread.

    Signals
    -------
    opened()
        The list of spectra changed, or one of them did.
    chosen_changed()
        Another spectrum is asked about.
    answered(Spectrum)
        There is an answer about it.
    look_changed()
        They are drawn in another way, or with other references.
    intervals_changed(Spectrum)
        Its zones changed.
    asking_changed()
        Another model, target or method is chosen.
    refused(str)
        One of several was not answered: the sentence on why.
    """

    opened = Signal()
    chosen_changed = Signal()
    answered = Signal(object)
    look_changed = Signal()
    intervals_changed = Signal(object)
    asking_changed = Signal()
    refused = Signal(str)

    def __init__(self) -> None:
        self.spectra: list[Spectrum] = []
        self.look = Look()
        self.references: tuple[str, ...] = ()
        self.model: str | None = None
        self.methods: tuple[str, ...] = METHODS
        self.target: str | None = None
        self.fill: str | None = None
        self.follows = True
        self.sets: dict[str, ExplainedSet] = {}
        self._chosen: Spectrum | None = None

    # -- which spectra -------------------------------------------------------------------------------------------------

    @property
    def chosen(self) -> Spectrum | None:
        """The spectrum that is asked about; None where none is open."""
        return self._chosen

    @property
    def others(self) -> list[Spectrum]:
        """Those that are drawn beside the chosen one."""
        return [s for s in self.spectra if s.shown and s is not self._chosen]

    def add(self, spectrum: Spectrum) -> Spectrum:
        """Open a spectrum and choose it; one that was picked from the same layer gives its place to the next one."""
        if spectrum.origin is not None:
            old = next((s for s in self.spectra if s.origin and s.origin.layer == spectrum.origin.layer), None)
            if old is spectrum:
                self._choose(spectrum)
                return spectrum
            if old is not None:
                spectrum.intervals = old.intervals if old.dim == spectrum.dim else ()
                self.spectra[self.spectra.index(old)] = spectrum
                self._choose(spectrum)
                return spectrum
        self.spectra.append(spectrum)
        self._choose(spectrum)
        return spectrum

    def take(self, arrival: Arrival) -> Spectrum:
        """Open what the reader put on the shelf, with the explanation that was saved with it.

        Raises
        ------
        SignalError
            If it is no spectrum that can be drawn.
        """
        from napari_matxai.session.curves.asking import restored

        spectrum = Spectrum(arrival.signal, arrival.name, arrival.path)
        if arrival.explanation is not None:
            spectrum.explained = restored(arrival.explanation)
        if arrival.model is not None:
            self.ask(model=arrival.model)
        return self.add(spectrum)

    def remove(self, spectrum: Spectrum) -> None:
        """Close a spectrum; the one before it is chosen."""
        index = self.spectra.index(spectrum)
        self.spectra.remove(spectrum)
        if spectrum is self._chosen:
            self._choose(self.spectra[max(0, index - 1)] if self.spectra else None)
        else:
            self.opened.emit()

    def choose(self, spectrum: Spectrum | None) -> None:
        """Ask about this spectrum from now on."""
        if spectrum is not self._chosen:
            self._choose(spectrum)

    def _choose(self, spectrum: Spectrum | None) -> None:
        self._chosen = spectrum
        self.opened.emit()
        self.chosen_changed.emit()

    def show(self, spectrum: Spectrum, *, shown: bool) -> None:
        """Draw a spectrum beside the chosen one, or do not."""
        if spectrum.shown != shown:
            spectrum.shown = shown
            self.look_changed.emit()

    # -- what its file does not say ------------------------------------------------------------------------------------

    def say_axis(self, spectrum: Spectrum, kind: str, unit: str | None = None) -> None:
        """Say what the axis of a spectrum is, where its file does not: the file is read again with it.

        Raises
        ------
        MatxaiError
            If there is no such kind, or the points cannot lie on it.
        """
        from matxai.signals.spectra.axes import axis_kind

        known = axis_kind(kind)
        signal = spectrum.signal
        if not spectrum.unnamed and kind != spectrum.dim and spectrum.axis is None:
            msg = (
                f"The file of {spectrum.name} says that its axis is {spectrum.dim}; choose another axis to draw along."
            )
            raise SignalError(msg)
        if spectrum.path is not None:
            from matxai.signals import read

            again = read(spectrum.path, **{**spectrum.reading, "axis": kind})
            again.attrs.update({k: v for k, v in signal.attrs.items() if k == "wavelength" and k not in again.attrs})
            signal = again
        else:
            signal = signal.rename({spectrum.dim: kind})
        if not signal[kind].attrs.get("units"):
            signal[kind].attrs["units"] = unit or known.unit
        self._replace(spectrum, signal)
        spectrum.axis = kind

    def say_wavelength(self, spectrum: Spectrum, wavelength: float) -> None:
        """Say at which wavelength (angstrom) a pattern was measured, where its file does not.

        Raises
        ------
        SignalError
            If it is none, or the file says another one.
        """
        from matxai.jobs.inputs import measured_at

        self._replace(spectrum, measured_at(spectrum.signal, wavelength, spectrum.name))

    def say(self, spectrum: Spectrum, name: str, value: float) -> None:
        """Say another number that a conversion of the axis needs: ``laser``, ``photon_energy``, ``e0``.

        Raises
        ------
        SignalError
            If it cannot be one.
        """
        from matxai.signals.spectra.conversions import SETTINGS, checked

        if name == "wavelength":
            self.say_wavelength(spectrum, value)
            return
        self._replace(spectrum, spectrum.signal.assign_attrs({SETTINGS[name].attr: checked(name, value)}))

    def _replace(self, spectrum: Spectrum, signal: Any) -> None:
        from napari_matxai.session.curves.spectrum import checked

        spectrum.signal = checked(signal, spectrum.name)
        spectrum.forget()
        self.opened.emit()
        self.chosen_changed.emit()

    # -- how they are drawn --------------------------------------------------------------------------------------------

    def draw(self, **changed: Any) -> None:
        """Draw them in another way; the names are those of :class:`Look`."""
        new = replace(self.look, **changed)
        if new != self.look:
            self.look = new
            self.look_changed.emit()

    def refer(self, references: tuple[str, ...]) -> None:
        """Draw the lines of these references; zones are compared with the first."""
        if references != self.references:
            self.references = references
            self.look_changed.emit()

    def cut(self, spectrum: Spectrum, intervals: tuple[Interval, ...]) -> None:
        """Give a spectrum these zones."""
        if intervals != spectrum.intervals:
            spectrum.intervals = intervals
            self.intervals_changed.emit(spectrum)

    # -- who is asked --------------------------------------------------------------------------------------------------

    def ask(self, **changed: Any) -> None:
        """Ask another ``model``, for other ``methods``, another ``target`` or ``fill``."""
        before = (self.model, self.methods, self.target, self.fill)
        for name, value in changed.items():
            setattr(self, name, value)
        if self.model != before[0] and "target" not in changed:
            self.target = None
        if (self.model, self.methods, self.target, self.fill) != before:
            self.asking_changed.emit()

    def why_not_set(self) -> str:
        """Return in one sentence why the spectra of a layer cannot be asked about; empty where they can."""
        if self.model is None:
            return "Choose a model for spectra, or open one of your own."
        return "" if self.methods else "Tick at least one method."

    def why_not(self) -> str:
        """Return in one sentence why nothing can be asked yet; empty where it can."""
        if self._chosen is None:
            return "Open a spectrum first: drop its file on the viewer, or click into a spectrum image."
        if self.model is None:
            return "Choose a model for spectra, or open one of your own."
        if not self.methods:
            return "Tick at least one method."
        if self._chosen.unnamed:
            return "Say first what the axis is: the file does not tell."
        return ""

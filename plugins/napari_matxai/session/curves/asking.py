"""Ask what decided in spectra: the question, and what came of it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import Cancelled, MatxaiError, SignalError
from napari_matxai.session.explaining import loading_options
from napari_matxai.session.journal import Code, Opened, Subject, call

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xarray as xr

    from matxai.checks.zones import ZoneTable
    from matxai.modelcard import Model
    from napari_matxai.session.curves.spectrum import Spectrum
    from napari_matxai.session.models import Models
    from napari_matxai.session.question import Cancel, Progress
    from napari_matxai.session.session import Session
    from napari_matxai.settings import Settings


@dataclass(frozen=True, eq=False)
class ExplainedCurve:
    """What a model said of one spectrum.

    Parameters
    ----------
    model
        Name or path that it was opened by; empty for what was saved.
    explanation
        The maps.
    received
        What the network got, dims ``(c, axis)``; None where that is the spectrum as measured, or nobody knows.
    table
        The zones with their shares; None where there are none.
    note
        Why there are none.
    seconds
        How long it took.
    """

    model: str
    explanation: xr.Dataset
    received: xr.DataArray | None = None
    table: ZoneTable | None = None
    note: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class Asked:
    """What is asked of a model for spectra.

    Parameters
    ----------
    model
        Name or path.
    methods, target
        As ``matxai.explain`` takes them.
    references
        What zones are compared with.
    settings
        Of the session.
    """

    model: str
    methods: tuple[str, ...]
    target: str | None
    references: tuple[str, ...]
    settings: Settings

    @classmethod
    def of(cls, session: Session) -> Asked:
        """Return what a session asks.

        Raises
        ------
        MatxaiError
            If something is missing: one sentence on what.
        """
        curves = session.curves
        why_not = curves.why_not()
        if why_not or curves.model is None:
            raise MatxaiError(why_not)
        return cls(curves.model, curves.methods, curves.target, curves.references, session.settings)

    @classmethod
    def for_set(cls, session: Session) -> Asked:
        """Return what a session asks about the spectra of a layer.

        Raises
        ------
        MatxaiError
            If something is missing: one sentence on what.
        """
        curves = session.curves
        why_not = curves.why_not_set()
        if why_not or curves.model is None:
            raise MatxaiError(why_not)
        return cls(curves.model, curves.methods, curves.target, (), session.settings)

    @property
    def seed(self) -> int:
        """Of everything that is drawn."""
        return self.settings.seed

    def opened(self, models: Models, explanation: xr.Dataset) -> Opened:
        """Return the model, for the journal."""
        return Opened(self.model, loading_options(models, self.model, explanation))

    def explained(self, model: Model, signal: xr.DataArray, progress: Progress, cancel: Cancel) -> xr.Dataset:
        """Return the explanation of one spectrum.

        Raises
        ------
        MatxaiError
            If the spectrum does not fit the model.
        """
        from matxai.explanation import explain
        from matxai.jobs.zoning import methods_for_curve

        methods = methods_for_curve(model, signal, self.methods, layers=False)
        return explain(
            model, signal, methods=methods, target=self.target, seed=self.seed, memory=self.settings.memory,
            progress=progress, cancel=cancel,
        )  # fmt: skip


def restored(explanation: xr.Dataset) -> ExplainedCurve:
    """Return what a saved explanation says; the zones' shares are asked for again when they are wanted."""
    return ExplainedCurve("", explanation)


def subject_of(spectrum: Spectrum) -> Subject:
    """Return a spectrum as a script finds it again; reads all its values."""
    reading = dict(spectrum.reading)
    return Subject.of(spectrum.signal, path=None if spectrum.origin is not None else spectrum.path, reading=reading)


def light_table(asked: Asked, model: Model, explanation: xr.Dataset, cancel: Cancel) -> tuple[ZoneTable | None, str]:
    """Return the zones with their shares, without redraws and removals; or the sentence that says why there are none.

    Raises
    ------
    Cancelled
        If ``cancel`` is set.
    """
    from matxai.jobs.explaining import Options
    from matxai.jobs.zoning import table_of

    options = Options(redraws=0, evidence=False, references=asked.references, seed=asked.seed)
    try:
        found = table_of(model, explanation, options, methods=asked.methods, cancel=cancel)
    except Cancelled:
        raise
    except MatxaiError as error:
        return None, str(error)
    return (None, found) if isinstance(found, str) else (found, "")


class ExplainCurves:
    """The question what decided in spectra.

    Parameters
    ----------
    session
        Its model, methods and target.
    spectra
        Which ones; by default the chosen one.

    Raises
    ------
    MatxaiError
        If something is missing: one sentence on what.
    """

    title = "explain"

    def __init__(self, session: Session, spectra: Sequence[Spectrum] = ()) -> None:
        self.asked = Asked.of(session)
        chosen = session.curves.chosen
        assert chosen is not None  # noqa: S101 - why_not has seen to it
        self.spectra = tuple(spectra) or (chosen,)
        self.signals = tuple(s.signal for s in self.spectra)
        self._models = session.models

    def run(self, progress: Progress, cancel: Cancel) -> list[tuple[ExplainedCurve | str, Subject]]:
        """Load the model if need be, and explain each; of several, one that does not fit costs only itself.

        Raises
        ------
        Cancelled
            If ``cancel`` is set.
        MatxaiError
            If the only one does not fit.
        """
        model = self._models.load(self.asked.model)
        answers: list[tuple[ExplainedCurve | str, Subject]] = []
        for number, (spectrum, signal) in enumerate(zip(self.spectra, self.signals, strict=True)):
            if len(self.spectra) > 1:
                progress(number, len(self.spectra), spectrum.name)
            try:
                found: ExplainedCurve | str = self._one(model, spectrum.name, signal, progress, cancel)
            except Cancelled:
                raise
            except MatxaiError as error:
                if len(self.spectra) == 1:
                    raise
                found = f"{spectrum.name}: {error}"
            answers.append((found, subject_of(spectrum)))
        return answers

    def _one(self, model: Model, name: str, signal: xr.DataArray, progress: Progress, cancel: Cancel) -> ExplainedCurve:
        from matxai.jobs.curves import received_curve
        from matxai.report.colours import map_colours

        started = time.monotonic()
        several = len(self.spectra) > 1
        explanation = self.asked.explained(model, signal, (lambda *_: None) if several else progress, cancel)
        self._refuse_unseen(explanation, name)
        received = received_curve(model, signal)
        table, note = light_table(self.asked, model, explanation, cancel)
        map_colours(signed=True)  # imports what draws, here and not on the main thread
        seconds = time.monotonic() - started
        return ExplainedCurve(self.asked.model, explanation, received, table, note, seconds)

    @staticmethod
    def _refuse_unseen(explanation: xr.Dataset, name: str) -> None:
        """Refuse an answer about a spectrum of which the network got nothing.

        Raises
        ------
        SignalError
            With what the preprocessing says of it.
        """
        from matxai.explanation import provenance

        if any(int(np.isfinite(v.values).sum()) > 1 for v in explanation.data_vars.values()):
            return
        notes = [n for n in provenance(explanation).get("assumptions", []) if "resampled" in n]
        msg = f"Nothing of {name} lies where the network looks: {' '.join(notes)}".strip()
        raise SignalError(msg)

    def show(self, session: Session, answer: list[tuple[ExplainedCurve | str, Subject]]) -> None:
        """Keep the answers with their spectra."""
        for spectrum, signal, (found, subject) in zip(self.spectra, self.signals, answer, strict=True):
            if isinstance(found, str):
                session.curves.refused.emit(found)
                continue
            if spectrum.signal is not signal:
                continue  # its axis was named meanwhile: this answer is of another signal
            spectrum.explained, spectrum.again = found, None
            session.journal.add(
                f"explain the spectrum {spectrum.name}",
                *said_of(spectrum),
                f"result = {explain_call(self.asked)}",
                needs=needs_of(self.asked),
                subject=subject,
                opened=self.asked.opened(self._models, found.explanation),
                saves=("result",),
            )
            session.curves.answered.emit(spectrum)


def said_of(spectrum: Spectrum) -> tuple[str, ...]:
    """Return the lines of a script that say of a signal what the user said of it."""
    if spectrum.path is None or spectrum.origin is not None:
        return ()
    facts = {k: spectrum.signal.attrs[k] for k in ("wavelength",) if k in spectrum.signal.attrs}
    return tuple(f"signal.attrs.setdefault({k!r}, {float(v)!r})" for k, v in facts.items())


def methods_code(asked: Asked, signal: str = "signal") -> Any:
    """Return the methods as a script names them."""
    methods = list(asked.methods)
    if "multilayer_grad_cam" not in methods:
        return methods
    return Code(f"methods_for_curve(model, {signal}, {methods!r}, layers=False)")


def explain_call(asked: Asked) -> str:
    """Return the call that explains a spectrum, as a script writes it."""
    return call(
        "matxai.explain", Code("model"), Code("signal"), methods=methods_code(asked), target=asked.target,
        seed=asked.seed,
    )  # fmt: skip


def needs_of(asked: Asked, *more: str) -> tuple[str, ...]:
    """Return the imports of a script's lines."""
    fused = ("from matxai.jobs.zoning import methods_for_curve",) if "multilayer_grad_cam" in asked.methods else ()
    return ("import matxai", *fused, *more)

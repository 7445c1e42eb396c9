"""Mask zones of a spectrum and ask again; and the full table of its zones, with errors and removals."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from matxai.errors import MatxaiError
from napari_matxai.session.curves.asking import (
    Asked,
    ExplainedCurve,
    explain_call,
    light_table,
    methods_code,
    needs_of,
    said_of,
    subject_of,
)
from napari_matxai.session.curves.intervals import mask_of
from napari_matxai.session.journal import Code, Subject, call

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import xarray as xr

    from matxai.checks.changes import Change
    from matxai.checks.zones import ZoneTable
    from napari_matxai.session.question import Cancel, Progress
    from napari_matxai.session.session import Session


@dataclass(frozen=True)
class Row:
    """What masking did to one class.

    Parameters
    ----------
    name
        Of the class.
    before, after
        Its score; after is the mean over the fills that count.
    low, high
        The smallest and largest score after, over those fills.
    probability_before, probability_after
        Likewise.
    """

    name: str
    before: float
    after: float
    low: float
    high: float
    probability_before: float
    probability_after: float


@dataclass(frozen=True, eq=False)
class Again:
    """What came of asking without the zones.

    Parameters
    ----------
    mask
        The points that were masked, ``(L,)``.
    fill
        The fill of the new map.
    change
        Every class's scores under every fill, and those of the controls.
    rows
        The same by class.
    filled
        The masked spectrum.
    explanation
        The new maps, of the same class.
    """

    mask: npt.NDArray[np.bool_]
    fill: str
    change: Change
    rows: tuple[Row, ...]
    filled: xr.DataArray
    explanation: xr.Dataset


def rows_of(change: Change, classes: tuple[str, ...]) -> tuple[Row, ...]:
    """Return what masking did to each class, the mean over the fills that count."""
    counted = change.counted if change.counted.any() else ~change.counted
    after = change.after.scores[counted]
    sure = change.after.probabilities
    was = change.before.probabilities
    nan = float("nan")
    return tuple(
        Row(
            name,
            float(change.before.scores[0, k]),
            float(after[:, k].mean()),
            float(after[:, k].min()),
            float(after[:, k].max()),
            nan if was is None else float(was[0, k]),
            nan if sure is None else float(sure[counted][:, k].mean()),
        )
        for k, name in enumerate(classes)
    )


def fills_for_curves() -> tuple[str, ...]:
    """Return the fills for spectra that need no other sample, the usual ones first."""
    from matxai.checks.fills import SPECTRUM_FILLS, fills

    able = [n for n, f in fills.items() if 1 in f.axes and not f.needs_donor]
    return tuple([n for n in SPECTRUM_FILLS if n in able] + [n for n in able if n not in SPECTRUM_FILLS])


class AskAgain:
    """The question what the model says of the chosen spectrum without the zones that are ticked.

    Raises
    ------
    MatxaiError
        If something is missing, or no point lies in the zones.
    """

    title = "mask and ask again"

    def __init__(self, session: Session) -> None:
        self.asked = Asked.of(session)
        spectrum = session.curves.chosen
        assert spectrum is not None  # noqa: S101 - why_not has seen to it
        self.spectrum, self.signal, self.explained = spectrum, spectrum.signal, spectrum.explained
        self.mask = mask_of(spectrum, [i for i in spectrum.intervals if i.chosen])
        self.fills = None if session.curves.fill is None else (session.curves.fill,)
        self._models = session.models

    def run(self, progress: Progress, cancel: Cancel) -> tuple[Again, ExplainedCurve | None, Subject]:
        """Ask with the zones filled in every way, and explain what is left with the first of them."""
        from matxai.checks import ask_again
        from matxai.jobs.zoning import methods_for_curve
        from matxai.regions import Region

        model = self._models.load(self.asked.model)
        asked, signal, known = self.asked, self.signal, self.explained
        if known is None or known.model != asked.model:
            known = ExplainedCurve(asked.model, asked.explained(model, signal, progress, cancel))
        said = ask_again(
            model, signal, Region(self.mask, "interval", "drawn"), before=known.explanation, target=asked.target,
            methods=methods_for_curve(model, signal, asked.methods, layers=False), fills=self.fills, seed=asked.seed,
            progress=progress, cancel=cancel, memory=asked.settings.memory,
        )  # fmt: skip
        rows = rows_of(said.change, tuple(model.classes))
        assert said.explanation is not None  # noqa: S101 - methods were given
        again = Again(self.mask, said.fill, said.change, rows, said.signal, said.explanation)
        return again, None if known is self.explained else known, subject_of(self.spectrum)

    def show(self, session: Session, answer: tuple[Again, ExplainedCurve | None, Subject]) -> None:
        """Put the new maps beside the old ones."""
        again, before, subject = answer
        spectrum, asked = self.spectrum, self.asked
        if spectrum.signal is not self.signal:
            return
        spectrum.explained = before or spectrum.explained or self.explained
        spectrum.again = again
        said = call(
            "ask_again", Code("model"), Code("signal"), Code('Region(zones, "interval", "drawn")'),
            before=Code("result"), target=asked.target, methods=methods_code(asked),
            fills=None if self.fills is None else list(self.fills), seed=asked.seed,
        )  # fmt: skip
        session.journal.add(
            f"mask {int(self.mask.sum())} points of {spectrum.name} and ask again",
            *said_of(spectrum),
            f"result = {explain_call(asked)}",
            f"again = {said}",
            "print(again.change.sentence)",
            "masked = again.explanation",
            needs=needs_of(asked, "from matxai.checks import ask_again", "from matxai.regions import Region"),
            subject=subject,
            opened=asked.opened(self._models, again.explanation),
            arrays={"zones": self.mask},
            saves=("result", "masked"),
        )
        session.curves.answered.emit(spectrum)


class AskZones:
    """The question for the table of zones: shares with errors, what each one's removal does, what each one is.

    Raises
    ------
    MatxaiError
        If something is missing, or nothing was explained yet.
    """

    title = "zones"

    def __init__(self, session: Session, *, light: bool = False) -> None:
        self.asked = Asked.of(session)
        spectrum = session.curves.chosen
        assert spectrum is not None  # noqa: S101 - why_not has seen to it
        if spectrum.explained is None:
            msg = f"Explain {spectrum.name} first: the table says what its maps hold in each zone."
            raise MatxaiError(msg)
        self.spectrum, self.explained, self.light = spectrum, spectrum.explained, light
        self._models = session.models

    def run(self, progress: Progress, cancel: Cancel) -> tuple[ZoneTable | None, str, Subject]:
        """Redraw the noise, remove the zones, and compare them with the reference."""
        from matxai.jobs.explaining import Options
        from matxai.jobs.zoning import table_of

        model = self._models.load(self.asked.model)
        explanation = self.explained.explanation
        subject = subject_of(self.spectrum)
        if self.light:
            return (*light_table(self.asked, model, explanation, cancel), subject)
        options = Options(references=self.asked.references, seed=self.asked.seed)
        found = table_of(
            model, explanation, options, methods=self.asked.methods, progress=progress, cancel=cancel
        )  # fmt: skip
        return (None, found, subject) if isinstance(found, str) else (found, "", subject)

    def show(self, session: Session, answer: tuple[ZoneTable | None, str, Subject]) -> None:
        """Keep the table with the spectrum."""
        table, note, subject = answer
        if self.spectrum.explained is not self.explained:
            return
        self.spectrum.explained = replace(self.explained, table=table, note=note)
        if not self.light:
            options = call("Options", references=self.asked.references or None, seed=self.asked.seed)
            session.journal.add(
                f"the zones of {self.spectrum.name}",
                *said_of(self.spectrum),
                f"result = {explain_call(self.asked)}",
                f"zones = table_of(model, result, {options})",
                needs=needs_of(
                    self.asked, "from matxai.jobs.explaining import Options", "from matxai.jobs.zoning import table_of"
                ),
                subject=subject,
                opened=self.asked.opened(self._models, self.explained.explanation),
                saves=("result",),
            )
        session.curves.answered.emit(self.spectrum)

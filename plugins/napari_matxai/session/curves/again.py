"""Mask zones of a spectrum and ask again; and the full table of its zones, with errors and removals."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from matxai.errors import MatxaiError
from napari_matxai.session.curves.asking import Asked, explain_call, light_table, needs_of, said_of, subject_of
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

CONTROLS = 19
"""Stretches of background that masked zones are compared with."""


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
        self.spectrum, self.signal = spectrum, spectrum.signal
        self.mask = mask_of(spectrum, [i for i in spectrum.intervals if i.chosen])
        self.fills = None if session.curves.fill is None else (session.curves.fill,)
        self._models = session.models

    def run(self, progress: Progress, cancel: Cancel) -> tuple[Again, xr.Dataset, Subject]:
        """Ask with the zones filled in every way, and explain the first of them."""
        from matxai.checks.perturbation import filled_signal
        from matxai.checks.perturbing import perturb

        model = self._models.load(self.asked.model, trust=self.asked.trust)
        seed = self.asked.seed
        said = perturb(
            model, self.signal, self.mask, target=self.asked.target, fills=self.fills, controls=CONTROLS, seed=seed,
            progress=progress, cancel=cancel,
        )  # fmt: skip
        change = said.changes[0]
        same = replace(self.asked, target=model.classes[change.target] if model.classes else None)
        fill = change.fills[0]
        filled = filled_signal(self.signal, self.mask, fill, seed)
        explanation = same.explained(model, filled, progress, cancel)
        before = same.explained(model, self.signal, progress, cancel)
        again = Again(self.mask, fill, change, rows_of(change, model.classes), filled, explanation)
        return again, before, subject_of(self.spectrum)

    def show(self, session: Session, answer: tuple[Again, xr.Dataset, Subject]) -> None:
        """Put the new maps beside the old ones."""
        from napari_matxai.session.curves.asking import ExplainedCurve

        again, before, subject = answer
        spectrum = self.spectrum
        if spectrum.signal is not self.signal:
            return
        known = spectrum.explained or ExplainedCurve(self.asked.model, before)
        spectrum.explained = replace(known, model=self.asked.model, explanation=before)
        spectrum.again = again
        asked = call(
            "perturb", Code("model"), Code("signal"), Code("zones"), target=self.asked.target,
            fills=None if self.fills is None else list(self.fills), controls=CONTROLS, seed=self.asked.seed,
        )  # fmt: skip
        same = replace(self.asked, target=again.rows[again.change.target].name if again.rows else None)
        session.journal.add(
            f"mask {int(self.mask.sum())} points of {spectrum.name} and ask again",
            *said_of(spectrum),
            f"change = {asked}.changes[0]",
            "print(change.sentence)",
            f"masked = filled_signal(signal, zones, {again.fill!r}, {self.asked.seed})",
            f"result = {explain_call(same, 'masked')}",
            needs=needs_of(
                self.asked,
                "from matxai.checks.perturbing import perturb",
                "from matxai.checks.perturbation import filled_signal",
            ),
            subject=subject,
            opened=self.asked.opened(before),
            arrays={"zones": self.mask},
            saves=("result",),
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

        model = self._models.load(self.asked.model, trust=self.asked.trust)
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
                opened=self.asked.opened(self.explained.explanation),
                saves=("result",),
            )
        session.curves.answered.emit(self.spectrum)

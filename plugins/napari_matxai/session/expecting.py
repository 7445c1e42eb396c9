"""Whether the model keeps to a file of expectations, on the current image or on a folder of labelled ones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_matxai.session.checking import FINDINGS_PRINTED, Asking, Check, command_of, notes_of
from napari_matxai.session.journal import Code, Subject, call
from napari_matxai.session.outcome import Outcome, Row, Shown, new_folder

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import xarray as xr
    from napari.layers import Layer

    from matxai.checks.expect import Checked, Expectations
    from matxai.jobs.data import Data
    from napari_matxai.layers.masks import Drawing
    from napari_matxai.layers.placing import Placing
    from napari_matxai.session.question import Cancel, Progress
    from napari_matxai.session.session import Session


class ExpectationsQuestion(Check):
    """Whether the model keeps to a file of expectations.

    Parameters
    ----------
    session, asking
        As everywhere.
    file
        The expectations.
    label
        Class of the current image; None for the one that the model says.
    mask
        The layer whose regions are the ground truth of the current image, for regions ``{mask: any}``; None for none.
    """

    title = "expectations"

    def __init__(
        self, session: Session, asking: Asking, file: Path, label: str | None = None, mask: Layer | None = None
    ) -> None:
        super().__init__(session, asking)
        self.file, self.label = file, label
        self.subject: Subject | None = None
        self.mask: npt.NDArray[np.int64] | None = None
        self._drawn = _drawn(session, mask) if mask is not None and self.view is not None else None

    def run(self, progress: Progress, cancel: Cancel) -> Outcome:
        """Judge every expectation on the image or on the folder's images."""
        from matxai.jobs import one_signal
        from matxai.jobs.checking import check_expectations, prepared

        model = self._model()
        data: Any = self.asking.data
        if self.view is not None:
            signal, self.subject = self._signal(model)
            self.mask = _mask_of(self._drawn, signal) if self._drawn is not None else None
            data = one_signal(model, signal, label=self.label, name=self._called, mask=self.mask)
        asked, _, read = prepared(
            self.file,
            model,
            data,
            group=self.asking.group if self.view is None else None,
            split=self.asking.split if self.view is None else None,
            progress=progress,
            cancel=cancel,
        )
        folder = new_folder()
        command = "" if self.view is not None else command_of("check", str(self.file), None, self._options())
        run = check_expectations(
            asked,
            model,
            read,
            Path(folder.name),
            seed=self.settings.seed,
            command=command,
            progress=progress,
            cancel=cancel,
        )
        rows = rows_on_one(run.checked) if self.view is not None else rows_of(run.checked)
        n = len(read.labelled)
        of = f"{n} images of {self.asking.data}" if self.view is None else self._about
        return Outcome(
            f"Does {model.name} keep to {self.file.name}? Asked with {of}.",
            run.checked.answer,
            run.checked.sentence if self.view is None else on_one(run.checked),
            rows,
            folder,
            notes_of(read),
            lambda i: _worst(run.checked, asked, read, i),
        )

    @property
    def _called(self) -> str:
        return Path(self._about).name

    def _options(self) -> dict[str, Any]:
        return {
            "model": self.source,
            "data": str(self.asking.data),
            "group": self.asking.group,
            "split": self.asking.split,
            "seed": self.settings.seed,
        }

    def show(self, session: Session, answer: Outcome) -> None:
        """Hand the outcome to the step, and write down how it was got."""
        session.judge(answer)
        lines = []
        options: dict[str, Any] = {"seed": self.settings.seed}
        if self.view is not None:
            mask = None if self.mask is None else Code("mask")
            one = call("one_signal", Code("model"), Code("signal"), label=self.label, name=self._called, mask=mask)
            lines, data = [f"one = {one}"], Code("one")
            needs: tuple[str, ...] = ("from matxai.jobs import one_signal",)
        else:
            data, needs = str(self.asking.data), ("import matxai",)
            options |= {"group": self.asking.group, "split": self.asking.split}
        session.journal.add(
            f"does it keep to {self.file.name}? {self._about}",
            *lines,
            f"found = {call('matxai.check', str(self.file.absolute()), Code('model'), data, **options)}",
            "print(found.answer, found.sentence)",
            *FINDINGS_PRINTED,
            needs=needs,
            subject=self.subject,
            opened=self._opened(),
            arrays={} if self.mask is None else {"mask": self.mask},
        )


def _drawn(session: Session, mask: Layer) -> tuple[Drawing, Placing, tuple[int, ...], tuple[int, ...]]:
    """What a layer's regions are now, and where the image's pixels lie: held fast for the thread."""
    from napari_matxai.layers.drawings import drawing_of, placing_of

    image = session.layer
    assert image is not None  # noqa: S101 - the current image is asked about
    presenter = session.presenter
    drawing = drawing_of(mask, presenter.indices(mask))
    return drawing, placing_of(image), presenter.shape(image), presenter.step(image)


def _mask_of(
    drawn: tuple[Drawing, Placing, tuple[int, ...], tuple[int, ...]], signal: xr.DataArray
) -> npt.NDArray[np.int64]:
    """The regions of a layer as numbers in the image's pixels, 0 where there is none.

    Raises
    ------
    RegionError
        If none of them covers a pixel of the image.
    """
    import numpy as np

    from napari_matxai.layers.masks import Grid, masks

    drawing, placing, shape, step = drawn
    found = masks(drawing, Grid(placing, shape, step if signal.ndim - ("c" in signal.dims) < len(shape) else None))
    numbered = np.zeros(found.regions[0].mask.shape, np.int64)
    for number, region in enumerate(found.regions, start=1):
        numbered[region.mask] = number
    return numbered


def rows_of(checked: Checked) -> tuple[Row, ...]:
    """Return a line for each expectation."""
    from matxai.jobs.check_report import findings_of

    answers = [f.verdict.answer if f.demanded else "reported" for f in checked.findings]
    return tuple(Row.of(f, answer=a) for f, a in zip(findings_of(checked), answers, strict=True))


def rows_on_one(checked: Checked) -> tuple[Row, ...]:
    """Return a line for each expectation with what the one image says to it: the measure, and no interval."""
    rows = []
    for finding in checked.findings:
        sample = next(iter(finding.samples), None)
        answer = (sample.answer if sample is not None else "") or "inconclusive"
        value = sample.value if sample is not None else None
        said = finding.verdict.sentence
        if sample is not None and sample.reason:
            said = sample.reason
        elif sample is not None and value is not None:
            beside = "" if sample.control is None else f", beside {sample.control:.3g} in matched controls"
            ranked = "" if sample.rank is None else f" (rank {sample.rank} of {sample.controls + 1})"
            said = f"{finding.kind.replace('_', ' ')} of {finding.where}: {value:.3g}{beside}{ranked}."
        answer = answer if finding.demanded else "reported"
        rows.append(Row(finding.name, answer, value, None, None, None, 1 if value is not None else 0, said))
    return tuple(rows)


def on_one(checked: Checked) -> str:
    """Return in one sentence how one image stands to the expectations."""
    demanded = [r for r, f in zip(rows_on_one(checked), checked.findings, strict=True) if f.demanded]
    counts = {a: sum(r.answer == a for r in demanded) for a in ("holds", "broken", "inconclusive")}
    said = ", ".join(
        f"{n} {word}" for word, n in zip(("hold", "do not", "cannot be told"), counts.values(), strict=True) if n
    )
    return (
        f"In this image, of {len(demanded)} expectations {said}. One image decides nothing about the model: that takes "
        "six independent ones and more, as a folder."
    )


def _worst(checked: Checked, asked: Expectations, data: Data, number: int) -> Shown | None:
    """The sample that speaks most against an expectation, with the expectation's region."""
    from matxai.jobs.check_report import worst_of

    found = worst_of(checked.findings[number], asked, data)
    return None if found is None else Shown(found[1], found[2], found[0])

"""Whether the model reads what is not of the specimen, on the current image or on a folder of labelled ones."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matxai.errors import MatxaiError
from napari_matxai.session.journal import Code, Opened, Subject, call
from napari_matxai.session.outcome import Outcome, Row, Shown, new_folder

if TYPE_CHECKING:
    import xarray as xr

    from matxai.checks.leak import Leakage
    from matxai.jobs.data import Data
    from matxai.modelcard import Model
    from napari_matxai.session.question import Cancel, Progress
    from napari_matxai.session.session import Session

NO_MODEL = "Choose a model first (step 2)."
NO_IMAGE = "Open an image first, or ask about a folder of labelled images."


@dataclass(frozen=True)
class Asking:
    """How a check is asked.

    Parameters
    ----------
    data
        A folder or table of labelled images; None for the current image.
    group
        Column of what is not independent; None for the column ``group`` where there is one.
    split
        Part of the table; None for ``test`` where there is one.
    thorough
        Whether leakage is asked about with the tests beside the exchange, and with what is not in the picture.
    """

    data: Path | None = None
    group: str | None = None
    split: str | None = None
    thorough: bool = True


class Check:
    """What a check holds, here and in :mod:`expecting`: model, current image where it is asked about, settings.

    Raises
    ------
    MatxaiError
        If there is no model, or no image where one is needed.
    """

    def __init__(self, session: Session, asking: Asking) -> None:
        if session.source is None:
            raise MatxaiError(NO_MODEL)
        if asking.data is None and session.layer is None:
            raise MatxaiError(NO_IMAGE)
        self.asking = asking
        self.source, self.settings, self._models = session.source, session.settings, session.models
        layer = session.layer if asking.data is None else None
        self.view = session.presenter.view(layer) if layer is not None else None

    def _model(self) -> Model:
        return self._models.load(self.source)

    def _signal(self, model: Model) -> tuple[xr.DataArray, Subject]:
        """The current image as the model takes it, and how a script finds it again."""
        assert self.view is not None  # noqa: S101 - it is asked about
        signal, step = self.view.signal(model.kind)
        return signal, Subject.of(signal, index=dict(zip(self.view.frame.axis_labels, step or (), strict=False)))

    def _opened(self) -> Opened:
        from napari_matxai.session.explaining import loading_of

        return Opened(self.source, loading_of(self._models, self.source, self._model()))  # it is loaded by now

    @property
    def _about(self) -> str:
        return self.view.name if self.view is not None else str(self.asking.data)


class LeakageQuestion(Check):
    """Whether the model reads what is not of the specimen."""

    title = "leakage check"

    def __init__(self, session: Session, asking: Asking) -> None:
        super().__init__(session, asking)
        self.subject: Subject | None = None

    def run(self, progress: Progress, cancel: Cancel) -> Outcome:
        """Ask of the folder, or of the image what can be said of one."""
        model = self._model()
        return (
            self._of_image(model, progress, cancel) if self.view is not None else self._of_data(model, progress, cancel)
        )

    def _of_image(self, model: Model, progress: Progress, cancel: Cancel) -> Outcome:
        from matxai.checks.sentences import named
        from matxai.jobs import artefacts_of_one

        signal, self.subject = self._signal(model)
        folder = new_folder()
        found = artefacts_of_one(
            model,
            signal,
            name=self._about,
            seed=self.settings.seed,
            out=folder.name,
            progress=progress,
            cancel=cancel,
        )
        rows = tuple(Row.of(f, name=named(f.name)) for f in found.findings)
        masks = tuple(r.mask for r in found.regions)
        return Outcome(
            f"Does {model.name} use what is not of the specimen in {self._about}?",
            found.answer,
            found.sentence,
            rows,
            folder,
            example=lambda i: Shown(signal, masks[i], self._about),
        )

    def _of_data(self, model: Model, progress: Progress, cancel: Cancel) -> Outcome:
        from matxai.checks.sentences import named
        from matxai.jobs import check_leakage
        from matxai.jobs.leak_report import finding_of
        from matxai.jobs.leaking import data_of

        asking = self.asking
        assert asking.data is not None  # noqa: S101 - without it the image is asked about
        data = data_of(asking.data, model, group=asking.group, split=asking.split, progress=progress, cancel=cancel)
        folder = new_folder()
        run = check_leakage(
            model,
            data,
            Path(folder.name),
            supporting=asking.thorough,
            factors=asking.thorough,
            seed=self.settings.seed,
            command=command_of("leakage", self.source, str(asking.data), self._options(), thorough=asking.thorough),
            progress=progress,
            cancel=cancel,
        )
        found, images = run.leakage, len(data.labelled)
        return Outcome(
            f"Does {model.name} use what is not of the specimen? Asked with {images} images of {self._about}.",
            found.answer,
            found.sentence,
            tuple(Row.of(finding_of(f), name=named(f.name)) for f in found.findings),
            folder,
            notes_of(data),
            lambda i: _example(found, data, i),
        )

    def _options(self) -> dict[str, Any]:
        return {"group": self.asking.group, "split": self.asking.split, "seed": self.settings.seed}

    def show(self, session: Session, answer: Outcome) -> None:
        """Hand the outcome to the step, and write down how it was got."""
        session.judge(answer)
        asking = self.asking
        if self.view is not None:
            line = call("artefacts_of_one", Code("model"), Code("signal"), name=self._about, seed=self.settings.seed)
            needs: tuple[str, ...] = ("from matxai.jobs import artefacts_of_one",)
        else:
            thorough = {} if asking.thorough else {"supporting": False, "factors": False}
            line = call("matxai.leakage", Code("model"), str(asking.data), **self._options(), **thorough)
            needs = ("import matxai",)
        session.journal.add(
            f"does it read what is not of the specimen? {self._about}",
            f"found = {line}",
            "print(found.answer, found.sentence)",
            *FINDINGS_PRINTED,
            needs=needs,
            subject=self.subject,
            opened=self._opened(),
        )


FINDINGS_PRINTED = (
    "for finding in found.findings:",
    "    print(finding.name, finding.verdict.answer, finding.verdict.effect, finding.verdict.p)",
)


def command_of(name: str, first: str, second: str | None, options: dict[str, Any], *, thorough: bool = True) -> str:
    """Return the command that makes a check again, for its report."""
    words = ["matxai", name, first, *([second] if second is not None else [])]
    for option, value in options.items():
        words += [f"--{option}", str(value)] if value is not None else []
    return shlex.join([*words, *([] if thorough else ["--no-supporting", "--no-factors"])])


def notes_of(data: Data) -> tuple[str, ...]:
    """Return what was assumed of the data, and which files could not be used, a sentence each."""
    return (*data.labelled.notes, *(why if name in why else f"{name}: not used. {why}" for name, why in data.failures))


def _example(found: Leakage, data: Data, number: int) -> Shown | None:
    """The signal that shows a finding best, with its artefact."""
    finding = found.findings[number]
    artefact = finding.artefact
    if artefact is None:
        return None
    having = [
        int(i) for i in (*finding.examples, *artefact.present.nonzero()[0]) if artefact.regions[int(i)] is not None
    ]
    if not having:
        return None
    region = artefact.regions[having[0]]
    assert region is not None  # noqa: S101 - those without were left out
    return Shown(data.labelled.read(having[0]), region.mask(), data.labelled.names[having[0]])

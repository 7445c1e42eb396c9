"""The maps of the last explanation as one HTML file; the signal that shows a finding, as layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from matxai.errors import MatxaiError
from napari_matxai.layers.frame import frame_of
from napari_matxai.layers.images import image_layer
from napari_matxai.layers.key import Key
from napari_matxai.session.journal import Code, call
from napari_matxai.versions import identity

if TYPE_CHECKING:
    from pathlib import Path

    from napari_matxai.session.outcome import Outcome, Shown
    from napari_matxai.session.question import Cancel, Progress
    from napari_matxai.session.session import Session


class ReportQuestion:
    """Write the report of the last explanation.

    Raises
    ------
    MatxaiError
        If nothing was explained yet.
    """

    title = "report"

    def __init__(self, session: Session, path: Path) -> None:
        if session.explanation is None:
            raise MatxaiError("Nothing was explained yet, so there is nothing to report: run step 3 first.")
        self.explained, self.path, self.seed = session.explanation, path, session.settings.seed

    def run(self, progress: Progress, cancel: Cancel) -> Path:
        """Remove the top of each map to test it, and write the file."""
        from matxai.jobs.reporting import report_of

        progress(0, 1, "report")
        one = self.explained
        return report_of(one.model, one.explanation, self.path, name=one.source.name, seed=self.seed, cancel=cancel)

    def show(self, session: Session, answer: Path) -> None:
        """Write down how it was made."""
        made = call(
            "report_of",
            Code("model"),
            Code("result"),
            Code(f'here / "{answer.name}"'),
            name=self.explained.source.name,
            seed=self.seed,
        )
        session.journal.add(
            f"the report of {self.explained.source.name}", made, needs=("from matxai.jobs.reporting import report_of",)
        )


class ExampleQuestion:
    """Read the signal that shows a finding best.

    Raises
    ------
    MatxaiError
        If the outcome has no such row.
    """

    title = "example"

    def __init__(self, outcome: Outcome, number: int) -> None:
        if not 0 <= number < len(outcome.rows):
            raise MatxaiError("Choose a line of the table first.")
        self.outcome, self.number = outcome, number

    def run(self, progress: Progress, cancel: Cancel) -> Shown:  # noqa: ARG002 - one file is read
        """Read it.

        Raises
        ------
        MatxaiError
            If there is none.
        """
        found = self.outcome.example(self.number)
        if found is None or found.signal.ndim - ("c" in found.signal.dims) < 2:
            raise MatxaiError(f"'{self.outcome.rows[self.number].name}' has no place in a picture that could be shown.")
        return found

    def show(self, session: Session, answer: Shown) -> None:
        """Add the image, and where in it the finding lies."""
        added = session.presenter.add(image_layer(answer.signal, f"example: {answer.name}"))
        if answer.mask is None:
            return
        what = self.outcome.rows[self.number].name
        keywords = {**frame_of(answer.signal).as_keywords(), "name": f"{what} · {answer.name}", "opacity": 0.45}
        session.presenter.put(
            (np.asarray(answer.mask).astype(np.uint8), keywords, "labels"), Key(identity(added), "region", what)
        )

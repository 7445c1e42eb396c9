"""A file of expectations to start from, filled in from the model, the image and the folder at hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matxai.errors import MatxaiError
from napari_matxai.layers.key import ours
from napari_matxai.session.checking import NO_MODEL

if TYPE_CHECKING:
    from pathlib import Path

    from napari_matxai.session.question import Cancel, Progress
    from napari_matxai.session.session import Session


class DraftQuestion:
    """Write a file of expectations.

    Parameters
    ----------
    session
        Its model gives classes, its image what is found in it (where it came from a file).
    path
        The new file.
    data
        A folder or table of labelled images, where there is one.

    Raises
    ------
    MatxaiError
        If there is no model.
    """

    title = "draft expectations"

    def __init__(self, session: Session, path: Path, data: Path | None = None) -> None:
        if session.source is None:
            raise MatxaiError(NO_MODEL)
        layer = session.layer
        image = ours(layer).get("path") if layer is not None else None
        self.source, self.path = session.source, path
        self.examples = [str(p) for p in (data, image if isinstance(image, str) else None) if p is not None]

    def run(self, progress: Progress, cancel: Cancel) -> Path:  # noqa: ARG002 - a moment's work
        """Look at the examples, and write it."""
        from matxai.jobs import draft_expectations
        from matxai.modelcard.finding import find_model

        progress(0, 1, "draft")
        self.examples.insert(0, str(find_model(self.source)))
        draft_expectations(None, self.examples, out=self.path)
        return self.path

    def show(self, session: Session, answer: Path) -> None:
        """The step takes the file; a draft is no result, so the script has no line for it."""

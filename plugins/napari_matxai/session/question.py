"""A question: computed off the main thread, shown on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_matxai.session.session import Session

    Progress = Callable[[int, int, str], None]


class Cancel(Protocol):
    """Whether to stop: a ``threading.Event``, for one."""

    def is_set(self) -> bool:
        """Return whether it was asked to stop."""


class Question(Protocol):
    """One thing to be computed. It holds all that it needs: nothing of the viewer is read while it runs.

    ``run`` touches no widget, viewer or layer. ``show`` gets what ``run`` returned, on the main thread; layers that
    were deleted or renamed meanwhile are its own affair.

    Further attributes, where a question has them: ``quiet`` (nobody asked for it: it gives way to what somebody does,
    and shows no progress), ``keeps_part`` (what ``run`` returned after a cancel is shown), ``let_go()`` (called in the
    computing thread after a cancel or a failure: free what was prepared).
    """

    title: str

    def run(self, progress: Progress, cancel: Cancel) -> Any:
        """Compute the answer.

        Raises
        ------
        Cancelled
            Soon after ``cancel`` was set.
        MatxaiError
            One sentence on what does not fit.
        """

    def show(self, session: Session, answer: Any) -> None:
        """Put the answer into the session and onto the viewer."""

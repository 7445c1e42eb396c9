"""One question at a time off the main thread, with progress, and a cancel that reaches the engine."""

from __future__ import annotations

import threading
import traceback
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QThread, Signal

from matxai.errors import Cancelled, MatxaiError
from napari_matxai.widgets.notices import tell

if TYPE_CHECKING:
    from napari_matxai.session.question import Question
    from napari_matxai.session.session import Session


class _Thread(QThread):
    progressed = Signal(int, int, str)

    def __init__(self, question: Question, parent: QObject) -> None:
        super().__init__(parent)
        self.question = question
        self.cancelled = threading.Event()
        self.answer: Any = None
        self.error: BaseException | None = None

    def run(self) -> None:
        """Compute; whatever goes wrong is kept for the main thread, which alone may speak to the user."""
        try:
            self.answer = self.question.run(self.progressed.emit, self.cancelled)
        except Exception as error:  # noqa: BLE001 - kept, and told to the user by the main thread
            self.error = error


class Runner(QObject):
    """Runs a question, shows its answer in the session, and says how it went. Its signals arrive on the main thread.

    Parameters
    ----------
    session
        Where answers are shown.
    parent
        The dock.

    Signals
    -------
    state_changed()
        Something started or ended.
    progressed(done, total, label)
    answered(question, answer)
        After the answer was shown.
    failed(question, sentence, details)
        After the sentence was told.
    cancelled(question)
    """

    state_changed = Signal()
    progressed = Signal(int, int, str)
    answered = Signal(object, object)
    failed = Signal(object, str, str)
    cancelled = Signal(object)

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self._thread: _Thread | None = None
        self._next: Question | None = None

    @property
    def busy(self) -> bool:
        """Whether something is being computed."""
        return self._thread is not None

    @property
    def title(self) -> str:
        """What is being computed."""
        return self._thread.question.title if self._thread is not None else ""

    def start(self, question: Question) -> None:
        """Start a computation; one that is under way must have ended before.

        Raises
        ------
        RuntimeError
            If one is under way.
        """
        if self.busy:
            msg = "A computation is under way; cancel it or wait for it."
            raise RuntimeError(msg)
        self._thread = _Thread(question, self)
        self._thread.progressed.connect(self.progressed)
        self._thread.finished.connect(self._ended)
        self._thread.start()
        self.state_changed.emit()

    def replace(self, question: Question) -> None:
        """Stop what is under way and start this in its place; of several that wait, the last one counts."""
        if not self.busy:
            self.start(question)
            return
        self._next = question
        self.cancel()

    def cancel(self) -> None:
        """Ask the engine to stop; it does so before its next pass."""
        if self._thread is not None:
            self._thread.cancelled.set()

    def wait(self, milliseconds: int = 30000) -> None:
        """Stop and wait until the thread has ended: a thread must not outlive its window."""
        self._next = None
        if self._thread is not None:
            self.cancel()
            self._thread.wait(milliseconds)

    def _ended(self) -> None:
        thread, self._thread = self._thread, None
        if thread is None:
            return
        following, self._next = self._next, None
        if following is not None:
            self.start(following)
        self._conclude(thread)
        thread.deleteLater()
        self.state_changed.emit()

    def _conclude(self, thread: _Thread) -> None:
        question, error = thread.question, thread.error
        if error is None and not thread.cancelled.is_set():
            try:
                question.show(self.session, thread.answer)
            except Exception as late:  # noqa: BLE001 - told to the user; the session goes on
                error = late
            else:
                self.answered.emit(question, thread.answer)
                return
        if error is None or isinstance(error, Cancelled):
            self.cancelled.emit(question)
            return
        sentence, details = _told(error)
        tell(sentence, details)
        self.failed.emit(question, sentence, details)


def _told(error: BaseException) -> tuple[str, str]:
    """Return one sentence on an error, and the details for whom it is to be mended by."""
    details = "".join(traceback.format_exception(error))
    if isinstance(error, MatxaiError):
        return str(error), details
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return "There is not enough memory for this. Explain a smaller image, or fewer methods at once.", details
    return f"A fault in matxai itself: {type(error).__name__}: {error}", details

"""One computation at a time off the main thread, with progress, and a cancel that reaches the engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QThread, Signal

from matxai.errors import Cancelled, MatxaiError

if TYPE_CHECKING:
    from napari_matxai.asking import Asking


class _Thread(QThread):
    progressed = Signal(int, int, str)

    def __init__(self, asking: Asking, parent: QObject) -> None:
        super().__init__(parent)
        self.asking = asking
        self.answer: object = None
        self.error: BaseException | None = None

    def run(self) -> None:
        """Compute; whatever goes wrong is kept for the main thread, which alone may speak to the user."""
        try:
            self.answer = self.asking.run(self.progressed.emit)
        except Exception as error:  # noqa: BLE001 - kept, and raised to the user by the main thread
            self.error = error


class Runner(QObject):
    """Runs a question and says how it went. Its signals arrive on the main thread.

    Signals
    -------
    progressed(done, total, label), answered(answer), failed(sentence, details), cancelled(), finished()
    """

    progressed = Signal(int, int, str)
    answered = Signal(object)
    failed = Signal(str, str)
    cancelled = Signal()
    finished = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._thread: _Thread | None = None

    @property
    def busy(self) -> bool:
        """Whether something is being computed."""
        return self._thread is not None

    def start(self, asking: Asking) -> None:
        """Start a computation; one that is under way must have ended before.

        Raises
        ------
        RuntimeError
            If one is under way.
        """
        if self.busy:
            msg = "A computation is under way; cancel it or wait for it."
            raise RuntimeError(msg)
        self._thread = _Thread(asking, self)
        self._thread.progressed.connect(self.progressed)
        self._thread.finished.connect(self._ended)
        self._thread.start()

    def cancel(self) -> None:
        """Ask the engine to stop; it does so before its next pass."""
        if self._thread is not None:
            self._thread.asking.cancelled.set()

    def wait(self, milliseconds: int = 30000) -> None:
        """Stop and wait until the thread has ended: a thread must not outlive its window."""
        if self._thread is not None:
            self.cancel()
            self._thread.wait(milliseconds)

    def _ended(self) -> None:
        import traceback

        thread, self._thread = self._thread, None
        if thread is None:
            return
        if isinstance(thread.error, Cancelled):
            self.cancelled.emit()
        elif isinstance(thread.error, MatxaiError):
            self.failed.emit(str(thread.error), "")
        elif isinstance(thread.error, MemoryError):
            self.failed.emit(
                "There is not enough memory for this. Explain a smaller image, or fewer methods at once.", ""
            )
        elif thread.error is not None:
            details = "".join(traceback.format_exception(thread.error))
            self.failed.emit(f"A fault in matxai itself: {type(thread.error).__name__}: {thread.error}", details)
        else:
            self.answered.emit(thread.answer)
        thread.deleteLater()
        self.finished.emit()

"""One question at a time off the main thread, with progress, and a cancel that reaches the engine."""

from __future__ import annotations

import threading
import traceback
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from matxai.errors import Cancelled, MatxaiError
from napari_matxai.native import keep_apart
from napari_matxai.session.quiet import quiet
from napari_matxai.widgets.notices import tell

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_matxai.session.question import Question
    from napari_matxai.session.session import Session

_engine = threading.Lock()
"""One engine call at a time in this process: two docks share one processor or one GPU."""
OFTEN = 0.05
_jobs: set[_Job] = set()
"""What is being computed: its Qt side must not go before its thread has ended, whatever becomes of the window."""


class _Job(QObject):
    """One question and the thread that computes it: Python's own, which a window that goes does not take with it."""

    progressed = Signal(int, int, str)
    finished = Signal()

    def __init__(self, question: Question) -> None:
        super().__init__()
        self.question = question
        self.cancelled = threading.Event()
        self.answer: Any = None
        self.told: tuple[str, str] | None = None
        self.stopped = False
        self.thread_ = threading.Thread(target=self._run, name=f"matxai: {question.title}")

    def start(self) -> None:
        """Compute from now on."""
        _jobs.add(self)
        self.thread_.start()

    def _run(self) -> None:
        """Compute; whatever goes wrong is kept for the main thread, which alone may speak to the user."""
        while not _engine.acquire(timeout=OFTEN):
            if self.cancelled.is_set():
                self.stopped = True
                self.finished.emit()
                return
        try:
            keep_apart()
            with quiet():
                self._ask()
        finally:
            _engine.release()
            self.finished.emit()

    def _ask(self) -> None:
        try:
            self.answer = self.question.run(self.progressed.emit, self.cancelled)
        except Cancelled:
            self.stopped = True
        except Exception as error:  # noqa: BLE001 - kept, and told to the user by the main thread
            # in words: the error itself would hold the frames, and with them what was being computed
            self.told = _told(error)
        if self.stopped or self.told is not None:
            let_go = getattr(self.question, "let_go", None)
            if let_go is not None:
                let_go()


class _Now:
    """What a runner computes; held apart from it, so that it can be stopped when the runner is gone."""

    job: _Job | None = None

    def abandon(self, *_: object) -> None:
        """Stop what is being computed: nobody waits for it any more."""
        if self.job is not None:
            self.job.cancelled.set()


class Runner(QObject):
    """Runs a question, shows its answer in the session, and says how it went. Its signals arrive on the main thread.

    A question that is ``quiet`` runs in the background: it does not count as busy, and gives way to any other.

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
        self._now = _Now()
        self._next: Question | None = None
        self.destroyed.connect(self._now.abandon)  # the window went without a word

    @property
    def _job(self) -> _Job | None:
        return self._now.job

    @property
    def busy(self) -> bool:
        """Whether something is being computed, or waits to be, that somebody asked for."""
        running = self._job.question if self._job is not None else None
        return any(q is not None and not is_quiet(q) for q in (running, self._next))

    @property
    def computing(self) -> bool:
        """Whether anything is being computed, in the background as well."""
        return self._job is not None

    @property
    def question(self) -> Question | None:
        """What is being computed and was asked for by somebody."""
        if self._job is None or is_quiet(self._job.question):
            return self._next if self._next is not None and not is_quiet(self._next) else None
        return self._job.question

    @property
    def title(self) -> str:
        """What is being computed."""
        return self.question.title if self.question is not None else ""

    def start(self, question: Question) -> None:
        """Start a computation; one that is under way must have ended before, one in the background gives way.

        Raises
        ------
        RuntimeError
            If one is under way.
        """
        if self.busy:
            msg = "A computation is under way; cancel it or wait for it."
            raise RuntimeError(msg)
        self.replace(question)

    def ask(self, make: Callable[[], Question], *, instead: bool = False) -> bool:
        """Make a question and start it; where something is missing, tell what. Return whether it was started.

        Parameters
        ----------
        make
            Makes it, or raises a :class:`~matxai.errors.MatxaiError` that says in one sentence what is missing.
        instead
            Whether it takes the place of what is under way.

        Raises
        ------
        RuntimeError
            If a computation is under way, and this is not to take its place.
        """
        try:
            question = make()
        except MatxaiError as error:
            tell(str(error))
            return False
        if instead:
            self.replace(question)
        else:
            self.start(question)
        return True

    def replace(self, question: Question) -> None:
        """Stop what is under way and start this in its place; of several that wait, the last one counts."""
        if self._job is None:
            self._launch(question)
            return
        self._next = question
        self.cancel()
        self.state_changed.emit()

    def follow(self, question: Question) -> None:
        """Start this in the background once what is under way has ended; of several that wait, the last one counts."""
        if self._job is None:
            self._launch(question)
        elif self._next is None or is_quiet(self._next):
            self._next = question

    def cancel(self) -> None:
        """Ask the engine to stop; it does so before its next pass."""
        if self._job is not None:
            self._job.cancelled.set()

    def wait(self, milliseconds: int = 30000) -> None:
        """Stop and wait until the thread has ended: a thread must not outlive its window."""
        job, self._now.job, self._next = self._job, None, None
        if job is None:
            return
        job.cancelled.set()
        job.finished.disconnect(self._ended)
        job.finished.connect(lambda: _jobs.discard(job))
        job.thread_.join(milliseconds / 1000)
        if not job.thread_.is_alive():
            _jobs.discard(job)
        self.state_changed.emit()

    def _launch(self, question: Question) -> None:
        job = self._now.job = _Job(question)
        if not is_quiet(question):
            job.progressed.connect(self.progressed)
        job.finished.connect(self._ended)
        job.start()
        if not is_quiet(question):
            self.state_changed.emit()

    def _ended(self) -> None:
        job, self._now.job = self._job, None
        if job is None:
            return
        _jobs.discard(job)
        following, self._next = self._next, None
        if following is not None:
            self._launch(following)
        self._conclude(job)
        if not is_quiet(job.question):
            self.state_changed.emit()

    def _conclude(self, job: _Job) -> None:
        question, told = job.question, job.told
        part = job.answer is not None and getattr(question, "keeps_part", False)
        if told is None and not job.stopped and (part or not job.cancelled.is_set()):
            try:
                question.show(self.session, job.answer)
            except Exception as late:  # noqa: BLE001 - told to the user; the session goes on
                told = _told(late)
            else:
                self.answered.emit(question, job.answer)
                return
        if told is None:
            self.cancelled.emit(question)
            return
        if not is_quiet(question):
            tell(*told)
        self.failed.emit(question, *told)


def is_quiet(question: Question) -> bool:
    """Whether nobody asked for a question: it runs in the background."""
    return bool(getattr(question, "quiet", False))


def _told(error: BaseException) -> tuple[str, str]:
    """Return one sentence on an error, and the details for whom it is to be mended by."""
    details = "".join(traceback.format_exception(error))
    while type(error).__name__ == "EmitLoopError" and error.__cause__ is not None:  # what a slot of a signal raised
        error = error.__cause__
    if isinstance(error, MatxaiError):
        return str(error), details
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return "There is not enough memory for this. Explain a smaller image, or fewer methods at once.", details
    said = (str(error).strip().splitlines() or ["no more is known"])[0]
    return f"A fault in matxai itself: {type(error).__name__}: {said}", details

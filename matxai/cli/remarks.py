"""What the library says on the way, as the command line shows it: one line on stderr for each sentence.

The library itself prints nothing. Here its logger ``matxai`` and its `MatxaiWarning` get a listener, for as long as a
command runs: warnings by default, nothing with ``--quiet``, everything with ``--verbose``.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import warnings
from typing import TYPE_CHECKING, TextIO

from matxai.errors import MatxaiWarning

if TYPE_CHECKING:
    from collections.abc import Iterator


class Listener(logging.Handler):
    """Writes a warning's sentence on stderr once, and the trace of debugging with its origin."""

    def __init__(self) -> None:
        super().__init__()
        self._said: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        try:
            sentence = record.getMessage()
            if record.levelno < logging.WARNING:
                self._write(f"{record.name}: {sentence}")
            else:
                self.warn(sentence)
        except Exception:  # noqa: BLE001 - what logging itself does with a record that cannot be shown
            self.handleError(record)

    def warn(self, sentence: str) -> None:
        """Write a warning, unless it was said already."""
        if sentence not in self._said:
            self._said.add(sentence)
            self._write(f"matxai: {sentence}")

    @staticmethod
    def _write(line: str) -> None:
        clear = "\r\033[K" if sys.stderr.isatty() else ""  # a line of progress may stand there
        sys.stderr.write(f"{clear}{line}\n")


def hear(*, quiet: bool, verbose: bool) -> None:
    """Choose how much is heard of our own loggers; those of other libraries help nobody."""
    level = logging.DEBUG if verbose else logging.ERROR if quiet else logging.WARNING
    logging.getLogger("matxai").setLevel(level)


@contextlib.contextmanager
def heard() -> Iterator[Listener]:
    """Show what the library says until the context ends."""
    logger = logging.getLogger("matxai")
    level, propagate = logger.level, logger.propagate
    listener = Listener()
    with warnings.catch_warnings():
        warnings.simplefilter("always", MatxaiWarning)
        ordinary = warnings.showwarning

        def show(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            if not issubclass(category, MatxaiWarning):
                ordinary(message, category, filename, lineno, file, line)
            elif logger.isEnabledFor(logging.WARNING):
                listener.warn(str(message))

        warnings.showwarning = show
        logger.addHandler(listener)
        logger.propagate = False
        hear(quiet=False, verbose=False)
        try:
            yield listener
        finally:
            logger.removeHandler(listener)
            logger.setLevel(level)
            logger.propagate = propagate

"""A command that maps images to predictions: any program in any language, run without a shell, one call for a batch."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import CardError, ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from matxai.opaque import BlackBox

TIMEOUT = 600.0
"""Seconds that one call may take."""
_PLACE = re.compile(r"\{(input|output)(?:\.(npy|csv|json))?\}")


@dataclass(frozen=True)
class Command:
    """How a program is asked for predictions.

    Attributes
    ----------
    words
        The program and its arguments. ``{input}`` stands for an ``.npy`` file with the batch ``(B, C, *spatial)`` as
        the network receives it; ``{output}`` for the ``.npy`` file that the program writes its scores to, ``(B, K)``;
        ``{output.csv}`` and ``{output.json}`` likewise, one row or list for each sample.
    timeout
        Seconds that one call may take.
    batch
        Samples in one call at most; ``None``: as many as there are.
    folder
        Where it runs; ``None``: where the caller is.
    """

    words: tuple[str, ...]
    timeout: float = TIMEOUT
    batch: int | None = None
    folder: Path | None = None

    def __post_init__(self) -> None:
        text = " ".join(self.words)
        places = [m.group(1) for m in _PLACE.finditer(text)]
        if not self.words or "{input}" not in text or places.count("output") != 1:
            msg = (
                f"The command '{text}' must say {{input}} where the file of the batch stands, and {{output}} (or"
                " {output.csv}, {output.json}) once, where the scores are to be written."
            )
            raise CardError(msg)

    @property
    def title(self) -> str:
        """What errors call it."""
        text = " ".join(self.words)
        return f"The command '{text if len(text) <= 60 else text[:57] + '...'}'"

    def box(self) -> BlackBox:
        """Return the model that asks it."""
        from matxai.opaque import BlackBox

        return BlackBox(self, self.title, batch=self.batch)

    def __call__(self, batch: NDArray[Any]) -> NDArray[np.float64]:
        """Return the scores of a batch.

        Raises
        ------
        ModelError
            If the program cannot be started, fails, takes too long or writes no scores.
        """
        with tempfile.TemporaryDirectory(prefix="matxai-") as temporary:
            given = Path(temporary) / "input.npy"
            np.save(given, batch, allow_pickle=False)
            written: list[Path] = []

            def place(match: re.Match[str]) -> str:
                if match.group(1) == "input":
                    return str(given)
                written.append(Path(temporary) / f"output.{match.group(2) or 'npy'}")
                return str(written[-1])

            self._run([_PLACE.sub(place, word) for word in self.words])
            return self._read(written[0])

    def _run(self, words: list[str]) -> None:
        try:
            done = subprocess.run(  # noqa: S603 - the user's own command, without a shell
                words, cwd=self.folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
                timeout=self.timeout, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            msg = f"{self.title} did not end within {self.timeout:g} s; give it more time, or a smaller batch."
            raise ModelError(msg) from None
        except OSError as error:
            raise ModelError(f"{self.title} cannot be started: {error.strerror or error}.") from None
        if done.returncode:
            said = (done.stderr.strip() or done.stdout.strip()).splitlines()
            because = f": {said[-1].strip()}" if said else ", without a word"
            raise ModelError(f"{self.title} ended with exit code {done.returncode}{because}")

    def _read(self, path: Path) -> NDArray[np.float64]:
        if not path.is_file():
            raise ModelError(f"{self.title} ended well, but wrote no {path.name} where it was told to.")
        try:
            if path.suffix == ".npy":
                return np.asarray(np.load(path, allow_pickle=False))
            if path.suffix == ".csv":
                return np.loadtxt(path, delimiter=",", ndmin=2, dtype=np.float64)
            return np.asarray(json.loads(path.read_text(encoding="utf-8")), dtype=np.float64)
        except (ValueError, TypeError, EOFError, OSError) as error:
            first = (str(error).strip().splitlines() or [""])[0].rstrip(".")
            raise ModelError(f"{self.title} wrote scores that cannot be read as {path.suffix[1:]}: {first}.") from None


def split(text: str) -> tuple[str, ...]:
    """Return the words of a command line as it was typed; quotes hold words together.

    Raises
    ------
    CardError
        If a quote is not closed.
    """
    try:
        words = shlex.split(text, posix=os.name != "nt")
    except ValueError as error:
        raise CardError(f"The command '{text}' cannot be taken apart: {error}.") from None
    if os.name == "nt":  # there backslashes are part of paths, and quotes stay on their words
        words = [w[1:-1] if len(w) > 1 and w[0] == w[-1] and w[0] in "'\"" else w for w in words]
    return tuple(words)


def command_of(given: str | Sequence[str] | Command) -> Command:
    """Return the command that a caller wrote as text, as words or as an object."""
    if isinstance(given, Command):
        return given
    return Command(split(given) if isinstance(given, str) else tuple(map(str, given)))

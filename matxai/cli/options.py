"""The options that commands share, each defined once, and how a command talks to its user."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from matxai.cli import remarks
from matxai.errors import MatxaiError

if TYPE_CHECKING:
    from matxai.modelcard import Model

Out = Annotated[Path | None, typer.Option("--out", help="Folder for the results.", file_okay=False)]
Device = Annotated[str | None, typer.Option("--device", help="cpu, cuda, cuda:1, mps; by default the best there is.")]
Seed = Annotated[int, typer.Option("--seed", help="Seed of everything that is drawn.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document for programs instead of text.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print results only, no warnings.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Say what is done, with the trace of any fault.")]
Trust = Annotated[
    bool, typer.Option("--trust", help="Run the Python factory or the command of a model. Only for your own.")
]
Arch = Annotated[str | None, typer.Option("--arch", help="Architecture of bare weights, e.g. torchvision:resnet18.")]
Limit = Annotated[
    str | None, typer.Option("--limit", help="How far an archive may unfold, e.g. 2GB; by default 512MB and 100 times.")
]

#: What is reported before the first block of copies, such as "a.png: rise: 512 copies, about 40 s 0/512".
PREDICTED = re.compile(r"(?P<whose>.+)(?P<time>: \d+ copies, about [\d.]+ (?:s|min|h))(?: 0/\d+)?$")


@dataclass(frozen=True)
class Talk:
    """How much a command says, and to whom."""

    json: bool = False
    quiet: bool = False
    verbose: bool = False

    def __post_init__(self) -> None:
        remarks.hear(quiet=self.quiet, verbose=self.verbose)

    def say(self, text: str) -> None:
        """Print a remark on the way, unless asked to be quiet or to speak JSON."""
        if not self.quiet and not self.json:
            typer.echo(text)

    def assumed(self, model: Model) -> None:
        """Print what had to be assumed about a model."""
        for assumption in model.assumptions:
            self.say(f"assumed: {assumption}")

    def result(self, text: str, document: Any) -> None:
        """Print the result: text for a person, or one JSON document."""
        if self.json:
            typer.echo(json.dumps(document, indent=2, default=str, allow_nan=False))
        else:
            typer.echo(text)

    def progress(self) -> Callable[[int, int, str], None] | None:
        """Return what jobs call with (done, total, label), or None where nobody wants to hear.

        On a terminal it is one line that changes; in a file or a pipe, and beside JSON, a line of its own for each
        method that runs copies and each input, with the time predicted for them.
        """
        if self.quiet:
            return None
        if self.json or not sys.stderr.isatty():
            return _predictions()

        def show(done: int, total: int, label: str) -> None:
            sys.stderr.write(f"\r\033[K{label} {done}/{total}" if done < total else "\r\033[K")
            sys.stderr.flush()

        return show


def _predictions() -> Callable[[int, int, str], None]:
    """Return what prints to stderr how long copies will take, once for each method and input, and nothing else."""
    said: set[str] = set()

    def show(_done: int, _total: int, label: str) -> None:
        found = PREDICTED.match(label)
        if found is not None and found["whose"] not in said:
            said.add(found["whose"])
            typer.echo(found["whose"] + found["time"], err=True)

    return show


def parse_bytes(text: str | None) -> int | None:
    """Return a size such as ``2GB`` or ``500 MB`` in bytes; None stays None.

    Raises
    ------
    MatxaiError
        If it is no size.

    Examples
    --------
    >>> parse_bytes("2GB")
    2000000000
    """
    if text is None:
        return None
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kKmMgGtT]?)[bB]?\s*", text)
    if match is None:
        msg = f"--limit {text} is no size. Write a number and a unit, as in 2GB."
        raise MatxaiError(msg)
    return int(float(match[1]) * {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}[match[2].lower()])


def comma_list(text: str | None) -> list[str] | None:
    """Return ``"a, b"`` as ``["a", "b"]``; None and an empty text are None."""
    names = [part.strip() for part in (text or "").split(",") if part.strip()]
    return names or None


def ended(text: str) -> str:
    """Return a sentence with one full stop; a question and a table keep their own end.

    Examples
    --------
    >>> ended("it is empty"), ended("Did you mean 'a'?")
    ('it is empty.', "Did you mean 'a'?")
    """
    return text if "\n" in text or text.endswith(("?", "!", "?)")) else text.rstrip(". ") + "."

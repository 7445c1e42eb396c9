"""``matxai methods``."""

from __future__ import annotations

import shutil
import textwrap
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from matxai.cli.options import Json, Quiet, Talk, Verbose

if TYPE_CHECKING:
    from collections.abc import Mapping

INDENT, HEADING = 2, 12
"""Columns in front of a heading, and columns that it takes."""
WIDEST = 110
"""Lines longer than this are hard to read."""


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command("methods")
    def list_methods(
        name: Annotated[str | None, typer.Argument(help="One method, in full.", show_default=False)] = None,
        json: Json = False,
        quiet: Quiet = False,
        verbose: Verbose = False,
    ) -> None:
        """Which method when: the question each answers, what is certain about it, and where it misleads."""
        from matxai.methods.method import help_of, methods

        talk = Talk(json=json, quiet=quiet, verbose=verbose)
        chosen = [name] if name else list(methods)
        documents = {n: {**asdict(methods[n].about), "variants": list(methods[n].variants)} for n in chosen}
        width = min(shutil.get_terminal_size((100, 24)).columns, WIDEST)
        talk.result("\n\n".join(shown(method, help_of(method), width) for method in chosen), documents)


def shown(name: str, said: Mapping[str, str], width: int) -> str:
    """Return what a method says of itself as text of at most so many columns, in two columns."""
    beside = " " * (INDENT + HEADING)
    lines = [name]
    for heading, text in said.items():
        # names such as lrp:epsilon_plus and arXiv:1911.08191 are copied from here: they stay whole
        lines += textwrap.wrap(
            text, max(width, 2 * len(beside)), initial_indent=f"{'':{INDENT}}{heading:<{HEADING}}",
            subsequent_indent=beside, break_long_words=False, break_on_hyphens=False,
        )  # fmt: skip
    return "\n".join(lines)

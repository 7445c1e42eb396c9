"""``matxai methods``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from matxai.cli.options import Json, Quiet, Talk, Verbose


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
        lines = []
        for method in chosen:
            lines.append(method)
            lines += [f"  {heading:<11} {text}" for heading, text in help_of(method).items()]
        talk.result("\n".join(lines), documents)

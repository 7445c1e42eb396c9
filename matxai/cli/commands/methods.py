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
        from matxai.methods.method import methods

        talk = Talk(json=json, quiet=quiet, verbose=verbose)
        chosen = [name] if name else list(methods)
        documents = {n: {**asdict(methods[n].about), "variants": list(methods[n].variants)} for n in chosen}
        lines = []
        for method, about in documents.items():
            lines.append(method + (f" (variants: {', '.join(about['variants'])})" if about["variants"] else ""))
            lines.append(f"  answers     {about['question']}")
            lines.append(f"  works on    {about['models']} ({', '.join(about['inputs'])})")
            lines.append(f"  resolution  {about['resolution']}")
            lines.append(f"  costs       {about['cost']}")
            lines.append(f"  certain     {about['guarantee']}")
            lines.append(f"  misleads    {about['misleads']}")
            lines.append(f"  verified    {about['verified']}")
            lines.append(f"  paper       {about['paper']}")
        talk.result("\n".join(lines), documents)

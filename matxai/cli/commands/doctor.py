"""``matxai doctor``."""

from __future__ import annotations

import typer

from matxai.cli.options import Json, Quiet, Talk, Verbose


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def doctor(json: Json = False, quiet: Quiet = False, verbose: Verbose = False) -> None:
        """Versions, devices, readers, screen: one block to paste into a bug report."""
        from matxai.jobs import diagnose

        talk = Talk(json=json, quiet=quiet, verbose=verbose)
        found = diagnose()
        lines = [f"matxai {found['matxai']}, Python {found['python']}, {found['platform']}"]
        lines += [f"device   {d}" for d in found["devices"]]
        lines += [f"package  {name} {version}" for name, version in found["packages"].items()]
        lines += [f"reader   {name}: {state}" for name, state in found["readers"].items()]
        lines.append(f"screen   {found['screen']}")
        talk.result("\n".join(lines), found)

"""``matxai doctor``."""

from __future__ import annotations

import typer

from matxai.cli.options import Json, Talk


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def doctor(json: Json = False) -> None:
        """Versions, devices, readers, screen: one block to paste into a bug report."""
        from matxai.jobs import diagnose

        found = diagnose()
        lines = [f"matxai {found['matxai']}, Python {found['python']}, {found['platform']}"]
        lines += [f"device   {d}" for d in found["devices"]]
        lines += [f"package  {name} {version}" for name, version in found["packages"].items()]
        lines += [f"reader   {name}: {state}" for name, state in found["readers"].items()]
        lines.append(f"screen   {found['screen']}")
        Talk(json=json).result("\n".join(lines), found)

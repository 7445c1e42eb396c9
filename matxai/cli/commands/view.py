"""``matxai view``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from matxai.cli.options import Quiet, Talk, Verbose


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def view(
        files: Annotated[list[Path] | None, typer.Argument(help="Files to open.", show_default=False)] = None,
        model: Annotated[str | None, typer.Option(help="A model to choose in the dock.")] = None,
        quiet: Quiet = False,
        verbose: Verbose = False,
    ) -> None:
        """Napari with the plugin docked."""
        from matxai.errors import FileError
        from matxai.jobs import view as open_viewer

        Talk(quiet=quiet, verbose=verbose)
        for path in files or []:
            if not path.exists():
                msg = f"{path} does not exist, so there is nothing to show."
                raise FileError(msg)
        raise typer.Exit(open_viewer(files or [], model=model))

"""``matxai datasets``."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import Annotated, Any

import typer

from matxai.cli.options import Json, Quiet, Seed, Talk, Verbose


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command("datasets")
    def list_datasets(
        name: Annotated[str | None, typer.Argument(help="One data set, in full.", show_default=False)] = None,
        make: Annotated[
            Path | None, typer.Option("--make", help="Write this generated set into a folder.", file_okay=False)
        ] = None,
        number: Annotated[int, typer.Option("--number", "-n", help="How many files are made.")] = 60,
        seed: Seed = 0,
        leak: Annotated[
            str | None, typer.Option("--leak", help="What is planted to give the class away; nothing by default.")
        ] = None,
        strength: Annotated[
            float, typer.Option("--strength", help="In how many specimens of a hundred the leak follows the class.")
        ] = 100.0,
        json: Json = False,
        quiet: Quiet = False,
        verbose: Verbose = False,
    ) -> None:
        """Which data there are, their licences and caveats, and where to get or how to make them."""
        from matxai.errors import MatxaiError, nearest

        talk = Talk(json=json, quiet=quiet, verbose=verbose)
        cards: dict[str, Any] = {}
        for point in importlib.metadata.entry_points(group="matxai.datasets"):
            cards.update(point.load()())
        if name is not None and name not in cards:
            msg = f"There is no data set '{name}'. {nearest(name, cards)}"
            raise MatxaiError(msg)
        if make is not None:
            if name is None or cards[name].make is None:
                what = "no name is given" if name is None else f"'{name}' is got from {cards[name].source}"
                can = ", ".join(key for key, card in cards.items() if card.make is not None)
                msg = f"Only generated sets can be made, and {what}. Generated are {can}."
                raise MatxaiError(msg)
            folder = cards[name].make(make, number, seed, leak=leak, strength=strength)
            talk.result(f"{number} files of '{name}' are in {folder}", {"name": name, "folder": str(folder)})
            return
        chosen = {name: cards[name]} if name else cards
        lines = []
        for key, card in chosen.items():
            lines.append(f"{key}: {card.title}")
            lines.append(f"  kind     {card.kind}")
            lines.append(f"  licence  {card.licence}")
            if name:
                lines.append(f"  source   {card.source}")
                lines += [
                    f"  caveat   {c}" for c in ([card.caveats] if isinstance(card.caveats, str) else card.caveats)
                ]
        talk.result("\n".join(lines), {k: c.to_dict() for k, c in chosen.items()})

"""``matxai datasets``."""

from __future__ import annotations

import importlib.metadata
from typing import Annotated, Any

import typer

from matxai.cli.options import Json, Quiet, Talk, Verbose


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command("datasets")
    def list_datasets(
        name: Annotated[str | None, typer.Argument(help="One data set, in full.", show_default=False)] = None,
        json: Json = False,
        quiet: Quiet = False,
        verbose: Verbose = False,
    ) -> None:
        """Which data there are, their licences and caveats, and where to get what does not come along."""
        from matxai.errors import MatxaiError, nearest

        talk = Talk(json=json, quiet=quiet, verbose=verbose)
        cards: dict[str, Any] = {}
        for point in importlib.metadata.entry_points(group="matxai.datasets"):
            cards.update(point.load()())
        if name is not None and name not in cards:
            msg = f"There is no data set '{name}'. {nearest(name, cards)}"
            raise MatxaiError(msg)
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

"""Which trained models come with the package: each a card's folder under ``cards``."""

from __future__ import annotations

from pathlib import Path

CARDS = Path(__file__).parent / "cards"


def shipped() -> dict[str, Path]:
    """Return the names of the models that come along, and the folder of each one's card.

    Examples
    --------
    >>> sorted(shipped())[:4]
    ['cracks', 'defects', 'defects_leaky', 'events']
    """
    return {folder.name: folder for folder in sorted(CARDS.iterdir()) if (folder / "matxai.yaml").is_file()}

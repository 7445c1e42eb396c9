"""Public data sets, one file each: their cards, and how the files of a folder are listed. No data is shipped.

A new set is one new file here that adds a :class:`matxai_datasets.card.DatasetCard` to ``SETS``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matxai_datasets.card import DatasetCard


def catalogue() -> dict[str, DatasetCard]:
    """Return the cards of all known data sets by name: the public ones, then those that are generated.

    Examples
    --------
    >>> catalogue()["xsdd_steel_strip"].licence
    'Apache-2.0'
    """
    from matxai_datasets.card import SETS
    from matxai_datasets.micrograph_card import NAME, micrograph_card
    from matxai_datasets.spectra.cards import generated

    return {**{name: SETS[name] for name in sorted(SETS)}, NAME: micrograph_card(), **generated()}

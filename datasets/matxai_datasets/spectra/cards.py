"""Cards of the generated sets of spectra: listed beside the public sets, and made where those are got elsewhere."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING

from matxai.errors import FileError
from matxai_datasets.card import DatasetCard, Row, csv_rows
from matxai_datasets.spectra.files import COLUMNS, write_spectra
from matxai_datasets.spectra.generating import GENERATORS
from matxai_datasets.spectra.leaks import LEAKS

if TYPE_CHECKING:
    from pathlib import Path

    from matxai_datasets.spectra.generating import Generator


def generated() -> dict[str, DatasetCard]:
    """Return the cards of the generated sets by name.

    Examples
    --------
    >>> generated()["powder_phases"].classes
    ('anatase', 'rutile', 'zincite')
    """
    return {name: card_of(GENERATORS[name]) for name in GENERATORS}


def card_of(what: Generator) -> DatasetCard:
    """Return the card of one generator."""
    return DatasetCard(
        name=what.name,
        title=what.title,
        kind=what.data_kind,
        source=f"generated: matxai datasets {what.name} --make FOLDER",
        licence="BSD-3-Clause, as this package; no measured data are in it",
        citation="matxai_datasets.spectra",
        caveats=(
            "Generated: it shows whether a check finds what was planted, not how a model does on measured data.",
            f"Leaks that can be planted: {', '.join(leaks_for(what))}.",
        ),
        groups="specimen; its spectra differ in what changes from one measurement to the next, and in noise",
        has=("labels.csv", "truth.json", "generated.json"),
        rows=partial(_rows, what.name),
        classes=what.classes,
        make=partial(write_spectra, of=what.name),
    )


def leaks_for(what: Generator) -> list[str]:
    """Return the names of the leaks that make sense for a generator."""
    return [name for name, leak in LEAKS.items() if leak.fits(what)]


def _rows(name: str, folder: Path) -> list[Row]:
    try:
        made = json.loads((folder / "generated.json").read_text(encoding="utf-8"))
        told = made.get("generator")
    except (OSError, ValueError, AttributeError) as problem:
        msg = f"{folder / 'generated.json'} cannot be read as what a generator wrote: {problem}."
        raise FileError(msg) from None
    if told != name:
        msg = f"{folder} holds the generated set '{told}', not '{name}'."
        raise FileError(msg)
    return [
        Row(
            row["file"],
            row["class"],
            group=row["group"],
            split=row["split"],
            more={k: v for k, v in row.items() if k not in COLUMNS[:4]},
        )
        for row in csv_rows(folder / "labels.csv", COLUMNS)
    ]

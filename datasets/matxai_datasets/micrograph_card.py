"""The card of the generated micrographs: listed beside the other sets, and made where those are got elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matxai.errors import MatxaiError
from matxai_datasets.card import DatasetCard, Row, csv_rows
from matxai_datasets.generator import CLASSES
from matxai_datasets.writing import COLUMNS, write

if TYPE_CHECKING:
    from pathlib import Path

NAME = "micrographs"
LEAK = "info_bar"
OWN = ("file", "class", "mask", "group", "split")


def micrograph_card() -> DatasetCard:
    """Return the card of the generated micrographs.

    Examples
    --------
    >>> micrograph_card().classes
    ('crack', 'inclusion', 'pore')
    """
    return DatasetCard(
        name=NAME,
        title="Generated micrographs with cracks, inclusions and pores, with an info bar or none",
        kind="images",
        source=f"generated: matxai datasets {NAME} --make FOLDER",
        licence="BSD-3-Clause, as this package; no measured data are in it",
        citation="matxai_datasets.micrographs",
        caveats=(
            "Generated: it shows whether a check finds what was planted, not how a model does on measured data.",
            f"Leaks that can be planted: {LEAK} (each class was taken at another instrument).",
        ),
        groups="specimen; its images differ in place, defects and noise",
        has=("labels.csv", "images", "generated.json"),
        rows=_rows,
        classes=CLASSES,
        make=make_micrographs,
    )


def make_micrographs(
    folder: str | Path,
    n: int,
    seed: int = 0,
    *,
    leak: str | None = None,
    strength: float = 100.0,
    per_specimen: int = 5,
) -> Path:
    """Write a set of micrographs.

    Parameters
    ----------
    folder
        Made if it is not there.
    n, seed, per_specimen
        As :func:`matxai_datasets.write` takes them.
    leak
        ``"info_bar"``: bars that give the class away; None for bars of any style, or none, whatever the class.
    strength
        In how many specimens of a hundred the leak follows the class: in all of them, here.

    Raises
    ------
    MatxaiError
        If there is no such leak, or it is to follow the class in some specimens only.
    FileError
        If the folder cannot be written.
    """
    if leak not in (None, LEAK):
        raise MatxaiError(f"There is no leak '{leak}' of {NAME}; what can be planted is '{LEAK}'.")
    if strength != 100.0:
        msg = f"The leak of {NAME} follows the class in all specimens; a strength of {strength:g} is not made."
        raise MatxaiError(msg)
    return write(folder, n, seed=seed, bars="random" if leak is None else "by_class", per_specimen=per_specimen)


def _rows(folder: Path) -> list[Row]:
    return [
        Row(
            row["file"],
            row["class"],
            mask=row["mask"],
            group=row["group"],
            split=row["split"],
            more={k: v for k, v in row.items() if k not in OWN},
        )
        for row in csv_rows(folder / "labels.csv", COLUMNS)
    ]

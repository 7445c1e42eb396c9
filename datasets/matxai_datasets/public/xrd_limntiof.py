"""Measured diffraction patterns and reference structures of the system Li-Mn-Ti-O-F."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matxai_datasets.card import SETS, DatasetCard, Row

if TYPE_CHECKING:
    from pathlib import Path


def _rows(folder: Path) -> list[Row]:
    """List the patterns; the phases are in the file's name; ``more`` counts the reference structures beside them."""
    references = len(list((folder / "References").glob("*.cif")))
    return [
        Row(
            file.relative_to(folder).as_posix(),
            file.stem,
            group=file.stem,
            more={"phases": str(file.stem.count("+") + 1), "reference_structures": str(references)},
        )
        for file in sorted((folder / "Spectra").glob("*.xy"))
    ]


SETS.add(
    "xrd_limntiof",
    DatasetCard(
        name="xrd_limntiof",
        title="Eight measured powder patterns of mixtures, and 56 reference structures to simulate from",
        kind="spectra",
        source="https://github.com/njszym/XRD-AutoAnalyzer (Example)",
        licence="MIT; the structures are entries of crystal databases, for tests only",
        citation="Szymanski et al.: Chem. Mater. 33, 4204 (2021), doi:10.1021/acs.chemmater.1c01071",
        caveats=("Eight patterns: nothing can be said of the set, only of each assignment.",),
        groups="each pattern by itself",
        has=("Spectra/*.xy", "References/*.cif"),
        rows=_rows,
        digest="ed7cad1dcfb1b3b1807a436b86569ea4f54e50bc930155ef16112c57a3804233",
    ),
)

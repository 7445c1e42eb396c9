"""Diffraction patterns of polycrystalline nickel in four formats."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matxai_datasets.card import SETS, DatasetCard, Row

if TYPE_CHECKING:
    from pathlib import Path

FILES = {
    "edax_h5ebsd/patterns.h5": "EDAX",
    "kikuchipy_h5ebsd/patterns.h5": "kikuchipy",
    "nordif/Pattern.dat": "NORDIF",
    "oxford_binary/patterns.ebsp": "Oxford Instruments",
}


def _rows(folder: Path) -> list[Row]:
    return [
        Row(name, group="nickel", more={"maker": maker}) for name, maker in FILES.items() if (folder / name).is_file()
    ]


SETS.add(
    "ebsd_nickel",
    DatasetCard(
        name="ebsd_nickel",
        title="Nine backscatter diffraction patterns of nickel, as four makers store them",
        kind="raw files",
        source="the Python package kikuchipy (https://github.com/pyxem/kikuchipy)",
        licence="GPL-3.0",
        citation="kikuchipy",
        caveats=("The same nine points in each file: a test of formats and axes, too small to train on.",),
        groups="one specimen",
        has=("edax_h5ebsd", "oxford_binary"),
        rows=_rows,
        digest="4406984340f26232758d3a619ef9981e292cd71d1913927a364f8268662f9372",
    ),
)

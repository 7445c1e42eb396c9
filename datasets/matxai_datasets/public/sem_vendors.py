"""Micrographs of several makers, with their bars and metadata."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matxai_datasets.card import SETS, DatasetCard, Row

if TYPE_CHECKING:
    from pathlib import Path

MAKERS = {"jeol": "JEOL", "tfs": "Thermo Fisher", "zeiss": "Zeiss"}


def _rows(folder: Path) -> list[Row]:
    rows = []
    for file in sorted(folder.glob("*.tif")):
        maker = MAKERS.get(file.name.split("_")[0], "")
        rows.append(Row(file.name, group=file.stem, more={"maker": maker}))
    return rows


SETS.add(
    "sem_vendors",
    DatasetCard(
        name="sem_vendors",
        title="Micrographs of JEOL, Thermo Fisher and Zeiss instruments with bars and original metadata",
        kind="images",
        source="test images of the open-source projects odemis, RosettaSciIO and tomo_mapper on GitHub",
        licence="GPL-2.0, GPL-3.0 and Apache-2.0, file by file",
        citation="the projects named as source",
        caveats=(
            "Four images: they show how files look, and support no statistics.",
            "The JEOL image has text over the picture and no band; the FIB-SEM slice has no bar.",
        ),
        groups="each image by itself",
        has=("*_odemis.tif", "zeiss_*.tif"),
        rows=_rows,
        digest="18ee4d33ca39c6f99aa957dae91f7ada738f717d66b3aeb0fbc64808a1f8d1fe",
    ),
)

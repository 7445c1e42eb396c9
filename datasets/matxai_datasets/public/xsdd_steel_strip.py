"""X-SDD: surface defects of hot-rolled steel strip."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from matxai_datasets.card import SETS, DatasetCard, Row, csv_rows

if TYPE_CHECKING:
    from pathlib import Path

CLASSES = (
    "finishing_roll_printing",
    "iron_sheet_ash",
    "oxide_scale_of_plate_system",
    "oxide_scale_of_temperature_system",
    "red_iron",
    "slag_inclusion",
    "surface_scratch",
)


def _rows(folder: Path) -> list[Row]:
    """List the images; equal files are one group; the format is a column of its own, since it gives one class away."""
    rows = []
    for line in csv_rows(folder / "labels.csv", ("file", "class")):
        file = folder / line["file"]
        content = hashlib.sha256(file.read_bytes()).hexdigest()[:16] if file.is_file() else None
        rows.append(Row(line["file"], line["class"], group=content, more={"format": file.suffix[1:].lower()}))
    return rows


SETS.add(
    "xsdd_steel_strip",
    DatasetCard(
        name="xsdd_steel_strip",
        title="Camera images of defects on hot-rolled steel strip, seven classes",
        kind="images",
        source="https://github.com/Fighter20092392/X-SDD-A-New-benchmark",
        licence="Apache-2.0",
        citation="Feng, Gao, Luo: X-SDD, a benchmark of hot-rolled steel strip defects, Symmetry 13, 706 (2021)",
        caveats=(
            "All PNG files (142 of the whole set) are finishing_roll_printing: the format gives a class away.",
            "There are seven pairs of equal files and some that are nearly equal: a random split is optimistic.",
            "The classes are imbalanced; there is no class without a defect, there are no masks and no pixel size.",
        ),
        groups="equal files (SHA-256); near-duplicates are not told apart",
        has=("labels.csv", "images/red_iron"),
        rows=_rows,
        digest="9d9d9ce268e31d286956e9789b362ab66d1cb9ff16b0f09385c8dca05737eb74",
        classes=CLASSES,
    ),
)

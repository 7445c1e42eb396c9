"""BSData: wear of ball-screw spindles."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matxai_datasets.card import SETS, DatasetCard, Row, csv_rows

if TYPE_CHECKING:
    from pathlib import Path


def _rows(folder: Path) -> list[Row]:
    lines = csv_rows(folder / "labels.csv", ("file", "class", "mask", "location", "timestamp"))
    return [
        Row(
            line["file"],
            line["class"],
            mask=line["mask"] or None,
            group=line["location"],
            more={"timestamp": line["timestamp"]},
        )
        for line in lines
    ]


SETS.add(
    "bsd_pitting",
    DatasetCard(
        name="bsd_pitting",
        title="Ball-screw spindles under a camera on the machine: pitting that grows over days, with masks",
        kind="images",
        source="https://github.com/2Obe/BSData",
        licence="CC BY-SA 4.0",
        citation="Schlagenhauf et al.: Industrial Machine Tool Element Surface Defect Dataset, arXiv:2103.13003",
        caveats=(
            "Images of one location are a time series of one patch of surface: a random split leaks.",
            "Within a location time alone predicts pitting; dirt on the neighbouring thread grows with time as well.",
            "Masks are coarse polygons; there is no pixel size.",
        ),
        groups="location on the spindle",
        has=("labels.csv", "images/*_crop_*.jpg"),
        rows=_rows,
        digest="76650e7cb14f8f51217b36624004b67a5c860830e8ef1df114c4477a5e353bff",
        classes=("no_pitting", "pitting"),
    ),
)

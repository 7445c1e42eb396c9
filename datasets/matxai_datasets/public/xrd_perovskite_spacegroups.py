"""Thin-film diffraction of halide perovskites, by space group."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matxai_datasets.card import SETS, DatasetCard, Row, csv_rows

if TYPE_CHECKING:
    from pathlib import Path

CLASSES = ("Fm-3m", "I4Imcm", "P21a", "P3m1", "P61mmc", "Pc", "pm-3m")


def _rows(folder: Path) -> list[Row]:
    """Specimens are not told, so ``group`` stays empty."""
    return [
        Row(
            line["file"],
            line["space_group_folder"],
            more={"grazing_incidence": "yes" if "GIXD" in line["file"] else "no"},
        )
        for line in csv_rows(folder / "labels.csv", ("file", "space_group_folder"))
    ]


SETS.add(
    "xrd_perovskite_spacegroups",
    DatasetCard(
        name="xrd_perovskite_spacegroups",
        title="Measured thin-film diffraction patterns of halide perovskites in seven space groups",
        kind="spectra",
        source="https://github.com/PV-Lab/autoXRD",
        licence="Apache-2.0",
        citation="Oviedo et al.: npj Comput. Mater. 5, 60 (2019), doi:10.1038/s41524-019-0196-x",
        caveats=(
            "47 of 88 patterns are one class, another has a single one.",
            "Scan range and step alone find 12 of the 17 I4/mcm patterns: the instrument goes with the class.",
            "Space groups are told by absent reflections, which no map at the input can show.",
        ),
        groups="not told by the set: intervals are optimistic",
        has=("labels.csv", "Experimental/pm-3m"),
        rows=_rows,
        digest="1965757b066ff949565e6f027f176ddb92f1fb1843638b62c8283274595e4be7",
        classes=CLASSES,
    ),
)

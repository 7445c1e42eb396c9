"""NASA: cross sections of environmental barrier coatings, oxide layer and cracks."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from matxai_datasets.card import SETS, DatasetCard, Row, csv_rows

FRACTIONS = ("oxide_fraction", "crack_fraction")


def _rows(folder: Path) -> list[Row]:
    """List the images; the specimen is the first part of the name."""
    return [
        Row(
            line["file"],
            mask=line["mask"],
            group=PurePosixPath(line["file"]).name.split("_")[0],
            more={name: line[name] for name in FRACTIONS},
        )
        for line in csv_rows(folder / "labels.csv", ("file", "mask", *FRACTIONS))
    ]


SETS.add(
    "nasa_ebc_cracks",
    DatasetCard(
        name="nasa_ebc_cracks",
        title="Scanning electron micrographs of barrier coatings with masks of oxide layer and cracks",
        kind="images",
        source="https://github.com/nasa/pretrained-microscopy-models",
        licence="MIT",
        citation="Stuckner, Harder, Smith: npj Comput. Mater. 8, 200 (2022), doi:10.1038/s41524-022-00878-5",
        caveats=(
            "Sixteen images of ten specimens.",
            "Cracks are 0.2 to 0.6 % of the pixels, and marked in the oxide only; those elsewhere are background.",
            "There is no pixel size.",
        ),
        groups="specimen, the first part of the file's name",
        has=("labels.csv", "images/*cyc*.tif"),
        rows=_rows,
        digest="1327fbef7679537b87c8d897f795dab3536e0ff0de7e7a70a7901eb69a1c9b63",
        classes=("background", "oxide", "crack"),
    ),
)

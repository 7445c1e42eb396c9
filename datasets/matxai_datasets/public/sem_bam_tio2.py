"""BAM: TiO2 nanoparticles in a scanning electron microscope, with a burned-in bar."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matxai_datasets.card import SETS, DatasetCard, Row, csv_rows

if TYPE_CHECKING:
    from pathlib import Path


def _rows(folder: Path) -> list[Row]:
    return [
        Row(line["file"], mask=line["mask"] or None, group="series")
        for line in csv_rows(folder / "index.csv", ("file", "mask"))
    ]


SETS.add(
    "sem_bam_tio2",
    DatasetCard(
        name="sem_bam_tio2",
        title="Agglomerated TiO2 nanoparticles, raw Zeiss micrographs with particle masks and an information bar",
        kind="images",
        source="https://github.com/BAMresearch/automatic-sem-image-segmentation",
        licence="CC BY-NC-ND 4.0",
        citation="Rühle, Krumrey, Hodoroaba: Sci. Rep. 11, 4942 (2021), doi:10.1038/s41598-021-84287-6",
        caveats=(
            "Twelve images of one series on one microscope: never enough to rule anything out.",
            "The bar is in rows 712 to 765 of 768; the last two rows are specimen again.",
            "No changed copies may be passed on.",
        ),
        groups="one series of one specimen",
        has=("index.csv", "images/19082*.tif"),
        rows=_rows,
        digest="f9f1190d509aee483a6b77ea024d9d03b5d4f37c1d8391266173b375d8f0f7da",
    ),
)

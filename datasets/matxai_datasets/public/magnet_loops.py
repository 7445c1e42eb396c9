"""MagNet: core loss of ferrites."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matxai_datasets.card import SETS, DatasetCard, Row

if TYPE_CHECKING:
    from pathlib import Path

CLASSES = ("3E6", "77", "N30", "N87")


def _rows(folder: Path) -> list[Row]:
    tables = [
        Row(file.name, file.name.removesuffix("_database.h5"), group=file.stem, more={"holds": "table of core loss"})
        for file in sorted(folder.glob("*_database.h5"))
    ]
    tables += [
        Row(file.name, file.stem.rsplit("_", 1)[-1], group=file.stem, more={"holds": "table of core loss"})
        for file in sorted(folder.glob("Dataset_tri_*.json"))
    ]
    waves = {"transformer_meas.csv": "measured field H(t), A/m", "transformer_pred.csv": "predicted field H(t), A/m"}
    return tables + [
        Row(name, group="transformer", more={"holds": holds})
        for name, holds in waves.items()
        if (folder / name).is_file()
    ]


SETS.add(
    "magnet_loops",
    DatasetCard(
        name="magnet_loops",
        title="Core loss of four ferrites against frequency, flux density, bias and temperature; field waveforms",
        kind="waveforms",
        source="https://github.com/PrincetonUniversity/magnet",
        licence="MIT",
        citation="Serrano et al.: IEEE Trans. Power Electron. 38, 14292 (2023); Princeton MagNet",
        caveats=("The waveforms of the flux density are not in the set: it cannot test loops.",),
        groups="material, which is the class: nothing can be said across materials",
        has=("*_database.h5", "transformer_meas.csv"),
        rows=_rows,
        digest="832c3161c1436ab7a7a53c7e611e88c341c3283e0b2f7c2d58b5c244664bd384",
        classes=CLASSES,
    ),
)

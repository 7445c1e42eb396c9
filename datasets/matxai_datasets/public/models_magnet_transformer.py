"""MagNet: trained transformers from flux density to field."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matxai_datasets.card import SETS, DatasetCard, Row

if TYPE_CHECKING:
    from pathlib import Path


def _rows(folder: Path) -> list[Row]:
    rows = []
    for file in sorted(folder.glob("Model_*_Transformer.sd")):
        material = file.name.split("_")[1]
        more = {"normalisation": f"Norm_{material}.pt"}
        rows.append(Row(file.name, material, group=material, more=more))
    return rows


SETS.add(
    "models_magnet_transformer",
    DatasetCard(
        name="models_magnet_transformer",
        title="State dicts of sequence-to-sequence transformers for three ferrites",
        kind="weights",
        source="https://github.com/PrincetonUniversity/magnet (src/magnet/models)",
        licence="MIT",
        citation="Princeton MagNet",
        caveats=("Weights only: the network's class is in the source's own code.",),
        groups="material",
        has=("Model_*_Transformer.sd", "Norm_*.pt"),
        rows=_rows,
        digest="7005a260a9d64c4cf805fbb3fd3e3d2c749fc262eb0674f7b01b13fbafd87bb5",
        classes=("3E6", "77", "N30"),
    ),
)

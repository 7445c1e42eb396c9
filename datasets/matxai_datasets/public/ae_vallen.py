"""Acoustic emission in Vallen databases."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matxai_datasets.card import SETS, DatasetCard, Row

if TYPE_CHECKING:
    from pathlib import Path

HOLDS = {".pridb": "hits", ".tradb": "waveforms", ".trfdb": "features"}


def _rows(folder: Path) -> list[Row]:
    files = sorted(file for file in folder.glob("*/*") if file.suffix in HOLDS)
    return [
        Row(file.relative_to(folder).as_posix(), group=file.parent.name, more={"holds": HOLDS[file.suffix]})
        for file in files
    ]


SETS.add(
    "ae_vallen",
    DatasetCard(
        name="ae_vallen",
        title="Acoustic emission of a steel plate (pencil-lead breaks) and of a bearing: hits and waveforms",
        kind="waveforms",
        source="https://github.com/vallen-systems/pyVallenAE",
        licence="MIT",
        citation="pyVallenAE, Vallen Systeme GmbH",
        caveats=("Two tests, no labels of defects; some waveforms are compressed with FLAC.",),
        groups="test",
        has=("bearing", "steel_plate/*.pridb"),
        rows=_rows,
        digest="0418b0f726ade2f5d697046385ff6262d1aca7d7d7bc9300da2470bfe4b5bb9e",
    ),
)

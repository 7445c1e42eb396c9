"""Instrument files of electron microscopes and spectrometers, in many formats."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matxai_datasets.card import SETS, DatasetCard, Row

if TYPE_CHECKING:
    from pathlib import Path

NO_SIGNAL = {".md", ".txt"}


def _rows(folder: Path) -> list[Row]:
    files = sorted(file for file in folder.rglob("*") if file.is_file() and file.suffix.lower() not in NO_SIGNAL)
    rows = []
    for file in files:
        name = file.relative_to(folder).as_posix()
        rows.append(Row(name, group=name, more={"format": name.split("/")[0]}))
    return rows


SETS.add(
    "em_raw_formats",
    DatasetCard(
        name="em_raw_formats",
        title="Files as instruments write them: DM, EMD, TIA, BCF, MRC, WDF, MSA, SUR, NeXus and others",
        kind="raw files",
        source="https://github.com/hyperspy/rosettasciio (test data)",
        licence="GPL-3.0-or-later",
        citation="RosettaSciIO",
        caveats=("Tiny files, some of them made up by the instrument's program; there are no labels.",),
        groups="each file by itself",
        has=("digitalmicrograph", "bruker"),
        rows=_rows,
        digest="92dddd6bfbb568f3ab54ccb294433de8507d20f030ede8397ec5f14b99740a24",
    ),
)

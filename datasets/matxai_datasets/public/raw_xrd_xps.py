"""Instrument files of diffractometers and photoelectron spectrometers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matxai_datasets.card import SETS, DatasetCard, Row

if TYPE_CHECKING:
    from pathlib import Path


def _rows(folder: Path) -> list[Row]:
    files = [file for part in ("xrd", "xps") for file in sorted((folder / part).glob("*")) if file.is_file()]
    names = [file.relative_to(folder).as_posix() for file in files if not file.name.endswith("_results.csv")]
    return [Row(name, group=name, more={"technique": name.split("/")[0]}) for name in names]


SETS.add(
    "raw_xrd_xps",
    DatasetCard(
        name="raw_xrd_xps",
        title="Diffraction and photoelectron data as instruments write them: BRML, RASX, XRDML, VAMAS and others",
        kind="spectra",
        source="https://github.com/FAIRmat-NFDI (nomad-measurements, pynxtools-xps)",
        licence="Apache-2.0",
        citation="the projects named as source",
        caveats=("Single files of single samples: a test of formats; the compound stands in the name only.",),
        groups="each file by itself",
        has=("xrd", "xps"),
        rows=_rows,
        digest="59cbb669933228d863a2e80093e820134dd495bdd18124228170ac785628ef7c",
    ),
)

"""XAS Data Library: measured absorption edges of standards."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matxai_datasets.card import SETS, DatasetCard, Row, csv_rows

if TYPE_CHECKING:
    from pathlib import Path

COLUMNS = ("file", "element", "edge", "sample", "formula", "beamline", "temperature")
CHROMIUM = {
    "Cr2O3": "Cr(III)", "Cr2S3": "Cr(III)", "CrO2": "Cr(IV)",
    "K2Cr2O7": "Cr(VI)", "K2CrO4": "Cr(VI)", "Na2CrO4": "Cr(VI)",
}  # fmt: skip


def _rows(folder: Path) -> list[Row]:
    """List the spectra; the compound is the class and, since repeats are not independent, the group."""
    rows = []
    for line in csv_rows(folder / "labels.csv", COLUMNS):
        compound = line["formula"] or line["sample"]
        more = {name: line[name] for name in ("element", "edge", "sample", "beamline", "temperature")}
        more["valence"] = CHROMIUM.get(compound, "") if line["element"] == "Cr" else ""
        rows.append(Row(line["file"], compound, group=f"{line['element']} {compound}", more=more))
    return rows


SETS.add(
    "xas_library",
    DatasetCard(
        name="xas_library",
        title="X-ray absorption spectra of metals, oxides, sulfides and salts of eight elements",
        kind="spectra",
        source="https://github.com/XraySpectroscopy/XASDataLibrary",
        licence="public domain",
        citation="XAS Data Library, International X-ray Absorption Society",
        caveats=(
            "The 43 chromium spectra are six compounds, three against three: no p below 0.05 exists.",
            "Beamline and element go together, for chromium beamline and class as well.",
            "Edge energies differ between beamlines by as much as a step of valence.",
            "Some files give the angle of the monochromator instead of the energy; column names differ.",
        ),
        groups="element and compound: repeats of one compound are not independent",
        has=("labels.csv", "Cr/*.xdi"),
        rows=_rows,
        digest="8ca8028972c01a6c0cf00cb8146e0289cfc339517aced2d27795591157fc7fba",
    ),
)

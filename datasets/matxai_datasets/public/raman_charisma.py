"""CHARISMA: the same reference samples on several Raman spectrometers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matxai_datasets.card import SETS, DatasetCard, Row, csv_rows

if TYPE_CHECKING:
    from pathlib import Path

COLUMNS = ("file", "sample", "laser_nm", "device", "provider", "optical_path")


def _rows(folder: Path) -> list[Row]:
    """List the spectra; a group is an instrument with its optical path; spectra without a sample keep no label."""
    return [
        Row(
            line["file"],
            line["sample"] or None,
            group=" ".join(line[name] for name in ("provider", "device", "laser_nm", "optical_path")),
            more={name: line[name] for name in COLUMNS[2:]},
        )
        for line in csv_rows(folder / "labels.csv", COLUMNS)
    ]


SETS.add(
    "raman_charisma",
    DatasetCard(
        name="raman_charisma",
        title="Raman spectra of calibration samples from several devices, lasers and optical paths",
        kind="spectra",
        source="https://github.com/h2020charisma/ramanchada2",
        licence="MIT",
        citation="CHARISMA, Horizon 2020 project 952921; ramanchada2",
        caveats=(
            "Samples and instruments are crossed: in the whole set the instrument is a negative control.",
            "Axes and lengths differ from device to device; some axes are wavelengths.",
            "Spectra of a laser-power series have no label.",
        ),
        groups="instrument and optical path",
        has=("labels.csv", "FMNT-M_BW532"),
        rows=_rows,
        digest="c8d391013dded719d0d40bb0450633550b49251a7cf729b8d2549c93e078bc46",
    ),
)

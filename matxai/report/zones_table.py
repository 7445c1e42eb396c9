"""The zones of spectra as tidy tables: a row for each file, zone, method and channel; one for each expected line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

    from matxai.checks.zones import ZoneTable

ZONES, EXPECTED = "zones", "expected_lines"
"""Names of the files."""

DIGITS = 6
"""Significant digits of the numbers in the files; positions and energies are not known to more."""

COLUMNS: dict[str, str] = {
    "file": "string",
    "class": "string",
    "score": "float64",
    "zone": "string",
    "kind": "string",
    "position": "float64",
    "left": "float64",
    "right": "float64",
    "width": "float64",
    "unit": "string",
    "height": "float64",
    "snr": "float64",
    "weak": "boolean",
    "absent": "boolean",
    "read": "boolean",
    "assignment": "string",
    "offset": "float64",
    "relevant": "boolean",
    "method": "string",
    "channel": "Int64",
    "share_positive": "float64",
    "share_positive_error": "float64",
    "share_negative": "float64",
    "share_negative_error": "float64",
    "error_over": "string",
    "draws": "Int64",
    "removal_effect": "float64",
    "removal_low": "float64",
    "removal_high": "float64",
    "removal_flips": "Int64",
    "fills": "string",
    "rank_peaks": "Int64",
    "n_peaks": "Int64",
    "rank_background": "Int64",
    "n_background": "Int64",
    "no_peaks": "string",
    "no_background": "string",
    "points": "Int64",
}
"""Columns and their types. ``width`` is that at half maximum; ``weak`` marks a signal-to-noise ratio below 3, ``read``
what reached the network; positive and negative relevance are never added; ranks are among controls, 1 the largest
effect, of ``n + 1``."""

EXPECTED_COLUMNS: dict[str, str] = {
    "file": "string",
    "reference": "string",
    "label": "string",
    "position": "float64",
    "unit": "string",
    "intensity": "float64",
    "zone": "string",
    "share": "float64",
    "answer": "string",
}


def zones_frame(tables: Iterable[tuple[str, ZoneTable]]) -> pd.DataFrame:
    """Return the zones of several files, each with its name, as one table with the columns :data:`COLUMNS`."""
    import pandas as pd

    rows = [{"file": name, **row} for name, table in tables for row in table.rows()]
    return _rounded(pd.DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS))


def expected_frame(tables: Iterable[tuple[str, ZoneTable]]) -> pd.DataFrame:
    """Return the lines that references expect of several files, with the columns :data:`EXPECTED_COLUMNS`."""
    import pandas as pd

    rows: list[dict[str, Any]] = [
        {
            "file": name, "reference": f"{line.reference} ({line.source})", "label": line.label,
            "position": line.position, "unit": table.unit, "intensity": line.intensity, "zone": line.zone,
            "share": line.share, "answer": line.answer,
        }
        for name, table in tables
        for line in table.expected
    ]  # fmt: skip
    return _rounded(pd.DataFrame(rows, columns=list(EXPECTED_COLUMNS)).astype(EXPECTED_COLUMNS))


def _rounded(frame: pd.DataFrame) -> pd.DataFrame:
    """Keep as many digits as a measurement has: :data:`DIGITS` of each number."""
    for name in frame.columns[frame.dtypes == "float64"]:
        frame[name] = [float(f"{value:.{DIGITS}g}") for value in frame[name]]
    return frame

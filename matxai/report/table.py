"""One tidy table for each run: a row for each file, map and region, as CSV and Parquet."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from matxai.errors import ExplanationError, nearest
from matxai.report.export import write_bytes
from matxai.report.reading import Panel, map_names, panels
from matxai.report.record import scores, target_score
from matxai.report.scalebar import metres_per

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping

    import pandas as pd
    import xarray as xr

    from matxai.report.content import ReportItem

COLUMNS: dict[str, str] = {
    "file": "string",
    "class": "string",
    "score": "float64",
    "probability": "float64",
    "truth": "string",
    "method": "string",
    "layer": "string",
    "slice": "string",
    "region": "string",
    "share_positive": "float64",
    "share_negative": "float64",
    "sum": "float64",
    "effect": "float64",
    "interval_low": "float64",
    "interval_high": "float64",
    "n": "Int64",
    "rank": "Int64",
    "area_px": "Int64",
    "area_um2": "float64",
    "answer": "string",
    "sentence": "string",
}
"""Columns and their types. ``share_*``: part of the map's positive (negative) sum inside the region. ``effect``: for
``map_top`` the score lost when it is removed, for a verdict its effect. A map as a whole has the region ``all``."""

TABLE = "table"
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def tidy_table(items: Iterable[ReportItem], left_out: Mapping[str, str] | None = None) -> pd.DataFrame:
    """Return the table of a run, in the order of items, maps and regions; nothing that is unknown is made up.

    Parameters
    ----------
    items
        As a report has them.
    left_out
        Method -> the sentence that says why it was not run; each has a last row of its own, without a file.

    Returns
    -------
    pandas.DataFrame
        With the columns :data:`COLUMNS`, also where there is no row.

    Raises
    ------
    ExplanationError
        If an item's own rows name a column that does not exist.
    """
    import pandas as pd

    rows = [row for item in items for row in _rows(item)]
    rows += [{"file": "", "method": method, "sentence": why} for method, why in (left_out or {}).items()]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.astype(COLUMNS)


def _rows(item: ReportItem) -> Iterable[dict[str, Any]]:
    ds = item.explanation
    base = {"file": item.title, "truth": item.truth}
    tops = {str(e.get("method", "")): e for e in item.evidences if e.get("top_drop") is not None}
    for name in map_names(ds):
        for panel in _every_slice(ds, name):
            head = {**base, **_about(ds, panel)}
            yield {**head, "region": "all", **_shares(panel, np.ones(panel.values.shape, dtype=np.bool_))}
            for region in item.regions:
                if region.mask.shape == panel.values.shape:
                    yield {**head, "region": region.kind, **_shares(panel, region.mask)}
        found = tops.get(panel.method)
        if found is not None:
            yield {**head, "region": "map_top", **_evidence(found, panel)}
    for verdict in item.verdicts:
        low, high = verdict.interval or (None, None)
        own = {"effect": verdict.effect, "interval_low": low, "interval_high": high, "n": verdict.n}
        ranked = scores(ds)
        head = {"class": ranked[0].name if ranked else None}
        yield {**base, **head, **own, "answer": verdict.answer, "sentence": verdict.sentence}
    for row in item.rows:
        unknown = next((c for c in row if c not in COLUMNS), None)
        if unknown is not None:
            msg = f"The table has no column '{unknown}'. {nearest(unknown, COLUMNS, label='It has')}"
            raise ExplanationError(msg)
        yield {**base, **row}


def _every_slice(ds: xr.Dataset, name: str) -> list[Panel]:
    """Return all panels of a map, of a stack every slice."""
    array = ds[name]
    spatial = [str(d) for d in array.dims if d in ("t", "z") and d in ds.coords]
    choices: list[dict[str, int | str]] = [{}]
    for dim in spatial:
        choices = [{**c, dim: i} for c in choices for i in range(array.sizes[dim])]
    return [panel for choice in choices for panel in panels(ds, name, choice or None)]


def _about(ds: xr.Dataset, panel: Panel) -> dict[str, Any]:
    name = panel.place.get("class") or str(panel.attrs.get("class", "")) or None
    if name is None:
        ranked = [s for s in scores(ds) if s.target] or scores(ds)
        name = ranked[0].name if ranked else None
    score = target_score(ds, name) if name else None
    return {
        "class": name,
        "score": score.logit if score else None,
        "probability": score.probability if score else None,
        "method": panel.method,
        "layer": panel.layer or None,
        "slice": ", ".join(f"{k} {v}" for k, v in panel.place.items() if k not in ("layer", "class")) or None,
    }


def _shares(panel: Panel, mask: npt.NDArray[np.bool_]) -> dict[str, Any]:
    """Return which part of the map's positive and negative sum lies inside a mask, and how large that is."""
    values = np.nan_to_num(panel.values)
    positive, negative = np.clip(values, 0.0, None), np.clip(values, None, 0.0)
    whole = float(positive.sum()), float(negative.sum())
    area = int(mask.sum())
    return {
        "share_positive": float(positive[mask].sum()) / whole[0] if whole[0] else None,
        "share_negative": float(negative[mask].sum()) / whole[1] if whole[1] else None,
        "sum": float(values[mask].sum()),
        "area_px": area,
        "area_um2": area_um2(panel, area),
    }


def area_um2(panel: Panel, pixels: float) -> float | None:
    """Return an area in square micrometres, or None where an axis is not a length."""
    if len(panel.axes) != 2:
        return None
    sizes = [metres_per(axis.units) for axis in panel.axes]
    if sizes[0] is None or sizes[1] is None:
        return None
    return pixels * panel.axes[0].step * sizes[0] * panel.axes[1].step * sizes[1] * 1e12


def _evidence(found: Mapping[str, Any], panel: Panel) -> dict[str, Any]:
    share = found.get("share")
    area = round(float(share) * panel.values.size) if share is not None else None
    return {
        "effect": found["top_drop"],
        "rank": found.get("rank"),
        "n": found.get("n_controls"),
        "area_px": area,
        "area_um2": area_um2(panel, area) if area is not None else None,
        "sentence": found.get("sentence"),
    }


def write_table(table: pd.DataFrame, folder: str | os.PathLike[str], name: str = TABLE) -> tuple[Path, Path]:
    """Write a table as ``table.csv`` and ``table.parquet`` into a folder, or under another name.

    In the CSV a text that a spreadsheet would take for a formula has an apostrophe in front; Parquet has it as it is.

    Returns
    -------
    tuple of pathlib.Path
        Both files.

    Raises
    ------
    FileError
        If they cannot be written.
    """
    csv, parquet = (Path(folder) / f"{name}.{kind}" for kind in ("csv", "parquet"))
    buffer = io.BytesIO()
    table.to_parquet(buffer, index=False)
    write_bytes(csv, _harmless(table).to_csv(index=False, lineterminator="\n").encode())
    write_bytes(parquet, buffer.getvalue())
    return csv, parquet


def _harmless(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose texts no spreadsheet runs: file names come from strangers."""
    safe = table.copy()
    for column in safe.columns:
        if safe[column].dtype == "string":
            risky = safe[column].str.startswith(_FORMULA).fillna(value=False).astype(bool)
            safe.loc[risky, column] = "'" + safe.loc[risky, column]
    return safe

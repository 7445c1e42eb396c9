"""Results in the table of the layer whose regions were asked about: a row for each region, kept over re-runs.

Nothing else of the user's table is touched: a column of theirs with one of our names stays, and ours gets another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_matxai.layers.key import ours

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from napari.layers import Layer

WORDS = ("target", "new_top", "masked", "fills", "action", "model")
NUMBERS = ("effect", "spread", "rank", "of", "share", "area", "new_probability")


def write_results(layer: Layer, rows: Mapping[int, Mapping[str, Any]]) -> None:
    """Write results into a layer's table.

    Parameters
    ----------
    layer
        Shapes, Points (a row for each) or Labels (a row for each label, named by the column ``index``).
    rows
        By row or label: names of columns and their values.
    """
    names = _columns(layer, [name for row in rows.values() for name in row])
    table = layer.features.copy()
    table, places = _places(layer, table, rows)
    table = _grown(table, places)
    for name, column in names.items():
        if column not in table:
            table[column] = "" if name in WORDS else np.nan
        if name in WORDS:
            table[column] = table[column].astype(object)
    for number, row in rows.items():
        for name, value in row.items():
            table.loc[places[number], names[name]] = value
    if "index" in table and type(layer).__name__ == "Labels":
        table["index"] = table["index"].astype(int)
    kept = _defaults(layer)
    layer.features = table
    if hasattr(layer, "feature_defaults"):
        # what is drawn next is new: it takes no result over from the last row
        fresh = {column: "" if name in WORDS else np.nan for name, column in names.items()}
        others = {c: kept.get(c, layer.feature_defaults[c].iloc[0]) for c in table if c not in fresh}
        layer.feature_defaults = {c: (fresh | others)[c] for c in table}
    layer.metadata = {**layer.metadata, "matxai": {**ours(layer), "results": names}}


def _columns(layer: Layer, wanted: list[str]) -> dict[str, str]:
    """Our column for each result: its name, or where the user has one of that name, another."""
    known = dict(ours(layer).get("results", {}))
    for name in dict.fromkeys(wanted):
        taken = set(layer.features.columns) - set(known.values())
        known.setdefault(name, f"{name} (matxai)" if name in taken else name)
    return known


def _places(layer: Layer, table: pd.DataFrame, rows: Mapping[int, Any]) -> tuple[pd.DataFrame, dict[int, int]]:
    """Return the table, and the row of each region in it."""
    if type(layer).__name__ != "Labels" or ("index" not in table and len(table.columns)):
        return table, {number: number for number in rows}  # napari takes the row for the label
    if "index" not in table:
        table = table.iloc[:0].assign(index=np.zeros(0, int))
    known = {int(label): row for row, label in enumerate(table["index"])}
    found = {}
    for number in rows:
        if number not in known:
            known[number] = len(table)
            table.loc[len(table), "index"] = number
        found[number] = known[number]
    return table, found


def _grown(table: pd.DataFrame, places: Mapping[int, int]) -> pd.DataFrame:
    """Return a table with a row for each place."""
    most = max(places.values(), default=-1)
    return table if most < len(table) else table.reindex(range(most + 1))


def _defaults(layer: Layer) -> dict[str, Any]:
    defaults = getattr(layer, "feature_defaults", None)
    return {} if defaults is None or not len(defaults) else {c: defaults[c].iloc[0] for c in defaults}

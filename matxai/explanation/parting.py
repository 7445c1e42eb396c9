"""`by_class`: an explanation of several classes taken apart, each as if it had been asked for by itself."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.explanation.dataset import Explanation, jsonable, provenance

if TYPE_CHECKING:
    import xarray as xr


def by_class(explanation: xr.Dataset) -> dict[str, Explanation]:
    """Return an explanation for each class of one that holds several, by the class's name.

    The maps are views of the given ones; what the provenance says of the run (passes, notes) is that of the run that
    made them all.

    Parameters
    ----------
    explanation
        Of several targets, as ``matxai.explain`` returns it for a list; one of a single target is returned as it is.
    """
    known = provenance(explanation)
    targets = known["target"]
    if not isinstance(targets, list):
        return {str(targets["class"]): Explanation(explanation.data_vars, explanation.coords, explanation.attrs)}
    found: dict[str, Explanation] = {}
    for number, target in enumerate(targets):
        name = str(target["class"])
        variables = {str(key): _variable(explanation[key], number, name) for key in explanation.data_vars}
        coords = {key: c.variable for key, c in explanation.coords.items() if "class" not in c.dims}
        attrs = {**explanation.attrs, "matxai": json.dumps(jsonable(_record(known, number, name)), ensure_ascii=False)}
        found[name] = Explanation(variables, coords, attrs)
    return found


def _variable(array: xr.DataArray, number: int, name: str) -> tuple[tuple[str, ...], Any, dict[str, Any]]:
    if "class" not in array.dims:
        return tuple(map(str, array.dims)), array.values, dict(array.attrs)
    one = array.isel({"class": number})
    values = one.values
    finite = values[np.isfinite(values)]
    attrs = {**array.attrs, "class": name}
    if finite.size:
        attrs |= {"sum": float(finite.sum()), "min": float(finite.min()), "max": float(finite.max())}
    if finite.any():
        attrs["empty"] = ""  # said of another class's map
    return tuple(map(str, one.dims)), values, attrs


def _record(known: dict[str, Any], number: int, name: str) -> dict[str, Any]:
    """Return the provenance with what belongs to one class alone."""
    ledger = {
        key.removesuffix(f" ({name})"): kept for key, kept in known["ledger"].items() if key.endswith(f" ({name})")
    }
    return {**known, "target": known["target"][number], "ledger": ledger}

"""What an explanation is: an ``xarray.Dataset`` of maps with a fixed schema, and how its attributes are kept.

Data variables are the maps and nothing else; the signal rides along as the coordinate ``signal``. Attributes are
strings and numbers, as dictionaries, None and booleans do not survive NetCDF: what is nested is JSON in ``matxai``.
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import xarray as xr

from matxai.errors import ExplanationError

FORMAT = "matxai-explanation"
VERSION = 1


class Explanation(xr.Dataset):  # type: ignore[no-untyped-call]
    """Maps of one signal: one variable for each method, with the signal's own axes; shows itself in a notebook."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        """Return what the installed display makes of it; xarray's own where there is none or the schema is gone."""
        if self.attrs.get("format") == FORMAT and self.data_vars:
            for point in importlib.metadata.entry_points(group="matxai.displays", name="html"):
                return str(point.load()(self))
        return str(super()._repr_html_())


def as_explanation(ds: xr.Dataset) -> Explanation:
    """Return a dataset with our schema as an :class:`Explanation`."""
    maps = {name: array.variable for name, array in ds.data_vars.items()}
    return Explanation(maps, {name: array.variable for name, array in ds.coords.items()}, ds.attrs)


def provenance(ds: xr.Dataset) -> dict[str, Any]:
    """Return how an explanation came about: what its attribute ``matxai`` holds.

    Raises
    ------
    ExplanationError
        If the dataset is no explanation.
    """
    try:
        found = json.loads(ds.attrs["matxai"])
    except (KeyError, TypeError, ValueError):
        found = None
    if not isinstance(found, dict):
        msg = "This dataset has no attribute 'matxai' with its provenance; an explanation of matxai.explain has one."
        raise ExplanationError(msg)
    return found


def identifier(key: str, taken: Iterable[str], *, prefix: str = "map") -> str:
    """Return the name of a map in the dataset: ``lrp:epsilon_plus_flat`` becomes ``lrp_epsilon_plus_flat``.

    ``taken`` are names that are in use; a number is added until the name is free. ``prefix`` stands before a digit.
    """
    name = re.sub(r"\W+", "_", key).strip("_") or prefix
    name = f"{prefix}_{name}" if name[0].isdigit() else name
    used = set(taken)
    found, n = name, 2
    while found in used:
        found, n = f"{name}_{n}", n + 1
    return found


def jsonable(value: Any) -> Any:
    """Return ``value`` as JSON holds it: records as objects, tensors as numbers or lists, NaN and Inf as null."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: jsonable(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(k): jsonable(v) for k, v in value.items()}
    if hasattr(value, "detach"):
        value = value.detach().cpu().double().numpy()
    if isinstance(value, np.ndarray):
        return jsonable(np.squeeze(value).tolist())
    if isinstance(value, list | tuple | set | frozenset):
        return [jsonable(v) for v in value]
    return str(value)


def flat_attrs(attrs: Mapping[Any, Any]) -> dict[str, str | int | float]:
    """Return attributes as strings and numbers that every format keeps: None is left out, the nested becomes JSON."""
    found: dict[str, str | int | float] = {}
    for key, value in attrs.items():
        simple = jsonable(value)
        if simple is None:
            continue
        if isinstance(simple, bool):
            simple = int(simple)
        found[str(key)] = simple if isinstance(simple, str | int | float) else json.dumps(simple, ensure_ascii=False)
    return found

"""HyperSpy's own HDF5 files (``.hspy``): ``/Experiments/<title>/data`` and a group ``axis-<n>`` for each axis."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.signals.formats.axes import Axis
from matxai.signals.formats.hdf5_file import Tree, attribute, is_numeric, resolve, text
from matxai.signals.formats.layouts import Found

if TYPE_CHECKING:
    from pathlib import Path


def find_hspy(file: Any, tree: Tree, path: Path) -> list[Found]:
    """Return the signal of every experiment, in the file's order."""
    found = []
    for name in tree.datasets:
        place = re.fullmatch(r"Experiments/([^/]+)/data", name)
        data = file[name] if place else None
        if place is None or data is None or not is_numeric(data.dtype):
            continue
        group = name.rsplit("/", 1)[0]
        axes = [_axis(file, f"{group}/axis-{i}", path) for i in range(data.ndim)]
        spectral = bool(axes) and _navigates(file, f"{group}/axis-{data.ndim - 1}") is False and data.ndim != 2
        last_two = [_navigates(file, f"{group}/axis-{i}") for i in range(max(data.ndim - 2, 0), data.ndim)]
        found.append(
            Found(
                dataset=name,
                axes=tuple(axes),
                layout="HyperSpy",
                name=place[1],
                spectral=spectral and last_two != [False, False],
                metadata=_metadata(file, f"{group}/metadata", path),
            )
        )
    return found


def _axis(file: Any, name: str, path: Path) -> Axis:
    group = resolve(file, name, path)
    if group is None:
        return Axis()
    said = text(group, "name")
    values = resolve(file, f"{name}/axis", path)
    return Axis(
        name=None if said in (None, "<undefined>", "_None_") else said,
        unit=text(group, "units"),
        step=_number(attribute(group, "scale")),
        origin=_number(attribute(group, "offset")),
        values=None if values is None or values.dtype.kind not in "iuf" else np.asarray(values[...]),
    )


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and np.isfinite(value) else None


def _navigates(file: Any, name: str) -> bool | None:
    value = attribute(file[name], "navigate") if name in file else None
    return None if value is None else bool(value)


def _metadata(file: Any, name: str, path: Path) -> dict[str, Any]:
    words: dict[str, Any] = {}
    for inner in ("General", "Signal", "Acquisition_instrument/TEM", "Acquisition_instrument/SEM"):
        group = resolve(file, f"{name}/{inner}", path)
        for key in group.attrs.keys() if group is not None else ():
            value = attribute(group, key)
            if isinstance(value, (str, int, float)) and value != "":
                words[str(key)] = value
    return words

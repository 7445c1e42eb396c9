"""NeXus: the plottable data of an NXdata group, found by ``@default`` and described by ``@signal`` and ``@axes``.

Written after the NeXus manual (https://manual.nexusformat.org, NXdata), with the two older ways of saying the same that
still are in many files: ``signal=1`` on the dataset, and ``axes="y:x"`` or ``axis=1`` beside it. Data Exchange files
(``/exchange/data``) are here too: the same idea at a fixed place.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import FileError
from matxai.signals.formats.axes import Axis, clean
from matxai.signals.formats.hdf5_file import Tree, attribute, is_numeric, plain, resolve, text
from matxai.signals.formats.layouts import Found
from matxai.signals.formats.nexus_radiation import DIFFRACTION, radiation_of

if TYPE_CHECKING:
    from pathlib import Path

MAX_AXIS = 2**24
"""An axis with more places than this is not read."""


def find_nexus(file: Any, tree: Tree, path: Path) -> list[Found]:
    """Return the signal that ``@default`` leads to, else that of every NXdata group, in the file's order."""
    groups = [g for g in tree.groups if text(_at(file, g), "NX_class") == "NXdata"]
    chosen = _default(file, path)
    if chosen is not None and (found := nxdata(file, chosen, path)) is not None:
        others = [g for g in groups if g != chosen]
        note = f"also in the file, with dataset=: {', '.join(repr(g) for g in others[:6])}" if others else ""
        return [_with_note(found, note)]
    return [found for g in groups if (found := nxdata(file, g, path)) is not None]


def _at(file: Any, name: str) -> Any:
    return file[name] if name else file


def _with_note(found: Found, note: str) -> Found:
    import dataclasses

    return dataclasses.replace(found, note=note)


def _default(file: Any, path: Path) -> str | None:
    """Follow ``@default`` from the root down to an NXdata group."""
    import h5py

    here, name = file, ""
    for _ in range(16):
        step = text(here, "default")
        if step is None:
            break
        name = step.strip("/") if step.startswith("/") or not name else f"{name}/{step.strip('/')}"
        target = resolve(file, name, path)
        if not isinstance(target, h5py.Group):
            return None
        here, name = target, target.name.strip("/")
    return name if name and text(here, "NX_class") == "NXdata" else None


def nxdata(file: Any, name: str, path: Path) -> Found | None:
    """Return the signal of one NXdata group, or None if it has none."""
    import h5py

    group = _at(file, name)
    signal = _signal_name(group)
    if signal is None:
        return None
    dataset = resolve(file, f"{name}/{signal}", path)
    if not isinstance(dataset, h5py.Dataset) or not is_numeric(dataset.dtype) or not dataset.shape:
        return None
    rank = len(dataset.shape)
    axes = _axes(file, name, group, dataset, path)
    interpretation = text(dataset, "interpretation") or text(group, "interpretation") or ""
    dims = None
    if interpretation in ("rgb-image", "rgba-image") and rank > 2:
        dims = (*("t", "z")[5 - rank :], "y", "x", "c") if rank <= 5 else None
    metadata = metadata_of(file, name, dataset, path)
    attrs: dict[str, Any] = {}
    if any(clean(axis.name) in DIFFRACTION for axis in axes):
        found = radiation_of(file, name, path)
        metadata |= found.pop("metadata")
        attrs = found
    return Found(
        dataset=dataset.name.strip("/"),
        axes=tuple(axes),
        layout="NeXus NXdata",
        name=text(dataset, "long_name") or name or signal,
        spectral=interpretation == "spectrum",
        dims=dims,
        metadata=metadata,
        attrs=attrs,
    )


def _signal_name(group: Any) -> str | None:
    said = text(group, "signal")
    if said is not None and said in group:
        return said
    import h5py

    names = [k for k in group if group.get(k, getclass=True, getlink=True) is not h5py.ExternalLink]
    marked = [k for k in names if str(attribute(_child(group, k), "signal")) == "1"]
    if marked:
        return str(marked[0])
    return "data" if "data" in names else None


def _child(group: Any, name: str) -> Any:
    """Return a member of a group without following a link, which may lead out of the file; the group where it does."""
    import h5py

    return group[name] if isinstance(group.get(name, getlink=True), h5py.HardLink) else group


def _axes(file: Any, name: str, group: Any, dataset: Any, path: Path) -> list[Axis]:
    rank = len(dataset.shape)
    said = attribute(group, "axes")
    if said is None:
        said = attribute(dataset, "axes")
    names = _split(said)
    if not names:
        names = _by_number(group, rank)
    places: list[str | None] = [None] * rank
    for i, word in enumerate(names):
        index = attribute(group, f"{word}_indices")
        at = index if isinstance(index, int) and not isinstance(index, bool) else i
        if word not in (".", "") and 0 <= at < rank and places[at] is None:
            places[at] = word
    return [_axis(file, name, word, path) for word in places]


def _split(said: Any) -> list[str]:
    """Return the names in an ``axes`` attribute: a list, or in older files one text such as ``[y:x]`` or ``y,x``."""
    if isinstance(said, str):
        return [w for w in re.split(r"[:,\s]+", said.strip("[] ")) if w]
    return [str(w) for w in said] if isinstance(said, list) else []


def _by_number(group: Any, rank: int) -> list[str]:
    """Return the axes that older files number: ``axis=1`` on the dataset of the first axis."""
    found = ["."] * rank
    for key in group:
        number = attribute(_child(group, key), "axis")
        number = int(number) if isinstance(number, str) and number.isdecimal() else number
        if isinstance(number, int) and 1 <= number <= rank and found[number - 1] == ".":
            found[number - 1] = key
    return found


def _axis(file: Any, group: str, word: str | None, path: Path) -> Axis:
    import h5py

    if word is None:
        return Axis()
    places = resolve(file, f"{group}/{word}", path)
    if not isinstance(places, h5py.Dataset):
        return Axis(name=word)
    if places.ndim != 1 or places.dtype.kind not in "iuf" or places.size > MAX_AXIS:
        return Axis(name=word, unit=text(places, "units"))
    return Axis(name=word, unit=text(places, "units"), values=np.asarray(places[...]))


def metadata_of(file: Any, name: str, dataset: Any, path: Path) -> dict[str, Any]:
    """Return what a NeXus file says of its measurement: title, sample, instrument, times, the unit of the values."""
    import h5py

    words: dict[str, Any] = {}
    if unit := text(dataset, "units"):
        words["units"] = unit
    parts = name.split("/")
    for depth in range(len(parts), 0, -1):
        entry = "/".join(parts[:depth])
        for field in ("title", "start_time", "end_time", "definition", "sample/name", "instrument/name"):
            value = resolve(file, f"{entry}/{field}", path) if entry else None
            if isinstance(value, h5py.Dataset) and value.size == 1 and field not in words:
                words[field] = plain(value[()])
    return {k: v for k, v in words.items() if v not in (None, "")}


def find_exchange(file: Any, tree: Tree, path: Path) -> list[Found]:
    """Return ``/exchange/data`` of a Data Exchange file (De Carlo et al., J. Synchrotron Rad. 21, 2014)."""
    import h5py

    if "exchange/data" not in tree.datasets:
        return []
    data = resolve(file, "exchange/data", path)
    if not isinstance(data, h5py.Dataset) or not is_numeric(data.dtype) or data.ndim not in (1, 2, 3):
        msg = (
            f"'exchange/data' in {path.name} is no array of one to three axes, which the Data Exchange format asks for"
        )
        raise FileError(msg)
    named = _split(attribute(data, "axes"))
    axes = [_exchange_axis(file, named[i] if len(named) == data.ndim else None, path) for i in range(data.ndim)]
    if data.ndim == 3 and not named:
        theta = _exchange_axis(file, "theta", path)
        if theta.values is not None and theta.values.size == data.shape[0]:
            axes[0] = theta
    for i, letter in ((data.ndim - 2, "y"), (data.ndim - 1, "x")):
        size, unit = _detector_pixel(file, letter, path)
        if i >= 0 and size is not None and axes[i].values is None and (axes[i].name in (None, letter)):
            axes[i] = Axis(name=letter, unit=unit, step=size)
    others = [d for d in tree.datasets if d.startswith("exchange/data_")]
    note = f"also in the file, with dataset=: {', '.join(repr(d) for d in others[:6])}" if others else ""
    metadata = {"units": text(data, "units")} if text(data, "units") else {}
    return [Found("exchange/data", tuple(axes), "Data Exchange", "exchange/data", note=note, metadata=metadata)]


def _exchange_axis(file: Any, word: str | None, path: Path) -> Axis:
    axis = _axis(file, "exchange", word, path)
    if word == "theta" and axis.unit is None and axis.values is not None:
        return Axis(name="theta", unit="degree", values=axis.values)  # the format's default unit of an angle
    return axis


def _detector_pixel(file: Any, letter: str, path: Path) -> tuple[float | None, str | None]:
    """Return the size of a pixel on the sample and its unit (metres where the file names none, as the format says)."""
    import h5py

    for word in (f"{letter}_actual_pixel_size", f"actual_pixel_size_{letter}"):
        value = resolve(file, f"measurement/instrument/detector/{word}", path)
        if isinstance(value, h5py.Dataset) and value.size == 1 and value.dtype.kind in "iuf":
            return float(np.asarray(value[...]).reshape(-1)[0]), text(value, "units") or "m"
    return None, None

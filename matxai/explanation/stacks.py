"""`explain_stack`: a stack explained plane by plane by a model for single images; one dataset, its leading axes kept.

The planes are read, explained and let go one after the other, so that a stack on disk needs no more memory than its
maps do, and those go to a file where they would be large.
"""

from __future__ import annotations

import itertools
import json
import math
import shutil
import tempfile
import weakref
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import Cancelled, ExplanationError, SignalError
from matxai.explanation.dataset import FORMAT, VERSION, Explanation, flat_attrs, jsonable, provenance
from matxai.explanation.explaining import explain

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator, Sequence

    import xarray as xr
    from numpy.typing import NDArray

    from matxai.methods import Method
    from matxai.modelcard import Model

IN_MEMORY = 0.1
"""Of the free memory, what the maps of one method may take; larger ones are kept in a file."""


def explain_stack(
    model: Model,
    signal: xr.DataArray,
    methods: str | Method | Sequence[str | Method] = ("grad_cam",),
    target: Any = None,
    layers: Sequence[str | int] | str | int | None = None,
    *,
    folder: str | os.PathLike[str] | None = None,
    keep: bool = False,
    progress: Any = None,
    cancel: Any = None,
    **options: Any,
) -> Explanation:
    """Explain each plane of a stack (each spectrum of a set) by itself; the maps keep the stack's leading axes.

    Parameters
    ----------
    model
        For images or spectra: it takes fewer axes than the signal has.
    signal
        A stack, in memory or lazy. Of a lazy one a plane at a time is read. Choose a range with ``signal.isel``.
    methods, target, layers
        As in :func:`matxai.explain`, for every plane alike. Without a target each plane's own top class is explained;
        the coordinate ``explained`` says which.
    folder
        Where maps go that are too large for memory: files beside each other that are removed when the result is let
        go. By default a temporary folder.
    keep
        What a ``cancel`` does: with ``keep`` the planes that are done are returned and the others are NaN, without it
        nothing is kept and :class:`matxai.Cancelled` is raised.
    progress, cancel
        ``progress(done, total, label)`` counts planes.
    **options
        As in :func:`matxai.explain`.

    Returns
    -------
    Explanation
        As of :func:`matxai.explain`, each map with the leading axes in front. ``top`` and ``explained`` are coordinates
        along them: the class on top and the class that was explained. The provenance has a record for each plane in
        ``planes``.

    Raises
    ------
    SignalError
        If the signal has no axis beside those that the model takes.
    Cancelled
        If ``cancel`` was set before anything was done, or without ``keep``.
    MatxaiError
        As :func:`matxai.explain`; the sentence names the plane.
    """
    lead = _leading(model, signal)
    sizes = [signal.sizes[d] for d in lead]
    places = list(itertools.product(*(range(n) for n in sizes)))
    made = _Stack(lead, tuple(sizes), _shelf(folder))
    for number, place in enumerate(places):
        if cancel is not None and cancel.is_set():
            if keep and made.records:
                break
            msg = f"Cancelled after {number} of {len(places)} planes."
            raise Cancelled(msg)
        plane = _plane(signal, lead, place)
        said = ", ".join(f"{d} {i}" for d, i in zip(lead, place, strict=True))
        if progress is not None:
            progress(number, len(places), said)
        try:
            one = explain(model, plane, methods, target, layers, cancel=cancel, **options)
        except Cancelled:
            if keep and made.records:
                break
            raise
        except SignalError as error:
            msg = f"At {said}: {error}"
            raise SignalError(msg) from error
        made.add(place, one)
    if progress is not None:
        progress(len(made.records), len(places), "done")
    return made.dataset(signal, len(places))


def plane_of(explanation: xr.Dataset, place: Sequence[int]) -> Explanation:
    """Return one plane of an explained stack, one spectrum of an explained set, as an explanation of its own.

    Parameters
    ----------
    explanation
        As :func:`explain_stack` returns it.
    place
        Index along each of its leading axes, in their order.

    Returns
    -------
    Explanation
        With the target and the scores of that plane; its maps are NaN where the plane was not reached before a cancel.

    Raises
    ------
    ExplanationError
        If this is no explained stack, or it has no such plane.
    """
    record = provenance(explanation)
    planes = record.get("planes")
    lead = list(planes[0]["at"]) if planes else []
    if not planes or len(place) != len(lead):
        raise ExplanationError("This is no explained stack with such a plane; matxai.explain_stack makes one.")
    sizes = [explanation.sizes[d] for d in lead]
    if not all(0 <= i < n for i, n in zip(place, sizes, strict=True)):
        msg = f"There is no plane {tuple(map(int, place))} in a stack of {tuple(sizes)} planes."
        raise ExplanationError(msg)
    at = {d: int(i) for d, i in zip(lead, place, strict=True)}
    own: dict[str, Any] = next((p for p in planes if p["at"] == at), {})
    one = explanation.isel(at).drop_vars([*lead, "top", "explained"], errors="ignore")
    said = {k: v for k, v in record.items() if k not in ("planes", "planes_asked")} | {
        k: v for k, v in own.items() if k in ("target", "scores")
    }
    said["input"] = _input_of_plane(record["input"], lead, own)
    maps = {str(name): v.variable.copy(deep=False) for name, v in one.data_vars.items()}
    if own:
        for variable in maps.values():
            variable.attrs = {**variable.attrs, "class": _explained(own)}
    coords = {str(name): c.variable for name, c in one.coords.items()}
    return Explanation(maps, coords, {**explanation.attrs, "matxai": json.dumps(said, ensure_ascii=False)})


def _input_of_plane(given: dict[str, Any], lead: Sequence[str], own: dict[str, Any]) -> dict[str, Any]:
    """Return what was said of a stack's signal, of one of its planes."""
    kept = [(d, n) for d, n in zip(given["dims"], given["shape"], strict=True) if d not in lead]
    found = {**given, "dims": [d for d, _ in kept], "shape": [n for _, n in kept]}
    return found | ({"sha256": own["sha256"]} if own.get("sha256") else {})


def _leading(model: Model, signal: xr.DataArray) -> tuple[str, ...]:
    dims = [str(d) for d in signal.dims if d != "c"]
    dims.sort(key=lambda d: "tzyx".find(d) if set(dims) <= set("tzyx") else 0)
    taken = int(model.kind[0])
    if len(dims) <= taken:
        msg = (
            f"The signal has the axes {', '.join(dims)}, and '{model.name}' takes {taken}: it is no stack. "
            "matxai.explain explains it."
        )
        raise SignalError(msg)
    if taken == 1 and "sample" not in dims:  # of a spectrum image the energy stands first
        spectral = [d for d in dims if d not in ("t", "z", "y", "x")]
        return tuple(d for d in dims if d != spectral[0]) if len(spectral) == 1 else tuple(dims[:-1])
    return tuple(dims[:-taken])


def _plane(signal: xr.DataArray, lead: tuple[str, ...], place: tuple[int, ...]) -> xr.DataArray:
    """Read one plane; what belongs to a plane of the stack alone stays with it."""
    one = signal.isel(dict(zip(lead, place, strict=True))).drop_vars(lead, errors="ignore")
    found = one.copy(data=np.asarray(one.data))
    found.attrs, found.encoding = dict(signal.attrs), dict(signal.encoding)
    return found


def _shelf(folder: str | os.PathLike[str] | None) -> Callable[[], Path]:
    """Return what makes the folder for large maps, once one is needed."""

    def make() -> Path:
        if folder is not None:
            Path(folder).mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix="matxai-stack-", dir=folder))

    return make


class _Stack:
    """The maps of a stack while they are made."""

    def __init__(self, lead: tuple[str, ...], sizes: tuple[int, ...], shelf: Callable[[], Path]) -> None:
        self.lead, self.sizes = lead, sizes
        self.maps: dict[str, NDArray[np.float32]] = {}
        self.about: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {}
        self.coords: dict[str, Any] = {}
        self.records: dict[tuple[int, ...], dict[str, Any]] = {}
        self._shelf = shelf

    def add(self, place: tuple[int, ...], one: Explanation) -> None:
        """Put the maps of one plane into their place."""
        if not self.records:
            self.coords = {str(k): c.variable for k, c in one.coords.items() if k != "signal"}
        for key, variable in one.data_vars.items():
            name = str(key)
            if name not in self.maps:
                self.about[name] = (tuple(map(str, variable.dims)), dict(variable.attrs))
                self.maps[name] = self._room((*self.sizes, *variable.shape))
            self.maps[name][place] = variable.values
        record = provenance(one)
        self.records[place] = _kept(record) if self.records else record

    def _room(self, shape: tuple[int, ...]) -> NDArray[np.float32]:
        from matxai.engine.memory import free_bytes_here

        if math.prod(shape) * 4 <= IN_MEMORY * free_bytes_here():
            return np.full(shape, np.nan, np.float32)
        folder = self._shelf()
        made = np.lib.format.open_memmap(folder / "map.npy", mode="w+", dtype=np.float32, shape=shape)
        weakref.finalize(made, shutil.rmtree, folder, ignore_errors=True)
        made[...] = np.nan
        return made

    def dataset(self, signal: xr.DataArray, planes: int) -> Explanation:
        """Return all that was made as one explanation."""
        first = next(iter(self.records.values()))
        coords: dict[str, Any] = dict(self.coords)
        for name, c in signal.coords.items():
            if name in self.lead:
                coords[str(name)] = (c.dims, np.asarray(c.values), flat_attrs(c.attrs))
        coords["signal"] = (signal.dims, signal.data, flat_attrs(signal.attrs))
        for label, of in (("top", _top), ("explained", _explained)):
            words = [of(self.records[p]) if p in self.records else "" for p in self._places()]
            coords[label] = (self.lead, np.array(words, dtype=str).reshape(self.sizes))
        variables = {}
        for name, (dims, attrs) in self.about.items():
            values = self.maps[name]
            variables[name] = (
                (*self.lead, *dims),
                values,
                {**attrs, **_extremes(values, self.records), **self._said()},
            )
        record = {
            **{k: v for k, v in first.items() if k not in ("maps", "ledger", "balance", "agreement", "scores")},
            "maps": {name: {k: v for k, v in m.items() if k != "sum_at_input"} for name, m in first["maps"].items()},
            "target": sorted({_explained(r) for r in self.records.values()}),
            "scores": [],
            "input": {**first["input"], "dims": list(map(str, signal.dims)), "shape": list(signal.shape)},
            "planes": [{"at": dict(zip(self.lead, p, strict=True)), **_kept(r)} for p, r in self.records.items()],
            "planes_asked": planes,
        }
        record["input"].pop("sha256", None)  # each plane has its own
        attrs = {
            "format": FORMAT,
            "version": VERSION,
            "source": record["input"]["name"],
            "model": record["model"]["name"],
            "command": record["command"],
            "matxai": json.dumps(jsonable(record), ensure_ascii=False),
        }
        return Explanation(variables, coords, attrs)

    def _places(self) -> Iterator[tuple[int, ...]]:
        return itertools.product(*(range(n) for n in self.sizes))

    def _said(self) -> dict[str, str]:
        """Return the class of the maps: its name where it is one, else how often each was explained."""
        count = Counter(_explained(r) for r in self.records.values())
        if len(count) == 1:
            return {"class": next(iter(count)), "empty": ""}
        return {"class": ", ".join(f"{name} ({n})" for name, n in count.most_common()), "empty": ""}


def _extremes(values: NDArray[np.float32], records: dict[tuple[int, ...], Any]) -> dict[str, float]:
    """Return the smallest and largest value and the sum over the planes that are done, read a plane at a time."""
    planes = [values[p] for p in records]
    return {
        "min": float(min(np.nanmin(p) for p in planes)),
        "max": float(max(np.nanmax(p) for p in planes)),
        "sum": float(sum(float(np.nansum(p, dtype=np.float64)) for p in planes)),
    }


def _top(record: dict[str, Any]) -> str:
    scores = record.get("scores") or [{}]
    return str(scores[0].get("class", ""))


def _explained(record: dict[str, Any]) -> str:
    target = record["target"]
    return ", ".join(str(t["class"]) for t in (target if isinstance(target, list) else [target]))


def _kept(record: dict[str, Any]) -> dict[str, Any]:
    """Return what is another for every plane."""
    return {k: record[k] for k in ("target", "scores", "ledger", "notes", "sha256") if k in record} | {
        "sha256": record.get("sha256") or record["input"].get("sha256")
    }

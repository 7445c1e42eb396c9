"""`inspect`: what a file holds as its reader understands it; what `matxai info` prints and the plugin shows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.signals.limits import said_bytes
from matxai.signals.reader import Item, Reader, ReadOptions
from matxai.signals.reading import count_nonfinite, loaded, locate, open_items, stack_name

if TYPE_CHECKING:
    import xarray as xr

    from matxai.signals.reading import Source

COUNTED_UP_TO = 2**30
"""Lazy arrays larger than this are not searched for NaN and Inf: it would read all of them."""

FACTS: dict[str, str] = {
    "wavelength": "angstrom",
    "anode": "",
    "photon_energy": "eV",
    "work_function": "eV",
    "e0": "eV",
    "edge": "",
    "laser_wavelength": "nm",
    "sampling_rate": "Hz",
    "value_name": "",
    "value_unit": "",
}
"""What the attributes of a spectrum or waveform say beside its axis, and in which unit."""


@dataclass(frozen=True)
class AxisInfo:
    """One axis: its step and unit (``step`` is None where the steps are uneven or there is one pixel)."""

    dim: str
    size: int
    step: float | None
    unit: str | None
    first: float | str
    last: float | str


@dataclass(frozen=True)
class ItemInfo:
    """One signal of a file; axes and what follows them only for those that were opened.

    ``facts`` are the attributes of `FACTS`: wavelength, anode, photon energy, what the values are; ``beside`` names the
    coordinates that are no axis: raw columns, other axes, uncertainties.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    measured: bool = True
    note: str = ""
    axes: tuple[AxisInfo, ...] = ()
    pixel_size_source: str = ""
    info_bar: tuple[int, int] | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    beside: tuple[str, ...] = ()


@dataclass(frozen=True)
class FileInfo:
    """What a file, or a stack of files, holds.

    Attributes
    ----------
    source, reader, format
        Name of the file, of its reader, and the format in words.
    items
        All signals, in the file's order.
    chosen
        Index of the one that `matxai.read` returns.
    problems
        Sentences: NaN and Inf with their counts, a name that does not fit, several signals.
    """

    source: str
    reader: str
    format: str
    items: tuple[ItemInfo, ...]
    chosen: int
    problems: tuple[str, ...] = ()

    @property
    def main(self) -> ItemInfo:
        """The item that `matxai.read` returns."""
        return self.items[self.chosen]


def inspect(
    source: Source,
    *,
    dataset: str | None = None,
    axis: str | None = None,
    reader: str | None = None,
    limit: int | None = None,
) -> FileInfo:
    """Return what a file, folder, glob or list of slices holds; its arguments and errors are those of `matxai.read`.

    The signal that `matxai.read` would return is opened and searched for NaN and Inf (a lazy one up to 1 GiB); the
    others are described from the header.
    """
    options = ReadOptions(dataset=dataset, axis=axis, limit=limit)
    where = locate(source)
    if isinstance(where, list):
        from matxai.signals.stack import stack_files

        name = stack_name(source)
        signal = stack_files(where, options=options, reader=reader, name=name)
        stack = "sample" not in signal.dims
        item = Item("stack" if stack else "set", lambda: signal, signal.shape, str(signal.dtype))
        notes = list(signal.attrs.get("notes", [])) + _nonfinite(signal)
        kind = f"{len(where)} files as one {'stack' if stack else 'set of spectra'}"
        return FileInfo(name, str(signal.attrs["reader"]), kind, (_described(item, signal),), 0, tuple(notes))
    chosen_reader, items, notes = open_items(where, options, reader)
    return _file(where.name, chosen_reader, items, notes)


def _file(name: str, reader: Reader, items: list[Item], notes: list[str]) -> FileInfo:
    chosen = next((i for i, item in enumerate(items) if item.measured), 0)
    signal = loaded(items[chosen], reader, name)
    problems = [*notes, *signal.attrs.get("notes", []), *_nonfinite(signal)]
    if sum(not item.derived for item in items) > 1:
        problems.append(f"{len(items)} signals: item={chosen} is read unless another one is asked for")
    described = tuple(
        _described(item, signal)
        if i == chosen
        else ItemInfo(item.name, item.shape, item.dtype, item.measured, item.note)
        for i, item in enumerate(items)
    )
    return FileInfo(name, reader.name, reader.describes or reader.name, described, chosen, tuple(problems))


def _described(item: Item, signal: xr.DataArray) -> ItemInfo:
    bar = signal.attrs.get("info_bar")
    return ItemInfo(
        name=item.name,
        shape=tuple(signal.shape),
        dtype=str(signal.dtype),
        measured=item.measured,
        note=item.note,
        axes=tuple(_axis(str(dim), signal) for dim in signal.dims),
        pixel_size_source=str(signal.attrs.get("pixel_size_source", "")),
        info_bar=(int(bar[0]), int(bar[1])) if bar is not None else None,
        metadata=dict(signal.attrs.get("metadata", {})),
        beside=tuple(str(k) for k in signal.coords if k not in signal.dims),
        facts={k: signal.attrs[k] for k in FACTS if k in signal.attrs},
    )


def _axis(dim: str, signal: xr.DataArray) -> AxisInfo:
    values = signal[dim].values
    unit = signal[dim].attrs.get("units")
    if values.size == 0 or values.dtype.kind not in "iuf":
        ends = (str(values[0]), str(values[-1])) if values.size else ("", "")
        return AxisInfo(dim, int(values.size), None, unit, *ends)
    step = None
    if values.size > 1:
        mean = float(values[-1] - values[0]) / (values.size - 1)
        even = np.allclose(np.diff(values.astype(float)), mean, rtol=1e-3, atol=0)
        step = float(f"{mean:.10g}") if even else None
    return AxisInfo(dim, int(values.size), step, unit, float(values[0]), float(values[-1]))


def _nonfinite(signal: xr.DataArray) -> list[str]:
    if signal.chunks is not None and signal.dtype.kind in "fc" and signal.nbytes > COUNTED_UP_TO:
        return [f"NaN and Inf were not counted: that would read all {said_bytes(signal.nbytes)}"]
    counts = count_nonfinite(signal)
    names = {"nan": "NaN", "inf": "infinite values"}
    return [f"{n} {names[k]} among {signal.size} values" for k, n in counts.items()]

"""Many files of one size as one lazy stack ``(z, y, x)``: a chunk is a slice, and a slice is read when it is used.

Files with spectra are a set instead (`matxai.signals.sets`).
"""

from __future__ import annotations

import functools
import warnings
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import FileError, MatxaiWarning
from matxai.signals.labelled import labelled
from matxai.signals.lazy import lazy_stack
from matxai.signals.reader import Item, Reader, ReadOptions
from matxai.signals.reading import choose, loaded, open_items, report_nonfinite
from matxai.signals.sets import set_of
from matxai.signals.spectra.curve import SAMPLE

if TYPE_CHECKING:
    from pathlib import Path

    import xarray as xr


def stack_files(
    paths: list[Path],
    *,
    options: ReadOptions | None = None,
    reader: str | None = None,
    item: int | str | None = None,
    name: str = "",
) -> xr.DataArray:
    """Return the slices or spectra in ``paths``, in that order, as one signal.

    Parameters
    ----------
    paths
        Files with one image each, of one size and one number of channels (integers of different widths are widened),
        or with spectra on one axis.
    options, reader, item
        As for `matxai.read`, the same for every file.
    name
        What the stack is called in sentences and in ``attrs["source"]``.

    Returns
    -------
    xarray.DataArray
        Dims ``(z, y, x)``, with ``c`` behind for colour. Axes and metadata are the first slice's; the distance of the
        slices stands in no file and is one ``pixel``. For spectra ``(sample, axis)``, in memory.

    Raises
    ------
    FileError
        If sizes differ (the sentence lists them), a file holds more than one slice, axes differ, or images and spectra
        are mixed.
    """
    options = options or ReadOptions()
    name = name or f"{paths[0].name} ... {paths[-1].name}"
    opened: list[tuple[Path, Reader, Item]] = []
    for path in paths:
        kind, items, _ = open_items(path, options, reader)
        with warnings.catch_warnings():
            if opened:
                warnings.simplefilter("ignore", MatxaiWarning)  # said of the first; the others are alike
            opened.append((path, kind, choose(items, item, path.name)))
    first = loaded(opened[0][2], opened[0][1], opened[0][0].name)
    if first.ndim == 1 or first.dims[0] == SAMPLE:
        return _set(name, opened, first)
    _refuse_different(name, opened)
    if first.dims not in (("y", "x"), ("y", "x", "c")):
        msg = (
            f"{paths[0].name} holds {first.dims} {first.shape} by itself and cannot be a slice of {name}; read it alone"
        )
        raise FileError(msg)
    dtype = np.result_type(*(np.dtype(i.dtype) for _, _, i in opened))
    one = functools.partial(_values, [p for p, _, _ in opened], options, reader, item, dtype.name)
    attrs: dict[str, Any] = {**first.attrs, "source": name, "reader": opened[0][1].name, "slices": len(paths)}
    source = attrs.get("pixel_size_source", "uncalibrated: the files hold none")
    attrs["pixel_size_source"] = f"{source} (first slice; the distance of the slices is not known)"
    return labelled(
        lazy_stack((len(paths), *first.shape), dtype, one),
        ("z", *(str(d) for d in first.dims)),
        coords={str(d): first[d].values for d in first.dims},
        units={str(d): first[d].attrs.get("units") for d in first.dims},
        attrs=attrs,
    )


def _set(name: str, opened: list[tuple[Path, Reader, Item]], first: xr.DataArray) -> xr.DataArray:
    signals = [first, *(loaded(item, kind, path.name) for path, kind, item in opened[1:])]
    found = set_of([path for path, _, _ in opened], signals, name)
    found.attrs.update(source=name, reader=opened[0][1].name, files=len(opened))
    report_nonfinite(found, name)
    return found


def _values(
    paths: list[Path], options: ReadOptions, reader: str | None, item: int | str | None, dtype: str, number: int
) -> np.ndarray[Any, Any]:
    """Read one slice anew: items hold open ends that other processes cannot be sent."""
    path = paths[number]
    kind, items, _ = open_items(path, options, reader)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MatxaiWarning)  # said once, when the stack was made
        one = choose(items, item, path.name)
    return np.asarray(loaded(one, kind, path.name).values, dtype=dtype)


def _refuse_different(name: str, opened: list[tuple[Path, Reader, Item]]) -> None:
    sizes = Counter(i.shape for _, _, i in opened)
    if len(sizes) == 1:
        return
    odd = next(((p, i) for p, _, i in opened if len(i.shape) == 1), None)
    if odd is not None:
        msg = (
            f"{name} is a mixed set: {opened[0][0].name} holds an image {opened[0][2].shape} and {odd[0].name} a "
            f"spectrum of {odd[1].shape[0]} points; read them apart"
        )
        raise FileError(msg)
    said = []
    for shape, count in sizes.most_common(6):
        example = next(p.name for p, _, i in opened if i.shape == shape)
        said.append(f"{' x '.join(map(str, shape))} ({count} files, such as {example})")
    more = f" and {len(sizes) - 6} more sizes" if len(sizes) > 6 else ""
    msg = f"{name} is no stack: its {len(opened)} files have different sizes: {'; '.join(said)}{more}"
    raise FileError(msg)

"""Saving an explanation to Zarr or NetCDF and getting it back equal; what is not ours or is newer is refused."""

from __future__ import annotations

import contextlib
import json
import math
import shutil
import uuid
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import ExplanationError, UnsafeFileError
from matxai.explanation.dataset import FORMAT, VERSION, Explanation, as_explanation, flat_attrs

if TYPE_CHECKING:
    import os

    import xarray as xr

SUFFIXES = (".zarr", ".nc")


def save(ds: xr.Dataset, path: str | os.PathLike[str]) -> Path:
    """Write an explanation to ``NAME.zarr`` or ``NAME.nc`` and return the path.

    It is written beside its place and moved there when it is complete, so that nothing half-written is left. A result
    that stands there already is replaced, any other folder is not.

    Raises
    ------
    ExplanationError
        If the dataset is no explanation, the suffix is neither, the folder refuses writes or something else is there.
    """
    target = Path(path)
    if ds.attrs.get("format") != FORMAT:
        raise ExplanationError(f"Only explanations are saved here: this dataset has no attribute format='{FORMAT}'.")
    if target.suffix.lower() not in SUFFIXES:
        raise ExplanationError(
            f"{target.name} names no format for an explanation; use a name that ends with .zarr or .nc."
        )
    if target.is_dir() and not _ours(target):
        raise ExplanationError(f"{target} is a folder that holds something else; choose another name.")
    partial = target.with_name(f".{target.stem}-{uuid.uuid4().hex[:8]}.partial{target.suffix}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _write(ds, partial)
        _replace(partial, target)
    except OSError as problem:
        reason = problem.strerror or str(problem)
        raise ExplanationError(
            f"{target} cannot be written: {reason}. Choose a folder that accepts files."
        ) from problem
    finally:
        _remove(partial)
    return target


def load(path: str | os.PathLike[str]) -> Explanation:
    """Read an explanation that :func:`save` wrote.

    Raises
    ------
    ExplanationError
        If there is none, it cannot be read, is something else, or was written by a newer matxai.
    UnsafeFileError
        If it asks for codecs that make objects, for other files, or for far more memory than it holds.
    """
    import xarray as xr

    source = Path(path)
    if not source.exists():
        raise ExplanationError(f"There is no explanation at {source}.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # Zarr's remarks on formats of other tools
            if source.is_dir():
                _safe_store(source)
                opened = xr.open_zarr(source, consolidated=False, chunks=None)
            else:
                _safe_file(source)
                opened = xr.open_dataset(source, engine="h5netcdf")
        with opened:
            if opened.attrs.get("format") != FORMAT:
                raise ExplanationError(
                    f"{source.name} is no explanation of matxai: it has no attribute format='{FORMAT}'."
                )
            _check_version(opened.attrs.get("version"), source)
            ds = opened.load()
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as problem:
        text = str(problem).splitlines()[0] if str(problem) else type(problem).__name__
        raise ExplanationError(
            f"{source.name} cannot be read as an explanation (Zarr folder or NetCDF): {text}"
        ) from problem
    return as_explanation(_in_order(_as_written(ds)))


def is_explanation(path: str | os.PathLike[str]) -> bool:
    """Return whether a path looks like what :func:`save` wrote; its head is looked at, nothing is loaded."""
    source = Path(path)
    if source.is_dir():
        return source.suffix.lower() == ".zarr" and any(source.iterdir()) and _ours(source)
    if source.suffix.lower() != ".nc" or not source.is_file():
        return False
    import h5py

    try:
        with h5py.File(source) as file:
            found = file.attrs.get("format")
    except (OSError, ValueError, RuntimeError):
        return False
    return (found.decode("utf-8", "replace") if isinstance(found, bytes) else found) == FORMAT


def _check_version(version: Any, source: Path) -> None:
    try:
        number = int(version)
    except (TypeError, ValueError):
        raise ExplanationError(
            f"{source.name} has the version {version!r}; an explanation has a whole number."
        ) from None
    if number > VERSION:
        raise ExplanationError(
            f"{source.name} is an explanation of version {number}, which needs a newer matxai; this one reads versions "
            f"up to {VERSION}. Update with 'pip install -U matxai'."
        )


def _write(ds: xr.Dataset, path: Path) -> None:
    clean = ds.copy()
    for v in clean.variables.values():
        v.encoding = {}
    packed: dict[str, dict[str, Any]] = {}
    if path.suffix.lower() == ".zarr":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            clean.to_zarr(path, mode="w-", zarr_format=2, consolidated=False, encoding=packed)
    else:
        for name, v in clean.variables.items():
            if v.ndim and v.dtype.kind in "iuf":
                packed[str(name)] = {"zlib": True, "complevel": 4, "shuffle": True}
        clean.to_netcdf(path, engine="h5netcdf", encoding=packed)


def _as_written(ds: xr.Dataset) -> xr.Dataset:
    """Undo what a format did to strings and numbers, so that what comes back equals what was saved."""
    ds.attrs = flat_attrs(ds.attrs)
    for name, v in ds.variables.items():
        v.attrs = flat_attrs(v.attrs)
        v.encoding = {}
        if v.dtype.kind == "O" or v.dtype.kind == "T":
            ds = ds.assign_coords({name: (v.dims, np.asarray(v.values, dtype=str), v.attrs)})
    ds.encoding = {}
    return ds


def _in_order(ds: xr.Dataset) -> xr.Dataset:
    """Return the maps in the order in which they were asked for: Zarr keeps its arrays by name."""
    import xarray as xr

    try:
        order = list(json.loads(ds.attrs["matxai"])["maps"])
    except (KeyError, TypeError, ValueError):  # made by hand, or by an older version
        return ds
    names = sorted(ds.data_vars, key=lambda name: order.index(name) if name in order else len(order))
    return xr.Dataset({name: ds.variables[name] for name in names}, ds.coords, ds.attrs)


def _ours(folder: Path) -> bool:
    """Return whether a folder is a Zarr store with our format, or empty."""
    if not any(folder.iterdir()):
        return True
    marks = [folder / n for n in (".zattrs", "zarr.json")]
    return any(m.is_file() and FORMAT in m.read_text(encoding="utf-8", errors="replace") for m in marks)


def _replace(partial: Path, target: Path) -> None:
    if not partial.is_dir():
        if target.is_dir():
            shutil.rmtree(target)
        partial.replace(target)
        return
    aside = partial.with_name(f"{partial.name}.old")
    if target.exists():
        target.replace(aside)
    try:
        partial.replace(target)
    except OSError:
        if aside.exists():
            aside.replace(target)
        raise
    _remove(aside)


def _remove(path: Path) -> None:
    """Remove a file or folder of our own, if it is there."""
    with contextlib.suppress(OSError):
        if path.is_dir():
            shutil.rmtree(path)
        elif path.exists():
            path.unlink()


def _safe_store(folder: Path) -> None:
    """Refuse a store with codecs that make objects (pickle), or that claims far more than it holds."""
    from matxai.signals.formats.zarr_metadata import Store, nodes_of

    claimed = 0
    for node in nodes_of(Store(folder)):
        if node.array is not None:
            claimed += math.prod(node.shape) * _item_bytes(node.array.get("dtype", node.array.get("data_type")))
    _check_claim(folder, claimed, sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()))


def _item_bytes(word: Any) -> int:
    try:
        return max(int(np.dtype(word).itemsize), 1)
    except TypeError:
        return 8


def _safe_file(file: Path) -> None:
    """Refuse a file that is no HDF5, whose data would come from other files, or that claims far more than it holds."""
    from matxai.signals.formats.hdf5_file import opened, survey

    with opened(file) as content:
        tree = survey(content, file)
        claimed = sum(int(content[name].nbytes) for name in tree.datasets if name not in tree.outside)
    if tree.outside:
        name, reason = next(iter(tree.outside.items()))
        raise UnsafeFileError(f"{file.name} does not hold '{name}' itself: it is {reason}, which is not followed.")
    _check_claim(file, claimed, file.stat().st_size)


def _check_claim(source: Path, claimed: int, stored: int) -> None:
    """Refuse what would unfold beyond 512 MB and a hundred times what is stored; opening reads indexes already."""
    from matxai.signals.limits import MOST_BYTES, MOST_RATIO, said_bytes

    if claimed > max(MOST_BYTES, MOST_RATIO * stored):
        raise UnsafeFileError(
            f"{source.name} would unfold from {said_bytes(stored)} to {said_bytes(claimed)}, more than {MOST_RATIO} "
            "times what it holds; it was not read."
        )

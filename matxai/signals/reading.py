"""`read`: from a file, a folder, a glob or a list of slices to one labelled array; which reader, and which item."""

from __future__ import annotations

import glob
import logging
import os
import re
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from matxai.errors import FileError, MatxaiError, MatxaiWarning, SignalError, nearest
from matxai.signals.folders import members
from matxai.signals.reader import HEAD_BYTES, Item, Reader, ReadOptions, by_priority, readers
from matxai.signals.vendors.calibration import decoded
from matxai.signals.vendors.sidecars import maker_of

if TYPE_CHECKING:
    import xarray as xr

    Source = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]

log = logging.getLogger("matxai.signals")


def read(
    source: Source,
    *,
    item: int | str | None = None,
    dataset: str | None = None,
    axis: str | None = None,
    reader: str | None = None,
    limit: int | None = None,
) -> xr.DataArray:
    """Return the signal that a file, or a stack of files, holds.

    Parameters
    ----------
    source
        A file; a folder, a glob (``"slices/*.tif"``) or a list of files in the natural order of their names
        (``slice_2`` before ``slice_10``; a list keeps its own order): images are one stack ``(z, y, x)``, spectra on
        one axis one set ``(sample, axis)``.
    item
        Index or name of the signal, for a file that holds several of different shape. Without it the first measured
        one is taken, and a `MatxaiWarning` names the rest.
    dataset
        Path of the dataset inside an HDF5 or Zarr file.
    axis
        The axis to use where the file offers several, or what its axis is where it names none (``"two_theta"``).
    reader
        Name of the reader to use instead of the one that recognises the file (see `matxai.signals.readers`).
    limit
        Bytes that one compressed image may unfold to (default: 512 MB, or a hundred times its size).

    Returns
    -------
    xarray.DataArray
        With a coordinate on every dim, and in ``attrs``: ``source``, ``reader``, ``pixel_size_source``, ``metadata``,
        ``info_bar`` where the instrument tells, ``notes`` (what was decided), ``nonfinite`` (counts of NaN and Inf,
        for arrays in memory). Stacks are dask-backed, a chunk a slice.

    Raises
    ------
    FileError
        Missing, empty, truncated, mislabelled or unreadable; an unknown item; slices of different sizes.
    UnsafeFileError
        What would unfold beyond the limit, or run code.
    MissingDependencyError
        If the reader needs a package that is not installed.

    Examples
    --------
    >>> signal = read("steel.tif")  # doctest: +SKIP
    >>> signal.dims, signal.x.attrs["units"]  # doctest: +SKIP
    (('y', 'x'), 'nm')
    """
    options = ReadOptions(dataset=dataset, axis=axis, limit=limit)
    where = locate(source)
    if isinstance(where, list):
        from matxai.signals.stack import stack_files

        return stack_files(where, options=options, reader=reader, item=item, name=stack_name(source))
    chosen, items, notes = open_items(where, options, reader)
    return _finished(choose(items, item, where.name), chosen, notes, where.name)


def read_all(source: Source, *, most: int = 32) -> list[xr.DataArray]:
    """Return every measured signal of a file, where `read` returns the first.

    Parameters
    ----------
    source
        As `read` takes it; a folder, a glob or a list of files is one signal.
    most
        How many are read; a `MatxaiWarning` says that there are more.

    Returns
    -------
    list of xarray.DataArray
        In the file's order, without previews and other readings of the same numbers. Where there are several,
        ``attrs["item"]`` is what ``read(item=)`` takes and ``attrs["item_name"]`` how the file calls it.

    Raises
    ------
    FileError, UnsafeFileError, MissingDependencyError
        As for `read`.
    """
    where = locate(source)
    if isinstance(where, list):
        return [read(source)]
    chosen, items, notes = open_items(where, ReadOptions())
    wanted = [(i, one) for i, one in enumerate(items) if one.measured and not one.derived] or [(0, items[0])]
    if len(wanted) > most:
        text = f"{where.name} holds {len(wanted)} signals; the first {most} were read."
        warnings.warn(text, MatxaiWarning, stacklevel=2)
    found = []
    for number, one in wanted[:most]:
        signal = _finished(one, chosen, notes, where.name)
        if len(wanted) > 1:
            signal.attrs |= {"item": number, "item_name": one.name}
        found.append(signal)
    return found


def _finished(one: Item, reader: Reader, notes: list[str], name: str) -> xr.DataArray:
    """Return an item's signal with what is known of its file."""
    signal = loaded(one, reader, name)
    signal.attrs.update(source=name, reader=reader.name)
    if one.note:
        notes = [*notes, one.note]
    if notes:
        signal.attrs["notes"] = [*signal.attrs.get("notes", []), *notes]
    report_nonfinite(signal, name)
    return signal


def locate(source: Source | object) -> Path | list[Path]:
    """Return the file that a source names, or the files of a stack in their order.

    A folder, a glob or a list with one file in it is that file.
    """
    if isinstance(source, (str, os.PathLike)):
        path = Path(source)
        _refuse_impossible(path)
        if path.is_dir():
            return path if _folder_reader(path) else _single(members(path, natural_key))
        if path.exists():
            return path
        text = os.fspath(source)
        if glob.has_magic(text):
            found = sorted((Path(p) for p in glob.glob(text)), key=natural_key)  # noqa: PTH207 - patterns may be absolute
            if not found:
                msg = f"no file matches {text}"
                raise FileError(msg)
            return _single(found)
        raise FileError(_missing(path))
    if isinstance(source, Iterable):
        paths = [Path(p) for p in source]
        if not paths:
            msg = "an empty list of files was given; at least one slice is needed"
            raise FileError(msg)
        for path in paths:
            if not path.is_file():
                raise FileError(_missing(path) if not path.exists() else f"{path.name} is a folder; list its files")
        return _single(paths)
    msg = f"a signal is read from a path, a glob or a list of paths; {type(source).__name__} is none of these"
    raise FileError(msg)


def natural_key(path: Path) -> list[tuple[int, int, str]]:
    """Return the key that sorts slice_2 before slice_10."""
    parts = re.split(r"(\d+)", str(path))
    return [(1, int(p), "") if p.isdecimal() else (0, 0, p.lower()) for p in parts if p]


def stack_name(source: Source) -> str:
    """Return what a stack is called in sentences and in ``attrs['source']``."""
    if isinstance(source, (str, os.PathLike)):
        return Path(source).name
    files = [Path(p) for p in source]
    return f"{files[0].name} ... {files[-1].name}"


def find_reader(path: Path, name: str | None = None) -> tuple[Reader, list[str]]:
    """Return the reader of a file, by its first bytes, and notes on what does not fit (a PNG called .tif).

    Raises
    ------
    FileError
        If the file is empty, unreadable, or recognised by no reader.
    """
    if name is not None:
        return readers[name], []
    head = _head(path)
    for reader in by_priority():
        if (path.is_dir() and not reader.folders) or not reader.recognises(path, head):
            continue
        suffix = path.suffix.lower()
        others = [r for r in by_priority() if suffix in r.suffixes]
        if others and suffix not in reader.suffixes:
            note = f"{path.name} is named like {_meant(others)} but holds {_kind(reader)}; it was read as what it holds"
            return reader, [note]
        return reader, []
    raise FileError(_unrecognised(path, head))


def open_items(path: Path, options: ReadOptions, name: str | None = None) -> tuple[Reader, list[Item], list[str]]:
    """Return the reader of a file, its items (described, not loaded) and notes."""
    reader, notes = find_reader(path, name)
    try:
        items = reader.read(path, options)
    except MatxaiError:
        raise
    except Exception as error:
        raise FileError(_unreadable(path.name, reader, error)) from error
    if not items:
        msg = f"{path.name} is {_kind(reader)} and holds no image, stack or spectrum"
        raise FileError(msg)
    return reader, items, notes


def choose(items: list[Item], item: int | str | None, name: str) -> Item:
    """Return the item asked for, else the first measured one with a warning that names the rest."""
    if item is None:
        one = next((i for i in items if i.measured), items[0])
        rest = [
            f"{i}: '{other.name}' {other.shape}"
            for i, other in enumerate(items)
            if other is not one and not other.derived
        ]
        if rest:
            shown = ", ".join(rest[:8]) + (f" and {len(rest) - 8} more" if len(rest) > 8 else "")
            text = f"{name} holds {len(items)} signals; '{one.name}' {one.shape} was read. With item= there is {shown}."
            warnings.warn(text, MatxaiWarning, stacklevel=3)
        return one
    if isinstance(item, int) and not isinstance(item, bool):
        if -len(items) <= item < len(items):
            return items[item]
        msg = f"{name} has no item {item}; it has {len(items)}, counted from 0"
        raise FileError(msg)
    for one in items:
        if one.name == item:
            return one
    msg = f"{name} has no item '{item}'. {nearest(str(item), [i.name for i in items], label='It has')}"
    raise FileError(msg)


def loaded(item: Item, reader: Reader, name: str) -> xr.DataArray:
    """Return an item's signal; whatever a format's library raises becomes one sentence."""
    try:
        return item.load()
    except SignalError as error:
        said = str(error)
        raise FileError(said if name in said else f"{name}: {said}") from error
    except MatxaiError:
        raise
    except Exception as error:
        raise FileError(_unreadable(name, reader, error)) from error


def count_nonfinite(signal: xr.DataArray) -> dict[str, int]:
    """Return how many values are NaN and how many infinite (chunk by chunk for a lazy array); empty if none."""
    if signal.dtype.kind not in "fc":
        return {}
    import numpy as np

    if signal.chunks is None:
        if np.isfinite(signal.values).all():
            return {}
        nan, inf = int(np.isnan(signal.values).sum()), int(np.isinf(signal.values).sum())
    else:
        import dask
        import dask.array as da

        nan, inf = (int(n) for n in dask.compute(da.isnan(signal.data).sum(), da.isinf(signal.data).sum()))
    return {k: n for k, n in (("nan", nan), ("inf", inf)) if n}


def report_nonfinite(signal: xr.DataArray, name: str) -> None:
    """Write counts of NaN and Inf into ``attrs['nonfinite']`` and the log, for arrays that are in memory."""
    if signal.chunks is None and (counts := count_nonfinite(signal)):
        signal.attrs["nonfinite"] = counts
        said = " and ".join(f"{n} {'NaN' if k == 'nan' else 'infinite values'}" for k, n in counts.items())
        log.warning("%s holds %s of %d values", name, said, signal.size)


def _head(path: Path) -> bytes:
    if path.is_dir():
        return b""
    try:
        if not path.is_file():
            raise FileError(_missing(path) if not path.exists() else f"{path.name} is no ordinary file")
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError as error:
        msg = f"{path.name} cannot be opened: {error.strerror or error}"
        raise FileError(msg) from error
    if not head:
        msg = f"{path.name} is empty (0 bytes); copy it again from where it was made"
        raise FileError(msg)
    return head


def _single(paths: list[Path]) -> Path | list[Path]:
    return paths[0] if len(paths) == 1 else paths


def _folder_reader(path: Path) -> Reader | None:
    return next((r for r in by_priority() if r.folders and r.recognises(path, b"")), None)


def _missing(path: Path) -> str:
    if not path.parent.is_dir():
        return f"{path} does not exist, nor does the folder {path.parent}"
    try:
        beside = sorted(p.name for p in path.parent.iterdir())
    except OSError:
        return f"{path} does not exist, and its folder cannot be looked into"
    return f"{path} does not exist. {nearest(path.name, beside, label='The folder has')}"


def _refuse_impossible(path: Path) -> None:
    """Refuse names that no system can open (too long, a null in it), which pathlib meets with errors of its own."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return
    except (OSError, ValueError) as error:
        if not glob.has_magic(str(path)):
            said = error.strerror if isinstance(error, OSError) else error
            msg = f"{str(path)[:200]!r} cannot be opened: {said}"
            raise FileError(msg) from error


def _kind(reader: Reader) -> str:
    return reader.describes or reader.name


def _unrecognised(path: Path, head: bytes) -> str:
    meant = [r for r in by_priority() if path.suffix.lower() in r.suffixes]
    if path.is_dir():
        return f"the folder {path.name} is recognised by no reader"
    if maker := maker_of(decoded(head)):
        return f"{path.name} describes an image ({maker}'s sidecar) and holds none; open the image that it lies beside"
    looks = "text" if b"\x00" not in head and _is_text(head) else f"bytes {head[:4].hex(' ')}"
    if meant and meant[-1].by_content and looks == "text":
        return f"{path.name} is text without a table of numbers: no reader of {path.suffix} finds a spectrum in it"
    if meant:
        return f"{path.name} is named like {_meant(meant)} but does not begin like one: it begins with {looks}"
    return f"{path.name} begins with {looks} and is recognised by none of the {len(readers)} readers"


def _meant(those: list[Reader]) -> str:
    """Return what a suffix that several readers share announces: the most general of them."""
    return _kind(those[-1] if those[0].by_content else those[0])


def _is_text(head: bytes) -> bool:
    try:
        head[:-4].decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _unreadable(name: str, reader: Reader, error: Exception) -> str:
    said = str(error).strip().split("\n", maxsplit=1)[0][:200] or type(error).__name__
    return f"{name} cannot be read as {_kind(reader)}; it is damaged or of an unknown kind ({said})"

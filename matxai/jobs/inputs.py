"""From what a user names (files, folders, globs, stacks with a choice of slices) to the single inputs of a model."""

from __future__ import annotations

import glob
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matxai.errors import FileError, SignalError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xarray as xr


SAME_LINE = 2e-3
"""Wavelengths that differ by less are those of one emission line: K-alpha-1, or the mean of both."""


@dataclass(frozen=True)
class Input:
    """One input of a model.

    Parameters
    ----------
    path
        The file or folder it comes from.
    name
        How results call it: the file's name, with ``[z=10]`` for a slice.
    stem
        A legal file name for its results on every system.
    slice
        Index along the first axis of a stack or of a set of spectra, None for the whole signal.
    item, dataset, axis, limit
        As ``matxai.read`` takes them.
    wavelength
        Of the radiation in angstrom, for diffraction patterns whose file does not say.
    """

    path: Path
    name: str
    stem: str
    slice: int | None = None
    item: int | str | None = None
    dataset: str | None = None
    axis: str | None = None
    limit: int | None = None
    wavelength: float | None = None

    def load(self) -> xr.DataArray:
        """Read the signal; a slice is brought into memory, its place in the stack stays as a scalar coordinate.

        Raises
        ------
        FileError, SignalError
            As ``matxai.read``; the wavelength is none, or another one than the file's.
        """
        from matxai.signals import read

        signal = read(self.path, item=self.item, dataset=self.dataset, axis=self.axis, limit=self.limit)
        if self.wavelength is not None:
            signal = measured_at(signal, self.wavelength, self.name)
        if self.slice is None:
            return signal
        one = signal.isel({signal.dims[0]: self.slice}).compute()
        one.attrs = {**signal.attrs, "source": self.name}
        return one


def measured_at(signal: xr.DataArray, wavelength: float, name: str) -> xr.DataArray:
    """Return a pattern with the wavelength that its file does not tell, in angstrom; ``name`` is what errors call it.

    Raises
    ------
    SignalError
        If it is none, or not that which the file tells.
    """
    if not 0.0 < wavelength < float("inf"):
        msg = f"A wavelength is a number of angstrom above 0, and not {wavelength:g}."
        raise SignalError(msg)
    own = signal.attrs.get("wavelength")
    if own is not None and abs(float(own) / wavelength - 1.0) > SAME_LINE:
        msg = f"{name} was measured at {float(own):g} angstrom, as it says itself, and not at {wavelength:g}."
        raise SignalError(msg)
    if own is None:
        note = f"the wavelength, {wavelength:g} angstrom, was given by the user"
        signal = signal.assign_attrs(wavelength=wavelength, notes=[*signal.attrs.get("notes", []), note])
    return signal


def legal_stem(name: str) -> str:
    """Return a file name without its suffix that is legal on Windows, macOS and Linux.

    Examples
    --------
    >>> legal_stem("15% Sn: a/b.tif")
    '15_ Sn_ a_b'
    """
    stem = re.sub(r"\.[A-Za-z0-9]{1,8}$", "", name)
    stem = re.sub(r'[<>:"/\\|?*%\x00-\x1f]+', "_", stem).strip(" .")
    reserved = {"con", "prn", "aux", "nul", *(f"com{i}" for i in range(1, 10)), *(f"lpt{i}" for i in range(1, 10))}
    if stem.lower() in reserved or not stem:
        stem = f"_{stem}"
    return stem[:120]


def slice_indices(text: str, length: int, name: str) -> list[int]:
    """Return the slices that ``"10"``, ``"10:20"``, ``"0:100:10"`` or ``"all"`` mean in a stack.

    Raises
    ------
    SignalError
        If the text means none, or a slice beyond the stack.
    """
    if text == "all":
        return list(range(length))
    try:
        parts = [int(p) if p else None for p in text.split(":")]
    except ValueError:
        parts = []
    if len(parts) == 1 and parts[0] is not None:
        chosen = [parts[0] + length if parts[0] < 0 else parts[0]]
    elif len(parts) in (2, 3) and (len(parts) == 2 or parts[2] != 0):
        chosen = list(range(length))[slice(*parts)]
    else:
        chosen = []
    if not chosen or not 0 <= min(chosen) <= max(chosen) < length:
        msg = f"--slice {text} chooses no slice of {name}, which has {length}. Write a smaller number, 10:20 or all."
        raise SignalError(msg)
    return chosen


def _files(source: str | Path, kind: str) -> tuple[list[Path], list[Path]]:
    """The files that a source names, in natural order, and the folders inside of it that nobody looks into."""
    from matxai.signals.reading import natural_key

    path = Path(source)
    if path.is_dir() and kind != "3d" and not is_store(path):
        return _content(path)
    if not path.exists() and glob.has_magic(str(source)):
        found = sorted((Path(p) for p in glob.glob(str(source))), key=natural_key)  # noqa: PTH207 - may be absolute
        stores = [p for p in found if not p.is_dir() or is_store(p)]
        return (stores, [p for p in found if p not in stores]) if found else ([path], [])
    return [path], []


def _content(folder: Path) -> tuple[list[Path], list[Path]]:
    """What a folder holds for a model: files and stores that a reader takes; and other folders.

    Sidecars, tables and notes lie beside images and are no inputs; nothing is said of them.

    Raises
    ------
    FileError
        If nothing is left.
    """
    from matxai.signals.folders import announced
    from matxai.signals.reading import natural_key

    try:
        inside = sorted((p for p in folder.iterdir() if not p.name.startswith(".")), key=natural_key)
    except OSError as error:
        msg = f"The folder {folder} cannot be looked into: {error.strerror or error}."
        raise FileError(msg) from error
    folders = [p for p in inside if p.is_dir() and not is_store(p)]
    files = [p for p in inside if p not in folders and announced(p)]
    if not files:
        names = ", ".join(p.name for p in inside[:5]) + (f" and {len(inside) - 5} more" if len(inside) > 5 else "")
        msg = f"The folder {folder} holds no files to explain; it has {names}." if inside else f"{folder} is empty."
        raise FileError(msg)
    return files, folders


def is_store(path: Path) -> bool:
    """Return whether a folder is one signal, a Zarr store, and not a place that holds several."""
    return any((path / marker).exists() for marker in (".zgroup", ".zarray", "zarr.json"))


def _slices(path: Path, kind: str, choice: str | None, options: dict[str, Any]) -> list[int | None]:
    """The slices of a stack that a model for images is to be asked about, ``[None]`` where the signal fits as it is."""
    from matxai.signals import inspect

    if kind == "1d":
        return _samples(path, options)
    if kind != "2d":
        return [None]
    if choice is None and path.suffix.lower() in {".png", ".jpg", ".jpeg"}:
        return [None]  # never a stack: its header need not be read twice
    shown = inspect(path, dataset=options.get("dataset"), limit=options.get("limit")).main
    axes = [a for a in shown.axes if a.dim != "c"]
    if len(axes) < 3:
        if choice is not None:
            msg = f"{path.name} is a single image and has no slice {choice}; leave --slice out, or name it by itself."
            raise SignalError(msg)
        return [None]
    if choice is None:
        msg = (
            f"{path.name} is a stack of {axes[0].size} slices and the model takes single images. "
            f"Choose slices with --slice, as in --slice {axes[0].size // 2} or --slice all."
        )
        raise SignalError(msg)
    return list(slice_indices(choice, axes[0].size, path.name))


def _samples(path: Path, options: dict[str, Any]) -> list[int | None]:
    """The spectra of a set, ``[None]`` where a file holds a single one."""
    from matxai.signals import inspect

    shown = inspect(path, dataset=options.get("dataset"), axis=options.get("axis"), limit=options.get("limit")).main
    count = next((a.size for a in shown.axes if a.dim == "sample"), 0)
    return list(range(count)) if count else [None]


def expand(
    sources: Sequence[str | Path], kind: str = "2d", *, slices: str | None = None, **options: Any
) -> tuple[list[Input], list[tuple[str, str]]]:
    """Return the inputs that the named files hold, and the files that cannot be inputs, each with its sentence.

    Parameters
    ----------
    sources
        Files, globs and folders. For 1-D and 2-D models a folder stands for the files in it that a reader announces
        by their suffix, for 3-D models for a stack. Folders inside of it are among the failures, not entered.
    kind
        What the model takes: ``1d``, ``2d`` or ``3d``.
    slices
        For stacks given to a 2-D model: ``"10"``, ``"10:20"`` or ``"all"``.
    **options
        ``item``, ``dataset``, ``axis``, ``limit`` of ``matxai.read``, and ``wavelength`` in angstrom.
    """
    from matxai.errors import MatxaiError

    inputs: list[Input] = []
    failures: list[tuple[str, str]] = []
    taken: dict[str, int] = {}
    for source in sources:
        try:
            paths, folders = _files(source, kind)
        except MatxaiError as error:
            failures.append((str(source), str(error)))
            continue
        failures += [(str(p), f"{p.name} is a folder; name it to explain what is in it.") for p in folders]
        for path in paths:
            try:
                chosen = _slices(path, kind, slices, options)
            except MatxaiError as error:
                failures.append((str(path), str(error)))
                continue
            for index in chosen:
                counted = "sample" if kind == "1d" else "z"
                name = path.name if index is None else f"{path.name}[{counted}={index}]"
                stem = legal_stem(path.name) + ("" if index is None else f"_{counted}{index}")
                taken[stem.lower()] = number = taken.get(stem.lower(), 0) + 1
                stem = stem if number == 1 else f"{stem}_{number}"
                inputs.append(Input(path, name, stem, index, **options))
    return inputs, failures

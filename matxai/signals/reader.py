"""What a reader is, what it returns, and where readers are registered. Choosing one for a file is `reading`'s."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from matxai.errors import FileError
from matxai.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import xarray as xr

HEAD_BYTES = 4096
"""How many of a file's first bytes a reader is shown."""


@dataclass(frozen=True)
class ReadOptions:
    """What the caller of `matxai.read` may say about how a file is read.

    Attributes
    ----------
    dataset
        Path of the dataset inside a file that holds many (HDF5, Zarr).
    axis
        Which axis to use where the file offers several (kinetic or binding energy).
    limit
        Bytes that one compressed image or member may unfold to; None is the default of `matxai.signals.limits`.
    """

    dataset: str | None = None
    axis: str | None = None
    limit: int | None = None


@dataclass(frozen=True)
class Item:
    """One signal of a file, described from its header alone; its values come with `load`.

    Attributes
    ----------
    name
        How the file calls it, or ``image``, ``page 2``; what ``item=`` takes beside the index.
    load
        Returns the signal (made by `matxai.signals.labelled`), lazily where it is large.
    shape, dtype
        As `load` will return them.
    measured
        False for previews, thumbnails, photographs of the stage: never chosen unless asked for.
    note
        What a user should know of it: ``"JPEG preview"``.
    derived
        True for another reading of numbers that the first item has already (an absorption of the reference): `item=`
        takes it and `matxai info` lists it, and no warning names it.
    """

    name: str
    load: Callable[[], xr.DataArray]
    shape: tuple[int, ...]
    dtype: str
    measured: bool = True
    note: str = ""
    derived: bool = False


@dataclass(frozen=True)
class Reader:
    """One format of files.

    Attributes
    ----------
    name
        The name under which it is registered, and that ``reader=`` takes.
    suffixes
        Lower case with the dot; shown to users and used to find the slices of a folder.
    recognises
        ``(path, head) -> bool`` from the first `HEAD_BYTES` bytes (``b""`` for a folder). It does not raise.
    read
        ``(path, options) -> list of Item``, in the file's order. It raises `FileError` with one sentence.
    describes
        The format in a few words: ``"TIFF (microscopes, ImageJ, OME)"``.
    priority
        Readers are asked in descending priority, then by name. 0: has magic bytes of its own. Negative: guesses (text),
        or reads what others read better (adapters). Positive: a special kind of another reader's format.
    slices
        Whether a file of this kind can be one slice of a stack.
    folders
        Whether a folder can be such a file (Zarr).
    by_content
        Whether the suffixes alone say nothing (``.txt``, ``.csv``): of such files a folder offers those that a reader
        recognises by what they hold.
    """

    name: str
    suffixes: tuple[str, ...]
    recognises: Callable[[Path, bytes], bool]
    read: Callable[[Path, ReadOptions], list[Item]]
    describes: str = ""
    priority: int = 0
    slices: bool = False
    folders: bool = False
    by_content: bool = False


readers: Registry[Reader] = Registry("reader", package="matxai.signals.formats", error=FileError)


def refuse_choices(path: Path, describes: str, options: ReadOptions) -> None:
    """Refuse ``dataset=`` and ``axis=`` for a format in which there is nothing to choose.

    Raises
    ------
    FileError
        If either is given.
    """
    for name, value in (("dataset", options.dataset), ("axis", options.axis)):
        if value is not None:
            msg = f"{path.name} is {describes} and has no {name} to choose; leave {name}={value!r} away"
            raise FileError(msg)


def by_priority() -> list[Reader]:
    """Return all readers in the order in which they are asked."""
    return sorted(readers.values(), key=lambda r: (-r.priority, r.name))

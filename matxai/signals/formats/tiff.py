"""TIFF in the flavours that microscopes and programs write; pages of one kind are a lazy stack, others are items."""

from __future__ import annotations

import functools
import logging
import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from matxai.errors import FileError
from matxai.signals.formats.tiff_pages import Kind, check_page, kind_of, tidied, values
from matxai.signals.labelled import labelled
from matxai.signals.lazy import lazy_stack
from matxai.signals.limits import check_held
from matxai.signals.reader import Item, Reader, ReadOptions, readers, refuse_choices
from matxai.signals.vendors import imagej
from matxai.signals.vendors.tiff_tags import calibration, has_maker

if TYPE_CHECKING:
    from pathlib import Path

    import xarray as xr

    from matxai.signals.vendors.calibration import Calibration
    from matxai.signals.vendors.ome import Order

logging.getLogger("tifffile").addHandler(logging.NullHandler())  # what it finds wrong is said once, by us

MAGIC = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")


class Page(NamedTuple):
    """A page's number, and where its values begin if they lie in the file as they are."""

    number: int
    start: int | None


def recognises(path: Path, head: bytes) -> bool:
    """Whether the file begins like TIFF or BigTIFF."""
    return head[:4] in MAGIC and not path.is_dir()


def read(path: Path, options: ReadOptions) -> list[Item]:
    """Return the items of a TIFF file: one for each kind of page, in the order of their first pages."""
    import tifffile

    refuse_choices(path, "TIFF", options)
    groups: dict[Kind, list[Page]] = {}
    made: set[Kind] = set()
    seen: set[int] = set()
    with tifffile.TiffFile(path) as tiff:
        size = path.stat().st_size
        for index, page in enumerate(tiff.pages):
            if page.offset in seen:
                msg = f"{path.name} is damaged: its pages run in a circle (page {index + 1} is an earlier one again)"
                raise FileError(msg)
            seen.add(page.offset)
            kind = kind_of(page, path.name)
            check_page(page, path.name, size, options.limit)
            groups.setdefault(kind, []).append(Page(index, int(page.dataoffsets[0]) if page.is_memmappable else None))
            if has_maker(page):
                made.add(kind)
        items = [_item(tiff, path, kind, pages, len(groups) == 1, size) for kind, pages in groups.items()]
    best = {kind for kind in groups if not kind.reduced}
    if len(groups) > 1 and made & best:
        best &= made
    elif any(not kind.jpeg for kind in best):
        best = {kind for kind in best if not kind.jpeg}
    return [_marked(item, kind in best) for item, kind in zip(items, groups, strict=True)]


def _marked(item: Item, measured: bool) -> Item:
    note = item.note if measured else "a preview or a reduced copy"
    return Item(item.name, item.load, item.shape, item.dtype, measured, note)


def _item(tiff: Any, path: Path, kind: Kind, pages: list[Page], alone: bool, size: int) -> Item:
    page, first = tiff.pages[pages[0].number], pages[0]
    sizes = dict(zip(kind.dims, kind.shape, strict=True))
    known, order = calibration(page, path, sizes["x"], sizes["y"])
    if not known.known and first.number > 0 and not has_maker(page):
        other, _ = calibration(tiff.pages[0], path, sizes["x"], sizes["y"])
        known = other if other.known else known
    settings = imagej.settings(page.description or "") or {}
    images = settings.get("images", 1)
    if alone and len(pages) == 1 and isinstance(images, int) and images > 1 and first.start is not None:
        # ImageJ writes stacks beyond 4 GB behind a single page's header.
        check_held(path.name, images * page.nbytes, size - first.start, what="stack")
        pages = [Page(0, first.start + i * page.nbytes) for i in range(images)]
    leading = _leading(kind, len(pages), settings, order)
    numbers = f"page {first.number + 1}" if len(pages) == 1 else f"pages {first.number + 1}-{pages[-1].number + 1}"
    name = "image" if alone else numbers
    dims, shape = _final(kind, leading)
    layout = (tuple(int(n) for n in page.shape), np.dtype(page.dtype).newbyteorder(tiff.byteorder).str)

    def load() -> xr.DataArray:
        if len(pages) == 1:
            return _signal(values(path, first.number, kind), dims, known, kind)
        return _signal(_stack(path, kind, pages, leading, dims, layout), dims, known, kind)

    return Item(name, load, shape, kind.dtype)


def _leading(kind: Kind, count: int, settings: dict[str, Any], order: Order | None) -> list[tuple[str, int]]:
    """Return names and sizes of the axes that the pages run over, slowest first."""
    if count == 1:
        return []
    guess: list[tuple[str, int]] = []
    if settings:
        each = {"t": settings.get("frames", 1), "z": settings.get("slices", 1), "c": settings.get("channels", 1)}
        guess = [(dim, n) for dim, n in each.items() if isinstance(n, int) and n > 1]
    elif order is not None:
        each = {"Z": order.z, "C": order.c, "T": order.t}
        guess = [(axis.lower(), each[axis]) for axis in reversed(order.order) if each.get(axis, 1) > 1]
    fits = math.prod(n for _, n in guess) == count and not {d for d, _ in guess} & set(kind.dims)
    return guess if guess and fits else [("z" if "z" not in kind.dims else "t", count)]


def _final(kind: Kind, leading: list[tuple[str, int]]) -> tuple[tuple[str, ...], tuple[int, ...]]:
    sizes = {**dict(leading), **dict(zip(kind.dims, kind.shape, strict=True))}
    dims = tuple(d for d in ("t", "z", "y", "x", "c") if d in sizes)
    return dims, tuple(sizes[d] for d in dims)


def _stack(
    path: Path,
    kind: Kind,
    pages: list[Page],
    leading: list[tuple[str, int]],
    dims: tuple[str, ...],
    layout: tuple[tuple[int, ...], str],
) -> Any:
    """Return the pages as one dask array, a chunk a page, read when used."""
    one = functools.partial(_one, path, pages, kind, layout)
    stack = lazy_stack((len(pages), *kind.shape), kind.dtype, one)
    stack = stack.reshape((*(n for _, n in leading), *kind.shape))
    now = (*(d for d, _ in leading), *kind.dims)
    return stack.transpose([now.index(d) for d in dims])


def _one(
    path: Path, pages: list[Page], kind: Kind, layout: tuple[tuple[int, ...], str], number: int
) -> np.ndarray[Any, Any]:
    """Return one page of a stack: from its place where it is not compressed, for a chain of headers is slow."""
    page = pages[number]
    if page.start is None:
        return values(path, page.number, kind)
    shape, dtype = layout
    return tidied(np.array(np.memmap(path, dtype=np.dtype(dtype), mode="r", offset=page.start, shape=shape)), kind)


def _signal(data: Any, dims: tuple[str, ...], known: Calibration, kind: Kind) -> xr.DataArray:
    attrs: dict[str, Any] = {"metadata": dict(known.metadata), "pixel_size_source": known.source}
    if known.info_bar is not None:
        attrs["info_bar"] = [int(row) for row in known.info_bar]
    if kind.notes:
        attrs["notes"] = list(kind.notes)
    here = set(dims)
    return labelled(
        data,
        dims,
        spacing={d: step for d, step in known.spacing.items() if d in here},
        units={d: unit for d, unit in known.units.items() if d in here},
        origin={d: first for d, first in known.origin.items() if d in here},
        attrs=attrs,
    )


readers.add(
    "tiff",
    Reader(
        name="tiff",
        suffixes=(".tif", ".tiff", ".btf"),
        recognises=recognises,
        read=read,
        describes="TIFF",
        slices=True,
    ),
)

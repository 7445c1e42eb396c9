"""The reader of HDF5 files: which layout a file has, which dataset is meant, and what is refused."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import FileError, UnsafeFileError, nearest
from matxai.signals.formats.axes import Axis
from matxai.signals.formats.emd import find_berkeley, find_velox
from matxai.signals.formats.hdf5_file import Tree, attribute, is_numeric, opened, plain, resolve, survey, text
from matxai.signals.formats.hspy import find_hspy
from matxai.signals.formats.layouts import Found, item_of
from matxai.signals.formats.nexus import MAX_AXIS, find_exchange, find_nexus, nxdata
from matxai.signals.formats.sampling import axis_name, placed, rate_of, timed
from matxai.signals.reader import Item, Reader, ReadOptions, readers

if TYPE_CHECKING:
    from pathlib import Path

MAGIC = b"\x89HDF\r\n\x1a\n"
MOST_NAMES = 1000
LAYOUTS = (find_velox, find_berkeley, find_hspy, find_nexus, find_exchange)


def recognises(path: Path, head: bytes) -> bool:  # noqa: ARG001 - a reader's signature
    """Whether the file begins like HDF5, with or without a block in front that belongs to someone else (MATLAB)."""
    return any(head[at : at + 8] == MAGIC for at in (0, 512, 1024, 2048))


def read(path: Path, options: ReadOptions) -> list[Item]:
    """Return the signals of an HDF5 file.

    Raises
    ------
    FileError
        If the file is damaged, holds tables, or leaves open which of its datasets is meant (the sentence lists them).
    UnsafeFileError
        If data would come from another file.
    """
    with opened(path) as file:
        tree = survey(file, path)
        found = _named(file, tree, path, options.dataset) if options.dataset else _all(file, tree, path)
        return [item_of(f, resolve(file, f.dataset, path), path, options.limit) for f in found]


def _all(file: Any, tree: Tree, path: Path) -> list[Found]:
    if tree.outside:
        name, what = next(iter(tree.outside.items()))
        more = f" and {len(tree.outside) - 1} more like it" if len(tree.outside) > 1 else ""
        inside = [d for d in _candidates(file, tree) if d not in tree.outside]
        help_ = f"name one that lies in the file itself with dataset=... ({_listed(file, inside)})" if inside else ""
        msg = f"{path.name} asks for data from outside: '{name}' is {what}{more}, which is not followed"
        raise UnsafeFileError(f"{msg}; {help_}" if help_ else msg)
    _refuse_known(file, tree, path)
    for find in LAYOUTS:
        if found := find(file, tree, path):
            return found
    return [_only(file, tree, path)]


def _refuse_known(file: Any, tree: Tree, path: Path) -> None:
    """Say what a file is that holds no signal but something that people take for one."""
    if text(file, "format") == "matxai-explanation":
        msg = f"{path.name} is a saved explanation and no signal; matxai.load opens it"
        raise FileError(msg)
    tables = [g for g in tree.groups if g and text(file[g], "pandas_type")]
    if tables:
        msg = (
            f"{path.name} holds a pandas table ('{tables[0]}') and no signal; open it with pandas.read_hdf and save "
            f"the columns that you mean as CSV or NPY, or name an array with dataset=..."
        )
        raise FileError(msg)


def _candidates(file: Any, tree: Tree) -> list[str]:
    """Return the datasets that could be a signal: more than one number, and no scale of another dataset's axis."""
    names = []
    for name in tree.datasets:
        dataset = file[name]
        scale = text(dataset, "CLASS") == "DIMENSION_SCALE"
        if not scale and dataset.shape and dataset.size and dataset.size > 1 and is_numeric(dataset.dtype):
            names.append(name)
    return names


def _only(file: Any, tree: Tree, path: Path) -> Found:
    """Return the only dataset that could be meant: one alone, or one array with the places of its axes beside it."""
    names = _candidates(file, tree)
    arrays = [n for n in names if file[n].ndim > 1]
    if len(arrays) == 1:
        shape = file[arrays[0]].shape
        if all(file[n].shape[0] in shape for n in names if n != arrays[0]):
            names = arrays
    values = [n for n in names if axis_name(n) is None]
    if len(values) == 1 and all(file[n].shape[0] in file[values[0]].shape for n in names):
        names = values  # energies beside counts
    if len(names) == 1:
        return plain_array(file, names[0], path)
    if not names:
        msg = f"{path.name} holds no array of numbers that could be a signal ({_listed(file, list(tree.datasets))})"
        raise FileError(msg)
    listed = _listed(file, names)
    msg = f"{path.name} does not say which of its datasets is meant; it has {listed}. Name one with dataset=..."
    raise FileError(msg)


def _named(file: Any, tree: Tree, path: Path, wanted: str) -> list[Found]:
    """Return the dataset that the caller named, with the axes that the file's layout gives it."""
    import h5py

    name = wanted.strip("/")
    target = resolve(file, name, path)
    if target is None:
        if outside := tree.outside.get(name):
            msg = f"'{name}' in {path.name} is {outside}, which is not followed"
            raise UnsafeFileError(msg)
        names = _candidates(file, tree)
        near = nearest(name, names, label="Known")
        near = f" {near}" if near.startswith("Did") else ""
        has = _listed(file, names, shapes=False)
        msg = f"{path.name} has no dataset '{wanted}'; it has {has}.{near} Name one with dataset=..."
        raise FileError(msg)
    stored = target.name.strip("/")
    if isinstance(target, h5py.Group):
        described = not tree.outside and (text(target, "NX_class") == "NXdata" or text(target, "signal"))
        found = nxdata(file, stored, path) if described else None
        inside = [d for d in _candidates(file, tree) if d.startswith(f"{stored}/")]
        if found is None and len(inside) != 1:
            msg = f"'{wanted}' in {path.name} is a group and no dataset; it has {_listed(file, inside)}"
            raise FileError(msg)
        return [found or plain_array(file, inside[0], path)]
    if not tree.outside:
        for find in LAYOUTS:
            for found in find(file, tree, path):
                if found.dataset == stored:
                    return [found]
    return [plain_array(file, stored, path)]


def plain_array(file: Any, name: str, path: Path) -> Found:
    """Describe a dataset by itself: by dimension scales, by ``element_size_um``, else by its shape alone."""
    dataset = resolve(file, name, path)
    rank = dataset.ndim
    axes = [_scale(dataset, i) for i in range(rank)]
    sizes = attribute(dataset, "element_size_um")  # of ImageJ's HDF5 plug-ins and ilastik: z, y, x
    if isinstance(sizes, list) and len(sizes) == 3 and rank >= 2 and all(isinstance(s, (int, float)) for s in sizes):
        for i, letter in enumerate("zyx"[3 - min(rank, 3) :]):
            axes[max(rank - 3, 0) + i] = Axis(name=letter, unit="um", step=float(sizes[3 - min(rank, 3) + i]))
    dims: tuple[str, ...] | None = None
    if text(dataset, "IMAGE_SUBCLASS") == "IMAGE_TRUECOLOR" and rank == 3:  # of the HDF5 Image specification
        dims = ("c", "y", "x") if text(dataset, "INTERLACE_MODE") == "INTERLACE_PLANE" else ("y", "x", "c")
    elif text(dataset, "MATLAB_class") and rank in (2, 3):  # MATLAB 7.3 stores columns first: (pages, x, y)
        colours = rank == 3 and dataset.shape[0] == 3 and dataset.dtype == np.uint8
        dims = (("c" if colours else "z"), "x", "y")[3 - rank :]
    metadata = {"units": text(dataset, "units")} if text(dataset, "units") else {}
    attrs: dict[str, Any] = {}
    if dims is None and all(a == Axis() for a in axes):
        axes, dims, attrs = _by_names(file, dataset)
    return Found(name, tuple(axes), "HDF5 dataset", name, dims=dims, metadata=metadata, attrs=attrs)


def _own(group: Any, key: str) -> Any:
    """Return a dataset of numbers whose data lie in the file itself, or None."""
    import h5py

    if not isinstance(group.get(key, getlink=True), h5py.HardLink):
        return None
    found = group[key]
    own = isinstance(found, h5py.Dataset) and found.shape is not None and not found.is_virtual and not found.external
    return found if own and found.dtype.kind in "iuf" else None


def _by_names(file: Any, dataset: Any) -> tuple[list[Axis], tuple[str, ...] | None, dict[str, Any]]:
    """Return axes that names beside a dataset tell: lists of places, else a sampling rate in attributes or numbers."""
    group = dataset.parent
    lists: dict[str, int] = {}
    facts: dict[str, Any] = {}
    for owner in (file, group, dataset):
        facts |= {str(k): attribute(owner, k) for k in list(owner.attrs)[:MOST_NAMES]}
    for key in list(group)[:MOST_NAMES]:
        beside = _own(group, key)
        if beside is None or beside.name == dataset.name:
            continue
        if beside.size == 1:
            facts[str(key)] = np.asarray(beside[()]).item()
        elif beside.ndim == 1 and beside.size <= MAX_AXIS:
            lists[str(key)] = int(beside.size)
    found = placed(dataset.shape, lists)
    axes = [Axis() for _ in dataset.shape]
    for i, key in found.items():
        axes[i] = Axis(axis_name(key), text(group[key], "units"), values=np.asarray(group[key][...]))
    rate = rate_of(facts, dataset.ndim)
    if found or rate is None or (sampled := timed(dataset.shape, rate)) is None:
        return axes, None, {}
    axes, dims, note = sampled
    return axes, dims, {"sampling_rate": rate, **({"notes": [note]} if note else {})}


def _scale(dataset: Any, axis: int) -> Axis:
    """Return the axis that HDF5's dimension scales describe (NetCDF files have them)."""
    dimension = dataset.dims[axis]
    label = dimension.label or None
    if len(dimension) == 0:
        return Axis(name=label)
    scale = dimension[0]
    name = label or scale.name.rsplit("/", 1)[-1]
    if re.fullmatch(r"phony_dim_\d+", name):
        name = None
    blank = "netCDF dimension but not a netCDF variable" in str(plain(scale.attrs.get("NAME", "")))
    if blank or scale.ndim != 1 or scale.dtype.kind not in "iuf" or scale.size > MAX_AXIS:
        return Axis(name=name)
    return Axis(name=name, unit=text(scale, "units"), values=np.asarray(scale[...]))


def _listed(file: Any, names: list[str], *, shapes: bool = True) -> str:
    """Return names for an error: the largest first, pictures of how it was measured last, at most eight."""
    if not names:
        return "no dataset"
    ranked = sorted(names, key=lambda n: (text(file[n], "CLASS") == "IMAGE", -(file[n].size or 0), n))
    shown = ", ".join(f"'{n}' {tuple(file[n].shape or ())}" if shapes else f"'{n}'" for n in ranked[:8])
    return shown + (f" and {len(names) - 8} more" if len(names) > 8 else "")


readers.add(
    "hdf5",
    Reader(
        name="hdf5",
        suffixes=(".h5", ".hdf5", ".hdf", ".nxs", ".nx", ".hspy", ".emd", ".nc", ".h5ebsd", ".mat"),
        recognises=recognises,
        read=read,
        describes="HDF5 (NeXus, Data Exchange, Velox and Berkeley EMD, HyperSpy)",
    ),
)

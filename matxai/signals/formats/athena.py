"""Projects of Athena (``.prj``): packed Perl data, or JSON, with a group for each spectrum. Nothing in them is run."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import FileError
from matxai.signals.labelled import UNNAMED
from matxai.signals.limits import check_unfolding
from matxai.signals.reader import Item, Reader, ReadOptions, readers, refuse_choices
from matxai.signals.spectra.columns import unique
from matxai.signals.spectra.curve import Curve, items_of
from matxai.signals.spectra.perl_data import RECORD, Value, statements
from matxai.signals.spectra.said import number_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy.typing as npt

MAGIC = b"# Athena project file"
_GZIP = b"\x1f\x8b"
_PIECE = 2**20
_BESIDE = ("i0", "signal", "stddev")


def recognises(path: Path, head: bytes) -> bool:  # noqa: ARG001 - a reader's signature
    """Whether the text, unpacked where it is packed, begins as Athena's projects do."""
    if head.startswith(_GZIP):
        try:
            head = zlib.decompressobj(31).decompress(head, 400)
        except zlib.error:
            return False
    return head.startswith(MAGIC) or (head.lstrip().startswith(b"{") and MAGIC in head[:200])


def read(path: Path, options: ReadOptions) -> list[Item]:
    """Return the groups of a project; those on one grid of energies are a set.

    The axis is the energy, with the shift that the project states; of groups of chi it is k.

    Raises
    ------
    FileError
        If the project is damaged, truncated, or holds more than plain data.
    UnsafeFileError
        If it unfolds beyond the limit.
    """
    refuse_choices(path, "an Athena project", options)
    text = _unpacked(path, options.limit).decode("utf-8", errors="replace")
    groups = _of_json(text, path.name) if text.lstrip().startswith("{") else _of_perl(text, path.name)
    names = unique([str(group["args"].get("label") or group["name"]) for group in groups])
    return items_of([_curve(g, name, path.name) for g, name in zip(groups, names, strict=True)], path.name)


def _unpacked(path: Path, limit: int | None) -> bytes:
    stored = path.stat().st_size
    with path.open("rb") as raw:
        if raw.read(2) != _GZIP:
            check_unfolding(path.name, stored, stored, limit, what="project")
            return path.read_bytes()
    found = bytearray()
    try:
        with gzip.open(path) as file:
            while piece := file.read(_PIECE):
                found += piece
                check_unfolding(path.name, len(found), stored, limit, what="project")
    except (OSError, EOFError, zlib.error) as error:
        msg = f"{path.name} is truncated or damaged: it cannot be unpacked ({error}); copy it again"
        raise FileError(msg) from error
    return bytes(found)


def _of_perl(text: str, file: str) -> list[dict[str, Any]]:
    groups: list[dict[str, Any]] = []
    current: dict[str, Any] = {}
    for name, value in statements(text, file):
        if name == RECORD:
            if "x" in current and "y" in current:
                groups.append({"name": "group", "args": {}, **current})
            current = {}
        elif name == "$old_group":
            current["name"] = str(value)
        elif name == "@args":
            words = value if isinstance(value, list) else []
            current["args"] = {str(k): v for k, v in zip(words[::2], words[1::2], strict=False)}
        elif name in ("@x", "@y", *(f"@{b}" for b in _BESIDE)):
            current[name[1:]] = _numbers(value, name, file)
    if "x" in current:
        msg = f"{file} is truncated: its last group '{current.get('name', '')}' has no end; copy it again"
        raise FileError(msg)
    return groups


def _of_json(text: str, file: str) -> list[dict[str, Any]]:
    try:
        said = json.loads(text)
    except (ValueError, RecursionError) as error:
        msg = f"{file} is truncated or damaged: it begins like an Athena project in JSON and is none ({error})"
        raise FileError(msg) from error
    found = []
    for name, group in said.items() if isinstance(said, dict) else ():
        if not isinstance(group, dict) or "x" not in group or "y" not in group:
            continue
        args = group.get("args", {})
        args = dict(zip(args[::2], args[1::2], strict=False)) if isinstance(args, list) else args
        columns = {k: _numbers(group[k], k, file) for k in ("x", "y", *_BESIDE) if group.get(k)}
        found.append({"name": name, "args": args if isinstance(args, dict) else {}, **columns})
    return found


def _numbers(value: Value | Any, name: str, file: str) -> npt.NDArray[np.float64]:
    try:
        return np.array(value if isinstance(value, list) else [value], dtype=float)
    except (TypeError, ValueError) as error:
        msg = f"{file} is damaged: its list {name} holds something that is no number ({error})"
        raise FileError(msg) from error


def _curve(group: Mapping[str, Any], name: str, file: str) -> Curve:
    args, x, y = group["args"], group["x"], group["y"]
    if x.shape != y.shape:
        msg = f"{file} is damaged: its group '{name}' has {x.size} energies and {y.size} values"
        raise FileError(msg)
    beside = {key: group[key] for key in _BESIDE if key in group and group[key].shape == x.shape}
    kept = {str(k): v for k, v in args.items() if isinstance(v, str | int | float) and v != ""}
    attrs: dict[str, Any] = {"metadata": kept}
    if str(args.get("datatype", "")) == "chi":
        note = "the axis is k, the wavenumber of the photoelectron"
        return Curve(name, x, y, UNNAMED, "1/angstrom", beside, {**attrs, "value_name": "chi", "notes": [note]})
    shift = number_of(str(args.get("bkg_eshift", ""))) or 0.0
    if shift:
        attrs["notes"] = [f"energies are shifted by {shift:g} eV, as the project states"]
    e0 = number_of(str(args.get("bkg_e0", "")))
    if e0:
        attrs["e0"] = e0
    if args.get("bkg_z") and args.get("fft_edge"):
        attrs["edge"] = f"{str(args['bkg_z']).capitalize()} {str(args['fft_edge']).upper()}"
    return Curve(name, x + shift, y, "energy", "eV", beside, {**attrs, "value_name": "absorption"})


readers.add(
    "athena",
    Reader(
        name="athena",
        suffixes=(".prj",),
        recognises=recognises,
        read=read,
        describes="Athena project (X-ray absorption)",
    ),
)

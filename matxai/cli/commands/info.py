"""``matxai info``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from matxai.cli.options import Json, Limit, Quiet, Talk, Verbose, ended, parse_bytes
from matxai.errors import MatxaiError

if TYPE_CHECKING:
    from matxai.signals.info import AxisInfo, FileInfo, ItemInfo

IMAGE_DIMS = ("t", "z", "y", "x", "c")


def _axis(axis: AxisInfo) -> str:
    if isinstance(axis.first, str):
        return f"  {axis.dim:<10} {axis.size}, {axis.first} to {axis.last}"
    step = "uneven steps" if axis.step is None else f"step {axis.step:.6g}"
    if axis.size < 2 or axis.dim == "c":
        step = "one value" if axis.size < 2 else "channels"
    unit = axis.unit or "no unit"
    return f"  {axis.dim:<10} {axis.size} points, {step}{'' if step == 'channels' else ' ' + unit}{_range(axis)}"


def _range(axis: AxisInfo) -> str:
    """Return where an axis of a spectrum begins and ends; those of images begin at 0 and need no word."""
    if axis.dim in IMAGE_DIMS or axis.size < 2 or isinstance(axis.first, str) or isinstance(axis.last, str):
        return ""
    return f", {axis.first:.6g} to {axis.last:.6g}"


def _facts(item: ItemInfo) -> list[str]:
    """Return what a spectrum's file says beside its axis: wavelength, anode, what the values are."""
    from matxai.signals.info import FACTS

    said = {k: " ".join(str(w) for w in (v, FACTS[k]) if w != "") for k, v in item.facts.items()}
    value = " in ".join(said.pop(k) for k in ("value_name", "value_unit") if k in said)
    rows = [("values", value)] if value else []
    rows += [(name.replace("_", " "), text) for name, text in said.items()]
    return [f"  {name:<10} {text}" for name, text in rows]


def _item(item: ItemInfo) -> list[str]:
    lines = [f"  shape      {' x '.join(map(str, item.shape))} {item.dtype}"]
    lines += [_axis(axis) for axis in item.axes]
    if item.beside:
        lines.append(f"  beside     {', '.join(item.beside)}")
    lines += _facts(item)
    if item.pixel_size_source:
        known = not item.pixel_size_source.startswith("uncalibrated")
        lines.append(f"  {'calibrated by ' if known else ''}{item.pixel_size_source}")
    if item.info_bar:
        lines.append(f"  info bar   rows {item.info_bar[0]} to {item.info_bar[1]}, as the instrument states")
    return lines


def _text(info: FileInfo, *, metadata: bool) -> str:
    lines = [f"{info.source}: {info.format}", *_item(info.main)]
    for number, item in enumerate(info.items):
        if number != info.chosen:
            note = f" ({item.note})" if item.note else ""
            lines.append(f"  also item {number} '{item.name}' {' x '.join(map(str, item.shape))} {item.dtype}{note}")
    lines += [f"  note       {p}" for p in info.problems]
    if metadata:
        lines += [f"  {k}: {v}" for k, v in info.main.metadata.items()]
    return "\n".join(lines)


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def info(
        files: Annotated[
            list[Path], typer.Argument(help="Files, or folders of slices or spectra.", show_default=False)
        ],
        dataset: Annotated[str | None, typer.Option(help="Path of the dataset inside an HDF5 or Zarr file.")] = None,
        axis: Annotated[
            str | None, typer.Option(help="What the axis is where a file names none (two_theta), or which of several.")
        ] = None,
        metadata: Annotated[bool, typer.Option("--metadata", help="The instrument's own words as well.")] = False,
        artefacts: Annotated[
            bool, typer.Option("--artefacts", help="What lies in the picture and is not of the specimen: bars, text.")
        ] = False,
        limit: Limit = None,
        json: Json = False,
        quiet: Quiet = False,
        verbose: Verbose = False,
    ) -> None:
        """What a file holds, as the reader understands it."""
        from matxai.jobs.listing_artefacts import artefacts_in
        from matxai.signals import inspect

        talk = Talk(json=json, quiet=quiet, verbose=verbose)
        documents: list[dict[str, Any]] = []
        texts, failures = [], []
        for path in files:
            try:
                found = inspect(path, dataset=dataset, axis=axis, limit=parse_bytes(limit))
                rows = artefacts_in(path, dataset=dataset, limit=parse_bytes(limit)) if artefacts else []
            except MatxaiError as error:
                if len(files) == 1:
                    raise
                failures.append(f"{path}: {error}")
                documents.append({"source": str(path), "error": str(error)})
                continue
            documents.append(asdict(found))
            texts.append(_text(found, metadata=metadata))
            if artefacts:
                documents[-1]["artefacts"] = [row.to_dict() for row in rows]
                texts += [f"  found      {row.sentence()}" for row in rows] or ["  found      no bar, text or frame"]
        if len(failures) == len(files):
            msg = "None of the files could be read. " + " ".join(ended(f) for f in failures)
            raise MatxaiError(msg)
        talk.result("\n".join(texts + failures), documents)

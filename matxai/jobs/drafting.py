"""`matxai check new`: a file of expectations from a template, filled in from examples of any kind."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import ExpectationError, FileError, MatxaiError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xarray as xr

    from matxai.checks.expect.drafting import Told

_LABELS_UP_TO = 64
_PLACES = ("position", "peak", "peaks", "centre", "center")


def draft_expectations(
    template: str | None = None,
    examples: Sequence[str | os.PathLike[str]] = (),
    *,
    out: str | os.PathLike[str] | None = None,
) -> str:
    """Return the text of a file of expectations, and write it where ``out`` says.

    Parameters
    ----------
    template
        ``defects``, ``crack_tips``, ``phases``, ``diffraction_peaks``, ``absorption_edges`` or ``ae_events``; by
        default the one that fits the examples.
    examples
        A model's card (classes and path), DATA (path, and whether it has masks), a signal (axis, unit, peaks, edge),
        a label image (path and labels), a table with a column ``position`` (peaks; ``unit`` and ``tolerance`` if it
        has them).
    out
        A file that does not exist yet; paths are written relative to it.

    Raises
    ------
    ExpectationError
        If there is no such template, or neither template nor example is named.
    FileError
        If an example cannot be read, or ``out`` exists or cannot be written.
    """
    from matxai.checks.expect.drafting import Told, draft
    from matxai.checks.expect.templates import template_names

    if template is None and not examples:
        names = ", ".join(template_names())
        raise ExpectationError(f"Name a template with --template ({names}), or an example with --from.")
    target = None if out is None else Path(out)
    if target is not None and target.exists():
        raise FileError(f"{target} exists; name a new file with --out, or move it away.")
    base = (target.parent if target is not None else Path()).resolve()
    told = Told()
    for example in examples:
        told = told.and_also(_told(Path(example), base))
    text = draft(template, told)
    if target is not None:
        try:
            target.write_text(text, encoding="utf-8", newline="\n")
        except OSError as error:
            raise FileError(f"{target} cannot be written: {error.strerror or error}.") from None
    return text


def _told(path: Path, base: Path) -> Told:
    """What one example tells, by what kind of file it is.

    Raises
    ------
    FileError
        If it is missing or cannot be read.
    """
    from matxai.modelcard.card import CARD_NAME

    if not path.exists():
        raise FileError(f"The example {path} is not there.")
    if path.suffix == ".matxai" or path.name == CARD_NAME or (path / CARD_NAME).is_file():
        return _of_card(path, base)
    if path.is_dir() or path.name == "labels.csv":
        return _of_data(path, base)
    if path.suffix.lower() == ".csv":
        peaks = _of_peaks(path)
        if peaks is not None:
            return peaks
    from matxai.signals import read

    return _of_signal(read(path), path, base)


def _relative(path: Path, base: Path) -> str:
    """A path as the file is to have it: relative to its folder, absolute where it lies on another drive."""
    try:
        return Path(os.path.relpath(path.resolve(), base)).as_posix()
    except ValueError:
        return path.resolve().as_posix()


def _of_card(path: Path, base: Path) -> Told:
    from matxai.checks.expect.drafting import Told
    from matxai.modelcard import load_model

    model = load_model(path)
    folder = path.parent if path.name == "matxai.yaml" else path
    return Told(model=_relative(folder, base), classes=tuple(model.classes))


def _of_data(path: Path, base: Path) -> Told:
    from matxai.checks.expect.drafting import Told
    from matxai.jobs.listing import list_data

    folder = path.parent if path.name == "labels.csv" else path
    rows = list_data(folder).rows
    classes = tuple(dict.fromkeys(r.label for r in rows if r.label))
    return Told(data=_relative(folder, base) + "/", classes=classes, masks=any(r.mask is not None for r in rows))


def _of_peaks(path: Path) -> Told | None:
    """What a table of peaks tells; None where the table has no column of places.

    Raises
    ------
    FileError
        If a place is no number, or the unit is none.
    """
    from matxai.checks.expect.drafting import Told, known_word

    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            rows = list(csv.DictReader(stream))
    except (OSError, ValueError, csv.Error) as error:
        raise FileError(f"{path.name} cannot be read as a table: {error}.") from None
    column = next((c for c in (rows[0] if rows else {}) if c is not None and c.strip().lower() in _PLACES), None)
    if column is None:
        return None
    try:
        places = tuple(float(r[column]) for r in rows)
        tolerance = float(rows[0]["tolerance"]) if rows[0].get("tolerance") else None
    except (TypeError, ValueError):
        raise FileError(f"{path.name} has a '{column}' or a 'tolerance' that is no number.") from None
    word = str(rows[0].get("unit") or "")
    unit = known_word(word)
    if word and not unit:
        raise FileError(f"{path.name} gives the unit '{word}', which is none; write degree, eV, 1/cm or the like.")
    return Told(peaks=places, tolerance=tolerance, unit=unit)


def _of_signal(signal: xr.DataArray, path: Path, base: Path) -> Told:
    from matxai.checks.expect.drafting import Told, known_word
    from matxai.regions import found_artefacts

    values = np.squeeze(np.asarray(signal.values))
    dims = [str(d) for d in signal.dims if d != "c"]
    if len(dims) == 1:
        return _of_spectrum(signal, values, dims[0], known_word(str(signal[dims[0]].attrs.get("units", ""))))
    numbers = np.unique(values) if values.ndim == 2 and values.dtype.kind in "iub" else np.zeros(0)
    if 2 <= len(numbers) <= _LABELS_UP_TO:
        pattern = _relative(path.parent, base) + "/{stem}" + path.suffix
        labels = tuple(int(n) for n in numbers if n != 0)
        return Told(labels=pattern.removeprefix("./"), values=labels)
    if values.ndim in {2, 3}:
        kinds = dict.fromkeys(r.kind for r in found_artefacts(values, signal.attrs))
        return Told(artefacts=tuple(kinds))
    raise FileError(f"{path.name} has the axes {', '.join(dims)}; an example is an image, a spectrum or a label image.")


def _of_spectrum(signal: xr.DataArray, values: Any, dim: str, unit: str) -> Told:
    from matxai.checks.expect.drafting import Told
    from matxai.regions import edges, peaks

    axis = np.asarray(signal[dim].values, np.float64)
    ends = (float(axis.min()), float(axis.max()))
    try:
        tops = tuple(float(r.evidence["position"]) for r in peaks(values, axis))
        steps = [float(r.evidence["position"]) for r in edges(values, axis)]
    except MatxaiError:
        tops, steps = (), []  # too short for either, which takes nothing from axis and unit
    risen = bool(steps) and np.median(values[-len(values) // 10 :]) > np.median(values[: len(values) // 10])
    energy = unit in {"eV", "keV"}
    return Told(
        axis=dim,
        unit=unit or "pixel",
        ends=ends,
        peaks=() if energy and risen else tops,
        edge=steps[0] if energy and risen else None,
    )

"""The two formats with the suffix ``.emd``: Thermo Fisher's Velox, and Berkeley's Electron Microscopy Dataset.

Velox keeps every image in ``/Data/Image/<id>/Data`` as (y, x, frame), its description as JSON in ``Metadata`` beside
it, and the title that the user saw in the display that shows it. A Berkeley group (also py4DSTEM's) has an array and a
vector ``dim1``, ``dim2``, ... for each of its axes.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import numpy as np

from matxai.signals.formats.axes import Axis
from matxai.signals.formats.hdf5_file import Tree, attribute, is_numeric, plain, resolve, text
from matxai.signals.formats.layouts import Found
from matxai.signals.units import convert, said_length, same_kind, unit_word

if TYPE_CHECKING:
    from pathlib import Path

IMAGES = "Data/Image"
MAX_WORDS = 2**22
"""Bytes of JSON that one image's description may have."""


def find_velox(file: Any, tree: Tree, path: Path) -> list[Found]:
    """Return the images of a Velox file: measured ones first, in the order of the experiment, then computed ones."""
    names = [g for g in tree.groups if re.fullmatch(f"{IMAGES}/[^/]+", g) and f"{g}/Data" in tree.datasets]
    if not names:
        return []
    titles, measured = _operations(file, tree, path)
    ranked = sorted(names, key=lambda g: (measured.index(g) if g in measured else len(measured), titles.get(g, g)))
    streams = [k for k in ("Spectrum", "SpectrumStream", "SpectrumImage") if any(f"Data/{k}" == g for g in tree.groups)]
    note = f"its EDS data ({', '.join(streams)}) were left out; reader='rosetta' reads them" if streams else ""
    seen: dict[str, int] = {}
    found = []
    for group in ranked:
        title = titles.get(group, group.rsplit("/", 1)[-1])
        seen[title] = seen.get(title, 0) + 1
        title = title if seen[title] == 1 else f"{title} ({seen[title]})"
        found.append(_velox_image(file, group, title, note, path, measured=not measured or group in measured))
    return [f for f in found if f is not None]


def _velox_image(file: Any, group: str, title: str, note: str, path: Path, *, measured: bool) -> Found | None:
    data = resolve(file, f"{group}/Data", path)
    if not is_numeric(data.dtype) or data.ndim != 3:
        return None
    words = _words(resolve(file, f"{group}/Metadata", path))
    binary = _inner(words, "BinaryResult")
    axes = [_velox_axis(binary, a, side) for a, side in (("y", "height"), ("x", "width"))]
    frame = _frame_time(words)
    frames = int(data.shape[2])
    axes.append(Axis(name="t", unit="s" if frame else None, step=frame))
    return Found(
        dataset=f"{group}/Data",
        axes=tuple(axes),
        layout="Velox",
        name=title,
        dims=("y", "x", "t") if frames > 1 else ("y", "x"),
        slice_axis=2,
        drop=() if frames > 1 else (2,),
        measured=measured,
        note=note,
        metadata=_velox_metadata(words),
    )


def _velox_axis(binary: dict[str, Any], letter: str, side: str) -> Axis:
    """Return an axis of an image from the JSON: size of a pixel and offset, both in ``PixelUnitX``."""
    unit = unit_word(binary.get(f"PixelUnit{letter.upper()}"))
    step = _number(_inner(binary, "PixelSize").get(side))
    if unit is None or not step:
        return Axis(name=letter)
    first = _number(_inner(binary, "Offset").get(letter)) or 0.0
    if same_kind(unit, "m"):
        _, short = said_length(convert(step, unit, "m"))
        return Axis(name=letter, unit=short, step=_tidy(step, unit, short), origin=_tidy(first, unit, short))
    if same_kind(unit, "1/m"):
        return Axis(name=letter, unit="1/nm", step=_tidy(step, unit, "1/nm"), origin=_tidy(first, unit, "1/nm"))
    return Axis(name=letter, unit=unit, step=step, origin=first)


def _tidy(value: float, unit: str, to: str) -> float:
    return float(f"{convert(value, unit, to):.12g}")


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if np.isfinite(number) else None


def _words(dataset: Any) -> dict[str, Any]:
    """Return the JSON that describes the first frame, or nothing where there is none."""
    if dataset is None or dataset.ndim != 2 or dataset.shape[0] > MAX_WORDS or 0 in dataset.shape:
        return {}
    return _json(np.asarray(dataset[:, 0]).tobytes())


def _json(raw: Any) -> dict[str, Any]:
    if isinstance(raw, str):
        raw = raw.encode()
    if not isinstance(raw, bytes) or len(raw) > MAX_WORDS:
        return {}
    try:
        value = json.loads(raw.split(b"\0", 1)[0].decode("utf-8", "replace") or "{}")
    except (json.JSONDecodeError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _frame_time(words: dict[str, Any]) -> float | None:
    """Return seconds from frame to frame: that of the scan, or the exposure of the camera that took the image."""
    if time := _number(_inner(words, "Scan").get("FrameTime")):
        return time
    index = _inner(words, "BinaryResult").get("DetectorIndex")
    chosen = _inner(_inner(words, "Detectors"), f"Detector-{index}")
    return _number(chosen.get("ExposureTime")) or None


def _velox_metadata(words: dict[str, Any]) -> dict[str, Any]:
    taken = {
        "instrument": _inner(words, "Instrument").get("InstrumentModel"),
        "manufacturer": _inner(words, "Instrument").get("Manufacturer"),
        "detector": _inner(words, "BinaryResult").get("Detector"),
        "acceleration_voltage": _number(_inner(words, "Optics").get("AccelerationVoltage")),
        "magnification": _number(_inner(words, "Optics").get("NominalMagnification")),
        "camera_length": _number(_inner(words, "Optics").get("CameraLength")),
        "acquired": _inner(_inner(words, "Acquisition"), "AcquisitionStartDatetime").get("DateTime"),
    }
    return {k: v for k, v in taken.items() if v not in (None, "")}


def _operations(file: Any, tree: Tree, path: Path) -> tuple[dict[str, str], list[str]]:
    """Return the title of every image, and which were measured and not computed, in the order of the experiment.

    Displays carry the titles that the user saw; an image that no display shows is called after the operation that made
    it (the difference of two segments, an unfiltered integral).
    """
    made: dict[str, tuple[str, dict[str, Any]]] = {}
    titles: dict[str, str] = {}
    for name in tree.datasets:
        if operation := re.fullmatch(r"Operations/(\w+)/[^/]+", name):
            made[name] = operation[1], _json_of(file, name, path)
        elif re.fullmatch(r"Presentation/Displays/ImageDisplay/[^/]+", name):
            words = _json_of(file, name, path)
            label = unquote(str(_inner(words, "display").get("label") or ""))
            if label:
                titles[_image(words)] = label
    measured: list[str] = []
    for kind, words in made.values():
        if kind.endswith("InputOperation"):
            measured.append(_image(words))
            titles.setdefault(_image(words), str(words.get("detector") or words.get("cameraName") or kind))
    inputs = _inputs(made, titles)
    for name, (kind, words) in made.items():
        image, raw = _image(words), str(words.get("unfilteredDataPath", "")).strip("/")
        terms = [inputs[name][i] for i in sorted(inputs.get(name, {}))]
        difference = words.get("mathematicsMode") == "Subtraction" and len(terms) == 2
        titles.setdefault(image, " - ".join(terms) if difference else kind.removesuffix("Operation"))
        if raw:
            titles.setdefault(raw, f"{titles[image]} (unfiltered)")
    return titles, sorted(measured, key=lambda g: titles[g])


def _image(words: dict[str, Any]) -> str:
    """Return the group of the image that an operation made or a display shows."""
    return str(words.get("dataPath", "")).strip("/")


def _inner(words: dict[str, Any], key: str) -> dict[str, Any]:
    value = words.get(key)
    return value if isinstance(value, dict) else {}


def _inputs(made: dict[str, tuple[str, dict[str, Any]]], titles: dict[str, str]) -> dict[str, dict[str, str]]:
    """Return what goes into each operation: its number to the title of the image."""
    inputs: dict[str, dict[str, str]] = {}
    for _, words in made.values():
        outputs = words.get("outputs")
        for out in outputs if isinstance(outputs, list) else ():
            if isinstance(out, dict) and (title := titles.get(_image(words))):
                target = str(out.get("operation", "")).strip("/")
                inputs.setdefault(target, {})[str(out.get("inputIndex"))] = title
    return inputs


def _json_of(file: Any, name: str, path: Path) -> dict[str, Any]:
    dataset = resolve(file, name, path)
    if dataset is None or dataset.size != 1 or dataset.dtype.kind not in "OS":
        return {}
    value = dataset[()]
    return _json(value.reshape(-1)[0] if isinstance(value, np.ndarray) else value)


def find_berkeley(file: Any, tree: Tree, path: Path) -> list[Found]:
    """Return the arrays of all Berkeley groups, in the file's order."""
    found = []
    for group in tree.groups:
        if attribute(file[group] if group else file, "emd_group_type") not in (1, "1", "array"):
            continue
        inside = [d for d in tree.datasets if d.rsplit("/", 1)[0] == group]
        arrays = [d for d in inside if not re.fullmatch(r"dim\d+(_?labels)?", d.rsplit("/", 1)[-1])]
        arrays = [d for d in arrays if file[d].ndim > 0 and is_numeric(file[d].dtype)]
        preferred = next((d for d in arrays if d.endswith("/data")), arrays[0] if arrays else None)
        if preferred is None:
            continue
        data = file[preferred]
        first = 0 if f"{group}/dim0" in inside else 1
        axes = tuple(_berkeley_axis(file, f"{group}/dim{first + i}", path) for i in range(data.ndim))
        words = {"units": text(data, "units")} if text(data, "units") else {}
        found.append(Found(preferred, axes, "EMD", group.rsplit("/", 1)[-1], metadata=words))
    return found


def _berkeley_axis(file: Any, name: str, path: Path) -> Axis:
    places = resolve(file, name, path)
    if places is None or places.ndim != 1:
        return Axis()
    unit = text(places, "units")
    if unit is not None:
        unit = unit.strip("[] ").replace("_", "")  # the format writes [n_m]: prefix, underscore, unit
    if places.dtype.kind not in "iuf":
        return Axis(name=text(places, "name"), unit=plain(unit))
    return Axis(name=text(places, "name"), unit=unit, values=np.asarray(places[...]))

"""Powder CIF: patterns in loops, or over a range alone; numbers with their uncertainty in brackets.

After the powder dictionary of the IUCr (https://www.iucr.org/resources/cif/dictionaries/cif_pd). Syntax is gemmi's.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import FileError, SignalError
from matxai.signals.reader import Item, Reader, ReadOptions, readers, refuse_choices
from matxai.signals.spectra.scans import Scan, items_of_scans, number, radiation
from matxai.signals.vendors.calibration import decoded
from matxai.signals.vendors.xml_text import LONGEST

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy.typing as npt

DESCRIBES = "powder CIF"

AXES = {
    "_pd_meas_2theta_scan": ("two_theta", "degree"),
    "_pd_proc_2theta_corrected": ("two_theta", "degree"),
    "_pd_meas_2theta_corrected": ("two_theta", "degree"),
    "_pd_meas_time_of_flight": ("time_of_flight", "us"),
    "_pd_proc_d_spacing": ("d_spacing", "angstrom"),
    "_pd_proc_recip_len_q": ("q", "1/angstrom"),
    "_pd_proc_energy_incident": ("energy", "eV"),
    "_pd_proc_wavelength": ("wavelength", "angstrom"),
}
"""Items that are places, the one that is preferred first: what was measured goes before what was made of it."""

RANGES = {
    "_pd_meas_2theta_range_": ("two_theta", "degree"),
    "_pd_proc_2theta_range_": ("two_theta", "degree"),
}

VALUES = {
    "_pd_meas_counts_total": "counts",
    "_pd_meas_intensity_total": "",
    "_pd_meas_intensity_net": "",
    "_pd_meas_counts_net": "counts",
    "_pd_proc_intensity_total": "",
    "_pd_proc_intensity_net": "",
    "_pd_proc_intensity_norm": "",
    "_pd_meas_intensity_sample": "",
}
"""Items that are the pattern, the preferred first, and their unit; others of the loop stand beside."""

BESIDE = {
    "_pd_calc_intensity_total": "calculated",
    "_pd_calc_intensity_net": "calculated",
    "_pd_proc_intensity_bkg_calc": "background",
    "_pd_proc_intensity_bkg_fix": "background",
    "_pd_meas_counts_background": "background",
    "_pd_meas_intensity_background": "background",
    "_pd_meas_counts_monitor": "monitor",
    "_pd_meas_intensity_monitor": "monitor",
    "_pd_proc_ls_weight": "weight",
    "_pd_meas_step_count_time": "counting_time",
}
_NUMBER = re.compile(r"([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)(?:\((\d+)\))?\Z")
_BLOCK = re.compile(r"^\s*data_\S", re.IGNORECASE | re.MULTILINE)
_TAG = re.compile(r"^\s*(_[A-Za-z][\w./\-\[\]%]*|loop_)", re.MULTILINE)


def recognises(path: Path, head: bytes) -> bool:
    """Whether the file begins like CIF: a data block with items or a loop; behind long comments its name tells."""
    text = decoded(head)
    block = _BLOCK.search(text)
    if block is not None:
        return _TAG.search(text, block.end()) is not None
    return path.suffix.lower() == ".cif" and text.lstrip().startswith("#")


def read(path: Path, options: ReadOptions) -> list[Item]:
    """Return the patterns of all data blocks.

    Raises
    ------
    FileError
        If it is no CIF, holds no pattern, or a range does not have as many points as there are intensities.
    """
    refuse_choices(path, DESCRIBES, ReadOptions(dataset=options.dataset))
    if path.stat().st_size > LONGEST:
        msg = f"{path.name} has {path.stat().st_size} bytes of text, more than the {LONGEST} that are read as CIF"
        raise FileError(msg)
    from gemmi import cif

    try:
        document = cif.read_string(decoded(path.read_bytes()))
    except (ValueError, RuntimeError, UnicodeError) as error:
        said = str(error).strip().splitlines()
        msg = f"{path.name} is truncated or no CIF ({said[0] if said else 'unreadable'}); copy it again"
        raise FileError(msg) from error
    blocks = list(document)
    try:
        scans = [scan for block in blocks for scan in _patterns(block, blocks)]
    except SignalError as error:
        msg = f"{path.name}: {error}"
        raise FileError(msg) from error
    if not scans:
        inside = "a crystal structure" if any(b.find_value("_cell_length_a") for b in blocks) else "no pattern"
        msg = (
            f"{path.name} holds {inside} and no measured powder pattern (no _pd_meas_ or _pd_proc_ intensities with "
            "places); matxai.reference.read_cif reads structures"
        )
        raise FileError(msg)
    return items_of_scans(scans, path.name, options.axis)


def _patterns(block: Any, blocks: Sequence[Any]) -> list[Scan]:
    """Return the pattern of every loop of a block that has one."""
    found: list[Scan] = []
    for item in block:
        if item.loop is None:
            continue
        columns = {tag.lower(): i for i, tag in enumerate(item.loop.tags)}
        value = next((t for t in VALUES if t in columns), None)
        if value is not None and item.loop.length() > 1:
            name = block.name if not found else f"{block.name} {len(found) + 1}"
            found.append(_pattern(name, block, blocks, item.loop, columns, value))
    return found


def _pattern(name: str, block: Any, blocks: Sequence[Any], loop: Any, columns: dict[str, int], value: str) -> Scan:
    rows = loop.length()
    width = len(loop.tags)

    def column(tag: str) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        return numbers(loop.values[columns[tag] :: width], tag)

    values, errors = column(value)
    places = {tag: column(tag)[0] for tag in AXES if tag in columns}
    notes: list[str] = []
    drives: dict[str, npt.NDArray[Any]] = {}
    units: dict[str, str] = {}
    scanned = ""
    for tag, column_ in places.items():
        dim, unit = AXES[tag]
        if dim not in drives and np.isfinite(column_).sum() > 1:
            drives[dim], units[dim] = column_, unit
            scanned = scanned or dim
    if "two_theta" not in drives:
        ranged = _range(block, rows, value)
        if ranged is not None:
            drives["two_theta"] = ranged
            scanned = "two_theta"
    if not scanned:
        msg = (
            f"the pattern '{name}' has {value} and no places: it needs _pd_meas_2theta_scan, another axis of the "
            "dictionary, or _pd_meas_2theta_range_min, _max and _inc"
        )
        raise SignalError(msg)
    beside = {word: column(tag)[0] for tag, word in BESIDE.items() if tag in columns}
    if np.isfinite(errors).any():
        beside["sigma"] = errors
    attrs = _radiation(block, blocks, notes)
    if gaps := int(np.isnan(values).sum()):
        notes.append(f"{gaps} of {rows} points have no intensity ('.' or '?') and are NaN")
    attrs |= {"value_name": value.removeprefix("_pd_"), **({"value_unit": VALUES[value]} if VALUES[value] else {})}
    if notes:
        attrs["notes"] = notes
    seconds = {"counting_time": "s"} if "counting_time" in beside else {}
    return Scan(name, scanned, drives, values, units, beside, seconds, attrs)


def numbers(texts: Sequence[str], tag: str) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the numbers of a column and the standard uncertainties that stand in brackets behind them.

    Both are NaN for ``.`` and ``?``; uncertainties are NaN where none stands.

    Raises
    ------
    SignalError
        If something is neither.

    Examples
    --------
    >>> values, errors = numbers(["123.45(12)", "7", "?"], "_pd_meas_intensity_total")
    >>> values.tolist(), errors.round(2).tolist()
    ([123.45, 7.0, nan], [0.12, nan, nan])
    """
    values, errors = np.full(len(texts), np.nan), np.full(len(texts), np.nan)
    for i, text in enumerate(texts):
        if text in (".", "?"):
            continue
        found = _NUMBER.match(text)
        if found is None:
            msg = f"{tag} holds '{text[:40]}', which is no number"
            raise SignalError(msg)
        values[i] = float(found[1])
        if found[2]:
            mantissa, _, power = found[1].lower().partition("e")
            digits = len(mantissa.partition(".")[2])
            errors[i] = float(found[2]) * 10.0 ** (int(power or 0) - digits)
    return values, errors


def _range(block: Any, rows: int, value: str) -> npt.NDArray[np.float64] | None:
    """Return evenly spaced places from first, last and step, where as many as there are rows follow from them."""
    order = sorted(RANGES, key=lambda head: value.startswith("_pd_meas") != head.startswith("_pd_meas"))
    for head in order:
        low, high, step = (_one(block, f"{head}{end}") for end in ("min", "max", "inc"))
        if low is None or step is None or step == 0:
            continue
        if high is not None and abs((high - low) / step - (rows - 1)) > 0.5:
            msg = (
                f"{head}min, _max and _inc ({low:g}, {high:g}, {step:g}) make {round((high - low) / step) + 1} places "
                f"and the loop has {rows} intensities; the file is cut off or its range is wrong"
            )
            raise SignalError(msg)
        found: npt.NDArray[np.float64] = low + step * np.arange(rows, dtype=np.float64)
        return found
    return None


def _one(block: Any, tag: str) -> float | None:
    text = block.find_value(tag)
    found = _NUMBER.match(text) if text else None
    return None if found is None else number(found[1])


def _radiation(block: Any, blocks: Sequence[Any], notes: list[str]) -> dict[str, Any]:
    """Return the wavelength of this block, else the only one in the file; of several the one with the largest share."""
    lines = _wavelengths(block)
    if not lines:
        others = {wavelength for b in blocks for wavelength, _ in _wavelengths(b)}
        lines = [(w, math.nan) for w in others] if len(others) == 1 else []
    used = max(lines, key=lambda line: line[1] if math.isfinite(line[1]) else 0.0)[0] if lines else None
    if len(lines) > 1:
        said = ", ".join(f"{w:g}" for w, _ in lines)
        notes.append(f"the file has the wavelengths {said} angstrom; {used:g} is taken as the one of the axis")
    anode = next((t for b in (block, *blocks) if (t := _word(b, "_diffrn_source_target"))), None)
    found = radiation(anode, used=used)
    words = {
        "probe": _word(block, "_diffrn_radiation_probe"),
        "radiation": _word(block, "_diffrn_radiation_type"),
        "sample": _word(block, "_pd_block_id"),
        "start_time": _word(block, "_pd_meas_datetime_initiated"),
    }
    found["metadata"] |= {k: v for k, v in words.items() if v}
    return found


def _wavelengths(block: Any) -> list[tuple[float, float]]:
    """Return the wavelengths of a block and their shares (NaN where it states none)."""
    for tag in ("_diffrn_radiation_wavelength", "_diffrn_radiation_wavelength.wavelength", "_pd_proc_wavelength"):
        texts = list(block.find_values(tag))
        if tag == "_pd_proc_wavelength" and len(texts) > 1:
            continue
        values = [w for t in texts if (m := _NUMBER.match(t)) and (w := number(m[1]))]
        if values:
            weights = [number(t) for t in block.find_values("_diffrn_radiation_wavelength_wt")]
            shares = [w if w is not None else math.nan for w in weights] if len(weights) == len(values) else []
            return list(zip(values, shares or [math.nan] * len(values), strict=True))
    return []


def _word(block: Any, tag: str) -> str | None:
    from gemmi import cif

    text = block.find_value(tag)
    found = cif.as_string(text).strip() if text else ""
    return found if found not in ("", ".", "?") else None


readers.add("pdcif", Reader("pdcif", (".cif", ".pdcif", ".rtv"), recognises, read, DESCRIBES))

"""VAMAS (``.vms``), the transfer format of ISO 14976: electron spectra and whatever else a surface instrument writes.

W. A. Dench, L. B. Hazell, M. P. Seah, Surf. Interface Anal. 13 (1988) 63: every line of the file is one field, which
field it is follows from the lines before it. Fields that the header excludes from the later blocks keep the value of
the first block. In a regular scan the axis is a start and an increment, in an irregular one the first variable.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import FileError
from matxai.signals.formats.axes import clean
from matxai.signals.labelled import UNNAMED
from matxai.signals.reader import Item, Reader, ReadOptions, readers
from matxai.signals.spectra.columns import unique
from matxai.signals.spectra.curve import Curve, items_of
from matxai.signals.spectra.photoemission import BINDING, KINETIC, check_axis, photoelectrons
from matxai.signals.spectra.text_lines import Lines, text_of
from matxai.signals.units import unit_word

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

MAGIC = b"VAMAS Surface Chemical Analysis Standard Data Transfer Format"
FIELDS = 40
"""How many fields of a block the header can exclude."""
UNKNOWN = 1e37
"""What the format writes for a number that nobody gave."""

_MAPS = ("MAP", "MAPDP")
_PROFILES = ("MAPDP", "MAPSVDP", "SDP", "SDPSV")
_LINES = ("MAPSV", "MAPSVDP", "SEM")
_MODES = (*_MAPS, "MAPSV", "MAPSVDP", "NORM", "SDP", "SDPSV", "SEM", "NOEXP")
_IONS = ("FABMS", "FABMS energy spec", "ISS", "SIMS", "SIMS energy spec", "SNMS", "SNMS energy spec")
_SPUTTERED = ("AES diff", "AES dir", "EDX", "ELS", "UPS", "XPS", "XRF")
_PHOTONS = ("XPS", "UPS")


@dataclass(frozen=True)
class _Header:
    mode: str
    scan: str
    experiment: dict[str, Any]
    variables: list[str]
    included: list[bool]
    extra_lines: int
    blocks: int


@dataclass
class _Block:
    """One block: ``said`` holds the fields, which the next block takes over where it leaves them away."""

    name: str
    sample: str
    said: dict[str, Any]
    variables: list[tuple[str, str]]
    ordinates: npt.NDArray[Any] = field(default_factory=lambda: np.empty(0))


def recognises(path: Path, head: bytes) -> bool:  # noqa: ARG001 - a reader's signature
    """Whether the first line is the format's name."""
    return head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(MAGIC)


def read(path: Path, options: ReadOptions) -> list[Item]:
    """Return the blocks of a VAMAS file; those on one axis as a set.

    Raises
    ------
    FileError
        If a line is not what the format puts there, or the file ends too early.
    """
    check_axis(path.name, options.axis)
    lines = Lines(text_of(path, options.limit).lstrip("\ufeff \t\r\n"), path.name)
    header = _header(lines, path.name)
    blocks: list[_Block] = []
    for i in range(header.blocks):
        blocks.append(_block(lines, header, blocks[0] if i else None, path.name))
    several = len({b.sample for b in blocks}) > 1
    names = unique([f"{b.sample}: {b.name}" if several else b.name or b.sample for b in blocks])
    curves = [_curve(path.name, n, b, header, options.axis) for n, b in zip(names, blocks, strict=True)]
    return items_of(curves, path.name)


def _header(lines: Lines, file: str) -> _Header:
    lines.text("the name of the format")
    names = ("institution", "instrument", "operator", "experiment")
    experiment: dict[str, Any] = {n: lines.text(f"the {n}") for n in names}
    experiment["comment"] = "\n".join(lines.texts(lines.count("the number of lines of the comment"), "the comment"))
    mode = lines.text("the experiment mode")
    if mode not in _MODES:
        msg = f"{file} has the experiment mode {mode[:40]!r}; VAMAS knows {', '.join(_MODES)}"
        raise FileError(msg)
    scan = lines.text("the scan mode")
    if scan not in ("REGULAR", "IRREGULAR"):
        msg = (
            f"{file} has the scan mode {scan[:40]!r}; spectra are REGULAR or IRREGULAR. Export a map as spectra, "
            f"or as an image"
        )
        raise FileError(msg)
    if mode in (*_MAPS, "NORM", "SDP"):
        lines.whole("the number of spectral regions")
    if mode in _MAPS:
        for what in ("analysis positions", "x coordinates of the map", "y coordinates of the map"):
            lines.whole(f"the number of {what}")
    variables = []
    for _ in range(lines.count("the number of experimental variables")):
        variables.append(lines.text("the label of an experimental variable"))
        lines.text("the unit of an experimental variable")
    included = _included(lines, file)
    lines.texts(lines.count("the number of fields entered by hand"), "a field entered by hand")
    more = lines.count("the number of further lines of the header")
    extra = lines.whole("the number of further lines of a block")
    lines.texts(more, "a further line of the header")
    return _Header(mode, scan, experiment, variables, included, extra, lines.count("the number of blocks"))


def _included(lines: Lines, file: str) -> list[bool]:
    """Return for every field whether the blocks after the first have it; a negative count lists what they leave out."""
    n = lines.whole("the number of fields that are listed", least=None)
    included = [n <= 0] * FIELDS
    for _ in range(abs(n)):
        which = lines.whole("the number of a field", least=1)
        if which > FIELDS:
            msg = f"{file} lists the field {which} of its blocks, which have {FIELDS}"
            raise FileError(msg)
        included[which - 1] = n > 0
    return included


def _block(lines: Lines, header: _Header, first: _Block | None, file: str) -> _Block:
    block = _Block(
        lines.text("the name of a block (the header says that there are more)"),
        lines.text("the name of a sample"),
        dict(first.said) if first else {},
        list(first.variables) if first else [],
    )
    has = header.included if first else [True] * FIELDS
    said = block.said

    def words(number: int, *names: str) -> None:
        if has[number - 1]:
            said.update({n: lines.text(f"the {n.replace('_', ' ')}") for n in names})

    def numbers(number: int, *names: str) -> None:
        if has[number - 1]:
            said.update({n: lines.number(f"the {n.replace('_', ' ')}") for n in names})

    for i, name in enumerate(("year", "month", "day", "hour", "minute", "second", "hours_before_gmt")):
        numbers(i + 1, name)
    if has[7]:
        said["comment"] = "\n".join(lines.texts(lines.count("the number of lines of a comment"), "a comment"))
    words(9, "technique")
    technique, mode = said["technique"], header.mode
    if mode in _MAPS:
        numbers(10, "x_coordinate", "y_coordinate")
    numbers(11, *header.variables)
    words(12, "source")
    if mode in _PROFILES or technique in _IONS:
        numbers(13, "sputtering_atomic_number", "sputtering_atoms", "sputtering_charge")
    numbers(14, "source_energy")
    numbers(15, "source_strength")
    numbers(16, "beam_width_x", "beam_width_y")
    if mode in (*_MAPS, *_LINES):
        numbers(17, "field_of_view_x", "field_of_view_y")
    if mode in _LINES:
        ends = ("first_line_start", "first_line_end", "last_line_end")
        numbers(18, *(f"{end}_{a}" for end in ends for a in "xy"))
    numbers(19, "source_polar_angle")
    numbers(20, "source_azimuth")
    words(21, "analyser_mode")
    numbers(22, "pass_energy")
    if technique == "AES diff":
        numbers(23, "differential_width")
    numbers(24, "magnification")
    numbers(25, "work_function")
    numbers(26, "target_bias")
    numbers(27, "analysis_width_x", "analysis_width_y")
    numbers(28, "take_off_polar_angle", "take_off_azimuth")
    words(29, "species")
    words(30, "transition")
    numbers(30, "charge")
    if header.scan == "REGULAR":
        words(31, "abscissa", "abscissa_unit")
        numbers(31, "start", "increment")
    if has[31]:
        n = lines.count("the number of variables")
        block.variables = [(lines.text("the label of a variable"), lines.text("its unit")) for _ in range(n)]
    words(33, "signal_mode")
    numbers(34, "collection_time")
    numbers(35, "scans")
    numbers(36, "time_correction")
    if technique in _SPUTTERED and mode in _PROFILES:
        names = ("energy", "current", "width_x", "width_y", "polar_angle", "azimuth")
        numbers(37, *(f"sputtering_{n}" for n in names))
        words(37, "sputtering_mode")
    numbers(38, "tilt_polar_angle", "tilt_azimuth")
    numbers(39, "rotation")
    if has[39]:
        for _ in range(lines.count("the number of additional parameters")):
            label, _unit = lines.text("the label of a parameter"), lines.text("the unit of a parameter")
            said[label] = lines.number(f"the parameter {label}")
    lines.texts(header.extra_lines, "a further line of a block")
    _take_ordinates(lines, block, file)
    return block


def _take_ordinates(lines: Lines, block: _Block, file: str) -> None:
    n = lines.count(f"the number of values of '{block.name}'")
    k = len(block.variables)
    if k < 1 or n % max(k, 1):
        msg = f"'{block.name}' in {file} claims {n} values of {k} variables, which is no whole number of points"
        raise FileError(msg)
    lines.numbers(2 * k, "the smallest or largest value of a variable")
    block.ordinates = lines.numbers(n, f"a value of '{block.name}'").reshape(-1, k)


def _curve(file: str, name: str, block: _Block, header: _Header, wanted: str | None) -> Curve:
    said = block.said
    columns: dict[str, npt.NDArray[Any]] = {}
    for i, (label, _) in enumerate(block.variables):
        columns[_word(label, i, columns)] = block.ordinates[:, i]
    labels = list(columns)
    if header.scan == "IRREGULAR":
        if len(labels) < 2:
            msg = f"'{name}' in {file} is irregular and has no values beside its axis"
            raise FileError(msg)
        label, unit = block.variables[0]
        places = columns.pop(labels.pop(0))
    else:
        label, unit = said["abscissa"], said["abscissa_unit"]
        places = np.round(said["start"] + said["increment"] * np.arange(len(block.ordinates)), 9)
    values = columns.pop(labels[0])
    at = len(block.variables) - len(labels)
    attrs: dict[str, Any] = {
        "value_name": block.variables[at][0],
        "metadata": _metadata(block, header),
    }
    if block.variables[at][1] not in ("d", "n", ""):  # dimensionless, not defined here
        attrs["value_unit"] = block.variables[at][1]
    if _given(said.get("work_function")):
        attrs["work_function"] = said["work_function"]
    source = said.get("source_energy")
    photons = float(source) if _given(source) and said["technique"] in _PHOTONS and source else None
    word = clean(label) or UNNAMED
    if word in ("kinetic", "kinetic_energy", "binding_energy", "binding"):
        energies = {KINETIC if word.startswith("kinetic") else BINDING: places}
        return photoelectrons(
            file, name, values, energies=energies, photon_energy=photons, axis=wanted, beside=columns, attrs=attrs
        )
    if wanted is not None:
        msg = f"'{name}' in {file} has the axis '{label}' and no {wanted.replace('_', ' ')}; leave axis= away"
        raise FileError(msg)
    known = unit_word(unit) if unit not in ("d", "n", "") else None  # dimensionless, not defined here
    return Curve(name, places, values, word, known, columns, attrs)


def _word(label: str, index: int, taken: dict[str, Any]) -> str:
    word = clean(label) or f"variable_{index + 1}"
    return word if word not in (*taken, BINDING, KINETIC) else f"{word}_{index + 1}"


def _given(value: Any) -> bool:
    return isinstance(value, (int, float)) and abs(value) < UNKNOWN / 10


def _metadata(block: _Block, header: _Header) -> dict[str, Any]:
    """Return what block and experiment say, without what nobody gave."""
    nobody = ("", "Not Specified", "Not specified")
    words = {"sample": block.sample, "block": block.name, **block.said}
    words |= {k: v for k, v in header.experiment.items() if k not in words and k != "comment"}
    date = [words.pop(k, None) for k in ("year", "month", "day", "hour", "minute", "second")]
    if all(_given(d) and d >= 0 for d in date[:3]) and date[0]:
        clock = [int(d) if _given(d) and d >= 0 else 0 for d in date]
        words["date"] = "{:04d}-{:02d}-{:02d} {:02d}:{:02d}:{:02d}".format(*clock)
    left = ("abscissa", "abscissa_unit", "start", "increment", "hours_before_gmt")
    return {
        k: v
        for k, v in words.items()
        if k not in left and (_given(v) if isinstance(v, (int, float)) else v not in nobody)
    }


readers.add(
    "vamas",
    Reader(
        name="vamas",
        suffixes=(".vms", ".npl"),
        recognises=recognises,
        read=read,
        describes="VAMAS (ISO 14976)",
    ),
)

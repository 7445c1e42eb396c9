"""Vallen AMSY transients (``.tradb``): acoustic-emission waveforms in volts, zero of time at the trigger.

The file is an SQLite database. It is opened read-only and as unchangeable; of it only the tables ``tr_data``,
``tr_params`` and ``tr_globalinfo`` are read, never a view, and no function of SQL runs but ``length``. A record is
``Samples`` numbers of 16 bits, plain (``DataFormat`` 0) or as FLAC (2), ``Pretrigger`` of them before the trigger;
one step is ``TR_mV`` millivolts.
"""

from __future__ import annotations

import functools
import io
import sqlite3
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import FileError, MissingDependencyError
from matxai.signals.labelled import labelled
from matxai.signals.lazy import lazy_stack
from matxai.signals.limits import FREE_BYTES, MOST_BYTES, check_held, check_unfolding
from matxai.signals.reader import Item, Reader, ReadOptions, readers, refuse_choices
from matxai.signals.spectra.curve import SAMPLE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import numpy.typing as npt
    import xarray as xr

MAGIC = b"SQLite format 3\x00"
TABLES = ("tr_data", "tr_params", "tr_globalinfo")
OTHERS = {"ae_data": "hit parameters (.pridb)", "trf_data": "features of transients (.trfdb)"}
PLAIN, FLAC = 0, 2
_ALLOWED = (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION)
_QUERY = """
SELECT SetID, Time, TRAI, ParamID, Chan, Pretrigger, SampleRate, Samples, DataFormat, length(Data)
FROM tr_data ORDER BY SetID
"""


@dataclass(frozen=True)
class _Record:
    number: int
    time: float
    trai: int
    channel: int
    pretrigger: int
    rate: int
    samples: int
    kind: int
    stored: int
    millivolts: float

    @property
    def grid(self) -> tuple[int, int, int, bool]:
        """What records of one set share."""
        return (self.samples, self.rate, self.pretrigger, self.millivolts > 0)


def recognises(path: Path, head: bytes) -> bool:  # noqa: ARG001 - a reader's signature
    """Whether it is an SQLite database."""
    return head.startswith(MAGIC)


def read(path: Path, options: ReadOptions) -> list[Item]:
    """Return the transients; those of one length, rate and pre-trigger are one set.

    Raises
    ------
    FileError
        If it is no database of transients, or a record claims more than it holds.
    UnsafeFileError
        If a record would unfold beyond the limit.
    """
    refuse_choices(path, "a database of transients", ReadOptions(dataset=options.dataset, axis=options.axis))
    with _opened(path) as base:
        records = _records(base, path.name)
    if not records:
        msg = f"{path.name} holds no transient: its table tr_data is empty; was recording of waveforms switched on?"
        raise FileError(msg)
    groups: dict[tuple[int, int, int, bool], list[_Record]] = {}
    for record in records:
        unfolded = 2 * record.samples
        if record.kind == PLAIN:
            check_held(path.name, unfolded, record.stored, what=f"transient {record.trai}")
        else:
            check_unfolding(path.name, unfolded, record.stored, options.limit, what=f"transient {record.trai}")
        groups.setdefault(record.grid, []).append(record)
    return [_item(path, tuple(group)) for group in groups.values()]


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    uri = f"{path.resolve().as_uri()}?mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(uri, uri=True)) as base:
            base.execute("PRAGMA trusted_schema = OFF")
            base.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MOST_BYTES)
            base.set_authorizer(_authorised)
            yield base
    except (sqlite3.Error, UnicodeDecodeError, OverflowError) as error:
        msg = f"{path.name} is damaged or no database of transients ({error}); copy it again"
        raise FileError(msg) from error


def _authorised(action: int, one: str | None, two: str | None, base: str | None, inner: str | None) -> int:  # noqa: ARG001
    """Allow reading the known tables and ``length``; everything else, views and their functions, is denied."""
    if action not in _ALLOWED or inner is not None:
        return sqlite3.SQLITE_DENY
    if action == sqlite3.SQLITE_READ and one not in (*TABLES, "sqlite_master"):
        return sqlite3.SQLITE_DENY
    if action == sqlite3.SQLITE_FUNCTION and two != "length":
        return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK


def _records(base: sqlite3.Connection, file: str) -> list[_Record]:
    schema = {
        str(name): (kind, str(sql))
        for kind, name, sql in base.execute("SELECT type, name, sql FROM sqlite_master")
        if kind in ("table", "view")
    }
    for name in TABLES:
        kind, sql = schema.get(name, ("", ""))
        if kind != "table" or "VIRTUAL" in sql.upper().split("(")[0] or "GENERATED" in sql.upper():
            other = next((what for table, what in OTHERS.items() if table in schema), None)
            said = f"holds {other} and no waveforms, which are in the .tradb beside it" if other else ""
            kinds = f"is an SQLite database without a plain table '{name}', and so none of Vallen's transients (.tradb)"
            msg = f"{file} {said or kinds}"
            raise FileError(msg)
    facts = dict(base.execute("SELECT Key, Value FROM tr_globalinfo"))
    base_rate, width = _number(facts.get("TimeBase"), "TimeBase", file), facts.get("BytesPerSample", 2)
    if _number(width, "BytesPerSample", file) != 2 or base_rate <= 0:
        msg = f"{file} stores {width} bytes a sample at a time base of {base_rate:g} Hz; samples of 2 bytes are read"
        raise FileError(msg)
    volts = {k: v for k, v in base.execute('SELECT ID, "TR_mV" FROM tr_params') if isinstance(v, (int, float))}
    return [_record(row, base_rate, volts, file) for row in base.execute(_QUERY)]


def _number(value: object, what: str, file: str) -> float:
    try:
        return float(str(value))
    except ValueError as error:
        msg = f"{file} has {value!r} for {what}, where a number should stand"
        raise FileError(msg) from error


def _record(row: Sequence[Any], base_rate: float, volts: dict[Any, float], file: str) -> _Record:
    if not all(isinstance(v, int) for v in row):
        msg = f"{file} is damaged: the transient {row[0]} has {list(row)} where whole numbers should stand"
        raise FileError(msg)
    number, time, trai, param, channel, before, rate, samples, kind, stored = row
    if rate < 1 or samples < 2 or kind not in (PLAIN, FLAC) or not 0 <= before <= samples:
        msg = (
            f"{file}: the transient {number} has {samples} samples ({before} before the trigger) at {rate} Hz in "
            f"format {kind}; plain (0) and FLAC (2) records of at least 2 samples are read"
        )
        raise FileError(msg)
    step = float(volts.get(param, 0.0))
    return _Record(number, time / base_rate, trai, channel, before, rate, samples, kind, stored, step)


def _item(path: Path, group: tuple[_Record, ...]) -> Item:
    first = group[0]
    time = (np.arange(first.samples) - first.pretrigger) / first.rate
    names = [f"TRAI {r.trai}, channel {r.channel}" for r in group]
    attrs: dict[str, Any] = {"sampling_rate": float(first.rate), "value_name": "voltage"}
    metadata: dict[str, Any] = {"pretrigger_samples": first.pretrigger}
    if first.millivolts > 0:
        attrs["value_unit"] = "V"
    else:
        attrs["notes"] = ["the file gives no voltage for a step of its converter; values are steps"]
        attrs["value_name"] = "steps"

    def load() -> xr.DataArray:
        if len(group) == 1:
            words = {**metadata, "trai": first.trai, "channel": first.channel, "arrival_time": first.time}
            data = _waveform(path, group, 0)
            said = {**attrs, "metadata": words}
            return labelled(data, ("time",), units={"time": "s"}, coords={"time": time}, attrs=said, name=names[0])
        shape = (len(group), first.samples)
        one = functools.partial(_waveform, path, group)
        whole = 4 * shape[0] * shape[1] <= FREE_BYTES
        data = np.stack(list(_waveforms(path, group))) if whole else lazy_stack(shape, np.float32, one)
        coords = {SAMPLE: np.array(names), "time": time}
        said = {**attrs, "metadata": metadata}
        found = labelled(data, (SAMPLE, "time"), units={"time": "s"}, coords=coords, attrs=said)
        return found.assign_coords(
            trai=(SAMPLE, [r.trai for r in group]),
            channel=(SAMPLE, [r.channel for r in group]),
            arrival_time=(SAMPLE, [r.time for r in group], {"units": "s"}),
        )

    several = len(group) > 1
    shape = (len(group), first.samples) if several else (first.samples,)
    return Item(f"{names[0]} ... {names[-1]}" if several else names[0], load, shape, "float32")


def _waveform(path: Path, group: Sequence[_Record], i: int) -> npt.NDArray[Any]:
    """Return record i of a group in volts, shape (samples,)."""
    return next(_waveforms(path, group[i : i + 1]))


def _waveforms(path: Path, group: Sequence[_Record]) -> Iterator[npt.NDArray[Any]]:
    with _opened(path) as base:
        for record in group:
            row = base.execute("SELECT Data FROM tr_data WHERE SetID = ?", (record.number,)).fetchone()
            raw = row[0] if row else None
            if not isinstance(raw, bytes):
                msg = f"{path.name} is damaged: the transient {record.trai} has no data; copy it again"
                raise FileError(msg)
            steps = _flac(raw, record, path.name) if record.kind == FLAC else np.frombuffer(raw, "<i2", record.samples)
            factor = record.millivolts * 1e-3 if record.millivolts > 0 else 1.0
            yield (steps * factor).astype(np.float32)


def _flac(raw: bytes, record: _Record, file: str) -> npt.NDArray[Any]:
    try:
        import soundfile
    except (ImportError, OSError) as error:  # OSError: the package is there and its library is not
        msg = (
            f"{file} holds transients compressed as FLAC, which needs the package soundfile; install it with: "
            f'pip install "matxai[formats]"'
        )
        raise MissingDependencyError(msg) from error
    try:
        with soundfile.SoundFile(io.BytesIO(raw)) as stream:
            claimed, channels = stream.frames, stream.channels
            steps = stream.read(record.samples, dtype="int16") if (claimed, channels) == (record.samples, 1) else None
    except (soundfile.SoundFileError, RuntimeError, ValueError) as error:
        msg = f"{file} is damaged: the transient {record.trai} cannot be unpacked ({error}); copy it again"
        raise FileError(msg) from error
    if steps is None or len(steps) != record.samples:
        held = claimed if steps is None else len(steps)
        msg = f"{file} is damaged: the transient {record.trai} claims {record.samples} samples and holds {held}"
        raise FileError(msg)
    return np.asarray(steps)


readers.add(
    "vallen",
    Reader(
        name="vallen",
        suffixes=(".tradb", ".pridb", ".trfdb"),
        recognises=recognises,
        read=read,
        describes="Vallen transients (tradb)",
    ),
)

"""Acoustic emission: Vallen's transients against the maker's own library, and databases from strangers."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import matxai
from matxai.errors import FileError, MatxaiWarning, UnsafeFileError


@pytest.fixture
def emission(data_dir: Path) -> Path:
    return data_dir / "ae_vallen"


def _database(path: Path, rows: list[tuple[object, ...]], *sql: str, time_base: str = "10000000") -> Path:
    """A database as Vallen lays it out, with what a stranger adds to it."""
    with sqlite3.connect(path) as base:
        base.execute(
            'CREATE TABLE tr_data ("SetID" INTEGER PRIMARY KEY,"Time" INT,"TRAI" INT,"Status" INT,"ParamID" INT,'
            '"Chan" INT,"Pretrigger" INT,"Thr" INT,"SampleRate" INT,"Samples" INT,"DataFormat" INT,"Data" BLOB)'
        )
        base.execute("CREATE TABLE tr_globalinfo(Key UNIQUE, Value)")
        base.execute('CREATE TABLE tr_params ("ID" INTEGER PRIMARY KEY, "TR_mV" REAL)')
        base.execute("INSERT INTO tr_globalinfo VALUES ('TimeBase', ?), ('BytesPerSample', '2')", (time_base,))
        base.execute("INSERT INTO tr_params VALUES (1, 2.0)")
        base.executemany(f"INSERT INTO tr_data VALUES ({', '.join('?' * 12)})", rows)
        for line in sql:
            base.execute(line)
    base.close()
    return path


def _row(number: int, samples: int = 4, data: bytes | None = None, **other: object) -> tuple[object, ...]:
    said = {"time": number * 10**7, "param": 1, "pre": 1, "rate": 1000, "kind": 0, **other}
    blob = np.arange(samples, dtype="<i2").tobytes() if data is None else data
    return (
        number,
        said["time"],
        number,
        0,
        said["param"],
        1,
        said["pre"],
        5,
        said["rate"],
        samples,
        said["kind"],
        blob,
    )


@pytest.mark.parametrize("name", ["steel_plate/sample.tradb", "steel_plate/sample_plain.tradb"])
def test_transients_as_the_maker_reads_them(emission: Path, name: str) -> None:
    vallenae = pytest.importorskip("vallenae", reason="the independent reader of tradb is not installed")
    with vallenae.io.TraDatabase(emission / name) as base:
        theirs = {(record.trai, record.channel): record for record in base.iread()}
    assert len(theirs) == 4
    for item in range(4):
        ours = matxai.read(emission / name, item=item)
        words = ours.attrs["metadata"]
        record = theirs[words["trai"], words["channel"]]
        assert ours.dims == ("time",) and ours.attrs["sampling_rate"] == record.samplerate == 5_000_000
        assert ours.attrs["value_unit"] == "V" and ours.time.attrs["units"] == "s"
        np.testing.assert_allclose(ours.values, record.data, rtol=1e-6)
        np.testing.assert_allclose(ours.time, (np.arange(record.samples) - record.pretrigger) / 5e6, rtol=0, atol=1e-15)
        assert float(ours.time[0]) == -1e-4 and words["arrival_time"] == pytest.approx(record.time, abs=1e-12)


def test_plain_and_packed_records_are_the_same(emission: Path) -> None:
    packed = matxai.read(emission / "steel_plate" / "sample.tradb", item="TRAI 1, channel 3")
    plain = matxai.read(emission / "steel_plate" / "sample_plain.tradb", item="TRAI 1, channel 3")
    np.testing.assert_array_equal(packed.values, plain.values)


def test_transients_of_one_length_are_a_set(emission: Path) -> None:
    vallenae = pytest.importorskip("vallenae", reason="the independent reader of tradb is not installed")
    path = emission / "bearing" / "bearing.tradb"
    ours = matxai.read(path)
    assert ours.dims == ("sample", "time") and ours.shape == (490, 5000) and ours.dtype == np.float32
    with vallenae.io.TraDatabase(path) as base:
        theirs = list(base.iread())
    np.testing.assert_allclose(ours.values, [r.data for r in theirs], rtol=1e-6)
    assert list(ours.trai.values) == [r.trai for r in theirs]
    np.testing.assert_allclose(ours.arrival_time, [r.time for r in theirs])
    assert ours.attrs["sampling_rate"] == 500_000


def test_a_large_set_stays_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _database(tmp_path / "a.tradb", [_row(1), _row(2)])
    monkeypatch.setattr("matxai.signals.formats.vallen.FREE_BYTES", 16)
    ours = matxai.read(path)
    assert ours.chunks == ((1, 1), (4,))
    np.testing.assert_allclose(ours.values, [[0, 0.002, 0.004, 0.006]] * 2, rtol=1e-6)
    np.testing.assert_allclose(ours.time, [-0.001, 0, 0.001, 0.002])


def test_without_a_step_of_the_converter_the_values_are_steps(tmp_path: Path) -> None:
    ours = matxai.read(_database(tmp_path / "a.tradb", [_row(1, param=9)]))
    np.testing.assert_array_equal(ours.values, [0, 1, 2, 3])
    assert "value_unit" not in ours.attrs and "no voltage" in ours.attrs["notes"][0]


def test_other_databases_are_named(emission: Path, tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"holds hit parameters .* which are in the \.tradb beside it"):
        matxai.read(emission / "steel_plate" / "sample.pridb")
    with pytest.raises(FileError, match="holds features of transients"):
        matxai.read(emission / "steel_plate" / "sample.trfdb")
    with sqlite3.connect(tmp_path / "x.db") as base:
        base.execute("CREATE TABLE photos (a, b)")
    base.close()
    with pytest.raises(FileError, match="an SQLite database without a plain table 'tr_data'"):
        matxai.read(tmp_path / "x.db")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([], "table tr_data is empty"),
        ([_row(1, samples=10**12, data=b"12")], "claims 2 TB for its transient 1 and holds 2 bytes"),
        ([_row(1, samples=4, data=b"x" * 6)], "claims 8 bytes for its transient 1 and holds 6 bytes"),
        ([_row(1, rate=0)], "at 0 Hz"),
        ([_row(1, pre=-3)], "-3 before the trigger"),
        ([_row(1, kind=7)], "format 7"),
        ([_row(1, time="noon")], "where whole numbers should stand"),
        ([_row(1, kind=2, data=b"fLaC" + b"\x00" * 60)], "cannot be unpacked"),
    ],
)
def test_records_that_lie_are_refused(tmp_path: Path, rows: list[tuple[object, ...]], said: str) -> None:
    with pytest.raises(FileError, match=said):
        matxai.read(_database(tmp_path / "a.tradb", rows))


def test_a_packed_bomb_is_refused_before_it_unfolds(tmp_path: Path) -> None:
    path = _database(tmp_path / "a.tradb", [_row(1, samples=10**9, kind=2, data=b"fLaC" + b"\x00" * 60)])
    with pytest.raises(UnsafeFileError, match=r"would unfold from 64 bytes to 2 GB for its transient 1"):
        matxai.read(path)


VIEW = "CREATE VIEW tr_data AS SELECT 1 AS SetID, randomblob(1000000000) AS Data"


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        (("DROP TABLE tr_data", VIEW), "without a plain table 'tr_data'"),
        (("DROP TABLE tr_data", "CREATE VIRTUAL TABLE tr_data USING fts3(a)"), "without a plain table 'tr_data'"),
        (("ALTER TABLE tr_data ADD COLUMN b AS (zeroblob(1000000000))",), None),
        (("CREATE TRIGGER t AFTER INSERT ON tr_data BEGIN DELETE FROM tr_data; END",), None),
    ],
)
def test_nothing_that_a_stranger_put_into_the_database_runs(
    tmp_path: Path, sql: tuple[str, ...], said: str | None
) -> None:
    path = _database(tmp_path / "a.tradb", [_row(1)], *sql)
    before = path.read_bytes()
    if said is None:
        np.testing.assert_allclose(matxai.read(path).values, [0, 0.002, 0.004, 0.006], rtol=1e-6)
    else:
        with pytest.raises(FileError, match=said):
            matxai.read(path)
    assert path.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == ["a.tradb"]


def test_a_view_that_calls_itself_a_table_cannot_be_read(tmp_path: Path) -> None:
    """The schema is text of the file: it may say anything, so the connection itself denies what is not known."""
    from matxai.signals.formats.vallen import _opened

    path = _database(tmp_path / "a.tradb", [_row(1)], "CREATE VIEW v AS SELECT * FROM tr_data", "CREATE TABLE w (a)")
    for query in (
        "SELECT * FROM v",
        "SELECT * FROM w",
        "SELECT randomblob(10) FROM tr_data",
        "DELETE FROM tr_data",
        "ATTACH 'x.db' AS x",
        "PRAGMA writable_schema = ON",
    ):
        with pytest.raises(FileError, match=r"prohibited|not authorized"), _opened(path) as base:
            base.execute(query).fetchall()


@pytest.mark.parametrize("change", [lambda raw: raw[:3000], lambda raw: raw[:100] + b"\xa5" * (len(raw) - 100)])
def test_cut_off_and_garbage_databases_are_one_sentence(
    emission: Path, tmp_path: Path, change: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / "a.tradb"
    path.write_bytes(change((emission / "steel_plate" / "sample.tradb").read_bytes()))
    with pytest.raises(FileError, match=r"a\.tradb") as caught:
        matxai.read(path)
    assert "\n" not in str(caught.value)


def test_several_lengths_warn(emission: Path) -> None:
    with pytest.warns(MatxaiWarning, match="holds 4 signals; 'TRAI 2, channel 2' .103488,. was read"):
        matxai.read(emission / "steel_plate" / "sample.tradb")

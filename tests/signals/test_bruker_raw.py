"""Bruker RAW, versions 1 to 4. No real file was at hand: files are written here from the published layouts.

Versions 3 and 4 are read by a second reader as well, which was tested on real files; 1 and 2 by nothing else.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import matxai
from matxai.errors import FileError, MatxaiWarning

RNG = np.random.default_rng(0)
COUNTS = RNG.poisson(200, 50).astype("<f4")
CU = (1.54056, 1.54439, 1.39222, 0.5)


def put(buffer: bytearray, at: int, code: str, *values: Any) -> None:
    struct.pack_into(f"<{code}", buffer, at, *values)


def version_1(ranges: list[tuple[float, float, Any]], *, repeat: bool = True) -> bytes:
    out = b""
    for i, (start, step, counts) in enumerate(ranges):
        header = bytearray(152)
        put(header, 0, "I", len(counts))
        put(header, 4, "ff", 1.5, step)
        put(header, 20, "ffff", start, start / 2, -1e6, 12.5)
        put(header, 36, "32s", b"corundum")
        put(header, 68, "ff", CU[0], CU[1])
        put(header, 148, "I", i + 1 < len(ranges))
        out += (b"RAW " if repeat or i == 0 else b"") + bytes(header) + np.asarray(counts, "<f4").tobytes()
    return out


def version_2(ranges: list[tuple[float, float, Any]], header: int = 60) -> bytes:
    top = bytearray(256)
    put(top, 0, "4sH", b"RAW2", len(ranges))
    put(top, 168, "20s2sfff", b"12-MAR-1994 10:11:12", b"CU", CU[0], CU[1], CU[3])
    out = bytes(top)
    for start, step, counts in ranges:
        head = bytearray(header)
        put(head, 0, "HH", header, len(counts))
        put(head, 8, "fff", 2.0, step, start)
        put(head, 46, "H", 298)
        out += bytes(head) + np.asarray(counts, "<f4").tobytes()
    return out


def version_3(
    ranges: list[tuple[float, float, Any]], *, code: int = 0, two_theta: Any = None, more: int = 0, omega: float = 7.0
) -> bytes:
    top = bytearray(712)
    put(top, 0, "8sII", b"RAW1.01\0", 1, len(ranges))
    put(top, 16, "10s10s", b"03/12/08", b"10:11:12")
    put(top, 326, "60s", b"corundum")
    put(top, 608, "4s4xddddd", b"Cu", 1.5418, *CU)
    out = bytes(top)
    for start, step, counts in ranges:
        head = bytearray(304)
        put(head, 0, "IIdd", 304, len(counts), omega, start)
        put(head, 24, "ddddd", 1.0, 2.0, 3.0, 4.0, 5.0)
        put(head, 176, "d", step)
        put(head, 192, "fI", 2.5, code)
        put(head, 224, "II", 40, 30)
        put(head, 240, "d", CU[0])
        put(head, 248, "III", int(two_theta is not None), 4 + 8 * (two_theta is not None), more)
        places = two_theta if two_theta is not None else [None] * len(counts)
        rows = b"".join(
            struct.pack("<f", c) + (struct.pack("<d", p) if p is not None else b"")
            for c, p in zip(counts, places, strict=True)
        )
        out += bytes(head) + bytes(more) + rows
    return out


def segment(kind: int, body: bytes) -> bytes:
    return struct.pack("<II", kind, 8 + len(body)) + body


def words(name: bytes, value: bytes) -> bytes:
    return segment(10, struct.pack("<I24s", 1, name) + value)


def version_4(
    ranges: list[tuple[float, float, Any]],
    *,
    kind: bytes = b"Locked Coupled",
    size: int = 8,
    drives: tuple[tuple[bytes, int, float], ...] | None = None,
) -> bytes:
    top = bytearray(61)
    put(top, 0, "8s4x12s10s", b"RAW4.00\0", b"03/12/2018", b"10:11:12")
    tube = bytearray(112)
    put(tube, 64, "ddddd4x4s", 1.5418, *CU, b"Cu")
    out = bytes(top) + words(b"SAMPLEID", b"corundum\n") + segment(30, bytes(tube)) + segment(99, b"unknown kind")
    for start, step, counts in ranges:
        listed = drives if drives is not None else ((b"Theta", 0, start / 2), (b"2Theta", 1, start), (b"Phi", 0, 15.0))
        chain = b""
        for name, flag, place in listed:
            body = bytearray(72)
            put(body, 0, "I24s", flag, name)
            put(body, 48, "d", place)
            chain += segment(50, bytes(body))
        head = bytearray(160)
        put(head, 0, "I", 160)
        put(head, 32, "24s", kind)
        put(head, 72, "ddIfxxxxff", start, step, len(counts), 310.0, 40.0, 25.0)
        put(head, 112, "d", CU[0])
        put(head, 136, "II", size, len(chain))
        rows = b"".join(struct.pack("<f", c) + bytes(size - 4) for c in counts)
        out += bytes(head) + chain + rows
    return out


def opened(path: Path, raw: bytes, **options: Any) -> xr.DataArray:
    file = path / "scan.raw"
    file.write_bytes(raw)
    return matxai.read(file, **options)


@pytest.mark.parametrize("version", [version_1, version_2, version_3, version_4])
def test_one_range(tmp_path: Path, version: Any) -> None:
    found = opened(tmp_path, version([(10.0, 0.05, COUNTS)]))
    assert found.dims == ("two_theta",)
    np.testing.assert_allclose(found.two_theta, 10 + 0.05 * np.arange(50), rtol=0, atol=1e-6)
    np.testing.assert_array_equal(found, COUNTS)
    assert found.attrs["wavelength"] == pytest.approx(CU[0], abs=1e-7)
    assert found.attrs["metadata"]["k_alpha2"] == pytest.approx(CU[1], abs=1e-7)
    assert found.attrs.get("anode") == (None if version is version_1 else "Cu")
    assert "value_unit" not in found.attrs  # counts or counts per second: the format does not say
    if version is not version_2:
        assert found.attrs["metadata"]["sample"] == "corundum"


@pytest.mark.parametrize("version", [version_1, version_2, version_3, version_4])
def test_ranges_on_one_axis_are_a_set_and_on_others_items(tmp_path: Path, version: Any) -> None:
    both = opened(tmp_path, version([(10.0, 0.05, COUNTS), (10.0, 0.05, 2 * COUNTS)]))
    assert both.dims == ("sample", "two_theta")
    np.testing.assert_array_equal(both, [COUNTS, 2 * COUNTS])
    assert list(both.coords["sample"].values) == ["range 1", "range 2"]
    raw = version([(10.0, 0.05, COUNTS), (30.0, 0.1, 2 * COUNTS[:20])])
    with pytest.warns(MatxaiWarning, match="2 signals; 'range 1'"):
        first = opened(tmp_path, raw)
    np.testing.assert_array_equal(first, COUNTS)
    second = opened(tmp_path, raw, item=1)
    np.testing.assert_allclose(second.two_theta, 30 + 0.1 * np.arange(20), rtol=0, atol=1e-5)
    np.testing.assert_array_equal(second, 2 * COUNTS[:20])


def test_early_files_do_not_repeat_the_mark(tmp_path: Path) -> None:
    ranges = [(10.0, 0.05, COUNTS), (10.0, 0.05, 2 * COUNTS)]
    np.testing.assert_array_equal(opened(tmp_path, version_1(ranges, repeat=False)), [COUNTS, 2 * COUNTS])


def test_unknown_drives_of_version_1_are_left_away(tmp_path: Path) -> None:
    metadata = opened(tmp_path, version_1([(10.0, 0.05, COUNTS)])).attrs["metadata"]
    assert metadata["position_phi"] == 12.5
    assert "position_chi" not in metadata


MEASURED = 10 + 0.05 * np.arange(50) + 1e-4


@pytest.mark.parametrize(
    ("version", "more"),
    [
        (version_3, {}),
        (version_3, {"two_theta": MEASURED}),
        (version_3, {"more": 40}),
        (version_4, {}),
        (version_4, {"size": 4}),
    ],
)
def test_what_a_second_reader_finds(tmp_path: Path, version: Any, more: dict[str, Any]) -> None:
    import geddes

    ours = opened(tmp_path, version([(10.0, 0.05, COUNTS)], **more))
    expected = geddes.read(str(tmp_path / "scan.raw"))
    np.testing.assert_allclose(ours.two_theta, expected.x, rtol=1e-14)
    np.testing.assert_array_equal(ours, expected.y)


@pytest.mark.parametrize(
    ("code", "dim", "first"), [(2, "two_theta", 10), (3, "omega", 7), (4, "chi", 1), (5, "phi", 2)]
)
def test_scans_of_version_3_lie_on_the_drive_that_moved(tmp_path: Path, code: int, dim: str, first: float) -> None:
    found = opened(tmp_path, version_3([(10.0, 0.05, COUNTS)], code=code))
    assert found.dims == (dim,)
    assert found[dim].attrs["units"] == "degree"
    assert float(found[dim][0]) == first


def test_a_coupled_scan_has_omega_beside_it(tmp_path: Path) -> None:
    for raw in (version_3([(10.0, 0.05, COUNTS)], omega=5.0), version_4([(10.0, 0.05, COUNTS)])):
        found = opened(tmp_path, raw)
        np.testing.assert_allclose(found.omega, 5 + 0.025 * np.arange(50), rtol=1e-12)


def test_a_stage_scan_is_in_millimetres(tmp_path: Path) -> None:
    found = opened(tmp_path, version_3([(10.0, 0.05, COUNTS)], code=8))
    assert found.dims == ("stage_z",)
    assert found.stage_z.attrs["units"] == "mm"


def test_a_scan_of_an_unknown_kind_has_an_unnamed_axis_until_it_is_named(tmp_path: Path) -> None:
    raw = version_3([(10.0, 0.05, COUNTS)], code=77)
    found = opened(tmp_path, raw)
    assert found.dims == ("axis",)
    assert "units" not in found.axis.attrs
    assert "type 77" in found.attrs["notes"][0]
    assert opened(tmp_path, raw, axis="phi").dims == ("phi",)


@pytest.mark.parametrize(
    ("kind", "drives", "dim"),
    [
        (b"Rocking Curve", ((b"Theta", 1, 10.0), (b"2Theta", 0, 20.0)), "omega"),
        (b"Locked Coupled", (), "two_theta"),
        (b"Detector Scan", ((b"Theta", 1, 3.0),), "two_theta"),  # marked, but not where the range begins
        (b"Whatever", (), "axis"),
    ],
)
def test_the_drive_of_version_4_is_marked_and_stands_at_the_start(
    tmp_path: Path, kind: bytes, drives: Any, dim: str
) -> None:
    assert opened(tmp_path, version_4([(10.0, 0.05, COUNTS)], kind=kind, drives=drives)).dims == (dim,)


@pytest.mark.parametrize("version", [version_1, version_2, version_3, version_4])
def test_a_file_that_is_cut_off_is_refused_at_every_place(tmp_path: Path, version: Any) -> None:
    raw = version([(10.0, 0.05, COUNTS[:6])])
    for end in range(8, len(raw) - 1, 7):
        with pytest.raises(FileError, match=r"scan\.raw"):
            opened(tmp_path, raw[:end])


@pytest.mark.parametrize("version", [version_1, version_2, version_3, version_4])
def test_lengths_that_lie_and_garbage_are_refused(tmp_path: Path, version: Any) -> None:
    raw = bytearray(version([(10.0, 0.05, COUNTS)]))
    at = {version_1: 4, version_2: 258, version_3: 716}.get(version) or raw.index(b"Locked Coupled") + 56
    put(raw, at, "H" if version is version_2 else "I", 60_000 if version is version_2 else 0xFFFFFFF0)
    with pytest.raises(FileError, match=r"claims .* for its|no scan"):
        opened(tmp_path, bytes(raw))
    for seed in range(20):
        noise = np.random.default_rng(seed).integers(0, 256, 2000, np.uint8).tobytes()
        with pytest.raises(FileError):
            opened(tmp_path, raw[:8] + noise)


def test_a_descending_range_ascends(tmp_path: Path) -> None:
    found = opened(tmp_path, version_3([(20.0, -0.1, COUNTS)]))
    assert float(found.two_theta[-1]) == 20
    np.testing.assert_array_equal(found, COUNTS[::-1])


def test_an_image_of_raw_bytes_is_not_taken_for_a_scan(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="named like Bruker RAW but does not begin like one"):
        opened(tmp_path, bytes(range(200)))

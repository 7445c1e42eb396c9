"""WAV: every kind of sample against the standard library, SciPy and soundfile; files that lie."""

from __future__ import annotations

import struct
import wave
from pathlib import Path

import numpy as np
import pytest
from scipy.io import wavfile

import matxai
from matxai.errors import FileError

WAVE = np.round(20_000 * np.sin(np.arange(200) / 7)).astype(np.int16)


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.float32, np.float64])
def test_samples_as_scipy_wrote_and_reads_them(tmp_path: Path, dtype: type) -> None:
    wavfile.write(tmp_path / "a.wav", 44_100, WAVE.astype(dtype))
    ours = matxai.read(tmp_path / "a.wav")
    rate, theirs = wavfile.read(tmp_path / "a.wav")
    assert ours.dims == ("time",) and ours.attrs["sampling_rate"] == rate == 44_100 and ours.dtype == dtype
    np.testing.assert_array_equal(ours.values, theirs)
    np.testing.assert_allclose(ours.time, np.arange(200) / 44_100, rtol=1e-15)
    assert ours.time.attrs["units"] == "s"


def test_channels_stay_apart(tmp_path: Path) -> None:
    wavfile.write(tmp_path / "a.wav", 8000, np.stack([WAVE, -WAVE], axis=1))
    ours = matxai.read(tmp_path / "a.wav")
    assert ours.dims == ("time", "c")
    np.testing.assert_array_equal(ours[:, 1], -WAVE)


@pytest.mark.parametrize("width", [1, 3])
def test_widths_that_numpy_has_not(tmp_path: Path, width: int) -> None:
    true = np.array([0, 1, -1, 2 ** (8 * width - 1) - 1, -(2 ** (8 * width - 1))])
    raw = (
        b"".join(int(v).to_bytes(3, "little", signed=True) for v in true)
        if width == 3
        else bytes((true + 128).tolist())
    )
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(width)
        file.setframerate(1000)
        file.writeframes(raw)
    ours = matxai.read(tmp_path / "a.wav")
    np.testing.assert_array_equal(ours.values, true)
    assert ("notes" in ours.attrs) == (width == 1)


@pytest.mark.parametrize(("kind", "subtype"), [("RF64", "PCM_24"), ("WAVEX", "FLOAT"), ("WAVEX", "PCM_16")])
def test_long_and_extensible_headers(tmp_path: Path, kind: str, subtype: str) -> None:
    soundfile = pytest.importorskip("soundfile", reason="the independent reader of RF64 is not installed")
    soundfile.write(tmp_path / "a.wav", WAVE / 2**15, 5000, format=kind, subtype=subtype)
    ours = matxai.read(tmp_path / "a.wav")
    scale = {"PCM_24": 2**23, "PCM_16": 2**15}.get(subtype, 1)
    np.testing.assert_allclose(ours.values / scale, WAVE / 2**15, rtol=1e-6)
    assert ours.attrs["sampling_rate"] == 5000


def test_big_endian(tmp_path: Path) -> None:
    body = b"WAVE" + b"fmt " + struct.pack(">IHHIIHH", 16, 1, 1, 100, 200, 2, 16)
    body += (
        b"LIST" + struct.pack(">I", 3) + b"abc\x00" + b"data" + struct.pack(">I", 6) + struct.pack(">3h", 1, -2, 300)
    )
    (tmp_path / "a.wav").write_bytes(b"RIFX" + struct.pack(">I", len(body)) + body)
    np.testing.assert_array_equal(matxai.read(tmp_path / "a.wav").values, [1, -2, 300])


def _header(**change: int) -> bytes:
    said = {"kind": 1, "channels": 1, "rate": 100, "frame": 2, "bits": 16, "data": 8, **change}
    form = struct.pack("<IHHIIHH", 16, said["kind"], said["channels"], said["rate"], 0, said["frame"], said["bits"])
    return b"RIFF\x00\x00\x00\x00WAVEfmt " + form + b"data" + struct.pack("<I", said["data"]) + b"\x01" * 8


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (_header(data=10**9), "claims 1 GB for its samples and holds 8 bytes"),
        (_header(kind=2, bits=4), "format 2 with 4 bits"),
        (_header(rate=0), "at 0 Hz"),
        (_header(channels=3), "3 channels at 100 Hz in frames of 2 bytes"),
        (_header(data=2), "holds 1 samples"),
        (_header()[:30], "its format has 10 of at least 16 bytes"),
        (_header()[:36], "has no samples"),
        (b"RIFF\x04\x00\x00\x00WAVE", "has no format"),
        (b"RIFF\x04\x00\x00\x00WAVE" + b"\xff" * 300, "has no format"),
    ],
)
def test_files_that_lie_are_one_sentence(tmp_path: Path, raw: bytes, said: str) -> None:
    (tmp_path / "a.wav").write_bytes(raw)
    with pytest.raises(FileError, match=said):
        matxai.read(tmp_path / "a.wav")


def test_a_wav_has_no_axis_to_choose(tmp_path: Path) -> None:
    wavfile.write(tmp_path / "a.wav", 8000, WAVE)
    with pytest.raises(FileError, match="has no axis to choose"):
        matxai.read(tmp_path / "a.wav", axis="energy")

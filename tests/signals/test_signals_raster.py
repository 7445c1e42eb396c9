"""PNG, JPEG and BMP against PIL and closed forms, and files that lie."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from matxai.errors import FileError, UnsafeFileError
from matxai.signals import inspect, read

rng = np.random.default_rng(0)
GREY = rng.integers(0, 256, (12, 17), dtype=np.uint8)
COLOUR = rng.integers(0, 256, (12, 17, 3), dtype=np.uint8)


def png(width: int, height: int, *, depth: int = 8, colour: int = 0, body: bytes = b"") -> bytes:
    """A PNG with this header and body, every checksum right."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(body)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("suffix", ["png", "bmp"])
def test_grey_stays_grey_and_colour_has_the_dim_c(tmp_path: Path, suffix: str) -> None:
    for name, data in (("grey", GREY), ("colour", COLOUR)):
        Image.fromarray(data).save(tmp_path / f"{name}.{suffix}")
        signal = read(tmp_path / f"{name}.{suffix}")
        assert signal.dims == ("y", "x", "c")[: data.ndim]
        assert signal.dtype == np.uint8
        np.testing.assert_array_equal(signal.values, data)
        assert signal.x.attrs["units"] == "pixel"
        assert signal.attrs["pixel_size_source"].startswith("uncalibrated")
        assert signal.attrs["reader"] == suffix


def test_jpeg_grey_and_colour(tmp_path: Path) -> None:
    for name, data in (("grey", GREY), ("colour", COLOUR)):
        path = tmp_path / f"{name}.jpg"
        Image.fromarray(data).save(path, quality=95, dpi=(300, 300))
        signal = read(path)
        assert signal.shape == data.shape
        with Image.open(path) as image:
            np.testing.assert_array_equal(signal.values, np.asarray(image))
        assert "300 dots per inch" in signal.attrs["pixel_size_source"]


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_sixteen_bits_stay_sixteen_bits(tmp_path: Path, channels: int) -> None:
    data = rng.integers(0, 65536, (9, 11, channels), dtype=np.uint16)
    data = data[..., 0] if channels == 1 else data
    path = tmp_path / "a.png"
    path.write_bytes(imagecodecs.png_encode(data))
    signal = read(path)
    assert signal.dtype == np.uint16
    np.testing.assert_array_equal(signal.values, data if channels == 1 else data[..., :3])


@pytest.mark.parametrize(("depth", "factor"), [(1, 255), (2, 85), (4, 17)])
def test_few_bits_are_brought_to_eight(tmp_path: Path, depth: int, factor: int) -> None:
    values = rng.integers(0, 2**depth, (4, 8), dtype=np.uint8)
    rows = b""
    for row in values:
        bits = "".join(format(int(v), f"0{depth}b") for v in row)
        rows += b"\x00" + int(bits, 2).to_bytes(len(bits) // 8, "big")
    (tmp_path / "a.png").write_bytes(png(8, 4, depth=depth, body=rows))
    np.testing.assert_array_equal(read(tmp_path / "a.png").values, values * factor)


def test_alpha_is_left_out_and_said(tmp_path: Path) -> None:
    rgba = rng.integers(0, 256, (5, 6, 4), dtype=np.uint8)
    Image.fromarray(rgba).save(tmp_path / "a.png")
    Image.fromarray(rgba[..., :2], mode="LA").save(tmp_path / "b.png")
    a, b = read(tmp_path / "a.png"), read(tmp_path / "b.png")
    np.testing.assert_array_equal(a.values, rgba[..., :3])
    np.testing.assert_array_equal(b.values, rgba[..., 0])
    assert a.attrs["notes"] == b.attrs["notes"] == ["the alpha channel was left out"]


def palette_png(path: Path, index: np.ndarray, colours: np.ndarray) -> None:
    image = Image.fromarray(index, mode="P")
    image.putpalette(colours.astype(np.uint8).tobytes())
    image.save(path)


def test_palettes(tmp_path: Path) -> None:
    ramp = np.repeat(np.arange(256)[:, None], 3, axis=1)
    palette_png(tmp_path / "ramp.png", GREY, ramp)
    np.testing.assert_array_equal(read(tmp_path / "ramp.png").values, GREY)

    overlay = ramp.copy()
    overlay[[9, 18, 27]] = [[255, 0, 0], [0, 255, 0], [0, 0, 255]]
    palette_png(tmp_path / "overlay.png", GREY, overlay)
    np.testing.assert_array_equal(read(tmp_path / "overlay.png").values, GREY)

    palette_png(tmp_path / "inverted.png", GREY, ramp[::-1])
    np.testing.assert_array_equal(read(tmp_path / "inverted.png").values, 255 - GREY)

    colours = rng.integers(0, 256, (256, 3))
    palette_png(tmp_path / "colour.png", GREY, colours)
    signal = read(tmp_path / "colour.png")
    assert signal.dims == ("y", "x", "c")
    np.testing.assert_array_equal(signal.values, colours[GREY])
    assert "palette" in signal.attrs["notes"][0]


def test_a_png_called_tif_is_read_as_what_it_is_and_said(tmp_path: Path) -> None:
    Image.fromarray(GREY).save(tmp_path / "a.png")
    (tmp_path / "a.png").rename(tmp_path / "a.tif")
    signal = read(tmp_path / "a.tif")
    assert signal.attrs["reader"] == "png"
    np.testing.assert_array_equal(signal.values, GREY)
    assert signal.attrs["notes"] == ["a.tif is named like TIFF but holds PNG; it was read as what it holds"]
    assert inspect(tmp_path / "a.tif").problems == tuple(signal.attrs["notes"])


def test_orientation_is_said_and_rows_stay_as_stored(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(GREY).save(tmp_path / "a.jpg", exif=exif)
    signal = read(tmp_path / "a.jpg")
    assert signal.shape == GREY.shape
    assert "orientation 6" in signal.attrs["notes"][0]


def test_a_sidecar_beside_a_jpeg_and_phenoms_xml_inside(tmp_path: Path) -> None:
    Image.fromarray(GREY).save(tmp_path / "a.jpg")
    (tmp_path / "a.txt").write_text("[SemImageFile]\nPixelSize=24.8\nDataSize=17x10\n")
    signal = read(tmp_path / "a.jpg")
    assert (float(signal.x[1]), signal.attrs["info_bar"]) == (24.8, [10, 11])
    xml = "<FeiImage><databarHeight>2</databarHeight><pixelWidth unit='um'>0.5</pixelWidth></FeiImage>"
    with (tmp_path / "b.jpg").open("wb") as file:
        file.write((tmp_path / "a.jpg").read_bytes() + xml.encode())
    signal = read(tmp_path / "b.jpg")
    assert (float(signal.y[1]), signal.attrs["info_bar"]) == (0.5, [10, 11])
    bomb = "<!DOCTYPE FeiImage [<!ENTITY a 'ha'>]>" + xml
    (tmp_path / "c.jpg").write_bytes((tmp_path / "a.jpg").read_bytes() + bomb.encode())
    with pytest.raises(UnsafeFileError, match="declares entities"):
        read(tmp_path / "c.jpg")


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (png(100000, 100000), UnsafeFileError),
        (png(2**31 - 1, 2**31 - 1, depth=16, colour=6), UnsafeFileError),
        (png(20000, 20000, body=b"\x00" * 1000), UnsafeFileError),
        (png(8, 8, body=b"\x00" * 9), FileError),
        (png(8, 8)[:20], FileError),
        (png(8, 8)[:8], FileError),
        (png(0, 0), FileError),
        (png(8, 8, depth=16, colour=2, body=b"\x00" * 20), FileError),
        (b"\xff\xd8\xff\xe0" + b"\x00" * 60, FileError),
        (b"BM" + b"\xff\x00\x00\x00" + b"\x00" * 60, FileError),
    ],
)
def test_hostile_headers_are_one_sentence(tmp_path: Path, data: bytes, error: type[FileError]) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(data)
    with pytest.raises(error) as caught:
        read(path)
    assert type(caught.value) is error
    assert "\n" not in str(caught.value)
    assert "a.png" in str(caught.value)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.bmp"])
def test_truncated_files_are_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    Image.fromarray(rng.integers(0, 256, (200, 200, 3), dtype=np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(FileError, match=name):
        read(path)


def test_a_picture_beyond_pils_own_guard_needs_only_our_limit(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    rows = b"".join(b"\x00" + b"\x00" * 12500 for _ in range(2))
    path.write_bytes(png(100000, 2, depth=1, body=rows))
    assert read(path).shape == (2, 100000)


@pytest.mark.data
def test_steel_strip_and_spindle_images_equal_pils(data_dir: Path) -> None:
    strips = sorted((data_dir / "xsdd_steel_strip" / "images").rglob("*.*"))
    chosen = [p for p in strips if p.suffix == ".png"][:3] + [p for p in strips if p.suffix == ".jpg"][:5]
    chosen += sorted((data_dir / "bsd_pitting" / "images").glob("*.jpg"))[:2]
    chosen += sorted((data_dir / "bsd_pitting" / "masks").glob("*.png"))[:2]
    assert len(chosen) == 12
    for path in chosen:
        signal = read(path)
        with Image.open(path) as image:
            np.testing.assert_array_equal(signal.values, np.asarray(image))
        assert signal.x.attrs["units"] == "pixel"

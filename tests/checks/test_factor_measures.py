"""How a file was written, and four numbers of a picture: against Pillow's own tables and pictures made by hand."""

from __future__ import annotations

import io

import numpy as np
import pytest
import tifffile
from PIL import Image
from scipy import ndimage

from matxai.checks.leak.factors.changing import grey_of, with_size, with_values
from matxai.checks.leak.factors.file_facts import FileFacts, file_facts, quality_of, reencoded
from matxai.checks.leak.factors.measuring import blur_for, brightness_of, contrast_of, focus_of, noise_of
from matxai.errors import FileError
from matxai.signals import labelled


def _picture(seed: int = 0, size: int = 64) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.clip(ndimage.gaussian_filter(rng.normal(128, 300, (size, size)), 3) + 0, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("quality", [30, 75, 92])
def test_a_jpeg_tells_its_tables_whatever_it_is_called(tmp_path, quality) -> None:
    path = tmp_path / "wrong.png"
    Image.fromarray(_picture()).save(path, "JPEG", quality=quality)
    found = file_facts(path)
    assert (found.kind, found.lossy) == ("jpeg", True)
    assert found.compression == f"quality {quality}"
    assert quality_of(found.tables[0]) == quality


def test_what_was_written_is_told(tmp_path) -> None:
    Image.fromarray(_picture()).save(tmp_path / "a.png")
    tifffile.imwrite(tmp_path / "b.tif", _picture(), compression="zlib")
    tifffile.imwrite(tmp_path / "c.tif", _picture())
    Image.fromarray(np.stack([_picture()] * 3, -1)).save(tmp_path / "d.jpg", quality=75, subsampling=2)
    told = {p.name: file_facts(p) for p in sorted(tmp_path.iterdir())}
    assert (told["a.png"].kind, told["a.png"].compression) == ("png", "lossless")
    assert told["b.tif"].compression == "adobe_deflate"
    assert told["c.tif"].compression == "none"
    assert told["d.jpg"].compression == "quality 75, 4:2:0"
    assert not told["a.png"].lossy


def test_hostile_files_get_one_sentence(tmp_path) -> None:
    (tmp_path / "cut.jpg").write_bytes(b"\xff\xd8\xff\xdb\x00\x10")
    (tmp_path / "odd.xyz9").write_bytes(bytes(range(256)))
    with pytest.raises(FileError, match=r"cut\.jpg begins like jpeg"):
        file_facts(tmp_path / "cut.jpg")
    with pytest.raises(FileError, match="of no type that a reader knows"):
        file_facts(tmp_path / "odd.xyz9")
    with pytest.raises(FileError, match="cannot be read"):
        file_facts(tmp_path / "missing.png")


@pytest.mark.parametrize("colour", [False, True])
def test_reencoding_is_what_the_file_would_hold(tmp_path, colour) -> None:
    values = np.stack([_picture(k) for k in range(3)], -1) if colour else _picture()
    options = {"subsampling": 2} if colour else {}
    Image.fromarray(_picture(9) if not colour else values).save(tmp_path / "donor.jpg", quality=40, **options)
    held = io.BytesIO()
    Image.fromarray(values).save(held, "JPEG", quality=40, **options)
    np.testing.assert_array_equal(
        reencoded(values, file_facts(tmp_path / "donor.jpg")), np.array(Image.open(io.BytesIO(held.getvalue())))
    )
    np.testing.assert_array_equal(reencoded(values, FileFacts("png", "lossless")), values)


def test_jpeg_holds_no_sixteen_bits() -> None:
    facts = FileFacts("jpeg", "quality 75", ((16,) * 64,))
    assert reencoded(np.zeros((8, 8), np.uint16), facts) is None
    assert reencoded(np.zeros((8, 8, 2), np.uint8), facts) is None


def test_noise_is_that_of_white_noise() -> None:
    rng = np.random.default_rng(0)
    for shape in ((20000,), (200, 200), (40, 40, 40)):
        assert noise_of(rng.normal(0, 7, shape)) == pytest.approx(7, rel=0.03)
    y, x = np.mgrid[:50, :50]
    assert noise_of(3.0 * y + 2 * x + 5) == pytest.approx(0, abs=1e-9)
    assert noise_of(np.where(x > 20, 200.0, 10.0)) == 0.0  # an edge along an axis is no noise


def test_focus_falls_with_blur_and_not_with_contrast() -> None:
    sharp = np.random.default_rng(0).normal(100, 20, (64, 64))
    blurred = ndimage.gaussian_filter(sharp, 1.5)
    assert focus_of(blurred) < focus_of(sharp) / 5
    assert focus_of(3 * sharp + 9) == pytest.approx(focus_of(sharp))
    width = blur_for(sharp, focus_of(blurred))
    assert width == pytest.approx(1.5, rel=0.1)
    assert blur_for(blurred, focus_of(sharp)) == 0.0
    assert focus_of(np.zeros((5, 5))) == 0.0


def test_changed_values_stay_in_their_type_and_place() -> None:
    signal = labelled(
        np.full((8, 10), 250, np.uint8), ("y", "x"), spacing={"y": 2.0, "x": 2.0}, units={"y": "nm", "x": "nm"}
    )
    brighter = with_values(signal, signal.values + 20.0)
    assert brighter.dtype == np.uint8
    assert int(brighter.max()) == 255
    half = with_size(signal, (4, 5))
    assert half.shape == (4, 5)
    assert half.dtype == np.uint8
    assert float(half.x[1] - half.x[0]) == pytest.approx(4.0)
    assert float(half.x[0]) == pytest.approx(1.0)  # the first new pixel is the mean of the first two
    assert half.x.attrs["units"] == "nm"
    assert (half.values == 250).all()
    grey = grey_of(labelled(np.stack([np.zeros((3, 3)), np.full((3, 3), 6.0)], -1), ("y", "x", "c")))
    assert (brightness_of(grey), contrast_of(grey)) == (3.0, 0.0)

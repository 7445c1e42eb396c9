"""What makers write about their images, each from a small text of its kind: pixel size, bar, stale tags."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from matxai.errors import FileError, UnsafeFileError
from matxai.signals import read
from matxai.signals.vendors import fei, gatan, hitachi, imagej, jeol, phenom, tescan, zeiss
from matxai.signals.vendors.calibration import decoded, plain, sections
from matxai.signals.vendors.xml_text import parsed

FEI = """[Beam]
HV=5000
Beam=EBeam
Scan=EScan
[Scan]
PixelWidth=2.5e-009
PixelHeight=2.5e-009
[Image]
ResolutionX=64
ResolutionY=48
[PrivateFei]
DatabarHeight=0
"""
ZEISS = """0
0
0
3.0e-009
1.0e+003
DP_IMAGE_STORE
Store resolution = 64 * 48
AP_PIXEL_SIZE
Pixel Size = 99.0 nm
AP_IMAGE_PIXEL_SIZE
Image Pixel Size = 7344 pm
AP_WIDTH
Width = 7.52 µm
"""
JEOL = """$SEM_DATA_VERSION 1
$CM_MAG 5000
$$SM_MICRON_BAR 160
$$SM_MICRON_MARKER 5um
$CM_FULL_SIZE 64 48
"""
HITACHI = "[SemImageFile]\r\nInstructName=TM3000\r\nPixelSize=24.8\r\nDataSize=64x48\r\nWorkingDistance=8300 um\r\n"
TESCAN = "[MAIN]\nDevice=MIRA3\nImageStripSize=12\nPixelSizeX=5e-08\nPixelSizeY=6e-08\n[SEM]\nHV=5000\n"
PHENOM = (
    "<FeiImage><databarHeight>12</databarHeight><pixelWidth unit='nm'>20.5</pixelWidth>"
    "<pixelHeight unit='nm'>20.5</pixelHeight><instrument><type>XL</type></instrument></FeiImage>"
)
FEI_XML = (
    "<?xml version='1.0'?><Metadata xmlns='http://schemas.fei.com/Metadata/v1/2013/07'><Core><UserID>u</UserID></Core>"
    "<BinaryResult><ImageSize><X>64</X><Y>48</Y></ImageSize><PixelSize><X unit='{unit}'>{x}</X><Y unit='{unit}'>{x}</Y>"
    "</PixelSize></BinaryResult></Metadata>"
)
BOMB = "<?xml version='1.0'?><!DOCTYPE l [<!ENTITY a 'ha'><!ENTITY b '&a;&a;&a;&a;'>]><{root}>&b;</{root}>"


def test_fei_bar_is_height_minus_resolution_even_where_databar_says_zero() -> None:
    known = fei.from_text(FEI, 64, 60, tag=34682)
    assert known.source == "FEI tag 34682"
    assert dict(known.spacing) == {"x": 2.5, "y": 2.5}
    assert set(known.units.values()) == {"nm"}
    assert known.info_bar == (48, 59)
    assert known.metadata["Beam"]["HV"] == 5000


def test_fei_databar_height_counts_only_without_a_resolution() -> None:
    text = FEI.replace("ResolutionY=48\n", "").replace("DatabarHeight=0", "DatabarHeight=5")
    assert fei.from_text(text, 64, 60, tag=34680).info_bar == (55, 59)
    assert fei.from_text(FEI.replace("DatabarHeight=0", "DatabarHeight=5"), 64, 48, tag=34680).info_bar is None


@pytest.mark.parametrize("size", [(32, 30), (64, 40), (128, 96), (64, 96)])
def test_fei_tags_of_a_rescaled_or_cropped_file_are_stale(size: tuple[int, int]) -> None:
    known = fei.from_text(FEI, *size, tag=34682)
    assert not known.known
    assert (
        known.source.startswith("uncalibrated: FEI tag 34682: its tags are of an image 64") or "48 rows" in known.source
    )
    assert known.info_bar is None


def test_fei_navigation_camera_has_the_field_of_its_own_beam() -> None:
    text = "[Beam]\nBeam=IRBeam\n[IRBeam]\nHFW=0.064\n[Image]\nResolutionX=64\nResolutionY=48\n"
    assert dict(fei.from_text(text, 64, 48, tag=34680).spacing) == {"x": 1.0, "y": 1.0}


def test_fei_xml_in_metres_and_in_reciprocal_space() -> None:
    root = parsed(FEI_XML.format(unit="m", x="3.2e-10"), "a.tif", "tag")
    assert root is not None
    known = fei.from_xml(root, 64, 60, tag=34683)
    assert (known.spacing["x"], known.units["x"], known.info_bar) == (0.32, "nm", (48, 59))
    root = parsed(FEI_XML.format(unit="1/m", x="2.5e7"), "a.tif", "tag")
    assert root is not None
    known = fei.from_xml(root, 64, 48, tag=34683)
    assert (known.spacing["x"], known.units["x"], known.info_bar) == (0.025, "1/nm", None)


def test_zeiss_takes_the_images_pixel_never_the_displays() -> None:
    known = zeiss.from_text(ZEISS, 64, 48)
    assert known.source == "Zeiss tag 34118 ap_image_pixel_size"
    assert (known.spacing["x"], known.units["x"]) == (7.344, "nm")
    without = ZEISS.replace("AP_IMAGE_PIXEL_SIZE\nImage Pixel Size = 7344 pm\n", "")
    known = zeiss.from_text(without, 64, 48)
    assert known.source == "Zeiss tag 34118 ap_width / columns"
    assert (known.spacing["x"], known.units["x"]) == (pytest.approx(0.1175), "um")
    bare = without.replace("AP_WIDTH\nWidth = 7.52 µm\n", "").replace("64 * 48", "2048 * 48")
    assert zeiss.from_text(bare, 2048, 48).spacing["x"] == pytest.approx(1.5)
    assert zeiss.from_text(ZEISS, 32, 24).source.startswith("uncalibrated: Zeiss tag 34118: its tags are of an image")


def test_jeol_needs_the_length_of_its_bar() -> None:
    known = jeol.from_text(JEOL, 64, 60, source="JEOL sidecar a.txt")
    assert (known.spacing["x"], known.units["x"]) == (31.25, "nm")
    assert known.info_bar == (48, 59)
    assert "160 +- 1 pixels" in known.source
    known = jeol.from_text(JEOL.replace("$$SM_MICRON_BAR 160\n", ""), 64, 48, source="JEOL sidecar a.txt")
    assert known.source.startswith("uncalibrated: JEOL sidecar a.txt has no $$SM_MICRON_BAR")
    assert known.metadata["CM_MAG"] == 5000
    assert not jeol.from_text(JEOL, 128, 96, source="s").known


def test_hitachi_in_ascii_and_utf_16(tmp_path: Path) -> None:
    known = hitachi.from_text(HITACHI, 64, 60, source="Hitachi sidecar a.txt")
    assert (known.spacing["x"], known.units["x"], known.info_bar) == (24.8, "nm", (48, 59))
    for name, raw in (("a", HITACHI.encode()), ("b", HITACHI.encode("utf-16")), ("c", HITACHI.encode("utf-16-le"))):
        tifffile.imwrite(tmp_path / f"{name}.tif", np.zeros((60, 64), np.uint8))
        (tmp_path / f"{name}.txt").write_bytes(raw)
        signal = read(tmp_path / f"{name}.tif")
        assert float(signal.x[1]) == pytest.approx(24.8)
        assert signal.attrs["info_bar"] == [48, 59]
        assert signal.attrs["pixel_size_source"] == f"Hitachi sidecar {name}.txt PixelSize"


def test_tescan_in_a_tag_behind_a_thumbnail_and_in_a_sidecar(tmp_path: Path) -> None:
    raw = b"\xff\xd8thumbnail\x00" + TESCAN.encode()
    known = tescan.from_tag(raw, 60)
    assert known is not None
    assert (dict(known.spacing), known.info_bar) == ({"x": 50.0, "y": 60.0}, (48, 59))
    tifffile.imwrite(tmp_path / "tag.tif", np.zeros((60, 64), np.uint8), extratags=[(50431, 7, len(raw), raw, True)])
    signal = read(tmp_path / "tag.tif")
    assert signal.attrs["pixel_size_source"] == "TESCAN tag 50431 PixelSizeX"
    assert signal.attrs["info_bar"] == [48, 59]
    tifffile.imwrite(tmp_path / "side.tif", np.zeros((60, 64), np.uint8))
    (tmp_path / "side-tif.hdr").write_text(TESCAN)
    signal = read(tmp_path / "side.tif")
    assert signal.attrs["pixel_size_source"] == "TESCAN sidecar side-tif.hdr PixelSizeX"
    np.testing.assert_allclose(signal.y[:2], [0, 60.0])


@pytest.mark.parametrize("code", [34682, 34680, 34683])
def test_xml_of_fei_and_phenom_in_whichever_tag(tmp_path: Path, code: int) -> None:
    for name, text in (("fei", FEI_XML.format(unit="m", x="2e-8")), ("phenom", PHENOM)):
        path = tmp_path / f"{name}.tif"
        tag = (code, 7, len(text), text.encode(), True)
        tifffile.imwrite(path, np.zeros((60, 64), np.uint8), extratags=[tag])
        signal = read(path)
        assert float(signal.x[1]) == (20.0 if name == "fei" else 20.5)
        assert signal.attrs["info_bar"] == [48, 59]
        assert f"tag {code}" in signal.attrs["pixel_size_source"]


def test_phenom_among_the_bytes_of_a_jpeg() -> None:
    raw = b"\xff\xd8\xff\xe1" + PHENOM.encode() + b"\xff\xd9"
    assert phenom.xml_among(raw) == PHENOM
    assert phenom.xml_among(b"\xff\xd8 nothing") == ""


@pytest.mark.parametrize(("code", "root"), [(34682, "Metadata"), (34683, "FeiImage"), (270, "OME")])
def test_entities_in_a_tags_xml_are_refused(tmp_path: Path, code: int, root: str) -> None:
    path, text = tmp_path / "bomb.tif", BOMB.format(root=root)
    if code == 270:
        tifffile.imwrite(path, np.zeros((8, 8), np.uint8), description=text, metadata=None)
    else:
        tifffile.imwrite(path, np.zeros((8, 8), np.uint8), extratags=[(code, 7, len(text), text.encode(), True)])
    with pytest.raises(UnsafeFileError, match=r"bomb\.tif declares entities"):
        read(path)


def test_broken_xml_is_no_calibration_and_no_error(tmp_path: Path) -> None:
    text = b"<Metadata><Core>"
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((8, 8), np.uint8), extratags=[(34683, 7, len(text), text, True)])
    assert read(tmp_path / "a.tif").attrs["pixel_size_source"] == "uncalibrated: the XML in tag 34683 cannot be parsed"


def test_gatan_scale_without_a_unit_is_no_calibration() -> None:
    tags = {65003: "nm", 65004: "nm", 65006: -4.0, 65007: 2.0, 65009: 0.5, 65010: 0.5}
    known = gatan.from_tags(tags)
    assert (dict(known.spacing), dict(known.origin)) == ({"x": 0.5, "y": 0.5}, {"x": -4.0, "y": 2.0})
    assert not gatan.from_tags({**tags, 65003: "", 65004: ""}).known
    assert not gatan.from_tags({**tags, 65004: "eV"}).known


@pytest.mark.parametrize(
    ("unit", "per", "step"),
    [("micron", 5.0, 0.2), ("nm", 0.5, 2.0), ("inch", 100.0, None), ("cm", 28.3465, None), ("cm", 118.11, None),
     ("cm", 5e4, 2e-5), ("pixel", 1.0, None), ("", 5.0, None), ("\\u00B5m", 4.0, 0.25)],
)  # fmt: skip
def test_imagej_units(unit: str, per: float, step: float | None) -> None:
    known = imagej.from_settings({"unit": unit} if unit else {}, per, per)
    assert known.known == (step is not None)
    if step is not None:
        assert known.spacing["x"] == pytest.approx(step)
    else:
        assert known.source.startswith("uncalibrated: ")


def test_a_stale_makers_tag_gives_way_to_a_calibration_that_fits(tmp_path: Path) -> None:
    path = tmp_path / "rescaled.tif"
    tag = (34682, 7, len(FEI), FEI.encode(), True)
    tifffile.imwrite(path, np.zeros((30, 32), np.uint8), extratags=[tag])
    assert read(path).attrs["pixel_size_source"].startswith("uncalibrated: FEI tag 34682")
    description = "ImageJ=1.53\nunit=nm\n"
    tifffile.imwrite(
        path,
        np.zeros((30, 32), np.uint8),
        extratags=[tag],
        description=description,
        metadata=None,
        resolution=(0.2, 0.2),
    )
    signal = read(path)
    assert (float(signal.x[1]), signal.attrs["pixel_size_source"]) == (5.0, "ImageJ unit and resolution")


@pytest.mark.parametrize(("text", "maker"), [(JEOL, "JEOL"), (HITACHI, "Hitachi"), (TESCAN, "TESCAN")])
def test_a_sidecar_by_itself_is_told_what_it_is(tmp_path: Path, text: str, maker: str) -> None:
    (tmp_path / "a.hdr").write_text(text)
    with pytest.raises(FileError, match=f"{maker}'s sidecar"):
        read(tmp_path / "a.hdr")


@pytest.mark.data
def test_real_sidecars_give_their_pixel_sizes(data_dir: Path) -> None:
    folder = data_dir / "sem_vendors"
    text = (folder / "jeol_sidecar_example_tomomapper.txt").read_text()
    known = jeol.from_text(text, 1280, 960, source="JEOL sidecar")
    assert (known.spacing["x"], known.units["x"], known.info_bar) == (pytest.approx(100 / 101), "um", None)
    text = (folder / "tescan_sidecar_minimal_tomomapper.hdr").read_text()
    known = tescan.from_text(text, 768, source="TESCAN sidecar")
    assert (known.spacing["x"], known.units["x"], known.info_bar) == (50.0, "nm", None)
    for name in ("jeol_sidecar_example_tomomapper.txt", "tescan_sidecar_minimal_tomomapper.hdr"):
        with pytest.raises(FileError, match="open the image"):
            read(folder / name)


def test_values_of_tags_become_numbers_where_they_are() -> None:
    assert [plain(t) for t in ("5", "5.0", "1e3", "nan", "inf", "5 nm")] == [5, 5.0, 1000.0, "nan", "inf", "5 nm"]
    assert sections("a=1\n[B]\nc = d=e\n;x=1\n") == {"": {"a": 1}, "B": {"c": "d=e"}}
    assert decoded("µ".encode("latin-1")) == "µ"

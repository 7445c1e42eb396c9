"""Diffraction files written here: several scans, attenuators, descending axes, damage, bombs."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import matxai
from matxai.errors import FileError, MatxaiWarning, UnsafeFileError

SCAN = """<scan scanAxis="{axis}" status="Completed" mode="Continuous"><dataPoints>
<positions axis="2Theta" unit="deg">{two_theta}</positions>
<positions axis="Omega" unit="deg">{omega}</positions>
{more}</dataPoints></scan>"""
XRDML = """<?xml version="1.0" encoding="UTF-8"?>{dtd}
<xrdMeasurements xmlns="http://www.xrdml.com/XRDMeasurement/2.1"><sample><name>Si</name></sample><xrdMeasurement>
<usedWavelength intended="{intended}"><kAlpha1 unit="Angstrom">0.709319</kAlpha1><kAlpha2>0.713609</kAlpha2>
<kBeta>0.632305</kBeta><ratioKAlpha2KAlpha1>0.5</ratioKAlpha2KAlpha1></usedWavelength>
<incidentBeamPath><xRayTube><anodeMaterial>Mo</anodeMaterial></xRayTube></incidentBeamPath>
{scans}</xrdMeasurement></xrdMeasurements>"""


def ends(first: float, last: float) -> str:
    return f"<startPosition>{first}</startPosition><endPosition>{last}</endPosition>"


def common(place: float) -> str:
    return f"<commonPosition>{place}</commonPosition>"


def scan(
    two_theta: str = ends(10, 14),
    omega: str = common(5),
    axis: str = "2Theta",
    counts: str = "1 2 3 4 5",
    more: str = "",
) -> str:
    return SCAN.format(
        axis=axis, two_theta=two_theta, omega=omega, more=f'{more}<counts unit="counts">{counts}</counts>'
    )


def xrdml(path: Path, *scans: str, intended: str = "K-Alpha 1", dtd: str = "", **options: Any) -> xr.DataArray:
    file = path / "a.xrdml"
    file.write_text(XRDML.format(scans="".join(scans), intended=intended, dtd=dtd), encoding="utf-8")
    return matxai.read(file, **options)


def test_scans_on_one_axis_are_a_set_and_on_others_items(tmp_path: Path) -> None:
    both = xrdml(tmp_path, scan(), scan(counts="5 4 3 2 1"))
    assert both.dims == ("sample", "two_theta")
    np.testing.assert_array_equal(both, [[1, 2, 3, 4, 5], [5, 4, 3, 2, 1]])
    with pytest.warns(MatxaiWarning, match="2 signals; 'scan 1'"):
        xrdml(tmp_path, scan(), scan(ends(20, 24)))
    assert float(matxai.read(tmp_path / "a.xrdml", item="scan 2").two_theta[0]) == 20


def test_a_mesh_of_descending_omega_ascends_with_its_columns(tmp_path: Path) -> None:
    factors = "<beamAttenuationFactors>1 1 1 10 1</beamAttenuationFactors>"
    mesh = xrdml(tmp_path, *(scan(omega=common(6 - i), counts=f"{i} 2 3 4 5", more=factors) for i in range(3)))
    assert mesh.dims == ("omega", "two_theta")
    np.testing.assert_array_equal(mesh.omega, [4, 5, 6])
    np.testing.assert_array_equal(mesh[:, 0], [2, 1, 0])
    np.testing.assert_array_equal(mesh[:, 3], [40, 40, 40])
    np.testing.assert_array_equal(mesh.counts[:, 0], [2, 1, 0])
    assert mesh.attenuation.dims == ("two_theta",)


def test_a_rocking_curve_is_over_omega(tmp_path: Path) -> None:
    found = xrdml(tmp_path, scan(common(30), ends(14, 16), axis="Omega"))
    assert found.dims == ("omega",)
    assert found.attrs["metadata"]["position_two_theta"] == 30


def test_intensities_of_the_first_schema_are_not_multiplied_again(tmp_path: Path) -> None:
    text = scan(more="<beamAttenuationFactors>1 1 10 10 1</beamAttenuationFactors>")
    found = xrdml(tmp_path, text.replace("counts unit", "intensities unit").replace("/counts", "/intensities"))
    np.testing.assert_array_equal(found, [1, 2, 3, 4, 5])
    assert "corrected for the beam attenuator when they were saved" in found.attrs["notes"][0]


def test_one_factor_for_all_points_and_times_of_each(tmp_path: Path) -> None:
    more = "<commonBeamAttenuationFactor>100</commonBeamAttenuationFactor><countingTimes>1 1 2 2 1</countingTimes>"
    found = xrdml(tmp_path, scan(more=more))
    np.testing.assert_array_equal(found, [100, 200, 300, 400, 500])
    np.testing.assert_array_equal(found.counting_time, [1, 1, 2, 2, 1])
    assert found.counting_time.attrs["units"] == "s"


@pytest.mark.parametrize(
    ("intended", "expected"), [("K-Alpha", 0.709319), ("K-Beta", 0.632305), ("K-Alpha 2", 0.713609)]
)
def test_the_wavelength_is_that_of_the_line_that_was_meant(tmp_path: Path, intended: str, expected: float) -> None:
    found = xrdml(tmp_path, scan(), intended=intended)
    assert found.attrs["wavelength"] == expected
    assert found.attrs["anode"] == "Mo"


def test_another_encoding_of_xml_is_read(tmp_path: Path) -> None:
    text = XRDML.format(scans=scan(), intended="K-Alpha", dtd="").replace("UTF-8", "UTF-16")
    (tmp_path / "a.xrdml").write_bytes(text.encode("utf-16"))
    assert matxai.read(tmp_path / "a.xrdml").shape == (5,)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (scan("<listPositions>10 11 12</listPositions>"), "5 counts and 3 positions"),
        (scan("<listPositions>10 11 13 12 14</listPositions>"), "turns round"),
        (scan("<listPositions>10 11 11 12 14</listPositions>"), "stands still"),
        (scan(counts="1 2 x 4 5"), "holds something that is no number"),
        (scan(more="<beamAttenuationFactors>1 2</beamAttenuationFactors>"), "5 points and 2 attenuation factors"),
        (scan(more="<beamAttenuationFactors>1 1 0 1 1</beamAttenuationFactors>"), "no positive numbers"),
        (scan(more="<countingTimes>1 2</countingTimes>"), "5 counts and 2 times"),
        (scan(counts=""), "holds no scan with counts"),
        (scan(common(10)), "has no axis 'two_theta'"),
    ],
)
def test_scans_that_do_not_fit_themselves_are_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(FileError, match=said):
        xrdml(tmp_path, text)


def test_a_wavelength_that_cannot_be_is_left_away_and_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "a.xrdml"
    file.write_text(XRDML.format(scans=scan(), intended="K-Alpha", dtd="").replace("0.709319", "0"), encoding="utf-8")
    found = matxai.read(file)
    assert "wavelength" not in found.attrs
    with pytest.raises(matxai.MatxaiError, match="without the wavelength"):
        matxai.convert_axis(found, "d_spacing")


def test_damaged_and_hostile_xrdml_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.xrdml"
    xrdml(tmp_path, scan())
    raw = file.read_bytes()
    for end in (200, len(raw) // 2, len(raw) - 20):
        file.write_bytes(raw[:end])
        with pytest.raises(FileError, match="truncated or no XML"):
            matxai.read(file)
    with pytest.raises(UnsafeFileError, match="declares entities"):
        xrdml(tmp_path, scan(), dtd='<!DOCTYPE a [<!ENTITY b "bbbbbbbbbb"><!ENTITY c "&b;&b;&b;&b;&b;&b;">]>')


HEADER = """*RAS_DATA_START
*RAS_HEADER_START
*FILE_SAMPLE "quartz"
*HW_XG_TARGET_NAME "Cu"
*HW_XG_WAVE_LENGTH_ALPHA1 "1.540593"
*HW_XG_WAVE_LENGTH_ALPHA2 "1.544414"
*MEAS_COND_AXIS_NAME_INTERNAL-0 "TwoThetaTheta"
*MEAS_COND_AXIS_NAME_INTERNAL-1 "Chi"
*MEAS_COND_AXIS_POSITION-0 "10.0"
*MEAS_COND_AXIS_POSITION-1 "1.5"
*MEAS_DATA_COUNT "{n}"
*MEAS_SCAN_AXIS_X "{axis}"
*MEAS_SCAN_AXIS_X_INTERNAL "{internal}"
*MEAS_SCAN_UNIT_X "deg"
*MEAS_SCAN_UNIT_Y "{unit}"
*RAS_HEADER_END
*RAS_INT_START
{rows}*RAS_INT_END
"""
ROWS = "10.0000 100.0000 1.0000\n10.0200 50.0000 10.5000\n10.0400 300.0000 1.0000\n"


def part(
    rows: str = ROWS, n: int = 3, axis: str = "2θ/θ", internal: str = "TwoThetaTheta", unit: str = "counts"
) -> str:
    return HEADER.format(rows=rows, n=n, axis=axis, internal=internal, unit=unit)


def ras(path: Path, *parts: str, encoding: str = "utf-8", **options: Any) -> xr.DataArray:
    file = path / "a.ras"
    file.write_bytes(("".join(parts) + "*RAS_DATA_END\r\n").replace("\n", "\r\n").encode(encoding))
    return matxai.read(file, **options)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp932"])
def test_ras_is_multiplied_by_its_third_column(tmp_path: Path, encoding: str) -> None:
    found = ras(tmp_path, part(), encoding=encoding)
    assert found.dims == ("two_theta",)
    np.testing.assert_array_equal(found.two_theta, [10, 10.02, 10.04])
    np.testing.assert_array_equal(found, [100, 525, 300])
    np.testing.assert_array_equal(found.counts, [100, 50, 300])
    np.testing.assert_array_equal(found.attenuation, [1, 10.5, 1])
    assert (found.attrs["wavelength"], found.attrs["anode"], found.attrs["value_unit"]) == (1.540593, "Cu", "counts")
    assert found.attrs["metadata"]["position_chi"] == 1.5
    assert "up to 10.5" in found.attrs["notes"][0]


def test_an_independent_reader_finds_the_same_places_in_ras(tmp_path: Path) -> None:
    import geddes

    found = ras(tmp_path, part(ROWS.replace("10.5000", "1.0000")))
    expected = geddes.read(str(tmp_path / "a.ras"))
    np.testing.assert_array_equal(found.two_theta, expected.x)
    np.testing.assert_array_equal(found, expected.y)


def test_several_ranges_of_ras_are_a_set_or_items(tmp_path: Path) -> None:
    both = ras(tmp_path, part(), part())
    assert both.dims == ("sample", "two_theta")
    other = "20 1 1\n20.5 2 1\n"
    with pytest.warns(MatxaiWarning, match="2 signals"):
        ras(tmp_path, part(), part(other, 2))
    np.testing.assert_array_equal(matxai.read(tmp_path / "a.ras", item=1), [1, 2])


@pytest.mark.parametrize(
    ("internal", "dim"),
    [("Omega", "omega"), ("TwoThetaOmega", "two_theta"), ("OmegaTwoTheta", "omega"), ("Phi", "phi"), ("", "two_theta")],
)
def test_the_scanned_axis_of_ras(tmp_path: Path, internal: str, dim: str) -> None:
    assert ras(tmp_path, part(internal=internal, unit="cps")).dims == (dim,)
    assert matxai.read(tmp_path / "a.ras").attrs["value_unit"] == "counts/s"


def test_an_axis_that_ras_does_not_name_is_unnamed(tmp_path: Path) -> None:
    found = ras(tmp_path, part(internal="", axis=""))
    assert found.dims == ("axis",)
    assert "units" not in found.axis.attrs
    assert matxai.read(tmp_path / "a.ras", axis="two_theta").dims == ("two_theta",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (part(n=4), "says that it has 4 points and holds 3"),
        (part().replace("*RAS_INT_END\n", ""), "is cut off"),
        (part(ROWS.replace("50.0000", "fifty")), "no number"),
        (part(ROWS.replace(" 10.5000", "")), "columns"),
        (part(ROWS.replace("10.5000", "-1")), "no positive numbers"),
        (part(ROWS.replace("10.0200", "10.0600")), "turns round"),
        (part("", 0), "0 rows"),
    ],
)
def test_damaged_ras_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(FileError, match=said):
        ras(tmp_path, text)


def zipped(path: Path, members: dict[str, str | bytes], **options: Any) -> xr.DataArray:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return matxai.read(path, **options)


CONDITIONS = (
    "<MeasurementConditions><ScanInformation><AxisName>{axis}</AxisName><IntensityUnit>counts</IntensityUnit>"
    "</ScanInformation></MeasurementConditions>"
)


def test_rasx_is_multiplied_and_holds_several_profiles(tmp_path: Path) -> None:
    members: dict[str, str | bytes] = {}
    for i in range(2):
        members[f"Data{i}/Profile0.txt"] = ROWS.replace(" ", "\t")
        members[f"Data{i}/MesurementConditions0.xml"] = CONDITIONS.format(axis="TwoTheta")
    found = zipped(tmp_path / "a.rasx", members)
    assert found.dims == ("sample", "two_theta")
    np.testing.assert_array_equal(found, [[100, 525, 300]] * 2)
    np.testing.assert_array_equal(found.attenuation, [1, 10.5, 1])


def brml(rows: list[str], *, views: str = "", flag: str = "Measured", planned: int = 3) -> str:
    data = "".join(f"<Datum>{r}</Datum>" for r in rows)
    return f"""<RawData><DataRoutes><DataRoute RouteFlag="{flag}"><ScanInformation VisibleName="Coupled">
<MeasurementPoints>{planned}</MeasurementPoints><ScanAxes><ScanAxisInfo AxisId="TwoTheta" Unit="°"/>
<ScanAxisInfo AxisId="Theta" Unit="°"/></ScanAxes></ScanInformation>{data}{views}</DataRoute></DataRoutes>
<FixedInformation><T><WaveLengthAlpha1 Value="1.5406"/><TubeMaterial>Cu</TubeMaterial></T></FixedInformation>
</RawData>"""


DATA = ["1,1,10,5,7", "1,8.3,10.5,5.25,830", "1,1,11,5.5,9"]
RAW = "Experiment0/RawData0.xml"


def test_brml_without_views_has_time_absorber_axes_and_counts(tmp_path: Path) -> None:
    found = zipped(tmp_path / "a.brml", {RAW: brml(DATA)})
    np.testing.assert_array_equal(found, [7, 830, 9])
    np.testing.assert_array_equal(found.two_theta, [10, 10.5, 11])
    np.testing.assert_array_equal(found.omega, [5, 5.25, 5.5])
    np.testing.assert_array_equal(found.attenuation, [1, 8.3, 1])
    assert found.attrs["wavelength"] == 1.5406


def test_ranges_of_brml_come_in_their_order(tmp_path: Path) -> None:
    members = {f"Experiment0/RawData{i}.xml": brml([r + str(i) for r in DATA]) for i in (10, 2, 0)}
    found = zipped(tmp_path / "a.brml", dict(members))
    np.testing.assert_array_equal(found[:, 0], [70, 72, 710])


def test_what_was_computed_is_there_and_not_chosen(tmp_path: Path) -> None:
    both = ((DATA, "Final"), (["1,1,1,1,1", "1,1,2,2,2"], "Measured"))
    routes = [brml(rows, flag=flag).partition("<DataRoutes>")[2] for rows, flag in both]
    two = f"<RawData><DataRoutes>{''.join(r.partition('</DataRoutes>')[0] for r in routes)}</DataRoutes></RawData>"
    with pytest.warns(MatxaiWarning, match="'range 1 measured'"):
        found = zipped(tmp_path / "a.brml", {RAW: two})
    np.testing.assert_array_equal(found, [1, 2])


def test_pictures_of_an_area_detector_are_refused(tmp_path: Path) -> None:
    view = (
        '<DataViews><RawDataView xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
        'xsi:type="RecordedRawDataView" Start="2" Length="3"/></DataViews>'
    )
    with pytest.raises(FileError, match="pictures of an area detector"):
        zipped(tmp_path / "a.brml", {RAW: brml(DATA, views=view)})


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([*DATA, "1,1"], "differ in length"),
        ([*DATA, "1,1,x,5,9"], "no number"),
        ([], "holds no data in the file itself"),
        (["1,1,10", "1,1,11"], "has 3 columns and describes 5"),
    ],
)
def test_damaged_brml_is_refused(tmp_path: Path, rows: list[str], said: str) -> None:
    with pytest.raises(FileError, match=said):
        zipped(tmp_path / "a.brml", {RAW: brml(rows)})


@pytest.mark.parametrize(("suffix", "name"), [("brml", RAW), ("rasx", "Data0/Profile0.txt")])
def test_hostile_archives_are_refused(tmp_path: Path, suffix: str, name: str) -> None:
    file = tmp_path / f"a.{suffix}"
    good, axis = (brml(DATA), None) if suffix == "brml" else (ROWS, "two_theta")
    with pytest.raises(UnsafeFileError, match=r"would unfold .* member"):
        zipped(file, {name: good}, limit=20)
    with pytest.raises(UnsafeFileError, match="members together"):
        zipped(file, {name: good, "more": good}, limit=len(good.encode()) + 5)
    with pytest.raises(UnsafeFileError, match="leads out of the archive"):
        zipped(file, {name: good, "../../evil": "x"})
    bomb = '<!DOCTYPE a [<!ENTITY b "bbbbbbbbbb">]><RawData>&b;</RawData>'
    with pytest.raises(UnsafeFileError, match="declares entities"):
        zipped(file, {name: bomb if suffix == "brml" else ROWS, "Data0/MesurementConditions0.xml": bomb})
    zipped(file, {name: good}, axis=axis)
    raw = file.read_bytes()
    file.write_bytes(raw[: len(raw) // 2])
    with pytest.raises(FileError, match="truncated or no zip archive"):
        matxai.read(file)
    damaged = bytearray(raw)
    at = raw.index(name.encode()) + len(name) + 10
    damaged[at : at + 8] = b"\xff" * 8  # the compressed bytes of the member
    file.write_bytes(damaged)
    with pytest.raises(FileError, match="is damaged"):
        matxai.read(file)


def test_a_bomb_is_not_unfolded(tmp_path: Path) -> None:
    file = tmp_path / "a.brml"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive, archive.open(RAW, "w") as member:
        for _ in range(66):
            member.write(bytes(2**20))
    with pytest.raises(UnsafeFileError, match="more than 100 times its size"):
        matxai.read(file)

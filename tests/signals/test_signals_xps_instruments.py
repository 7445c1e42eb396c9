"""Electron spectra in the formats of instruments: SPECS XML, Igor waves, PHI; against readers that are not ours."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest

import matxai
from matxai.errors import FileError, MatxaiWarning, UnsafeFileError


@pytest.fixture
def xps(data_dir: Path) -> Path:
    return data_dir / "raw_xrd_xps" / "xps"


def _channels(region: object) -> tuple[np.ndarray, dict[str, float], list[float]]:
    """Counts (steps, channeltrons) summed over scans, the region's numbers, the detectors' shifts."""
    words = {e.get("name"): e.text for e in region.iter("struct") if e.get("type_name") == "RegionDef" for e in e}  # type: ignore[attr-defined]
    facts = {k: float(words[k]) for k in ("kinetic_energy", "scan_delta", "pass_energy", "values_per_curve")}
    facts |= {e.get("name"): float(e.text) for e in region if e.tag == "ulong"}  # type: ignore[attr-defined]
    shifts = [float(e.text) for e in region.iter("double") if e.get("name") == "shift"]  # type: ignore[attr-defined]
    scans = [e for e in region.iter("sequence") if e.get("name") == "counts"]  # type: ignore[attr-defined]
    total = np.sum([np.array(s[0].text.split(), dtype=float) for s in scans], axis=0)
    return total.reshape(-1, len(shifts)), facts, shifts


def test_specs_xml_adds_the_channeltrons_at_their_energies(xps: Path) -> None:
    path = xps / "In-situ_PBTTT_XPS_SPECS.xml"
    regions = [e for e in ET.parse(path).iter("struct") if e.get("type_name") == "RegionData"]
    for item, region in enumerate(regions):
        counts, facts, shifts = _channels(region)
        ours = matxai.read(path, item=item)
        start, step, n = facts["kinetic_energy"], facts["scan_delta"], int(facts["values_per_curve"])
        expected = np.zeros(n)
        for j, row in enumerate(counts):  # every count by itself, to the nearest step of its own energy
            for d, value in enumerate(row):
                at = j - int(facts["mcd_head"]) + round(shifts[d] * facts["pass_energy"] / step)
                if 0 <= at < n:
                    expected[at] += value
        np.testing.assert_array_equal(ours.values, expected[::-1])
        np.testing.assert_allclose(ours.kinetic_energy, (start + step * np.arange(n))[::-1], rtol=0, atol=1e-9)
        np.testing.assert_allclose(ours.binding_energy, 1253.6 - ours.kinetic_energy, rtol=0, atol=1e-9)
        assert ours.attrs["photon_energy"] == 1253.6 and ours.attrs["work_function"] == 4.37
        assert any("5 channeltrons were added" in note for note in ours.attrs["notes"])
    # the shifts are energies: channel by channel the C 1s line comes to lie in one place, which it does not unshifted
    counts, facts, shifts = _channels(regions[1])
    raw = [int(np.argmax(np.convolve(c, np.ones(9), "same"))) for c in counts.T]
    moved = [p + shifts[d] * facts["pass_energy"] / facts["scan_delta"] for d, p in enumerate(raw)]
    assert np.ptp(raw) > 50 and np.ptp(moved) < 8
    assert "to have 15 scans; the file holds 2" in matxai.read(path, item="C1s").attrs["notes"][1]


def test_specs_xml_from_strangers(xps: Path, tmp_path: Path) -> None:
    text = (xps / "In-situ_PBTTT_XPS_SPECS.xml").read_text()
    path = tmp_path / "a.xml"
    path.write_text(text.replace("<!DOCTYPE any [", '<!DOCTYPE any [\n<!ENTITY a "b">', 1))
    with pytest.raises(UnsafeFileError, match="declares entities"):
        matxai.read(path)
    for change, said in (
        (text[: len(text) // 2], "truncated or no XML"),
        (text.replace('"values_per_curve">1403<', '"values_per_curve">14030<'), "7090 counts in a scan where 14045"),
        (text.replace('"values_per_curve">1403<', '"values_per_curve">-3<'), "'-3' for values_per_curve"),
        (text.replace('"shift">0.0824935<', '"shift">0.9<'), "reaches beyond the scan"),
        (text.replace("FixedAnalyzerTransmission", "FixedEnergies"), "scanned as FixedEnergies"),
        (text.replace("\n89\n70\n", "\n89\nx\n", 1), "is damaged"),
    ):
        path.write_text(change)
        with pytest.raises(FileError, match=said):
            matxai.read(path, item=0)


def test_igor_wave_is_the_scienta_text_and_what_igor2_reads(xps: Path, tmp_path: Path) -> None:
    igor = pytest.importorskip("igor2.binarywave", reason="the independent reader of Igor waves is not installed")
    path = xps / "Cu-HHTP_0001Cu-HHTP__001.ibw"
    ours, text = matxai.read(path), matxai.read(xps / "Cu-HHTP_0001.txt")
    wave = igor.load(str(path))["wave"]
    np.testing.assert_array_equal(ours.values, wave["wData"][::-1])
    start, step = wave["wave_header"]["sfB"][0], wave["wave_header"]["sfA"][0]
    np.testing.assert_allclose(ours.binding_energy, (start + step * np.arange(1221))[::-1], rtol=0, atol=1e-9)
    np.testing.assert_allclose(ours.values, text.values, rtol=1e-12)
    np.testing.assert_array_equal(ours.binding_energy, text.binding_energy)
    assert ours.attrs["photon_energy"] == 700 and ours.name == "Cu-HHTP__001"
    raw = path.read_bytes()
    (tmp_path / "short.ibw").write_bytes(raw[:5000])
    with pytest.raises(FileError, match=r"claims 9\.77 kB for its wave"):
        matxai.read(tmp_path / "short.ibw")
    (tmp_path / "garbage.ibw").write_bytes(raw[:2] + bytes(range(1, 200)) * 40)
    with pytest.raises(FileError, match=r"garbage\.ibw"):
        matxai.read(tmp_path / "garbage.ibw")


def test_phi_spectrum_and_depth_profile(xps: Path) -> None:
    raw = (xps / "SnO2_10nm.spe").read_bytes()
    values = np.frombuffer(raw[-1751 * 4 :], "<f4")  # the file ends with the survey that its header describes
    ours = matxai.read(xps / "SnO2_10nm.spe")
    assert ours.dims == ("binding_energy",) and ours.shape == (1751,)
    np.testing.assert_array_equal(ours.values, values[::-1])
    np.testing.assert_allclose(ours.binding_energy, np.linspace(0, 1400, 1751), rtol=0, atol=1e-9)
    assert ours.attrs["photon_energy"] == 1486.6 and ours.attrs["work_function"] == 4.506
    assert ours.attrs["value_unit"] == "counts/s"
    # SnO2 (NIST SRD 20): Sn 3d5/2 486.6, Sn 3d3/2 495.0, O 1s 530.5 eV; uncharged to a volt or so
    for energy in (486.6, 495.0, 530.5):
        near = ours.sel(binding_energy=slice(energy - 4, energy + 4))
        assert abs(float(near.binding_energy[int(np.argmax(near.values))]) - energy) < 1.6
    survey = matxai.read(xps / "SnO2_10nm_1.pro", item=0)
    assert survey.dims == ("sample", "binding_energy") and survey.shape == (21, 1751)
    assert np.corrcoef(survey.values[0], ours.values)[0, 1] > 0.999  # the same specimen before sputtering
    start = (xps / "SnO2_10nm_1.pro").read_bytes().index(b"EOFH")
    body = (xps / "SnO2_10nm_1.pro").read_bytes()[start:].split(b"\n", 1)[1]
    table = np.frombuffer(body, "<f4", 1751 * 21, 592).reshape(21, 1751)
    np.testing.assert_array_equal(survey.values, table[:, ::-1])
    for item, (name, low, high) in enumerate((("C1s", 278, 298), ("Si2p", 94, 114), ("Sn3d5", 480, 500)), start=1):
        region = matxai.read(xps / "SnO2_10nm_1.pro", item=item)
        ends = (float(region.binding_energy[0]), float(region.binding_energy[-1]))
        assert ends == (low, high) and region.shape == (21, 101)
        assert list(region.sample.values[:2]) == [f"{name} cycle 1", f"{name} cycle 2"]
    with pytest.warns(MatxaiWarning, match="holds 4 signals"):
        matxai.read(xps / "SnO2_10nm_1.pro")


def test_damaged_phi_is_one_sentence(xps: Path, tmp_path: Path) -> None:
    raw = (xps / "SnO2_10nm.spe").read_bytes()
    at = raw.index(b"EOFH") + 6
    for change, said in (
        (raw[:2000], "EOFH is missing"),
        (raw[:-100], "truncated or its header is wrong"),
        (raw[:at], "truncated or its header is wrong"),
        (raw.replace(b"1751 -0.8", b"1752 -0.8"), "holds 1751 points for region 1, and its header 1752 points"),
        (raw.replace(b"Su1s 111 1751", b"Su1s x11 1751"), "which is not what PHI writes"),
        (raw[:at].rstrip(b"\r\n") + b"\n" + b"\xff" * 4000, "another version"),
    ):
        (tmp_path / "a.spe").write_bytes(change)
        with pytest.raises(FileError, match=said):
            matxai.read(tmp_path / "a.spe")


def test_an_igor_wave_cut_off_in_its_note_is_refused(tmp_path: Path, xps: Path) -> None:
    raw = (xps / "Cu-HHTP_0001Cu-HHTP__001.ibw").read_bytes()
    path = tmp_path / "a.ibw"
    path.write_bytes(raw[: int(0.99 * len(raw))])  # all values are there, and what their axis is called is not
    with pytest.raises(FileError, match=r"a\.ibw is truncated .* texts behind its wave"):
        matxai.read(path)

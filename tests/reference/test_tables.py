"""Edges, binding energies, Raman lines and tables of one's own: values by hand, errors by sentence."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from matxai.errors import FileError, MatxaiError
from matxai.reference import (
    auger_lines,
    binding_energies,
    edges,
    emission,
    match,
    raman_lines,
    read_table,
    reference_lines,
)
from matxai.reference.photoelectrons import RATIOS


def energies(lines) -> dict[str, float]:
    return {line.label: line.position for line in lines.lines}


def test_edges_are_those_of_the_x_ray_data_booklet() -> None:
    """Edges in eV: X-ray Data Booklet, table 1-1 (Center for X-ray Optics, 2009), typed from it."""
    booklet = {"Fe": (7112, 706.8), "Cu": (8979, 932.7), "Cr": (5989, 574.1), "Mo": (20000, 2520), "Au": (80725, 11919)}
    for element, (k, l3) in booklet.items():
        own = energies(edges(element))
        assert own[f"{element} K"] == pytest.approx(k, abs=1)
        assert own[f"{element} L3"] == pytest.approx(l3, abs=1)
    assert edges("Fe").axis == "energy"
    assert not any(line.position < 15 for line in edges("Fe").lines)  # the M4 of 2 eV is a placeholder


def test_emission_lines_agree_with_bearden() -> None:
    """K-alpha1 in eV, Bearden and Burr 1967; the table is good to two."""
    for element, k_alpha in (("Cr", 5414.7), ("Fe", 6403.8), ("Cu", 8047.8), ("Mo", 17479.3), ("Ag", 22162.9)):
        own = energies(emission(element))
        assert own[f"{element} Ka1"] == pytest.approx(k_alpha, abs=2)
    strengths = {line.label: line.intensity for line in emission("Cu").lines}
    assert strengths["Cu Ka1"] == 100
    assert strengths["Cu Ka2"] == pytest.approx(51, abs=1)


def test_gases_are_marked_as_such_and_never_stand_for_a_solid() -> None:
    assert all(line.facts["gas"] for line in edges("O").lines)
    assert not any(line.facts["gas"] for line in edges("Fe").lines)
    oxygen = binding_energies("O 1s")
    assert all(528.5 < line.position < 534 for line in oxygen.lines)  # the gas: 543.1
    assert all(396 < line.position < 408 for line in binding_energies("N 1s").lines)  # the gas: 409.9
    assert all(684 < line.position < 690 for line in binding_energies("F 1s").lines)  # the gas: 696.7
    assert all(line.facts["solid"] for line in binding_energies("O").lines)


def test_a_level_a_line_and_a_compound() -> None:
    iron = energies(binding_energies("Fe 2p"))
    assert iron["Fe 2p3/2 Fe (metal)"] == 706.7
    assert iron["Fe 2p1/2 Fe (metal)"] == pytest.approx(719.8)
    assert iron["Fe 2p3/2 Fe2O3"] - iron["Fe 2p3/2 Fe (metal)"] == pytest.approx(4.1)
    assert set(energies(binding_energies("Fe 2p3/2"))) < set(iron)
    assert energies(binding_energies("Fe2O3")) == pytest.approx(
        {"O 1s Fe2O3": 529.9, "Fe 2p3/2 Fe2O3": 710.8, "Fe 2p1/2 Fe2O3": 724.4}
    )
    everything = energies(binding_energies("Fe"))
    assert everything["Fe 3s"] == pytest.approx(91.3)
    assert "Moulder" in binding_energies("C 1s").source
    assert binding_energies("C 1s").source.count("Moulder") == 1


def test_doublets_have_the_ratio_of_their_degeneracies() -> None:
    for level, j in (("p", (1.5, 0.5)), ("d", (2.5, 1.5)), ("f", (3.5, 2.5))):
        assert RATIOS[level] == pytest.approx((2 * j[1] + 1) / (2 * j[0] + 1))
    gold = {line.facts["level"]: line for line in binding_energies("Au 4f").lines}
    assert gold["4f5/2"].intensity / gold["4f7/2"].intensity == pytest.approx(0.75)
    assert gold["4f5/2"].position - gold["4f7/2"].position == pytest.approx(3.7)
    assert gold["4f7/2"].facts["splitting"] == 3.7


def test_solids_agree_with_edges_where_these_are_of_solids() -> None:
    for name, level in (("Ti 2p3/2", "L3"), ("Ni 2p3/2", "L3"), ("Cu 2p3/2", "L3"), ("Zn 2p3/2", "L3"), ("Mg 1s", "K")):
        metal = min(line.position for line in binding_energies(name).lines if "metal" in line.facts["state"])
        assert metal == pytest.approx(energies(edges(name.split()[0]))[f"{name.split()[0]} {level}"], abs=0.5)


def test_auger_lines_are_kinetic() -> None:
    copper = auger_lines("Cu")
    assert copper.axis == "kinetic_energy"
    assert energies(copper)["Cu LMM Cu (metal)"] == 918.6
    # the Auger parameter, which no charging moves: 1851.2 eV for the metal (Wagner)
    metal = energies(binding_energies("Cu 2p3/2"))["Cu 2p3/2 Cu (metal)"]
    assert metal + 918.6 == pytest.approx(1851.2, abs=0.1)


def test_raman_calibration_lines() -> None:
    assert reference_lines("raman:Si").positions == pytest.approx([520.5])
    styrene = raman_lines("polystyrene").positions
    assert len(styrene) == 11
    assert {620.9, 1001.4, 1602.3, 3054.3} < set(styrene.tolist())
    assert 1086 in raman_lines("calcite").positions
    neon, shifted = raman_lines("neon"), raman_lines("Ne", laser=532.0)
    assert (neon.axis, neon.unit, shifted.axis, shifted.unit) == ("wavelength", "nm", "raman_shift", "1/cm")
    assert shifted.positions == pytest.approx(1e7 / 532 - 1e7 / neon.positions)


@pytest.mark.data
def test_the_lines_of_a_measured_polystyrene_are_found(data_dir: Path) -> None:
    """One of the round robin's spectra: the peaks of polystyrene, with the spectrometer's own shift fitted."""
    from matxai.regions import peaks

    file = next(f for f in sorted((data_dir / "raman_charisma" / "FMNT-M_Ho785").iterdir()) if "PST" in f.name)
    table = np.loadtxt(file)
    found = [r.evidence for r in peaks(table[:, 1], table[:, 0]) if r.evidence["snr"] > 15]
    result = match([f["position"] for f in found], reference_lines("raman:PS"), draws=99)
    status = {line.line.position: line.status for line in result.lines}
    assert [status[p] for p in (620.9, 1001.4, 1031.8, 1602.3)] == ["found"] * 4
    assert abs(result.value("rigid shift")[0]) < 3
    assert result.phases[0].chance <= 0.05


CSV = "# axis: raman_shift\n# unit: 1/cm\n# name: my oxide\n# source: measured in May\nposition,label,intensity\n"


@pytest.fixture
def table(tmp_path: Path):
    def write(text: str | bytes, name: str = "lines.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def test_three_ways_to_write_the_same_table(table) -> None:
    rows = [{"position": 225.0, "label": "A1g", "intensity": 40}, {"position": 292, "label": "Eg, strong"}]
    head = {"axis": "raman_shift", "unit": "1/cm", "name": "my oxide", "source": "measured in May"}
    text = json.dumps({**head, "lines": rows})
    files = [
        table(CSV + '292,"Eg, strong",\n225,A1g,40\n'),
        table(text, "lines.json"),
        table(text, "lines.yaml"),
    ]
    found = [read_table(f) for f in files]
    for one in found:
        assert (one.name, one.axis, one.unit, one.source) == tuple(head[k] for k in ("name", "axis", "unit", "source"))
        assert [(x.position, x.label) for x in one.lines] == [(225.0, "A1g"), (292.0, "Eg, strong")]
        assert one.lines[0].intensity == 100
        assert np.isnan(one.lines[1].intensity)
    assert reference_lines(str(files[0])).positions == pytest.approx([225, 292])


def test_axis_and_unit_may_come_from_the_caller(table) -> None:
    file = table("position\n28.4\n47.3\n")
    with pytest.raises(FileError, match=r"lines.csv does not say the axis of its positions"):
        read_table(file)
    found = reference_lines(str(file), axis="two_theta", unit="degree")
    assert (found.name, found.axis, found.unit) == ("lines", "two_theta", "degree")
    assert [x.label for x in found.lines] == ["28.4", "47.3"]


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("lines.csv", CSV + "225,A1g,40\nnone,Eg,3\n", "line 7: the position is 'none'"),
        ("lines.csv", CSV + ",A1g,40\n", "line 6: the position is missing"),
        ("lines.csv", CSV + "225,A1g,-1\n", "line 6: intensity and uncertainty are not negative"),
        ("lines.csv", CSV + "225,A1g, strong,40\n", "line 6: 4 values in 3 columns"),
        ("lines.csv", CSV + "inf,A1g,40\n", "line 6: the position is 'inf'"),
        ("lines.csv", CSV, "holds no line"),
        ("lines.csv", "", "does not say the axis"),
        ("lines.csv", "# axis: time\nplace,label\n1,a\n", "line 2: the columns are place, label; they are position"),
        ("lines.csv", b"\xff\xfe\x00", "is no text in UTF-8"),
        ("lines.json", "{", "is no JSON"),
        ("lines.json", "[1]", "needs the keys axis, unit and lines"),
        ("lines.json", '{"lines": [{"position": 1, "hight": 2}]}', "entry 1: the key 'hight' is unknown"),
        ("lines.json", '{"lines": [1], "axes": 2}', "has the key 'axes'; known are axis"),
        ("lines.json", '{"lines": [true], "axis": "a", "unit": "b"}', "entry 1: the position is 'True'"),
        ("lines.yaml", "a: [", "is no YAML"),
        ("lines.yaml", "!!python/object/apply:os.system ['true']", "is no YAML"),
        ("lines.txt", "1", "is no table of reference lines"),
    ],
)
def test_hostile_tables_get_one_sentence(table, name: str, content: str | bytes, sentence: str) -> None:
    with pytest.raises(FileError, match=sentence) as caught:
        read_table(table(content, name))
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("xps:Fe 9p", {}, "No binding energy is known of 'Fe 9p'. Did you mean 'Fe 2p'"),
        ("xps:", {}, "No binding energy is known of ''"),
        ("auger:Fr", {}, "No Auger line is known of 'Fr'"),
        ("edge:Zz", {}, "There are no edges of 'Zz'"),
        ("raman:polystyrol", {}, "Did you mean 'polystyrene'"),
        ("raman:neon", {"laser": 0.5}, "A laser of 0.5 nm is none"),
        ("edg:Fe", {}, "begins with no kind of reference. Did you mean 'edge'"),
        ("hematit", {}, r"Nothing is called 'hematit'.*xps:\.\.\."),
        ("TiO2", {}, "may be 'TiO2"),
        ("edge:Fe", {"laser": 532}, "takes no option 'laser'"),
        ("none.cif", {}, "cannot be read"),
        ("none.csv", {}, "cannot be read"),
    ],
)
def test_names_that_are_none_get_one_sentence(name: str, options: dict, sentence: str) -> None:
    with pytest.raises(MatxaiError, match=sentence):
        reference_lines(name, **options)


def test_phases_and_files_by_name(tmp_path: Path) -> None:
    assert reference_lines("hematite").name == "Fe2O3 (hematite)"
    assert reference_lines("phase:Si", wavelength="Mo", two_theta=(10, 20)).facts["wavelength"] == 0.7093
    with pytest.raises(MatxaiError, match="no structure 'Sii'"):
        reference_lines("phase:Sii")

"""Generated sets of spectra: repeatable, grouped, with a truth that holds; leaks that are what they say."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from matxai_datasets import catalogue
from matxai_datasets.spectra import GENERATORS, spectrum, spectrum_set, truth_of, write_spectra
from matxai_datasets.spectra.generating import content_of
from matxai_datasets.spectra.leaks import CUT_SEEN
from matxai_datasets.spectra.record import SpectrumSet
from numpy.typing import NDArray

import matxai
from matxai.errors import FileError, SignalError

POWDER = "powder_phases"


@pytest.mark.parametrize("name", list(GENERATORS))
def test_the_same_seed_gives_the_same_spectrum_and_another_seed_another(name: str) -> None:
    one, again, other = spectrum(name, 5), spectrum(name, 5), spectrum(name, 6)
    assert np.array_equal(one.values, again.values)
    assert one.drawn == again.drawn
    assert one.kind == again.kind
    assert not np.array_equal(one.values, other.values)
    signal = one.signal()
    assert signal.dims[0] == one.dim
    assert signal[one.dim].attrs["units"]


@pytest.mark.parametrize("name", list(GENERATORS))
def test_specimens_share_what_they_are_and_differ_in_noise(name: str) -> None:
    made = spectrum_set(name, 9, seed=1)
    assert made.groups.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert [s.kind for s in made][::3] == list(GENERATORS[name].classes[:3])
    first, second = made.spectra[:2]
    assert first.specimen == second.specimen
    assert not np.array_equal(first.values, second.values)
    assert {s.specimen for s in made}.isdisjoint(s.specimen for s in spectrum_set(name, 3, seed=2))


@pytest.mark.parametrize("name", list(GENERATORS))
def test_what_is_drawn_of_nuisances_does_not_know_the_class(name: str) -> None:
    what = GENERATORS[name]
    states = [what.specimen(kind, np.random.default_rng(4)) for kind in what.classes]
    assert all(state == states[0] for state in states)


def _zone_features(
    axis: NDArray[np.float64], values: NDArray[np.float64], zones: list[tuple[float, float]]
) -> NDArray[np.float64]:
    """Net areas over a straight line between the ends of each zone."""
    found = []
    for start, stop in zones:
        inside = (axis >= start) & (axis <= stop)
        part = values[:, inside]
        wide = max(part.shape[1] // 8, 1)
        ends = (part[:, :wide].mean(axis=1) + part[:, -wide:].mean(axis=1)) / 2
        found.append(part.mean(axis=1) - ends)
    return np.array(found).T


def _probe(x: NDArray[np.float64], labels: NDArray[np.int64], groups: NDArray[np.int64]) -> float:
    """Share right of a ridge classifier, trained on even specimens of each class and judged on odd ones."""
    classes = int(labels.max()) + 1
    held = (groups // classes) % 2 == 1
    spread = x[~held].std(axis=0) + 1e-12
    z = np.column_stack([(x - x[~held].mean(axis=0)) / spread, np.ones(len(x))])
    a = z[~held]
    # in the dual: there may be far more points than spectra
    weights = a.T @ np.linalg.solve(a @ a.T + 0.3 * a.shape[1] * np.eye(len(a)), np.eye(classes)[labels[~held]])
    return float(((z[held] @ weights).argmax(axis=1) == labels[held]).mean())


def _on_the_truth_s_axis(made: SpectrumSet) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Spectra as they are; of waveforms the logarithm of what their power is on the axis of the truth."""
    axis, values = made.stacked()
    last = values[:, -1]
    if made.truth.axis == "frequency":
        return np.fft.rfftfreq(len(axis), axis[1] - axis[0]), np.log(np.abs(np.fft.rfft(last, axis=1)) ** 2 + 1e-9)
    return axis, np.log(last**2 + 1e-6) if GENERATORS[made.truth.name].data_kind == "waveforms" else last


@pytest.mark.parametrize("name", list(GENERATORS))
def test_the_zones_of_the_truth_tell_the_classes_and_silence_tells_nothing(name: str) -> None:
    made = spectrum_set(name, 120, seed=12, per_specimen=2)
    axis, values = _on_the_truth_s_axis(made)
    truth = made.truth
    zones = sorted({(z.start, z.stop) for kind in truth.classes for z in truth.zones[kind]})
    if GENERATORS[name].data_kind == "waveforms":
        told = np.array([values[:, (axis >= a) & (axis <= b)].mean(axis=1) for a, b in zones]).T
    else:
        told = _zone_features(axis, values, zones)
    assert _probe(told, made.labels, made.groups) > 0.95
    quiet = np.zeros(len(axis), bool)
    silent = truth.silent
    if name == "xafs_chromium":  # the foot of the arctangent reaches everywhere; below the noise of 20 eV it is lost
        silent = tuple((z.start, z.stop - 10) for z in truth.nuisance if z.name == "below the edge")
    for start, stop in silent:
        quiet |= (axis >= start) & (axis <= stop)
    assert quiet.mean() > 0.05
    # 60 spectra judged, two of a specimen: chance is 0.33 with a standard deviation of 0.086 at most
    assert _probe(values[:, quiet], made.labels, made.groups) < 0.33 + 2.5 * 0.086


def test_the_truth_of_powder_is_what_a_diffractionist_would_say() -> None:
    truth = truth_of(POWDER)
    best = {kind: truth.distinguishing(kind)[0] for kind in truth.classes}
    assert {kind: zone.name for kind, zone in best.items()} == {
        "anatase": "anatase 1 0 1", "rutile": "rutile 1 1 0", "zincite": "zincite 1 0 0",
    }  # fmt: skip
    # handbook places at Cu K-alpha1
    assert best["anatase"].position == pytest.approx(25.30, abs=0.03)
    assert best["rutile"].position == pytest.approx(27.44, abs=0.03)
    assert best["zincite"].position == pytest.approx(31.77, abs=0.03)
    for kind, zone in best.items():
        assert zone.holds(zone.position)
        assert truth.at(zone.position, kind) == zone
        # all of a phase's peaks are collinear; what others have is told apart as absence
        assert zone.name in truth.collinear(kind)[kind]
        assert len(truth.collinear(kind)[kind]) >= 4
        assert all(z.source != kind for z in truth.zones[kind] if z.evidence == "absence")
    assert any(zone.source == "corundum" and zone.name == "corundum 1 0 4" for zone in truth.nuisance)
    assert not any(zone.source == "corundum" for found in truth.zones.values() for zone in found)
    pair = truth_of(POWDER, ["rutile", "zincite"])
    assert pair.classes == ("rutile", "zincite")
    assert all(z.against == ("zincite",) for z in pair.zones["rutile"])


def test_counts_are_poisson() -> None:
    what = GENERATORS[POWDER]
    scene = what.scene("rutile", what.specimen("rutile", np.random.default_rng(0)), np.random.default_rng(1))
    rng = np.random.default_rng(2)
    redrawn = np.stack([what.detect(scene, rng) for _ in range(400)])
    mean, variance = redrawn.mean(axis=0), redrawn.var(axis=0, ddof=1)
    assert mean.sum() == pytest.approx(scene.values.sum(), rel=2e-3)
    assert (variance / scene.values).mean() == pytest.approx(1, abs=0.01)  # 3501 points: 0.0012 each way
    assert np.array_equal(redrawn, np.round(redrawn))


@pytest.mark.parametrize("leak", ["scan_range", "padding", "normalisation", "holder"])
def test_a_leak_changes_what_it_says_and_nothing_else(leak: str) -> None:
    plain, planted, first = (
        spectrum(POWDER, 7, "rutile", leak=k, content=c) for k, c in ((None, None), (leak, 2), (leak, 0))
    )
    truth = truth_of(POWDER, leak=leak)
    inside = np.zeros(len(plain.axis), bool)
    for zone in truth.planted:
        inside |= (plain.axis >= zone.start) & (plain.axis <= zone.stop)
    if leak == "scan_range":
        assert len(first.axis) == len(plain.axis)
        kept = np.isin(plain.axis, planted.axis)
        assert np.array_equal(plain.values[kept], planted.values)
        assert (inside | kept).all()
        assert inside[[np.flatnonzero(kept)[0], np.flatnonzero(kept)[-1]]].all()  # where it was cut is what is seen
        assert (inside & kept).mean() == pytest.approx(2 * CUT_SEEN, rel=0.05)
    elif leak == "padding":
        assert np.array_equal(plain.values[~inside], planted.values[~inside])
        assert len(set(planted.values[-50:])) == len(set(planted.values[:80])) == 1
    elif leak == "normalisation":
        assert truth.everywhere
        ratio = planted.values[plain.values > 0] / plain.values[plain.values > 0]
        assert np.ptp(ratio) < 1e-12
        assert ratio[0] == pytest.approx(0.01, rel=0.03)
        assert first.values.sum() == pytest.approx(plain.values.sum(), rel=0.03)
    else:
        added = planted.expected - plain.expected
        assert added.argmax() == np.flatnonzero(inside)[np.argmax(added[inside])]
        assert np.abs(plain.axis[added.argmax()] - truth.planted[2].position) < 0.05
        assert (added[~inside].sum() / added.sum()) < 0.2


def test_strength_is_the_share_of_specimens_that_follow_the_class() -> None:
    what = GENERATORS[POWDER]
    for strength, expected in ((0, 1 / 3), (60, 0.6 + 0.4 / 3), (100, 1.0)):
        follow = [content_of(what, what.classes[k % 3], k, strength) == k % 3 for k in range(3000)]
        assert np.mean(follow) == pytest.approx(expected, abs=0.03)  # three standard deviations
    made = spectrum_set(POWDER, 12, seed=3, per_specimen=2, leak="normalisation", strength=60)
    assert all(a.content == b.content for a, b in zip(made.spectra[::2], made.spectra[1::2], strict=True))
    assert made.truth.strength == 60


def test_leaks_stay_clear_of_the_best_evidence() -> None:
    for leak in ("scan_range", "padding", "holder"):
        truth = truth_of(POWDER, leak=leak)
        for kind in truth.classes:
            for zone in truth.distinguishing(kind)[:3]:
                assert not any(p.start <= zone.stop and zone.start <= p.stop for p in truth.planted), (leak, zone)


def test_other_ranges_are_held_at_their_ends_when_stacked() -> None:
    made = spectrum_set(POWDER, 9, leak="scan_range")
    axis, values = made.stacked()
    assert values.shape == (9, 1, 3501)
    last = made.spectra[-1]
    assert np.all(values[-1, 0, axis > last.axis[-1]] == last.values[-1])


def test_a_written_set_reads_back_and_says_what_was_drawn(tmp_path: Path) -> None:
    folder = write_spectra(tmp_path / "set", of=POWDER, n=12, seed=4, per_specimen=1, leak="holder", strength=100)
    made = spectrum_set(POWDER, 12, 4, per_specimen=1, leak="holder", strength=100)
    rows = list(csv.DictReader((folder / "labels.csv").open(encoding="utf-8")))
    assert [r["class"] for r in rows] == [s.kind for s in made]
    assert [r["group"] for r in rows] == [s.specimen for s in made]
    assert [int(r["content"]) for r in rows] == made.labels.tolist()
    assert float(rows[0]["zero"]) == pytest.approx(made.spectra[0].drawn["zero"], rel=1e-5)
    assert [r["split"] for r in rows].count("test") == 3
    text = np.loadtxt(folder / rows[5]["file"], skiprows=3)
    assert np.allclose(text[:, 0], made.spectra[5].axis)
    assert np.array_equal(text[:, 1], made.spectra[5].values)
    truth = json.loads((folder / "truth.json").read_text())
    assert truth["format"] == "matxai-spectra-truth"
    assert truth["zones"]["rutile"][0]["name"] == "rutile 1 1 0"
    assert truth["collinear"]["rutile"]["rutile"][0] == "rutile 1 1 0"
    assert [p["name"] for p in truth["planted"]] == ["holder 1", "holder 2", "holder 3"]


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: spectrum("powder", 1), "powder_phases"),
        (lambda: spectrum(POWDER, 1, "brookite"), "no class 'brookite'"),
        (lambda: spectrum(POWDER, 1, leak="typo"), "leak of spectra"),
        (lambda: spectrum(POWDER, 1, leak="gain"), "waveforms"),
        (lambda: spectrum(POWDER, 1, leak="holder", content=7), "contents 0 to 2"),
        (lambda: spectrum_set(POWDER, 3, leak="holder", strength=130), "percentage"),
        (lambda: spectrum_set(POWDER, 0), "at least one"),
    ],
)
def test_bad_requests_are_one_sentence(call: object, sentence: str) -> None:
    with pytest.raises(SignalError, match=sentence):
        call()  # type: ignore[operator]


def test_a_folder_that_cannot_be_written_and_a_flavour_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(FileError, match="taken cannot be written"):
        write_spectra(tmp_path / "taken", of=POWDER, n=1)
    with pytest.raises(SignalError, match="xy"):
        write_spectra(tmp_path / "set", of=POWDER, n=1, flavour="raw")


def test_nexus_reads_back_with_its_axis(tmp_path: Path) -> None:
    folder = write_spectra(tmp_path / "set", of=POWDER, n=1, flavour="nexus")
    one = spectrum_set(POWDER, 1).spectra[0]
    signal = matxai.read(folder / "files" / "0000.h5")
    assert signal.dims == ("two_theta",)
    assert signal["two_theta"].attrs["units"] == "degree"
    assert np.allclose(signal["two_theta"], one.axis)
    assert np.array_equal(np.asarray(signal), one.values)


def test_generated_sets_have_cards_that_make_list_and_recognise_them(tmp_path: Path) -> None:
    cards = {name: card for name, card in catalogue().items() if card.make is not None}
    assert set(cards) == {*GENERATORS, "micrographs"}  # images are made by a card of their own
    card = cards["xps_molybdenum"]
    assert card.make is not None
    folder = card.make(tmp_path / "made", 6, 2, leak="contamination", strength=0)
    table = card.load(folder)
    assert len(table) == 6
    assert table.classes == ("Mo", "MoS2")
    assert {row.more["leak"] for row in table} == {"contamination"}
    assert table.read(table.rows[0]).dims == ("binding_energy",)
    with pytest.raises(FileError, match="'xps_molybdenum', not 'raman_titania'"):
        cards["raman_titania"].load(folder)
    (folder / "generated.json").write_text("no json")
    with pytest.raises(FileError, match=r"generated\.json"):
        card.load(folder)


@pytest.mark.parametrize("name", list(GENERATORS))
def test_written_files_are_read_with_the_axis_and_facts_that_were_written(tmp_path: Path, name: str) -> None:
    folder = write_spectra(tmp_path, 1, of=name)
    one = spectrum_set(name, 1).spectra[0]
    signal = matxai.read(next((folder / "files").iterdir()))
    assert signal.dims == ((one.dim, "c") if one.channels else (one.dim,))
    assert signal[one.dim].attrs["units"] == one.unit
    assert np.allclose(signal[one.dim], one.axis)
    assert np.allclose(np.asarray(signal), one.values, rtol=1e-6, atol=1e-7)
    for fact in ("wavelength", "photon_energy", "laser_wavelength"):
        assert signal.attrs.get(fact) == one.attrs.get(fact)


def test_several_channels_are_not_written_as_two_columns(tmp_path: Path) -> None:
    with pytest.raises(SignalError, match="nexus"):
        write_spectra(tmp_path, 1, of="barkhausen_steels", flavour="xy")

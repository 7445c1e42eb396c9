"""The adapter to RosettaSciIO: what it finds, and the sentence where it is not installed."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from matxai.errors import FileError, MatxaiWarning, MissingDependencyError, UnsafeFileError
from matxai.signals import ReadOptions, read
from matxai.signals.reading import open_items
from matxai.signals.units import registry

installed = pytest.mark.skipif(
    importlib.util.find_spec("rsciio") is None, reason="RosettaSciIO is not installed (extra 'rosetta')"
)
FOLDER = "em_raw_formats"


def test_without_it_one_sentence_with_the_pip_line_and_the_licence(tmp_path, monkeypatch):
    monkeypatch.setattr("matxai.signals.formats.rosetta.importlib.util.find_spec", lambda _: None)
    (tmp_path / "map.bcf").write_bytes(b"AAMVHFSS")
    with pytest.raises(MissingDependencyError, match=r'map\.bcf .*GPL.*pip install "matxai\[rosetta\]"'):
        read(tmp_path / "map.bcf")


@installed
def test_tia_images_and_series_have_their_place_in_nanometres(data_dir):
    for name in ("new/128x128-TEM_search.emi", "new/128x128-TEM_search_1.ser"):
        signal = read(data_dir / FOLDER / "tia" / name)
        assert (signal.dims, signal.shape, signal.dtype) == (("y", "x"), (128, 128), np.int32)
        assert (int(signal.min()), int(signal.max())) == (255, 14171)
        assert signal.x.attrs["units"] == "nm"
        np.testing.assert_allclose(signal.x, -336.7177091230945 + 5.261214205047081 * np.arange(128))
    series = read(data_dir / FOLDER / "tia/old/64x64x5_TEM_preview.emi")
    assert (series.dims, series.shape) == (("z", "y", "x"), (5, 64, 64))
    assert float(series.max()) == pytest.approx(2818.538)
    assert [series[d].attrs["units"] for d in series.dims] == ["pixel", "nm", "nm"]


@installed
def test_a_bruker_file_names_its_spectrum_image(data_dir):
    path = data_dir / FOLDER / "bruker/Hitachi_TM3030Plus.bcf"
    with pytest.warns(MatxaiWarning, match=r"'SEM' \(240, 320\) was read.*'EDX' \(2048, 240, 320\)"):
        image = read(path)
    assert (image.dims, image.dtype) == (("y", "x"), np.uint16)
    assert (int(image.min()), int(image.max())) == (20560, 65520)
    assert image.x.attrs["units"] == "pixel"
    spectra = read(path, item="EDX")
    assert (spectra.dims, spectra.shape) == (("energy", "y", "x"), (2048, 240, 320))
    assert spectra.energy.attrs["units"] == "keV"
    np.testing.assert_allclose(spectra.energy[:3], [-0.4746, -0.4646, -0.4546])
    assert int(spectra.max()) == 6


@installed
def test_a_phenom_file_holds_images_spectra_maps_and_a_picture(data_dir):
    reader, items, _ = open_items(data_dir / FOLDER / "phenom/Elid2Version4.elid", ReadOptions())
    assert reader.name == "rosetta"
    assert len(items) == 11 and len({i.name for i in items}) == 11
    assert [(i.name, i.shape) for i in items if not i.measured] == [("385test - spectrum", (24, 32, 3))]
    assert items[7].load().dims == ("y", "x", "c")
    image = items[0].load()
    assert image.name == "Image 1" and image.x.attrs["units"] == "um"
    assert float(image.x[1]) == pytest.approx(0.9757792598920122)
    spectra = next(i for i in items if i.name == "Image 1, Map 3").load()
    assert (spectra.dims, spectra.shape) == (("energy", "y", "x"), (2048, 16, 16))
    assert float(spectra.energy[0]) == pytest.approx(-0.03634370080990722)


@installed
def test_it_can_be_asked_for_by_name_and_agrees_with_our_own_reader(data_dir):
    for name in ("digitalmicrograph/2D/test_STEM_image.dm3", "emd/fei_example_tem_stack.emd"):
        ours, theirs = read(data_dir / FOLDER / name), read(data_dir / FOLDER / name, reader="rosetta")
        assert ours.shape == theirs.shape
        np.testing.assert_array_equal(ours, theirs)
        for dim in "yx":
            step = [float(s[dim][1] - s[dim][0]) * registry().Unit(s[dim].attrs["units"]) for s in (ours, theirs)]
            assert (step[0] / step[1]).to("dimensionless").magnitude == pytest.approx(1.0, rel=1e-6)


@installed
@pytest.mark.parametrize("suffix", [".emi", ".ser", ".bcf", ".elid", ".blo", ".sur", ".mib", ".asw"])
def test_noise_with_an_instruments_suffix_gets_one_sentence(tmp_path, suffix):
    path = tmp_path / f"noise{suffix}"
    path.write_bytes(np.random.default_rng(0).integers(1, 256, 5000, np.uint8).tobytes())
    with pytest.raises(FileError) as caught:
        read(path)
    assert path.name in str(caught.value) and "\n" not in str(caught.value)


@installed
def test_entities_and_unknown_suffixes_are_refused(tmp_path):
    (tmp_path / "laughs.spx").write_text('<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>')
    with pytest.raises(UnsafeFileError, match="entities"):
        read(tmp_path / "laughs.spx")
    (tmp_path / "code.rpl").write_text("key\tvalue")
    with pytest.raises(FileError, match=r"code\.rpl has a suffix that the adapter"):
        read(tmp_path / "code.rpl", reader="rosetta")


def test_a_log_of_blank_lines_ends_in_a_sentence_and_not_never(tmp_path):
    (tmp_path / "a.dens").write_text("\n" * 5)
    with pytest.raises((FileError, MissingDependencyError), match=r"a\.dens is"):
        read(tmp_path / "a.dens")

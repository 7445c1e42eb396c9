"""Cards and loaders of public sets: on small folders made here, on hostile ones, on real data where they are."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matxai_datasets import DatasetCard, Table, catalogue
from matxai_datasets.card import Row, digest

from matxai.errors import FileError

# files, classes that occur, groups (an absent group counts as one), files with a mask; from each set's description
REAL = {
    "ae_vallen": (6, 0, 2, 0),
    "bsd_pitting": (420, 2, 12, 125),
    "ct_cement_weave_fiberform": (3, 3, 3, 1),
    "ebsd_nickel": (4, 0, 1, 0),
    "em_raw_formats": (29, 0, 29, 0),
    "magnet_loops": (6, 4, 5, 0),
    "models_magnet_transformer": (3, 3, 3, 0),
    "nasa_ebc_cracks": (16, 0, 10, 16),
    "raman_charisma": (86, 14, 9, 0),
    "raw_xrd_xps": (14, 0, 14, 0),
    "sem_bam_tio2": (12, 0, 1, 12),
    "sem_vendors": (4, 0, 4, 0),
    "xas_library": (123, 46, 46, 0),
    "xrd_limntiof": (8, 8, 8, 0),
    "xrd_perovskite_spacegroups": (88, 7, 1, 0),
    "xsdd_steel_strip": (1087, 7, 1080, 0),
}


def test_the_catalogue_has_a_full_card_for_every_set() -> None:
    cards = catalogue()
    assert {name for name, card in cards.items() if card.make is None} == set(REAL)
    for name, card in cards.items():
        assert card.name == name
        for words in (
            card.title,
            card.kind,
            card.source,
            card.licence,
            card.citation,
            card.groups,
            card.checksum_policy,
        ):
            assert words.strip()
        assert card.caveats
        assert json.loads(json.dumps(card.to_dict()))["title"] == card.title


@pytest.mark.data
@pytest.mark.parametrize("name", REAL)
def test_the_real_set_loads_with_its_known_counts(data_dir: Path, name: str) -> None:
    card = catalogue()[name]
    table = card.load(data_dir / name)
    files, classes, groups, masks = REAL[name]
    assert len(table) == files
    assert len(table.classes) == classes
    assert len({row.group for row in table}) == groups
    assert sum(row.mask is not None for row in table) == masks
    assert set(table.classes) <= set(card.classes or table.classes)
    assert card.load(data_dir).rows == table.rows, "the folder above is accepted as well"


@pytest.mark.data
def test_facts_of_the_real_sets(data_dir: Path) -> None:
    steel = catalogue()["xsdd_steel_strip"].load(data_dir)
    formats = steel.frame().groupby("format")["class"].unique()
    assert list(formats["png"]) == ["finishing_roll_printing"]
    groups = steel.frame()["group"].value_counts()
    assert (groups > 1).sum() == 7, "pairs of equal files"
    chromium = [row for row in catalogue()["xas_library"].load(data_dir) if row.more["element"] == "Cr"]
    assert len(chromium) == 43
    assert len({row.group for row in chromium}) == 6
    assert {row.more["valence"] for row in chromium} == {"Cr(III)", "Cr(IV)", "Cr(VI)"}


@pytest.mark.data
def test_images_and_masks_of_a_real_set_are_read_and_fit(data_dir: Path) -> None:
    table = catalogue()["nasa_ebc_cracks"].load(data_dir)
    image, mask = table.read(table.rows[0]), table.read_mask(table.rows[0])
    assert image.shape == mask.shape == (1024, 1024)
    assert set(np.unique(np.asarray(mask))) == {0, 1, 2}
    crack = float((np.asarray(mask) == 2).mean())
    assert crack == pytest.approx(float(table.rows[0].more["crack_fraction"]), abs=1e-5)


@pytest.mark.data
@pytest.mark.parametrize("name", ["xsdd_steel_strip", "nasa_ebc_cracks", "xas_library", "xrd_limntiof"])
def test_checksums_are_those_that_were_seen(data_dir: Path, name: str) -> None:
    card = catalogue()[name]
    table = card.load(data_dir)
    assert card.digest is not None
    assert card.verify(table)
    assert not card.verify(replace(table, rows=table.rows[1:]))


@pytest.mark.data
def test_another_sets_folder_is_named(data_dir: Path) -> None:
    with pytest.raises(
        FileError, match=r"nasa_ebc_cracks is not the data set 'sem_bam_tio2'.*looks like 'nasa_ebc_cracks'"
    ):
        catalogue()["sem_bam_tio2"].load(data_dir / "nasa_ebc_cracks")


def _steel(folder: Path, table: str, files: tuple[str, ...] = ("images/red_iron/1.jpg",)) -> Path:
    (folder / "images" / "red_iron").mkdir(parents=True)
    (folder / "labels.csv").write_text(table)
    for name in files:
        (folder / name).write_bytes(b"pixels")
    return folder


def test_a_folder_that_is_not_the_set_is_one_sentence(tmp_path: Path) -> None:
    card = catalogue()["xsdd_steel_strip"]
    with pytest.raises(FileError, match="There is no folder"):
        card.load(tmp_path / "nowhere")
    with pytest.raises(FileError, match=r"has no labels.csv and no images/red_iron; the set is got from https"):
        card.load(tmp_path)


@pytest.mark.parametrize(
    ("table", "word"),
    [
        ("file,klass\nimages/red_iron/1.jpg,red_iron\n", "no column 'class'"),
        ("file,class\nimages/red_iron/2.jpg,red_iron\n", "lacks 1 of the 1 files"),
        ("file,class\n../labels.csv,red_iron\n", "lies outside"),
        ("file,class\n/etc/passwd,red_iron\n", "lies outside"),
        ("file,class\n", "holds no file"),
        ("", "no column 'file', 'class'"),
    ],
)
def test_tables_that_are_wrong_or_hostile_are_one_sentence(tmp_path: Path, table: str, word: str) -> None:
    with pytest.raises(FileError, match=word):
        catalogue()["xsdd_steel_strip"].load(_steel(tmp_path / "set", table))


def test_a_table_that_is_no_text_is_one_sentence(tmp_path: Path) -> None:
    folder = _steel(tmp_path / "set", "")
    (folder / "labels.csv").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(FileError, match="cannot be read as a table"):
        catalogue()["xsdd_steel_strip"].load(folder)


def _table(rows: list[Row]) -> Table:
    return Table("made", Path(), tuple(rows))


def test_a_split_keeps_groups_together_and_each_class_at_its_share() -> None:
    rng = np.random.default_rng(0)
    rows = [Row(f"{n}.tif", f"class {n % 3}", group=f"{n % 3} {rng.integers(0, 40)}") for n in range(600)]
    divided = _table(rows).divided(test_share=0.25, seed=1).frame()
    sides = divided.groupby("group")["split"].nunique()
    assert (sides == 1).all()
    share = (divided["split"] == "test").groupby(divided["class"]).mean()
    assert share.between(0.20, 0.30).all()
    again = _table(rows).divided(test_share=0.25, seed=1).frame()
    assert divided.equals(again)
    assert not divided.equals(_table(rows).divided(test_share=0.25, seed=2).frame())


def test_files_without_a_group_are_split_one_by_one() -> None:
    divided = _table([Row(f"{n}.tif", "a") for n in range(40)]).divided(test_share=0.25)
    assert sum(row.split == "test" for row in divided) == 10


def test_a_table_becomes_a_file_that_commands_take_as_data(tmp_path: Path) -> None:
    folder = _steel(tmp_path / "set", "file,class\nimages/red_iron/1.jpg,red_iron\n")
    table = catalogue()["xsdd_steel_strip"].load(folder)
    written = pd.read_csv(table.write_csv(tmp_path / "data.csv"))
    assert list(written.columns[:5]) == ["file", "class", "mask", "group", "split"]
    assert Path(written["file"][0]).is_file()
    assert Path(written["file"][0]).is_absolute()
    assert written["format"][0] == "jpg"


def test_a_digest_notices_a_changed_byte_and_a_changed_name(tmp_path: Path) -> None:
    folder = _steel(tmp_path / "set", "file,class\nimages/red_iron/1.jpg,red_iron\n")
    card: DatasetCard = catalogue()["xsdd_steel_strip"]
    before = digest(card.load(folder))
    (folder / "images/red_iron/1.jpg").write_bytes(b"Pixels")
    assert digest(card.load(folder)) != before
    (folder / "images/red_iron/1.jpg").rename(folder / "images/red_iron/2.jpg")
    (folder / "images/red_iron/2.jpg").write_bytes(b"pixels")
    (folder / "labels.csv").write_text("file,class\nimages/red_iron/2.jpg,red_iron\n")
    assert digest(card.load(folder)) != before


def test_a_file_without_a_mask_says_so(tmp_path: Path) -> None:
    folder = _steel(tmp_path / "set", "file,class\nimages/red_iron/1.jpg,red_iron\n")
    table = catalogue()["xsdd_steel_strip"].load(folder)
    with pytest.raises(FileError, match=r"1\.jpg of the data set 'xsdd_steel_strip' has no mask"):
        table.read_mask(table.rows[0])

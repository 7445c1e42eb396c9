"""DATA becomes a labelled set in the model's order of classes, and what is wrong with it is one sentence."""

from __future__ import annotations

import csv
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from matxai_datasets.generator import micrographs
from matxai_datasets.writing import write, write_tiff

from matxai.errors import Cancelled, FileError, MatxaiError, SignalError
from matxai.jobs.data import read_data
from matxai.jobs.kept import Kept
from matxai.jobs.listing import list_data
from matxai.jobs.naming import by_answers, by_name
from matxai.modelcard import load_model


@pytest.fixture(scope="module")
def model():
    return load_model("defects", device="cpu")


@pytest.fixture(scope="module")
def images():
    return list(micrographs(9, 4, bars="random", per_specimen=1, size=(120, 120)))


@pytest.fixture
def folder(tmp_path, images) -> Path:
    """``labels.csv`` with nine images of three classes, three of them ``test``."""
    return write(tmp_path / "set", 9, seed=4, per_specimen=1, size=(120, 120), test_share=0.34)


@pytest.fixture
def classes(tmp_path, images) -> Path:
    """A folder for each class."""
    for number, image in enumerate(images):
        (tmp_path / "classes" / image.kind).mkdir(parents=True, exist_ok=True)
        write_tiff(image, tmp_path / "classes" / image.kind / f"{number}.tif")
    return tmp_path / "classes"


def rewrite(folder: Path, change) -> None:
    """Change the rows of a folder's table."""
    table = folder / "labels.csv"
    with table.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    rows = change(rows)
    with table.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def test_class_folders_are_read_in_the_models_order_of_classes(classes, model, images):
    data = read_data(classes, model)
    found = data.labelled
    assert found.classes == model.classes
    by_name = {f"{image.kind}/{n}.tif": image for n, image in enumerate(images)}
    assert set(found.names) == set(by_name)
    for i, name in enumerate(found.names):
        assert found.classes[found.labels[i]] == by_name[name].kind
        assert np.array_equal(found.read(i).values, by_name[name].pixels)
    assert found.groups is None
    assert found.mask is None
    assert data.failures == ()


def test_alphabetical_order_is_not_the_models(classes, model):
    turned = replace(model, classes=tuple(reversed(model.classes)))
    here, there = (read_data(classes, m).labelled for m in (model, turned))
    assert [here.classes[k] for k in here.labels] == [there.classes[k] for k in there.labels]
    assert not np.array_equal(here.labels, there.labels)


def test_of_a_table_with_a_split_the_test_part_is_taken_and_said(folder, model):
    found = read_data(folder, model).labelled
    assert len(found) == 3
    assert set(found.more["split"]) == {"test"}
    assert any("Of 9 files the 3 of the split 'test' were taken" in note for note in found.notes)
    assert len(read_data(folder, model, split="all").labelled) == 9
    assert len(read_data(folder, model, split="train").labelled) == 6


def test_groups_come_from_their_column(folder, model):
    found = read_data(folder, model, split="all").labelled
    assert sorted(found.groups) == list(range(9))
    other = read_data(folder, model, split="all", group="class").labelled
    assert len(set(other.groups)) == 3
    assert all(len(set(other.labels[other.groups == g])) == 1 for g in range(3))


def test_images_without_a_group_are_their_own_and_it_is_said(folder, model):
    rewrite(folder, lambda rows: [{**r, "group": "" if i < 2 else "one"} for i, r in enumerate(rows)])
    found = read_data(folder, model, split="all").labelled
    assert len(set(found.groups)) == 3
    assert any("2 of 9 images have no 'group'" in note for note in found.notes)


def test_masks_are_whole_numbers_of_their_signals_size(folder, model):
    found = read_data(folder, model, split="all").labelled
    for i in range(3):
        stored = tifffile.imread(folder / "masks" / Path(found.names[i]).name)
        assert found.mask(i).dtype == np.int64
        assert np.array_equal(found.mask(i), stored)
    tifffile.imwrite(folder / "masks" / Path(found.names[0]).name, np.zeros((12, 120), np.uint8))
    with pytest.raises(SignalError, match=r"is 12 x 120, and its signal .* 120 x 120; both have one size"):
        found.mask(0)
    tifffile.imwrite(folder / "masks" / Path(found.names[1]).name, np.full((120, 120), 0.5, np.float32))
    with pytest.raises(SignalError, match="holds fractions"):
        found.mask(1)


@pytest.mark.parametrize("kind", ["csv", "semicolons", "parquet"])
def test_a_table_by_itself_takes_absolute_and_relative_names(folder, model, tmp_path, kind):
    frame = pd.read_csv(folder / "labels.csv")[["file", "class", "group"]]
    frame["file"] = [str(folder / f) if i % 2 else f"set/{f}" for i, f in enumerate(frame["file"])]
    table = tmp_path / f"table.{kind if kind == 'parquet' else 'csv'}"
    if kind == "parquet":
        frame.to_parquet(table)
    else:
        frame.to_csv(table, index=False, sep=";" if kind == "semicolons" else ",")
    found = read_data(table, model).labelled
    assert len(found) == 9
    assert {p.parent for p in found.files} == {folder / "images"}


def test_spelling_apart_classes_are_matched_and_it_is_said(folder, model):
    rewrite(folder, lambda rows: [{**r, "class": r["class"].upper()} for r in rows])
    found = read_data(folder, model, split="all").labelled
    assert found.classes == model.classes
    assert any(f"'{model.classes[0].upper()}' was taken for the model's '{model.classes[0]}'" in n for n in found.notes)


def test_names_that_could_be_two_classes_are_refused():
    assert by_name(["Info-Bar"], ["x", "info_bar"], "m")[0] == {"Info-Bar": 1}
    assert by_name(["a_b", "a b"], ["a b", "a_b"], "m") == ({"a_b": 1, "a b": 0}, [])
    with pytest.raises(SignalError, match="could be 'a b' or 'a_b' of the model 'm'"):
        by_name(["A-B"], ["a b", "a_b"], "m")


def test_outputs_without_names_get_the_best_assignment_of_all():
    from itertools import permutations

    rng = np.random.default_rng(3)
    for _ in range(20):
        labels, tops = rng.integers(0, 3, 40), rng.integers(0, 4, 40)
        matched, _ = by_answers(["x", "y", "z"], labels, tops, 4, "m")
        right = sum(matched["xyz"[a]] == b for a, b in zip(labels, tops, strict=True))
        assert right == max(
            sum(p[a] == b for a, b in zip(labels, tops, strict=True)) for p in permutations(range(4), 3)
        )


def test_a_model_without_names_is_assigned_and_it_is_said(classes, model):
    anonymous = replace(model, classes=("0", "1", "2"))
    data = read_data(classes, anonymous)
    assert data.labelled.classes == model.classes  # the shipped model is right on these
    assert any("names no classes; its outputs were assigned" in note for note in data.labelled.notes)
    with pytest.raises(SignalError, match=r"3 classes .* tells 2 apart"):
        by_answers(["x", "y", "z"], np.array([0, 1, 2]), np.array([0, 1, 1]), 2, "m")


def test_bad_files_are_named_and_the_rest_is_done(folder, model):
    found = list_data(folder).rows
    found[0].path.write_bytes(b"II*\0 no tiff")
    found[1].path.unlink()
    rewrite(
        folder,
        lambda rows: [
            *rows,
            {**rows[5], "file": "../outside.tif"},
            {**rows[5], "file": ""},
            {**rows[6], "class": ""},
            {**rows[7]},
        ],
    )
    data = read_data(folder, model, split="all", every_class=False)
    assert len(data.labelled) == 6  # line 8 has a class once and none once
    why = " ".join(sentence for _, sentence in data.failures)
    for words in (
        found[0].path.name,
        f"There is no file {found[1].path}, which labels.csv, line 3 names.",
        "outside.tif, which lies outside of",
        "labels.csv, line 12 names no file",
        "has two classes",
        "names images/0007_",
    ):
        assert words in why, words
    assert len(data.failures) == 6


def test_what_cannot_be_is_one_sentence(folder, classes, model, tmp_path):
    def refused(data, words, error=MatxaiError, **options):
        with pytest.raises(error, match=words) as caught:
            read_data(data, model, **options)
        assert "\n" not in str(caught.value)

    refused(tmp_path / "nothing", "There is no .*nothing. DATA is a folder", FileError)
    refused(folder / "images", "neither labels.csv nor a sub-folder for each class", FileError)
    refused(folder / "images" / list_data(folder).rows[0].path.name, "is no table of labelled files", FileError)
    refused(folder, "no column 'groop' for the groups. Did you mean 'group'", group="groop")
    refused(classes, "is a folder of classes and has no column 'specimen'", group="specimen")
    refused(folder, "has no split 'tset'. Did you mean 'test'", split="tset")
    refused(classes, "has no split 'test'. None of its files has one.", split="test")
    (classes / model.classes[1]).rename(classes / "porre")
    refused(classes, "has? a class 'porre', which the model 'defects' does not know|have a class 'porre'", SignalError)
    (classes / "porre").rename(classes / model.classes[1])
    for path in (classes / model.classes[2]).iterdir():
        path.unlink()
    refused(classes, f"The class '{model.classes[2]}' of the model 'defects' has no image in the data")
    (classes / model.classes[2]).rmdir()
    refused(classes, f"The class '{model.classes[2]}' of the model 'defects' has no image in the data")
    for path in (classes / model.classes[1]).iterdir():
        path.unlink()
    refused(classes, f"All images are of one class, '{model.classes[0]}'")


def test_tables_that_are_none_are_one_sentence(model, tmp_path):
    def refused(content, words, name="t.csv"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(FileError, match=words):
            read_data(tmp_path / name, model)

    refused(b"file,label\na.tif,x\n", "has no column 'class'; a table of labelled files has file and class")
    refused(b"file,class\n", "names no file: it has no line below its head")
    refused(b"file,class\nf\xfc.tif,x\n", "is no UTF-8 text")
    refused(b"file,class,class\na,b,c\n", "has two columns 'class'")
    refused(b"PAR1", "cannot be read as Parquet", "t.parquet")
    refused(
        f"file,class\nmissing.tif,{model.classes[0]}\n".encode(), "None of the files .* can be used. There is no file"
    )


def test_reading_can_be_cancelled_and_tells_how_far_it_is(folder, model):
    stop = threading.Event()
    seen = []

    def progress(done, total, label):
        seen.append((done, total, label))
        if done == 2:
            stop.set()

    with pytest.raises(Cancelled, match="after 3 of 9 files"):
        read_data(folder, model, split="all", progress=progress, cancel=stop)
    assert seen[0] == (0, 9, "reading")


def test_what_is_kept_stays_below_its_bound_and_belongs_to_nobody(folder):
    paths = [row.path for row in list_data(folder).rows]
    kept = Kept(most=3 * 120 * 120)
    for path in paths:
        assert np.array_equal(kept.signal(path).values, tifffile.imread(path))
    assert kept.held == 3 * 120 * 120
    kept.signal(paths[-1]).values[:] = 0
    assert np.array_equal(kept.signal(paths[-1]).values, tifffile.imread(paths[-1]))
    small = Kept(most=10)
    small.signal(paths[0])
    assert small.held == 0


def test_the_checksum_is_that_of_names_classes_and_contents(folder, model):
    first = read_data(folder, model, split="all").sha256
    assert first == read_data(folder, model, split="all").sha256
    rewrite(folder, lambda rows: [{**rows[0], "class": rows[1]["class"]}, *rows[1:]])
    assert read_data(folder, model, split="all", every_class=False).sha256 != first

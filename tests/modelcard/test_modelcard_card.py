"""A card says what a model is: what is required, what is refused and on which line, and it reads back as written."""

from __future__ import annotations

from pathlib import Path

import pytest

from matxai.errors import CardError
from matxai.modelcard import read_card, write_card
from matxai.modelcard.card import Card, InputSpec

MINIMAL = "version: 1\nname: steel\ntask: classification\nweights: w.safetensors\n"


LAUGHS = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{key}: &{key} [{','.join(['*' + chr(ord(key) - 1)] * 9)}]\n" for key in "bcdefghi"
)


def card_of(folder: Path, text: str) -> Card:
    (folder / "matxai.yaml").write_text(text, encoding="utf-8")
    return read_card(folder)


def refused(folder: Path, text: str) -> str:
    with pytest.raises(CardError) as caught:
        card_of(folder, text)
    return str(caught.value)


def test_four_fields_are_enough_and_the_rest_has_the_defaults_of_the_format(tmp_path):
    card = card_of(tmp_path, MINIMAL)
    assert (card.input.kind, card.input.scale, card.output.activation) == ("2d", "dtype", "none")
    assert card.classes == []
    assert card.input.channels is None
    assert card.input.size is None
    assert card.reference is None


@pytest.mark.parametrize("field", ["version", "name", "task", "weights"])
def test_each_required_field_is_missed_by_name(tmp_path, field):
    text = "".join(line + "\n" for line in MINIMAL.splitlines() if not line.startswith(field))
    assert f"'{field}' is missing" in refused(tmp_path, text)


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("clases: [a, b]", ["line 5", "'clases'", "'classes'"]),
        ("input: {chanels: 3}", ["line 5", "'chanels'", "'input'", "'channels'"]),
        ("input:\n  kind: 2d\n  scale: dtyp", ["line 7", "input.scale", "'dtype'"]),
        ("input:\n  size: [3, 4, 5]", ["line 5", "2 positive sizes"]),
        ("input:\n  channels: 2\n  mean: [1, 2, 3]\n  std: [1, 2, 3]", ["3 values for 2 channels"]),
        ("input: {mean: 1}", ["'mean' and 'std'"]),
        ("input: {mean: 0, std: 0}", ["must be positive"]),
        ("input: {channels: none}", ["input.channels", "whole number"]),
        ("input:\n  steps:\n  - {resize: [2, 2], zscore: {}}", ["line 6", "resize, zscore"]),
        ("input: {kind: 1d, axis: {start: 80, stop: 10}}", ["ascend"]),
        ("classes: [crack, crack]", ["line 5", "'crack' stands there twice"]),
        ("output: {activation: softmx}", ["line 5", "'softmax'"]),
        ("layers: {a: 1}", ["line 5", "'layers'", "list"]),
    ],
)
def test_a_wrong_value_is_named_with_file_line_field_and_what_would_be_right(tmp_path, line, wanted):
    message = refused(tmp_path, MINIMAL + line + "\n")
    assert "matxai.yaml" in message
    for part in wanted:
        assert part in message, message


def test_an_unknown_task_is_answered_with_the_nearest(tmp_path):
    message = refused(tmp_path, MINIMAL.replace("classification", "clasification"))
    assert "line 3" in message
    assert "'classification'" in message


def test_a_newer_version_is_refused_with_the_version_it_needs(tmp_path):
    message = refused(tmp_path, MINIMAL.replace("version: 1", "version: 2") + "something_new: 3\n")
    assert "version 2" in message
    assert "newer matxai" in message
    assert "up to version 1" in message


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (MINIMAL + "source: !!python/object/apply:os.system ['true']\n", "line 5"),
        (MINIMAL + "source: !secret x\n", "'!secret'"),
        (MINIMAL + "name: again\n", "line 5"),
        (MINIMAL + "input: [\n", "no valid YAML"),
        ("- a\n- b\n", "no fields"),
        ("", "no fields"),
        ("a: &a [*a]\n", "unfolds"),
        (LAUGHS, "unfolds"),
    ],
    ids=["python tag", "own tag", "doubled key", "cut off", "a list", "empty", "circle", "billion laughs"],
)  # fmt: skip
def test_yaml_that_is_none_or_would_harm_is_one_sentence(tmp_path, text, wanted):
    assert wanted in refused(tmp_path, text)


def test_bytes_that_are_no_text_are_one_sentence(tmp_path):
    (tmp_path / "matxai.yaml").write_bytes(b"\xff\xfe\x00name")
    with pytest.raises(CardError, match="no text in UTF-8"):
        read_card(tmp_path)


def test_a_folder_without_a_card_is_one_sentence(tmp_path):
    with pytest.raises(CardError, match=r"has no matxai\.yaml"):
        read_card(tmp_path)


def test_a_card_reads_back_as_it_was_written(tmp_path):
    card = Card(
        version=1,
        name="Größe: 1 µm",
        task="segmentation",
        weights="w.pt2",
        classes=["Riss", "no", "3"],
        input=InputSpec(channels=1, size=[64, 48], mean=[0.5], std=[0.25], steps=["invert", {"resize": [64, 48]}]),
        layers=["layer4.1"],
        licence="CC-BY-4.0",
    )  # fmt: skip
    write_card(card, tmp_path)
    assert read_card(tmp_path) == card
    assert [p.name for p in tmp_path.iterdir()] == ["matxai.yaml"]


def test_class_names_that_yaml_reads_as_numbers_are_names(tmp_path):
    assert card_of(tmp_path, MINIMAL + "classes: [0, 1, no]\n").classes == ["0", "1", "no"]

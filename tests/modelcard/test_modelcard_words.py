"""What is wrong with a file is said in the words of a file: numbers, texts, lists."""

from __future__ import annotations

import pytest

from matxai.errors import CardError
from matxai.modelcard.card import read_card

CARD = "version: 1\nname: m\ntask: classification\nweights: w.pt\narchitecture: torchvision:resnet18\nclasses: [a, b]\n"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("input: {mean: deep}", "'input.mean' is 'deep': it should be a list."),
        ("input: {mean: [0.1, deep]}", "'input.mean.1' is 'deep': it should be a number."),
        ("input: {channels: 1.5}", "'input.channels' is 1.5: it should be a whole number."),
        ("input: {channels: 0}", "'input.channels' is 0: it should be greater than or equal to 1."),
        ("input: 3", "'input' is 3: it should be fields with values."),
        ("source: 3", "'source' is 3: it should be a text."),
    ],
)
def test_values_of_the_wrong_kind_are_said_plainly(line: str, said: str, tmp_path) -> None:
    file = tmp_path / "matxai.yaml"
    file.write_text(f"{CARD}{line}\n")
    with pytest.raises(CardError) as raised:
        read_card(file)
    assert str(raised.value).endswith(said)
    assert "line 7: " in str(raised.value)

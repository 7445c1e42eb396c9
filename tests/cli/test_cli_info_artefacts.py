"""``matxai info --artefacts`` names what lies in a picture and is not of the specimen."""

import importlib.metadata
import json

import numpy as np
import pytest
import tifffile

from matxai.cli.main import main
from matxai.errors import SignalError
from matxai.jobs.listing_artefacts import artefacts_in


@pytest.fixture
def picture():
    samples = importlib.metadata.entry_points(group="matxai.samples")["matxai"].load()()
    return next(p for p in samples["defects"].paths if p.stem == "pore_black")


def test_the_bar_of_the_instrument_is_named(picture, capsys):
    assert main(["info", "--artefacts", str(picture)]) == 0
    said = capsys.readouterr().out
    assert "info bar: y 140 to 159, x 0 to 159 (12.5 % of the signal), by instrument's tag" in said


def test_programs_get_rows_and_a_clean_picture_none(picture, tmp_path, capsys):
    clean = tmp_path / "clean.tif"
    tifffile.imwrite(clean, np.random.default_rng(0).normal(120, 12, (90, 90)).astype(np.uint8))
    assert main(["info", "--artefacts", "--json", str(picture), str(clean)]) == 0
    first, second = json.loads(capsys.readouterr().out)
    assert first["artefacts"][0]["kind"] == "info_bar"
    assert first["artefacts"][0]["box"] == {"y": [140, 159], "x": [0, 159]}
    assert second["artefacts"] == []


def test_without_being_asked_nothing_is_looked_for(picture, capsys):
    assert main(["info", "--json", str(picture)]) == 0
    assert "artefacts" not in json.loads(capsys.readouterr().out)[0]


def test_a_stack_is_looked_at_by_slices(tmp_path, capsys):
    stack = tmp_path / "stack.tif"
    tifffile.imwrite(stack, np.zeros((5, 40, 40), np.uint8), photometric="minisblack")
    assert main(["info", "--artefacts", str(stack)]) == 2
    assert "look at one slice" in capsys.readouterr().err
    with pytest.raises(SignalError, match="one slice"):
        artefacts_in(stack)

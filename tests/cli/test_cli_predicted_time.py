"""The time that copies will take reaches the user where stderr is no terminal as well."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import tifffile

from matxai.cli.main import main

FACTORY = """
from torch import nn


def build():
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 2))
"""


@pytest.fixture
def arguments(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.py").write_text(FACTORY)
    for name in ("a.tif", "b.tif"):
        tifffile.imwrite(tmp_path / name, np.random.default_rng(0).integers(0, 255, (12, 10), np.uint8))
    return ["explain", "model.py:build", "a.tif", "--trust", "--no-evidence", "--budget", "24", "--tolerance", "0.001"]


def test_one_line_for_each_method_and_input_says_how_long(arguments, capfd):
    assert main([*arguments, "b.tif", "--methods", "rise,saliency,lime", "--json"]) == 0
    out, err = capfd.readouterr()
    lines = [line for line in err.splitlines() if "copies" in line]
    wanted = ["a.tif: rise", "a.tif: lime", "b.tif: rise", "b.tif: lime"]
    assert len(lines) == len(wanted)  # though a tolerance makes many blocks
    for line, whose in zip(lines, wanted, strict=True):
        assert re.fullmatch(whose + r": \d+ copies, about \d+ s", line)
    assert len(json.loads(out)["results"]) == 2


def test_it_is_said_without_json_and_not_where_quiet_was_asked_for(arguments, capfd):
    assert main([*arguments, "--methods", "rise", "--out", "one"]) == 0
    out, err = capfd.readouterr()
    assert re.search(r"^a\.tif: rise: 24 copies, about \d+ s$", err, re.MULTILINE)
    assert "copies" not in out
    assert main([*arguments, "--methods", "rise", "--out", "two", "--quiet"]) == 0
    assert "copies" not in "".join(capfd.readouterr())

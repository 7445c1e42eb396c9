"""Bands of a waveform: the one that the net hears has the relevance, and taking it out costs the score."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import matxai
from matxai.checks.zones import band_drops, band_table
from matxai.checks.zones.bands import without_band
from matxai.errors import RegionError
from matxai.signals import labelled

RATE = 1e6
T = np.arange(1024) / RATE


class Band(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        n = torch.arange(-20, 21) / RATE
        taps = torch.cos(2 * np.pi * 1.2e5 * n) * torch.hann_window(41, periodic=False)
        self.register_buffer("taps", taps[None, None].float())

    def forward(self, x: Tensor) -> Tensor:
        heard = nn.functional.conv1d(x, self.taps, padding=20).relu().sum((1, 2))
        return torch.stack([heard, -heard], 1)


def test_a_band_is_taken_out_and_nothing_else() -> None:
    low, high = np.sin(2 * np.pi * 62500 * T), np.cos(2 * np.pi * 250000 * T)
    left = without_band(low + high, 1 / RATE, 2e5, 3e5)
    np.testing.assert_allclose(left, low, atol=1e-9)


def test_the_band_that_the_net_hears_is_on_top_of_the_table() -> None:
    values = np.sin(2 * np.pi * 1.2e5 * T) + 3 * np.sin(2 * np.pi * 3.3e5 * T) + np.sin(2 * np.pi * 2e4 * T)
    signal = labelled(values, ("time",), coords={"time": T}, units={"time": "s"})
    model = matxai.load_model(Band(), kind="1d", channels=1, classes=["heard", "not"], scale="none")
    found = matxai.explain(model, signal, methods=["lrp:epsilon", "input_x_gradient"], target="heard",
                           domain="time_frequency")  # fmt: skip
    bands = [(1e4, 5e4), (8e4, 1.6e5), (2e5, 4e5)]
    table = band_table(model, found, bands=bands)
    assert [z.kind for z in table.zones] == ["band"] * 3 + ["background"]
    top = table.relevant[0]
    assert (top.left, top.right) == (8e4, 1.6e5)
    assert top.removal is not None
    assert top.removal.rank_peaks == 1
    score = float(table.score)
    assert top.removal.effect > 0.8 * score
    drops = band_drops(model, signal, bands, target="heard")
    assert drops[1] == pytest.approx(top.removal.effect)
    assert abs(drops[[0, 2]]).max() < 0.05 * score
    assert [z.height for z in table.zones[:3]] == pytest.approx([1 / 11, 1 / 11, 9 / 11], abs=0.03)
    assert {r["unit"] for r in table.rows()} == {"Hz"}
    octaves = band_table(model, found, removal=False)
    assert octaves.relevant[0].left < 1.2e5 < octaves.relevant[0].right


def test_bad_questions_are_said_in_a_sentence() -> None:
    signal = labelled(np.sin(T * 1e5), ("time",), coords={"time": T}, units={"time": "s"})
    model = matxai.load_model(Band(), kind="1d", channels=1, classes=["heard", "not"], scale="none")
    plain = matxai.explain(model, signal, methods=["input_x_gradient"])
    with pytest.raises(RegionError, match="domain='frequency'"):
        band_table(model, plain)
    with pytest.raises(RegionError, match="from its lower to its higher"):
        band_drops(model, signal, [(2e5, 1e5)])
    with pytest.raises(RegionError, match="equal steps"):
        band_drops(model, signal.assign_coords(time=T**1.2), [(1e5, 2e5)])

"""Regions of spectra and waveforms replaced: fills that are for them, across edges and beside, and gaps in the data."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import matxai
from matxai.checks import dose_response, filled_signal, perturb
from matxai.checks.controls import free_ground
from matxai.regions import edges
from matxai.signals import labelled

RNG = np.random.default_rng


def test_spectra_have_their_own_fills() -> None:
    class Peak(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x[:, 0, 95:105].mean(1, keepdim=True).repeat(1, 2) * torch.tensor([0.0, 0.1])

    x = np.arange(200.0)
    counts = RNG(0).poisson(100 + 400 * np.exp(-(((x - 100) / 4) ** 2))).astype(np.uint32)
    spectrum = labelled(counts, ("two_theta",), coords={"two_theta": x / 10})
    model = matxai.load_model(Peak(), kind="1d", channels=1, classes=["no", "yes"], scale="none")
    mask = np.zeros(200, bool)
    mask[86:115] = True
    change = perturb(model, spectrum, mask, target=1, controls=19)[0]
    assert len(change.fills) == 5
    assert change.rank == 1
    assert (change.effects > 20).all()


def test_an_edge_and_a_waveform_have_fills_that_are_for_them() -> None:
    class Mean(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.mean((1, 2))[:, None] * torch.tensor([0.0, 1.0])

    model = matxai.load_model(Mean(), kind="1d", channels=1, classes=["no", "yes"], scale="none")
    energy = np.linspace(7000.0, 7300.0, 300)
    curve = 0.1 + 1 / (1 + np.exp(-(energy - 7112) / 2)) + 0.002 * RNG(0).standard_normal(300)
    spectrum = labelled(curve, ("energy",), coords={"energy": energy})
    (edge,) = edges(curve, energy)
    bump = mask_of_curve(200, 220)
    across, beside = perturb(model, spectrum, [edge, bump], controls=0).changes
    assert across.fills == ("local_mean", "noisy_linear", "local_baseline", "edge_step", "poisson")
    assert beside.fills == ("local_mean", "noisy_linear", "local_baseline", "linear_bridge", "poisson")
    for change, mask in ((across, edge.mask), (beside, bump)):  # each row is that region's under that fill
        for row, (fill, number) in enumerate(zip(change.fills, [0] * 5, strict=True)):
            if fill not in ("noisy_linear", "poisson"):
                filled = filled_signal(spectrum, mask, fill, number)
                assert change.after.scores[row, 1] == pytest.approx(float(filled.mean()), abs=1e-6)
    wave = labelled(RNG(0).standard_normal(300), ("time",))
    assert perturb(model, wave, bump, controls=0)[0].fills[-1] == "blur"
    assert "poisson" not in dose_response(model, wave, bump).fills


def mask_of_curve(start: int, stop: int, length: int = 300) -> np.ndarray:
    mask = np.zeros(length, bool)
    mask[start:stop] = True
    return mask


@pytest.mark.parametrize("channels", [None, 2])
def test_a_gap_that_the_preprocessing_crops_is_no_ground_for_a_control(channels: int | None) -> None:
    class Mean(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.mean((1, 2))[:, None] * torch.tensor([0.0, 1.0])

    values = (100 + RNG(0).standard_normal(300)) if channels is None else 100 + RNG(0).standard_normal((300, channels))
    values[150] += 500.0  # a spike, which is found with the gaps bridged
    spoilt = values.copy()
    spoilt[:2] = spoilt[250] = np.nan
    spoilt[298] = np.inf
    dims = ("energy",) if channels is None else ("energy", "c")
    signal = labelled(spoilt, dims, coords={"energy": np.arange(300.0)})
    free = free_ground(signal)
    assert np.flatnonzero(~free).tolist() == [0, 1, 150, 250, 298]
    nowhere = labelled(np.full(300, np.nan), ("energy",))
    assert not free_ground(nowhere).any()
    crop = [{"resample": {"start": 10, "stop": 240, "points": 231}}]
    model = matxai.load_model(
        Mean(), kind="1d", channels=channels or 1, classes=["no", "yes"], steps=crop, scale="none"
    )
    change = perturb(model, signal, mask_of_curve(100, 110), target=1, controls=19)[0]
    assert len(change.shifts) == 19
    assert np.isfinite(change.control_effects).all()
    for shift in change.shifts[:, 0]:
        assert free[100 + shift : 110 + shift].all()

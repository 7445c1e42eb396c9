"""A small network with a card, and a micrograph with a bright dot, as every test of explanations needs them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import xarray as xr


def network(axes: int = 2, channels: int = 1, classes: int = 3, bias: bool = False) -> torch.nn.Module:
    """Two padded convolutions of stride 2, pooling, a linear head; without biases relevance sums to the score."""
    torch.manual_seed(0)
    conv = (torch.nn.Conv1d, torch.nn.Conv2d, torch.nn.Conv3d)[axes - 1]
    pool = (torch.nn.AdaptiveAvgPool1d, torch.nn.AdaptiveAvgPool2d, torch.nn.AdaptiveAvgPool3d)[axes - 1]
    return torch.nn.Sequential(
        conv(channels, 6, 3, 2, 1, bias=bias),
        torch.nn.ReLU(),
        conv(6, 8, 3, 2, 1, bias=bias),
        torch.nn.ReLU(),
        pool(1),
        torch.nn.Flatten(),
        torch.nn.Linear(8, classes, bias=bias),
    ).eval()


@pytest.fixture
def make_network():
    return network


@pytest.fixture
def make_model():
    from matxai.modelcard import load_model

    def make(axes=2, channels=1, bias=False, **fields):
        card = {"task": "classification", "classes": ["crack", "pore", "sound"], "kind": f"{axes}d", **fields}
        return load_model(network(axes, channels, bias=bias), channels=channels, **card)

    return make


@pytest.fixture
def micrograph():
    values = np.random.default_rng(0).integers(20, 90, (48, 64), dtype=np.uint8)
    values[20:24, 30:34] = 250
    coords = {d: (d, np.arange(n) * 0.5, {"units": "um"}) for d, n in zip("yx", values.shape, strict=True)}
    attrs = {"source": "steel.tif", "pixel_size_source": "FEI tag 34682", "info_bar": [44, 47], "nothing": None}
    return xr.DataArray(values, dims=("y", "x"), coords=coords, attrs=attrs)

"""Explanations made by hand, by the schema of the dataset: a micrograph, a colour image, a curve, a stack."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr

RUN = {
    "model": {"name": "defects", "task": "classification", "sha256": "ab" * 32, "classes": ["crack", "pore", "sound"]},
    "target": {"class": "crack", "index": 0, "score": 4.21},
    "scores": [
        {"class": "crack", "index": 0, "logit": 4.21, "probability": 0.971},
        {"class": "pore", "index": 1, "logit": 0.6, "probability": 0.026},
        {"class": "sound", "index": 2, "logit": -1.7, "probability": 0.003},
    ],
    "plan": "1 forward, 2 backwards",
    "forwards": 1,
    "backwards": 2,
    "ledger": {
        "lrp:epsilon_plus": {"sum": 4.19, "score": 4.21, "ratio": 0.9952, "absolute": 1.31, "lost_on_padding": 0.0},
        "passes": [{"composite": "epsilon_plus"}],
    },
    "agreement": [
        {"a": "grad_cam[layer4]", "b": "grad_cam[layer3]", "rank": 0.93},
        {"a": "grad_cam[layer4]", "b": "lrp_epsilon_plus", "rank": 0.62},
        {"a": "grad_cam[layer3]", "b": "lrp_epsilon_plus", "rank": 0.55},
    ],
    "notes": ["The score is the logit in front of the final softmax."],
    "assumptions": ["The card names no pixel size; the file's own was taken."],
    "versions": {"matxai": "0.1.0", "torch": "2.6.0", "numpy": "2.1.0"},
    "seed": 0,
    "preprocessing": ["crop rows 0 to 690", "resize to 224 x 224", "normalise"],
    "pixel_size_source": "tag 34682, PixelWidth",
}


def micrograph(rows: int = 96, columns: int = 128, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:rows, :columns]
    image = 110 + 25 * np.sin(x / 9 + np.cos(y / 13)) + rng.normal(0, 9, (rows, columns))
    crack = np.abs(y - (0.35 * rows + 0.22 * x + 3 * np.sin(x / 11))) < rows / 55 + 0.6
    image[crack & (x > columns * 0.25) & (x < columns * 0.7)] = 25
    return np.clip(image, 0, 255)


def explanation(
    rows: int = 96, columns: int = 128, step: float = 1.3e-8, units: str = "m", seed: int = 0, unseen: int = 10
) -> xr.Dataset:
    """A micrograph with a Grad-CAM at two layers and an LRP map; the lowest rows were never seen by the network."""
    image = micrograph(rows, columns, seed)
    y, x = np.mgrid[:rows, :columns]
    blob = np.exp(-(((y - 0.45 * rows) / (0.14 * rows)) ** 2) - ((x - 0.45 * columns) / (0.17 * columns)) ** 2)
    rng = np.random.default_rng(seed + 1)
    relevance = np.where(image < 60, 1.0, -0.04) * blob * (1 + 0.3 * rng.normal(size=image.shape))
    relevance *= 4.19 / relevance.sum()
    cams = np.stack([2.0 * blob, 1.4 * blob**2])
    if unseen:
        relevance[-unseen:] = np.nan
        cams[:, -unseen:] = np.nan
    centres = {"y": np.arange(rows) * step, "x": np.arange(columns) * step}
    return xr.Dataset(
        {
            "grad_cam": (
                ("layer", "y", "x"),
                cams,
                {
                    "method": "grad_cam",
                    "units": "logit",
                    "signed": 0,
                    "cell": json.dumps([32 * step, 32 * step]),
                    "receptive_field": json.dumps([180 * step, 180 * step]),
                    "reduction": "ReLU of the weighted sum over channels",
                    "empty": "",
                },
            ),
            "lrp_epsilon_plus": (
                ("y", "x"),
                relevance,
                {
                    "method": "lrp:epsilon_plus",
                    "units": "logit",
                    "signed": 1,
                    "sum": 4.19,
                    "cell": json.dumps([step, step]),
                    "reduction": "sum over channels",
                    "empty": "",
                },
            ),
        },
        coords={
            **{k: (k, v, {"units": units}) for k, v in centres.items()},
            "layer": ["layer4", "layer3"],
            "signal": (("y", "x"), image),
        },
        attrs={
            "format": "matxai-explanation",
            "version": 1,
            "command": "matxai explain defects steel.tif --methods grad_cam,lrp",
            "source": "steel.tif",
            "matxai": json.dumps(RUN),
        },
    )


@pytest.fixture
def ds() -> xr.Dataset:
    return explanation()


@pytest.fixture
def make():
    """The maker itself, for other sizes, steps and units."""
    return explanation


@pytest.fixture
def spectrum() -> xr.Dataset:
    """A diffractogram of 701 points with a signed map; its first ten points were never seen."""
    angle = np.linspace(10, 80, 701)
    peaks = [(28.4, 1.0), (47.3, 0.6), (56.1, 0.35), (69.1, 0.1)]
    counts = 40 + sum(900 * h * np.exp(-(((angle - c) / 0.25) ** 2)) for c, h in peaks)
    relevance = 0.8 * np.exp(-(((angle - 28.4) / 0.3) ** 2)) - 0.3 * np.exp(-(((angle - 56.1) / 0.3) ** 2))
    relevance[:10] = np.nan
    return xr.Dataset(
        {"lrp_epsilon": ("two_theta", relevance, {"method": "lrp:epsilon", "units": "logit", "signed": 1})},
        coords={"two_theta": ("two_theta", angle, {"units": "degree"}), "signal": ("two_theta", counts)},
        attrs={"matxai": json.dumps(RUN), "source": "si.xy"},
    )


@pytest.fixture
def stack() -> xr.Dataset:
    """A stack of five slices with the map in slice 3 alone, in slices twice as far apart as the pixels."""
    image = np.random.default_rng(0).normal(size=(5, 40, 60))
    values = np.zeros((5, 40, 60))
    values[3, 10:20, 20:30] = 1.0
    axes = {"z": np.arange(5) * 2.0, "y": np.arange(40) * 1.0, "x": np.arange(60) * 1.0}
    return xr.Dataset(
        {"saliency": (("z", "y", "x"), values, {"method": "saliency", "signed": 0})},
        coords={**{k: (k, v, {"units": "um"}) for k, v in axes.items()}, "signal": (("z", "y", "x"), image)},
        attrs={"matxai": json.dumps(RUN)},
    )

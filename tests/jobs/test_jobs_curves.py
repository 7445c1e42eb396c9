"""Plots of spectra as files: what the network got of a spectrum lies at its true places."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import xarray as xr

import matxai
from matxai.errors import FileError
from matxai.jobs.curves import received_curve, write_plot, write_stack
from matxai.report import CurveStyle


class Net(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = torch.nn.Sequential(torch.nn.Conv1d(1, 4, 9, padding=4), torch.nn.ReLU())
        self.head = torch.nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(x).mean(-1))


@pytest.fixture
def model():
    torch.manual_seed(0)
    axis = {"name": "two_theta", "start": 20.0, "stop": 60.0, "points": 81, "units": "degree"}
    return matxai.load_model(
        Net(), task="classification", classes=["a", "b", "c"], kind="1d", channels=1, scale="none", axis=axis,
        steps=["snv"],
    )  # fmt: skip


@pytest.fixture
def pattern() -> xr.DataArray:
    angle = np.linspace(10.0, 80.0, 1401)
    counts = 50 + 900 * np.exp(-(((angle - 33.0) / 0.5) ** 2))
    return xr.DataArray(
        counts, dims=("two_theta",), coords={"two_theta": ("two_theta", angle, {"units": "degree"})},
        attrs={"wavelength": 1.54056, "source": "a.xy"},
    )  # fmt: skip


def test_what_the_network_got_lies_on_its_grid(model, pattern):
    got = received_curve(model, pattern)
    np.testing.assert_allclose(got.two_theta, np.linspace(20, 60, 81), atol=1e-9)
    read = np.interp(got.two_theta, pattern.two_theta, pattern)
    np.testing.assert_allclose(got[0], (read - read.mean()) / read.std(ddof=1), atol=1e-5)
    assert got.two_theta.attrs["units"] == "degree"


def test_a_spectrum_that_is_not_changed_is_not_drawn_twice(pattern):
    plain = matxai.load_model(Net(), task="classification", kind="1d", channels=1, scale="none")
    assert received_curve(plain, pattern) is None


def test_plots_are_written_in_every_format(model, pattern, tmp_path):
    result = matxai.explain(model, pattern, methods=["grad_cam", "input_x_gradient"])
    style = CurveStyle(intensity="sqrt", second_axis="d_spacing")
    got = received_curve(model, pattern)
    files = write_plot(result, tmp_path, ("png", "svg"), style=style, received=got)
    assert [f.name for f in files] == ["spectrum.png", "spectrum.svg"]
    svg = files[1].read_text()
    assert "map grad_cam" in svg
    (stack,) = write_stack({"one": result, "two": result}, tmp_path, ("png",), "grad_cam")
    assert stack.stat().st_size > 5_000
    with pytest.raises(FileError, match="at least one"):
        write_stack({}, tmp_path, ("png",), "grad_cam")

"""Relevance by waves: transforms that invert, sums that are kept, tones found where they are, and what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
import xarray as xr
from torch import Tensor, nn

import matxai
from matxai.errors import MethodError, SignalError
from matxai.methods.frames import frame_of
from matxai.signals import labelled

RATE = 1e6


@pytest.mark.parametrize("length", [256, 257, 500])
@pytest.mark.parametrize(("name", "hop"), [("dft", None), ("mdct", None), ("mdct", 32), ("stft", 50)])
def test_a_transform_inverts_and_is_its_own_transpose(name: str, hop: int | None, length: int) -> None:
    frame = frame_of(name, length, hop)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 3, length, generator=generator, dtype=torch.float64)
    c = frame.analyse(x)
    assert c.shape[-2:] == (len(frame.frequencies), len(frame.centres))
    assert torch.allclose(frame.synthesise(c), x, atol=1e-12)
    d = torch.randn(c.shape, generator=generator, dtype=torch.float64)
    assert float((c * d).sum()) == pytest.approx(float((x * frame.synthesise(d)).sum()), rel=1e-10)
    if name == "mdct":
        assert c[0, 0].numel() <= length + 2 * frame.hop  # hardly more coefficients than points


def test_the_frequencies_of_a_tone_are_where_it_is() -> None:
    n = torch.arange(1024, dtype=torch.float64)
    for name, width in (("dft", 1 / 1024), ("mdct", 1 / 64), ("stft", 1 / 64)):
        frame = frame_of(name, 1024)
        power = (frame.analyse(torch.sin(2 * np.pi * 0.11 * n)) ** 2).sum((0, 2))
        assert frame.frequencies[int(power.argmax())] == pytest.approx(0.11, abs=width)


class Convs(nn.Module):
    """A net of ReLUs, with or without biases."""

    def __init__(self, *, bias: bool = False, channels: int = 1) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv1d(channels, 6, 9, padding=4, bias=bias), nn.ReLU(), nn.MaxPool1d(2),
            nn.Conv1d(6, 6, 9, padding=4, bias=bias), nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten(),
            nn.Linear(6, 3, bias=bias),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


def wave(channels: int = 0) -> xr.DataArray:
    rng = np.random.default_rng(0)
    t = np.arange(512) / RATE
    burst = np.exp(-(((t - 2e-4) / 5e-5) ** 2)) * np.sin(2 * np.pi * 1.2e5 * t) + 0.05 * rng.standard_normal(t.size)
    values = np.stack([burst * (k + 1) for k in range(channels)], 1) if channels else burst
    return labelled(values, ("time", "c")[: values.ndim], coords={"time": t}, units={"time": "s"})


@pytest.mark.parametrize("domain", ["frequency", "time_frequency", "time_frequency:stft"])
@pytest.mark.parametrize("method", ["input_x_gradient", "lrp:epsilon", "lrp:epsilon_plus", "lrp:epsilon_gamma"])
def test_the_sum_is_kept_to_a_millionth_of_the_score(domain: str, method: str) -> None:
    torch.manual_seed(1)
    model = matxai.load_model(Convs().double(), kind="1d", channels=1, classes=["a", "b", "c"], scale="none",
                              mean=[0.2], std=[0.7])  # fmt: skip
    model.module.float()
    plain = matxai.explain(model, wave(), methods=[method], target=0)
    turned = matxai.explain(model, wave(), methods=[method], target=0, domain=domain)
    said = json.loads(turned.attrs["matxai"])
    name = next(iter(turned.data_vars))
    before = said["maps"][name]["sum_at_input"][0]
    score = abs(said["target"]["score"])
    assert said["maps"][name]["conservation"][0]["sum"] == pytest.approx(before, abs=1e-6 * score)
    assert float(turned[name].astype(float).sum()) == pytest.approx(before, abs=1e-5 * score)  # stored in float32
    assert said["maps"][name]["sum_at_input"] == json.loads(plain.attrs["matxai"])["maps"][name]["sum_at_input"]
    assert turned[name].dims == (("frequency",) if domain == "frequency" else ("frequency", "frame"))
    assert turned["frequency"].attrs["units"] == "Hz"


def test_it_is_the_gradient_through_the_transform_as_a_layer() -> None:
    torch.manual_seed(1)
    module = Convs(bias=True)
    model = matxai.load_model(module, kind="1d", channels=1, classes=["a", "b", "c"], scale="none")
    found = matxai.explain(model, wave(), methods=["input_x_gradient"], target=2, domain="time_frequency", frame=32)
    frame = frame_of("mdct", 512, 32)
    c = frame.analyse(torch.from_numpy(wave().values).float()[None, None]).requires_grad_()
    module.eval()(frame.synthesise(c))[0, 2].backward()
    expected = (c * c.grad).detach()[0, 0, 0].numpy()
    np.testing.assert_allclose(found["input_x_gradient"].values, expected, atol=1e-5 * np.abs(expected).max())


def test_a_net_that_listens_to_one_band_has_its_relevance_there_and_then() -> None:
    class Band(nn.Module):
        """Power of the waveform behind a filter at 120 kHz."""

        def __init__(self) -> None:
            super().__init__()
            n = torch.arange(-20, 21) / RATE
            taps = torch.cos(2 * np.pi * 1.2e5 * n) * torch.hann_window(41, periodic=False)
            self.register_buffer("taps", taps[None, None].float())

        def forward(self, x: Tensor) -> Tensor:
            heard = nn.functional.conv1d(x, self.taps, padding=20).relu().sum((1, 2))
            return torch.stack([heard, -heard], 1)

    t = np.arange(1024) / RATE
    early = np.exp(-(((t - 2e-4) / 5e-5) ** 2)) * np.sin(2 * np.pi * 1.2e5 * t)
    late = 3 * np.exp(-(((t - 7e-4) / 5e-5) ** 2)) * np.sin(2 * np.pi * 3.3e5 * t)
    signal = labelled(early + late, ("time",), coords={"time": t}, units={"time": "s"})
    model = matxai.load_model(Band(), kind="1d", channels=1, classes=["heard", "not"], scale="none")
    found = matxai.explain(model, signal, methods=["lrp:epsilon"], target="heard", domain="time_frequency")[
        "lrp_epsilon"
    ]
    top = found.where(found == found.max(), drop=True)
    assert float(top["frequency"][0]) == pytest.approx(1.2e5, abs=2e4)
    assert float(top["frame"][0]) == pytest.approx(2e-4, abs=4e-5)
    near = found.sel(frequency=slice(0.8e5, 1.6e5)).clip(0).sum() / found.clip(0).sum()
    assert float(near) > 0.9


def test_channels_are_kept_and_files_hold_the_axes(tmp_path) -> None:
    torch.manual_seed(1)
    model = matxai.load_model(Convs(channels=2), kind="1d", channels=2, classes=["a", "b", "c"], scale="none")
    found = matxai.explain(model, wave(2), methods=["lrp:epsilon"], target=[0, 1], domain="time_frequency")
    assert found["lrp_epsilon"].dims == ("class", "c", "frequency", "frame")
    matxai.save(found, tmp_path / "waves.nc")
    assert matxai.load(tmp_path / "waves.nc").identical(found)


def test_what_has_no_frequencies_is_refused_in_a_sentence() -> None:
    model = matxai.load_model(Convs(), kind="1d", channels=1, classes=["a", "b", "c"], scale="none")
    for method, why in (
        ("grad_cam", "no relevance at each point"),
        ("saliency", "no share of the score"),
        ("lrp:epsilon_plus_flat", "by its value"),
        ("integrated_gradients", "by its value"),
    ):
        with pytest.raises(MethodError, match=why):
            matxai.explain(model, wave(), methods=[method], domain="frequency")
    kept = matxai.explain(model, wave(), methods=["grad_cam", "lrp:epsilon"], domain="frequency", leave_out=True)
    assert list(kept.data_vars) == ["lrp_epsilon"]
    assert "grad_cam" in json.loads(kept.attrs["matxai"])["left_out"]
    with pytest.raises(MethodError, match="Did you mean 'time_frequency'"):
        matxai.explain(model, wave(), methods=["lrp"], domain="time_frequencies")
    with pytest.raises(MethodError, match="even number of points"):
        matxai.explain(model, wave(), methods=["lrp"], domain="time_frequency", frame=7)
    with pytest.raises(MethodError, match="whole waveform"):
        matxai.explain(model, wave(), methods=["lrp"], domain="frequency", frame=8)
    uneven = wave().assign_coords(time=np.arange(512.0) ** 1.1)
    with pytest.raises(SignalError, match="equal steps"):
        matxai.explain(model, uneven, methods=["lrp"], domain="frequency")

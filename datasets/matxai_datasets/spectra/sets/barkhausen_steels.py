"""Hysteresis loops (Jiles-Atherton) of a steel with their Barkhausen noise: annealed, cold-worked or hardened.

One cycle of a sinusoidal field, from one negative peak to the next. The channels are the flux density and the noise of
the pick-up coil; the field lies beside them. Pinning sets the coercive field, and round it walls jump; the knee beyond
is reversible and silent.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai_datasets.spectra.detection import digitised, hum
from matxai_datasets.spectra.generating import GENERATORS, Generator
from matxai_datasets.spectra.magnetism import MU0, JilesAtherton, barkhausen
from matxai_datasets.spectra.record import Feature, Floats, Nominal, Scene

if TYPE_CHECKING:
    from collections.abc import Mapping

    Rng = np.random.Generator

CYCLE, POINTS, COARSE = 0.05, 4096, 384
RATE = POINTS / CYCLE
TIME = np.arange(POINTS) / RATE
PEAK, SHAPE, COUPLING = 16000.0, 300.0, 4e-4
BAND = (6e3, 30e3)
PINNING = {"annealed": 300.0, "cold_worked": 1200.0, "hardened": 4800.0}
CLASSES = tuple(PINNING)
NOISE, CONVERTER, FULL_SCALE = 0.005, 0.0005, 10.0
"""Noise of amplifier and converter, and the converter's range, in V."""

VOLT = 4.0e9
"""dM_irr/dt in A/m/s at which the noise has a standard deviation of 1 V."""

DOMINANT = 2.0
"""A class has this many times the noise power of any other where a place is said to be its own."""


@lru_cache(maxsize=64)
def _cycle(pinning: float, peak: float, shape: float) -> tuple[Floats, Floats, Floats]:
    """H, M and dM_irr/dt over one closed cycle, from one negative peak to the next."""
    material = JilesAtherton(shape=shape, coupling=COUPLING, pinning=pinning)
    quarter = COARSE // 4
    phase = np.arange(-quarter, 2 * COARSE + 1 - quarter) / COARSE * 2 * np.pi
    magnetising = np.concatenate([np.linspace(0, -peak, quarter)[:-1], peak * np.sin(phase)])
    m, irreversible = material.along(magnetising)
    last = slice(len(m) - COARSE - 1, len(m))
    rate = np.abs(np.gradient(irreversible, CYCLE / COARSE))
    at, grid = np.arange(POINTS) * COARSE / POINTS, np.arange(COARSE + 1)
    return -peak * np.cos(2 * np.pi * TIME / CYCLE), np.interp(at, grid, m[last]), np.interp(at, grid, rate[last])


def _specimen(kind: str, rng: Rng) -> Mapping[str, Any]:  # noqa: ARG001 - the class must not enter
    return {
        "pinning_factor": float(rng.uniform(0.9, 1.1)),
        "peak_field": PEAK * float(rng.uniform(0.97, 1.03)),
        "shape": SHAPE * float(rng.uniform(0.9, 1.1)),
        "lift_off": float(rng.uniform(0.6, 1.2)),
    }


def _scene(kind: str, specimen: Mapping[str, Any], rng: Rng) -> Scene:
    drawn = {
        "hum_v": float(rng.uniform(0, 0.02)),
        "amplifier": float(np.exp(rng.uniform(np.log(0.7), np.log(1.4)))),
        "drift_t": float(rng.uniform(-0.02, 0.02)),
    }
    field, m, rate = _cycle(PINNING[kind] * specimen["pinning_factor"], specimen["peak_field"], specimen["shape"])
    density = MU0 * (field + m) + drawn["drift_t"]
    envelope = drawn["amplifier"] * specimen["lift_off"] * rate / VOLT
    # Barkhausen noise is of the specimen's walls: it is in the scene; the amplifier's noise is not
    noise = barkhausen(envelope, RATE, BAND, rng) + hum(TIME, rng, drawn["hum_v"])
    return Scene(TIME, np.stack([density, noise], axis=1), drawn, {"field": field})


def _detect(scene: Scene, rng: np.random.Generator) -> Floats:
    gain = float(scene.attrs.get("gain_factor", 1.0))
    density = scene.values[:, 0] + rng.normal(0, 0.002, POINTS)
    coil = gain * (scene.values[:, 1] + rng.normal(0, NOISE, POINTS)) + rng.normal(0, CONVERTER, POINTS)
    return np.stack([density, digitised(coil, full_scale=FULL_SCALE)], axis=1)


def _nominal(kind: str) -> Nominal:
    """Power of the noise over the cycle; a class's places are where it has most of all."""
    power = {k: (_cycle(v, PEAK, SHAPE)[2] / VOLT) ** 2 for k, v in PINNING.items()}
    own, floor = power[kind], np.full(POINTS, NOISE**2)
    others = np.max([p for k, p in power.items() if k != kind], axis=0)
    features = []
    for branch, inside in (("rising", np.arange(POINTS) < POINTS // 2), ("falling", np.arange(POINTS) >= POINTS // 2)):
        dominant = np.flatnonzero(inside & (own >= DOMINANT * others) & (own > floor))
        loud = dominant[own[dominant] >= 0.2 * own[dominant].max()]
        curve = np.where(inside, own, 0.0)
        place = float(TIME[loud[own[loud].argmax()]])
        interval = float(TIME[loud[0]]), float(TIME[loud[-1]])
        features.append(Feature(f"{kind}, {branch} field", kind, "peak", place, curve, interval))
    # the square of a normal variable has twice the square of its mean as variance
    return Nominal(TIME, tuple(features), floor, 2 * (own + floor) ** 2)


GENERATORS.add(
    "barkhausen_steels",
    Generator(
        name="barkhausen_steels",
        title="B-H loops (Jiles-Atherton) with Barkhausen noise: annealed, cold-worked or hardened steel",
        dim="time",
        unit="s",
        axis=TIME,
        classes=CLASSES,
        specimen=_specimen,
        scene=_scene,
        detect=_detect,
        nominal=_nominal,
        slack=1e-4,
        value_name="signal",
        value_unit="",
        channels=("flux_density", "barkhausen"),
        nuisances={"tip of the loop": (0.45 * CYCLE, 0.52 * CYCLE)},
        attrs={"sampling_rate": RATE, "excitation_frequency": 1 / CYCLE, "channel_units": "T, V"},
        data_kind="waveforms",
    ),
)

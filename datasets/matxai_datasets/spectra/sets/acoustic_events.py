"""Acoustic emission of a laminate: matrix crack, delamination or broken fibres, told apart by their modes.

A crack and broken fibres send mainly the extensional mode (S0), at about 300 and 450 kHz, a delamination the flexural
mode (A0) at about 90 kHz; each event has some of both. Distance, amplitude, decay, pick-up and hum vary whatever the
class.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from matxai_datasets.spectra.detection import digitised, hum
from matxai_datasets.spectra.emission import burst, dispersed, resonator
from matxai_datasets.spectra.generating import GENERATORS, Generator
from matxai_datasets.spectra.record import Feature, Floats, Nominal, Scene

if TYPE_CHECKING:
    from collections.abc import Mapping

    Rng = np.random.Generator

RATE, POINTS, BEFORE = 2.0e6, 2048, 256
TIME = (np.arange(POINTS) - BEFORE) / RATE
FREQUENCY: Floats = np.fft.rfftfreq(POINTS, 1 / RATE).astype(np.float64)
FLEXURAL = 90e3
MODES = {  # frequency of S0, amplitudes of S0 and A0
    "crack": (300e3, 1.0, 0.3),
    "delamination": (300e3, 0.2, 1.0),
    "fibre": (450e3, 1.0, 0.3),
}
CLASSES = tuple(MODES)
SPREAD = 0.06
"""Relative change of a mode's frequency from specimen to specimen, of both signs."""

NOISE, CONVERTER, FULL_SCALE = 0.04, 0.0005, 10.0
"""Standard deviation of the sensor's and of the converter's noise, and the converter's range, in V."""

PICK_UP = 30e3


def _specimen(kind: str, rng: Rng) -> Mapping[str, Any]:  # noqa: ARG001 - the class must not enter
    return {
        "frequency_factor": float(rng.uniform(1 - SPREAD, 1 + SPREAD)),
        "decay_us": float(rng.uniform(50, 110)),
        "coupling": float(np.exp(rng.uniform(np.log(0.5), np.log(1.6)))),
        "stiffness": float(rng.uniform(0.3, 0.5)),
    }


def _modes(kind: str, s: Mapping[str, Any], d: Mapping[str, Any]) -> tuple[Floats, Floats]:
    """S0 and A0 at the sensor."""
    extensional, *amplitudes = MODES[kind]
    fast, slow = extensional * s["frequency_factor"], FLEXURAL * s["frequency_factor"]
    decay = s["decay_us"] * 1e-6
    first = burst(TIME, d["onset_us"] * 1e-6, fast, rise=4e-6, decay=0.6 * decay, phase=d["phase_s0"])
    later = d["onset_us"] * 1e-6 + d["distance_mm"] * 1e-3 / 3000.0  # A0 falls behind: about 3 km/s between the two
    second = burst(TIME, later, slow, rise=12e-6, decay=1.4 * decay, phase=d["phase_a0"])
    second = dispersed(second, RATE, d["distance_mm"] * 1e-3, s["stiffness"], frequency=slow)
    return amplitudes[0] * first, amplitudes[1] * second


def _scene(kind: str, specimen: Mapping[str, Any], rng: Rng) -> Scene:
    drawn = {
        "distance_mm": float(rng.uniform(20, 200)),
        "amplitude_v": float(np.exp(rng.uniform(np.log(0.5), np.log(2.5)))),
        "onset_us": float(rng.uniform(-4, 4)),
        "phase_s0": float(rng.uniform(0, 2 * np.pi)),
        "phase_a0": float(rng.uniform(0, 2 * np.pi)),
        "pick_up_v": float(rng.uniform(0, 0.06)),
        "hum_v": float(rng.uniform(0, 0.1)),
    }
    wave = sum(_modes(kind, specimen, drawn), np.zeros(POINTS))
    wave = resonator(wave, RATE, 160e3, 3.0, 0.3)
    values = specimen["coupling"] * drawn["amplitude_v"] * wave
    values = values + drawn["pick_up_v"] * np.sin(2 * np.pi * PICK_UP * TIME + rng.uniform(0, 2 * np.pi))
    values = values + hum(TIME, rng, drawn["hum_v"])
    return Scene(TIME, values, drawn)


def _detect(scene: Scene, rng: np.random.Generator) -> Floats:
    gain = float(scene.attrs.get("gain_factor", 1.0))
    amplified = gain * (scene.values + rng.normal(0, NOISE, POINTS))
    return digitised(amplified + rng.normal(0, CONVERTER, POINTS), full_scale=FULL_SCALE)


def _nominal(kind: str) -> Nominal:
    specimen = {"frequency_factor": 1.0, "decay_us": 80.0, "stiffness": 0.4}
    drawn = {"onset_us": 0.0, "distance_mm": 110.0, "phase_s0": np.pi / 2, "phase_a0": np.pi / 2}
    features = []
    waves = _modes(kind, specimen, drawn)
    for (mode, place), wave in zip((("S0", MODES[kind][0]), ("A0", FLEXURAL)), waves, strict=True):
        power = np.abs(np.fft.rfft(resonator(wave, RATE, 160e3, 3.0, 0.3))) ** 2
        name = f"{mode} {place / 1e3:.0f} kHz"
        features.append(Feature(name, name, "band", place, power))
    noise = np.full(len(FREQUENCY), POINTS * NOISE**2)
    whole = np.sum([f.curve for f in features], axis=0)
    # a bin of a periodogram: noise squared, and twice noise times signal
    along = (("burst", -4e-6, 300e-6, "presence"), ("before the trigger", float(TIME[0]), -4e-6, "nuisance"))
    return Nominal(FREQUENCY, tuple(features), noise, noise**2 + 2 * noise * whole, along)


GENERATORS.add(
    "acoustic_events",
    Generator(
        name="acoustic_events",
        title="Acoustic emission: matrix crack, delamination or fibre breakage",
        dim="time",
        unit="s",
        axis=TIME,
        classes=CLASSES,
        specimen=_specimen,
        scene=_scene,
        detect=_detect,
        nominal=_nominal,
        slack=SPREAD * FREQUENCY,
        truth_dim="frequency",
        truth_unit="Hz",
        value_name="voltage",
        value_unit="V",
        nuisances={"hum": (0.0, 2e3), "pick-up": (PICK_UP - 2e3, PICK_UP + 2e3)},
        attrs={"sampling_rate": RATE, "pretrigger_points": BEFORE},
        data_kind="waveforms",
    ),
)

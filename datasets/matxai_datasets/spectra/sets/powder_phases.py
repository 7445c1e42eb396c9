"""Powder X-ray diffraction of a pigment in alumina: anatase, rutile or zincite.

Alumina is in every pattern: its peaks say nothing. The pigment's amount, grain size, strain, texture and lattice vary
from specimen to specimen, zero and displacement from scan to scan; fluorescence, air scatter and an amorphous hump lie
below.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai_datasets.spectra.detection import counted
from matxai_datasets.spectra.diffraction import (
    Background,
    Diffractometer,
    Lines,
    Phase,
    drawn_lines,
    lines_of,
    powder_pattern,
)
from matxai_datasets.spectra.generating import GENERATORS, Generator
from matxai_datasets.spectra.record import Feature, Nominal, Scene

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matxai.reference.crystals import CrystalStructure

    Rng = np.random.Generator

AXIS = np.linspace(10.0, 80.0, 3501)
CLASSES = ("anatase", "rutile", "zincite")
MATRIX = "corundum"
K_ALPHA_1 = 1.54056

AREA = 500.0
"""Of the matrix's strongest line, in counts times degrees."""

ZERO, DISPLACEMENT, LATTICE = 0.04, 0.08, 0.001
"""Largest zero error (degrees), displacement (mm) and relative change of the lattice, each of both signs."""

K_BETA, TUNGSTEN = 0.01, 1.0


@cache
def _crystal(name: str) -> CrystalStructure:
    from matxai.reference.phases import structure

    return structure("ZnO" if name == "zincite" else name)


def _specimen(kind: str, rng: Rng) -> Mapping[str, Any]:  # noqa: ARG001 - the class must not enter
    return {
        "amount": float(np.exp(rng.uniform(np.log(0.25), np.log(1.0)))),
        "size_nm": float(rng.uniform(25, 120)),
        "strain": float(rng.uniform(0, 0.002)),
        "texture": float(rng.uniform(0.8, 1.15)),
        "lattice": float(rng.uniform(-LATTICE, LATTICE)),
        "b_extra": float(rng.uniform(0, 0.5)),
        "matrix_size_nm": float(rng.uniform(80, 300)),
        "matrix_texture": float(rng.uniform(0.85, 1.15)),
        "fluorescence": float(np.exp(rng.uniform(np.log(40), np.log(250)))),
        "air": float(rng.uniform(20, 150)),
        "hump": float(rng.uniform(0, 80)),
        "hump_at": float(rng.uniform(20, 26)),
        "tilt": float(rng.uniform(-0.25, 0.25)),
        "bow": float(rng.uniform(-0.1, 0.1)),
    }


def _scene(kind: str, specimen: Mapping[str, Any], rng: Rng) -> Scene:
    drawn = {
        "zero": float(rng.uniform(-ZERO, ZERO)),
        "displacement_mm": float(rng.uniform(-DISPLACEMENT, DISPLACEMENT)),
        "counting": float(np.exp(rng.uniform(np.log(0.6), np.log(1.6)))),
        "k_beta": float(rng.uniform(0, 2 * K_BETA)),
        "tungsten": float(rng.uniform(0, 2 * TUNGSTEN)),
    }
    s = specimen
    instrument = Diffractometer(
        zero=drawn["zero"], displacement=drawn["displacement_mm"], k_beta=drawn["k_beta"], tungsten=drawn["tungsten"]
    )
    phases = (
        Phase(_crystal(MATRIX), AREA, 1.0, s["matrix_size_nm"], 0.0, s["matrix_texture"]),
        Phase(
            _crystal(kind), AREA * s["amount"], 1 + s["lattice"], s["size_nm"], s["strain"], s["texture"],
            b_extra=s["b_extra"],
        ),
    )  # fmt: skip
    below = Background(s["fluorescence"], s["air"], s["hump"], s["hump_at"], slope=(s["tilt"], s["bow"]))
    values = drawn["counting"] * powder_pattern(AXIS, phases, instrument, below)
    return Scene(AXIS, values, drawn)


def _nominal(kind: str) -> Nominal:
    instrument = Diffractometer(k_beta=K_BETA, tungsten=TUNGSTEN)
    features = []
    for name, phase in (
        (MATRIX, Phase(_crystal(MATRIX), AREA, size=150.0)),
        (kind, Phase(_crystal(kind), 0.5 * AREA, size=60.0, strain=0.001, b_extra=0.25)),
    ):
        features += _features(name, lines_of(phase, instrument, AXIS[0], AXIS[-1]))
    return Nominal(AXIS, tuple(features), Background(100.0, 85.0, 40.0, 23.0).on(AXIS))


def _features(name: str, lines: Lines) -> list[Feature]:
    """One feature for each family of hkl; the weak lines of the tube are features of their own."""
    found = []
    for label, emission in dict.fromkeys(zip(lines.labels, lines.emission, strict=True)):
        if emission == "K-alpha2":
            continue
        kept = {"K-alpha1", "K-alpha2"} if emission == "K-alpha1" else {emission}
        rows = [
            k
            for k, pair in enumerate(zip(lines.labels, lines.emission, strict=True))
            if pair[0] == label and pair[1] in kept
        ]
        curve = drawn_lines(AXIS, lines.chosen(rows))
        called = f"{name} {label}" + ("" if emission == "K-alpha1" else f" {emission}")
        found.append(Feature(called, name, "peak", float(lines.centre[rows[0]]), curve))
    return found


_THETA = np.radians(AXIS / 2)

GENERATORS.add(
    "powder_phases",
    Generator(
        name="powder_phases",
        title="Powder diffraction: anatase, rutile or zincite in alumina",
        dim="two_theta",
        unit="degree",
        axis=AXIS,
        classes=CLASSES,
        specimen=_specimen,
        scene=_scene,
        detect=counted,
        nominal=_nominal,
        slack=ZERO + np.degrees(2 * DISPLACEMENT * np.cos(_THETA) / 240.0 + 2 * LATTICE * np.tan(_THETA)),
        nuisances={"amorphous hump": (16.0, 30.0), "air scatter": (10.0, 18.0)},
        holders=(20.4, 50.3, 72.2),
        holder_width=0.25,
        attrs={"wavelength": K_ALPHA_1, "anode": "Cu"},
    ),
)

"""X-ray photoelectron spectra of molybdenum, from Mo 3d to C 1s: metal, disulfide or trioxide.

Binding energies (eV, C 1s at 284.8): J. F. Moulder et al., Handbook of X-ray Photoelectron Spectroscopy (1992). S 2s of
the disulfide lies beside its Mo 3d. Adventitious carbon is on every specimen, whatever the class; charging moves all
lines together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from matxai_datasets.spectra.detection import counted
from matxai_datasets.spectra.generating import GENERATORS, Generator
from matxai_datasets.spectra.photoemission import AL_SATELLITES, Line, doublet, shirley
from matxai_datasets.spectra.record import Feature, Nominal, Scene

if TYPE_CHECKING:
    from collections.abc import Mapping

    Rng = np.random.Generator

STEP = 0.1
AXIS = np.round(np.arange(222.0, 294.0 + STEP / 2, STEP), 6)
SPLITTING = 3.13
AREA = 6000.0
CHARGE = 0.2
SCATTER = 0.02

CLASSES = ("Mo", "MoS2", "MoO3")


def molybdenum(kind: str, area: float, broader: float = 1.0) -> tuple[Line, ...]:
    """Return the lines of a state: Mo 3d, ``area`` both partners together, and what it brings along."""
    if kind == "Mo":
        return doublet("Mo", "3d", 228.0, area, SPLITTING, 0.45 * broader, alpha=0.12)
    if kind == "MoS2":
        lines = doublet("MoS2", "3d", 229.3, area, SPLITTING, 0.7 * broader)
        return (Line("MoS2 S 2s", 226.5, 0.25 * area, 1.9 * broader), *lines)
    return doublet("MoO3", "3d", 232.6, area, SPLITTING, 1.05 * broader)


def carbon(area: float, oxidised: float) -> tuple[Line, ...]:
    """Return the lines of adventitious carbon: C-C, C-O, O-C=O."""
    return (
        Line("C-C 1s", 284.8, area * (1 - oxidised), 1.3),
        Line("C-O 1s", 286.3, area * oxidised * 0.6, 1.4),
        Line("O-C=O 1s", 288.7, area * oxidised * 0.4, 1.4),
    )


def _shifted(lines: tuple[Line, ...], by: float) -> Any:
    return sum(
        (Line(e.name, e.centre + by, e.area, e.fwhm, e.eta, e.alpha).on(AXIS) for e in lines), np.zeros_like(AXIS)
    )


def _specimen(kind: str, rng: Rng) -> Mapping[str, Any]:  # noqa: ARG001 - the class must not enter
    return {
        "attenuation": float(rng.uniform(0.5, 1.0)),
        "carbon": float(np.exp(rng.uniform(np.log(0.15), np.log(0.9)))),
        "oxidised": float(rng.uniform(0.1, 0.4)),
        "broader": float(rng.uniform(0.9, 1.25)),
        "satellites": float(rng.choice([0.0, 1.0])),  # without a monochromator the tube has satellites too
    }


def _scene(kind: str, specimen: Mapping[str, Any], rng: Rng) -> Scene:
    drawn = {
        "charge": float(rng.uniform(-CHARGE, CHARGE)),
        "counting": float(np.exp(rng.uniform(np.log(0.5), np.log(2.0)))),
        "background": float(rng.uniform(150, 500)),
        "slope": float(rng.uniform(-0.2, 0.4)),
        "scatter": float(rng.uniform(0.6, 1.4)) * SCATTER,
    }
    s = specimen
    of_metal = molybdenum(kind, AREA * s["attenuation"], s["broader"])
    of_carbon = carbon(AREA * s["carbon"], s["oxidised"])
    lines = _shifted((*of_metal, *of_carbon), drawn["charge"])
    if s["satellites"]:
        for lower, share in AL_SATELLITES:
            lines = lines + share * _shifted((*of_metal, *of_carbon), drawn["charge"] - lower)
    ramp = (AXIS - AXIS[0]) / (AXIS[-1] - AXIS[0])
    below = drawn["background"] * (1 + drawn["slope"] * ramp) + shirley(lines, STEP, drawn["scatter"])
    return Scene(AXIS, drawn["counting"] * (lines + below), drawn)


def _nominal(kind: str) -> Nominal:
    of_metal, of_carbon = molybdenum(kind, 0.75 * AREA), carbon(0.4 * AREA, 0.25)
    features = [Feature(e.name, kind, "peak", e.centre, e.on(AXIS)) for e in of_metal]
    features += [Feature(e.name, "adventitious carbon", "peak", e.centre, e.on(AXIS)) for e in of_carbon]
    lines = np.sum([f.curve for f in features], axis=0)
    return Nominal(AXIS, tuple(features), 325.0 + shirley(lines, STEP, SCATTER))


GENERATORS.add(
    "xps_molybdenum",
    Generator(
        name="xps_molybdenum",
        title="Photoelectrons, Mo 3d to C 1s: metal, MoS2 or MoO3",
        dim="binding_energy",
        unit="eV",
        axis=AXIS,
        classes=CLASSES,
        specimen=_specimen,
        scene=_scene,
        detect=counted,
        nominal=_nominal,
        slack=CHARGE,
        nuisances={"X-ray satellites of C 1s": (272.0, 276.5)},
        contaminant=(284.8, 1.3),
        attrs={"photon_energy": 1486.61, "anode": "Al"},
    ),
)

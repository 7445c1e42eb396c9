"""X-ray absorption at the chromium K edge: metal, Cr(III) oxide or chromate.

The shapes follow what is known of these edges (a chromate has an intense pre-edge peak near 5993 eV, an octahedral
oxide a weak one; the edge moves up with valence); the numbers are round, no measured spectrum is copied. The
monochromator of each session is off by up to 0.7 eV, as beamlines are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from matxai_datasets.spectra.absorption import Edge, Shell, hump, self_absorbed
from matxai_datasets.spectra.generating import GENERATORS, Generator
from matxai_datasets.spectra.record import Feature, Floats, Nominal, Scene

if TYPE_CHECKING:
    from collections.abc import Mapping

    Rng = np.random.Generator

AXIS = np.linspace(5950.0, 6250.0, 601)
SHIFT = 0.7
THICKNESS, PHOTONS = 1.0, 2.0e5

METAL = (0.3, -0.4)
OXYGEN = Shell(6, 1.99, 0.004, 2.5, 6.0)
EDGES = {
    "Cr metal": Edge(
        5994.0, 4.0, (6003.5, 0.12, 6.0), (5990.0, 0.25, 3.5),
        (Shell(8, 2.50, 0.005, 5.5, 5.0, METAL), Shell(6, 2.88, 0.006, 5.5, 5.0, METAL)),
    ),
    "Cr2O3": Edge(
        6001.0, 3.0, (6008.5, 0.55, 6.5), (5990.5, 0.05, 2.5),
        (OXYGEN, Shell(4, 2.66, 0.006, 5.5, 5.0, METAL), Shell(9, 3.5, 0.008, 5.5, 5.0, METAL)),
    ),
    "chromate": Edge(
        6005.5, 3.0, (6017.0, 0.30, 11.0), (5993.0, 0.75, 2.2),
        (Shell(4, 1.65, 0.002, 2.5, 6.0),),
    ),
}  # fmt: skip
CLASSES = tuple(EDGES)


def _below(energy: Floats, level: float, slope: float) -> Floats:
    """Absorption of everything else: falls with the energy (Victoreen), here a straight line."""
    return np.asarray(level + slope * (energy - AXIS[0]) / (AXIS[-1] - AXIS[0]))


def _specimen(kind: str, rng: Rng) -> Mapping[str, Any]:  # noqa: ARG001 - the class must not enter
    return {
        "thickness": float(rng.uniform(0.5, 1.5)) * THICKNESS,
        "other_absorption": float(rng.uniform(0.2, 0.8)),
        "e0_shift": float(rng.uniform(-SHIFT, SHIFT)),
        "self_absorption": float(rng.choice([0.0, rng.uniform(0.05, 0.3)])),
        "disorder": float(rng.uniform(0.0, 0.003)),
    }


def _scene(kind: str, specimen: Mapping[str, Any], rng: Rng) -> Scene:
    drawn = {
        "photons": PHOTONS * float(np.exp(rng.uniform(np.log(0.3), np.log(3.0)))),
        "slope": float(rng.uniform(-0.12, -0.02)),
    }
    energy = AXIS - specimen["e0_shift"]
    edge = EDGES[kind]
    looser = tuple(
        Shell(e.number, e.distance, e.sigma2 + specimen["disorder"], e.best, e.spread, e.phase) for e in edge.shells
    )
    whole = Edge(edge.e0, edge.width, edge.white_line, edge.pre_edge, looser).on(energy)
    whole = self_absorbed(whole, specimen["self_absorption"])
    values = specimen["thickness"] * whole + _below(energy, specimen["other_absorption"], drawn["slope"])
    return Scene(AXIS, values, drawn)


def _detect(scene: Scene, rng: np.random.Generator) -> Floats:
    """ln(i0 / itrans), both counted."""
    photons = float(scene.drawn["photons"])
    before = rng.poisson(photons, scene.values.shape)
    behind = rng.poisson(photons * np.exp(-scene.values))
    return np.log(np.maximum(before, 1) / np.maximum(behind, 1))


def _nominal(kind: str) -> Nominal:
    edge = EDGES[kind]
    last = min((e.step(AXIS) for e in EDGES.values()), key=lambda s: float(s.sum()))  # the edge that begins last
    features = [Feature(f"{kind} edge", kind, "post_edge", edge.e0, np.maximum(edge.step(AXIS) - last, 0.0))]
    for name, region, one in (("pre-edge", "pre_edge", edge.pre_edge), ("white line", "white_line", edge.white_line)):
        if one is not None:
            features.append(Feature(f"{kind} {name}", kind, region, one[0], hump(AXIS, *one)))
    start = edge.e0 + 30.0
    wave = np.where(start <= AXIS, edge.exafs(AXIS), 0.0)
    features.append(Feature(f"{kind} EXAFS", kind, "exafs", start + 40.0, wave, (start, float(AXIS[-1]))))
    below = last + _below(AXIS, 0.5, -0.07)
    whole = below + np.sum([f.curve for f in features], axis=0)
    return Nominal(AXIS, tuple(features), below, (1 + np.exp(whole)) / PHOTONS)


GENERATORS.add(
    "xafs_chromium",
    Generator(
        name="xafs_chromium",
        title="X-ray absorption, Cr K edge: metal, Cr2O3 or chromate",
        dim="energy",
        unit="eV",
        axis=AXIS,
        classes=CLASSES,
        specimen=_specimen,
        scene=_scene,
        detect=_detect,
        nominal=_nominal,
        slack=SHIFT,
        value_name="absorption",
        value_unit="1",
        calibration_step=1.5,
        nuisances={"below the edge": (5950.0, 5984.0)},
        attrs={"edge": "Cr K", "e0": 5989.0},
    ),
)

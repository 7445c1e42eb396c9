"""Which phase a powder pattern shows, trained on patterns simulated from the CIF files in a folder of the user.

A class is a CIF, by its file's name. Lattice, grain size, strain, texture, zero error, displacement and background vary
from pattern to pattern. Measured patterns in the same folder that are called like a class, or like its formula in front
of ``_``, are a test; no network sees them in training.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import FileError, MatxaiError
from matxai_models.recipe import RECIPES, Recipe, Settings, Trained

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import xarray as xr
    from matxai_datasets.spectra import Spectrum
    from numpy.typing import NDArray

    from matxai.reference.crystals import CrystalStructure

log = logging.getLogger("matxai.models.diffraction")

LOW, HIGH, POINTS, WAVELENGTH = 10.0, 90.0, 2667, 1.54056
AXIS = {
    "name": "two_theta", "units": "degree", "start": LOW, "stop": HIGH, "points": POINTS, "wavelength": WAVELENGTH,
    "read": "average", "outside": "edge",
}  # fmt: skip
NET = {"widths": [12, 16, 24, 32], "strides": [2, 2, 2, 1], "points": POINTS}
EACH, UNSEEN, EPOCHS = 120, 6, 20
LATTICE = 0.01
"""Relative change of each lattice parameter, of both signs: computed cells are off by that much."""
MEASURED = (".xy", ".xye", ".dat", ".txt", ".csv", ".xrdml", ".ras", ".rasx", ".raw", ".brml")


def simulated(structure: CrystalStructure, rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return one pattern of a phase as a laboratory might measure it: two-theta in degrees, counts, ``(n,)`` each."""
    from matxai_datasets.spectra.diffraction import Background, Diffractometer, Phase, powder_pattern

    axis = np.linspace(LOW, HIGH, POINTS)
    phase = Phase(
        structure,
        float(np.exp(rng.uniform(np.log(200), np.log(4000)))),
        _stretched(structure, rng),
        size=float(np.exp(rng.uniform(np.log(6), np.log(150)))),
        strain=float(rng.uniform(0, 0.002)),
        texture=float(rng.uniform(0.75, 1.25)),
        b_extra=float(rng.uniform(0, 0.5)),
    )
    instrument = Diffractometer(zero=float(rng.uniform(-0.06, 0.06)), displacement=float(rng.uniform(-0.1, 0.1)))
    level = float(np.exp(rng.uniform(np.log(50), np.log(1500))))
    slope = (float(rng.uniform(-0.25, 0.1)), float(rng.uniform(-0.1, 0.1)))
    below = Background(level, float(rng.uniform(0, 1)) * level, float(rng.uniform(0, 0.4)) * level, slope=slope)
    return axis, rng.poisson(powder_pattern(axis, [phase], instrument, below)).astype(float)


def _stretched(structure: CrystalStructure, rng: np.random.Generator) -> tuple[float, float, float]:
    """Factors of a, b and c; lengths that symmetry makes equal stay so."""
    lengths = [round(length, 4) for length in structure.cell[:3]]
    factors = {length: 1.0 + float(rng.uniform(-LATTICE, LATTICE)) for length in dict.fromkeys(lengths)}
    return factors[lengths[0]], factors[lengths[1]], factors[lengths[2]]


def structures(folder: Path) -> dict[str, CrystalStructure]:
    """Return the structures of all CIF files in and below a folder by their files' names.

    Raises
    ------
    FileError
        If there is none, two have one name, or one cannot be read.
    """
    from matxai.reference.cif import read_cif

    found: dict[str, CrystalStructure] = {}
    for file in sorted(folder.rglob("*.cif")):
        if file.stem in found:
            msg = f"{folder} has two files called {file.name}; a class is named after one."
            raise FileError(msg)
        found[file.stem] = read_cif(file)
    if not found:
        msg = f"There is no CIF file in {folder}; the recipe 'diffraction' trains on one for each phase."
        raise FileError(msg)
    return found


def measured_patterns(folder: Path, members: Sequence[tuple[str, ...]]) -> list[tuple[str, int, xr.DataArray]]:
    """Return the measured patterns in a folder that are called like a class or the formula of just one class."""
    from matxai.signals import read

    found = []
    for file in sorted(f for f in folder.rglob("*") if f.suffix.lower() in MEASURED):
        same = [k for k, m in enumerate(members) if file.stem in m]
        like = [k for k, m in enumerate(members) if file.stem in {name.rsplit("_", 1)[0] for name in m}]
        if len(same or like) != 1:
            continue
        try:
            signal = read(file, axis="two_theta")
        except MatxaiError as error:
            log.warning("%s is no test: %s", file.name, error)
            continue
        signal = signal[0] if "sample" in signal.dims else signal
        found.append((file.name, (same or like)[0], signal))
    return found


def _train(settings: Settings) -> Trained:
    import torch

    from matxai_models import measures
    from matxai_models.measured_spectra import card_of, chain_of, chosen_classes, top, trained

    if settings.data is None:
        msg = "The recipe 'diffraction' needs a folder of CIF files."
        raise FileError(msg)
    crystals = structures(settings.data)
    members = chosen_classes(settings.classes or tuple(crystals), tuple(crystals))
    spec = {"kind": "1d", "channels": 1, "scale": "none", "axis": AXIS, "steps": [{"snip": 75}, "area_norm"]}
    each = max((settings.images or EACH * len(members)) // len(members), 1)
    log.info("simulating %d patterns of each of %d classes", each + UNSEEN, len(members))
    made = [
        (k, number, one)
        for k, labels in enumerate(members.values())
        for number in range(each + UNSEEN)
        for one in [_pattern(crystals, labels, settings.seed, k, number)]
    ]
    chain = chain_of(spec)
    x = torch.cat([chain.prepare(one.signal()).tensor for _, _, one in made])
    y, unseen = torch.tensor([k for k, _, _ in made]), np.array([n >= each for _, n, _ in made])
    std = float(f"{float(x[~unseen].std()):.4g}")
    x, spec = x / std, {**spec, "mean": [0.0], "std": [std]}
    module = trained(
        x[~unseen], y[~unseen], len(members), NET, epochs=settings.epochs or EPOCHS, seed=settings.seed,
        jitter=2, least=int(0.06 * POINTS), progress=settings.progress,
    )  # fmt: skip
    right = top(module, x[unseen]) == y[unseen].numpy()
    real, names = measured_patterns(settings.data, list(members.values())), list(members)
    found = top(module, torch.cat([chain.prepare(s).tensor for _, _, s in real]) / std) if real else np.zeros(0, int)
    figures: dict[str, Any] = {"accuracy": measures.share(right)}
    summary = (
        f"Trained on {int((~unseen).sum())} patterns in {len(members)} classes, simulated from "
        f"{sum(map(len, members.values()))} CIF files. "
        f"Accuracy on {int(unseen.sum())} unseen simulated ones: {right.mean():.3f}"
    )
    if real:
        truth = np.array([k for _, k, _ in real])
        figures["accuracy_on_measured_patterns"] = measures.share(found == truth)
        figures["measured_patterns"] = {name: names[k] for (name, _, _), k in zip(real, found, strict=True)}
        summary += f"; {int((found == truth).sum())} of {len(real)} measured patterns are named right"
    example = next(one for (_, _, one), new in zip(made, unseen, strict=True) if new)
    return Trained(module, card_of("diffraction", members, NET, spec), example, figures, summary + ".")


def _pattern(
    crystals: dict[str, CrystalStructure], labels: Sequence[str], seed: int, kind: int, number: int
) -> Spectrum:
    from matxai_datasets.spectra.record import Spectrum

    label = labels[number % len(labels)]
    axis, counts = simulated(crystals[label], np.random.default_rng([seed, 51, kind, number]))
    attrs = {"wavelength": WAVELENGTH, "anode": "Cu"}
    name = f"simulated {number}"
    return Spectrum(
        axis,
        counts,
        counts,
        "two_theta",
        "degree",
        "intensity",
        "counts",
        (),
        label,
        name,
        {},
        {},
        attrs,
        None,
        None,
        seed,
    )


RECIPES.add(
    "diffraction",
    Recipe(
        "diffraction",
        "the phase of a powder pattern, simulated from CIF files of yours",
        _train,
        files="a folder of CIF files",
        chooses=True,
    ),
)

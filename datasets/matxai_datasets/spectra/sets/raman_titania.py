"""Raman spectra of white paint: anatase, rutile or brookite in calcite.

Shifts and relative heights (1/cm): anatase and rutile, S. P. S. Porto et al., Phys. Rev. 154 (1967) 522, and T. Ohsaka
et al., J. Raman Spectrosc. 7 (1978) 321; brookite, G. A. Tompsett et al., J. Raman Spectrosc. 26 (1995) 57; calcite,
whose 1086 is a calibration line. Heights are round. Fluorescence lies below, cosmic rays strike, the axis is off by up
to 1.5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from matxai_datasets.spectra.detection import charge_coupled
from matxai_datasets.spectra.generating import GENERATORS, Generator
from matxai_datasets.spectra.profiles import add_lines, pseudo_voigt, thompson_cox_hastings
from matxai_datasets.spectra.record import Feature, Floats, Nominal, Scene

if TYPE_CHECKING:
    from collections.abc import Mapping

    Rng = np.random.Generator

AXIS = np.linspace(90.0, 1200.0, 1111)
BANDS: dict[str, tuple[tuple[float, float, float], ...]] = {  # shift, height, natural width
    "anatase": ((144, 1.0, 8), (197, 0.08, 10), (399, 0.22, 20), (513, 0.2, 22), (639, 0.3, 22)),
    "rutile": ((235, 0.45, 80), (447, 0.9, 38), (612, 1.0, 38)),
    "brookite": (
        (128, 0.35, 8), (153, 1.0, 9), (247, 0.35, 12), (322, 0.3, 12), (366, 0.25, 12),
        (545, 0.12, 14), (585, 0.12, 14), (636, 0.3, 18),
    ),
    "calcite": ((281, 0.3, 10), (712, 0.15, 6), (1086, 1.0, 5)),
}  # fmt: skip
CLASSES = ("anatase", "rutile", "brookite")
MATRIX = "calcite"
HEIGHT, RESOLUTION, OFF = 1500.0, 5.0, 1.5


def bands(of: str, height: float, resolution: float, off: float = 0.0) -> list[tuple[str, float, Floats]]:
    """Return each band of a substance as name, place and curve; ``resolution`` is the instrument's Gaussian width."""
    found = []
    for shift, relative, natural in BANDS[of]:
        fwhm, eta = (float(v) for v in thompson_cox_hastings(resolution, natural))
        # a wider instrument lowers a band and keeps its area
        own, mixing = (float(v) for v in thompson_cox_hastings(0.0, natural))
        area = height * relative / float(pseudo_voigt(0.0, 0.0, own, mixing))
        curve = np.zeros_like(AXIS)
        add_lines(curve, AXIS, centre=shift + off, area=area, fwhm=fwhm, eta=eta, reach=12.0)
        found.append((f"{of} {shift:g}", shift + off, curve))
    return found


def fluorescence(level: float, place: float, width: float) -> Floats:
    """Return a broad hump on a constant, ``level`` high."""
    return level * (0.3 + 0.7 * np.exp(-(((AXIS - place) / width) ** 2)))


def _specimen(kind: str, rng: Rng) -> Mapping[str, Any]:  # noqa: ARG001 - the class must not enter
    return {
        "amount": float(np.exp(rng.uniform(np.log(0.4), np.log(1.3)))),
        "matrix_amount": float(rng.uniform(0.5, 1.2)),
        "fluorescence": float(np.exp(rng.uniform(np.log(200), np.log(3000)))),
        "fluorescence_at": float(rng.uniform(500, 1800)),
        "fluorescence_width": float(rng.uniform(700, 1400)),
    }


def _scene(kind: str, specimen: Mapping[str, Any], rng: Rng) -> Scene:
    drawn = {
        "off": float(rng.uniform(-OFF, OFF)),
        "resolution": RESOLUTION * float(rng.uniform(0.7, 1.6)),
        "exposure": float(np.exp(rng.uniform(np.log(0.5), np.log(2.0)))),
    }
    s = specimen
    values = fluorescence(s["fluorescence"], s["fluorescence_at"], s["fluorescence_width"])
    for of, amount in ((MATRIX, s["matrix_amount"]), (kind, s["amount"])):
        for _, _, curve in bands(of, HEIGHT * amount, drawn["resolution"], drawn["off"]):
            values = values + curve
    return Scene(AXIS, drawn["exposure"] * values, drawn)


def _nominal(kind: str) -> Nominal:
    features = [
        Feature(name, of, "peak", place, curve)
        for of, amount in ((MATRIX, 0.85), (kind, 0.7))
        for name, place, curve in bands(of, HEIGHT * amount, RESOLUTION)
    ]
    return Nominal(AXIS, tuple(features), fluorescence(800.0, 1150.0, 1000.0))


GENERATORS.add(
    "raman_titania",
    Generator(
        name="raman_titania",
        title="Raman: anatase, rutile or brookite in calcite",
        dim="raman_shift",
        unit="1/cm",
        axis=AXIS,
        classes=CLASSES,
        specimen=_specimen,
        scene=_scene,
        detect=charge_coupled,
        nominal=_nominal,
        slack=OFF,
        holders=(820.0, 910.0, 1000.0),
        holder_width=14.0,
        calibration_step=4.0,
        attrs={"laser_wavelength": 532.0},
    ),
)

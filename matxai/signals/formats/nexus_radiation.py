"""What a NeXus file says of the radiation of a diffraction pattern: wavelength, lines of the tube, anode."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.signals.formats.hdf5_file import plain, resolve, survey, text
from matxai.signals.spectra.conversions import HC
from matxai.signals.spectra.scans import radiation
from matxai.signals.units import convert, same_kind, unit_word

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

DIFFRACTION = ("two_theta", "d_spacing", "q")
"""Axes beside which a wavelength is looked for."""

_WAVELENGTHS = ("incident_wavelength", "wavelength", "emission_wavelength")
_ENERGIES = ("incident_energy", "energy")
_LINES = {"k_alpha_one": "k_alpha1", "k_alpha_two": "k_alpha2", "kbeta": "k_beta", "k_beta": "k_beta"}
_ANODES = ("xray_tube_material", "target_material")
_CLASSES = ("NXbeam", "NXmonochromator", "NXcrystal", "NXsource", "NXxraytube", "NXinstrument")
"""Groups whose wavelength is that of the beam on the sample, in the order of preference."""


def radiation_of(file: Any, name: str, path: Path) -> dict[str, Any]:
    """Return ``wavelength`` (angstrom) and ``anode`` for attrs, with the tube's lines in ``metadata``.

    Parameters
    ----------
    file, path
        The open file, and its path for sentences.
    name
        The data group whose pattern it is; only its own entry is searched.
    """
    entry = name.split("/", maxsplit=1)[0]
    names = [d for d in survey(file, path).datasets if d.startswith(f"{entry}/")]
    numbers = {d: v for d in names if (v := _number(file, d, path)) is not None}
    used = _first(file, numbers, _WAVELENGTHS, "angstrom")
    energy = _first(file, numbers, _ENERGIES, "eV")
    if used is None and energy is not None and energy > 0:
        used = HC * 10 / energy
    lines: dict[str, Any] = {}
    for dataset, (value, unit) in numbers.items():
        line = _LINES.get(dataset.rpartition("/")[2].lower())
        if line is not None and (length := _in(value, unit or "angstrom", "angstrom")) is not None:
            lines.setdefault(line, length)
    anode = next((w for d in names if d.rpartition("/")[2] in _ANODES and (w := _word(file, d, path))), None)
    return radiation(anode, used=used, **lines)


def _first(file: Any, numbers: dict[str, tuple[float, str | None]], names: Sequence[str], unit: str) -> float | None:
    """Return the number of that name in the group that says most of the beam; without a unit it is none."""
    for kind in _CLASSES:
        for name in names:
            for dataset, (value, said) in numbers.items():
                group, _, last = dataset.rpartition("/")
                if last != name or text(file[group], "NX_class") != kind:
                    continue
                if (found := _in(value, said, unit)) is not None:
                    return found
    return None


def _in(value: float, unit: str | None, wanted: str) -> float | None:
    word = unit_word(unit)
    return convert(value, word, wanted) if word is not None and same_kind(word, wanted) else None


def _number(file: Any, name: str, path: Path) -> tuple[float, str | None] | None:
    import h5py

    last = name.rpartition("/")[2].lower()
    if last not in _WAVELENGTHS and last not in _ENERGIES and last not in _LINES:
        return None
    found = resolve(file, name, path)
    if not isinstance(found, h5py.Dataset) or found.size != 1 or found.dtype.kind not in "iuf":
        return None
    value = float(np.asarray(found[()]).reshape(-1)[0])
    return (value, text(found, "units")) if np.isfinite(value) else None


def _word(file: Any, name: str, path: Path) -> str | None:
    import h5py

    found = resolve(file, name, path)
    value = plain(found[()]) if isinstance(found, h5py.Dataset) and found.size == 1 else None
    return value if isinstance(value, str) and value else None

"""The arithmetic between axes of spectra: places in, places and slopes out. Signals are converted in `converting`.

Every kind of axis hangs on one hub by a formula and its inverse, so that a conversion is at most two of them:

- diffraction on q: ``q = 4 pi sin(2theta / 2) / wavelength``, ``q = 2 pi / d`` (Bragg);
- light on the photon energy: ``E = h c / wavelength``, ``E = h c k`` for a wavenumber k, ``E = h c (1 / laser - s)``
  for a Raman shift s, ``E = E0 + e`` for an energy relative to an edge;
- electrons on the kinetic energy as measured: ``E_binding = h nu - work function - E_kinetic + shift``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import SignalError, nearest
from matxai.signals.spectra.axes import KINDS, axis_kind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy.typing as npt

    Places = npt.NDArray[np.float64]

HC = 6.62607015e-34 * 299792458 / 1.602176634e-19 * 1e9
"""Planck's constant times the speed of light in eV nm; exact since the SI of 2019."""

WAVELENGTHS = (0.005, 100.0)
"""Wavelengths in angstrom that diffraction is done with, from fast electrons to soft X-rays and cold neutrons."""

LASERS = (100.0, 20_000.0)
"""Wavelengths of lasers in nm."""


@dataclass(frozen=True)
class Setting:
    """A number that a conversion needs, beside the places.

    Attributes
    ----------
    name
        As `convert_places` takes it.
    attr
        What it is called in ``attrs`` of a signal. A file's own ``work_function`` is none of these: the kinetic
        energies that instruments write are referred to the Fermi level and hold the analyser's work function already.
    unit
        Its unit.
    low, high
        Between which it lies, both included.
    default
        What it is where nobody says; None if there is no default.
    needed
        Why it is needed, for the sentence when it is missing.
    """

    name: str
    attr: str
    unit: str
    low: float
    high: float
    default: float | None
    needed: str

    @property
    def words(self) -> str:
        """How sentences call it."""
        return {"laser": "laser wavelength", "shift": "charge shift"}.get(self.name, self.name.replace("_", " "))


SETTINGS: dict[str, Setting] = {
    s.name: s
    for s in (
        Setting("wavelength", "wavelength", "angstrom", *WAVELENGTHS, None, "two_theta depends on the wavelength"),
        Setting("laser", "laser_wavelength", "nm", *LASERS, None, "a Raman shift is counted from the laser's line"),
        Setting("photon_energy", "photon_energy", "eV", 1.0, 1e6, None, "binding energies are counted from it"),
        Setting("work_function", "subtracted_work_function", "eV", 0.0, 20.0, 0.0, "some energies still hold it"),
        Setting("shift", "charge_shift", "eV", -1e4, 1e4, 0.0, "charging moves all lines alike"),
        Setting("e0", "e0", "eV", 1.0, 1e6, None, "relative energies are counted from the edge"),
    )
}
"""By name. `convert_axis` takes the laser's wavelength as ``wavelength`` too."""


@dataclass(frozen=True)
class Spoke:
    """One kind of axis and its way to the hub and back; each way gives places and the slope there.

    Places that the hub has no counterpart of (2-theta 0 has no d) become NaN or infinite.
    """

    hub: str
    to_hub: Callable[[Places, Mapping[str, float]], tuple[Places, Places]]
    from_hub: Callable[[Places, Mapping[str, float]], tuple[Places, Places]]
    settings: tuple[str, ...] = ()


def _theta_to_q(x: Places, s: Mapping[str, float]) -> tuple[Places, Places]:
    half = np.radians(x) / 2
    scale = 4 * np.pi / s["wavelength"]
    return scale * np.sin(half), scale * np.cos(half) * np.pi / 360


def _q_to_theta(q: Places, s: Mapping[str, float]) -> tuple[Places, Places]:
    sine = q * s["wavelength"] / (4 * np.pi)
    beyond = np.abs(sine) > 1
    if beyond.any():
        msg = (
            f"{int(beyond.sum())} of {q.size} points lie beyond 2-theta = 180 degrees at the wavelength "
            f"{s['wavelength']:g} angstrom, which reaches q = {4 * np.pi / s['wavelength']:.6g} 1/angstrom; "
            "give the wavelength that was measured with, or cut the axis"
        )
        raise SignalError(msg)
    slope = np.degrees(s["wavelength"] / (2 * np.pi) / np.sqrt(1 - sine**2))
    return np.degrees(2 * np.arcsin(sine)), slope


def _reciprocal(scale: float) -> Callable[[Places, Mapping[str, float]], tuple[Places, Places]]:
    def way(x: Places, _s: Mapping[str, float]) -> tuple[Places, Places]:
        x = np.where(x > 0, x, np.nan)
        return scale / x, -scale / x**2

    return way


def _scaled(scale: float) -> Callable[[Places, Mapping[str, float]], tuple[Places, Places]]:
    return lambda x, _s: (x * scale, np.full_like(x, scale))


def _unchanged(x: Places, _s: Mapping[str, float]) -> tuple[Places, Places]:
    return x, np.ones_like(x)


def _raman_to_energy(x: Places, s: Mapping[str, float]) -> tuple[Places, Places]:
    wavenumber = 1e7 / s["laser"] - x
    if (wavenumber <= 0).any():
        msg = (
            f"a Raman shift of {x.max():g} 1/cm is more than the laser's {s['laser']:g} nm can give "
            f"({1e7 / s['laser']:.6g} 1/cm); give the wavelength of the laser in nm"
        )
        raise SignalError(msg)
    return wavenumber * HC * 1e-7, np.full_like(x, -HC * 1e-7)


def _energy_to_raman(x: Places, s: Mapping[str, float]) -> tuple[Places, Places]:
    return 1e7 / s["laser"] - x / (HC * 1e-7), np.full_like(x, -1 / (HC * 1e-7))


def _relative_to_energy(x: Places, s: Mapping[str, float]) -> tuple[Places, Places]:
    return x + s["e0"], np.ones_like(x)


def _energy_to_relative(x: Places, s: Mapping[str, float]) -> tuple[Places, Places]:
    return x - s["e0"], np.ones_like(x)


def _binding_or_kinetic(x: Places, s: Mapping[str, float]) -> tuple[Places, Places]:
    return s["photon_energy"] - s["work_function"] + s["shift"] - x, np.full_like(x, -1)


SPOKES: dict[str, Spoke] = {
    "q": Spoke("q", _unchanged, _unchanged),
    "d_spacing": Spoke("q", _reciprocal(2 * np.pi), _reciprocal(2 * np.pi)),
    "two_theta": Spoke("q", _theta_to_q, _q_to_theta, ("wavelength",)),
    "energy": Spoke("energy", _unchanged, _unchanged),
    "wavelength": Spoke("energy", _reciprocal(HC), _reciprocal(HC)),
    "wavenumber": Spoke("energy", _scaled(HC * 1e-7), _scaled(1e7 / HC)),
    "raman_shift": Spoke("energy", _raman_to_energy, _energy_to_raman, ("laser",)),
    "relative_energy": Spoke("energy", _relative_to_energy, _energy_to_relative, ("e0",)),
    "kinetic_energy": Spoke("kinetic_energy", _unchanged, _unchanged),
    "binding_energy": Spoke(
        "kinetic_energy", _binding_or_kinetic, _binding_or_kinetic, ("photon_energy", "work_function", "shift")
    ),
}
"""By the kind of axis."""


def needed(kind: str, to: str) -> tuple[str, ...]:
    """Return the names of the settings that a conversion needs.

    Raises
    ------
    SignalError
        If no formula leads from one kind of axis to the other.
    """
    axis_kind(to)
    reached = targets(kind)
    if to not in reached:
        ways = f"it converts to {', '.join(reached)}" if reached else f"what converts is {', '.join(SPOKES)}"
        msg = f"an axis of kind '{kind}' cannot be converted to '{to}'; {ways}"
        raise SignalError(msg)
    return tuple(dict.fromkeys((*SPOKES[kind].settings, *SPOKES[to].settings)))


def targets(kind: str) -> tuple[str, ...]:
    """Return the kinds of axis that one converts to."""
    spoke = SPOKES.get(kind)
    return () if spoke is None else tuple(k for k, s in SPOKES.items() if s.hub == spoke.hub and k != kind)


def checked(name: str, value: Any) -> float:
    """Return a setting as a number.

    Raises
    ------
    SignalError
        If it is none, or one that cannot be.
    """
    setting = SETTINGS[name]
    said = f"the {setting.words}"
    try:
        number = float(value)
    except (TypeError, ValueError):
        msg = f"{said} is {value!r}; it is a number in {setting.unit}"
        raise SignalError(msg) from None
    if not setting.low <= number <= setting.high:
        msg = (
            f"{said} is {number:g}; it is given in {setting.unit} and lies between {setting.low:g} and {setting.high:g}"
        )
        raise SignalError(msg)
    return number


def convert_places(places: Any, kind: str, to: str, **settings: float | None) -> Places:
    """Return places on one kind of axis as places on another: lines of a reference, ends of a zone, one number.

    Parameters
    ----------
    places
        Any shape, in the unit of `matxai.signals.spectra.axes.KINDS` for ``kind``.
    kind, to
        Names of kinds of axis.
    settings
        ``wavelength`` (angstrom), ``laser`` (nm), ``photon_energy``, ``work_function``, ``shift``, ``e0`` (eV), as the
        conversion needs them.

    Returns
    -------
    numpy.ndarray
        The same shape, in the unit of ``to``; NaN or infinite where there is no counterpart (2-theta 0 has no d).

    Raises
    ------
    SignalError
        If there is no such conversion, a setting is missing or impossible, or places lie beyond what it reaches.

    Examples
    --------
    >>> float(convert_places(28.4422, "two_theta", "d_spacing", wavelength=1.54056).round(4))
    3.1355
    """
    for name in settings:
        if name not in SETTINGS:
            msg = f"a conversion of axes has no setting '{name}'. {nearest(name, SETTINGS, label='It has')}"
            raise SignalError(msg)
    values = {n: checked(n, v) for n, v in settings.items() if v is not None}
    return with_slopes(np.asarray(places, float), kind, to, values)[0]


def with_slopes(places: Places, kind: str, to: str, settings: Mapping[str, float]) -> tuple[Places, Places]:
    """Return the places on the other axis, and how many of its units one unit of this one is there (signed).

    ``settings`` are checked numbers. Raises as `convert_places` does.
    """
    if kind == to:
        return places, np.ones_like(places)
    values = dict(settings)
    for name in needed(kind, to):
        setting = SETTINGS[name]
        if name not in values:
            if setting.default is None:
                msg = f"{kind} cannot be converted to {to} without {_asked(setting)}: {setting.needed}"
                raise SignalError(msg)
            values[name] = setting.default
    _refuse_impossible(places, kind)
    with np.errstate(divide="ignore", invalid="ignore"):
        hub, slope = SPOKES[kind].to_hub(places, values)
        found, second = SPOKES[to].from_hub(hub, values)
        return found, slope * second


def _asked(setting: Setting) -> str:
    given = "wavelength" if setting.name == "laser" else setting.name
    return f"the {setting.words}, which the file does not hold; give it with {given}= in {setting.unit}"


def _refuse_impossible(places: Places, kind: str) -> None:
    if kind == "two_theta" and places.size and np.nanmax(np.abs(places)) > 180:
        msg = f"a two_theta axis reaches {np.nanmax(np.abs(places)):g} degrees; it ends at 180. Is this axis two_theta?"
        raise SignalError(msg)


UNITS = {name: KINDS[name].unit for name in SPOKES}
"""The unit of each kind of axis that converts."""

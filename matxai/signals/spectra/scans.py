"""What readers of diffractometers share: scans with their drives, the radiation, and the items that scans make."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import FileError, SignalError, nearest
from matxai.signals.labelled import UNNAMED, labelled
from matxai.signals.reader import Item
from matxai.signals.spectra.axes import KINDS
from matxai.signals.spectra.conversions import WAVELENGTHS
from matxai.signals.spectra.curve import Curve, items_of
from matxai.signals.units import unit_word

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt
    import xarray as xr

MOST_POINTS = 2**26
"""A scan that claims more points than this is not read."""

_DRIVES = {
    "theta": "omega",
    "th": "omega",
    "theta1": "omega",
    "khi": "chi",
    "x": "stage_x",
    "y": "stage_y",
    "z": "stage_z",
    "xdrive": "stage_x",
    "ydrive": "stage_y",
    "zdrive": "stage_z",
    "tth": "two_theta",
    "gonio": "two_theta",
    "theta2theta": "two_theta",
    "thetatwotheta": "two_theta",
    "detector": "two_theta",
}
_TWO_THETA = re.compile(r"(2|two)(theta|θ|th)")
_OMEGA = re.compile(r"(omega|ω)")


def drive_of(name: str) -> str:
    """Return what a drive is called here: ``two_theta``, ``omega``, ``chi``, ``phi``, ``stage_x``, or its own word.

    Coupled drives go by what is counted along them: ``TwoThetaOmega`` is two_theta, ``OmegaTwoTheta`` is omega.

    Examples
    --------
    >>> drive_of("2Theta-Omega"), drive_of("Gonio"), drive_of("Theta"), drive_of("Z-Drive"), drive_of("Beam Stop")
    ('two_theta', 'two_theta', 'omega', 'stage_z', 'beam_stop')
    """
    word = re.sub(r"[^0-9a-zθω]+", "", name.lower())
    if word in _DRIVES:
        return _DRIVES[word]
    if _TWO_THETA.match(word):
        return "two_theta"
    if _OMEGA.match(word):
        return "omega"
    return re.sub(r"[^0-9a-z]+", "_", name.strip().lower()).strip("_") or UNNAMED


@dataclass(frozen=True)
class Scan:
    """One scan, range, route or profile of a diffractometer's file.

    Attributes
    ----------
    name
        How the file calls it.
    scanned
        The drive that the file calls the axis, a name of `drive_of`; ``axis`` where it names none.
    drives
        Name to places: shape ``(n,)`` for what moves, ``()`` for what stands.
    values
        Shape ``(n,)``.
    units
        Units of drives that are not degrees, as the file writes them.
    beside, beside_units
        More columns of the same points.
    attrs
        As of `matxai.signals.spectra.curve.Curve`.
    measured
        False for what the file holds beside its measurement (processed data).
    """

    name: str
    scanned: str
    drives: Mapping[str, npt.NDArray[Any]]
    values: npt.NDArray[Any]
    units: Mapping[str, str] = field(default_factory=dict)
    beside: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    beside_units: Mapping[str, str] = field(default_factory=dict)
    attrs: Mapping[str, Any] = field(default_factory=dict)
    measured: bool = True

    def fixed(self) -> dict[str, float]:
        """Return where the drives stand that do not move."""
        return {k: float(v) for k, v in self.drives.items() if v.ndim == 0}

    def curve(self, axis: str | None = None) -> Curve:
        """Return it as a curve over its axis, or over another moving drive.

        Raises
        ------
        SignalError
            If ``axis`` is no drive that moves.
        """
        moving = {k: v for k, v in self.drives.items() if v.ndim == 1}
        dim, chosen = self.scanned, axis or self.scanned
        if axis is not None and dim == UNNAMED and axis in KINDS:
            moving[axis] = moving.pop(UNNAMED)
        elif chosen not in moving:
            msg = f"'{self.name}' has no axis '{chosen}'. {nearest(chosen, moving, label='It has')}"
            raise SignalError(msg)
        others = {k: v for k, v in moving.items() if k != chosen}
        metadata = {**self.attrs.get("metadata", {}), **{f"position_{k}": v for k, v in self.fixed().items()}}
        return Curve(
            self.name,
            moving[chosen],
            self.values,
            chosen,
            None if chosen == UNNAMED else self._unit(chosen),
            {**others, **self.beside},
            {**self.attrs, **({"metadata": metadata} if metadata else {})},
            {**{k: unit for k in others if (unit := self._unit(k))}, **self.beside_units},
        )

    def _unit(self, drive: str) -> str:
        return unit_word(self.units.get(drive)) or (KINDS[drive].unit if drive in KINDS else "degree")


def items_of_scans(scans: Sequence[Scan], file: str, axis: str | None = None) -> list[Item]:
    """Return what `matxai.read` offers of a file's scans.

    Scans on one axis that differ in where one drive stood are a mesh ``(omega, two_theta)``; others on one axis are a
    set; scans on different axes are items of their own; what is not measured comes last and is never chosen.

    Raises
    ------
    FileError
        If there is no scan, or none with the axis asked for.
    """
    if not scans:
        msg = f"{file} holds no scan with counts"
        raise FileError(msg)
    try:
        curves = [scan.curve(axis) for scan in scans]
    except SignalError as error:
        msg = f"{file}: {error}"
        raise FileError(msg) from error
    measured = [c for c, scan in zip(curves, scans, strict=True) if scan.measured]
    others = [c for c, scan in zip(curves, scans, strict=True) if not scan.measured]
    stepped = _stepped([scan for scan in scans if scan.measured], measured)
    items = [_mesh(stepped, measured, file)] if stepped else items_of(measured, file) if measured else []
    more = items_of(others, file) if others else []
    return [*items, *(Item(i.name, i.load, i.shape, i.dtype, measured=False, note=i.note) for i in more)]


def _stepped(scans: Sequence[Scan], curves: Sequence[Curve]) -> dict[str, npt.NDArray[np.float64]]:
    """Return the one drive that stands elsewhere in each scan, with its places; empty where this is no mesh."""
    if len(scans) < 2 or any(c.dim != curves[0].dim or len(c.axis) != len(curves[0].axis) for c in curves):
        return {}
    if not all(np.array_equal(c.axis, curves[0].axis) for c in curves):
        return {}
    positions = [scan.fixed() for scan in scans]
    found = {}
    for name in positions[0]:
        places = np.array([p.get(name, math.nan) for p in positions])
        steps = np.diff(places)
        if np.all(steps > 0) or np.all(steps < 0):
            found[name] = places
    return found if len(found) == 1 else {}


def _mesh(stepped: Mapping[str, npt.NDArray[np.float64]], curves: Sequence[Curve], file: str) -> Item:
    (drive, places), *_ = stepped.items()
    first = curves[0]
    shape = (len(curves), len(first.axis))

    def load() -> xr.DataArray:
        try:
            found = items_of(curves, file)[0].load()
        except SignalError as error:
            msg = f"{file}: {error}"
            raise FileError(msg) from error
        dims = (drive, first.dim)
        unit = KINDS[drive].unit if drive in KINDS else "degree"
        units: dict[str, str | None] = {drive: unit, first.dim: found[first.dim].attrs.get("units")}
        metadata = {k: v for k, v in found.attrs.get("metadata", {}).items() if k != f"position_{drive}"}
        attrs = {**found.attrs, **({"metadata": metadata} if metadata else {})}
        mesh = labelled(
            found.values, dims, units=units, coords={drive: places, first.dim: found[first.dim].values}, attrs=attrs
        )
        turn = slice(None, None, -1 if places[0] > places[-1] else 1)
        for name, column in found.coords.items():
            if name not in (*found.dims, *dims):
                values = column.values[turn] if column.ndim == 2 else column.values
                mesh = mesh.assign_coords({str(name): (dims[-column.ndim :], values, column.attrs)})
        return mesh

    name = f"{first.name} ... {curves[-1].name}"
    return Item(name, load, shape, str(np.result_type(*(c.values for c in curves))))


def radiation(
    anode: str | None = None,
    *,
    used: float | None = None,
    k_alpha1: float | None = None,
    k_alpha2: float | None = None,
    k_beta: float | None = None,
    ratio: float | None = None,
) -> dict[str, Any]:
    """Return what attrs say of the radiation: ``wavelength`` (angstrom), ``anode``, and the lines in ``metadata``.

    The wavelength is the one that was used, else that of K-alpha-1, to which the d-spacings of powder data refer. What
    cannot be a wavelength is left out.
    """
    lines = {"k_alpha1": k_alpha1, "k_alpha2": k_alpha2, "k_beta": k_beta}
    known = {k: v for k, v in lines.items() if possible(v)}
    if ratio is not None and 0 < ratio < 2:
        known["k_alpha2_to_k_alpha1"] = ratio
    found: dict[str, Any] = {"metadata": known}
    wavelength = used if possible(used) else known.get("k_alpha1")
    if wavelength is not None:
        found["wavelength"] = wavelength
    if anode and (word := anode.strip("\x00 \t").capitalize()).isalpha():
        found["anode"] = word
    return found


def possible(wavelength: float | None) -> bool:
    """Whether a number can be a wavelength in angstrom (zeros stand for an unknown one)."""
    return wavelength is not None and WAVELENGTHS[0] <= wavelength <= WAVELENGTHS[1]


def unattenuated(
    counts: npt.NDArray[Any], factors: npt.NDArray[Any], what: str
) -> tuple[npt.NDArray[Any], dict[str, npt.NDArray[Any]], list[str]]:
    """Return the intensity without the attenuator: counts times factor; what was counted beside; and a note.

    Raises
    ------
    SignalError
        If there is not one positive factor for each point.
    """
    if factors.shape not in ((), counts.shape):
        msg = f"{what} has {counts.size} points and {factors.size} attenuation factors"
        raise SignalError(msg)
    if not np.all(np.isfinite(factors)) or np.any(factors <= 0):
        msg = f"{what} has attenuation factors that are no positive numbers"
        raise SignalError(msg)
    factors = np.broadcast_to(factors, counts.shape)
    beside = {"counts": counts, "attenuation": factors}
    behind = int((factors != 1).sum())
    if not behind:
        return counts, beside, []
    points = "1 point was" if behind == 1 else f"{behind} points were"
    note = f"{points} counted behind an attenuator and multiplied by its factor (up to {factors.max():g})"
    return counts * factors, beside, [f"{note}; the counts stand beside"]


def floats(text: str | None, what: str) -> npt.NDArray[np.float64]:
    """Return the numbers in a text.

    Raises
    ------
    SignalError
        If something in it is no number.
    """
    try:
        return np.array((text or "").split(), dtype=np.float64)
    except ValueError as error:
        msg = f"{what} holds something that is no number ({error})"
        raise SignalError(msg) from error


def number(text: str | float | None) -> float | None:
    """Return a finite number, or None for what is none."""
    try:
        value = float(text) if text is not None else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) else None

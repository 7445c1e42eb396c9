"""Zones where a curve has nothing: what another class shows there, and what a reference expects there."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from matxai.errors import RegionError
from matxai.regions import CurveZones, Region, divided
from matxai.regions.zonings import place_said

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xarray as xr

    from matxai.checks.zones.assigning import Compared


def absent(cut: CurveZones, signal: xr.DataArray, contrast: Sequence[xr.DataArray]) -> list[Region]:
    """Return the zones of a contrast class's mean that lie where this curve has none.

    Raises
    ------
    RegionError
        If a signal of the contrast does not lie on the same axis.
    """
    if not len(contrast):
        return []
    dim = str(signal.dims[0])
    for one in contrast:
        if one.shape != signal.shape or not np.allclose(one.coords[dim].values, signal.coords[dim].values, rtol=1e-6):
            raise RegionError("A signal of the contrast class lies on another axis than this one; bring them onto one.")
    mean = np.mean([np.asarray(c.values, np.float64) for c in contrast], axis=0)
    theirs = divided(mean, cut.axis, how="peaks" if cut.how == "edge" else cut.how)
    found = []
    for zone in theirs.zones:
        if not cut.labels[zone.mask].any() and zone.evidence["snr"] > 0:
            said = {**zone.evidence, "name": f"absent {place_said(float(zone.evidence['position']), cut.axis)}"}
            found.append(Region(zone.mask, zone.kind, "contrast", evidence=said))
    return found


def without_zone(cut: CurveZones, found: Compared, near: float) -> list[Region]:
    """Return a zone of kind ``line`` for each expected line that lies on the background of a curve.

    Parameters
    ----------
    cut
        The division of the curve.
    found
        Where the lines should be.
    near
        How far the zone reaches on both sides; lines that lie closer than that share one.
    """
    taken = cut.labels != 0
    zones: list[Region] = []
    for line in found.lines:
        mask = np.abs(cut.axis - line.position) <= near
        if line.zone is not None or not mask.any() or taken[mask].any():
            continue
        taken = taken | mask
        inside = np.flatnonzero(mask)
        at = int(np.argmin(np.abs(cut.axis - line.position)))
        evidence = {
            "name": f"line {place_said(line.position, cut.axis)}", "position": line.position, "fwhm": near,
            "channel": at, "height": 0.0, "snr": 0.0,
            "left": float(cut.axis[inside[0]]), "right": float(cut.axis[inside[-1]]),
        }  # fmt: skip
        zones.append(Region(mask, "line", line.reference, evidence=evidence))
    return zones


def with_zones(cut: CurveZones, more: Sequence[Region]) -> CurveZones:
    """Return a division with more zones, which lie on its background."""
    if not more:
        return cut
    zones = sorted((*cut.zones, *more), key=lambda z: float(z.evidence["position"]))
    labels = np.zeros_like(cut.labels)
    for number, zone in enumerate(zones, start=1):
        labels[zone.mask] = number
    return replace(cut, labels=labels, zones=tuple(zones))

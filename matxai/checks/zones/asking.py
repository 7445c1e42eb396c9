"""The table of zones of one explained spectrum: what each holds of every map, how sure that is, its removal."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.checks.asking import check_asked
from matxai.checks.references import spin_orbit_pairs
from matxai.checks.zones.again import again, redrawn_shares
from matxai.checks.zones.assigning import compared, usual_width, with_references
from matxai.checks.zones.missing import absent, with_zones, without_zone
from matxai.checks.zones.records import Removal, Share, Zone, ZoneTable, positive
from matxai.checks.zones.redrawing import FEWEST, sigma_of
from matxai.checks.zones.removing import removals
from matxai.checks.zones.shares import shares
from matxai.errors import RegionError
from matxai.regions import divided

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    import xarray as xr

    from matxai.checks.judging import Progress
    from matxai.methods import Method
    from matxai.modelcard import Model
    from matxai.reference import ReferenceLines
    from matxai.regions import CurveZones, Region

    Floats = npt.NDArray[np.float64]

MOST = 32
"""Zones that are removed at most: those with the largest shares."""


def zone_table(
    model: Model,
    explanation: xr.Dataset,
    *,
    zones: CurveZones | None = None,
    how: str | None = None,
    sigma: npt.NDArray[np.float64] | None = None,
    e0: float | None = None,
    doublets: Sequence[tuple[float, float]] = (),
    reference: ReferenceLines | Sequence[ReferenceLines] | None = None,
    tolerance: float | None = None,
    contrast: Sequence[xr.DataArray] = (),
    methods: Sequence[str | Method] = (),
    redrawn: int = FEWEST,
    removal: bool = True,
    controls: int = 19,
    seed: int = 0,
    progress: Progress | None = None,
    cancel: Any = None,
) -> ZoneTable:
    """Return the zones of an explained spectrum with all that is known of them.

    Parameters
    ----------
    model
        The one that was explained, as loaded from its card.
    explanation
        What :func:`matxai.explain` returned for one spectrum ``(axis,)`` or ``(axis, c)`` and one class.
    zones
        The division of the signal, where it is not to be made here.
    how, sigma, e0, doublets
        As :func:`matxai.regions.divided` takes them; ``sigma`` is the noise of the redraws as well, and doublets are by
        default the spin-orbit pairs of the reference.
    reference
        Lines that the zones are compared with; of several phases all are matched at once.
    tolerance
        How far a line may lie from a zone once shifts are fitted; by default as :func:`matxai.reference.match` has it.
    contrast
        Signals of another class on the same axis: what their mean shows and this signal does not is a zone, too, since
        an absence may decide.
    methods
        The methods as they were given to :func:`matxai.explain`, where some were objects with options of their own;
        by default the explanation's names of them say enough.
    redrawn
        Redraws of the noise, 50 or more; 0 for none. Methods that run copies of their own are left out of them.
    removal
        Whether zones are removed and compared with controls.
    controls
        Stretches of background that each zone is compared with, at most.
    seed
        Of everything that is drawn.
    progress, cancel
        As everywhere.

    Raises
    ------
    RegionError
        If the explanation is of no single spectrum, or of several classes; if ``redrawn`` is between 1 and 49; if the
        reference or the contrast does not lie on the spectrum's axis.
    Cancelled
        If ``cancel`` is set.
    """
    check_asked(model, seed)
    if redrawn and redrawn < FEWEST:
        raise RegionError(f"An error needs {FEWEST} redraws of the noise or more, or none (0), not {redrawn}.")
    signal, target = _signal(explanation), _target(explanation)
    dim = str(signal.dims[0])
    axis = np.asarray(signal.coords[dim].values, np.float64) if dim in signal.coords else None
    noise = sigma if sigma is not None else sigma_of(signal)
    references = expected_of(reference)
    doublets = doublets or [pair for one in references for pair in spin_orbit_pairs(one)]
    cut = zones or divided(
        np.asarray(signal.values), axis, how=how, dim=dim, sigma=noise, e0=e0, doublets=doublets
    )  # fmt: skip
    missing = absent(cut, signal, contrast)
    cut = with_zones(cut, missing)
    near = usual_width(cut) if tolerance is None else tolerance
    if references:
        unseen = without_zone(cut, compared(cut, references, dim, tolerance), near)
        missing, cut = [*missing, *unseen], with_zones(cut, unseen)
    maps, notes = _maps(explanation, dim)
    seen = np.any([np.isfinite(m).reshape(len(m), -1).any(axis=1) for m in maps.values()], axis=0)
    redone, said = redrawn_shares(
        model, signal, again(explanation, methods), maps, cut, target, redrawn, contrast=contrast, sigma=noise,
        seed=seed, progress=progress, cancel=cancel,
    )  # fmt: skip
    found = shares(maps, redone, cut.labels, len(cut.zones) + 1)
    curve = np.asarray(signal.values, np.float64)
    curve = curve if curve.ndim == 1 else curve.mean(axis=1)
    rows = [_zone(cut, curve, n, own, missing, seen) for n, own in enumerate(found)]
    table = ZoneTable(
        target=str(explanation[next(iter(explanation.data_vars))].attrs.get("class", "")),
        score=_score(explanation),
        axis=dim,
        unit=str(signal.coords[dim].attrs.get("units", "")) if dim in signal.coords else "",
        how=cut.how,
        zones=(*rows[1:], rows[0]),
        notes=(*notes, *said),
    )
    if removal:
        table = _with_removals(table, model, signal, cut, target, controls, seen, seed, progress, cancel)
    if not references:
        return table
    return with_references(table, references, compared(cut, references, dim, tolerance), near, cut, seen)


def expected_of(reference: ReferenceLines | Sequence[ReferenceLines] | None) -> tuple[ReferenceLines, ...]:
    """Return what one reference, several or none are as several."""
    from matxai.reference import ReferenceLines

    if reference is None:
        return ()
    return (reference,) if isinstance(reference, ReferenceLines) else tuple(reference)


def _signal(explanation: xr.Dataset) -> xr.DataArray:
    signal = explanation.coords.get("signal")
    if signal is None or signal.ndim - ("c" in signal.dims) != 1 or signal.dims[0] == "c":
        shape = "no signal" if signal is None else f"a signal {signal.shape}"
        raise RegionError(f"Zones are those of one spectrum or waveform; this explanation holds {shape}.")
    found: xr.DataArray = signal.drop_vars("signal", errors="ignore")
    return found


def _target(explanation: xr.Dataset) -> int:
    from matxai.explanation import provenance

    said = provenance(explanation).get("target")
    index = said.get("index") if isinstance(said, dict) else None
    if not isinstance(index, int):
        raise RegionError("A table of zones is of one class; this explanation has another target, or several.")
    return index


def _score(explanation: xr.Dataset) -> float:
    from matxai.explanation import provenance

    said = provenance(explanation).get("target")
    return float(said.get("score", "nan")) if isinstance(said, dict) else float("nan")


def _maps(explanation: xr.Dataset, dim: str) -> tuple[dict[str, Floats], list[str]]:
    """Each map with one value for each point ``(L,)`` or ``(L, C)``, those of several layers apart."""
    maps: dict[str, Floats] = {}
    notes = []
    for name, variable in explanation.data_vars.items():
        if "error_of" in variable.attrs:
            continue
        method = str(variable.attrs.get("method", name))
        if method.endswith(":layers"):
            continue  # what a fused map was made of
        lead = [str(d) for d in variable.dims if d not in (dim, "c")]
        if dim not in variable.dims or any(not d.startswith("layer") for d in lead):
            notes.append(f"{method} has no value for each point of the curve, so it has no shares.")
            continue
        for index in range(variable.sizes[lead[0]] if lead else 1):
            part = variable.isel({lead[0]: index}) if lead else variable
            label = f"{method}[{part.coords[lead[0]].values}]" if lead else method
            order = (dim, "c") if "c" in part.dims else (dim,)
            maps[label] = np.asarray(part.transpose(*order).values, np.float64)
    if not maps:
        raise RegionError("The explanation holds no map with a value for each point of the curve.")
    return maps, notes


def _zone(
    cut: CurveZones,
    curve: Floats,
    number: int,
    own: tuple[Share, ...],
    missing: Sequence[Region],
    seen: npt.NDArray[np.bool_],
) -> Zone:
    inside = np.flatnonzero(cut.labels == number)
    nan = float("nan")
    if number == 0:
        ends = (float(cut.axis[inside[0]]), float(cut.axis[inside[-1]])) if inside.size else (nan, nan)
        read = bool(seen[inside].any())
        return Zone("background", "background", nan, None, nan, None, *ends, int(inside.size), read=read, shares=own)
    region = cut.zones[number - 1]
    said, at = region.evidence, int(region.evidence["channel"])
    lacks = any(region is m for m in missing)
    height, snr = float(said["height"]), float(said["snr"])
    if lacks:  # measured on this curve, which has nothing there
        height = float(curve[at] - cut.baseline[at])
        snr = max(height, 0.0) / float(cut.noise[at]) if cut.noise[at] > 0 else 0.0
    return Zone(
        name=str(said["name"]),
        kind=region.kind,
        position=float(said["position"]),
        width=float(said["fwhm"]) if np.isfinite(said["fwhm"]) else None,
        height=height,
        snr=snr if np.isfinite(snr) else None,
        left=float(said["left"]),
        right=float(said["right"]),
        points=int(inside.size),
        absent=lacks,
        read=bool(seen[inside].any()),
        shares=own,
    )


def _with_removals(
    table: ZoneTable,
    model: Model,
    signal: xr.DataArray,
    cut: CurveZones,
    target: int,
    controls: int,
    seen: npt.NDArray[np.bool_],
    seed: int,
    progress: Progress | None,
    cancel: Any,
) -> ZoneTable:
    own = [n for n, z in enumerate(table.zones[:-1]) if seen[cut.labels == n + 1].any()]
    chosen = sorted(sorted(own, key=lambda n: -positive(table.zones[n]))[:MOST])
    notes = list(table.notes)
    if len(own) > len(chosen):
        notes.append(f"{len(chosen)} of {len(own)} zones were removed: those with the largest shares.")
    found = removals(
        model, signal, cut, chosen, target, controls=controls, seen=seen, seed=seed, progress=progress, cancel=cancel
    )
    zones = [replace(z, removal=r) if isinstance(r := found.get(n), Removal) else z for n, z in enumerate(table.zones)]
    notes += [f"{table.zones[n].name} was not removed. {r}" for n, r in found.items() if isinstance(r, str)]
    return replace(table, zones=tuple(zones), notes=tuple(notes))

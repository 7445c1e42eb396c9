"""Regions by construction: discs and plastic zones around a tip, networks of boundaries, labels, complements.

Positions are in pixels, ``(row, column)`` or ``(plane, row, column)``, pixel centres at whole numbers; lengths are in
the unit of ``spacing``, the size of a pixel along each axis.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from matxai.errors import RegionError, nearest
from matxai.regions.region import Region

Spacing = float | Sequence[float]
State = Literal["plane_stress", "plane_strain"]
Zone = Literal["mises", "irwin"]


def steps_of(spacing: Spacing, axes: int) -> npt.NDArray[np.float64]:
    """Return the pixel size along each of so many axes.

    Raises
    ------
    RegionError
        If it is not one positive number, or one for each axis.
    """
    steps = np.broadcast_to(np.asarray(spacing, np.float64), (axes,)) if np.ndim(spacing) == 0 else np.array(spacing)
    if steps.shape != (axes,) or not (np.isfinite(steps) & (steps > 0)).all():
        raise RegionError(
            f"The spacing {spacing} is no pixel size for {axes} axes; give one positive number or {axes}."
        )
    return steps.astype(np.float64)


def _from(shape: tuple[int, ...], centre: Sequence[float], spacing: Spacing) -> list[npt.NDArray[np.float64]]:
    """How far each pixel lies from a centre along each axis, as arrays that broadcast."""
    if len(centre) != len(shape) or not np.isfinite(centre).all():
        raise RegionError(f"The point {tuple(centre)} is none of an image with {len(shape)} axes.")
    grids = np.ogrid[tuple(slice(n) for n in shape)]
    steps = steps_of(spacing, len(shape))
    return [(np.asarray(g, np.float64) - c) * s for g, c, s in zip(grids, centre, steps, strict=True)]


def _made(mask: npt.NDArray[np.bool_], kind: str, what: str, **evidence: Any) -> Region:
    if not mask.any():
        raise RegionError(f"{what} covers no pixel of the image of {mask.shape}; it lies outside, or is too small.")
    return Region(mask, kind, "constructed", evidence=evidence)


def disc(shape: tuple[int, ...], centre: Sequence[float], radius: float, *, spacing: Spacing = 1.0) -> Region:
    """Return the disc (a ball in a stack) around a point, such as a crack's tip.

    Parameters
    ----------
    shape
        Spatial shape of the signal.
    centre
        In pixels, one number for each axis.
    radius
        In the unit of ``spacing``.
    spacing
        Pixel size, one for all axes or one for each.

    Raises
    ------
    RegionError
        If the radius or spacing is not positive, the point is none of this image, or no pixel lies inside.
    """
    if not radius > 0:
        raise RegionError(f"A disc has a positive radius, not {radius}.")
    away = sum(d**2 for d in _from(shape, centre, spacing))
    mask = np.broadcast_to(np.asarray(away) <= radius**2, shape).copy()
    return _made(mask, "disc", "The disc", centre=[float(c) for c in centre], radius=float(radius))


def plastic_zone(
    shape: tuple[int, int],
    tip: Sequence[float],
    direction: float,
    stress_intensity: float,
    yield_stress: float,
    *,
    spacing: Spacing,
    state: State = "plane_stress",
    model: Zone = "mises",
    poisson: float = 0.3,
) -> Region:
    """Return the plastic zone in front of a crack's tip under mode I, to first order.

    With ``r = (K / s)^2 / (4 pi)``: von Mises' criterion on the elastic field gives, at the angle t from the crack's
    direction, ``r (1 + cos t + 3/2 sin^2 t)`` in plane stress and ``r ((1 - 2 nu)^2 (1 + cos t) + 3/2 sin^2 t)`` in
    plane strain; Irwin's zone is the disc of radius ``2 r`` (a third of it in plane strain) whose edge is the tip.

    Parameters
    ----------
    shape
        Rows and columns.
    tip
        Row and column of the tip.
    direction
        Where the crack would grow, in degrees from +x (to the right) towards +y (downwards).
    stress_intensity
        K in MPa m^(1/2).
    yield_stress
        In MPa.
    spacing
        Pixel size in metres.
    state
        ``plane_stress`` (a free surface) or ``plane_strain`` (the inside of a thick piece).
    model
        ``mises`` or ``irwin``.
    poisson
        Poisson's ratio, for ``mises`` in plane strain.

    Raises
    ------
    RegionError
        If a number is not positive, a name is unknown, or the zone is smaller than a pixel.

    References
    ----------
    Irwin, Appl. Mater. Res. 3, 65 (1964); Anderson, Fracture Mechanics, section 2.8.
    """
    for name, known, given in (
        ("state", ("plane_stress", "plane_strain"), state),
        ("model", ("mises", "irwin"), model),
    ):
        if given not in known:
            raise RegionError(f"There is no {name} '{given}' of a plastic zone. {nearest(str(given), known)}")
    if not (stress_intensity > 0 and yield_stress > 0 and 0 <= poisson <= 0.5):
        raise RegionError("A plastic zone needs a positive stress intensity and yield stress, and a ratio of 0 to 0.5.")
    down, right = _from(shape, tip, spacing)
    turn = np.deg2rad(direction)
    ahead, aside = right * np.cos(turn) + down * np.sin(turn), down * np.cos(turn) - right * np.sin(turn)
    size = (stress_intensity / yield_stress) ** 2 / (4 * np.pi)
    if model == "irwin":
        radius = 2 * size / (1 if state == "plane_stress" else 3)
        mask = (ahead - radius) ** 2 + aside**2 <= radius**2
    else:
        angle = np.arctan2(aside, ahead)
        part = 1.0 if state == "plane_stress" else (1 - 2 * poisson) ** 2
        radius = 2 * size * part
        edge = size * (part * (1 + np.cos(angle)) + 1.5 * np.sin(angle) ** 2)
        mask = np.hypot(ahead, aside) <= edge
    extent = {"ahead_m": float(2 * radius if model == "irwin" else radius), "state": state, "model": model}
    return _made(mask, "plastic_zone", "The plastic zone", tip=[float(t) for t in tip], **extent)


def boundaries(labels: npt.NDArray[Any], width: float, *, spacing: Spacing = 1.0, ignore: int | None = None) -> Region:
    """Return the network of boundaries between labelled grains or phases, dilated.

    Parameters
    ----------
    labels
        Integers ``(*spatial)``: one number for each grain.
    width
        Full width of the band, in the unit of ``spacing``.
    spacing
        Pixel size.
    ignore
        A label that is no grain (points without an index): what borders on it is no boundary.

    Raises
    ------
    RegionError
        If the labels are no integers, the width is not positive, or there is no boundary.
    """
    if labels.dtype.kind not in "iu":
        raise RegionError(f"Labels are integers, one for each grain; these are {labels.dtype}.")
    if not width > 0:
        raise RegionError(f"A band along boundaries has a positive width, not {width}.")
    steps = steps_of(spacing, labels.ndim)
    # distances are taken from the faces between pixels, on a grid twice as fine: odd places are the faces
    fine = np.zeros(tuple(2 * n - 1 for n in labels.shape), bool)
    for axis in range(labels.ndim):
        low, high = (
            np.take(labels, np.arange(*r), axis) for r in ((0, labels.shape[axis] - 1), (1, labels.shape[axis]))
        )
        differs = low != high
        if ignore is not None:
            differs &= (low != ignore) & (high != ignore)
        place = tuple(slice(1, None, 2) if a == axis else slice(None, None, 2) for a in range(labels.ndim))
        fine[place] = differs
    if not fine.any():
        raise RegionError("The labels have no boundary: all pixels are of one grain, or none has an index.")
    away = ndimage.distance_transform_edt(~fine, sampling=steps / 2)[(slice(None, None, 2),) * labels.ndim]
    return _made(away <= width / 2 + 1e-9 * float(steps.max()), "boundaries", "The network", width=float(width))


def of_labels(
    labels: npt.NDArray[Any],
    *,
    names: Sequence[str] | None = None,
    source: str = "label image",
    kind: str = "labels",
    background: int | None = 0,
) -> list[Region]:
    """Return one region for each number of a label image ``(*spatial)``.

    Parameters
    ----------
    labels
        Integers, or booleans for one region.
    names
        Of the numbers from 1 on; stand in the evidence as ``label``.
    source
        Who made the image.
    kind
        Of the regions: ``labels``, or ``superpixel`` and ``zone`` for what :func:`matxai.regions.superpixels` and
        :func:`matxai.regions.zones` return.
    background
        The number that is no region; None where all are, as in superpixels and zones.

    Raises
    ------
    RegionError
        If the labels are no integers, negative, all background or all of one number, or there are fewer names than
        numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from matxai.regions import of_labels
    >>> parts = np.array([0, 0, 1, 1, 1])  # as zones returns them
    >>> [r.area for r in of_labels(parts, source="equal zones", kind="zone", background=None)]
    [2, 3]
    """
    if labels.dtype.kind not in "iub":
        raise RegionError(f"A label image holds integers, 0 for the background; this one is {labels.dtype}.")
    numbers = [int(n) for n in np.unique(labels) if background is None or n != background]
    if not numbers or numbers[0] < 0:
        raise RegionError(f"The {source} holds {numbers or 'nothing but background'}; regions are numbered from 1 on.")
    if names is not None and numbers[-1] > len(names):
        raise RegionError(f"The {source} has the number {numbers[-1]}, and only {len(names)} names were given.")
    told = {n: names[n - 1] if names is not None and n > 0 else str(n) for n in numbers}
    return [Region(labels == n, kind, source, evidence={"label": told[n], "value": n}) for n in numbers]


def complement(region: Region) -> Region:
    """Return all that lies outside a region."""
    told = {"of": region.kind, **region.evidence}
    return Region(~region.mask, "complement", region.source, region.confidence, told)

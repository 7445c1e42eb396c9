"""Controls for a free-standing region: the same shape elsewhere, on ground like its own. Arrays in, masks out."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from matxai.regions.region import Region

_CANDIDATES = 400


def _describe(mask: npt.NDArray[np.bool_], image: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Mean, standard deviation and distance of the centre to the nearest border (as a share of the side)."""
    inside = image[mask]
    centre = np.array([(c + 0.5).mean() for c in np.nonzero(mask)]) / np.array(mask.shape)
    return np.array([inside.mean(), inside.std(), float(np.minimum(centre, 1 - centre).min())])


def matched_regions(
    region: Region,
    image: npt.NDArray[Any],
    n: int,
    rng: np.random.Generator,
    *,
    allowed: npt.NDArray[np.bool_] | None = None,
    overlap: float = 0.1,
) -> list[Region]:
    """Return translates of a region, the best matched in local mean, deviation and distance to the border.

    Parameters
    ----------
    region
        What is to be matched.
    image
        Grey values ``(*spatial)`` that mean and deviation are taken from.
    n
        How many at most; fewer come back where the shape leaves no room, and none is not an error.
    rng
        Source of the candidates' positions.
    allowed
        Where a control may lie (seen by the network, outside found artefacts); by default everywhere.
    overlap
        The largest part of a control that may lie on the region itself.

    Returns
    -------
    list of Region
        Kind ``matched_control``; each with its shift and its distance in standardised features as evidence.
    """
    mask = region.mask
    indices = np.nonzero(mask)
    low = np.array([-int(i.min()) for i in indices])
    high = np.array([s - 1 - int(i.max()) for i, s in zip(indices, mask.shape, strict=True)])
    shifts = rng.integers(low, high + 1, size=(_CANDIDATES, mask.ndim))
    points = np.stack(indices, axis=1)
    usable = np.ones(mask.shape, bool) if allowed is None else allowed
    found: list[tuple[npt.NDArray[np.bool_], npt.NDArray[np.int64]]] = []
    for shift in np.unique(shifts, axis=0):
        at = tuple((points + shift).T)
        if not usable[at].all() or mask[at].mean() > overlap:
            continue
        moved = np.zeros(mask.shape, bool)
        moved[at] = True
        found.append((moved, shift))
    if not found:
        return []
    features = np.stack([_describe(m, image) for m, _ in found])
    scale = np.maximum(features.std(axis=0), 1e-12)
    distance = np.sqrt((((features - _describe(mask, image)) / scale) ** 2).sum(axis=1))
    return [
        Region(
            found[i][0],
            "matched_control",
            "translate",
            evidence={"shift": [int(s) for s in found[i][1]], "distance": float(distance[i])},
        )
        for i in np.argsort(distance, kind="stable")[:n]
    ]

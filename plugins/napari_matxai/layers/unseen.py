"""What the network never saw, hatched: lines that are as sharp at every zoom, light and dark, on any image."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import xarray as xr

    from napari_matxai.layers.frame import Frame, LayerData

LINES = 50  # along the longer side of the image
THIN = 8  # a line is this part of the distance between two
LIGHT, DARK = (0.95, 0.95, 0.95, 0.8), (0.08, 0.08, 0.08, 0.8)


def unseen(explanation: xr.Dataset) -> np.ndarray[Any, np.dtype[np.bool_]] | None:
    """Return which pixels the network never saw, with the axes of what was explained; None where it saw them all.

    Maps at the size of the signal are NaN there. Coarse maps tell nothing; the explanation then says so itself, in its
    coordinate ``seen``.
    """
    from matxai.explanation import provenance

    planes = provenance(explanation).get("planes")
    at = planes[0]["at"] if planes else {}  # of a stack, a plane that is done; all have one size, and are cut alike
    dims = set(map(str, explanation.coords["signal"].dims)) - {"c", *at}
    mask: np.ndarray[Any, np.dtype[np.bool_]] | None = None
    if "seen" in explanation.coords:
        mask = ~np.asarray(explanation.coords["seen"].values, bool)
    else:
        for variable in explanation.data_vars.values():
            if dims <= set(map(str, variable.dims)):
                first = {d: at.get(str(d), 0) for d in variable.dims if d not in dims}
                mask = np.isnan(np.asarray(variable.isel(first).values))
                break
    return mask if mask is not None and mask.any() else None


def hatch_layer(mask: np.ndarray[Any, np.dtype[np.bool_]], name: str, frame: Frame) -> LayerData:
    """Return a layer tuple that hatches what a mask marks, on each slice of a stack where the mask is the same on all.

    Parameters
    ----------
    mask
        Of the last axes of the explained layer.
    name
        Of that layer.
    frame
        Where it lies.
    """
    while mask.ndim > 2 and (mask == mask[:1]).all():
        mask = mask[0]
    period = max(2, round(max(mask.shape[-2:]) / LINES))
    planes = []
    for at in np.ndindex(mask.shape[:-2]):
        starts, along = _diagonals(mask[at], period)
        lead = np.broadcast_to(np.asarray(at, float), (len(starts), len(at)))
        planes.append(np.stack([np.hstack([lead, starts]), np.hstack([0 * lead, along])], axis=1))
    lines = np.concatenate(planes)
    width = period / THIN
    apart = np.zeros(mask.ndim)
    apart[-2:] = width / 2 / np.sqrt(2)  # a light and a dark line side by side: one of them stands out on any grey
    vectors = np.concatenate([lines, lines])
    vectors[: len(lines), 0] -= apart
    vectors[len(lines) :, 0] += apart
    return (
        vectors,
        {
            "name": f"not seen by the network · {name}",
            **frame.last(mask.ndim).as_keywords(),
            "edge_color": np.repeat([LIGHT, DARK], len(lines), axis=0),
            "edge_width": width,
            "vector_style": "line",
            "opacity": 1.0,
            "metadata": {"matxai": {"mask": _digest(mask)}},
        },
        "vectors",
    )


def _digest(mask: np.ndarray[Any, np.dtype[np.bool_]]) -> str:
    return hashlib.sha256(repr(mask.shape).encode() + np.packbits(mask).tobytes()).hexdigest()


def _diagonals(mask: np.ndarray[Any, np.dtype[np.bool_]], period: int) -> tuple[Any, Any]:
    """Return starts and directions, ``(n, 2)`` each, of the diagonals within a mask, cut at the edges of its pixels.

    The diagonal ``y + x = c`` enters and leaves each of its pixels at a corner, so pieces end exactly on the edge.
    """
    rows, columns = mask.shape
    starts, along = [], []
    for c in range(0, rows + columns - 1, period):
        x = np.arange(max(0, c - rows + 1), min(columns - 1, c) + 1)
        inside = np.concatenate([[False], mask[c - x, x], [False]])
        edges = np.flatnonzero(inside[1:] != inside[:-1])
        for begin, end in zip(edges[::2], edges[1::2], strict=True):
            starts.append((c - x[begin] + 0.5, x[begin] - 0.5))
            along.append((begin - end, end - begin))
    return np.asarray(starts, float).reshape(-1, 2), np.asarray(along, float).reshape(-1, 2)

"""New values for a layer that is there already: in its place, cheaply, and without touching what the user set on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_matxai.layers.frame import frame_of_layer
from napari_matxai.layers.key import ours
from napari_matxai.layers.limits import WHOLE, next_limits
from napari_matxai.layers.units import same_unit

if TYPE_CHECKING:
    from napari.layers import Layer

#: what the user may set on a layer, and keeps when it has to be made anew
KEPT = ("visible", "opacity", "blending", "interpolation2d")


def updated(
    old: Layer,
    data: Any,
    keywords: dict[str, Any],
    kind: str,
    about: dict[str, Any],
    *,
    in_place: bool = False,
    hidden: int = 0,
) -> bool:
    """Give a layer new values; return False where it must be made anew.

    Parameters
    ----------
    old
        The layer; its metadata say what we gave it last time.
    data, keywords, kind
        What it is to show.
    about
        What its metadata are to say; limits that grew are written into it.
    in_place
        Write into the layer's array: for napari a fraction of the work of another array, and whoever holds the array
        sees it change.
    hidden
        How many of the layer's leading axes are not drawn. Where it moves along these alone, in place, the viewer is
        not told: the map stays within the stack that it is of, and to fit all sliders anew takes longer than the map.
    """
    known = ours(old)
    if type(old).__name__.lower() != kind or not _same_axes(old, keywords):
        return False
    if kind == "vectors":
        if known.get("mask") is None or known.get("mask") != about.get("mask"):
            return False
    elif not isinstance(getattr(old.data, "shape", None), tuple) or old.data.shape != np.shape(data):
        return False
    written = in_place and kind != "vectors" and _written(old, data)
    moved = ~np.isclose(old.translate, keywords["translate"])
    if moved.any() and written and not moved[hidden:].any():
        with old.events.translate.blocker():
            old.translate = keywords["translate"]
    elif moved.any():
        old.translate = keywords["translate"]  # draws the new values with it
    elif written:
        old.refresh(highlight=False, extent=False)
    if kind != "vectors" and not written:
        old.data = own(data)
    if "limits" in about:
        _limit(old, known, about)
    if old.name == known.get("name") != about["name"]:  # a name that the user gave stays
        old.name = about["name"]
    old.metadata = {**old.metadata, "matxai": {**about, "layer": known.get("layer")}}
    return True


def own(data: Any) -> Any:
    """Return values that a layer may write into: a copy of what is small, the same of what is lazy or large."""
    return np.array(data) if isinstance(data, np.ndarray) and data.size <= WHOLE else data


def _written(old: Any, data: Any) -> bool:
    """Write new values into those that a layer has, where that can be done."""
    has = old.data
    small = isinstance(has, np.ndarray) and isinstance(data, np.ndarray) and has.size <= WHOLE
    if not small or has is data or not has.flags.writeable or has.dtype != data.dtype:
        return False
    np.copyto(has, data)
    return True


def kept(old: Layer, keywords: dict[str, Any]) -> dict[str, Any]:
    """Return what the user set on a layer that is made anew."""
    known = ours(old)
    found = {name: getattr(old, name) for name in KEPT if hasattr(old, name)}
    if known.get("name") is not None and old.name != known["name"]:
        found["name"] = old.name
    if "contrast_limits" in keywords and next_limits(old.contrast_limits, known.get("limits"), (0, 0)) is None:
        found["contrast_limits"] = tuple(old.contrast_limits)
    if "colormap" in keywords and not str(old.colormap.name).startswith("matxai"):
        found["colormap"] = old.colormap
    return found


def _same_axes(old: Layer, keywords: dict[str, Any]) -> bool:
    """Whether a layer has the axes, the steps and the turn that are asked for; its place may be another."""
    scale, now = keywords.get("scale"), frame_of_layer(old)
    if scale is None or len(scale) != old.ndim or not np.allclose(now.scale, scale):
        return False
    units = tuple(str(u) for u in keywords["units"])
    if now.axis_labels != tuple(keywords["axis_labels"]) or not all(map(same_unit, now.units, units)):
        return False
    turns = ((now.rotate, "rotate"), (now.shear, "shear"), (now.affine, "affine"))
    return all(
        (has is None) == (keywords.get(name) is None) and (has is None or np.allclose(has, keywords[name]))
        for has, name in turns
    )


def _limit(old: Any, known: dict[str, Any], about: dict[str, Any]) -> None:
    """Let the limits grow with what comes, so that they are the same over a stack; the user's limits stay."""
    same_layer = known.get("attrs", {}).get("layer") == about.get("attrs", {}).get("layer")
    shown, given = tuple(old.contrast_limits), known.get("limits")
    if next_limits(shown, given, shown) is None:
        about["limits"] = given
        return
    before, after = known.get("depth_limits"), about.get("depth_limits")
    if before and after and len(before) == len(after):
        about["depth_limits"] = [list(next_limits(b, b, a) or a) for b, a in zip(before, after, strict=True)]
        about["limits"] = given  # of what the slider shows; the legend goes on from there
        return
    if same_layer:  # other layers of the network have another scale: there nothing can be compared
        about["limits"] = list(next_limits(given, given, about["limits"]) or about["limits"])
    if not np.allclose(about["limits"], shown):
        old.contrast_limits = about["limits"]

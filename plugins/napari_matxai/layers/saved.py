"""Between explanations in files and layers: what is saved is what was asked, what is opened again looks as it did.

A layer holds the explanation that it shows in its metadata (``result``), shared by all its layers and not copied.
Pixels and provenance alone would not do: the signal, the axes and the records of the other maps are in no layer, and
napari hands a writer nothing but data and metadata, neither viewer nor session.
"""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import ExplanationError
from napari_matxai import versions
from napari_matxai.layers.frame import LayerData, frame_of
from napari_matxai.layers.images import image_layer
from napari_matxai.layers.key import Key
from napari_matxai.layers.maps import map_layers
from napari_matxai.layers.unseen import hatch_layer, unseen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import xarray as xr

OPENED = "opened"
"""In the metadata of an image that was opened with its maps: the source that their keys name."""
LOOKS = "napari"
"""The attribute of a map that keeps what the user changed about its layer, as JSON."""
USUAL = {"opacity": 0.85, "blending": "translucent", "interpolation2d": "nearest", "gamma": 1.0}
"""What a map's layer is given at first, beside limits, colours and name."""


def explanation_of(layers: Sequence[LayerData]) -> xr.Dataset:
    """Return the explanation that layers show, with their maps alone, and what the user changed about their looks.

    Parameters
    ----------
    layers
        Data, keywords and kind, as napari hands them to a writer. The image that was explained may be among them: its
        pixels are in the explanation.

    Raises
    ------
    ExplanationError
        If a layer is no map of an explanation, or they are of several.
    """
    results: list[xr.Dataset] = []
    maps = [one for one in layers if _about(one).get("result") is not None]
    for one in layers:
        about, (_, keywords, kind) = _about(one), one
        if about.get("result") is None and any(_goes_along(one, shown) for shown in maps):
            continue
        if about.get("result") is None:
            msg = (
                f"'{keywords.get('name')}' is no map of an explanation ({kind} layer); only maps are saved as .nc or "
                ".zarr, with the image that they explain. Select the maps alone, or choose another format."
            )
            raise ExplanationError(msg)
        if not any(about["result"] is r for r in results):
            results.append(about["result"])
    if len(results) != 1:
        shown = ", ".join(f"{r.attrs.get('model')} on {r.attrs.get('source')}" for r in results)
        msg = f"These maps are of {len(results)} explanations ({shown}); save those of one at a time."
        raise ExplanationError(msg)
    (result,) = results
    wanted = [name for _, keywords, _ in maps for name in keywords["metadata"]["matxai"]["variables"]]
    others = [name for name in result.data_vars if name not in wanted]
    chosen = result.drop_vars(others).copy()  # not its values: its attributes
    for _, keywords, _ in maps:
        about = keywords["metadata"]["matxai"]
        attrs, looks = chosen[about["variable"]].attrs, _changed(keywords, about)
        attrs.pop(LOOKS, None)
        if looks:
            attrs[LOOKS] = json.dumps(looks)
    return chosen


def _about(layer: LayerData) -> dict[str, Any]:
    found = layer[1].get("metadata", {}).get("matxai", {})
    return found if isinstance(found, dict) else {}


def _goes_along(layer: LayerData, shown: LayerData) -> bool:
    """Whether a layer need not be saved, for it comes back with a map: the pixels that it explains, or their hatch."""
    data, _, kind = layer
    key, of = _about(layer).get("key"), _about(shown).get("key")
    if key and of:
        return bool(key[:2] == [of[0], "unseen"])
    signal = _about(shown)["result"].coords["signal"]
    same = kind == "image" and isinstance(data, np.ndarray) and data.shape == signal.shape
    return same and np.array_equal(data, signal.values, equal_nan=data.dtype.kind == "f")


def saved_layers(explanation: xr.Dataset, name: str) -> list[LayerData]:
    """Return the layers of an explanation that was saved: its image, what was never seen, and its maps as they looked.

    The first map is in sight, or those that were when they were saved. The image and what is of it share an identity
    until a viewer has given the image one (:mod:`reopened`).
    """
    signal = explanation.coords["signal"]
    frame = frame_of(signal)
    maps = map_layers(explanation, name, frame, None)
    identity = f"opened {uuid.uuid4().hex}"
    model = str(explanation.attrs.get("model", ""))
    for number, (_, keywords, _) in enumerate(maps):
        about = keywords["metadata"]["matxai"]
        variable = explanation[about["variable"]]
        about |= {"key": Key.of_map(identity, model, about["variable"]).record(), "name": keywords["name"]}
        keywords["colormap"] = versions.map_colours(keywords["colormap"])
        keywords["visible"] = number == 0
        keywords |= _looks(variable.attrs)
    mask = unseen(explanation)
    hatch = [] if mask is None else [hatch_layer(mask, name, frame)]
    for _, keywords, _ in hatch:
        keywords["metadata"]["matxai"] |= {"key": Key(identity, "unseen").record(), "name": keywords["name"]}
    image = image_layer(signal, name, None)
    image[1]["metadata"]["matxai"][OPENED] = identity
    return [image, *hatch, *maps]


def _changed(keywords: Mapping[str, Any], about: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the user changed about a layer, as plain values."""
    found = {k: keywords[k] for k, usual in USUAL.items() if keywords.get(k, usual) != usual}
    limits = [float(v) for v in keywords.get("contrast_limits", ())]
    given = [about["limits"], *about.get("depth_limits", ())]
    if limits and not any(np.allclose(limits, g, rtol=1e-6, atol=0) for g in given):
        found["contrast_limits"] = limits
    if about.get("name") is not None and keywords.get("name") != about["name"]:
        found["name"] = keywords["name"]
    colours = versions.colour_map_record(keywords["colormap"]) if "colormap" in keywords else None
    if colours is not None:
        found["colormap"] = colours
    return found


def _looks(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keywords of a layer that was changed before it was saved; what is not of their kind is left out."""
    try:
        said = json.loads(attrs.get(LOOKS, "{}"))
    except (TypeError, ValueError):
        return {}
    kinds = {"name": str, "contrast_limits": list, "colormap": (str, dict), "opacity": float, "gamma": float}
    kinds |= {"blending": str, "interpolation2d": str}
    found = {k: said[k] for k, kind in kinds.items() if isinstance(said, dict) and isinstance(said.get(k), kind)}
    if "colormap" in found:
        found["colormap"] = versions.colour_map_of(found["colormap"])
    return found

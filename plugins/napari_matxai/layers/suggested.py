"""Regions that were found, as labels that the user may edit, with what is known of each in the layer's table."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matxai.regions import Region
    from napari_matxai.layers.frame import Frame, LayerData


def region_labels(regions: Sequence[Region], name: str, frame: Frame, step: Sequence[int]) -> LayerData:
    """Return a layer tuple of labels, the first region 1.

    Parameters
    ----------
    regions
        Of one plane ``(y, x)``; where two share a pixel, the first has it.
    name
        Of the layer.
    frame, step
        Where the image lies, and which of its slices this is; empty for a flat image.
    """
    labels = np.zeros(regions[0].mask.shape, np.int32)
    for number, region in reversed(list(enumerate(regions, start=1))):
        labels[region.mask] = number
    n = len(frame.scale)
    if step:
        labels = labels.reshape((1,) * len(step) + labels.shape)
        frame = frame.cells([*map(float, step), *[0.0] * (n - len(step))], [1.0] * n)
    table = {
        "index": list(range(1, 1 + len(regions))),
        "kind": [region.kind for region in regions],
        "source": [region.source for region in regions],
        "confidence": [float(region.confidence) for region in regions],
        "evidence": [told(region.evidence) for region in regions],
    }
    keywords = {
        "name": name,
        **frame.as_keywords(),
        "features": table,
        "opacity": 0.9,
        "metadata": {"matxai": {"found": digest(labels)}},
    }
    return labels, keywords, "labels"


def outline(size: Sequence[int]) -> int:
    """Return how thick an outline is, in pixels of an image, to be seen with all of it in view."""
    return max(1, round(max(size) / 300))


def told(evidence: Mapping[str, Any]) -> str:
    """Return what a finding rests on, in one line."""
    return "; ".join(f"{name.replace('_', ' ')} {_value(value)}" for name, value in evidence.items())


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return ", ".join(_value(v) for v in value)
    return str(value)


def digest(labels: Any) -> str:
    """Return a checksum of labels: whether the user has painted on them since."""
    return hashlib.sha256(np.ascontiguousarray(labels).tobytes()).hexdigest()

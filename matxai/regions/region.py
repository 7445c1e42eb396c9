"""What a region is: a mask with its kind, where it came from, how sure that is, and why."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from matxai.errors import RegionError, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

ARTEFACTS = (
    "info_bar",
    "scale_bar",
    "text",
    "label",
    "stamp",
    "border",
    "vignette",
    "aperture",
    "dead_rows",
    "seam",
    "padding",
    "first_channel",
    "last_channel",
    "step",
    "saturation",
    "spike",
    "constant",
    "never_varies",
    "class_difference",
    "foreign_peak",
)
"""What lies in a signal without being of the specimen: of pictures, of spectra, and of a whole folder of either."""

KINDS = (
    "drawn",
    "labels",
    "map_top",
    "map_object",
    "image_object",
    "matched_control",
    "superpixel",
    "disc",
    "plastic_zone",
    "boundaries",
    "peak",
    "shoulder",
    "zone",
    "edge",
    "interval",
    "complement",
    "doublet",
    "band",
    "pre_edge",
    "white_line",
    "post_edge",
    "exafs",
    "line",
    "background",
    *ARTEFACTS,
)
"""The kinds of region that exist so far; the artefacts are named as the reports name them."""


@dataclass(frozen=True, eq=False)
class Region:
    """A mask on the pixels of one signal.

    Parameters
    ----------
    mask
        Boolean array ``(*spatial)``; True inside.
    kind
        One of :data:`KINDS`.
    source
        Who says so: ``"drawn"``, ``"tag 34682"``, ``"pixels"``, ``"map"``.
    confidence
        From 0 to 1; 1 for what a person drew or an instrument's own tag states.
    evidence
        What the finding rests on, as names and numbers.

    Raises
    ------
    RegionError
        If the mask is empty or covers everything, the kind is unknown, or the confidence is outside [0, 1].
    """

    mask: npt.NDArray[np.bool_]
    kind: str
    source: str
    confidence: float = 1.0
    evidence: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        mask = np.asarray(self.mask)
        if mask.dtype != np.bool_:
            msg = f"A region's mask is boolean, not {mask.dtype}. Compare it with a value first, as in labels == 3."
            raise RegionError(msg)
        object.__setattr__(self, "mask", mask)
        if not mask.any():
            msg = f"The region '{self.kind}' from {self.source} is empty: no pixel of {mask.shape} lies inside."
            raise RegionError(msg)
        if mask.all():
            msg = f"The region '{self.kind}' from {self.source} covers the whole signal {mask.shape}; nothing is left."
            raise RegionError(msg)
        if self.kind not in KINDS:
            msg = f"There is no kind of region '{self.kind}'. {nearest(self.kind, KINDS)}"
            raise RegionError(msg)
        if not 0.0 <= self.confidence <= 1.0:
            msg = f"A region's confidence lies between 0 and 1, not at {self.confidence}."
            raise RegionError(msg)

    @property
    def area(self) -> int:
        """Number of pixels inside."""
        return int(self.mask.sum())

    @property
    def share(self) -> float:
        """Pixels inside divided by all pixels."""
        return self.area / self.mask.size

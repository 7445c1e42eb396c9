"""What a person drew on one image: shapes with labels. Coordinates are continuous, as the annotation tools have them.

A point is (x, y) in pixels; (0, 0) is the outer corner of the first pixel, whose centre is at (0.5, 0.5). A pixel lies
inside where its centre does.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from matxai.errors import RegionError, nearest
from matxai.regions.region import Region

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matxai.regions.boxed import Boxed

Kind = Literal["polygon", "rectangle", "ellipse", "line", "points", "mask"]
KINDS = ("polygon", "rectangle", "ellipse", "line", "points", "mask")
LEAST = {"polygon": 3, "rectangle": 2, "ellipse": 2, "line": 2, "points": 1, "mask": 0}


@dataclass(frozen=True, eq=False)
class Shape:
    """One drawn thing.

    Parameters
    ----------
    kind
        ``polygon``; ``rectangle`` (two opposite corners); ``ellipse`` (the centre, then both half axes); ``line`` (one
        pixel wide); ``points`` (a pixel each); ``mask``.
    label
        What it is called; empty where nobody said.
    points
        ``(N, 2)``, (x, y); empty for a mask.
    mask
        For ``mask``: the pixels.
    angle
        For ``ellipse``: how far its first half axis is turned towards +y, in degrees.
    group
        Shapes of one group are parts of one thing; None stands alone.
    score
        Of a detector's box; None for what a person drew.

    Raises
    ------
    RegionError
        If the kind is unknown, points are missing or not finite.
    """

    kind: Kind
    label: str
    points: npt.NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 2)))
    mask: Boxed | None = None
    angle: float = 0.0
    group: int | str | None = None
    score: float | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise RegionError(f"There is no shape '{self.kind}'. {nearest(str(self.kind), KINDS)}")
        try:
            points = np.asarray(self.points, np.float64).reshape(-1, 2)
        except (TypeError, ValueError) as error:
            msg = f"The points of the {self.kind} '{self.label}' are no pairs of numbers; each is (x, y)."
            raise RegionError(msg) from error
        object.__setattr__(self, "points", points)
        if len(points) < LEAST[self.kind] or not np.isfinite(points).all():
            msg = f"The {self.kind} '{self.label}' has {len(points)} points; it needs {LEAST[self.kind]}, all finite."
            raise RegionError(msg)
        if (self.kind == "mask") != (self.mask is not None):
            raise RegionError(f"The shape '{self.label}' is a {self.kind}: a mask has pixels, and nothing else has.")


@dataclass(frozen=True, eq=False)
class Annotated:
    """The shapes of one image.

    Parameters
    ----------
    shapes
        In the order of the file.
    size
        Rows and columns of the image, where the file says; else None.
    image
        The image's file name, where the file says; else empty.
    source
        Format and file, for the regions' record.
    labels
        All labels of the file, in its order, also those that this image lacks.
    """

    shapes: tuple[Shape, ...]
    size: tuple[int, int] | None = None
    image: str = ""
    source: str = "drawn"
    labels: tuple[str, ...] = ()

    def regions(self, size: tuple[int, int] | None = None) -> list[Region]:
        """Return one region for each thing that was drawn: shapes of one group and label are joined.

        Parameters
        ----------
        size
            Rows and columns of the image; needed where the file does not state them.

        Returns
        -------
        list of Region
            Kind ``drawn`` (``labels`` for a mask image); label and shapes stand in the evidence.

        Raises
        ------
        RegionError
            If no size is known, it is not the file's, or a shape lies outside the image.
        """
        from matxai.regions.annotations.drawing import mask_of

        size = self._size(size)
        things: dict[Any, list[Shape]] = {}
        for number, shape in enumerate(self.shapes):
            key = ("alone", number) if shape.group is None else (shape.group, shape.label)
            things.setdefault(key, []).append(shape)
        found = []
        for parts in things.values():
            mask = np.zeros(size, bool)
            for part in parts:
                mask |= mask_of(part, size)
            if not mask.any():
                msg = f"The {parts[0].kind} '{parts[0].label}' of {self.source} covers no pixel of {size}."
                raise RegionError(msg)
            found.append(Region(mask, "drawn", self.source, evidence=_told(parts)))
        return found

    def _size(self, size: tuple[int, int] | None) -> tuple[int, int]:
        if size is None and self.size is None:
            msg = f"{self.source} does not state how large its image is; give size=(rows, columns)."
            raise RegionError(msg)
        if size is not None and self.size is not None and tuple(size) != self.size:
            msg = f"{self.source} was drawn on an image of {self.size}, and this one has {tuple(size)}."
            raise RegionError(msg)
        rows, columns = size if size is not None else self.size or (0, 0)
        return int(rows), int(columns)


def _told(parts: list[Shape]) -> Mapping[str, Any]:
    told: dict[str, Any] = {"label": parts[0].label, "shapes": [p.kind for p in parts]}
    if parts[0].score is not None:
        told["score"] = parts[0].score
    return told

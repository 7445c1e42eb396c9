"""What is explained beside a class by itself: one class against another, a class over a drawn region, a detected box.

Each is a plain value that can be chosen before torch is there. :func:`held` takes from the viewer what it needs, on the
main thread; what that gives makes the library's target where the explanation is computed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from matxai.errors import RegionError
from napari_matxai.session.journal import Code

if TYPE_CHECKING:
    import xarray as xr
    from napari.layers import Image

    from matxai.modelcard import Model
    from napari_matxai.layers.drawings import Drawing
    from napari_matxai.layers.masks import Grid
    from napari_matxai.presenter import Presenter


@dataclass(frozen=True)
class Against:
    """What speaks for one class rather than for another.

    Parameters
    ----------
    a, b
        Names of classes.
    """

    a: str
    b: str


@dataclass(frozen=True)
class OverRegion:
    """A class's mean score over what was drawn in a layer; for models with an answer at every pixel.

    Parameters
    ----------
    name
        The class.
    layer
        Identity of the Shapes, Labels or Points layer.
    """

    name: str
    layer: str


@dataclass(frozen=True)
class DetectedBox:
    """A detected object.

    Parameters
    ----------
    index
        Its place in the detector's order.
    """

    index: int = 0


Target: TypeAlias = str | Against | OverRegion | DetectedBox | None


@dataclass(frozen=True, eq=False)
class Held:
    """A target with all that it needs of the viewer.

    Parameters
    ----------
    target
        As it was chosen.
    drawing, grid
        Of a region: what was drawn, and the pixels that it is to be a mask of.
    """

    target: Target
    drawing: Drawing | None = None
    grid: Grid | None = None

    def mask(self) -> np.ndarray[Any, np.dtype[np.bool_]] | None:
        """Return the region as a mask of the signal, None where none is meant.

        Raises
        ------
        RegionError
            If nothing was drawn on the image.
        """
        if self.drawing is None or self.grid is None:
            return None
        from napari_matxai.layers.masks import masks

        return np.any([r.mask for r in masks(self.drawing, self.grid).regions], axis=0)

    def build(self, model: Model, signal: xr.DataArray) -> Any:
        """Return what ``matxai.explain`` takes as its target; imports torch.

        Raises
        ------
        RegionError, TargetError
            One sentence on what does not fit.
        """
        target = self.target
        if target is None or isinstance(target, str):
            return target
        from matxai.engine import targets

        if isinstance(target, Against):
            return targets.contrast(target.a, target.b)
        if isinstance(target, DetectedBox):
            return targets.detected(target.index)
        from matxai.explanation import over

        mask = self.mask()
        return over(model, signal, mask if mask is not None else np.zeros(()), target.name)

    def key(self) -> object:
        """Return what two equal questions have in common."""
        mask = self.mask()
        return self.target if mask is None else (self.target, mask.shape, mask.tobytes())

    def python(self) -> tuple[Any, dict[str, Any], tuple[str, ...]]:
        """Return the target as Python writes it, the arrays that it uses, and the imports that it needs."""
        target = self.target
        if isinstance(target, Against):
            return Code(f"matxai.targets.contrast({target.a!r}, {target.b!r})"), {}, ()
        if isinstance(target, DetectedBox):
            return Code(f"matxai.targets.detected({target.index})"), {}, ()
        if isinstance(target, OverRegion):
            words = Code(f"over(model, signal, region, {target.name!r})")
            return words, {"region": self.mask()}, ("from matxai.explanation import over",)
        return target, {}, ()


def held(target: Target, presenter: Presenter, image: Image, *, plane: bool) -> Held:
    """Take from the viewer what a target needs of it; on the main thread.

    Parameters
    ----------
    target
        As chosen.
    presenter
        Of the viewer.
    image
        The layer that is explained.
    plane
        Whether the slice in view is, and not the whole data.

    Raises
    ------
    RegionError
        If the layer with the region is gone.
    """
    if not isinstance(target, OverRegion):
        return Held(target)
    from napari_matxai import versions
    from napari_matxai.layers.drawings import drawing_of, placing_of
    from napari_matxai.layers.masks import Grid

    layer = next((la for la in presenter.annotations() if versions.identity(la) == target.layer), None)
    if layer is None:
        msg = "The layer with the region is gone; draw one in a Shapes or Labels layer and choose it."
        raise RegionError(msg)
    step = presenter.step(image)
    leading = max(0, layer.ndim - 2)
    at = step[len(step) - leading :] if leading else ()
    taken = step if plane and image.ndim > 2 else None
    return Held(target, drawing_of(layer, at), Grid(placing_of(image), presenter.shape(image), taken))

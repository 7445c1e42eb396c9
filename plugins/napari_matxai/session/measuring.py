"""What is drawn at this moment: how many regions, how large, and too small for which map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from matxai.errors import RegionError
from napari_matxai.layers.describing import areas_text
from napari_matxai.layers.drawings import drawing_of
from napari_matxai.layers.masks import Grid, masks
from napari_matxai.layers.placing import Placing, pixel_size
from napari_matxai.session.planes import of_slice, place_in

if TYPE_CHECKING:
    from napari_matxai.layers.masks import Drawing, Masks
    from napari_matxai.session.explaining import Explained
    from napari_matxai.session.session import Session

PIXELS = 1_000_000
"""Labels of larger images are not measured while the brush moves."""
FEW = 4
"""So many areas are told."""
MOST = 8
"""More regions are not measured while the user draws."""


@dataclass(frozen=True)
class Measured:
    """What is drawn.

    Parameters
    ----------
    text
        For the user.
    too_small
        Whether a region is smaller than a cell of a map, and no layer could be named yet.
    """

    text: str
    too_small: bool = False


class Measuring:
    """What is drawn, held fast on the main thread, so that it can be measured off it.

    Parameters
    ----------
    session
        Its image, the layer of its regions, and its last explanation.
    """

    def __init__(self, session: Session) -> None:
        self._drawing: Drawing | None = None
        layer, drawn = session.layer, session.regions.layer
        if layer is None or drawn is None or not session.presenter.has(drawn):
            return
        presenter = session.presenter
        shape = presenter.shape(layer)
        if type(drawn).__name__ == "Labels" and shape[-1] * shape[-2] > PIXELS:
            return
        step = presenter.step(layer) if len(shape) > 2 else None
        self._grid = Grid(Placing.of(presenter.frame(layer), layer.name), shape, step)
        self._step = step
        self._drawing = drawing_of(drawn, presenter.indices(drawn), selected=session.regions.choice.selected)
        self._explained = _explained(session, step)
        self._cells = session.regions.cells(self._explained) if self._explained is not None else None

    def run(self) -> Measured:
        """Measure; touches no layer."""
        if self._drawing is None:
            return Measured("")
        try:
            found = masks(self._drawing, self._grid, MOST + 1)
        except RegionError as error:
            return Measured(str(error))
        size, unit = pixel_size(self._grid.placing, 2)
        areas = areas_text([region.area * size for region in found.regions[:FEW]], unit)
        more = " ..." if len(found.regions) > FEW else ""
        count = len(found.regions)
        many = f"more than {MOST}" if count > MOST else str(count)
        text = f"{many} {'region' if count == 1 else 'regions'}: {areas}{more}"
        told, too_small = self._too_small(found)
        return Measured("\n".join([text, *found.notes, *told]), too_small)

    def _too_small(self, found: Masks) -> tuple[list[str], bool]:
        """Sentences on the regions that are smaller than a cell of a map, each named."""
        from matxai.explanation import unresolved

        explained = of_slice(self._explained, self._step) if self._explained is not None else None
        if explained is None:
            return [], False
        sentences = []
        for number, region in zip(found.numbers, found.regions, strict=True):
            name = "region" if len(found.regions) == 1 else f"region {number}"
            told = unresolved(explained.explanation, region, cells=self._cells, name=name)
            sentences += [one.sentence for one in told]
        return sentences, bool(sentences) and self._cells is None


def _explained(session: Session, step: tuple[int, ...] | None) -> Explained | None:
    """The last explanation, if it is of the slice in view."""
    old, layer = session.explanation, session.layer
    if old is None or layer is None or old.source.layer() is not layer or not (old.step == step or place_in(old, step)):
        return None
    return old

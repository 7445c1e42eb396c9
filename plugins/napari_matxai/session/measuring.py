"""What is drawn at this moment: how many regions, how large, and too small for which map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from matxai.errors import RegionError
from napari_matxai.layers.drawings import drawing_of
from napari_matxai.layers.masks import Grid, masks
from napari_matxai.layers.placing import Placing, pixel_size

if TYPE_CHECKING:
    from napari_matxai.layers.masks import Drawing, Masks
    from napari_matxai.session.explaining import Explained
    from napari_matxai.session.session import Session

PIXELS = 1_000_000
"""Labels of larger images are not measured while the brush moves."""
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
        if layer is None or drawn is None or drawn not in session.presenter.viewer.layers:
            return
        presenter = session.presenter
        shape = presenter.shape(layer)
        if type(drawn).__name__ == "Labels" and shape[-1] * shape[-2] > PIXELS:
            return
        step = presenter.step(layer) if len(shape) > 2 else None
        self._grid = Grid(Placing.of(presenter.frame(layer), layer.name), shape, step)
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
        areas = [f"{region.area * size:.3g}" for region in found.regions[:4]]
        more = " ..." if len(found.regions) > 4 else ""
        count = len(found.regions)
        many = f"more than {MOST}" if count > MOST else str(count)
        text = f"{many} {'region' if count == 1 else 'regions'}: {', '.join(areas)}{more} {unit.replace('2', '²')}"
        told, too_small = self._too_small(found)
        return Measured("\n".join([text, *found.notes, *told]), too_small)

    def _too_small(self, found: Masks) -> tuple[list[str], bool]:
        """Sentences on the first region that is smaller than a cell; the others get theirs when they are asked."""
        from matxai.explanation import unresolved

        if self._explained is None:
            return [], False
        for number, region in zip(found.numbers, found.regions, strict=True):
            name = "region" if len(found.regions) == 1 else f"region {number}"
            told = unresolved(self._explained.explanation, region, cells=self._cells, name=name)
            if told:
                return [one.sentence for one in told], self._cells is None
        return [], False


def _explained(session: Session, step: tuple[int, ...] | None) -> Explained | None:
    """The last explanation, if it is of the slice in view."""
    old, layer = session.explanation, session.layer
    if old is None or layer is None or old.source.layer() is not layer or old.step != step:
        return None
    return old

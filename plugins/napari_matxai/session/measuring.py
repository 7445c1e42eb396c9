"""What is drawn at this moment: how many regions, how large, and too small for which map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from matxai.errors import RegionError
from napari_matxai.layers.drawings import drawing_of
from napari_matxai.layers.masks import Grid, masks
from napari_matxai.layers.placing import Placing, pixel_size

if TYPE_CHECKING:
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


def measure(session: Session) -> Measured:
    """Return what the chosen layer holds on the slice in view; fast enough to be asked while the user draws."""
    layer, drawn = session.layer, session.regions.layer
    if layer is None or drawn is None or drawn not in session.presenter.viewer.layers:
        return Measured("")
    presenter = session.presenter
    shape = presenter.shape(layer)
    if type(drawn).__name__ == "Labels" and shape[-1] * shape[-2] > PIXELS:
        return Measured("")
    step = presenter.step(layer) if len(shape) > 2 else None
    placing = Placing.of(presenter.frame(layer), layer.name)
    selected = session.regions.choice.selected
    try:
        drawing = drawing_of(drawn, presenter.indices(drawn), selected=selected)
        found = masks(drawing, Grid(placing, shape, step), MOST + 1)
    except RegionError as error:
        return Measured(str(error))
    size, unit = pixel_size(placing, 2)
    areas = [f"{region.area * size:.3g}" for region in found.regions[:4]]
    more = " ..." if len(found.regions) > 4 else ""
    what = "region" if len(areas) == 1 else "regions"
    count = len(found.regions)
    many = f"more than {MOST}" if count > MOST else str(count)
    text = f"{many} {what}: {', '.join(areas)}{more} {unit.replace('2', '²')}"
    lines, too_small = [text, *found.notes], False
    explained = _explained(session, step)
    if explained is not None:
        from matxai.explanation import unresolved

        cells = session.regions.cells(explained)
        for number, region in zip(found.numbers, found.regions, strict=True):
            name = "region" if count == 1 else f"region {number}"
            told = unresolved(explained.explanation, region, cells=cells, name=name)
            lines += [one.sentence for one in told]
            too_small |= bool(told) and cells is None
            if told:
                break  # one is enough to say it; the rest is said when they are asked about
    return Measured("\n".join(lines), too_small)


def _explained(session: Session, step: tuple[int, ...] | None) -> Explained | None:
    """The last explanation, if it is of the slice in view."""
    old, layer = session.explanation, session.layer
    if old is None or layer is None or old.source.layer() is not layer or old.step != step:
        return None
    return old

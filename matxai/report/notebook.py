"""How an explanation shows itself in a notebook: image, maps, colour bars and the score, as one piece of HTML."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matxai.report import sentences
from matxai.report.pictures import alternative, figure_address
from matxai.report.reading import map_names, panels
from matxai.report.record import facts, scores, target_name
from matxai.report.section import fill

if TYPE_CHECKING:
    import xarray as xr

_MOST = 6


def to_html(ds: xr.Dataset) -> str:
    """Return the HTML that a notebook shows for an explanation: a picture, the top classes, and what else it holds.

    The first six panels are drawn; the remark names what was left away. Everything is inline and escaped.
    """
    from matxai.report.figures import plot

    names = map_names(ds)
    drawn: list[str] = []
    count = 0
    for name in names:
        count += len(panels(ds, name))
        if drawn and count > _MOST:
            break
        drawn.append(name)
    first = panels(ds, drawn[0])[0]
    figure = plot(
        ds, drawn if count <= 16 else drawn[:1], at=None if len(panels(ds, drawn[0])) <= 16 else _first(ds, drawn)
    )
    target = target_name(facts(ds))
    text = fill(
        "notebook.html.j2",
        source=str(ds.attrs.get("source", "")),
        model=str(ds.attrs.get("model", "")),
        target=target or sentences.UNCHOSEN,
        address=figure_address(figure, dpi=110.0, photograph=first.values.ndim == 2),
        alt=alternative(first, target, str(ds.attrs.get("source", "") or "the input")),
        scores=scores(ds),
        left=[n for n in names if n not in drawn],
    )
    return str(text)


def _first(ds: xr.Dataset, drawn: list[str]) -> dict[str, int | str]:
    """Choose the first of everything, where one map alone has more panels than a figure holds."""
    place = panels(ds, drawn[0])[0].place
    return {dim: entry for dim, entry in place.items() if dim in ("layer", "class")}

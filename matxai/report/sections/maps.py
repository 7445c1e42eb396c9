"""The image, and each map laid over it with its colour bar and scale bar."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.report import sentences
from matxai.report.curves.figure import MOST_STRIPS, panels_figure
from matxai.report.figures import image_figure, panel_figure
from matxai.report.pictures import alternative, figure_address
from matxai.report.reading import STRONGEST, Panel, find_map, map_names, panels, signal_of
from matxai.report.record import facts, scores, target_name
from matxai.report.section import Section, fill, sections

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import xarray as xr
    from markupsafe import Markup

    from matxai.report.colours import Limits
    from matxai.report.content import Report, ReportItem

_MOST = 48
"""Pictures of one input; with all methods, several layers and classes there would be no end to them."""
CURVE_MM = 180.0
"""Width of a spectrum's plot: that of a page."""
WIDTH_MM = 72.0
"""Width of a figure whose letters read well at a third of a wide screen and on a phone."""


def all_panels(ds: xr.Dataset) -> list[Panel]:
    """Return every panel of an explanation; of a stack the slice that holds most of each map."""
    found = []
    for name in map_names(ds):
        dims = set(map(str, find_map(ds, name).dims))
        found += panels(ds, name, {d: STRONGEST for d in ("t", "z") if d in dims})
    return found


def lead(item: ReportItem) -> str:
    """Return the sentence that opens an item: what the network says, and whether that is so."""
    ds = item.explanation
    ranked = scores(ds)
    if not ranked:
        return ""
    top = ranked[0]
    name = str(ds.attrs.get("model", ""))
    model = sentences.THE_MODEL.format(name=name) if name else sentences.THE_NETWORK
    if top.share is not None:  # a dense output: which class is on top where
        parts = [f"{s.name} in {sentences.percent(s.share)}" for s in ranked if s.share][:4]
        return sentences.SAYS_DENSE.format(model=model, parts=sentences.listed(parts))
    score = sentences.score_words(top.logit, top.probability)
    said = sentences.SAYS.format(model=model, name=top.name, score=f" ({score})" if score else "")
    if item.truth is None:
        return said
    return (
        f"{said} {sentences.TRUTH_RIGHT if item.truth == top.name else sentences.TRUTH_WRONG.format(truth=item.truth)}"
    )


def make(report: Report, item: ReportItem) -> Markup:
    """Return the pictures of one item."""
    ds = item.explanation
    regions = [(r.mask, r.kind.replace("_", " ")) for r in item.regions if r.kind != "map_top"]
    shown: list[dict[str, Any]] = []
    panel_list = all_panels(ds)

    def shared(panel: Panel) -> Limits | None:
        return report.limits.get(panel.name, report.limits.get(panel.method))

    photograph = bool(panel_list) and panel_list[0].values.ndim == 2
    if photograph:
        source = {"alt": sentences.ALT_IMAGE.format(source=item.title), "caption": ""}
        shown.append({**source, "address": figure_address(image_figure(ds, panel_list[0], width_mm=WIDTH_MM))})
    if not photograph:
        shown += _plots(report, item, panel_list[:_MOST])
    for panel in panel_list[:_MOST] if photograph else ():
        inside = [(m, n) for m, n in regions if m.shape == panel.values.shape]
        figure = panel_figure(ds, panel, width_mm=WIDTH_MM, limits=shared(panel), regions=inside)
        shown.append(
            {
                "address": figure_address(figure, photograph=True),
                "alt": alternative(panel, target_name(facts(ds)), item.title),
                "caption": panel.empty,
            }
        )
    seen = 1.0 - float(np.isnan(panel_list[0].values).mean()) if panel_list else 1.0
    return fill(
        "maps.html.j2",
        lead=lead(item),
        evidence=" ".join(_said(e) for e in item.evidences[:1]),
        beyond=sentences.BEYOND if photograph else "",
        scale=sentences.SHARED_SCALE if len(report.items) > 1 and any(map(shared, panel_list)) else "",
        pictures=shown,
        more=sentences.MORE_PANELS.format(count=len(panel_list) - _MOST) if len(panel_list) > _MOST else "",
        wide=not photograph,
        seen=sentences.SEEN_PART.format(share=sentences.percent(seen)) if seen < 1.0 else "",
        uncalibrated=sentences.UNCALIBRATED if _uncalibrated(ds, panel_list) else "",
    )


def _plots(report: Report, item: ReportItem, shown: Sequence[Panel]) -> list[dict[str, Any]]:
    """Return the plots of a spectrum: the curve with as many strips as can be read, and again for the rest."""
    found = []
    for first in range(0, len(shown), MOST_STRIPS):
        part = shown[first : first + MOST_STRIPS]
        figure = panels_figure(
            item.explanation, part, style=item.style, width_mm=CURVE_MM, limits=report.limits, received=item.received
        )
        alt = alternative(part[0], target_name(facts(item.explanation)), item.title)
        captions = dict.fromkeys(p.empty for p in part if p.empty)
        found.append({"address": figure_address(figure, photograph=False), "alt": alt, "caption": " ".join(captions)})
    return found


def _said(evidence: Mapping[str, Any]) -> str:
    method = sentences.method_label(str(evidence.get("method", "")))
    return f"{method}: {evidence.get('sentence', '')}".removeprefix(": ")


def _uncalibrated(ds: xr.Dataset, found: list[Panel]) -> bool:
    axes = found[0].axes if found else ()
    return "signal" in ds.coords and signal_of(ds).ndim > 1 and all(axis.units == "pixel" for axis in axes)


sections.add("maps", Section(order=20, title="", of_item=make))

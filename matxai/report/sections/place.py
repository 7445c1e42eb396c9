"""Where each map lies and how fine it is: cell and receptive field in physical units."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from matxai.report import sentences
from matxai.report.reading import Panel, extent_words, sizes
from matxai.report.record import facts
from matxai.report.section import Section, fill, sections
from matxai.report.sections.maps import all_panels

if TYPE_CHECKING:
    from collections.abc import Mapping

    from markupsafe import Markup

    from matxai.report.content import Report, ReportItem


def area(panel: Panel) -> float:
    """Return the size of a map's cell, in the units of its axes multiplied; infinite where nothing is known of it."""
    known = sizes(panel.attrs.get("cell"), panel)
    return math.prod(n for n, _ in known) if known else math.inf


def called(panel: Panel) -> str:
    """Return a map's name in a sentence: ``"Grad-CAM at layer4"``."""
    label = sentences.method_label(panel.method)
    return f"{label} at {panel.layer}" if panel.layer else label


def at_layers(names: Mapping[str, list[str]]) -> str:
    """Return the names of maps, those of one layer together: ``"Grad-CAM and CAM at layer4; LRP"``."""
    groups = [sentences.listed(n) + (f" at {layer}" if layer else "") for layer, n in names.items()]
    return "; ".join(groups) if any(len(n) > 1 for n in names.values()) else sentences.listed(groups)


def make(_report: Report, item: ReportItem) -> Markup | None:
    """Return a row for each map with its cell, its receptive field and what it cannot tell."""
    shown = [panel for panel in all_panels(item.explanation) if not panel.is_error]
    finest = min(shown, key=area, default=None)
    rows: list[dict[str, str]] = []
    told: dict[str, dict[str, list[str]]] = {}
    for panel in shown:
        cell = extent_words(panel.attrs.get("cell"), panel)
        field = extent_words(panel.attrs.get("receptive_field"), panel)
        rows.append({"method": panel.method, "layer": panel.layer or "input", "cell": cell, "field": field})
        if cell and finest is not None:
            finer = ""
            if area(finest) < 0.99 * area(panel):
                finer = sentences.FINER.format(map=called(finest), cell=extent_words(finest.attrs.get("cell"), finest))
            same = told.setdefault(sentences.FINENESS.format(cell=cell, finer=finer), {})
            same.setdefault(panel.layer, []).append(sentences.method_label(panel.method))
    if not rows:
        return None
    record = facts(item.explanation)
    steps = record.get("preprocessing") or []
    return fill(
        "place.html.j2",
        rows=rows,
        remarks=[f"{at_layers(same)}: {sentence}" for sentence, same in told.items()],
        steps=[steps] if isinstance(steps, str) else [sentences.in_words(s) for s in steps],
        pixel_size_source=str(record.get("pixel_size_source") or ""),
    )


sections.add("place", Section(order=50, title="Where the maps lie, and how fine they are", of_item=make))

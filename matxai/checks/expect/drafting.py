"""A file of expectations made from a template and from what an example tells: classes, paths, places, units.

What the example is a file of, and what it tells, is the job's matter; here a template's text is filled in, with its
comments kept.
"""

from __future__ import annotations

import io
import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from matxai.checks.expect.document import expectations_of
from matxai.checks.expect.templates import template
from matxai.signals.units import convert, same_kind, unit_word

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_SPECTRAL = ("interval", "peaks", "edge", "onset")
_MOST_PEAKS = 6


@dataclass(frozen=True)
class Told:
    """What examples tell; empty where they tell nothing.

    Parameters
    ----------
    model, data
        Paths as the file is to have them.
    classes
        Names of the classes.
    labels, values
        Path of a label image with ``{stem}``, and the labels in it.
    masks
        Whether the data have masks of their own.
    axis, unit, ends
        Name, unit and first and last place of a spectrum's axis.
    peaks, tolerance
        Places of peaks, and how far from each a region reaches.
    edge
        Place of the highest step.
    artefacts
        Kinds of artefacts that were found.
    """

    model: str = ""
    data: str = ""
    classes: tuple[str, ...] = ()
    labels: str = ""
    values: tuple[int, ...] = ()
    masks: bool = False
    axis: str = ""
    unit: str = ""
    ends: tuple[float, float] | None = None
    peaks: tuple[float, ...] = ()
    tolerance: float | None = None
    edge: float | None = None
    artefacts: tuple[str, ...] = ()

    def and_also(self, other: Told) -> Told:
        """Return what both tell; the other's word counts where both say something."""
        said = {name: value for name, value in vars(other).items() if value != getattr(Told(), name)}
        return replace(self, **said)

    @property
    def template(self) -> str:
        """The template that fits what is told."""
        if not self.unit and not self.peaks:
            return "defects"
        if self.unit and same_kind(self.unit, "s"):
            return "ae_events"
        if self.edge is not None and not self.peaks:
            return "absorption_edges"
        return "diffraction_peaks"


def draft(name: str | None = None, told: Told | None = None) -> str:
    """Return the text of a file of expectations.

    Parameters
    ----------
    name
        Of a template; by default the one that fits the example.
    told
        What examples tell.

    Returns
    -------
    str
        YAML that :func:`read_expectations` takes as it stands.

    Raises
    ------
    ExpectationError
        If there is no such template.
    """
    known = told or Told()
    text = template(name or known.template)
    if known == Told():
        return text
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.width = 4096
    yaml.preserve_quotes = True
    yaml.indent(mapping=2, sequence=4, offset=2)
    document = yaml.load(text)
    for field in ("model", "data"):
        if getattr(known, field):
            document[field] = getattr(known, field)
    for item in document["expectations"]:
        if known.classes and item.get("role", "must") == "must" and item.get("classes") == "all":
            item["classes"] = _flow(list(known.classes))
        for region, place in _regions(item):
            place(_placed(region, known, absent="absent" in item))
        if "any_of" in item and known.peaks:
            item["any_of"]["of"] = _each_peak(item["any_of"]["of"][0], known)
        if "absent" in item and known.unit:
            item["absent"]["width"] = item["absent"]["region"]["tolerance"]
    for kind in known.artefacts:
        if not any(i.get("region", {}).get("artefact") == kind for i in document["expectations"]):
            document["expectations"].append(_free_of(kind))
    stream = io.StringIO()
    yaml.dump(document, stream)
    made = stream.getvalue()
    expectations_of(made, name="the file made from the example")  # what is written can be read
    return made


def _free_of(kind: str) -> dict[str, Any]:
    """The expectation that the model reads nothing of an artefact."""
    name = f"no {kind.replace('_', ' ')}"
    return {
        "name": name,
        "classes": "all",
        "region": _flow({"artefact": kind}),
        "role": "must_not",
        "measure": "exchange",
        "below": 0.05,
    }


def _flow(values: Any) -> Any:
    """A list or mapping that is written in one line."""
    from ruamel.yaml.comments import CommentedMap, CommentedSeq

    made: Any = CommentedMap(values) if isinstance(values, dict) else CommentedSeq(values)
    made.fa.set_flow_style()
    return made


def _regions(item: Any) -> Iterator[tuple[dict[str, Any], Callable[[dict[str, Any]], None]]]:
    """Yield every region of an expectation, and what puts another in its place."""
    for holder in (item, item.get("absent") or {}):
        if "region" in holder:
            yield dict(holder["region"]), lambda new, h=holder: h.__setitem__("region", _flow(new))  # type: ignore[misc]
    for part in item.get("any_of", {}).get("of", []):
        yield from _regions(part)


def _placed(region: dict[str, Any], told: Told, *, absent: bool) -> dict[str, Any]:
    """A template's region with the example's paths, places and units."""
    kind = next(iter(region))
    if kind == "complement":
        return {kind: _flow(_placed(dict(region[kind]), told, absent=absent))}
    if kind in ("mask", "labels"):
        if told.labels:
            values = list(told.values)
            return {"labels": told.labels, "value": values[0] if len(values) == 1 else _flow(values)}
        return {"mask": "any"} if told.masks else region
    if kind not in _SPECTRAL or not told.unit:
        return region
    placed = {**region, "unit": told.unit}
    if kind == "peaks":
        placed["tolerance"] = _width(region, told)
        if told.peaks and not absent:
            placed["peaks"] = _flow([_rounded(p) for p in told.peaks[:_MOST_PEAKS]])
        elif told.peaks or told.ends is not None:
            placed["peaks"] = _flow([_rounded(_widest_gap(told))])
    elif kind == "edge" and told.edge is not None:
        placed["edge"] = _rounded(told.edge)
        placed["window"] = _flow([_in_unit(v, str(region["unit"]), told.unit) for v in region["window"]])
    elif kind == "onset":
        placed["onset"] = _flow([_in_unit(v, str(region["unit"]), told.unit) for v in region["onset"]])
    elif kind == "interval" and (told.peaks or told.ends is not None):
        placed["interval"] = _flow(_inside(region, told))
    return placed


def _inside(region: dict[str, Any], told: Told) -> list[float]:
    """The template's interval where it lies on the example's axis, else the axis' first tenth."""
    low, high = _ends(told)
    if same_kind(str(region["unit"]), told.unit):
        first, last = (convert(float(v), str(region["unit"]), told.unit) for v in region["interval"])
        if low <= first < last <= high:
            return [_rounded(first), _rounded(last)]
    return [_rounded(low), _rounded(_between((low, high), 0.1))]


def _in_unit(value: float, unit: str, wanted: str) -> float:
    return _rounded(convert(float(value), unit, wanted)) if same_kind(unit, wanted) else float(value)


def _width(region: dict[str, Any], told: Told) -> float:
    if told.tolerance is not None:
        return _rounded(told.tolerance)
    if same_kind(str(region["unit"]), told.unit):
        return _in_unit(float(region["tolerance"]), str(region["unit"]), told.unit)
    low, high = _ends(replace(told, tolerance=1.0))
    return _rounded(0.01 * (high - low))


def _each_peak(first: Any, told: Told) -> list[Any]:
    """One part of ``any_of`` for each peak."""
    parts = []
    for place in told.peaks[:_MOST_PEAKS]:
        unit = told.unit or str(first["region"]["unit"])
        width = _width(dict(first["region"]), replace(told, unit=unit))
        region = _flow({"peaks": _flow([_rounded(place)]), "tolerance": width, "unit": unit})
        parts.append(_flow({**first, "name": f"peak at {_rounded(place):g} {unit}", "region": region}))
    return parts


def _ends(told: Told) -> tuple[float, float]:
    """The ends of the example's axis; without one, a range around its peaks."""
    if told.ends is not None:
        return told.ends
    margin = 30 * (told.tolerance or 1.0)
    return min(told.peaks, default=0.0) - margin, max(told.peaks, default=0.0) + margin


def _widest_gap(told: Told) -> float:
    """The place that is furthest from all peaks and from the ends of the axis."""
    low, high = _ends(told)
    places = sorted({low, high, *(p for p in told.peaks if low < p < high)})
    first, last = max(itertools.pairwise(places), key=lambda pair: pair[1] - pair[0])
    return 0.5 * (first + last)


def _between(ends: tuple[float, float], part: float) -> float:
    return ends[0] + part * (ends[1] - ends[0])


def _rounded(value: float) -> float:
    return float(f"{value:.6g}")


def known_word(text: str) -> str:
    """Return pint's word for a unit as a file writes it, empty where it is none."""
    return unit_word(text) or ""

"""From a check of expectations to its files: what the report shows, the rows of the table, the record for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.checks.expect.measures import measures
from matxai.errors import Cancelled, MatxaiError
from matxai.report import Example, Grid, Judgement, Shot, Shown
from matxai.report.sentences import number
from matxai.report.verdicts import WORST_FIRST, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt
    import pandas as pd
    import xarray as xr

    from matxai.checks.expect import Checked, Expectations, Judged
    from matxai.checks.expect.document import Asks, AsksAbsence
    from matxai.checks.expect.records import SampleVerdict
    from matxai.jobs.data import Data

QUESTION = "Does {model} keep to what {file} expects? Asked with {n} samples of {data}."
AXIS_OF = "{kind}: {about}"
AXIS_AGAINST = "{kind}, less that of matched controls: {about}"
ABOVE, BELOW, ABOVE_CONTROLS = "above {value}", "below {value}", "above its controls (0)"
SAMPLES = "The samples, the worst first"
WORST, TYPICAL, ROWS = 2, 1, 8
COLUMNS: dict[str, str] = {
    "expectation": "string",
    "kind": "string",
    "role": "string",
    "region": "string",
    "file": "string",
    "class": "string",
    "answer": "string",
    "value": "float64",
    "control": "float64",
    "rank": "Int64",
    "controls": "Int64",
    "reason": "string",
}


def findings_of(checked: Checked) -> list[Finding]:
    """Return the findings for the verdict's file, with role, weight, source and counts as detail."""
    return [
        Finding(
            f.name,
            "expectation",
            f.verdict,
            {
                "measure": f.kind,
                "role": f.role,
                "region": f.where,
                "weight": f.weight,
                "source": f.source,
                "line": f.line,
                "missing": f.missing,
                "samples": {a: sum(s.answer == a for s in f.samples) for a in ("holds", "broken", "inconclusive")},
            },
        )
        for f in checked.findings
    ]


def table_of(checked: Checked) -> pd.DataFrame:
    """Return the table: a row for each sample and expectation, those within ``any_of`` and ``all_of`` too."""
    import pandas as pd

    rows = [_row(f, s) for f in _all(checked.findings) for s in f.samples]
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS)


def _all(findings: Sequence[Judged]) -> Iterator[Judged]:
    for finding in findings:
        yield finding
        yield from _all(finding.parts)


def _row(finding: Judged, sample: SampleVerdict) -> dict[str, Any]:
    return {
        "expectation": finding.name,
        "kind": finding.kind,
        "role": finding.role,
        "region": finding.where,
        "file": sample.name,
        "class": sample.label,
        "answer": sample.answer,
        "value": sample.value,
        "control": sample.control,
        "rank": sample.rank,
        "controls": sample.controls,
        "reason": sample.reason,
    }


def judgement_of(checked: Checked, asked: Expectations, data: Data, model: str, *, cancel: Any = None) -> Judgement:
    """Return what the report shows: the worst findings first, each with its samples.

    Raises
    ------
    Cancelled
        If ``cancel`` is set.
    """
    findings = dict(zip((f.name for f in checked.findings), findings_of(checked), strict=True))
    ordered = sorted(checked.findings, key=lambda f: (not f.demanded, WORST_FIRST.index(f.verdict.answer)))
    facts = {k: v for k, v in checked.facts.items() if k in ("samples", "groups", "near_duplicates") and v is not None}
    shown = []
    for one in ordered:
        if cancel is not None and cancel.is_set():
            msg = "Cancelled while the report was made."
            raise Cancelled(msg)
        shown.append(_shown(one, findings[one.name], asked, data))
    score = {} if checked.score is None else {"weight of what holds": f"{100 * checked.score:.0f} %"}
    return Judgement(
        question=QUESTION.format(model=model, file=asked.file, n=len(data.labelled), data=data.path.name),
        answer=checked.answer,
        sentence=checked.sentence,
        shown=tuple(shown),
        facts={**{k.replace("_", "-"): str(v) for k, v in facts.items()}, **score},
        notes=tuple(data.labelled.notes),
    )


def _shown(one: Judged, finding: Finding, asked: Expectations, data: Data) -> Shown:
    remarks = [f"Source: {one.source}."] if one.source else []
    if one.role == "may":
        remarks.append("It is reported; nothing is demanded.")
    worst = _ordered(one)
    return Shown(
        finding,
        tuple(remarks),
        (_grid(worst),) if worst else (),
        tuple(_examples(one, worst, asked, data)),
        (one.missing.rstrip("."),) if one.missing else (),
        *_asked(one),
    )


def _asked(one: Judged) -> tuple[str, tuple[float, str] | None, tuple[float, float]]:
    """What the effect is, what is asked of it, and the levels of its bounds."""
    evidence = one.verdict.evidence
    low, high = evidence.get("interval_levels", (0.95, 0.95))
    against = evidence.get("threshold") == "controls"
    kind = one.kind.replace("_", " ")
    if one.kind in measures:
        kind = (AXIS_AGAINST if against else AXIS_OF).format(kind=kind, about=measures[one.kind].about)
    threshold = 0.0 if against else evidence.get("threshold")
    if threshold is None:
        return kind, None, (low, high)
    words = BELOW if one.role == "must_not" else ABOVE_CONTROLS if against else ABOVE
    return kind, (float(threshold), words.format(value=number(threshold))), (low, high)


def _ordered(one: Judged) -> list[SampleVerdict]:
    """The judged samples, those that speak most against the expectation first."""
    sign = -1.0 if one.role == "must_not" else 1.0
    rank = {"broken": 0, "inconclusive": 1, "holds": 2, "": 3}
    judged = [s for s in one.samples if not s.reason]
    return sorted(judged, key=lambda s: (rank[s.answer], sign * ((s.value or 0.0) - (s.control or 0.0))))


def _grid(samples: Sequence[SampleVerdict]) -> Grid:
    rows = [(s.name, s.label, s.answer or None, s.value, s.control, s.rank) for s in samples[:ROWS]]
    more = len(samples) - len(rows)
    note = f"{more} more stand in expectations.csv." if more > 0 else ""
    return Grid(SAMPLES, ("sample", "class", "answer", "value", "controls", "rank"), tuple(rows), note)


def _examples(one: Judged, worst: Sequence[SampleVerdict], asked: Expectations, data: Data) -> Iterator[Example]:
    leaf = next((a for a in asked.leaves() if a.name == one.name), None)
    if leaf is None:
        return
    typical = [worst[len(worst) // 2]] if len(worst) > WORST + TYPICAL else []
    for sample, word in [*((s, "worst") for s in worst[:WORST]), *((s, "typical") for s in typical)]:
        signal, outline = _placed(leaf, sample, asked, data)
        values = np.asarray(signal.values)
        if values.ndim - (signal.dims[-1] == "c") not in (1, 2):
            continue
        said = "" if sample.value is None else f"{one.kind.replace('_', ' ')} {sample.value:.3g}"
        caption = f"{sample.name}: {leaf.where.said}"
        yield Example(f"{sample.name} ({word})", said, (Shot(caption, values, outline),))


def worst_of(
    one: Judged, asked: Expectations, data: Data
) -> tuple[str, xr.DataArray, npt.NDArray[np.bool_] | None] | None:
    """Return the sample that speaks most against an expectation: its name, its signal, and the region in it.

    None where no sample was judged, or the expectation is made of several. The region is None where it cannot be made.
    """
    leaf, worst = next((a for a in asked.leaves() if a.name == one.name), None), _ordered(one)
    return (worst[0].name, *_placed(leaf, worst[0], asked, data)) if leaf is not None and worst else None


def _placed(
    leaf: Asks | AsksAbsence, sample: SampleVerdict, asked: Expectations, data: Data
) -> tuple[xr.DataArray, npt.NDArray[np.bool_] | None]:
    """A sample's signal, and the region of an expectation in it."""
    from matxai.checks.expect.sample import Sample

    labelled, number = data.labelled, sample.number
    mask = labelled.mask
    signal = labelled.read(number)
    own = None if mask is None else (lambda: mask(number))
    try:
        region = leaf.where.region(Sample(number, sample.name, sample.label, signal, asked.base, own))
    except MatxaiError:
        region = None  # the verdict stands; a picture that can no longer be made is no reason to lose it
    return signal, None if region is None else region.mask

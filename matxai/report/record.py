"""What a run says about itself, read from an explanation's attributes: model, targets, scores.

The dataset's schema belongs to `matxai.explanation`; the report reads it here, and the arrays in `reading`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.errors import ExplanationError

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class Score:
    """One class and what the network gave it; of a dense output also the share of positions where it is on top."""

    name: str
    logit: float | None
    probability: float | None
    share: float | None = None
    target: bool = False


def words(value: Any) -> list[str]:
    """Return an attribute that names one or several things as a list of strings."""
    if value is None:
        return []
    if isinstance(value, str):
        if value.startswith("["):
            try:
                return [str(v) for v in json.loads(value)]
            except json.JSONDecodeError:
                return [value]
        return [value] if value else []
    if isinstance(value, Sequence | np.ndarray):
        return [str(v) for v in value]
    return [str(value)]


def facts(ds: xr.Dataset) -> dict[str, Any]:
    """Return what the run says about itself: the JSON of the attribute ``matxai`` as a dictionary.

    Raises
    ------
    ExplanationError
        If the attribute is no JSON object.
    """
    text = ds.attrs.get("matxai", "{}")
    try:
        record = json.loads(text)
    except (TypeError, json.JSONDecodeError) as error:
        msg = (
            f"The attribute 'matxai' of this explanation is no JSON ({error}); it would be what matxai.explain writes."
        )
        raise ExplanationError(msg) from None
    if not isinstance(record, dict):
        msg = f"The attribute 'matxai' of this explanation holds a {type(record).__name__}, not an object of names."
        raise ExplanationError(msg)
    return record


def scores(ds: xr.Dataset) -> list[Score]:
    """Return the top classes of the run, best first; the explained ones are marked."""
    record = facts(ds)
    wanted = {t["class"] for t in targets(record)}
    found = []
    for entry in record.get("scores") or []:
        name = str(entry.get("class", entry.get("index", "?")))
        found.append(Score(name, entry.get("logit"), entry.get("probability"), entry.get("share"), name in wanted))
    return found


def targets(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what was explained: a record with ``class`` (its name) and, where known, ``score`` for each target."""
    given = record.get("target")
    if given is None:
        return []
    listed = given if isinstance(given, list) else [given]
    return [{**t, "class": str(t.get("class", ""))} if isinstance(t, Mapping) else {"class": str(t)} for t in listed]


def target_score(ds: xr.Dataset, name: str) -> Score | None:
    """Return the score of an explained class; the sum over an object has a logit and no probability."""
    listed = next((s for s in scores(ds) if s.name == name), None)
    own = next((t.get("score") for t in targets(facts(ds)) if t["class"] == name), None)
    if own is None:
        return listed
    single = listed is not None and listed.share is None
    return Score(name, float(own), listed.probability if listed and single else None, target=True)


def target_name(record: Mapping[str, Any]) -> str:
    """Return the explained class, score or quantity by its name; several with commas."""
    return ", ".join(t["class"] for t in targets(record) if t["class"])

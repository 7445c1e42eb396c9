"""Artefacts of a set by its instruments' own tags."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from matxai.checks.leak.records import Artefact
from matxai.regions import Boxed
from matxai.regions.finders import finders

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matxai.checks.leak.case import Case


def stated_artefacts(case: Case, kinds: Sequence[str] | None) -> list[Artefact]:
    """Return the info bars that the instruments state, as one artefact, or nothing."""
    if kinds is not None and "info_bar" not in kinds:
        return []
    regions = []
    for i in range(len(case.data)):
        signal = case.signals[i]
        found = finders["info_bar"](np.asarray(signal.values), signal.attrs)
        regions.append(Boxed.of(found[0]) if found else None)
    return [Artefact("info_bar", "info_bar", tuple(regions), "instrument's tag")] if any(regions) else []

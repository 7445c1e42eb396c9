"""What an artefact's absence does to the answers: sensitivity, and no verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from matxai.checks.leak.transplant import softened
from matxai.checks.perturbation import filled_signal

if TYPE_CHECKING:
    from collections.abc import Iterator

    import xarray as xr

    from matxai.checks.leak.case import Case


def changed_without(case: Case) -> float | None:
    """Return the share of units whose answer changes when their artefact is filled, None where no unit has it.

    Raises
    ------
    Cancelled
        If the case is.
    """
    having = [k for k, unit in enumerate(case.units) if case.region(unit) is not None]
    if not having:
        return None

    def filled() -> Iterator[xr.DataArray]:
        for done, k in enumerate(having):
            case.step(done, len(having), "removal")
            unit = int(case.units[k])
            region = case.region(unit)
            assert region is not None  # noqa: S101 - only units that have it
            mask = region.mask()
            soft = softened(mask)
            signal = case.signals[unit]
            yield filled_signal(signal, mask if soft.all() else soft, case.fill, case.seed + unit)

    after = case.asked(case.units[having], filled())
    return float(np.mean(after.top != case.clean.top[having]))

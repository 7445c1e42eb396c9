"""Constants that a normalisation left: the channels that are 1 or 0 by construction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.regions.finders_1d import finders_1d
from matxai.regions.region import Region
from matxai.regions.spectral import curve_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

_TOPS = (1.0, 100.0, 1000.0)


@finders_1d.register("constant")
def constant(values: npt.NDArray[Any], facts: Mapping[str, Any]) -> list[Region]:  # noqa: ARG001
    """Return the channels that hold the constants of a scaling to the maximum or from minimum to maximum.

    Told by a largest value of exactly 1, 100 or 1000 on values that are no whole numbers, and a smallest of exactly 0.
    Which channel holds them then depends on the specimen, and their value on nothing.
    """
    curve = curve_of(values)
    top, bottom = float(curve.max()), float(curve.min())
    if top not in _TOPS or bottom == top or (curve == np.rint(curve)).mean() > 0.5:
        return []
    at_top, at_bottom = curve == top, curve == bottom
    mask = at_top | (at_bottom if bottom == 0.0 and at_bottom.sum() < len(curve) / 4 else False)
    how = "minimum to maximum" if bottom == 0.0 else "maximum"
    return [Region(mask, "constant", "pixels", confidence=0.8, evidence={"scaled": how, "top": top, "bottom": bottom})]

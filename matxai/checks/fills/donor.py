"""The region takes what another sample has at the same place: the exchange, as a fill."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matxai.checks.fills import fill
from matxai.errors import MethodError

if TYPE_CHECKING:
    import numpy as np

    from matxai.checks.fills.ground import Floats, Ground
    from matxai.checks.fills.spot import Spot


@fill("donor", needs_donor=True)
def donor(ground: Ground, spot: Spot, rng: np.random.Generator) -> Floats:  # noqa: ARG001
    """Return the donor's values at the region's place."""
    if ground.donor is None:
        raise MethodError("The fill 'donor' takes its content from another sample; give one with donors=.")
    return ground.donor[spot.box][spot.shape.inside]

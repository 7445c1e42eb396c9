"""How sure a share is: exact bounds for counts, and Holm's correction for several questions. Arithmetic of arrays only.

Holm (1979), Scandinavian Journal of Statistics 6:65; Clopper and Pearson (1934), Biometrika 26:404.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import betaincinv

from matxai.errors import MatxaiError

if TYPE_CHECKING:
    from collections.abc import Sequence


def exact_bounds(share: float, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the one-sided exact bounds of a share seen among ``n`` (Clopper and Pearson), each at ``confidence``.

    ``share * n`` need be no whole number: the bounds are those of the beta distributions in between.

    Raises
    ------
    MatxaiError
        If the share lies outside 0 to 1, or there is nothing to count.
    """
    if not 0.0 <= share <= 1.0 or n < 1:
        msg = f"A share lies between 0 and 1 and is of at least one; here it is {share} of {n}."
        raise MatxaiError(msg)
    k = share * n
    low = 0.0 if k <= 0 else float(betaincinv(k, n - k + 1, 1 - confidence))
    high = 1.0 if k >= n else float(betaincinv(k + 1, n - k, confidence))
    return low, high


def effect_bounds(effect: float, n: int, following: int = 0, confidence: float = 0.95) -> tuple[float, float]:
    """Return the narrowest one-sided bounds that an effect over ``n`` images may have, from -1 to 1.

    A positive effect is a share of images. One of less than a whole image, spread over images of which none follows its
    donors, is none of ``n``. A negative effect gets the bounds of its mirror image, except that its upper bound is as
    far away as the wider of the two and never below that of none of ``n``: an estimate below zero is no better known
    than zero is.

    Parameters
    ----------
    effect
        From -1 to 1.
    n
        Images.
    following
        How many of them follow their donors in at least half of the exchanges.
    confidence
        Of each bound.
    """
    size = min(abs(effect), 1.0)
    none = exact_bounds(0.0, n, confidence)[1]
    if size * n < 1:
        high = exact_bounds(following / n, n, confidence)[1]
        return max(-1.0, min(effect, -none)), min(1.0, max(effect, high))
    low, high = exact_bounds(size, n, confidence)
    if effect > 0:
        return low, high
    return -high, min(1.0, max(none, effect + max(high - size, size - low)))


def smallest_n(bound: float, confidence: float = 0.95) -> int:
    """Return how many images it takes before none of them leaves an upper bound below ``bound`` (59 for 5 %)."""
    return int(np.ceil(np.log(1 - confidence) / np.log1p(-bound)))


def holm(p: Sequence[float | None]) -> list[float | None]:
    """Return p values after Holm's step-down correction, in the order given; None where there was none.

    A question without p asked nothing and does not count.
    """
    asked = [k for k, value in enumerate(p) if value is not None]
    order = sorted(asked, key=lambda k: p[k] or 0.0)
    corrected: list[float | None] = [None] * len(p)
    largest = 0.0
    for rank, k in enumerate(order):
        largest = max(largest, min(1.0, (p[k] or 0.0) * (len(order) - rank)))
        corrected[k] = largest
    return corrected

"""LIME: a linear model of the score in the segments that are left in, fitted around the input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from matxai.errors import MethodError
from matxai.methods.method import About, Reduced, Setting, methods
from matxai.methods.sampled import copies_of
from matxai.methods.segments import Coalitions, Segmented, jackknifed, typical

if TYPE_CHECKING:
    from matxai.engine import Captured
    from matxai.engine.copies import Copies
    from matxai.methods.segments import Floats, Rows, Solved

ALONE = 1e-9
"""A leverage that is 1 but for this is 1 but for rounding."""


@methods.register("lime")
@dataclass(frozen=True, kw_only=True)
class LIME(Segmented):
    """The coefficients of a weighted ridge regression of the score on which segments are left in.

    Coalitions are drawn with each segment in or out at even odds, or all are run where they fit into the budget; one
    counts ``exp(-D^2 / width^2)``, D its cosine distance from the whole input. The map holds its segment's coefficient
    at every pixel: what the score gains by the segment. ``NAME:standard_error`` is the coefficients' error from
    drawing: each coalition is left out once, so that unequal residuals and a fit with few coalitions are allowed for (0
    where all coalitions were run, infinite below twice as many as coefficients).

    Attributes
    ----------
    width
        Of the kernel, in cosine distance.
    ridge
        The penalty, as a share of the mean weighted sum of squares of a segment's column.

    References
    ----------
    Ribeiro, Singh and Guestrin, arXiv:1602.04938, equations 1 and 2 and section 3.4. The error: MacKinnon and White,
    J. Econometrics 29 (1985) 305, doi:10.1016/0304-4076(85)90158-7, HC3 about its mean.
    """

    width: float = 0.25
    ridge: float = 0.01

    kind: ClassVar[str] = "lime"
    about: ClassVar[About] = About(
        question="How much does the score gain when this segment is there, near this input?",
        resolution="a segment: superpixels or zones",
        guarantee="The best linear model of the score in the segments, with the error of its coefficients.",
        misleads="Depends on segments, baseline and kernel width; a poor fit is not seen in the map.",
        paper="Ribeiro et al. 2016, arXiv:1602.04938",
        models="any, black boxes as well",
        cost="512 forwards by default, fewer with a tolerance or where all coalitions fit",
        verified="least squares written out; linear models",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.width <= 0:
            raise MethodError(f"The width of {self.key} is {self.width:g}; it is a cosine distance above 0, as 0.25.")
        if self.ridge < 0:
            raise MethodError(f"The ridge of {self.key} is {self.ridge:g}; it is a share, 0 or more.")

    def reduce(self, _: Captured, setting: Setting) -> Reduced:
        """Return each segment's coefficient at its pixels, (..., B, C, *spatial), and the standard errors."""
        copies = copies_of(setting)
        budget = self.most(setting)
        labels = self.labels(copies, budget)
        coalitions = Coalitions(
            self, copies, setting, labels, [self.rows(int(one.max()) + 1, budget, copies) for one in labels]
        )
        whole = copies.scores.cpu().double().numpy()

        def solve(b: int, scores: Floats, _: Floats | None) -> Solved | None:
            rows = coalitions.rows[b]
            needed = rows.shape[1] + 2 if _drawn(rows) else len(rows)
            return None if scores.shape[1] < needed else self.fit(rows, scores, whole[:, b])

        found = coalitions.solved(solve, with_empty=False, per_pixel=False)
        return Reduced(
            coalitions.map([c for c, _ in found], per_pixel=False),
            {"standard_error": coalitions.map([e for _, e in found], per_pixel=False)},
            cell=typical(labels),
            figures={"segments": [int(one.max()) + 1 for one in labels]},
            warnings=coalitions.warnings(found),
        )

    def rows(self, number: int, budget: int, copies: Copies) -> Rows:
        """Return the coalitions of ``number`` segments that are run, (n, M): the whole input is known already.

        Raises
        ------
        MethodError
            If the budget is too small for so many segments.
        """
        import numpy as np

        if 2**number - 1 <= budget:
            bits = np.arange(2**number - 1)[:, None] >> np.arange(number)
            return np.asarray(bits & 1 == 1)
        if budget < number + 2:
            msg = (
                f"{self.key} over {number} segments needs a budget of {number + 2} copies, and has {budget}; give"
                f" budget={number + 2}, or fewer segments."
            )
            raise MethodError(msg)
        rng = np.random.default_rng(copies.generator(number, purpose="lime").initial_seed())
        return rng.random((budget, number)) < 0.5

    def fit(self, rows: Rows, scores: Floats, whole: Floats) -> tuple[Floats, Floats]:
        """Return coefficients (T, M) and their standard errors from the first n coalitions' scores (T, n)."""
        import numpy as np

        n, number = scores.shape[1], rows.shape[1]
        kept = np.concatenate([np.ones((1, number)), rows[:n]])
        y = np.concatenate([whole[:, None], scores], 1)
        distance = 1 - np.sqrt(kept.sum(1) / number)
        weights = np.exp(-((distance / self.width) ** 2))
        X = kept - weights @ kept / weights.sum()
        y = y - (y @ weights / weights.sum())[:, None]
        squares = X.T @ (weights[:, None] * X)
        penalty = self.ridge * np.trace(squares) / number
        inverse = np.linalg.pinv(squares + penalty * np.eye(number), hermitian=True)
        found = (y * weights) @ X @ inverse
        if not _drawn(rows):
            return found, np.zeros_like(found)
        left_over = y - found @ X.T
        turned = X @ inverse
        leverage = weights / weights.sum() + weights * (turned * X).sum(1)
        if leverage[1:].max() > 1 - ALONE:  # one coalition alone says what a coefficient is
            return found, np.full_like(found, np.inf)
        moved = (weights * left_over / (1 - leverage))[:, 1:, None] * turned[1:]  # (T, n, M); the whole is not drawn
        return found, jackknifed(moved, parameters=number + 1)


def _drawn(rows: Rows) -> bool:
    """Whether these are some of the coalitions, and not all but the whole input."""
    count, number = rows.shape
    return bool(count != 2**number - 1)

"""Kernel SHAP: Shapley values of segments, by least squares over coalitions of them."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from matxai.errors import MethodError
from matxai.methods.method import About, Reduced, Setting, methods
from matxai.methods.sampled import copies_of
from matxai.methods.segments import Coalitions, Segmented, jackknifed, typical

if TYPE_CHECKING:
    import numpy as np

    from matxai.engine import Captured
    from matxai.engine.copies import Copies
    from matxai.methods.segments import Floats, Rows, Solved


@dataclass(frozen=True)
class Design:
    """Which coalitions of M segments are run, neither empty nor whole, and what each counts.

    Attributes
    ----------
    rows
        (n, M): enumerated ones first, then drawn ones, each followed by its complement.
    weights
        The Shapley kernel's share of each enumerated one.
    rest
        The kernel's share of all the sizes from which is drawn; 0 where all were enumerated.
    """

    rows: Rows
    weights: Floats
    rest: float


@methods.register("kernel_shap")
@dataclass(frozen=True, kw_only=True)
class KernelSHAP(Segmented):
    """The Shapley values of segments, where a segment that is out shows the baseline.

    They solve the least squares of Lundberg and Lee with the Shapley kernel under the constraint that they sum to the
    score's change from the baseline to the input, which holds exactly. Where all coalitions fit into the budget they
    are enumerated and the values exact. Else single segments and all other sizes that fit are enumerated, and
    coalitions of the rest are drawn with their complements. The map holds a segment's value divided by its pixels, so
    that its sum over a segment is the Shapley value; ``NAME:standard_error`` likewise, the error that comes from
    drawing (0 where nothing was drawn, infinite below twice as many pairs as segments).

    References
    ----------
    Lundberg and Lee, arXiv:1705.07874, theorem 2; pairs as in Covert and Lee, arXiv:2012.01536; the error by leaving
    out one pair after the other, Miller, Biometrika 61 (1974) 1, doi:10.1093/biomet/61.1.1.
    """

    kind: ClassVar[str] = "kernel_shap"
    quantity: ClassVar[str] = "relevance"
    to_baseline: ClassVar[bool] = True
    about: ClassVar[About] = About(
        question="What does each segment contribute to the score, averaged over the company it may be in?",
        resolution="a segment: superpixels or zones",
        guarantee="Sums to the score's change from the baseline; exact where all coalitions fit into the budget.",
        misleads="Depends on segments and baseline; nothing is known of what lies inside a segment.",
        paper="Lundberg & Lee 2017, arXiv:1705.07874",
        models="any, black boxes as well",
        cost="512 forwards by default, fewer with a tolerance or where all coalitions fit",
        verified="Shapley values by brute force; captum; linear models",
    )

    def reduce(self, _: Captured, setting: Setting) -> Reduced:
        """Return Shapley values spread over their segments, (..., B, C, *spatial), and their standard errors."""
        import torch

        copies = copies_of(setting)
        budget = self.most(setting)
        labels = self.labels(copies, budget)
        designs = [self.design(int(one.max()) + 1, budget, copies) for one in labels]
        coalitions = Coalitions(self, copies, setting, labels, [d.rows for d in designs])
        whole = copies.scores.cpu().double().numpy()
        change = torch.zeros(whole.shape, dtype=torch.float64)

        def solve(b: int, scores: Floats, empty: Floats | None) -> Solved | None:
            assert empty is not None  # noqa: S101 - it was run first: says so to the type checker
            design = designs[b]
            if scores.shape[1] < len(design.weights) + 4 * (design.rest > 0):
                return None
            change[:, b] = torch.from_numpy(whole[:, b] - empty)
            return values(design, scores - empty[:, None], change[:, b].numpy())

        found = coalitions.solved(solve, with_empty=True, per_pixel=True)
        return Reduced(
            coalitions.map([v for v, _ in found], per_pixel=True),
            {"standard_error": coalitions.map([e for _, e in found], per_pixel=True)},
            cell=typical(labels),
            figures={
                "segments": [int(one.max()) + 1 for one in labels],
                "difference": change if copies.clean.targets is not None else change[0],
            },
            warnings=coalitions.warnings(found),
        )

    def design(self, number: int, budget: int, copies: Copies) -> Design:
        """Return the coalitions of ``number`` segments; the empty one is not among them, but counts in the budget.

        Raises
        ------
        MethodError
            If the budget is too small for so many segments.
        """
        import numpy as np

        needed = min(2**number - 1, 2 * number + 5)
        if budget < needed:
            most = max(number_ for number_ in range(1, number) if min(2**number_ - 1, 2 * number_ + 5) <= budget)
            msg = (
                f"{self.key} over {number} segments needs a budget of {needed} copies, and has {budget}; give"
                f" budget={needed}, or at most {most} segment{'s' if most > 1 else ''}."
            )
            raise MethodError(msg)
        generator = copies.generator(number, purpose="kernel_shap")
        rng = np.random.default_rng(generator.initial_seed())
        return _design(number, budget - 1, rng)


def _design(number: int, left: int, rng: np.random.Generator) -> Design:
    """Enumerate sizes from the outside in while they take no more than their share of what is left; draw the others."""
    import numpy as np

    pairs = {k: [k] if 2 * k == number else [k, number - k] for k in range(1, number // 2 + 1)}
    share = {k: sum((number - 1) / (i * (number - i)) for i in sizes) for k, sizes in pairs.items()}
    rows: list[Rows] = []
    weights: list[float] = []
    sizes = list(pairs)
    everything = 2**number - 2 <= left
    while sizes:
        k = sizes[0]
        many = math.comb(number, k) * len(pairs[k])
        fair = left * share[k] / sum(share[i] for i in sizes)
        if not everything and k > 1 and many > fair:
            break
        for chosen in itertools.combinations(range(number), k):
            row = np.zeros(number, bool)
            row[list(chosen)] = True
            rows += [row] if len(pairs[k]) == 1 else [row, ~row]
        weights += [share[k] / many] * many
        left -= many
        sizes.pop(0)
    rest = float(sum(share[k] for k in sizes))
    if sizes:
        chance = np.array([share[k] for k in sizes]) / rest
        for k in rng.choice(sizes, left // 2, p=chance):
            row = np.zeros(number, bool)
            row[rng.choice(number, k, replace=False)] = True
            rows += [row, ~row]
    return Design(np.array(rows, bool).reshape(-1, number), np.array(weights), rest)


def values(design: Design, gains: Floats, total: Floats) -> tuple[Floats, Floats]:
    """Return the Shapley values (T, M) and their standard errors from the first n coalitions' gains.

    With the values written as ``total / M + Q theta``, the columns of Q an orthonormal basis of the vectors that sum to
    0, the constraint holds by itself and theta solves an ordinary weighted least squares. The errors are those of the
    jackknife over pairs, each left out exactly (Sherman and Morrison 1950): the residuals alone vanish as the fit comes
    close to interpolating.

    Parameters
    ----------
    design
        The coalitions.
    gains
        (T, n): score of each coalition minus that of the empty one.
    total
        (T,): the same for all segments.
    """
    import numpy as np

    number = design.rows.shape[1]
    listed = len(design.weights)
    pairs = (gains.shape[1] - listed) // 2
    n = listed + 2 * pairs
    rows = design.rows[:n].astype(np.float64)
    weights = np.concatenate([design.weights, np.full(2 * pairs, design.rest / max(2 * pairs, 1))])
    Q = np.linalg.svd(np.ones((1, number)))[2][1:].T
    X = rows @ Q
    inverse = np.linalg.pinv(X.T @ (weights[:, None] * X), hermitian=True)
    wanted = gains[:, :n] - rows.sum(1) / number * total[:, None]
    theta = (wanted * weights) @ X @ inverse
    found = total[:, None] / number + theta @ Q.T
    if not pairs:
        return found, np.zeros_like(found)
    # A pair is one draw with one equation: its complement has the same row with the sign turned.
    drawn = X[listed::2]
    left_over = (wanted - theta @ X.T)[:, listed:].reshape(len(gains), pairs, 2)
    scored = ((left_over[..., 0] - left_over[..., 1]) / 2)[..., None] * drawn
    each = design.rest / max(pairs - 1, 1)  # what a pair counts once another is left out
    shared = np.linalg.pinv(X.T @ (weights[:, None] * X) + each / pairs * drawn.T @ drawn, hermitian=True)
    first = each * (scored.mean(1, keepdims=True) - scored) @ shared
    turned = drawn @ shared
    leverage = each * (turned * drawn).sum(1)
    second = (first * drawn).sum(2) * each / (1 - leverage)  # below 1: the listed ones count as well
    return found, jackknifed((first + second[..., None] * turned) @ Q.T, parameters=number - 1)

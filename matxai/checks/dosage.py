"""Dose and response: a region faded, amplified, shifted, scaled or repeated in steps, and the model's answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from matxai.checks.asking import check_asked
from matxai.checks.doses import Dose, doses
from matxai.checks.fills.spot import Spot, checked
from matxai.checks.judging import Judge, Progress, Write
from matxai.checks.perturbing import Variant, variants
from matxai.errors import RegionError
from matxai.regions import Boxed, Region

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import xarray as xr

    from matxai.checks.familiar import Reference
    from matxai.checks.readings import Perturbed
    from matxai.modelcard import Model

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class DoseResponse:
    """How the model follows a region that is changed in steps; ``F`` fills, ``D`` doses.

    Parameters
    ----------
    change, words
        Which change, and what a dose of it is.
    doses
        Ascending, ``(D,)``.
    fills
        What stood in the region's place, ``F`` names.
    target
        Index of the class.
    before
        What the model says of the untouched signal.
    after
        ``F * D`` rows, fill by fill.
    """

    change: str
    words: str
    doses: Floats
    fills: tuple[str, ...]
    target: int
    before: Perturbed
    after: Perturbed

    @property
    def scores(self) -> Floats:
        """The target's score, ``(F, D)``; NaN where the signal is out of distribution."""
        scores = self.after.scores[:, self.target]
        if self.after.outside is not None:
            scores = np.where(self.after.outside, np.nan, scores)
        return scores.reshape(len(self.fills), -1)

    @property
    def response(self) -> Floats:
        """Mean of the scores over the fills, ``(D,)``; NaN where one of them is out of distribution."""
        return np.asarray(self.scores.mean(axis=0))

    @property
    def iou(self) -> Floats | None:
        """Overlap of the predicted object before and after, mean over the fills, ``(D,)``; None for classifiers."""
        return None if self.after.iou is None else self.after.iou.reshape(len(self.fills), -1).mean(axis=0)

    @property
    def spearman(self) -> float:
        """Rank correlation of dose and response over the doses that count; 0 where the response never changes."""
        from scipy.stats import spearmanr

        x, y = self._counted()
        return 0.0 if len(x) < 2 or np.ptp(y) == 0 else float(spearmanr(x, y).statistic)

    @property
    def isotonic(self) -> float:
        """Share of the response's variance that the best monotone curve explains, in the better direction, 0 to 1.

        1 for a response that only rises, or only falls; 0 where it never changes.
        """
        from scipy.optimize import isotonic_regression

        _, y = self._counted()
        total = float(((y - y.mean()) ** 2).sum()) if len(y) else 0.0
        if total == 0:
            return 0.0
        left = [float(((isotonic_regression(y, increasing=up).x - y) ** 2).sum()) for up in (True, False)]
        return 1.0 - min(left) / total

    def _counted(self) -> tuple[Floats, Floats]:
        kept = np.isfinite(self.response)
        return self.doses[kept], self.response[kept]

    @property
    def sentence(self) -> str:
        """All this in plain words."""
        x, y = self._counted()
        if not len(x):
            return f"The region's {self.change} cannot be judged: every step is out of distribution."
        left_out = len(self.doses) - len(x)
        tail = f" {left_out} step(s) are out of distribution and not counted." if left_out else ""
        return (
            f"From {x[0]:g} to {x[-1]:g} {self.words} the score goes from {y[0]:.3g} to {y[-1]:.3g} "
            f"(rank correlation {self.spearman:.2f}, {100 * self.isotonic:.0f} % of it monotone).{tail}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return names and plain values, ready for JSON."""
        return {
            "change": self.change,
            "words": self.words,
            "doses": self.doses.tolist(),
            "fills": list(self.fills),
            "target": self.target,
            "scores": self.scores.tolist(),
            "response": self.response.tolist(),
            "iou": None if self.iou is None else self.iou.tolist(),
            "spearman": self.spearman,
            "isotonic": self.isotonic,
            "sentence": self.sentence,
        }


def dose_response(
    model: Model,
    signal: xr.DataArray,
    region: Region | Boxed | npt.NDArray[np.bool_],
    *,
    change: str = "fade",
    steps: Sequence[float] | None = None,
    axis: int = -1,
    target: str | int | None = None,
    fills: Sequence[str] | None = None,
    donors: Sequence[xr.DataArray] = (),
    reference: Reference | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    cancel: Any = None,
) -> DoseResponse:
    """Change one region in steps and ask the model at each.

    Parameters
    ----------
    model, signal, region, target, fills, donors, reference, seed, progress, cancel
        As in :func:`matxai.checks.perturb`.
    change
        ``fade`` (into its fill), ``amplify`` (its contrast to it), ``shift``, ``scale`` (its size) or ``repeat``.
    steps
        Doses, at least two; by default five that suit the change. Those of ``fade`` lie between 0 and 1: what goes
        beyond is more contrast than there was, or contrast turned round, and ``amplify`` says so.
    axis
        Spatial axis along which it is shifted.

    Raises
    ------
    RegionError
        If there is no such change, the steps are too few or cannot be, or the region would leave the signal.
    MethodError, ModelError, TargetError, MatxaiError, Cancelled
        As :func:`matxai.checks.perturb`.
    """
    check_asked(model, seed)
    way = doses[change]
    ways = variants(signal, fills, donors, kind=region.kind if isinstance(region, Region) else "")
    ground = ways[0].ground
    mask = region if isinstance(region, np.ndarray) else region.mask() if isinstance(region, Boxed) else region.mask
    checked(mask, ground.shape)
    if not -ground.axes <= axis < ground.axes:
        raise RegionError(f"The signal has {ground.axes} spatial axes, so there is no axis {axis} to shift along.")
    wanted = possible_steps(change, steps)
    spot = Spot.of(mask)
    judge = Judge(model, signal, target, reference, progress, cancel)
    made = _versions(ways, way, spot, wanted, axis % ground.axes, seed)
    said = judge.versions(made, len(ways) * len(wanted), f"{change} in {len(wanted)} steps")
    names = tuple(w.name for w in ways)
    return DoseResponse(change, way.words, wanted, names, judge.reading.target, judge.before, said)


def possible_steps(change: str, steps: Sequence[float] | None = None) -> Floats:
    """Return the doses of a change ``(D,)``, ascending; by default those that suit it.

    Raises
    ------
    RegionError
        If there is no such change, they are fewer than two, or one cannot be.
    """
    way = doses[change]
    wanted = np.unique(np.asarray(way.steps if steps is None else steps, np.float64))
    if len(wanted) < 2 or not np.isfinite(wanted).all():
        raise RegionError(f"A response is read from at least two different doses; these are {list(steps or ())}.")
    if way.whole and (wanted != np.rint(wanted)).any():
        raise RegionError(f"Doses of '{change}' are whole numbers ({way.words}); these are {wanted.tolist()}.")
    if change == "fade" and (wanted[0] < 0 or wanted[-1] > 1):
        beyond = wanted[0] if wanted[0] < 0 else wanted[-1]
        msg = f"Doses of 'fade' lie between 0 and 1 ({way.words}), not at {beyond:g}; 'amplify' goes beyond."
        raise RegionError(msg)
    if change == "scale" and wanted[0] == 0:
        raise RegionError(f"A region is scaled by a factor above 0, not by {wanted[0]:g}.")
    if change in ("scale", "repeat") and wanted[0] < 0:
        raise RegionError(f"Doses of '{change}' are not negative ({way.words}); the first is {wanted[0]:g}.")
    return wanted


def _versions(ways: Sequence[Variant], way: Dose, spot: Spot, wanted: Floats, axis: int, seed: int) -> Iterator[Write]:
    """Yield one version for each fill and dose; a fill draws once, so that steps differ by their dose alone."""
    for variant in ways:
        patch = variant.fill.of(variant.ground, spot, np.random.default_rng((seed, 0, 0)))
        for one in wanted:
            yield _write(variant, way, spot, patch, float(one), axis, seed)


def _write(variant: Variant, way: Dose, spot: Spot, patch: Floats, dose: float, axis: int, seed: int) -> Write:
    def change(copy: npt.NDArray[Any]) -> None:
        if dose == way.untouched:
            return
        values = way.apply(variant.ground, spot, patch, dose, axis, np.random.default_rng((seed, 1)))
        variant.ground.lay(copy, values)

    return change

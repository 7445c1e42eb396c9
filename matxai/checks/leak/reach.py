"""Step 0: whether an artefact reaches the network at all, and what it changes beside it on the way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from matxai.checks.leak.transplant import Receiver, patch_of
from matxai.checks.perturbation import scores_of_prepared
from matxai.modelcard.axis_map import along

if TYPE_CHECKING:
    import torch

    from matxai.checks.leak.case import Case
    from matxai.modelcard import Model
    from matxai.modelcard.placement import Placement

_PAIRS = 24
_ELSEWHERE = 1e-3


@dataclass(frozen=True)
class Reach:
    """What becomes of an artefact's variation on its way to the network.

    Parameters
    ----------
    share
        Of the variance that exchanging the artefact makes in the file, relative to the picture's own, how much it makes
        in what the network receives, relative to the same; 1 at most, exactly 0 where nothing arrives. None where no
        exchange changed a file.
    elsewhere
        Share of the change that arrives at pixels which do not come from the artefact's place: the normalisation's.
    path
        Names of the steps of the preprocessing that carry it there.
    pairs
        How many exchanges this rests on.
    by_path
        The second line, behind the preprocessing: share of the exchanges in which the answer is another one when the
        artefact is exchanged in what the network receives, at its own place alone. None where nothing arrives.
    """

    share: float | None
    elsewhere: float
    path: tuple[str, ...]
    pairs: int
    by_path: float | None = None


def reach(case: Case) -> Reach:
    """Exchange the artefact between signals and compare what the network receives.

    Raises
    ------
    Cancelled
        If the case is.
    """
    assert case.artefact is not None  # noqa: S101 - factors have no place
    rng = case.rng("reach")
    patches = {int(d): patch_of(case.signals[d], case.region(d)) for d in case.donors}
    shares: list[float] = []
    elsewhere: list[float] = []
    path: set[str] = set()
    by_path: list[bool] = []
    tried = rng.permutation(case.units.size)[: 4 * _PAIRS]
    for done, k in enumerate(tried.tolist()):
        if len(shares) >= _PAIRS:
            break
        case.step(min(len(shares), _PAIRS), _PAIRS, f"reach of {case.artefact.name}")
        unit = int(case.units[k])
        signal = case.signals[unit]
        receiver = Receiver(signal, case.region(unit), case.artefact.kind, case.fill, case.seed + unit)
        for d in np.roll(case.donors, -done).tolist():
            changed = receiver.given(patches[d])
            if changed is None or np.array_equal(changed, signal.values):
                continue
            judge = case.judge(unit)
            prepared = judge.preprocessing.prepare(signal)
            other = judge.preprocessing.prepare(signal.copy(data=changed))
            moved = (other.tensor - prepared.tensor).abs().amax(dim=(0, 1)).double().numpy()
            shares.append(_survives(np.asarray(signal.values), changed, prepared.tensor, other.tensor))
            if moved.any():
                touched = np.asarray(changed != signal.values)
                if "c" in signal.dims:
                    touched = np.asarray(touched.any(axis=signal.dims.index("c")))
                outside = _reached(prepared.placement, touched) <= 0
                # rounding of a mean or a spread is no path
                far = np.where(outside & (moved > _ELSEWHERE * moved.max()), moved, 0.0)
                elsewhere.append(float((far**2).sum() / (moved**2).sum()))
                if far.any():
                    path |= _spreading(prepared.stages, other.stages)
                by_path.append(bool(far.any()) and _answers_differ(judge, prepared.tensor, other.tensor, outside))
            break
    share = float(np.mean(shares)) if shares else None
    beside = float(np.mean(elsewhere)) if elsewhere else 0.0
    order = [s.name for s in case.model.preprocessing.steps]
    second = float(np.mean(by_path)) if by_path else None
    return Reach(share, beside, tuple(sorted(path, key=order.index)), len(shares), second)


def _answers_differ(model: Model, x: torch.Tensor, y: torch.Tensor, outside: npt.NDArray[np.bool_]) -> bool:
    """Whether the answer to ``y`` is another one when it has ``x`` outside the artefact's place."""
    import torch

    inside_only = torch.where(torch.from_numpy(outside), x, y)
    top = scores_of_prepared(model, torch.cat([y, inside_only])).top
    return bool(top[0] != top[1])


def _survives(before: npt.NDArray[Any], after: npt.NDArray[Any], x: torch.Tensor, y: torch.Tensor) -> float:
    file = (np.asarray(after, np.float64) - before) ** 2
    tensor = (y.double() - x.double()) ** 2
    if not bool((tensor > 0).any()):
        return 0.0
    own = float(np.var(np.asarray(before, np.float64))) or 1.0
    received = float(x.double().var(correction=0)) or 1.0
    return float(min(1.0, (float(tensor.mean()) / received) / (float(file.mean()) / own)))


def _spreading(before: Any, after: Any) -> set[str]:
    """Steps behind which more of the picture differs than in front of them, moves of pixels apart."""
    found = set()
    for one, two in zip(before, after, strict=True):
        ahead, behind = (
            np.abs(two_v - one_v) > 0 for one_v, two_v in ((one.before, two.before), (one.after, two.after))
        )
        if ahead.shape == behind.shape and behind.mean() > ahead.mean() + _ELSEWHERE:
            found.add(one.name)
    return found


def _reached(placement: Placement, mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """How much of a region each of the network's pixels has, negative lobes of an interpolation counted too."""
    weight = np.asarray(mask, np.float64)
    for k, axis in enumerate(placement.axes):
        weight = along(abs(axis.weights), weight, k)
    return weight

"""Signals freed of their artefacts: cropped alike, in-painted, or with artefacts that no longer tell the class.

What is done to which signal is planned over the whole set first: a crop that differed from class to class would be the
next leak. Values in, values out; writing files is :mod:`matxai.jobs.remedy`'s.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from matxai.checks.leak.factors.changing import with_array
from matxai.checks.leak.transplant import TIED, Receiver, mirrored, patch_of, softened
from matxai.checks.perturbation import filled_signal
from matxai.errors import MatxaiError, RegionError, nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import xarray as xr

    from matxai.checks.labelled import LabelledSet
    from matxai.checks.leak.records import Artefact
    from matxai.regions import Boxed

    Ints = npt.NDArray[np.int64]
    Margins = tuple[tuple[int, int], ...]

HOWS = ("crop", "inpaint", "exchange")
KEPT_BY_CROP, SMALL, TRIALS = 0.75, 0.1, 8
FILL = "inpaint"


@dataclass(frozen=True)
class Measure:
    """What was done about one artefact of one signal.

    Parameters
    ----------
    artefact
        Its name.
    how
        ``cropped``, ``in-painted``, ``exchanged``, ``taken away``, ``left``.
    donor
        Of an exchange: the number of the signal whose artefact stands there now.
    """

    artefact: str
    how: str
    donor: int | None = None


@dataclass(frozen=True, eq=False)
class Plan:
    """What is to be done about each artefact of a set.

    Parameters
    ----------
    artefacts
        In the order in which they are dealt with.
    hows
        ``crop``, ``inpaint`` or ``exchange`` for each.
    margins
        What every signal loses at the low and the high end of each axis; zeros where nothing is cropped.
    donors
        For each artefact that is exchanged: candidates for each signal, ``(N, TRIALS)``, of one class each, drawn
        without regard to the signal's own class.
    seed
        Of fills.
    """

    artefacts: tuple[Artefact, ...]
    hows: tuple[str, ...]
    margins: Margins
    donors: Mapping[str, Ints]
    seed: int = 0


def plan_remedy(data: LabelledSet, artefacts: Sequence[Artefact], *, how: str | None = None, seed: int = 0) -> Plan:
    """Decide what is done about each artefact.

    Parameters
    ----------
    data
        The set.
    artefacts
        What it is to be freed of.
    how
        One of :data:`HOWS` for all; by default a crop where an artefact is tied to an edge and three quarters of every
        signal are left, in-painting where it covers a tenth of a signal at most, else an exchange.
    seed
        Of donors and fills.

    Raises
    ------
    MatxaiError
        If there is no such way, no artefact, or a crop would leave less than a quarter of a signal.
    """
    if how is not None and how not in HOWS:
        msg = f"There is no way '{how}' to clean a set. {nearest(how, HOWS)}"
        raise MatxaiError(msg)
    if not artefacts:
        msg = "There is no artefact to free the set of; the leakage check names those it finds."
        raise MatxaiError(msg)
    hows = tuple(how or _best(a) for a in artefacts)
    regions = [r for a, h in zip(artefacts, hows, strict=True) if h == "crop" for r in a.regions if r is not None]
    margins = margins_without(regions)
    left = min((_left(r.shape, margins) for r in regions), default=1.0)
    if left < 1 - KEPT_BY_CROP:
        msg = f"A crop of {margins} pixels leaves {100 * left:.0f} % of a signal; use how='inpaint' or how='exchange'."
        raise MatxaiError(msg)
    drawn = {a.name: _drawn(data, a, seed) for a, h in zip(artefacts, hows, strict=True) if h == "exchange"}
    return Plan(tuple(artefacts), hows, margins, drawn, seed)


def _best(artefact: Artefact) -> str:
    regions = [r for r in artefact.regions if r is not None]
    if not regions:
        return "exchange"
    if artefact.kind in TIED:
        margins = margins_without(regions)
        if min(_left(r.shape, margins) for r in regions) >= KEPT_BY_CROP:
            return "crop"
    return "inpaint" if max(r.area / np.prod(r.shape) for r in regions) <= SMALL else "exchange"


def margins_without(regions: Sequence[Boxed]) -> Margins:
    """Return how much all signals lose at both ends of each axis so that none keeps a pixel of its region.

    Each region is cut off at the end where that costs its signal least; the largest first.
    """
    if not regions:
        return ()
    margins = [[0, 0] for _ in regions[0].shape]
    for region in sorted(regions, key=lambda r: -r.area):
        if len(region.shape) != len(margins):
            msg = "Signals that are cropped alike have as many axes; these have different numbers."
            raise RegionError(msg)
        inside = all(
            b.stop > low and b.start < n - high
            for b, n, (low, high) in zip(region.box, region.shape, margins, strict=True)
        )
        if not inside:
            continue
        costs = []
        for axis, (b, n) in enumerate(zip(region.box, region.shape, strict=True)):
            low, high = margins[axis]
            costs += [((b.stop - low) / n, axis, 0, b.stop), ((n - high - b.start) / n, axis, 1, n - b.start)]
        _, axis, end, cut = min(costs)
        margins[axis][end] = max(margins[axis][end], cut)
    return tuple((low, high) for low, high in margins)


def _left(shape: tuple[int, ...], margins: Margins) -> float:
    if not margins:
        return 1.0
    return float(np.prod([max(n - low - high, 0) / n for n, (low, high) in zip(shape, margins, strict=True)]))


def _drawn(data: LabelledSet, artefact: Artefact, seed: int) -> Ints:
    """Candidates for each signal: all of one class, every class as often for the signals of each class."""
    rng = np.random.default_rng([seed, zlib.crc32(artefact.name.encode())])
    present = np.array(data.present)
    members = {int(c): np.flatnonzero(data.labels == c) for c in present}
    drawn = np.empty((len(data), TRIALS), np.int64)
    for c in present:
        own = rng.permutation(members[int(c)])
        start = int(rng.integers(len(present)))
        for k, number in enumerate(own):
            source = members[int(present[(start + k) % len(present)])]
            drawn[number] = rng.choice(source, TRIALS, replace=len(source) < TRIALS)
    return drawn


def cleaned(
    plan: Plan, number: int, signals: Callable[[int], xr.DataArray]
) -> tuple[xr.DataArray, tuple[Measure, ...]]:
    """Return a signal freed of its artefacts, and what was done.

    Outside of artefacts (in-painting: and two pixels around them) every value stays as it is, with its type,
    coordinates and metadata; rows that an instrument states for its bar are forgotten where they are cut off.

    Parameters
    ----------
    plan
        Of the set.
    number
        Which signal.
    signals
        From a number to a signal of the set.
    """
    signal = signals(number)
    done = []
    for artefact, how in zip(plan.artefacts, plan.hows, strict=True):
        region = artefact.regions[number]
        if how == "crop":
            done.append(Measure(artefact.name, "cropped"))
        elif how == "exchange":
            signal, measure = _exchanged(plan, artefact, number, signal, signals)
            done.append(measure)
        elif region is None:
            done.append(Measure(artefact.name, "left"))
        else:
            signal = inpainted(signal, region, artefact.kind, plan.seed + number)
            signal = _without_stated_bar(signal) if artefact.kind == "info_bar" else signal
            done.append(Measure(artefact.name, "in-painted"))
    return cropped(signal, plan.margins), tuple(done)


def _exchanged(
    plan: Plan, artefact: Artefact, number: int, signal: xr.DataArray, signals: Callable[[int], xr.DataArray]
) -> tuple[xr.DataArray, Measure]:
    """The signal with the artefact of the first candidate that fits; in-painted where none does."""
    region = artefact.regions[number]
    receiver = Receiver(signal, region, artefact.kind, FILL, plan.seed + number)
    for donor in plan.donors[artefact.name][number]:
        values = receiver.given(patch_of(signals(int(donor)), artefact.regions[int(donor)]))
        if values is not None:
            return with_array(signal, np.array(values)), Measure(artefact.name, "exchanged", int(donor))
    if region is None:
        return signal, Measure(artefact.name, "left")
    return inpainted(signal, region, artefact.kind, plan.seed + number), Measure(artefact.name, "in-painted")


def inpainted(signal: xr.DataArray, region: Boxed, kind: str, seed: int = 0) -> xr.DataArray:
    """Return a signal without its artefact.

    A band along an edge becomes the mirror image of what lies beside it; anything else is in-painted, together with the
    two pixels around it that its edge may have reached.
    """
    if kind in TIED:
        values = mirrored(np.asarray(signal.values), region)
        if values is not None:
            return with_array(signal, values)
    mask = region.mask()
    soft = softened(mask)
    return filled_signal(signal, mask if soft.all() else soft, FILL, seed)


def cropped(signal: xr.DataArray, margins: Margins) -> xr.DataArray:
    """Return a signal without its margins, its coordinates kept; the stated rows of a bar are forgotten."""
    if not any(any(m) for m in margins):
        return signal
    dims = [d for d in signal.dims if d != "c"]
    window = {d: slice(low, signal.sizes[d] - high) for d, (low, high) in zip(dims, margins, strict=True)}
    return _without_stated_bar(signal.isel(window))


def _without_stated_bar(signal: xr.DataArray) -> xr.DataArray:
    kept = signal.copy(deep=False)
    kept.attrs = {k: v for k, v in signal.attrs.items() if k != "info_bar"}
    return kept

"""The artefacts of a labelled set: what was found in each signal, and what only all of them together show.

Signals are read one by one; of each only the boxes of its regions and a few numbers are kept. What a folder alone shows
(values that never vary, class means that differ at the borders, peaks that go their own way) is worked out in
:mod:`matxai.checks.leak.never_varies`, :mod:`matxai.checks.leak.class_difference` and
:mod:`matxai.checks.leak.foreign_peaks`.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.checks.controls import bridged
from matxai.checks.leak.class_difference import Borders
from matxai.checks.leak.foreign_peaks import Peaks
from matxai.checks.leak.never_varies import Unvaried
from matxai.checks.leak.records import Artefact
from matxai.errors import Cancelled, RegionError, nearest
from matxai.regions.artefacts import found_artefacts, found_in_curve
from matxai.regions.boxed import Boxed
from matxai.regions.finders import finders
from matxai.regions.finders_1d import finders_1d
from matxai.regions.region import ARTEFACTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import numpy.typing as npt
    import xarray as xr

    from matxai.checks.labelled import LabelledSet
    from matxai.regions import Region

OF_FOLDERS = {1: ("never_varies", "foreign_peak"), 2: ("never_varies", "class_difference")}
"""Kinds that no single signal shows, by the number of spatial axes; of others, the first of them."""

FEW, RARE = 3, 0.05
"""A kind found in fewer signals than either of these is left out: no test could say anything of one or two signals, and
so few are more likely false alarms. What the instrument's own tag states is kept always."""

BOTH = 0.5
"""From which share of the signals on each of two places is a thing of its own."""

ONE_THING = ("padding",)
"""Kinds that are one thing wherever they lie: what fills a short scan up fills both of its ends."""

NEARBY = 0.06
"""How far apart, as a share of the sides, regions of two signals may lie and be one thing: numbers differ in width."""

_NOT_SPATIAL = ("c", "sample")


@dataclass(frozen=True, eq=False)
class _Seen:
    """One region of one signal, as small as it can be kept."""

    number: int
    boxed: Boxed
    source: str
    confidence: float
    fingerprint: int
    evidence: dict[str, Any]


def looked_for(axes: int = 2, kinds: Iterable[str] | None = None) -> tuple[str, ...]:
    """Return the kinds of artefact that signals with so many spatial axes are searched for.

    Parameters
    ----------
    axes
        2 for images, 1 for spectra and waveforms. For other numbers there are no finders, only what a folder shows.
    kinds
        Which of them the caller wants; by default all.
    """
    own = {1: tuple(finders_1d), 2: tuple(finders)}.get(axes, ())
    folder = OF_FOLDERS.get(axes, OF_FOLDERS[2][:1])
    return tuple(k for k in (*own, *folder) if kinds is None or k in set(kinds))


def artefacts_of(
    data: LabelledSet,
    *,
    kinds: Iterable[str] | None = None,
    seed: int = 0,
    progress: Callable[[int, int, str], None] | None = None,
    cancel: Any = None,
) -> list[Artefact]:
    """Return what lies in the signals of a set without being of their specimens.

    Parameters
    ----------
    data
        Signals of one or several sizes.
    kinds
        Which kinds to look for, of :data:`matxai.regions.ARTEFACTS`; by default all that there are finders for.
    seed
        Of the permutations behind ``class_difference``.
    progress
        ``progress(done, total, label)``.
    cancel
        Anything with ``is_set()``.

    Returns
    -------
    list of Artefact
        One for each kind; two where the signals have things of a kind in two separate places, each in at least half of
        them: ``text``, ``text 2`` (but padding is one thing at both ends). A kind found in under 3 signals and under
        5 % of them is left out.

    Raises
    ------
    RegionError
        If a kind is none, or an instrument's word is of another picture.
    Cancelled
        If ``cancel`` was set.
    """
    wanted = None if kinds is None else tuple(kinds)
    for kind in wanted or ():
        if kind not in ARTEFACTS:
            raise RegionError(f"There is no kind of artefact '{kind}'. {nearest(kind, ARTEFACTS)}")
    seen: dict[str, list[_Seen]] = {}
    unvaried, borders, peaks = Unvaried(len(data)), Borders(data), Peaks(data)
    for number in range(len(data)):
        if cancel is not None and cancel.is_set():
            msg = f"Cancelled while artefacts were looked for, after {number} of {len(data)} signals."
            raise Cancelled(msg)
        signal = data.read(number)
        values, axes = _spatial_first(signal)
        regions = _found(signal, values, axes, data.names[number])
        for region in regions:
            seen.setdefault(region.kind, []).append(_kept(number, region, values))
        covered = _covered(regions, values.shape[:axes])
        unvaried.add(number, values, covered)
        if axes == 2:
            borders.add(number, values, covered)
        elif axes == 1:
            peaks.add(number, values, covered, _axis(signal))
        if progress is not None:
            progress(number + 1, len(data), "artefacts")
    found = [a for kind in ARTEFACTS if kind in seen for a in _of_kind(kind, seen[kind], len(data))]
    of_folder: dict[str, Callable[[], Artefact | None]] = {
        "never_varies": unvaried.artefact,
        "class_difference": lambda: borders.artefact(seed),
        "foreign_peak": peaks.artefact,
    }
    for kind, worked in of_folder.items():
        if wanted is None or kind in wanted:
            more = worked()
            found += [] if more is None else [more]
    return [a for a in found if wanted is None or a.kind in wanted]


def _spatial_first(signal: xr.DataArray) -> tuple[npt.NDArray[Any], int]:
    """Values with the spatial axes in front of any channels, and how many those are."""
    spatial = [d for d in signal.dims if str(d) not in _NOT_SPATIAL]
    rest = [d for d in signal.dims if str(d) in _NOT_SPATIAL]
    return np.asarray(signal.transpose(*spatial, *rest).values), len(spatial)


def _axis(signal: xr.DataArray) -> npt.NDArray[np.float64]:
    dim = next(d for d in signal.dims if str(d) not in _NOT_SPATIAL)
    return np.asarray(signal[dim].values, np.float64)  # the points' numbers where there is no coordinate


def _found(signal: xr.DataArray, values: npt.NDArray[Any], axes: int, name: str) -> list[Region]:
    """What the finders for signals of so many axes find."""
    finds = {1: found_in_curve, 2: found_artefacts}.get(axes)
    if finds is None or np.iscomplexobj(values) or values.ndim > axes + 1:
        return []
    if axes == 1:
        if not np.isfinite(values).any():
            return []
        values = bridged(values)
    try:
        return finds(values, {str(k): v for k, v in signal.attrs.items()})
    except RegionError as error:
        raise RegionError(f"{name}: {error}") from error


def _covered(regions: Sequence[Region], shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    mask = np.zeros(shape, bool)
    for region in regions:
        mask |= region.mask
    return mask


def _kept(number: int, region: Region, values: npt.NDArray[Any]) -> _Seen:
    """A region in its box, with a number that is the same where place and values are the same."""
    boxed = Boxed.of(region)
    inside = np.ascontiguousarray(values[boxed.box][boxed.inside])
    place = repr((boxed.shape, [(b.start, b.stop) for b in boxed.box], str(values.dtype))).encode()
    fingerprint = zlib.crc32(inside.tobytes(), zlib.crc32(boxed.inside.tobytes(), zlib.crc32(place)))
    return _Seen(number, boxed, region.source, region.confidence, fingerprint, dict(region.evidence))


def _of_kind(kind: str, seen: list[_Seen], total: int) -> list[Artefact]:
    """The regions of one kind as one artefact, or as one for each of the places that most signals have."""
    places = sorted(_places(seen), key=lambda p: -len({s.number for s in p}))
    main: list[list[_Seen]] = []
    together = set(range(total))
    for place in places:  # a thing that is now here and now there is one thing
        both = together & {s.number for s in place}
        if len(both) >= BOTH * total:
            main.append(place)
            together = both
    if len(main) < 2 or kind in ONE_THING:
        parts = [seen]
    else:
        parts = [list(p) for p in main]
        for stray in (p for p in places if not any(p is m for m in main)):
            for one in stray:
                parts[int(np.argmin([_apart(one.boxed, m[0].boxed) for m in main]))].append(one)
    parts.sort(key=lambda p: (-len({s.number for s in p}), min(_centre(s.boxed) for s in p)))
    named = [(kind if at == 0 else f"{kind} {at + 1}", part) for at, part in enumerate(parts)]
    return [a for name, part in named if (a := _artefact(name, kind, part, total)) is not None]


def _artefact(name: str, kind: str, seen: list[_Seen], total: int) -> Artefact | None:
    by_number: dict[int, list[_Seen]] = {}
    for one in seen:
        by_number.setdefault(one.number, []).append(one)
    sources = sorted({s.source for s in seen}, key=lambda s: (s == "pixels", s))
    few = len(by_number) < FEW and len(by_number) < RARE * total
    if few and all(s == "pixels" for s in sources):
        return None
    regions = tuple(Boxed.union(s.boxed for s in by_number[i]) if i in by_number else None for i in range(total))
    prints = {tuple(sorted(s.fingerprint for s in by_number[i])) for i in by_number}
    confidence = float(np.mean([max(s.confidence for s in some) for some in by_number.values()]))
    evidence = {
        "signals": len(by_number),
        "regions": len(seen),
        "sources": sources,
        "first": {"signal": seen[0].number, **seen[0].evidence},
    }
    constant = len(by_number) == total and len(prints) == 1
    return Artefact(name, kind, regions, sources[0], min(confidence, 1.0), constant, evidence)


def _places(seen: list[_Seen]) -> list[list[_Seen]]:
    """Group regions whose boxes, with some room, lie over one another, whichever signal they are of."""
    places: list[tuple[npt.NDArray[np.float64], list[_Seen]]] = []
    for one in seen:
        box = _relative(one.boxed)
        own = [one]
        rest = []
        for hull, members in places:
            if _touch(hull, box):
                box = np.stack([np.minimum(hull[0], box[0]), np.maximum(hull[1], box[1])])
                own = members + own
            else:
                rest.append((hull, members))
        places = [*rest, (box, own)]
    return [members for _, members in places]


def _relative(boxed: Boxed) -> npt.NDArray[np.float64]:
    """First and last corner as shares of the sides: signals may differ in size."""
    return np.array([[b.start / n for b, n in zip(boxed.box, boxed.shape, strict=True)],
                     [b.stop / n for b, n in zip(boxed.box, boxed.shape, strict=True)]])  # fmt: skip


def _touch(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> bool:
    return bool((np.maximum(a[0], b[0]) - np.minimum(a[1], b[1]) <= NEARBY).all())


def _centre(boxed: Boxed) -> tuple[float, ...]:
    return tuple(float(v) for v in _relative(boxed).mean(axis=0))


def _apart(a: Boxed, b: Boxed) -> float:
    return float(np.linalg.norm(np.subtract(_centre(a), _centre(b))))

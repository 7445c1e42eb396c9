"""What tells the classes of a generated set apart, computed from what each class is at the generator's nominal setting.

A feature's zone is where it has at least :data:`EDGE` of its height, widened by what zero errors, displacements and
charging may move it. In a zone, a class has the net signal I: its features without background and without what all
classes show alike (a matrix). It is told from another class there if the contrast (I - I') / (I + I') is at least
:data:`CONTRAST` in size, if that of the feature's own source alone is so too, and if the difference is at least
:data:`VISIBLE` standard deviations of the noise. Both signs count: a class is also known by what it lacks. Features of
one source (the peaks of one phase) are collinear: any one of them suffices.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.ndimage import uniform_filter1d

from matxai_datasets.spectra import leaks
from matxai_datasets.spectra.generating import Generator, generator_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matxai_datasets.spectra.record import Feature, Floats, Nominal

CONTRAST = 1 / 3
"""Twice as much in one class as in the other."""

VISIBLE = 5.0
"""Standard deviations of the counting noise."""

SILENT = 0.1
"""What all the points that are called silent may tell together of any two classes: d' squared of the ideal observer."""

EDGE = 0.2
"""Share of a feature's height at which its zone ends."""


@dataclass(frozen=True)
class Zone:
    """One interval of the axis that says something of the class, or must not.

    Attributes
    ----------
    name
        Of its strongest feature: ``"rutile 1 1 0"``.
    kind
        The kind of region: ``peak``, ``doublet``, ``pre_edge``, ``band``, ...
    source
        What it comes of; zones of one source are collinear.
    position, start, stop
        On the axis of the truth.
    evidence
        ``presence`` (the class has more here), ``absence`` (it has less), ``nuisance`` or ``leak``.
    against
        The classes that it tells this one from.
    contrast, d_prime
        Against the most similar of these.
    share
        Of all the class's net signal; 0 for an absent feature that it has nothing of.
    """

    name: str
    kind: str
    source: str
    position: float
    start: float
    stop: float
    evidence: str
    against: tuple[str, ...] = ()
    contrast: float = 0.0
    d_prime: float = 0.0
    share: float = 0.0

    def holds(self, place: float) -> bool:
        """Whether a place lies in it."""
        return self.start <= place <= self.stop


@dataclass(frozen=True)
class Truth:
    """The truth of a generated set.

    Attributes
    ----------
    name
        The generator.
    axis, unit
        Of the zones. It may differ from that of the files: events are told apart by frequency.
    classes
        In the set's order.
    zones
        For each class the zones that tell it from at least one other, strongest evidence first.
    nuisance
        Features that all classes share, and what varies without regard to the class.
    silent
        Intervals in which nothing tells any two classes apart (:data:`SILENT`).
    leak, strength
        What was planted, and in how many specimens of a hundred it follows the class.
    planted
        Where it lies; empty if it changes every point (``everywhere``).
    everywhere
        Whether the leak changes every point.
    along
        For each class, places on the files' own axis where that is not the axis of the truth: a burst in time.
    """

    name: str
    axis: str
    unit: str
    classes: tuple[str, ...]
    zones: dict[str, tuple[Zone, ...]]
    nuisance: tuple[Zone, ...]
    silent: tuple[tuple[float, float], ...]
    leak: str | None = None
    strength: float | None = None
    planted: tuple[Zone, ...] = ()
    everywhere: bool = False
    along: dict[str, tuple[Zone, ...]] = field(default_factory=dict)

    def distinguishing(self, kind: str, *, evidence: str | None = None) -> tuple[Zone, ...]:
        """Return the zones that tell a class from all the others, of one kind of evidence or both."""
        others = set(self.classes) - {kind}
        return tuple(z for z in self.zones[kind] if set(z.against) == others and evidence in (None, z.evidence))

    def collinear(self, kind: str) -> dict[str, tuple[str, ...]]:
        """Return for each source the names of a class's zones that rise and fall together: any one suffices."""
        sources = dict.fromkeys(z.source for z in self.zones[kind])
        return {s: tuple(z.name for z in self.zones[kind] if z.source == s) for s in sources}

    def at(self, place: float, kind: str) -> Zone | None:
        """Return the zone of a class at a place of the axis, ``None`` if there is none."""
        return next((z for z in (*self.zones[kind], *self.planted) if z.holds(place)), None)

    def to_dict(self) -> dict[str, Any]:
        """Return it as ``truth.json`` holds it."""
        said = asdict(self)
        said["collinear"] = {kind: self.collinear(kind) for kind in self.classes}
        return {"format": "matxai-spectra-truth", "version": 1, **said}


def truth_of(
    of: str | Generator, classes: Sequence[str] | None = None, *, leak: str | None = None, strength: float = 100.0
) -> Truth:
    """Compute what distinguishes the classes of a generated set.

    Parameters
    ----------
    of
        A generator or its name.
    classes
        Some of its classes; by default all.
    leak, strength
        What is planted, as in :func:`matxai_datasets.spectra.spectrum_set`.

    Returns
    -------
    Truth
        Of the same numbers whenever it is asked: no random draw enters it.
    """
    what = generator_of(of)
    names = tuple(what.classes if classes is None else classes)
    nominal = {kind: what.nominal(kind) for kind in names}
    axis = nominal[names[0]].axis
    slack = np.broadcast_to(np.asarray(what.slack, float), axis.shape)
    common = _common(list(nominal.values()))
    shared = _merged([f for f in nominal[names[0]].features if f.source in common], axis, slack)
    nominal = {kind: _without(one, common) for kind, one in nominal.items()}
    zones = {kind: _zones(kind, nominal, slack) for kind in names}
    nuisance = tuple(_zone(fs, a, b, "nuisance") for fs, a, b in shared)
    nuisance += tuple(Zone(n, "band", n, (a + b) / 2, a, b, "nuisance") for n, (a, b) in what.nuisances.items())
    planted = leaks.LEAKS[leak].where(what, len(names)) if leak is not None else ()
    return Truth(
        what.name,
        what.truth_dim or what.dim,
        what.truth_unit or what.unit,
        names,
        zones,
        nuisance,
        _silent(nominal, slack),
        leak,
        strength if leak is not None else None,
        tuple(Zone(n, "band", leak or "", (a + b) / 2, a, b, "leak") for n, a, b in planted),
        leak is not None and not planted,
        {
            kind: tuple(Zone(n, "band", n, (a + b) / 2, a, b, what_is) for n, a, b, what_is in one.along)
            for kind, one in nominal.items()
            if one.along
        },
    )


def _common(every: Sequence[Nominal]) -> set[str]:
    """The sources that all classes show alike: for the truth, they are background."""
    first, *rest = (one.sources for one in every)
    return {s for s, c in first.items() if all(s in other and np.allclose(c, other[s]) for other in rest)}


def _without(one: Nominal, common: set[str]) -> Nominal:
    below = one.background + sum((f.curve for f in one.features if f.source in common), np.zeros_like(one.axis))
    return replace(one, features=tuple(f for f in one.features if f.source not in common), background=below)


def interval_of(feature: Feature, axis: Floats) -> tuple[float, float]:
    """Return where a feature lies: its own interval, or where it has at least :data:`EDGE` of its height."""
    if feature.interval is not None:
        return feature.interval
    size = np.abs(feature.curve)
    there = np.flatnonzero(size >= EDGE * size.max())
    return float(axis[there[0]]), float(axis[there[-1]])


def _merged(features: Sequence[Feature], axis: Floats, slack: Floats) -> list[tuple[list[Feature], float, float]]:
    """Join features of one source whose intervals overlap, widened by the slack; each with its interval."""
    found: list[tuple[list[Feature], float, float]] = []
    by_source: dict[str, list[tuple[float, float, Feature]]] = {}
    for one in features:
        if not np.any(one.curve):
            continue
        a, b = interval_of(one, axis)
        by_source.setdefault(one.source, []).append((a - _at(slack, axis, a), b + _at(slack, axis, b), one))
    for listed in by_source.values():
        run: list[tuple[float, float, Feature]] = []
        for a, b, one in sorted(listed, key=lambda entry: entry[:2]):
            if run and (a > max(r[1] for r in run) or one.kind != run[-1][2].kind):
                found.append(_closed(run, axis))
                run = []
            run.append((a, b, one))
        found.append(_closed(run, axis))
    return found


def _closed(run: list[tuple[float, float, Feature]], axis: Floats) -> tuple[list[Feature], float, float]:
    members = sorted((r[2] for r in run), key=lambda f: -float(np.abs(f.curve).sum()))
    return members, max(min(r[0] for r in run), float(axis[0])), min(max(r[1] for r in run), float(axis[-1]))


def _at(values: Floats, axis: Floats, place: float) -> float:
    return float(np.interp(place, axis, values))


def _zone(members: Sequence[Feature], start: float, stop: float, evidence: str, **more: Any) -> Zone:
    first = members[0]
    return Zone(first.name, first.kind, first.source, first.position, start, stop, evidence, **more)


def _zones(kind: str, nominal: dict[str, Nominal], slack: Floats) -> tuple[Zone, ...]:
    own, axis = nominal[kind], nominal[kind].axis
    others = [k for k in nominal if k != kind]
    found = []
    for holder in (kind, *others):
        for members, start, stop in _merged(nominal[holder].features, axis, slack):
            inside = (axis >= start) & (axis <= stop)
            told = {other: _told(own, nominal[other], inside) for other in others}
            sign = 1 if holder == kind else -1
            alone = {other: _contrast(own, nominal[other], members[0].source, inside) for other in others}
            against = [
                o for o, (c, d) in told.items() if min(sign * c, sign * alone[o]) >= CONTRAST and sign * d >= VISIBLE
            ]
            if not against or (holder != kind and holder not in against):
                continue
            weakest = min(against, key=lambda o: abs(told[o][1]))
            share = float(own.signal[inside].sum() / own.signal.sum()) if own.signal.any() else 0.0
            found.append(
                _zone(
                    members,
                    start,
                    stop,
                    "presence" if sign > 0 else "absence",
                    against=tuple(against),
                    contrast=told[weakest][0],
                    d_prime=told[weakest][1],
                    share=share,
                )
            )
    # a feature that two other classes share is one zone
    once = {(z.name, z.evidence, z.against): z for z in found}.values()
    return tuple(sorted(once, key=lambda z: (-len(z.against), z.evidence == "absence", -abs(z.d_prime))))


def _told(own: Nominal, other: Nominal, inside: Any) -> tuple[float, float]:
    """Contrast and d' of two classes in a zone; of waves, which have no area, the differences count point by point."""
    if min(float(n.signal[inside].min()) for n in (own, other)) < 0:
        apart = np.abs(own.signal[inside] - other.signal[inside])
        sizes = float((np.abs(own.signal[inside]) + np.abs(other.signal[inside])).sum())
        noise_at = 0.5 * (own.noise[inside] + other.noise[inside])
        return float(apart.sum()) / sizes, float(np.sqrt((apart**2 / noise_at).sum()))
    mine, its = float(own.signal[inside].sum()), float(other.signal[inside].sum())
    noise = float(0.5 * (own.noise[inside].sum() + other.noise[inside].sum()))
    total = abs(mine) + abs(its)
    return (mine - its) / total if total else 0.0, (mine - its) / np.sqrt(noise) if noise else 0.0


def _contrast(own: Nominal, other: Nominal, source: str, inside: Any) -> float:
    """Contrast of one source in a zone."""
    if min(float(n.signal[inside].min()) for n in (own, other)) < 0:
        return _told(own, other, inside)[0]
    mine, its = (float(n.sources[source][inside].sum()) if source in n.sources else 0.0 for n in (own, other))
    total = abs(mine) + abs(its)
    return (mine - its) / total if total else 0.0


def _silent(nominal: dict[str, Nominal], slack: Floats) -> tuple[tuple[float, float], ...]:
    """The points that tell least, as many as together stay below :data:`SILENT` for every pair of classes.

    The level of the background varies from specimen to specimen: a difference that is the same over a tenth of the axis
    is not counted.
    """
    names, axis = list(nominal), next(iter(nominal.values())).axis
    step = float(np.median(np.diff(axis)))
    told = np.zeros_like(axis)
    for number, one in enumerate(names):
        for other in names[:number]:
            a, b = nominal[one], nominal[other]
            noise = np.maximum(0.5 * (a.noise + b.noise), 1e-300)
            apart = a.signal + a.background - b.signal - b.background
            level = uniform_filter1d(apart, max(len(axis) // 10, 1), mode="nearest")
            told = np.maximum(told, (apart - level) ** 2 / noise)
    reach = np.ceil(slack / step).astype(int)
    widened = np.array([told[max(i - r, 0) : i + r + 1].max() for i, r in enumerate(reach)])
    order = np.argsort(widened, kind="stable")
    quiet = np.zeros(len(axis), bool)
    quiet[order[np.cumsum(widened[order]) <= SILENT]] = True
    edges = np.flatnonzero(np.diff(np.concatenate([[False], quiet, [False]]).astype(int)))
    return tuple((float(axis[a]), float(axis[b - 1])) for a, b in edges.reshape(-1, 2) if b - a > 1)

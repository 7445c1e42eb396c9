"""What a table of zones holds, as frozen records, and the rows that are made of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ALL = "all methods"
"""What stands in the column of the method where a row is the mean over them."""
LEAST_SNR = 3.0
"""Signal-to-noise ratio below which a zone is marked."""
RELEVANT = 0.05
"""Share of the positive relevance from which a zone counts as one that decided, if it is above its share of points."""
UNEXPLAINED = "unexplained"
DECIDED, IGNORED, NOT_READ, UNDER_ANOTHER = "relevant", "ignored", "not read", "under another"


@dataclass(frozen=True)
class Share:
    """What part of one map lies in one zone; positive and negative relevance are never added.

    Parameters
    ----------
    method
        Whose map; :data:`ALL` for the mean over the methods.
    positive, negative
        Part of the map's positive (negative) sum inside the zone; None where the map has none.
    positive_error, negative_error
        Standard deviation over redraws of the noise, for :data:`ALL` over the methods; None where it is not known.
    draws
        Over how many redraws, or methods.
    channel
        Number of the channel, where the signal has several; the shares of all channels and zones make one.
    """

    method: str
    positive: float | None
    negative: float | None
    positive_error: float | None = None
    negative_error: float | None = None
    draws: int = 0
    channel: int | None = None


@dataclass(frozen=True)
class Removal:
    """What the score loses when a zone is replaced, beside the same done to controls.

    Parameters
    ----------
    effect
        Score lost, the mean over the fills; ``low`` and ``high`` are the smallest and the largest of them.
    fills
        What stood in the zone's place.
    flips
        Under how many fills another class came on top.
    rank_peaks, n_peaks
        Place of the effect among other zones of like height and width, 1 the largest, ties to them; a rank, no p value.
    rank_background, n_background
        The same among stretches of background of the same width.
    no_peaks, no_background
        Why there are no such controls, or fewer than asked for.
    """

    effect: float
    low: float
    high: float
    fills: tuple[str, ...]
    flips: int
    rank_peaks: int | None
    n_peaks: int
    rank_background: int | None
    n_background: int
    no_peaks: str = ""
    no_background: str = ""


@dataclass(frozen=True)
class Zone:
    """One zone of a curve, and all that is known of it.

    Parameters
    ----------
    name, kind
        ``"peak 28.44"`` and ``peak``; the background is a zone of its own here, with the kind ``background``.
    position, width, left, right
        On the axis; the width is that at half maximum, None where there is none.
    height
        Above the baseline, in the signal's own units.
    snr
        Height over the noise; below :data:`LEAST_SNR` the zone is marked ``weak``.
    points
        How many points it has.
    absent
        Whether the signal has nothing there and the contrast class has.
    read
        Whether any of it reached the network; what did not has no shares.
    assignment
        The reference's label, :data:`UNEXPLAINED`, or empty where nothing was compared.
    offset
        Position less the reference's, on the axis.
    shares, removal
        For each method (and channel), and what its removal does.
    """

    name: str
    kind: str
    position: float
    width: float | None
    height: float
    snr: float | None
    left: float
    right: float
    points: int
    absent: bool = False
    read: bool = True
    assignment: str = ""
    offset: float | None = None
    shares: tuple[Share, ...] = ()
    removal: Removal | None = None

    @property
    def weak(self) -> bool:
        """Whether the zone hardly stands out of the noise."""
        return self.snr is not None and self.snr < LEAST_SNR

    def share(self, method: str = ALL, channel: int | None = None) -> Share | None:
        """Return the share of one method, None where it has none."""
        return next((s for s in self.shares if s.method == method and s.channel == channel), None)


@dataclass(frozen=True)
class ExpectedLine:
    """A line that the reference expects, and what the maps make of it.

    Parameters
    ----------
    label, position, intensity
        As the reference says, the position after matching.
    zone
        Name of the zone that it explains, empty where none lies there.
    share
        Part of the positive relevance, mean over the methods, of that zone or of the stretch where the line would be;
        None where no map says anything.
    answer
        ``relevant``, ``ignored``, ``not read`` where the line lies beyond what the network saw, or ``under another``
        where it has no peak of its own and lies in another line's.
    reference, source
        What expects it, and who says so.
    """

    label: str
    position: float
    intensity: float | None
    zone: str
    share: float | None
    answer: str
    reference: str = ""
    source: str = ""


def named_line(reference: str, label: str) -> str:
    """Return what a line is called; where its label names the element as its reference does, the label alone.

    Examples
    --------
    >>> named_line("Si", "1 1 1"), named_line("XPS of Fe 2p", "Fe 2p3/2 Fe2O3")
    ('Si 1 1 1', 'Fe 2p3/2 Fe2O3')
    """
    first = label.split(" ", 1)[0]
    return label if first.isalpha() and first in reference.split() else f"{reference} {label}"


@dataclass(frozen=True)
class ZoneTable:
    """The zones of one explained signal.

    Parameters
    ----------
    target, score
        Class, and its score on the signal.
    axis, unit
        What the curve lies along.
    how
        In which way it was divided.
    zones
        In ascending order, the background last.
    reference
        Names and sources of what the zones were compared with; empty without.
    expected
        The lines of the references, one reference after the other.
    notes
        What was decided or left out, in sentences.
    """

    target: str
    score: float
    axis: str
    unit: str
    how: str
    zones: tuple[Zone, ...]
    reference: str = ""
    expected: tuple[ExpectedLine, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def relevant(self) -> tuple[Zone, ...]:
        """The zones that decided, the largest share first: see :data:`RELEVANT`."""
        total = sum(z.points for z in self.zones)
        found = [z for z in self.zones if z.kind != "background" and is_relevant(z, total)]
        return tuple(sorted(found, key=lambda z: -positive(z)))

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield one row for each zone, method and channel, the mean over the methods first."""
        total = sum(z.points for z in self.zones)
        for zone in self.zones:
            own: dict[str, Any] = {f.name: getattr(zone, f.name) for f in fields(zone) if f.name not in _APART}
            decided = zone.kind != "background" and is_relevant(zone, total)
            own |= {"zone": own.pop("name"), "unit": self.unit, "weak": zone.weak, "relevant": decided}
            own |= {"class": self.target, "score": self.score}
            if zone.removal is not None:
                own |= {f"removal_{k}" if k in _SHORT else k: v for k, v in asdict(zone.removal).items()}
                own["fills"] = ", ".join(zone.removal.fills)
            for share in sorted(zone.shares, key=lambda s: s.method != ALL):
                error = "methods" if share.method == ALL else "redraws"
                yield {**own, **{f"share_{k}" if k in _SIDES else k: v for k, v in asdict(share).items()},
                       "error_over": error if share.draws > 1 else None}  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """Return names and plain values, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> ZoneTable:
        """Return the table that :meth:`to_dict` wrote down."""
        zones = []
        for z in said["zones"]:
            own, removal = tuple(Share(**s) for s in z["shares"]), z["removal"]
            if removal is not None:
                removal = Removal(**{**removal, "fills": tuple(removal["fills"])})
            places = {k: float("nan") if z[k] is None else z[k] for k in ("position", "height", "left", "right")}
            zones.append(Zone(**{**z, **places, "shares": own, "removal": removal}))
        expected = tuple(ExpectedLine(**e) for e in said["expected"])
        return cls(**{**said, "zones": tuple(zones), "expected": expected, "notes": tuple(said["notes"])})


_APART = ("shares", "removal")
_SHORT = ("effect", "low", "high", "flips")
_SIDES = ("positive", "negative", "positive_error", "negative_error")


def positive(zone: Zone) -> float:
    """Return a zone's share of the positive relevance, mean over the methods and summed over channels; 0 without."""
    return sum(s.positive or 0.0 for s in zone.shares if s.method == ALL)


def is_relevant(zone: Zone, points: int) -> bool:
    """Whether a zone decided: it has a twentieth of the positive relevance, and more than its share of the points."""
    return positive(zone) >= max(RELEVANT, zone.points / max(points, 1))

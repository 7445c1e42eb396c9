"""What a report shows, as frozen records: whoever runs a job fills them, `html` and `table` lay them out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import xarray as xr

    from matxai.checks.verdict import Verdict
    from matxai.checks.zones import ZoneTable
    from matxai.regions.region import Region
    from matxai.report.colours import Limits
    from matxai.report.curves.style import CurveStyle
    from matxai.report.judgement import Judgement

Evidence = Mapping[str, Any]
"""Names and numbers of `matxai.checks.Evidence`: method, score, share, fills, top_drop, control_drops, random_drops,
rank, n_controls, sentence."""


@dataclass(frozen=True, eq=False)
class ReportItem:
    """One image or spectrum with its explanation and what supports it.

    Parameters
    ----------
    title
        How the report calls it: the file's name.
    explanation
        As `matxai.explain` returns it.
    evidence
        What happened to the score when the top of a map was removed: one record, or one for each map.
    verdicts
        Answers of checks on this input.
    regions
        Regions whose share of each map goes into the table (and whose borders are drawn).
    truth
        The class it really has, where known.
    rows
        Further rows of the tidy table, by the names of its columns.
    style
        Of a spectrum: how its plot looks.
    received
        Of a spectrum: what the network got of it, on the axis that it was given.
    zones
        Of a spectrum: which of its zones decided.
    """

    title: str
    explanation: xr.Dataset
    evidence: Evidence | Sequence[Evidence] | None = None
    verdicts: Sequence[Verdict] = ()
    regions: Sequence[Region] = ()
    truth: str | None = None
    rows: Sequence[Mapping[str, Any]] = ()
    style: CurveStyle | None = None
    received: xr.DataArray | None = None
    zones: ZoneTable | None = None

    @property
    def evidences(self) -> tuple[Evidence, ...]:
        """The evidence as a tuple of records, empty where nothing was tested."""
        if self.evidence is None:
            return ()
        return (self.evidence,) if isinstance(self.evidence, Mapping) else tuple(self.evidence)


@dataclass(frozen=True, eq=False)
class Look:
    """Where one model looks in an image, and what it says when the image gets another's info bar.

    Parameters
    ----------
    label
        Whose look: ``"sound model"``.
    explanation
        As `matxai.explain` returns it.
    share
        Part of the map's positive relevance inside the region, 0 to 1.
    exchange
        Names and numbers of `matxai.checks.Exchange`: before, after, donor, probability_before, probability_after,
        follows.
    """

    label: str
    explanation: xr.Dataset
    share: float | None = None
    exchange: Mapping[str, Any] | None = None


@dataclass(frozen=True, eq=False)
class Pair:
    """The same image looked at by several models, side by side.

    Parameters
    ----------
    title
        The file's name.
    looks
        One for each model, in the same order in every pair.
    region
        Mask ``(y, x)`` whose border is drawn, such as the info bar, and its name.
    """

    title: str
    looks: Sequence[Look]
    region: npt.NDArray[np.bool_] | None = None
    region_name: str = "info bar"


@dataclass(frozen=True)
class Comparison:
    """Models beside each other on the same images.

    Parameters
    ----------
    sentence
        What the comparison shows, first and in plain words.
    method
        Whose map is shown.
    pairs
        The images.
    facts
        A table beneath: label of the model -> name of the figure -> what it is.
    title
        The section's heading.
    """

    sentence: str
    method: str
    pairs: Sequence[Pair]
    facts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    title: str = "The same images, two models"


@dataclass(frozen=True)
class Report:
    """All that one report shows.

    Parameters
    ----------
    title
        Heading and title of the page.
    intro
        The first sentence or two: what was asked and what came out. Made from the items where it is empty.
    remark
        A further sentence below it, such as how much of the maps lies inside info bars.
    command
        The command that makes this report again.
    items
        One for each input.
    comparison
        Models beside each other, where there are several.
    versions
        Name of a package -> version.
    failures
        File -> the sentence that says why it was not done.
    left_out
        Method -> the sentence that says why it was not run.
    repeat
        Further names and values that someone needs to repeat the run: device, seed, hashes.
    limits
        Colour limits by the map's name, shared over the items; each map has its own otherwise.
    most
        Inputs that are shown with pictures; all further ones have their row in the summary's table.
    judgement
        The outcome of a check, where the report is of one: it then comes first.
    """

    title: str
    intro: str = ""
    remark: str = ""
    command: str = ""
    items: Sequence[ReportItem] = ()
    comparison: Comparison | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    failures: Sequence[tuple[str, str]] | Mapping[str, str] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    repeat: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, Limits] = field(default_factory=dict)
    most: int = 40
    judgement: Judgement | None = None

    @property
    def failed(self) -> tuple[tuple[str, str], ...]:
        """Files that were not done and why, in order."""
        pairs = self.failures.items() if isinstance(self.failures, Mapping) else self.failures
        return tuple((str(name), str(why)) for name, why in pairs)

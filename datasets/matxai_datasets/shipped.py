"""The sample images that come with the package: generated, calibrated, small, each with a model that suits it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "samples"


@dataclass(frozen=True)
class Sample:
    """Something to try matxai on.

    Attributes
    ----------
    name, title
        How it is called, and what one sees in one line.
    paths
        Its files.
    model
        The name of the model that comes along and suits it.
    labels
        The table with class, mask, group and bar of every sample file.
    """

    name: str
    title: str
    paths: tuple[Path, ...]
    model: str
    labels: Path


_LISTED = (
    ("defects", "Six micrographs with cracks, inclusions and pores", "defects", ("*",)),
    ("swapped_bar", "One picture of pores under two info bars", "defects_leaky", ("pore_black", "pore_framed")),
    ("cracks", "Branching cracks, without an info bar", "cracks", ("crack_plain",)),
)


def samples() -> dict[str, Sample]:
    """Return the samples by name.

    Examples
    --------
    >>> samples()["swapped_bar"].model
    'defects_leaky'
    """
    labels = FOLDER / "labels.csv"
    return {
        name: Sample(
            name,
            title,
            tuple(path for each in stems for path in sorted((FOLDER / "images").glob(f"{each}.tif"))),
            model,
            labels,
        )
        for name, title, model, stems in _LISTED
    }

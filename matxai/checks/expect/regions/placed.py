"""Borders, found artefacts, and what a region leaves over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from pydantic import field_validator

from matxai.checks.expect.quantity import Length, steps
from matxai.checks.expect.regions import RegionFields, RegionKind, region_kinds
from matxai.errors import nearest
from matxai.regions.artefacts import PRECEDENCE
from matxai.regions.region import ARTEFACTS

if TYPE_CHECKING:
    from matxai.checks.expect.sample import Sample


class Border(RegionFields):
    """``border``: how wide, in pixels or with a unit."""

    border: Length

    @field_validator("border")
    @classmethod
    def _wide(cls, value: Length) -> Length:
        if value.value <= 0:
            msg = "a border is wider than 0"
            raise ValueError(msg)
        return value


class ArtefactField(RegionFields):
    """``artefact``: a kind of artefact, found in each sample."""

    artefact: str

    @field_validator("artefact")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in ARTEFACTS:
            msg = f"there is no artefact '{value}'. {nearest(value, PRECEDENCE)}"
            raise ValueError(msg)
        if value not in PRECEDENCE:
            msg = (
                f"'{value}' is found by comparing the files of a whole folder, so no sample has it: 'matxai leakage' "
                "judges it"
            )
            raise ValueError(msg)
        return value


class Complement(RegionFields):
    """``complement``: another region's mapping; by the time it is used it has become a ``Where``."""

    complement: Any


def along_border(spec: Border, sample: Sample) -> npt.NDArray[np.bool_]:
    """Return all that is closer to an end of an axis than the border is wide."""
    mask = np.zeros(sample.shape, bool)
    for axis, step in enumerate(steps(sample.signal, spec.border.unit)):
        wide = max(1, round(spec.border.value / step))
        index: list[slice] = [slice(None)] * mask.ndim
        for end in (slice(None, wide), slice(-wide, None)):
            index[axis] = end
            mask[tuple(index)] = True
    return mask


def found_artefact(spec: ArtefactField, sample: Sample) -> npt.NDArray[np.bool_] | None:
    """Return where artefacts of that kind are found; None where there are none."""
    return sample.artefact(spec.artefact)


def left_over(spec: Complement, sample: Sample) -> npt.NDArray[np.bool_] | None:
    """Return all that the region inside does not cover; None where the sample has no such region."""
    mask = spec.complement.mask(sample)
    return None if mask is None else ~mask


region_kinds.add(
    "border",
    RegionKind(Border, along_border, "along all ends of the signal, so many pixels (or `0.5 um`) wide", "{border: 8}"),
)
region_kinds.add(
    "artefact",
    RegionKind(
        ArtefactField,
        found_artefact,
        "an artefact of that kind, where it is found in a sample",
        "{artefact: info_bar}",
        kind="info_bar",
    ),
)
region_kinds.add(
    "complement",
    RegionKind(
        Complement,
        left_over,
        "all but another region",
        "{complement: {mask: any}}",
        kind="complement",
        nested=True,
    ),
)

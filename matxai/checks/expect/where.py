"""A region as an expectation names it: its kind and what the kind's fields say, checked, and findable in any sample."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from matxai.checks.expect.quantity import Length, widened
from matxai.checks.expect.regions import RegionFields, region_kinds
from matxai.errors import ExpectationError, RegionError, nearest
from matxai.modelcard.located_yaml import LocatedYaml, validation_error
from matxai.regions.region import Region

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from matxai.checks.expect.sample import Sample

_NO_TOLERANCE = Length(0.0)


@dataclass(frozen=True)
class Where:
    """A checked region of an expectations file.

    Parameters
    ----------
    kind
        One of the names in ``region_kinds``.
    fields
        What its mapping says.
    tolerance
        How far the region is widened.
    """

    kind: str
    fields: RegionFields
    tolerance: Length = _NO_TOLERANCE

    def mask(self, sample: Sample) -> npt.NDArray[np.bool_] | None:
        """Return where it lies in a sample, None where the sample has no such thing."""
        mask = region_kinds[self.kind].find(self.fields, sample)
        return None if mask is None else widened(mask, self.tolerance, sample.signal)

    def region(self, sample: Sample) -> Region | None:
        """Return it as a region, None where the sample has no such thing.

        Raises
        ------
        RegionError
            If it covers all of the sample, or lies outside of it.
        FileError, SignalError
            If its file is missing, or its unit is not the axis'.
        """
        mask = self.mask(sample)
        if mask is None or not mask.any():
            return None
        if mask.shape != sample.shape:
            raise RegionError(f"A mask of {mask.shape} is none of {sample.name}, which is {sample.shape}.")
        if mask.all():
            raise RegionError(f"The region '{self.said}' covers all of {sample.name}; nothing is left to compare with.")
        return Region(mask, _region_kind(self), self.said)

    @property
    def said(self) -> str:
        """The region in a few words, for sentences."""
        value = getattr(self.fields, self.kind)
        return f"all but {value.said}" if isinstance(value, Where) else f"{self.kind} {value}"


def _region_kind(where: Where) -> str:
    artefact = getattr(where.fields, "artefact", None)
    return str(artefact) if artefact is not None else region_kinds[where.kind].kind


def region_of(document: LocatedYaml, file: str, tolerance: Length | None = None) -> Where:
    """Return the region that a part of a document holds.

    Parameters
    ----------
    document
        The region's own mapping with its lines.
    file
        What errors call the document.
    tolerance
        How far it is widened.

    Raises
    ------
    ExpectationError
        If it names no kind of region, several, or one with wrong fields: with line and field.
    """
    data = document.data
    start = f"{file}, line {document.line(())}: "
    if not isinstance(data, Mapping) or not data:
        raise ExpectationError(f"{start}'region' is a mapping with its kind, as in {{artefact: info_bar}}.")
    kinds = [str(k) for k in data if str(k) in region_kinds]
    if len(kinds) != 1:
        first = next((str(k) for k in data if str(k) not in region_kinds), "")
        what = f"has the kinds {' and '.join(kinds)}, and takes one" if kinds else f"has no kind of region '{first}'"
        known = nearest(first, region_kinds) if not kinds else "Use any_of or all_of for several."
        raise ExpectationError(f"{start}'region' {what}. {known}")
    kind = region_kinds[kinds[0]]
    values: dict[str, Any] = {str(k): v for k, v in data.items()}
    if kind.nested:
        values[kinds[0]] = region_of(document.below((kinds[0],)), file)
    try:
        fields = kind.fields.model_validate(values)
    except ValidationError as problem:
        raise validation_error(problem, document, file, kind.fields, error=ExpectationError) from None
    return Where(kinds[0], fields, tolerance or _NO_TOLERANCE)

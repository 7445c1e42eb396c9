"""A label image beside the signal, and the data set's own mask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import field_validator

from matxai.checks.expect.regions import RegionFields, RegionKind, region_kinds
from matxai.checks.expect.sample import check_pattern
from matxai.errors import ExpectationError, RegionError

if TYPE_CHECKING:
    from matxai.checks.expect.sample import Sample


class Labels(RegionFields):
    """``labels``: a file for each sample; ``value``: which labels count, by default all but 0."""

    labels: str
    value: int | list[int] | None = None

    @field_validator("labels")
    @classmethod
    def _known_placeholders(cls, value: str) -> str:
        try:
            return check_pattern(value)
        except ExpectationError as error:
            raise ValueError(str(error)) from None


class Mask(RegionFields):
    """``mask``: a label of the data set's ground-truth mask, a list of them, or ``any`` for all but 0."""

    mask: int | list[int] | Literal["any"]

    @field_validator("mask", mode="before")
    @classmethod
    def _label(cls, value: Any) -> Any:
        some = value if isinstance(value, list) and value else [value]
        if value != "any" and not all(isinstance(v, int) and not isinstance(v, bool) for v in some):
            msg = "a mask is chosen by a label's number, a list of numbers, or 'any'"
            raise ValueError(msg)
        return value


def _chosen(
    labels: npt.NDArray[np.int64], value: int | list[int] | None, sample: Sample, whose: str
) -> npt.NDArray[np.bool_] | None:
    if labels.shape != sample.shape:
        raise RegionError(
            f"{whose} is {' x '.join(map(str, labels.shape))}, and {sample.name} is "
            f"{' x '.join(map(str, sample.shape))}; a mask has the size of its signal."
        )
    found = labels != 0 if value is None else np.isin(labels, value)
    return found if found.any() else None


def in_labels(spec: Labels, sample: Sample) -> npt.NDArray[np.bool_] | None:
    """Return where the sample's label image has the value."""
    from matxai.signals import read

    path = sample.path(spec.labels)
    values = np.squeeze(np.asarray(read(path).values))
    if values.ndim == len(sample.shape) + 1 and (values == values[..., :1]).all():
        values = values[..., 0]  # grey written as colours
    return _chosen(np.rint(values).astype(np.int64), spec.value, sample, path.name)


def in_mask(spec: Mask, sample: Sample) -> npt.NDArray[np.bool_] | None:
    """Return where the data set's mask of the sample has the value."""
    labels = sample.mask() if sample.mask is not None else None
    if labels is None:
        raise RegionError(f"The data give no mask for {sample.name}; a table with a column 'mask' does.")
    return _chosen(np.asarray(labels), None if spec.mask == "any" else spec.mask, sample, f"The mask of {sample.name}")


region_kinds.add(
    "labels",
    RegionKind(
        Labels,
        in_labels,
        "where a label image beside the signal has a value (all but 0 without `value`)",
        '{labels: "masks/{stem}.png", value: 1}',
        of="image",
        kind="labels",
    ),
)
region_kinds.add(
    "mask",
    RegionKind(
        Mask,
        in_mask,
        "where the data set's own ground-truth mask has a value, or `any` but 0",
        "{mask: 1}",
        kind="labels",
    ),
)

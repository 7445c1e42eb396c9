"""Kinds of regions that an expectation may name: each is what it may say and how it is found in a sample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from matxai.errors import ExpectationError
from matxai.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import numpy.typing as npt

    from matxai.checks.expect.sample import Sample


class RegionFields(BaseModel):
    """What a region's mapping may hold; the first field has the name of its kind."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True)
class RegionKind:
    """One kind of region.

    Parameters
    ----------
    fields
        What may stand in the mapping.
    find
        From the fields and a sample to the mask ``(*spatial)``; None where the sample has no such thing.
    about
        One line for the documentation.
    example
        A mapping that is valid.
    of
        Which signals it is for: ``1d``, ``image`` or ``any``.
    kind
        One of ``matxai.regions.KINDS``.
    nested
        Whether its own field holds another region.
    """

    fields: type[RegionFields]
    find: Callable[[Any, Sample], npt.NDArray[np.bool_] | None]
    about: str
    example: str
    of: str = "any"
    kind: str = "drawn"
    nested: bool = False


region_kinds: Registry[RegionKind] = Registry(
    "kind of region", package="matxai.checks.expect.regions", error=ExpectationError
)

"""What finds, in a spectrum or waveform, what is no signal. Each finder is one file, registered here.

A finder is called as ``finder(values, facts)``: ``values`` is ``(L,)`` or ``(L, c)``, ``facts`` the instrument's
word; it returns a list of regions ``(L,)``, empty where it finds nothing. Those of pictures are in
:mod:`matxai.regions.finders`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from matxai.errors import RegionError
from matxai.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from matxai.regions.region import Region


class CurveFinder(Protocol):
    """A callable from a curve and its instrument's facts to regions."""

    def __call__(self, values: npt.NDArray[Any], facts: Mapping[str, Any]) -> list[Region]:
        """Return what was found, an empty list where there is nothing."""


finders_1d: Registry[CurveFinder] = Registry(
    "finder of spectra", package="matxai.regions.finders_1d", error=RegionError
)
"""All finders of spectra and waveforms, by the kind of region that they find."""

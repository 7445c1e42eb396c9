"""What finds regions in a picture or in what its instrument says. Each finder is one file, registered here.

A finder is called as ``finder(image, facts)``: ``image`` is an array ``(*spatial)`` or ``(*spatial, c)``, ``facts`` the
instrument's word (``info_bar``: first and last row); it returns a list of regions, empty where it finds nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from matxai.errors import RegionError
from matxai.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from matxai.regions.region import Region


class Finder(Protocol):
    """A callable from a picture and its instrument's facts to regions."""

    def __call__(self, image: npt.NDArray[Any], facts: Mapping[str, Any]) -> list[Region]:
        """Return what was found, an empty list where there is nothing."""


finders: Registry[Finder] = Registry("finder", package="matxai.regions.finders", error=RegionError)
"""All finders, by the kind of region that they find."""

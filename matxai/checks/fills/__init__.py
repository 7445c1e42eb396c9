"""What may stand in the place of a region. Each fill is one file, registered here.

A fill is a function ``(ground, spot, rng)`` that returns new values for the pixels of the region alone, ``(n, C)``, in
the order in which the mask has them: it cannot change anything else. It says for how many spatial axes it is, whether
it draws, and whether it needs another sample. What depends on the region's shape alone is worked out once and serves
all its translates (:class:`~matxai.checks.fills.spot.Shape`), what depends on the signal alone serves all its regions
(:class:`~matxai.checks.fills.ground.Ground`). No fill is innocent: each is out of distribution in its own way, which is
why several are always used together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from matxai.checks.fills.ground import Floats, Ground
from matxai.checks.fills.spot import Spot
from matxai.errors import MethodError, RegionError
from matxai.registry import Registry

Patch: TypeAlias = Callable[[Ground, Spot, np.random.Generator], Floats]
_AXES = {1: "spectra (one axis)", 2: "images (two axes)", 3: "stacks (three axes)"}
IMAGE_FILLS = ("local_mean", "blur", "noisy_linear", "inpaint", "texture")
"""What a region of an image or a stack is replaced by where nobody says anything else."""
SPECTRUM_FILLS = ("local_mean", "noisy_linear", "local_baseline", "linear_bridge", "poisson")
"""The same for spectra; :func:`usual_fills` says what stands for some of them at edges and below zero."""


@dataclass(frozen=True, eq=False)
class Fill:
    """One way of replacing a region.

    Parameters
    ----------
    name
        As in :data:`fills`.
    patch
        From the ground, the spot and a generator to the new values ``(n, C)`` of the region's pixels.
    axes
        Numbers of spatial axes that it is for.
    draws
        Whether two seeds give two fills.
    needs_donor
        Whether it takes its content from another sample.
    bounded
        Whether what it gives is kept within the values that the signal and its donor have; counts may exceed them.
    """

    name: str
    patch: Patch
    axes: tuple[int, ...] = (1, 2, 3)
    draws: bool = False
    needs_donor: bool = False
    bounded: bool = True

    def check(self, axes: int, *, donor: bool) -> None:
        """Say whether the fill is for a signal of so many spatial axes, with or without a donor.

        Raises
        ------
        MethodError
            If it is not, with the fills that are.
        """
        if axes not in self.axes:
            right = ", ".join(name for name, f in fills.items() if axes in f.axes)
            meant = " and ".join(_AXES[n] for n in self.axes)
            raise MethodError(
                f"The fill '{self.name}' is for {meant}; this signal has {axes} spatial axes. Right are: {right}."
            )
        if self.needs_donor and not donor:
            raise MethodError(
                f"The fill '{self.name}' takes its content from another sample; give one of the same size with donors=."
            )

    def of(self, ground: Ground, spot: Spot, rng: np.random.Generator) -> Floats:
        """Return the new values ``(n, C)`` of a region's pixels; bounded ones lie within the ground's limits.

        Raises
        ------
        MethodError
            If the fill is not for such a signal.
        """
        self.check(ground.axes, donor=ground.donor is not None)
        patch = self.patch(ground, spot, rng)
        return np.clip(patch, *ground.limits) if self.bounded else patch

    def __call__(
        self,
        values: npt.NDArray[Any],
        mask: npt.NDArray[np.bool_],
        rng: np.random.Generator | None = None,
        *,
        donor: npt.NDArray[Any] | None = None,
    ) -> npt.NDArray[Any]:
        """Return a copy of ``values`` ``(*spatial)`` or ``(*spatial, c)`` that differs inside the mask only.

        Parameters
        ----------
        values
            In the file's own type; it is kept, with rounding where it is an integer's.
        mask
            Boolean ``(*spatial)``.
        rng
            For fills that draw; by default seed 0.
        donor
            Another sample's values, of the same size.

        Raises
        ------
        MethodError
            If the fill is not for so many axes, or needs a donor.
        RegionError
            If the mask is empty, covers everything or is of another size, or the donor is.
        """
        ground = Ground.of(values, spatial=mask.ndim, donor=donor)
        spot = Spot.of(mask, ground.shape)
        return ground.replaced(spot, self.of(ground, spot, rng or np.random.default_rng(0)))


fills: Registry[Fill] = Registry("fill", package="matxai.checks.fills", error=MethodError)
"""All fills by name."""


def fill(
    name: str,
    *,
    axes: tuple[int, ...] = (1, 2, 3),
    draws: bool = False,
    needs_donor: bool = False,
    bounded: bool = True,
) -> Callable[[Patch], Patch]:
    """Return a decorator that registers a function as the fill ``name``; options as in :class:`Fill`."""

    def add(patch: Patch) -> Patch:
        fills.add(name, Fill(name, patch, axes, draws, needs_donor, bounded))
        return patch

    return add


def usual_fills(axes: int, *, kind: str = "", counts: bool = True) -> tuple[str, ...]:
    """Return the names of the fills of a region that names none: always five.

    Parameters
    ----------
    axes
        Spatial axes of the signal.
    kind
        Of the region. Across an ``edge`` no bridge is laid, as that takes the step away: ``edge_step`` stands for it.
    counts
        Whether no value is negative. Elsewhere there is no counting noise: ``blur`` stands for it.
    """
    if axes != 1:
        return IMAGE_FILLS
    instead = {"linear_bridge": "edge_step"} if kind == "edge" else {}
    if not counts:
        instead["poisson"] = "blur"
    return tuple(instead.get(name, name) for name in SPECTRUM_FILLS)


def chosen(names: Sequence[str] | None, axes: int, *, donor: bool) -> tuple[Fill, ...]:
    """Return the fills by their names, or the usual ones for so many spatial axes.

    Parameters
    ----------
    names
        At least one; None for :data:`IMAGE_FILLS` or :data:`SPECTRUM_FILLS`, and ``donor`` where there is one.
    axes
        Spatial axes of the signal.
    donor
        Whether there is another sample to take content from.

    Raises
    ------
    MethodError
        If there is no such fill, or it is not for such a signal.
    RegionError
        If no name is given.
    """
    if names is None:
        names = (*usual_fills(axes), *(("donor",) if donor else ()))
    if isinstance(names, str):
        names = (names,)
    if not names:
        raise RegionError("A region is replaced by at least one fill; name one with fills=.")
    found = tuple(fills[name] for name in dict.fromkeys(names))
    for one in found:
        one.check(axes, donor=donor)
    return found

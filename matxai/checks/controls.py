"""How many controls a region needs, where they may lie, and what stands for them where the shape leaves no room."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from matxai.errors import RegionError
from matxai.regions import matched_shifts
from matxai.regions.artefacts import found_artefacts, found_in_curve

if TYPE_CHECKING:
    import xarray as xr

    from matxai.checks.fills.spot import Spot

USUAL = 64
FEWEST = 19


def controls_needed(alpha: float = 0.05, questions: int = 1) -> int:
    """Return how many controls a corrected level needs: with ``n`` of them no rank share lies below ``1 / (n + 1)``.

    Parameters
    ----------
    alpha
        The level of all questions together.
    questions
        How many there are; each is asked at ``alpha / questions`` (Bonferroni, which Holm's first step equals).

    Returns
    -------
    int
        The smallest ``n >= questions / alpha - 1``, at least 19.

    Raises
    ------
    RegionError
        If the level is not in (0, 1), or there is no question.

    Examples
    --------
    >>> controls_needed(0.05, 1), controls_needed(0.05, 4)
    (19, 79)
    """
    if not 0 < alpha < 1 or questions < 1:
        msg = f"A level lies between 0 and 1 and is shared by one question or more; these are {alpha} and {questions}."
        raise RegionError(msg)
    return max(FEWEST, math.ceil(questions / alpha - 1 - 1e-9))


def grey_of(signal: xr.DataArray) -> npt.NDArray[np.float64]:
    """Return the mean over the channels, ``(*spatial)``."""
    values = np.asarray(signal.values, np.float64)
    return values.mean(axis=-1) if signal.dims[-1] == "c" else values


def free_ground(signal: xr.DataArray) -> npt.NDArray[np.bool_]:
    """Return where a control may lie, ``(*spatial)``: on no artefact that is found in the signal.

    A bar or a label is no ground on which a piece of specimen has a twin; a vignette darkens specimen, which stays one.
    What is not finite is no ground either; the artefacts of a spectrum are found with its gaps bridged.
    """
    values = np.asarray(signal.values)
    grey = grey_of(signal)
    free = np.isfinite(grey)
    look = {1: found_in_curve, 2: found_artefacts}.get(grey.ndim)
    if look is None or not free.any():
        return free
    if grey.ndim == 1 and not free.all():
        values = bridged(values)
    try:
        found = look(values, signal.attrs)
    except RegionError:  # the instrument's word is of another picture: the pixels alone are asked
        found = look(values)
    for region in found:
        if region.kind != "vignette":
            free &= ~region.mask
    return free


def bridged(curve: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return a spectrum ``(L,)`` or ``(L, c)`` with straight lines over the channels that are not finite.

    Beyond the outermost finite value that value goes on. A straight line has neither a jump nor a spike of its own. One
    without a gap is returned as it is, in its own type.
    """
    if curve.dtype.kind != "f" or np.isfinite(curve).all():
        return curve
    made = np.array(curve, np.float64)
    for column in made.reshape(len(made), -1).T:  # views into the copy
        known = np.flatnonzero(np.isfinite(column))
        column[:] = np.interp(np.arange(len(column)), known, column[known]) if len(known) else 0.0
    return made


def stands_free(touches: tuple[tuple[bool, bool], ...]) -> bool:
    """Whether a region touches no border of its signal, so that its translates are its equals."""
    return not any(low or high for low, high in touches)


def controls_of(
    spot: Spot,
    grey: npt.NDArray[np.float64],
    free: npt.NDArray[np.bool_],
    wanted: int,
    rng: np.random.Generator,
) -> tuple[npt.NDArray[np.int64], str]:
    """Return the shifts of a region's matched controls ``(n, axes)``, and why they are fewer than wanted.

    Parameters
    ----------
    spot
        The region.
    grey
        Values to match, ``(*spatial)``.
    free
        Where a control may lie.
    wanted
        How many.
    rng
        Draws the candidates.
    """
    none = np.zeros((0, grey.ndim), np.int64)
    if not wanted:
        return none, ""
    if not stands_free(spot.shape.touches):
        return none, (
            "It touches the border, so it cannot be compared with its like elsewhere: the leakage check exchanges it "
            "between images (donors= in Python)."
        )
    found = matched_shifts(spot.mask(), grey, wanted, rng, allowed=free)
    if not len(found):
        return none, (
            "Its shape leaves no room for matched controls: the leakage check exchanges it between images (donors= in "
            "Python)."
        )
    if len(found) < wanted:
        return found.shifts, (
            f"Its shape leaves room for {len(found)} of {wanted} matched controls: no rank says more than 1 in "
            f"{len(found) + 1}."
        )
    return found.shifts, ""

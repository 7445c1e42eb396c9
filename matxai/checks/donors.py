"""Other samples whose content may stand in a region, chosen by class from a labelled set."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from matxai.errors import RegionError, nearest

if TYPE_CHECKING:
    import xarray as xr

    from matxai.checks.labelled import LabelledSet


def donors_from(data: LabelledSet, number: int, *, of: str = "other", n: int = 1, seed: int = 0) -> list[xr.DataArray]:
    """Return signals that may lend content to signal ``number``: of its size, of a class, of other groups first.

    Parameters
    ----------
    data
        The set.
    number
        The signal that is to be changed; it is never its own donor.
    of
        ``own`` for its own class, ``other`` for any other, or the name of a class.
    n
        How many at most; at least one comes back.
    seed
        Of the draw.

    Raises
    ------
    RegionError
        If there is no such class, or none of its signals has the same size.
    """
    if not 0 <= number < len(data):
        raise RegionError(f"The set has {len(data)} signals, numbered from 0; there is no signal {number}.")
    if of == "own":
        right = data.labels == data.labels[number]
    elif of == "other":
        right = data.labels != data.labels[number]
    elif of in data.classes:
        right = data.labels == data.classes.index(of)
    else:
        known = ("own", "other", *data.classes)
        raise RegionError(f"Donors come from a class of the set, and '{of}' is none. {nearest(of, known)}")
    candidates = np.flatnonzero(right & (np.arange(len(data)) != number))
    drawn = np.random.default_rng(seed).permutation(candidates)
    if data.groups is not None:  # one specimen's content in its own image is hardly an exchange
        drawn = drawn[np.argsort(data.groups[drawn] == data.groups[number], kind="stable")]
    shape, found = data.read(number).shape, []
    for one in drawn:
        signal = data.read(int(one))
        if signal.shape == shape:
            found.append(signal)
        if len(found) == n:
            break
    if not found:
        msg = (
            f"'{data.names[number]}' is {shape}, and of the {len(candidates)} signals that could lend it content none "
            "has this size."
        )
        raise RegionError(msg)
    return found

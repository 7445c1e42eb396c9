"""Which slice of an explained stack is in view, and what was said of it alone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from napari_matxai.layers.frame import dims_of

if TYPE_CHECKING:
    from napari_matxai.session.explaining import Explained


def place_in(explained: Explained, step: tuple[int, ...] | None) -> tuple[int, ...] | None:
    """Return the place of a slice within an explained stack or range, for ``matxai.explanation.plane_of``.

    None where the explanation is of no stack, of other slices, or was cancelled before it came to this one.

    Parameters
    ----------
    explained
        What was explained.
    step
        Index of the slice along the layer's leading axes.
    """
    planes = explained.about.get("planes")
    if not planes or step is None:
        return None
    at = dict(zip(dims_of(explained.source.frame), step, strict=False))
    for dim, taken in explained.index.items():
        first, beyond = taken if isinstance(taken, tuple) else (taken, taken + 1)
        if not first <= at[dim] < beyond:
            return None
        at[dim] -= first
    place = {dim: at[dim] for dim in planes[0]["at"]}
    return tuple(place.values()) if any(plane["at"] == place for plane in planes) else None


def of_slice(explained: Explained, step: tuple[int, ...] | None) -> Explained | None:
    """Return an explanation if it is of a slice; of a stack, what was said of that slice; None where it is of others.

    Reads the slice; take it off the main thread.
    """
    from matxai.explanation import plane_of

    place = place_in(explained, step)
    if place is None:
        stack = "planes" in explained.about
        return explained if explained.step == step and not stack else None
    lead = dict(zip(explained.about["planes"][0]["at"], place, strict=True))
    return replace(
        explained,
        step=step,
        signal=explained.signal.isel(lead).drop_vars(list(lead), errors="ignore").compute(),
        explanation=plane_of(explained.explanation, place),
        index=dict(zip(dims_of(explained.source.frame), step or (), strict=False)),
    )

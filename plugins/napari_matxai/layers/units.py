"""Units of layers: how many of one make another, and how a layer that carries none gets those of the explained one."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_matxai.layers.frame import PLAIN, Frame

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Adoption:
    """What a layer without units becomes.

    Parameters
    ----------
    frame
        Where it lies from now on.
    sentence
        What is done, for people.
    """

    frame: Frame
    sentence: str


def plain(frame: Frame) -> bool:
    """Whether a layer measures nothing: napari then shows no units at all, and counts each layer's numbers as equal."""
    return all(unit in PLAIN for unit in frame.units)


def same_unit(one: str, other: str) -> bool:
    """Whether two words mean one unit: ``um`` and ``micrometer``."""
    return one == other or factor(one, other) == 1.0


@functools.lru_cache
def factor(unit: str, into: str) -> float | None:
    """Return how many of ``into`` one ``unit`` is; None where they measure different things."""
    from matxai.signals.units import convert, same_kind

    if unit == into:
        return 1.0
    return convert(1.0, unit, into) if same_kind(unit, into) else None


def at_odds(layers: Sequence[tuple[str, Frame]]) -> list[str]:
    """Return in a sentence each which layers measure different things along one axis of a viewer.

    Such as energies beside lengths, or the layers of a network beside the slices of another image. Each is told once,
    against the first layer that it is at odds with; layers that measure nothing at all are another matter.

    Parameters
    ----------
    layers
        Names, and where they lie. Axes are matched from the last one back, as napari shows them.
    """
    found: dict[str, str] = {}
    measuring = [(name, frame) for name, frame in layers if not plain(frame)]
    for number, (name, frame) in enumerate(measuring):
        for other, theirs in measuring[:number]:
            for axis in range(1, min(len(frame.units), len(theirs.units)) + 1):
                own, of_other = frame.units[-axis], theirs.units[-axis]
                if factor(own, of_other) is None and not {own, of_other} <= set(PLAIN):
                    said = f"'{name}' {_measures(frame, axis)} where '{other}' {_measures(theirs, axis)}."
                    found.setdefault(name, said)
    return list(found.values())


def _measures(frame: Frame, axis: int) -> str:
    label, unit = frame.axis_labels[-axis], frame.units[-axis]
    what = label if label.isidentifier() else f"axis {label}"
    return f"counts {what}" if unit in PLAIN else f"measures {what} in {unit}"


def between(layer: Frame, source: Frame) -> np.ndarray[tuple[int, int], np.dtype[np.float64]] | None:
    """Return the ``(n + 1, n + 1)`` matrix from indices of one layer to those of another, whatever their units.

    Both are taken by their last ``n`` axes, ``n`` being what they share. None where an axis measures different things.
    Layers without units are compared by their numbers, as napari shows them.
    """
    n = min(len(layer.scale), len(source.scale))
    one, other = layer.last(n), source.last(n)
    factors = np.ones(n + 1)
    if not plain(one) and not plain(other):
        found = [factor(u, v) for u, v in zip(one.units, other.units, strict=True)]
        if any(f is None for f in found):
            return None
        factors[:n] = np.asarray(found, float)
    return np.asarray(np.linalg.inv(other.matrix()) @ np.diag(factors) @ one.matrix())


def adopt(
    name: str, frame: Frame, shape: Sequence[int] | None, extent: np.ndarray, source: Frame, size: Sequence[int]
) -> Adoption | None:
    """Return how a layer without units takes those of the explained layer; None where it cannot be told where it lies.

    Parameters
    ----------
    name
        Of the layer, for the sentence.
    frame
        Where it lies now.
    shape
        Of its data; None where it has none (shapes, points).
    extent
        Corners of its data as indices, ``(2, n)``.
    source, size
        Where the explained layer lies and how many pixels it has.
    """
    n = min(len(frame.scale), len(source.scale))
    own, theirs, pixels = frame.last(n), source.last(n), np.asarray(size[-n:], float)
    unit = theirs.units[-1]
    at_rest = np.allclose(own.matrix(), np.eye(n + 1))
    units_alone = Adoption(
        _joined(frame, replace(own, units=theirs.units, axis_labels=theirs.axis_labels), n),
        f"'{name}' stays where it is and gets the unit {unit}: its numbers already fit the image.",
    )
    whole = Adoption(
        _joined(frame, theirs, n),
        f"'{name}' gets the pixel size ({theirs.scale[-1]:.4g} {unit}), place and units of the image.",
    )
    if shape is not None:
        same = tuple(shape[-n:]) == tuple(size[-n:])
        if same and at_rest:
            return whole
        corners = own.matrix()[:n, :n] @ (np.asarray(shape[-n:], float) - 1)
        ends = theirs.matrix()[:n, :n] @ (pixels - 1)
        return units_alone if np.allclose(corners, ends, rtol=0.05) else None
    if extent.size == 0:
        return units_alone
    low, high = extent[:, -n:]
    inside = np.linalg.inv(theirs.matrix()) @ own.matrix()
    moved = [inside @ [*corner, 1.0] for corner in (low, high)]
    if all((m[:n] >= -1).all() and (m[:n] <= pixels).all() for m in moved):
        return units_alone  # drawn on the image as it is shown
    return whole if at_rest and (low >= -1).all() and (high <= pixels).all() else None


def _joined(frame: Frame, last: Frame, n: int) -> Frame:
    """Return a frame whose last ``n`` axes are those of another one."""
    if len(frame.scale) == n:
        return last
    lead = len(frame.scale) - n
    padded = last.led_by(frame.axis_labels[:lead])
    return replace(
        padded,
        scale=(*frame.scale[:lead], *last.scale),
        translate=(*frame.translate[:lead], *last.translate),
        units=(*frame.units[:lead], *last.units),
    )


def in_pixels(frame: Frame, source: Frame) -> Frame | None:
    """Return a layer's frame in pixels of the explained one, so that it lies on it as before.

    None where the two measure different things, or where the layer is turned against the other.
    """
    found = between(frame, source)
    if found is None:
        return None
    n = found.shape[0] - 1
    linear = found[:n, :n]
    if not np.allclose(linear, np.diag(np.diag(linear)), atol=1e-9 * np.abs(linear).max()):
        return None
    own = Frame(tuple(np.diag(linear).tolist()), tuple(found[:n, n].tolist()), ("pixel",) * n, frame.axis_labels[-n:])
    return _joined(frame, own, n)

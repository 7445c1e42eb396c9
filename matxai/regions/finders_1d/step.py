"""A step: the level jumps from one channel to the next, as where detectors or windows were joined."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from matxai.regions.finders_1d import finders_1d
from matxai.regions.finders_1d.padding import near_padding
from matxai.regions.region import Region
from matxai.regions.spectral import curve_of, noise_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

_SIDE, _LEAST = 8, 12.0


@finders_1d.register("step")
def step(values: npt.NDArray[Any], facts: Mapping[str, Any]) -> list[Region]:  # noqa: ARG001
    """Return each jump as the two channels beside it.

    The lines through the eight channels on either side, carried on to the joint, differ there by twelve deviations of
    the noise, and the whole difference lies between two channels: an absorption edge and a flank take several.
    """
    curve = curve_of(values)
    if len(curve) < 4 * _SIDE:
        return []
    noise = np.maximum(noise_of(curve), 1e-9 * np.ptp(curve))
    joints = np.arange(_SIDE, len(curve) - _SIDE)  # between channel j - 1 and channel j
    left = np.lib.stride_tricks.sliding_window_view(curve, _SIDE)[joints - _SIDE]
    right = np.lib.stride_tricks.sliding_window_view(curve, _SIDE)[joints]
    place = np.arange(_SIDE) - (_SIDE - 1) / 2
    out = (_SIDE + 1) / 2 - 0.5  # from a window's middle to the joint
    tilt = place / (place**2).sum()
    before, after = left.mean(1) + out * (left @ tilt), right.mean(1) - out * (right @ tilt)
    jump = after - before
    own = curve[joints] - curve[joints - 1]
    rest = np.maximum(np.abs(np.diff(left, axis=1)).max(1), np.abs(np.diff(right, axis=1)).max(1))
    stands = (
        ~near_padding(values, 1)[joints]
        & (np.abs(jump) > _LEAST * noise[joints])
        & (np.abs(own) > 0.8 * np.abs(jump))
        & (np.abs(own) > 4 * rest)
    )
    found = []
    for joint, height in zip(joints[stands], jump[stands], strict=True):
        mask = np.zeros(len(curve), bool)
        mask[joint - 1 : joint + 1] = True
        deviations = float(abs(height) / noise[joint])
        evidence = {"channel": int(joint), "height": float(height), "deviations": deviations}
        found.append(Region(mask, "step", "pixels", confidence=float(1 - _LEAST / (2 * deviations)), evidence=evidence))
    return found

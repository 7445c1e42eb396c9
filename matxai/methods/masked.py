"""What the methods share that replace parts of the input and look at the score: filling, lengths, channels.

Masks lie over the spatial axes; all channels of a pixel are replaced together. A map then has one value for each pixel,
and its attribution ``(B, C, *spatial)`` holds an equal share of it in each channel: summed over channels it is the map.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from matxai.errors import MethodError
from matxai.methods.sampled import MASK_BUDGET, Sampled, joined

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from matxai.engine import Needs
    from matxai.engine.copies import Copies
    from matxai.methods.method import Setting

PAUSE = 32
"""A method that stops early looks whether it may after every so many copies, whatever the memory allows at once."""


@dataclass(frozen=True, kw_only=True)
class Masked(Sampled):
    """A method that replaces parts of the input by a baseline.

    Attributes
    ----------
    baseline
        What the network sees in their place, by name: ``blur``, ``black``, ``white``, ``constant``, ``noise``,
        ``mean``. One alone: a mask is filled with it, and maps of several fillings are several objects.
    """

    baseline: str = "blur"

    default_budget: ClassVar[int] = MASK_BUDGET
    black_box: ClassVar[bool] = True
    quantity: ClassVar[str] = "change"
    variants: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        name: {"baseline": name} for name in ("blur", "black", "white", "constant", "noise", "mean")
    }

    def needs(self) -> Needs:
        """Ask for copies, at most as many as the budget."""
        from matxai.engine import Needs

        return Needs(copies=self.budget or self.default_budget)


def filling(method: Masked, setting: Setting) -> Tensor:
    """Return what the network sees in the place of the input, (B, C, *spatial)."""
    assert setting.baseline is not None  # noqa: S101 - given to every method: says so to the type checker
    return setting.baseline(method.baseline)


def close_to(method: Masked, copies: Copies, fill: Tensor, cell: float) -> tuple[str, ...]:
    """Return a warning where a region of the input is close to what replaces it, and larger than what is replaced.

    ``cell`` is the share of the input that is replaced at once: a smaller region is replaced with what lies around it.
    """
    from matxai.methods.baselines import near, warning

    if max(near(copies.x, [fill]), default=0.0) <= cell:
        return ()
    said = warning(method.key, copies.x, [method.baseline], [fill])
    return () if said is None else (said,)


def blended(copies: Copies, fill: Tensor, kept: Tensor) -> Tensor:
    """Return copies (n, B, C, *spatial) of which ``kept`` (n, *spatial) or (n, B, *spatial) says how much is left."""
    import torch

    kept = kept.to(copies.x)
    kept = kept.unsqueeze(1 if kept.ndim < copies.x.ndim else 2)
    kept = kept.unsqueeze(1) if kept.ndim < copies.x.ndim + 1 else kept
    return torch.lerp(fill.expand_as(copies.x), copies.x, kept)  # exact where all or nothing is left


def over_channels(map_: Tensor, copies: Copies) -> Tensor:
    """Return a map (T, B, *spatial) as an attribution: an equal share in each of the input's channels."""
    channels = copies.x.shape[1]
    return joined((map_ / channels).unsqueeze(2).expand(-1, -1, channels, *map_.shape[2:]).contiguous(), copies)


def lengths(given: Any, size: Sequence[int], what: str, *, of: str) -> tuple[int, ...]:
    """Return a length along each axis in pixels from one number or one for each axis: pixels, or a share below 1.

    Raises
    ------
    MethodError
        If a length is not positive, larger than the input, or there are not as many as axes.
    """
    several = list(given) if isinstance(given, tuple | list) else [given] * len(size)
    right = f"give pixels (an integer) or a share of the axis (0.1), one number or one for each of {len(size)} axes"
    if len(several) != len(size):
        raise MethodError(f"The {what} of {of} is {given}; {right}.")
    found = []
    for one, pixels in zip(several, size, strict=True):
        if isinstance(one, bool) or not isinstance(one, int | float):
            raise MethodError(f"The {what} of {of} is {given!r}; {right}.")
        length = max(1, round(one * pixels)) if isinstance(one, float) and 0 < one < 1 else one
        if length != int(length) or not 1 <= length <= pixels:
            raise MethodError(f"The {what} of {of} is {one} on an axis of {pixels} pixels; {right}.")
        found.append(int(length))
    return tuple(found)

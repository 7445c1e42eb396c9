"""The steps that bring the signal's channels to the number that the model takes."""

# ruff: noqa: D102 - what `run` and `bounds` do is said once, at Step

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch

from matxai.errors import ModelError
from matxai.modelcard.placement import Mixed, Pointwise
from matxai.modelcard.step import Step, steps

if TYPE_CHECKING:
    from matxai.modelcard.placement import Effect
    from matxai.modelcard.step import About, Bounds

# ITU-R BT.601, as torchvision and Pillow weigh colours
LUMINANCE = (0.2989, 0.587, 0.114)


def _mix(x: torch.Tensor, matrix: np.ndarray) -> tuple[torch.Tensor, Mixed]:
    weights = torch.from_numpy(matrix).to(x)
    return torch.einsum("kc,bc...->bk...", weights, x), Mixed(matrix)


@steps.register("grey")
@dataclass(frozen=True, kw_only=True)
class Grey(Step):
    """Make colours grey by their luminance (0.2989 R + 0.587 G + 0.114 B)."""

    name: ClassVar[str] = "grey"

    def run(self, x: torch.Tensor, about: About) -> tuple[torch.Tensor, Mixed]:
        if x.shape[1] != 3:
            raise self.unfit(about, f"it has {x.shape[1]} channels where red, green and blue are needed.")
        return _mix(x, np.array([LUMINANCE]))

    def bounds(self, bounds: Bounds | None) -> Bounds | None:
        if bounds is None:
            return None
        total = sum(LUMINANCE)
        return (min(bounds[0]) * total,), (max(bounds[1]) * total,)


@steps.register("repeat_grey")
@dataclass(frozen=True, kw_only=True)
class RepeatGrey(Step):
    """Give a model that takes several channels the one grey channel in each."""

    name: ClassVar[str] = "repeat_grey"
    short: ClassVar[str | None] = "channels"
    channels: int = 3

    def __post_init__(self) -> None:
        self.number("channels", low=1, whole=True)

    def run(self, x: torch.Tensor, about: About) -> tuple[torch.Tensor, Mixed]:
        if x.shape[1] != 1:
            raise self.unfit(about, f"it has {x.shape[1]} channels where one is needed.")
        return _mix(x, np.ones((self.channels, 1)))


@steps.register("channels")
@dataclass(frozen=True, kw_only=True)
class MatchChannels(Step):
    """Bring the signal to the model's channels: one is repeated, colours become grey by luminance."""

    name: ClassVar[str] = "channels"
    short: ClassVar[str | None] = "channels"
    channels: int

    def __post_init__(self) -> None:
        self.number("channels", low=1, whole=True)

    def run(self, x: torch.Tensor, about: About) -> tuple[torch.Tensor, Effect]:
        have = x.shape[1]
        if have == self.channels:
            return x, Pointwise(1.0, 0.0)
        if have == 1:
            return RepeatGrey(channels=self.channels).run(x, about)
        if have == 3 and self.channels == 1:
            return Grey().run(x, about)
        advice = "choose one, as in signal.isel(c=0)" if self.channels == 1 else "give it as many, or a single one"
        raise ModelError(f"{about.name} has {have} channels and the model takes {self.channels}; {advice}.")

    def bounds(self, bounds: Bounds | None) -> Bounds | None:
        if bounds is None or len(bounds[0]) in (1, self.channels):
            return bounds
        return (min(bounds[0]),), (max(bounds[1]),)

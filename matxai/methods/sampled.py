"""What the methods that run perturbed copies of the input share: budget, tolerance, and the map's type."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from matxai.errors import MethodError
from matxai.methods.method import Method

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from matxai.engine.copies import Copies
    from matxai.methods.method import Setting

GRADIENT_BUDGET = 64
MASK_BUDGET = 512
PAUSE = 8
"""Copies between two looks at the standard error: fixed, so that where a stream ends depends on no chunk."""


@dataclass(frozen=True, kw_only=True)
class Sampled(Method):
    """A method that runs perturbed copies of the input through the model, in a stream.

    Attributes
    ----------
    budget
        How many copies it may run; ``None``: the call's, else the method's default.
    tolerance
        Stop once the largest standard error is below this share of the map's largest magnitude; ``None``: the call's,
        else the whole budget is used.
    """

    budget: int | None = None
    tolerance: float | None = None

    samples: ClassVar[bool] = True
    default_budget: ClassVar[int] = GRADIENT_BUDGET

    def __post_init__(self) -> None:
        if self.budget is not None and self.budget < 1:
            raise MethodError(f"The budget of {self.key} is {self.budget}; it is the number of copies, 1 or more.")
        if self.tolerance is not None and not 0 < self.tolerance < 1:
            msg = (
                f"The tolerance of {self.key} is {self.tolerance}; it is a share of the map's largest value, such as"
                " 0.05."
            )
            raise MethodError(msg)

    def most(self, setting: Setting) -> int:
        """Return how many copies this call may run."""
        return self.budget or setting.budget or self.default_budget

    def enough(self, setting: Setting) -> float | None:
        """Return the relative standard error at which this call may stop."""
        return self.tolerance if self.tolerance is not None else setting.tolerance

    def blocks(self, setting: Setting, *, gradients: bool) -> Iterator[range]:
        """Yield the numbers of the copies that this call may run; with a tolerance every 8 copies end a block."""
        pause = PAUSE if self.enough(setting) is not None else None
        return copies_of(setting).blocks(self.most(setting), self.key, gradients=gradients, pause=pause)

    def pausing(self, block: range, setting: Setting) -> bool:
        """Whether this is where the stream's standard error is looked at."""
        return self.enough(setting) is not None and block.stop % PAUSE == 0


def copies_of(setting: Setting) -> Copies:
    """Return what runs the copies of this call."""
    assert setting.copies is not None  # noqa: S101 - given to every method that samples: says so to the type checker
    return setting.copies


def joined(map_: Tensor, copies: Copies) -> Tensor:
    """Return a map (T, B, ...) as results have it: without the axis T where there is a single target; float32 at most.

    Sampling accumulates in float64; the map comes back in the input's type, in float32 for half precision.
    """
    import torch

    half = copies.x.dtype in (torch.float16, torch.bfloat16)
    plain = map_.to(torch.float32 if half else copies.x.dtype)
    return plain if copies.clean.targets is not None else plain[0]

"""Gradient SHAP, or expected gradients: integrated gradients averaged over baselines that are drawn from a set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from matxai.methods.baselines import warning
from matxai.methods.method import About, Reduced, Setting, methods
from matxai.methods.sampled import Sampled, copies_of, joined
from matxai.methods.statistics import Stream

if TYPE_CHECKING:
    from torch import Tensor

    from matxai.engine import Captured, Needs
    from matxai.engine.copies import Copies


@methods.register("gradient_shap")
@dataclass(frozen=True)
class GradientSHAP(Sampled):
    """E over baselines b and a in [0, 1] of (x_i - b_i) dS/dx_i (b + a (x - b)): an estimate of SHAP values.

    Baselines are drawn from the call's ``references``; without any, each is normal noise with the mean and spread of
    the input's channels. The standard error of the map stands beside it as ``NAME:standard_error``.

    Attributes
    ----------
    budget, tolerance
        Of every sampling method: how many copies, and the relative standard error at which it stops.

    References
    ----------
    Lundberg and Lee, arXiv:1705.07874; Erion et al., arXiv:1906.10670, equation 3 (expected gradients).
    """

    kind: ClassVar[str] = "gradient_shap"
    quantity: ClassVar[str] = "relevance"
    to_baseline: ClassVar[bool] = True
    about: ClassVar[About] = About(
        question="How is the score's difference to what the model usually sees made up from the pixels?",
        resolution="one pixel",
        guarantee="Its expectation sums to the score minus the references' mean score; the standard error beside it"
        " says how near it is.",
        misleads="Depends on the references: without a set of them it draws noise. The share of a single pixel is"
        " uncertain long after the sum is known.",
        paper="Lundberg and Lee 2017, arXiv:1705.07874; Erion et al. 2021, arXiv:1906.10670",
        models="any with a gradient",
        cost="128 F: 64 forwards and backwards (budget), fewer with a tolerance",
        verified="the mean of integrated gradients over the references, within its standard error",
    )

    def needs(self) -> Needs:
        """Ask for copies with a gradient each."""
        from matxai.engine import Needs

        most = self.budget or self.default_budget
        return Needs(copies=most, gradients=most)

    def reduce(self, captured: Captured, setting: Setting) -> Reduced:
        """Return the mean ``(..., B, C, *spatial)``, and its standard error beside it."""
        copies, x, stream = copies_of(setting), captured.input, Stream()
        for block in self.blocks(setting, gradients=True):
            baselines, along = self._drawn(block, copies, setting)
            delta = x - baselines
            _, gradients = copies.gradient(x - (1 - along) * delta)
            stream.add(gradients * delta, 1)
            if self.pausing(block, setting) and stream.settled(self.enough(setting), x.ndim - 1):
                break
        assert stream.mean is not None  # noqa: S101 - there is at least one copy: says so to the type checker
        beside = {"standard_error": joined(stream.standard_error(), copies)}
        return Reduced(
            joined(stream.mean, copies),
            beside=beside,
            figures={"copies": stream.count},
            warnings=self._near(setting, x),
        )

    def _near(self, setting: Setting, x: Tensor) -> tuple[str, ...]:
        """Return a warning where a region of the input is close to every reference; noise is close to nothing."""
        references = None if setting.baseline is None else setting.baseline.references
        if references is None:
            return ()
        said = warning(self.key, x, "every reference", [r.to(x) for r in references])
        return () if said is None else (said,)

    def _drawn(self, block: range, copies: Copies, setting: Setting) -> tuple[Tensor, Tensor]:
        """Return a baseline (n, B, C, *spatial) and a position on the path (n, 1, ...) for each copy."""
        import torch

        made = setting.baseline
        assert made is not None  # noqa: S101 - given to every method: says so to the type checker
        chosen, along = [], []
        for number in block:
            drawn = copies.generator(number, purpose=self.kind)
            along.append(float(torch.rand((), generator=drawn, dtype=torch.float64)))
            if made.references is None:
                chosen.append(made("noise", draw=number))
            else:
                at = int(torch.randint(len(made.references), (), generator=drawn))
                chosen.append(made.references[at].to(copies.x).expand_as(copies.x))
        shape = (-1, *(1,) * copies.x.ndim)
        return torch.stack(chosen), torch.tensor(along, dtype=torch.float64).to(copies.x).view(shape)

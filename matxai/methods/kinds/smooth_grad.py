"""SmoothGrad and its relatives: the gradient's mean, square or variance over noisy copies of the input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from matxai.errors import MethodError, nearest
from matxai.methods.method import About, Reduced, Setting, methods
from matxai.methods.sampled import Sampled, copies_of, joined
from matxai.methods.statistics import Stream

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from matxai.engine import Captured, Needs

STATISTICS = ("mean", "square", "variance")


@methods.register("smooth_grad")
@dataclass(frozen=True)
class SmoothGrad(Sampled):
    """A statistic of the gradient over copies of the input with normal noise added.

    With g(x) the gradient of the score and e normal noise of standard deviation s: ``mean`` is E g(x + e) (Smilkov et
    al., equation 1), ``square`` E g(x + e)^2 (Hooker et al., section 4), ``variance`` V g(x + e) with n - 1 degrees of
    freedom (Adebayo et al.).

    Attributes
    ----------
    statistic
        ``mean``, ``square`` or ``variance``.
    noise
        s as a fraction of each sample's range (its largest minus its smallest value); the paper has 0.1 to 0.2.
    budget, tolerance
        Of every sampling method: how many copies, and the relative standard error at which it stops. The standard error
        of the map stands beside it as ``NAME:standard_error``.

    References
    ----------
    Smilkov et al., arXiv:1706.03825; Hooker et al., arXiv:1806.10758; Adebayo et al., arXiv:1810.03307.
    """

    statistic: str = "mean"
    noise: float = 0.15

    kind: ClassVar[str] = "smooth_grad"
    variants: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "square": {"statistic": "square"},
        "variance": {"statistic": "variance"},
    }
    about: ClassVar[About] = About(
        question="Which pixels change the score most, whatever little noise lies over the input?",
        resolution="one pixel",
        guarantee="The mean is the gradient of the score smoothed by the noise, to within the standard error beside"
        " it.",
        misleads="Sensitivity, not contribution. The noise level decides what survives, and noisy copies are inputs"
        " that the network never saw. Square and variance have lost the sign; the variance says where the gradient is"
        " unstable, not where it is large.",
        paper="Smilkov et al. 2017, arXiv:1706.03825; Hooker et al. 2019, arXiv:1806.10758 (square); Adebayo et al."
        " 2018, arXiv:1810.03307 (variance)",
        models="any with a gradient",
        cost="128 F: 64 forwards and backwards (budget), fewer with a tolerance",
        verified="closed forms of linear and quadratic scores; captum's NoiseTunnel with the same noise",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.statistic not in STATISTICS:
            msg = f"SmoothGrad has no statistic '{self.statistic}'. {nearest(str(self.statistic), STATISTICS)}"
            raise MethodError(msg)
        if not 0 < self.noise < float("inf"):
            msg = f"The noise of {self.key} is {self.noise}; it is a fraction of the input's range, such as 0.15."
            raise MethodError(msg)
        if self.statistic == "variance" and self.budget == 1:
            raise MethodError(f"The budget of {self.key} is 1; a variance needs at least 2 copies.")

    def needs(self) -> Needs:
        """Ask for copies with a gradient each."""
        from matxai.engine import Needs

        most = self.budget or self.default_budget
        return Needs(copies=most, gradients=most)

    def reduce(self, captured: Captured, setting: Setting) -> Reduced:
        """Return the statistic ``(..., B, C, *spatial)``, and its standard error beside it."""
        from matxai.methods.baselines import extremes

        copies = copies_of(setting)
        low, high = extremes(captured.input)
        scale = self.noise * (high - low)
        stream = Stream(order=4 if self.statistic == "variance" else 2)
        axes = captured.input.ndim - 1
        for block in self.blocks(setting, gradients=True):
            noise = copies.normal(block, purpose="smooth_grad")
            _, gradients = copies.gradient(captured.input + scale * noise)
            stream.add(gradients.square() if self.statistic == "square" else gradients, 1)
            if self.pausing(block, setting) and stream.settle(self.enough(setting), *self._read(stream), axes):
                break
        value, error = self._read(stream)
        return Reduced(
            joined(value, copies), beside={"standard_error": joined(error, copies)}, figures={"copies": stream.count}
        )

    def _read(self, stream: Stream) -> tuple[Tensor, Tensor]:
        """Return the map and its standard error."""
        assert stream.mean is not None  # noqa: S101 - there is at least one copy: says so to the type checker
        if self.statistic == "variance":
            return stream.variance(), stream.variance_error()
        return stream.mean, stream.standard_error()

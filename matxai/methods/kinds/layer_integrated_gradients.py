"""Integrated gradients at a layer: the path goes from the baseline's activations to the input's."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from matxai.errors import MethodError
from matxai.methods.baselines import DEFAULT, baselines, warning
from matxai.methods.kinds.integrated_gradients import IntegratedGradients
from matxai.methods.layered import LayerMaps, placed
from matxai.methods.method import Reduced, Setting
from matxai.methods.quadrature import quadrature, quadratures
from matxai.methods.sampled import Sampled, copies_of
from matxai.methods.statistics import accumulating

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch
    from torch import Tensor

    from matxai.engine import Captured, Needs
    from matxai.engine.tail import Tail
    from matxai.methods.method import About
    from matxai.methods.quadrature import Quadrature


@IntegratedGradients.form("layer")
@dataclass(frozen=True)
class LayerIntegratedGradients(LayerMaps, Sampled):
    """Integrated gradients with respect to a layer's output, summed over its channels; the layer form of the method.

    Only what follows the layer is run, from the activations of the baseline to those of the input. The map is signed
    (``relu=True`` keeps the evidence for the target) and lies where the layer's cells do, like a CAM. At the layer's
    own size (``upsample=False``) it sums to the score minus that of the baseline's activations.

    Attributes
    ----------
    baseline
        ``blur``, ``mean``, ``noise``, ``black``, ``white`` or ``constant``: of the input. Several are averaged.
    rule, steps
        As of :class:`IntegratedGradients`; ``steps=None``: the budget.
    layers, relu, placement, upsample
        As of a CAM.

    The map comes with ``NAME:error``: how far a coarser rule on the same nodes is off.
    ``figures`` of the attribution has ``gap``, (L, T, B): by layer, what the map's sum misses of that difference.

    References
    ----------
    Sundararajan, Taly and Yan, ICML 2017, arXiv:1703.01365; at hidden layers: Leino et al., arXiv:1802.03788.
    """

    relu: bool | None = False
    baseline: str | Sequence[str] = (DEFAULT,)
    rule: str = "gauss_legendre"
    steps: int | None = None

    kind: ClassVar[str] = "integrated_gradients"
    about: ClassVar[About] = replace(
        IntegratedGradients.about,
        question="How do the places of a layer make up the score's difference to a baseline?",
        resolution="one cell of the layer",
        forms="",
        cost="3 F and 64 forwards and backwards of what follows the layer (steps, budget)",
        verified="captum's LayerIntegratedGradients with the same nodes",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(
            self, "baseline", (self.baseline,) if isinstance(self.baseline, str) else tuple(self.baseline)
        )
        if not self.baseline:
            raise MethodError(f"{self.key} has an empty list of baselines; leave it out for '{DEFAULT}'.")
        for name in self.baseline:
            baselines[name]
        quadratures[self.rule]
        if self.steps is not None and self.steps < 2:
            raise MethodError(f"{self.key} has steps={self.steps}; a rule of quadrature has 2 or more nodes.")
        if self.tolerance is not None:
            raise MethodError(f"{self.key} draws nothing at random, so tolerance has no effect.")

    @property
    def key(self) -> str:
        """The name of its map in a result."""
        return self.name if self.name is not None else f"{self.kind}:layer"

    def needs(self) -> Needs:
        """Ask for activations, and for each layer and baseline one forward and runs of what follows."""
        from matxai.engine import Needs

        layers = 1 if self.layers is None or isinstance(self.layers, str | int) else len(self.layers)
        pairs = layers * len(self.baseline)
        return Needs(
            activations=True, copies=pairs, tails=pairs * (self._nodes(self.budget or self.default_budget) + 1)
        )

    def _nodes(self, most: int) -> int:
        """Return how many nodes the rule has: those asked for, or what the budget gives each baseline."""
        count = self.steps or most // len(self.baseline)
        if count < 2:
            msg = f"{self.key} needs 2 copies for each of {len(self.baseline)} baseline(s), and its budget is {most}."
            raise MethodError(msg)
        return count

    def signed(self, captured: Captured, setting: Setting, name: str) -> tuple[Tensor, Tensor | None]:
        """Return the map of one layer ``(..., B, *spatial)``."""
        return self._at(captured, setting, name, self._baselines(setting))[0], None

    def reduce(self, captured: Captured, setting: Setting) -> Reduced:
        """Return ``(..., B, L, *spatial)``, or the layers' own maps where nothing is to be upsampled."""
        import torch

        several = self._baselines(setting)
        found = [self._at(captured, setting, name, several) for name in setting.layers]
        maps = [m.clamp(min=0) if setting.relu else m for m, _, _ in found]
        errors = [e for _, e, _ in found]
        near = warning(self.key, captured.input, self.baseline, several)
        return Reduced(
            placed(maps, setting) if setting.upsample else tuple(maps),
            beside={"error": placed(errors, setting) if setting.upsample else tuple(errors)},
            figures={"gap": torch.stack([gap for _, _, gap in found])},
            warnings=() if near is None else (near,),
        )

    def _baselines(self, setting: Setting) -> list[Tensor]:
        made = setting.baseline
        assert made is not None  # noqa: S101 - given to every method: says so to the type checker
        return [made(name) for name in self.baseline]

    def _at(
        self, captured: Captured, setting: Setting, name: str, several: list[Tensor]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return a layer's map, its error and what its sum misses; T in front for several targets."""
        import torch

        copies = copies_of(setting)
        tail, cells = copies.tail(name), setting.layouts[name].cells
        rule = quadrature(self.rule, self._nodes(self.most(setting)))
        maps, errors, starts = [], [], []
        for baseline in several:
            start = copies.activation(baseline, name)
            fine, coarse = self._integrals(tail, tail.clean - start, rule)
            delta = cells(accumulating(tail.clean - start))
            found = (cells(fine) * delta).sum(1 - delta.ndim)
            maps.append(found)
            errors.append(found - (cells(coarse) * delta).sum(1 - delta.ndim))
            starts.append(accumulating(tail.scores(start.unsqueeze(0)))[:, 0])
        map_, error, start = (torch.stack(t).mean(0) for t in (maps, errors, starts))
        gap = map_.flatten(2).sum(2) - (accumulating(copies.scores) - start)
        plain = [map_.to(_type_of(captured.input)), error.abs().to(_type_of(captured.input)), gap]
        first, second, third = plain if captured.targets is not None else [t[0] for t in plain]
        return first, second, third

    def _integrals(self, tail: Tail, way: Tensor, rule: Quadrature) -> tuple[Tensor, Tensor]:
        """Return the mean gradient (T, B, K, *spatial) on the way to the layer's output by both rules."""
        import torch

        nodes, weights, coarse = (torch.from_numpy(v) for v in (rule.nodes, rule.weights, rule.coarse))
        found: list[Tensor] = []
        for block in tail.blocks(len(nodes), self.key, gradients=True):
            at = slice(block.start, block.stop)
            along = (1 - nodes[at]).to(way).view(-1, *(1,) * way.ndim)
            gradients = accumulating(tail.gradients(tail.clean - along * way)[1])
            parts = [torch.tensordot(w[at].to(gradients), gradients, dims=([0], [1])) for w in (weights, coarse)]
            found = [a + b for a, b in zip(found, parts, strict=True)] if found else parts
        return found[0], found[1]


def _type_of(x: Tensor) -> torch.dtype:
    """Return the type of maps: the input's, float32 for half precision."""
    import torch

    return torch.float32 if x.dtype in (torch.float16, torch.bfloat16) else x.dtype

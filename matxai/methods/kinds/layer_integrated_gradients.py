"""Integrated gradients at a layer: the path goes from the baseline's activations to the input's."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from matxai.errors import MethodError
from matxai.methods.baselines import DEFAULT, baselines
from matxai.methods.kinds.integrated_gradients import IntegratedGradients
from matxai.methods.layered import LayerMaps, placed
from matxai.methods.method import Reduced, Setting
from matxai.methods.quadrature import quadrature, quadratures
from matxai.methods.sampled import Sampled, copies_of
from matxai.methods.statistics import accumulating

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from matxai.engine import Captured, Needs
    from matxai.methods.method import About


@dataclass(frozen=True)
class LayerIntegratedGradients(LayerMaps, Sampled):
    """Integrated gradients with respect to a layer's output, summed over its channels; the layer form of the method.

    Only what follows the layer is run, from the activations of the baseline to those of the input. The map is signed
    (``relu=True`` keeps the evidence for the target) and lies where the layer's cells do, like a CAM. At the layer's
    own size (``upsample=False``) it sums to the score minus that of the baseline's activations.

    Attributes
    ----------
    baseline
        ``blur``, ``mean``, ``noise``, ``black``, ``white`` or ``constant``: of the input.
    rule, steps
        As of :class:`IntegratedGradients`; ``steps=None``: the budget.
    layers, relu, placement, upsample
        As of a CAM.

    ``figures`` of the attribution has ``gap``, (L, T, B): by layer, what the map's sum misses of that difference.

    References
    ----------
    Sundararajan, Taly and Yan, ICML 2017, arXiv:1703.01365; at hidden layers: Leino et al., arXiv:1802.03788.
    """

    relu: bool | None = False
    baseline: str = DEFAULT
    rule: str = "gauss_legendre"
    steps: int | None = None

    kind: ClassVar[str] = "integrated_gradients"
    about: ClassVar[About] = replace(
        IntegratedGradients.about,
        question="How do the places of a layer make up the score's difference to a baseline?",
        resolution="one cell of the layer",
        cost="3 F and 64 forwards and backwards of what follows the layer (steps, budget)",
        verified="captum's LayerIntegratedGradients with the same nodes",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        baselines[self.baseline]
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
        """Ask for activations, and one forward of the baseline."""
        from matxai.engine import Needs

        return Needs(activations=True, copies=1)

    def signed(self, captured: Captured, setting: Setting, name: str) -> tuple[Tensor, Tensor | None]:
        """Return the map of one layer ``(..., B, *spatial)``."""
        return self._at(captured, setting, name)[0], None

    def reduce(self, captured: Captured, setting: Setting) -> Reduced:
        """Return ``(..., B, L, *spatial)``, or the layers' own maps where nothing is to be upsampled."""
        import torch

        found = [self._at(captured, setting, name) for name in setting.layers]
        maps = [m.clamp(min=0) if setting.relu else m for m, _ in found]
        figures = {"gap": torch.stack([gap for _, gap in found])}
        return Reduced(placed(maps, setting) if setting.upsample else tuple(maps), figures=figures)

    def _at(self, captured: Captured, setting: Setting, name: str) -> tuple[Tensor, Tensor]:
        """Return a layer's map in the input's type, and what its sum misses; T in front for several targets."""
        import torch

        made, copies = setting.baseline, copies_of(setting)
        assert made is not None  # noqa: S101 - given to every method: says so to the type checker
        rule, tail = quadrature(self.rule, self.steps or self.most(setting)), copies.tail(name)
        start = copies.activation(made(self.baseline), name)
        way = tail.clean - start
        nodes, weights = torch.from_numpy(rule.nodes), torch.from_numpy(rule.weights)
        total: Tensor | None = None
        for block in tail.blocks(len(nodes), self.key, gradients=True):
            at = slice(block.start, block.stop)
            along = (1 - nodes[at]).to(way).view(-1, *(1,) * way.ndim)
            _, gradients = tail.gradients(tail.clean - along * way)
            wide = accumulating(gradients)
            part = torch.tensordot(weights[at].to(wide), wide, dims=([0], [1]))
            total = part if total is None else total + part
        assert total is not None  # noqa: S101 - a rule has nodes: says so to the type checker
        cells = setting.layouts[name].cells
        delta = cells(accumulating(way))
        map_ = (cells(total) * delta).sum(1 - delta.ndim)
        difference = accumulating(copies.scores) - accumulating(tail.scores(start.unsqueeze(0)))[:, 0]
        plain, gap = map_.to(_type_of(captured.input)), map_.flatten(2).sum(2) - difference
        return (plain, gap) if captured.targets is not None else (plain[0], gap[0])


def _type_of(x: Tensor) -> torch.dtype:
    """Return the type of maps: the input's, float32 for half precision."""
    import torch

    return torch.float32 if x.dtype in (torch.float16, torch.bfloat16) else x.dtype

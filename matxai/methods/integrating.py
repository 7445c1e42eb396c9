"""The integral of the gradient along straight paths to the input, streamed: for integrated gradients."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from matxai.methods.statistics import accumulating

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from matxai.engine.copies import Copies
    from matxai.methods.quadrature import Quadrature

NARROWEST = 2.0**-20
"""No panel of a path is cut below this width: what is left is a jump of the score, which no rule integrates."""
PARTS = 4
"""Into so many parts a panel is cut."""


@dataclass
class Path:
    """Straight paths from baselines to the input of a call, and the integral over them.

    Attributes
    ----------
    copies
        What runs copies of the input.
    several
        The baselines (B, C, *spatial); the integrals over their paths are averaged.
    label
        What progress is reported as.
    map, coarse
        The integral (T, B, C, *spatial) by the rule and by its coarser one.
    difference
        S(x) minus the baselines' mean S(b), (T, B).
    count
        Copies that were run.
    """

    copies: Copies
    several: Sequence[Tensor]
    label: str
    count: int = 0
    map: Tensor = field(init=False)
    coarse: Tensor = field(init=False)
    difference: Tensor = field(init=False)

    def __post_init__(self) -> None:
        x, scores = self.copies.x, accumulating(self.copies.scores)
        self.map = accumulating(x.new_zeros(len(scores), *x.shape))
        self.coarse = torch.zeros_like(self.map)
        self.difference = torch.zeros_like(scores)

    @property
    def gap(self) -> Tensor:
        """What the map's sum misses of the difference of the scores, (T, B)."""
        return self.map.flatten(2).sum(2) - self.difference

    def whole(self, rule: Quadrature) -> None:
        """Integrate every path by one rule; the baselines' scores are extrapolated from the first two nodes."""
        steps, x = len(rule.nodes), self.copies.x
        baselines = torch.stack(list(self.several))
        nodes, weights, coarse = (torch.from_numpy(v) for v in (rule.nodes, rule.weights, rule.coarse))
        first: list[Tensor] = []  # (score, slope) at the first two nodes of each path
        for block in self.copies.blocks(steps * len(baselines), self.label, gradients=True):
            numbers = torch.tensor(block)
            of, node = numbers // steps, numbers % steps
            delta = x - baselines[of.to(x.device)]
            scores, parts = self._run(x - self._along(1 - nodes[node], delta), delta)
            self._add(parts, weights[node] / len(baselines), coarse[node] / len(baselines))
            early = (node < 2).nonzero().flatten().tolist()
            first += [torch.stack([scores[:, i], parts[:, i].flatten(2).sum(2)]) for i in early]
        at, beyond = float(rule.nodes[0]), float(rule.nodes[1] - rule.nodes[0])
        for (score, slope), (_, next_slope) in zip(first[::2], first[1::2], strict=True):
            start = score - at * slope + at**2 / 2 * (next_slope - slope) / beyond
            self.difference += (accumulating(self.copies.scores) - start) / len(baselines)

    def refined(self, rule: Quadrature, share: float, most: int) -> None:
        """Integrate every path panel by panel, cutting the worst one until the map's whole sum is near enough.

        Each sample has panels of its own, so that it depends on no other one of the batch; several targets share them.

        Parameters
        ----------
        rule
            Of one panel.
        share
            Of a path's difference of scores: what a map's sum may miss.
        most
            Copies that may be run; no panel is cut where they would not suffice.
        """
        for number, baseline in enumerate(self.several):
            self._refine(baseline, rule, share, self.count + (most - self.count) // (len(self.several) - number))

    def _refine(self, baseline: Tensor, rule: Quadrature, share: float, most: int) -> None:
        delta, end = self.copies.x - baseline, accumulating(self.copies.scores)
        start = self._score(baseline.unsqueeze(0))[0]
        self.difference += (end - start) / len(self.several)
        panels = Panels.whole(start, end)
        panels.sums, panels.off = self._panels(delta, rule, panels.low, panels.high, torch.ones(1))
        signs = torch.tensor([-1.0] + [1.0] * PARTS)
        cost = len(signs) * len(rule.nodes) + PARTS - 1
        while self.count + cost <= most:
            worst, cut = panels.worst(share)
            if not bool(cut.any()):
                break
            walls = panels.walls(worst, cut)
            between = self._score(self.copies.x - self._along(1 - walls[1:-1], delta))
            # what the panel gave is taken away by running it again: maps of all panels would fill the memory
            low, high = torch.cat([walls[:1], walls[:-1]]), torch.cat([walls[-1:], walls[1:]])
            sums, off = self._panels(delta, rule, low, high, signs)
            panels.replace(worst, cut, walls, between, sums[1:], off[1:])

    def _panels(
        self, delta: Tensor, rule: Quadrature, low: Tensor, high: Tensor, signs: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Add panels (m, B), each with a sign, to the map; return the sum of each, and how far off it is, (m, T, B)."""
        steps, part = len(rule.nodes), 1 / len(self.several)
        nodes, weights, coarse = (torch.from_numpy(v) for v in (rule.nodes, rule.weights, rule.coarse))
        sums = torch.zeros(len(low), *self.difference.shape, dtype=torch.float64)
        apart = self.map.new_zeros(len(low), *self.map.shape)
        for block in self.copies.blocks(steps * len(low), self.label, gradients=True):
            numbers = torch.tensor(block)
            of, node = numbers // steps, numbers % steps
            width = (high - low)[of]
            _, parts = self._run(self.copies.x - self._along(1 - (low[of] + nodes[node, None] * width), delta), delta)
            signed = width * signs[of, None] * part
            for total, factors in ((self.map, weights), (self.coarse, coarse)):
                total += torch.einsum("nb,tnb...->tb...", (signed * factors[node, None]).to(parts), parts)
            shares = width * (weights - coarse)[node, None]
            for panel in range(int(of[0]), int(of[-1]) + 1):
                here = (of == panel).to(parts.device)
                apart[panel] += torch.einsum("nb,tnb...->tb...", shares[of == panel].to(parts), parts[:, here])
            found = parts.flatten(3).sum(3).movedim(1, 0).cpu().double()
            sums.index_add_(0, of, found * (width * weights[node, None])[:, None])
        return sums, apart.abs().flatten(3).sum(3).cpu().double()

    def _score(self, copies: Tensor) -> Tensor:
        """Return the scores (n, T, B) of copies."""
        self.count += len(copies)
        return accumulating(self.copies.score(copies)).movedim(1, 0)

    def _run(self, copies: Tensor, delta: Tensor) -> tuple[Tensor, Tensor]:
        """Return scores (T, n, B) of copies and gradient times way (T, n, B, C, *spatial)."""
        self.count += len(copies)
        scores, gradients = self.copies.gradient(copies)
        return accumulating(scores), accumulating(gradients) * accumulating(delta)

    def _add(self, parts: Tensor, weights: Tensor, coarse: Tensor) -> None:
        for total, factors in ((self.map, weights), (self.coarse, coarse)):
            total += torch.tensordot(factors.to(parts), parts, dims=([0], [1]))

    def _along(self, factors: Tensor, delta: Tensor) -> Tensor:
        """Return shares (n,) of ways (n, B, C, *spatial), or (n, B) of one (B, C, *spatial): (n, B, C, *spatial)."""
        return factors.to(delta).view(*factors.shape, *(1,) * (delta.ndim - 1)) * delta


@dataclass
class Panels:
    """The panels (N, B) into which the paths of a batch are cut, each sample's own, on the CPU.

    A sample that has enough gets panels without width, so that all have as many.

    Attributes
    ----------
    low, high
        Where each begins and ends, from 0 (the baseline) to 1.
    before, after
        The scores there, (N, T, B).
    sums
        What the integral over each sums to, (N, T, B).
    off
        The sum of magnitudes of what a coarser rule on the same nodes gives otherwise, (N, T, B).
    """

    low: Tensor
    high: Tensor
    before: Tensor
    after: Tensor
    sums: Tensor
    off: Tensor

    @classmethod
    def whole(cls, start: Tensor, end: Tensor) -> Panels:
        """Return one panel for each sample, from scores (T, B) at both ends; its sum is not known yet."""
        before, after = (t.cpu().double().unsqueeze(0) for t in (start, end))
        low = torch.zeros(1, start.shape[-1], dtype=torch.float64)
        return cls(low, torch.ones_like(low), before, after, torch.zeros_like(before), torch.zeros_like(before))

    def worst(self, share: float) -> tuple[Tensor, Tensor]:
        """Return which panel of each sample is to be cut, and whether one is: the whole sum is not near enough yet.

        By turns it is the one whose sum misses most and the one whose map is least certain: the first brings the sum
        home, the second sees what cancels in a sum. Of several targets those count whose sums are not near enough, each
        relative to its difference of scores.
        """
        missed = self.sums - (self.after - self.before)
        difference = (self.after - self.before).sum(0).abs()
        undone = missed.sum(0).abs() > share * difference
        cuts = (len(self.low) - 1) // (PARTS - 1)
        size = self.off if cuts % 2 else missed.abs()
        relative = size / torch.where(difference > 0, difference, 1.0) * undone
        most, at = torch.where(self.high - self.low > NARROWEST, relative.amax(1), -1.0).max(0)
        return at, undone.any(0) & (most >= 0)

    def walls(self, at: Tensor, cut: Tensor) -> Tensor:
        """Return where the parts of a panel of each sample begin and end, (PARTS + 1, B); 1 where none is cut."""
        low, high = self.low.gather(0, at[None]), self.high.gather(0, at[None])
        inner = torch.arange(PARTS + 1, dtype=torch.float64)[:, None] / PARTS
        return torch.where(cut, low + inner * (high - low), 1.0)

    def replace(self, at: Tensor, cut: Tensor, walls: Tensor, between: Tensor, sums: Tensor, off: Tensor) -> None:
        """Put the parts in a panel's place: scores (PARTS - 1, T, B) at the walls in between, and what was found."""
        here = at.expand(1, *self.before.shape[1:])
        ends = [t.gather(0, here) for t in (self.before, self.after)]
        scores = torch.cat([ends[0], between.cpu().double(), ends[1]])
        parts = {
            "low": walls[:-1],
            "high": walls[1:],
            "before": scores[:-1],
            "after": scores[1:],
            "sums": sums,
            "off": off,
        }
        for name, new in parts.items():
            old = getattr(self, name)
            index = here if old.ndim > 2 else at[None]
            first = torch.where(cut, new[:1], old.gather(0, index))
            setattr(self, name, torch.cat([old.scatter(0, index, first), torch.where(cut, new[1:], 0.0)]))

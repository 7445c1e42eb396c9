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
"""No panel of a path is halved below this width: what is left is a jump of the score, which no rule integrates."""


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
        """Integrate every path panel by panel, halving those whose sum misses the scores' difference by too much.

        Parameters
        ----------
        rule
            Of one panel.
        share
            Of a path's difference of scores: what a map's sum may miss, shared among the panels by their width.
        most
            Copies that may be run; panels are halved no more where they would not suffice.
        """
        for number, baseline in enumerate(self.several):
            self._refine(baseline, rule, share, self.count + (most - self.count) // (len(self.several) - number))

    def _refine(self, baseline: Tensor, rule: Quadrature, share: float, most: int) -> None:
        steps, part = len(rule.nodes), 1 / len(self.several)
        delta = self.copies.x - baseline
        start, end = self._score(baseline), accumulating(self.copies.scores)
        self.difference += (end - start) * part
        allowed = share * (end - start).abs()
        panels = [(0.0, 1.0, start, end, torch.ones_like(start, dtype=torch.bool))]
        while panels:
            low, high, before, after, still = panels.pop()
            found, coarse = self._panel(delta, rule, low, high)
            exact = (found.flatten(2).sum(2) - (after - before)).abs() <= allowed * (high - low)
            cost = 1 + 2 * steps + steps * len(panels)
            last = self.count + cost > most or high - low <= NARROWEST
            taken = still if last else still & exact
            over = (taken * part).view(*taken.shape, *(1,) * (found.ndim - 2))
            self.map += found * over
            self.coarse += coarse * over
            still = still & ~taken
            if bool(still.any()):
                middle = (low + high) / 2
                between = self._score(self.copies.x - (1 - middle) * delta)
                panels += [(low, middle, before, between, still), (middle, high, between, after, still)]

    def _panel(self, delta: Tensor, rule: Quadrature, low: float, high: float) -> tuple[Tensor, Tensor]:
        """Return the integral over one panel by the rule and by its coarser one."""
        kept = self.map, self.coarse
        self.map, self.coarse = torch.zeros_like(self.map), torch.zeros_like(self.coarse)
        nodes, weights, coarse = (torch.from_numpy(v) for v in (rule.nodes, rule.weights, rule.coarse))
        nodes, weights, coarse = low + nodes * (high - low), weights * (high - low), coarse * (high - low)
        for block in self.copies.blocks(len(nodes), self.label, gradients=True):
            at = slice(block.start, block.stop)
            _, parts = self._run(self.copies.x - self._along(1 - nodes[at], delta.unsqueeze(0)), delta)
            self._add(parts, weights[at], coarse[at])
        found = self.map, self.coarse
        self.map, self.coarse = kept
        return found

    def _score(self, copy: Tensor) -> Tensor:
        self.count += 1
        return accumulating(self.copies.score(copy.unsqueeze(0)))[:, 0]

    def _run(self, copies: Tensor, delta: Tensor) -> tuple[Tensor, Tensor]:
        """Return scores (T, n, B) of copies and gradient times way (T, n, B, C, *spatial)."""
        self.count += len(copies)
        scores, gradients = self.copies.gradient(copies)
        return accumulating(scores), accumulating(gradients) * accumulating(delta)

    def _add(self, parts: Tensor, weights: Tensor, coarse: Tensor) -> None:
        for total, factors in ((self.map, weights), (self.coarse, coarse)):
            total += torch.tensordot(factors.to(parts), parts, dims=([0], [1]))

    def _along(self, factors: Tensor, delta: Tensor) -> Tensor:
        return factors.to(delta).view(-1, *(1,) * (delta.ndim - 1)) * delta

"""Rules of quadrature on [0, 1], each with a coarser one on the same nodes: an error estimate that costs no pass."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from numpy.polynomial import legendre

from matxai.errors import MethodError
from matxai.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Quadrature:
    """Nodes in ascending order, their weights, and the weights of the coarser rule; weights sum to 1.

    Attributes
    ----------
    nodes, weights
        (n,) each.
    coarse
        (n,), zero at the nodes that the coarser rule leaves out.
    """

    nodes: Floats
    weights: Floats
    coarse: Floats


quadratures: Registry[Callable[[int], Quadrature]] = Registry("rule of quadrature", error=MethodError)


@lru_cache(maxsize=32)
def quadrature(name: str, steps: int) -> Quadrature:
    """Return a rule with ``steps`` nodes.

    Raises
    ------
    MethodError
        If there is no such rule, or it has fewer than two nodes.
    """
    make = quadratures[name]
    if steps < 2:
        raise MethodError(f"A rule of quadrature has {steps} nodes; it needs 2 or more to say how exact it is.")
    return make(steps)


@quadratures.register("gauss_legendre")
def _gauss_legendre(steps: int) -> Quadrature:
    """Exact for polynomials of degree 2 n - 1; the coarser rule interpolates through every second node."""
    nodes, weights = legendre.leggauss(steps)
    chosen = np.arange(1, steps, 2) if steps > 2 else np.array([0])
    moments = np.zeros(chosen.size)
    moments[0] = 2.0
    through = legendre.legvander(nodes[chosen], chosen.size - 1).T
    coarse = np.zeros(steps)
    coarse[chosen] = np.linalg.solve(through, moments)
    return Quadrature((nodes + 1) / 2, weights / 2, coarse / 2)


@quadratures.register("midpoint")
def _midpoint(steps: int) -> Quadrature:
    """The middles of equal cells; the coarser rule has every second of them, with the cells that lie nearest to it."""
    nodes = (np.arange(steps) + 0.5) / steps
    chosen = np.arange(1, steps, 2)
    walls = np.concatenate([[0.0], (nodes[chosen][1:] + nodes[chosen][:-1]) / 2, [1.0]])
    coarse = np.zeros(steps)
    coarse[chosen] = np.diff(walls)
    return Quadrature(nodes, np.full(steps, 1.0 / steps), coarse)

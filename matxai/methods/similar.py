"""The relevance of a similarity between two inputs: which parts of one and of the other make them alike (BiLRP)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from matxai.errors import LayerError, MethodError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor, nn

    from matxai.engine import Composite


@dataclass(frozen=True)
class Similar:
    """How alike a layer finds two inputs, and why.

    Attributes
    ----------
    score
        (B,), the dot product of the features of the two inputs.
    maps
        For each of the two inputs its part in the similarity, (B, C, *spatial): relevance that starts at each feature
        as the product of the two features. Where nothing is absorbed (no biases) each sums to the score.
    joint
        On request, which cell of one input goes with which cell of the other: (B, *grid, *grid); else ``None``.
    layer
        The layer that was compared.
    forwards, backwards
        The passes that were run, both inputs at once.
    notes
        What was decided for the user.
    """

    score: Tensor
    maps: tuple[Tensor, Tensor]
    joint: Tensor | None
    layer: str
    forwards: int
    backwards: int
    notes: tuple[str, ...]


def similarity(
    module: nn.Module,
    x1: Tensor,
    x2: Tensor,
    layer: str | int | None = None,
    *,
    composite: str | Composite = "epsilon_plus",
    pool: bool = True,
    joint: int | Sequence[int] | None = None,
    draws: int | None = None,
    seed: int = 0,
    device: Any = None,
    progress: Any = None,
    cancel: Any = None,
) -> Similar:
    """Explain why a layer finds two inputs alike: the relevance of the dot product of their features.

    Eberle et al., Building and Interpreting Deep Similarity Models, 2020 (arXiv:2003.05386), BiLRP: with the relevance
    R_i^m of feature m at pixel i, the pair of pixels (i, i') has R_ii' = sum_m R_i^m(x1) R_i'^m(x2). The maps need one
    backward for both inputs; the joint tensor one for each feature, or for each of ``draws`` random directions.

    Parameters
    ----------
    module
        Any module; it is afterwards as it was.
    x1, x2
        Two batches (B, C, *spatial) of one shape: the first sample of one is compared with the first of the other.
    layer
        A name as in ``module.named_modules()``, a negative index from the last convolution, or the default layer.
    composite
        Of LRP, by name or as an object.
    pool
        Compare the means of the feature maps over space; ``False``: the maps value by value.
    joint
        The number of cells along each spatial axis for the joint tensor.
    draws
        Estimate the joint tensor from so many random directions (signs of equal chance, Rademacher) in place of every
        feature: it is right on average, and its error falls with one over the root of ``draws``.
    seed
        Of the draws.
    device, progress, cancel
        As in :func:`matxai.attribute`.

    Raises
    ------
    MatxaiError
        In one sentence: for inputs whose shapes differ, a grid that does not fit, layers and operations.

    Examples
    --------
    >>> import torch
    >>> net = torch.nn.Sequential(torch.nn.Conv1d(1, 4, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(24, 2))
    >>> found = similarity(net, torch.rand(1, 1, 8), torch.rand(1, 1, 8), layer="1", joint=4)
    >>> found.joint.shape, found.forwards, found.backwards
    (torch.Size([1, 4, 4]), 1, 5)
    """
    import torch

    from matxai.engine import Backward, Needs, layers, merge, run, targets
    from matxai.engine import composite as named
    from matxai.engine.pairs import Direction, Paired, summed_in_cells

    if x1.shape != x2.shape or x1.ndim < 2:
        msg = (
            f"The two inputs of a similarity are {tuple(x1.shape)} and {tuple(x2.shape)}; they need one shape"
            " (B, C, *spatial)."
        )
        raise MethodError(msg)
    rule = named(composite) if isinstance(composite, str) else composite
    x = torch.cat([x1, x2])
    table = layers(module, x)
    name = table.resolve(layer)
    grid = _grid(joint, draws, tuple(x.shape[2:]))
    shape = next((row.shape for row in table if row.name == name.partition("@")[0]), ())
    if len(shape) < 2:
        raise LayerError(f"Layer '{name}' gives {shape}; a similarity needs features (B, K, *spatial).")
    directions = _directions(shape, pool, draws, seed) if grid else []
    seeds: list[Any] = [Paired(name, pool), *(Direction(name, pool, d) for d in directions)]
    got = run(
        module, x, merge([Needs(backwards=(Backward(rule, at_input=True),))], targets=len(seeds)),
        target=targets.each(*seeds), device=device, progress=progress, cancel=cancel,
        reduce=lambda number, r: r if number == 0 else summed_in_cells(r, grid),
    )  # fmt: skip
    whole, *cells = got.places["input"].relevances[rule]
    first, second = whole.to(x1.device).chunk(2)
    tensor = None
    if grid:
        one, two = torch.stack(cells).to(x1.device).flatten(2).chunk(2, 1)
        tensor = torch.einsum("mbi,mbj->bij", one, two).reshape(len(x1), *grid, *grid)
    score = got.scores[0][: len(x1)].to(x1.device)
    return Similar(score, (first, second), tensor, name, got.forwards, got.backwards, tuple(got.notes))


def _grid(joint: int | Sequence[int] | None, draws: int | None, size: tuple[int, ...]) -> tuple[int, ...]:
    """Return the cells along each spatial axis; empty where no joint tensor is asked for."""
    if joint is None:
        if draws is not None:
            raise MethodError("draws estimates the joint tensor, which was not asked for; give joint= as well.")
        return ()
    grid = (joint,) * len(size) if isinstance(joint, int) else tuple(joint)
    if len(grid) != len(size) or any(not 0 < g <= n for g, n in zip(grid, size, strict=True)):
        raise MethodError(f"joint={joint} is no grid over an input of {size}: give 1 to that many cells for each axis.")
    if draws is not None and draws < 1:
        raise MethodError(f"draws is {draws}; it is 1 or more.")
    return grid


def _directions(shape: tuple[int, ...], pool: bool, draws: int | None, seed: int) -> list[Tensor]:
    """Return every feature's axis, or random signs scaled such that their outer products average to the identity."""
    import torch

    size = shape[1] if pool else int(torch.Size(shape[1:]).numel())
    if draws is None:
        return list(torch.eye(size))
    signs = torch.randint(0, 2, (draws, size), generator=torch.Generator().manual_seed(seed)) * 2 - 1
    return list(signs.double() / draws**0.5)

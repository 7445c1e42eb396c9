"""The backwards of several targets as one: the same graph pulled back for all of them at once."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import torch

from matxai.engine import memory
from matxai.engine.inputs import FURTHER, of_input
from matxai.engine.inspection import known
from matxai.engine.plan import DECONVNET, GRADIENT, GUIDED, rule_name
from matxai.errors import LayerError, TargetError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from torch import Tensor

    from matxai.engine.captured import Captured
    from matxai.engine.passes import Run
    from matxai.engine.plan import Backward
    from matxai.engine.targets import Target
    from matxai.engine.values import Spot

_TOGETHER = (GRADIENT, GUIDED, DECONVNET)


def at_once(x: Tensor, targets: int) -> int:
    """Return for how many targets one backward runs: what memory takes, on a CPU no more samples than help there.

    On a CPU one backward for all is never slower (ResNet-50, one thread, five targets at its four stages: 0.85 of the
    time at 224, 0.67 at 64); on CUDA many small kernels become few.
    """
    most = memory.LARGEST.get(x.device.type, 64)
    return max(1, min(targets, most // max(len(x), 1)))


def pull_together(
    run: Run, captured: Captured, backward: Backward, scores: Sequence[Tensor], spots: dict[str, Spot]
) -> bool:
    """Run one backward for several targets at once where that can be done, and return whether it was.

    Relevance is not: its losses are booked target by target; nor are gradients of biases.
    """
    rule, seen, each = backward.rule, known(run.module), at_once(run.x, len(scores))
    if rule not in _TOGETHER or backward.at_biases or each < 2 or seen is None or seen.apart:
        return False
    names = read_by(backward, spots)
    edges = [edge_at(spots[n], n, fused=False) for n in names]
    run.switch.rule = rule
    began, done = time.monotonic(), run.done
    parts = []
    for i in range(0, len(scores), each):
        run.step(rule_name(rule))
        run.switch.together = True
        try:
            part = pulled_together(scores[i : i + each], edges)
        finally:
            run.switch.together = False
        if part is None:
            seen.apart, run.done = True, done
            return False
        parts.append((part, len(scores[i : i + each])))
        run.done = done + min(i + each, len(scores))
    for part, count in parts:
        got = {n for n, g in zip(names, part, strict=True) if g is not None}
        for name, g in zip(names, part, strict=True):
            if g is None and not (of_input(name) and any(map(of_input, got))):
                raise unreached(name)
            for j in range(count):
                captured.add(rule, name, spots[name].cell.tensor, None if g is None else g[j], None)
    captured.backwards += len(scores)
    captured.seconds[rule_name(rule)] = (time.monotonic() - began) / len(scores)
    return True


def pulled_together(scores: Sequence[Tensor], edges: Sequence[Any]) -> list[Tensor | None] | None:
    """Return the gradients (T, *shape) of T scores (B,) at each edge from one backward.

    ``None`` where an operation on the way cannot be pulled back for several at once (an autograd function of the
    model's own that asks for values): the caller runs one backward for each then. The graph is kept.
    """
    stacked = torch.stack(list(scores))
    count, batch = stacked.shape
    one_each = torch.eye(count, dtype=stacked.dtype, device=stacked.device)[:, :, None].expand(count, count, batch)
    there: list[bool] = []

    def pull(one: Tensor) -> tuple[Tensor, ...]:
        found = torch.autograd.grad(stacked, edges, one, retain_graph=True, allow_unused=True)
        there[:] = [g is not None for g in found]
        return tuple(g for g in found if g is not None)

    try:  # torch.func's vmap: that of is_grads_batched falls back to one by one for convolutions
        gradients = iter(torch.func.vmap(pull)(one_each))
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, ValueError):
        return None
    return [next(gradients) if is_there else None for is_there in there]


def read_by(backward: Backward, spots: dict[str, Spot]) -> list[str]:
    """Return where a backward is read."""
    return [n for n in spots if (backward.at_input if of_input(n) else backward.at_layers)]


def unreached(name: str) -> TargetError | LayerError:
    """Return the error to raise where the score does not depend on a place."""
    if of_input(name):
        which = "the input" if name == "input" else f"input {name.removeprefix(FURTHER)!r}"
        return TargetError(f"The score does not depend on {which}; choose a target that does.")
    return LayerError(
        f"The score does not depend on layer {name!r}: the forward does not use it for this target, or cuts the graph"
        f" behind it (no_grad, detach, NumPy); name a layer between the input and the score."
    )


def without_gradient(target: Target, layers: Iterable[str]) -> TargetError | LayerError:
    """Return the error to raise where a score has no graph behind it; ``layers``: where alone the graph begins."""
    behind = [name for name in layers if not of_input(name)]
    if behind:
        return unreached(behind[0])
    return TargetError(
        f"The score of {target.describe()} has no gradient: the forward cuts the graph (no_grad, detach, NumPy), the"
        f" score is a constant, or it comes before the layers that are read."
    )


def edge_at(spot: Spot, name: str, *, fused: bool) -> Any:
    """Return the edge at which a place is read; raise if the graph does not reach it."""
    edge = spot.fused_edge if fused and spot.fused_edge is not None else spot.edge
    if edge is None:
        raise LayerError(f"The graph does not reach {name!r}: the forward cuts it (no_grad, detach, NumPy).")
    return edge

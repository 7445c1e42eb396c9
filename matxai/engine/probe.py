"""Where a layer's cells lie when arithmetic cannot tell: gradients of a few of its cells with respect to the input."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor

from matxai.engine.capture import Capture
from matxai.engine.forgetting import cache_on_models
from matxai.engine.inspection import forward, same_randomness, signature
from matxai.engine.nodes import Switch
from matxai.engine.place import Place
from matxai.engine.state import untouched
from matxai.engine.values import Keep
from matxai.engine.wrapped import original
from matxai.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import MutableMapping, Sequence

    from torch import nn
    from torch.autograd.graph import GradientEdge

    from matxai.engine.values import Spot

log = logging.getLogger(__name__)

#: What was found, kept with the model for as long as its layers are the same objects: a place is the architecture's.
_found: MutableMapping[nn.Module, dict[tuple[object, ...], Place | None]] = cache_on_models()

#: Where along each axis cells are probed: in the middle, where no border cuts their receptive field.
FRACTIONS = (0.3, 0.4, 0.5, 0.6, 0.7)
#: Inputs of noise beside the given one: a single input shows only the paths that it opens.
NOISE = 3


def probed(module: nn.Module, x: Tensor, name: str, shape: Sequence[int]) -> tuple[Place | None, int, int]:
    """Return where the cells of a layer lie, from the centres of mass of their squared gradients at the input.

    The module is afterwards as it was, what its forward writes included. A module is asked once for each layer and
    shape of input.

    Parameters
    ----------
    module, x
        As explained: ``(B, C, *spatial)``; the first sample is used.
    name
        A module's name, or ``name@k`` for its k-th call.
    shape
        The layer's cells along each axis.

    Returns
    -------
    Place or None
        With the step of a stretched map and a fitted origin; its field is the probed one (two standard deviations to
        each side). ``None`` where the layer is no module's output, nothing reaches the input, or the model takes no
        batch of another size.
    int, int
        The forwards and backwards that it took: 0 where the answer was known.
    """
    module = original(module)
    known = _found.setdefault(module, {})
    key = (signature(module), tuple(x.shape[1:]), name, tuple(shape))
    if key in known:
        return known[key], 0, 0
    known[key] = _probe(module, x, name, shape)
    return known[key], 1, len(FRACTIONS)


def _probe(module: nn.Module, x: Tensor, name: str, shape: Sequence[int]) -> Place | None:
    x = x[:1].detach()
    noise = torch.randn(NOISE, *x.shape[1:], generator=torch.Generator().manual_seed(0)).to(x)
    spread = x.std().nan_to_num() if x.numel() > 1 else x.new_ones(())
    inputs = torch.cat([x, x + noise * torch.where(spread > 0, spread, torch.ones_like(spread))])
    found: list[tuple[tuple[int, ...], Tensor]] = []
    with torch.inference_mode(mode=False), torch.enable_grad(), untouched(module), same_randomness(x.device):
        cells, edge = _layer_output(module, inputs, name)
        if cells is None or tuple(cells.shape[2:]) != tuple(shape):
            return None
        for fraction in FRACTIONS:
            cell = tuple(min(int(fraction * n), n - 1) for n in shape)
            place: tuple[Any, ...] = (slice(None), slice(None), *cell)
            score = cells[place].sum()
            (gradient,) = torch.autograd.grad(score, [edge], retain_graph=True, allow_unused=True)
            if gradient is not None and bool(gradient.any()):
                found.append((cell, gradient.detach().double().square().sum(dim=(0, 1))))
    if not found:
        return None
    size = tuple(x.shape[2:])
    step = tuple(n / m for n, m in zip(size, shape, strict=True))
    origin, field = [], []
    for axis in range(len(size)):
        moments = [_moments(weight, axis) for _, weight in found]
        offsets = sorted(m[0] - cell[axis] * step[axis] for (cell, _), m in zip(found, moments, strict=True))
        origin.append(offsets[len(offsets) // 2])
        field.append(1 + 4 * max(m[1] for m in moments))
    return Place(tuple(origin), step, tuple(shape), tuple(field), source="probe")


def _moments(weight: Tensor, axis: int) -> tuple[float, float]:
    """Return mean and standard deviation of the position along one axis."""
    line = weight.sum(dim=[d for d in range(weight.ndim) if d != axis]) if weight.ndim > 1 else weight
    at = torch.arange(len(line), dtype=line.dtype, device=line.device)
    mean = float((line * at).sum() / line.sum())
    return mean, float(((line * (at - mean) ** 2).sum() / line.sum()).clamp(min=0).sqrt())


def _layer_output(module: nn.Module, inputs: Tensor, name: str) -> tuple[Tensor | None, GradientEdge]:
    """Return one layer's output with its graph (the last call's, or the k-th for ``name@k``), and the input's place."""
    capture = Capture(module, Keep(graph=True, at_input=True, exact=True), Switch())
    capture.shielded = True  # one pass has to do, whatever the model overwrites
    plain, _, call = name.partition("@")
    outputs: list[Tensor] = []

    def keep(found: str, _call: int, _type: str, output: Any) -> None:
        if found == plain and isinstance(output, Tensor):
            outputs.append(output.clone())  # an in-place operation may follow

    try:
        forward(module, inputs, capture, keep, None)
    except ModelError as error:
        log.debug("the probe's batch of %d is not taken by the model: %s", len(inputs), error)
        outputs.clear()
    edge = cast("Spot", capture.input).edge
    index = int(call) - 1 if call.isdigit() else -1
    found = outputs[index] if -1 <= index < len(outputs) and outputs else None
    return found if found is not None and found.requires_grad else None, cast("GradientEdge", edge)

"""Where a layer's cells lie when arithmetic cannot tell: gradients of a few of its cells with respect to the input."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from matxai.engine.forgetting import cache_on_models
from matxai.engine.inspection import signature
from matxai.engine.place import Place

if TYPE_CHECKING:
    from collections.abc import MutableMapping, Sequence

    from torch import Tensor, nn

log = logging.getLogger(__name__)

#: What was found, kept with the model for as long as its layers are the same objects: a place is the architecture's.
_found: MutableMapping[nn.Module, dict[tuple[object, ...], Place | None]] = cache_on_models()

#: Where along each axis cells are probed: in the middle, where no border cuts their receptive field.
FRACTIONS = (0.3, 0.4, 0.5, 0.6, 0.7)
#: Inputs of noise beside the given one: a single input shows only the paths that it opens.
NOISE = 3


def probed(module: nn.Module, x: Tensor, name: str, shape: Sequence[int]) -> tuple[Place | None, int, int]:
    """Return where the cells of a layer lie, from the centres of mass of their squared gradients at the input.

    The module is afterwards as it was. A module is asked once for each layer and shape of input.

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
    known = _found.setdefault(module, {})
    key = (signature(module), tuple(x.shape[1:]), name, tuple(shape))
    if key in known:
        return known[key], 0, 0
    known[key] = _probe(module, x, name, shape)
    return known[key], 1, len(FRACTIONS)


def _probe(module: nn.Module, x: Tensor, name: str, shape: Sequence[int]) -> Place | None:
    import torch

    x = x[:1].detach()
    noise = torch.randn(NOISE, *x.shape[1:], generator=torch.Generator().manual_seed(0)).to(x)
    spread = x.std().nan_to_num() if x.numel() > 1 else x.new_ones(())
    inputs = torch.cat([x, x + noise * torch.where(spread > 0, spread, torch.ones_like(spread))]).requires_grad_()
    with torch.enable_grad():
        cells = _layer_output(module, inputs, name)
        if cells is None or tuple(cells.shape[2:]) != tuple(shape):
            return None
        found: list[tuple[tuple[int, ...], Tensor]] = []
        for fraction in FRACTIONS:
            cell = tuple(min(int(fraction * n), n - 1) for n in shape)
            place: tuple[Any, ...] = (slice(None), slice(None), *cell)
            score = cells[place].sum()
            (gradient,) = torch.autograd.grad(score, inputs, retain_graph=True, allow_unused=True)
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
    import torch

    line = weight.sum(dim=[d for d in range(weight.ndim) if d != axis]) if weight.ndim > 1 else weight
    at = torch.arange(len(line), dtype=line.dtype, device=line.device)
    mean = float((line * at).sum() / line.sum())
    return mean, float(((line * (at - mean) ** 2).sum() / line.sum()).clamp(min=0).sqrt())


def _layer_output(module: nn.Module, inputs: Tensor, name: str) -> Tensor | None:
    """Return one layer's output with its graph: the last call's, or the k-th for ``name@k``."""
    import torch

    plain, _, call = name.partition("@")
    parts = dict(module.named_modules())
    if plain not in parts:
        return None
    outputs: list[Tensor] = []

    def keep(_module: nn.Module, _args: Any, output: Any) -> None:
        if isinstance(output, torch.Tensor):
            outputs.append(output.clone())  # an in-place operation may follow

    modes = {part: part.training for part in module.modules()}
    handle = parts[plain].register_forward_hook(keep)
    try:
        for part in modes:
            part.training = False
        module(inputs)
    except Exception as error:  # noqa: BLE001 - the model's own code, which took the explained batch before
        log.debug("the probe's batch of %d is not taken by the model: %s", len(inputs), error)
        return None
    finally:
        handle.remove()
        for part, mode in modes.items():
            part.training = mode
    index = int(call) - 1 if call.isdigit() else -1
    return outputs[index] if -1 <= index < len(outputs) and outputs else None

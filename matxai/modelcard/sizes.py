"""How many classes and channels a network has, read from its weights and from one forward pass.

The architecture is built without memory (on PyTorch's ``meta`` device) for several numbers of classes and channels; the
dimensions that follow them show where in the weights the true numbers stand. No layer names are guessed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any

from matxai.errors import MatxaiError

if TYPE_CHECKING:
    import torch
    from torch import nn

log = logging.getLogger(__name__)

_PROBES = {"classes": (7, 11), "channels": (5, 8)}


def infer_sizes(
    build: Callable[..., nn.Module],
    named: Callable[[Collection[str]], Mapping[str, torch.Tensor]],
    kind: str,
    *,
    classes: int | None,
    channels: int | None,
) -> tuple[int | None, int | None]:
    """Return the numbers of classes and channels that make the architecture fit the weights.

    Parameters
    ----------
    build
        The architecture's factory, called with ``classes``, ``channels`` and ``kind``.
    named
        Given the architecture's own keys, the weights under these names.
    kind
        ``1d``, ``2d`` or ``3d``.
    classes, channels
        What is known already, for architectures that leave no trace of it in their weights.

    Returns
    -------
    tuple
        Each is ``None`` where neither the weights nor the caller tell.
    """
    found: dict[str, int | None] = {"classes": classes, "channels": channels}
    base = {"classes": _PROBES["classes"][0], "channels": channels or 3}
    for what in ("channels", "classes"):
        low, high = _PROBES[what]
        first = _shapes(build, {**base, what: low}, kind)
        second = _shapes(build, {**base, what: high}, kind)
        number = _follow(first, second, named(first), low, high)
        found[what] = number if number is not None else found[what]
        if what == "channels" and number is not None:
            base["channels"] = number
    return found["classes"], found["channels"]


def _shapes(build: Callable[..., nn.Module], numbers: Mapping[str, int], kind: str) -> dict[str, tuple[int, ...]]:
    import torch

    try:
        with torch.device("meta"):
            module = build(**numbers, kind=kind)
    except (MatxaiError, RuntimeError, NotImplementedError) as problem:
        log.debug("the architecture cannot be built for %s: %s", numbers, problem)
        return {}
    return {key: tuple(value.shape) for key, value in module.state_dict().items()}


def _follow(
    first: Mapping[str, tuple[int, ...]],
    second: Mapping[str, tuple[int, ...]],
    tensors: Mapping[str, torch.Tensor],
    low: int,
    high: int,
) -> int | None:
    """Return the number on which all dimensions agree that follow it: d = slope * number + offset."""
    votes: list[int] = []
    for key, shape in first.items():
        other, actual = second.get(key), tensors.get(key)
        if other is None or actual is None or len(other) != len(shape) or actual.ndim != len(shape):
            continue
        for small, large, here in zip(shape, other, actual.shape, strict=True):
            slope, rest = divmod(large - small, high - low)
            if slope <= 0 or rest:
                continue
            number, remainder = divmod(here - (small - slope * low), slope)
            if number >= 1 and not remainder:
                votes.append(number)
    return max(set(votes), key=votes.count) if votes else None


def probe_channels(module: nn.Module, kind: str, size: list[int] | None) -> int | None:
    """Return the input channels of a network: those of the convolution that sees the input.

    The order in which a module holds its layers tells nothing, so each number of channels that one of them takes is
    tried with zeros; ``None`` where none of them runs.
    """
    from torch.nn.modules.conv import _ConvNd

    axes = int(kind[0])
    numbers = dict.fromkeys(
        m.in_channels for m in module.modules() if isinstance(m, _ConvNd) and len(m.kernel_size) == axes
    )
    return next((n for n in list(numbers)[:12] if probe_output(module, kind, n, size) != (None, None)), None)


def probe_output(
    module: nn.Module, kind: str, channels: int, size: list[int] | None, batch: int = 1
) -> tuple[str | None, int | None]:
    """Return task and number of outputs as one forward pass on zeros shows them, ``None`` for what it does not show.

    ``(B, K)`` is taken as classification, ``(B, K, *spatial)`` as segmentation (also as ``out`` or ``logits`` of a
    dictionary), a list of dictionaries as detection.
    """
    import torch

    axes = int(kind[0])
    reference = next(module.parameters(), None)
    dtype = reference.dtype if reference is not None and reference.dtype.is_floating_point else torch.float32
    device = reference.device if reference is not None else torch.device("cpu")
    for spatial in [size] if size else [[n] * axes for n in (64, 224)[: 2 if axes < 3 else 1]]:
        try:
            with torch.no_grad():
                output = module(torch.zeros(batch, channels, *spatial, dtype=dtype, device=device))
        except Exception as problem:  # noqa: BLE001 - anybody's module may raise anything; then nothing is known
            log.debug("no output for zeros of size %s: %s", spatial, problem)
            continue
        return _read_output(output, axes)
    return None, None


def _read_output(output: Any, axes: int) -> tuple[str | None, int | None]:
    import torch

    if isinstance(output, list | tuple) and output and isinstance(output[0], Mapping) and "boxes" in output[0]:
        return "detection", None
    if isinstance(output, Mapping):
        output = output.get("out", output.get("logits", next(iter(output.values()), None)))
    if isinstance(output, list | tuple) and output:
        output = output[0]
    if not isinstance(output, torch.Tensor):
        return None, None
    if output.ndim == axes + 2:
        return "segmentation", int(output.shape[1])
    if output.ndim == 2:
        return "classification", int(output.shape[1])
    return ("classification", 1) if output.ndim == 1 else (None, None)

"""Modules around modules: compiled ones, data-parallel ones, and blocks that recompute themselves; run as written.

What is explained is the user's own network. A wrapper that decides how it runs (``torch.compile``, ``nn.DataParallel``,
``DistributedDataParallel``) is stepped over, since behind it no operation could be seen.
"""

from __future__ import annotations

import inspect
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.checkpoint import CheckpointFunction, checkpoint

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

COMPILED = "the model is compiled: it is explained through its original"
_RECOMPUTED = CheckpointFunction.forward.__code__
_CHECKPOINT = inspect.unwrap(checkpoint).__code__
_top_hooks = getattr(torch._C._autograd, "_top_saved_tensors_default_hooks", None)


def original(module: nn.Module) -> nn.Module:
    """Return the module that ``torch.compile`` was given; every other module is itself."""
    found = getattr(module, "_orig_mod", None)
    return found if isinstance(found, nn.Module) else module


def inner(module: nn.Module) -> nn.Module:
    """Return the module that a data-parallel wrapper copies to its devices; every other module is itself."""
    return module.module if isinstance(module, nn.DataParallel | DistributedDataParallel) else module


@contextmanager
def as_written(module: nn.Module) -> Iterator[list[str]]:
    """Let the compiled parts of a module run their original code, and say what was decided.

    Attributes of the parts are rebound for as long as the context lasts.
    """
    notes: list[str] = []
    before: list[tuple[dict[str, Any], str, Any]] = []
    for part in module.modules():
        if isinstance(part, torch.jit.ScriptModule):
            continue
        held = part.__dict__
        if held.get("_compiled_call_impl") is not None:  # module.compile()
            before.append((held, "_compiled_call_impl", held["_compiled_call_impl"]))
            held["_compiled_call_impl"] = None
        behind = original(part)
        if behind is not part:
            before.append((held, "forward", held.get("forward")))
            held["forward"] = behind
    if before:
        notes.append(COMPILED)
    devices = getattr(module, "device_ids", None)
    if inner(module) is not module and devices is not None and len(devices) > 1:
        notes.append(f"the model is spread over {len(devices)} devices: it is explained on one of them")
    try:
        yield notes
    finally:
        for held, name, value in before:
            if value is None:  # the class has it
                held.pop(name, None)
            else:
                held[name] = value


def in_recomputed_block() -> bool:
    """Whether the code that runs now is in a block of ``torch.utils.checkpoint`` with ``use_reentrant=True``.

    Such a block runs without a graph and makes it in the backward, which allows no backward to chosen tensors.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_code is _RECOMPUTED:
            return True
        frame = frame.f_back
    return False


def saving_is_hooked() -> bool:
    """Whether what operations save goes elsewhere, as in a block of ``torch.utils.checkpoint``, not reentrant.

    Such a block finds what it recomputes by its number. Under capture, where constants have no graph and the graph may
    begin inside, other tensors are saved than in the recomputation: those taken in their place may fit and be wrong.
    """
    if _top_hooks is not None:
        return _top_hooks(True) is not None
    frame: FrameType | None = sys._getframe(1)  # before PyTorch 2.8
    while frame is not None:
        if frame.f_code is _CHECKPOINT:
            return True
        frame = frame.f_back
    return False


def is_recomputed(node: Any) -> bool:
    """Whether a node of the graph is the end of such a block."""
    return node is not None and type(node).__name__ == "CheckpointFunctionBackward"

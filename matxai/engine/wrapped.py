"""Modules around modules: compiled ones, data-parallel ones, and blocks that recompute themselves; run as written.

What is explained is the user's own network. A wrapper that decides how it runs (``torch.compile``, ``nn.DataParallel``,
``DistributedDataParallel``) is stepped over, since behind it no operation could be seen.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.checkpoint import CheckpointFunction

if TYPE_CHECKING:
    from types import FrameType

COMPILED = "the model is compiled: it is explained through its original"
_RECOMPUTED = CheckpointFunction.forward.__code__


def original(module: nn.Module) -> nn.Module:
    """Return the module that ``torch.compile`` was given; every other module is itself."""
    found = getattr(module, "_orig_mod", None)
    return found if isinstance(found, nn.Module) else module


def inner(module: nn.Module) -> nn.Module:
    """Return the module that a data-parallel wrapper copies to its devices; every other module is itself."""
    return module.module if isinstance(module, nn.DataParallel | DistributedDataParallel) else module


def run_as_written(module: nn.Module) -> list[str]:
    """Let the compiled parts of a module run their original code, and say what was decided.

    Rebinds attributes of the parts: for use inside :func:`matxai.engine.state.untouched`, which puts them back.
    """
    notes: list[str] = []
    compiled = False
    for part in module.modules():
        if isinstance(part, torch.jit.ScriptModule):
            continue
        if part.__dict__.get("_compiled_call_impl") is not None:  # module.compile()
            part.__dict__["_compiled_call_impl"] = None
            compiled = True
        behind = original(part)
        if behind is not part:
            part.__dict__["forward"] = behind
            compiled = True
    if compiled:
        notes.append(COMPILED)
    devices = getattr(module, "device_ids", None)
    if inner(module) is not module and devices is not None and len(devices) > 1:
        notes.append(f"the model is spread over {len(devices)} devices: it is explained on one of them")
    return notes


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


def is_recomputed(node: Any) -> bool:
    """Whether a node of the graph is the end of such a block."""
    return node is not None and type(node).__name__ == "CheckpointFunctionBackward"

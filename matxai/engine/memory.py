"""How much memory is free, and how many copies of a sample fit into it."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

import psutil
import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matxai.engine.trace import Trace

SHARE = 0.4
"""Of the free memory, what one chunk may take."""
LARGEST = {"cpu": 32}
"""Samples in one chunk at most, by the kind of device: on a CPU more bring nothing."""

_most: ContextVar[int | None] = ContextVar("matxai_memory", default=None)


@contextmanager
def capped(most: int | None) -> Iterator[None]:
    """Plan as if no more than so many bytes were free; None changes nothing.

    It bounds what is planned: how many perturbed copies run at once, and which packed weights are kept. A single pass
    takes what it takes.
    """
    before = _most.set(most if most is not None else _most.get())
    try:
        yield
    finally:
        _most.reset(before)


def free_bytes(device: torch.device) -> int:
    """Return the bytes that may be taken on a device now; what PyTorch holds in reserve counts as free."""
    most = _most.get()
    return _free(device) if most is None else min(most, _free(device))


def _free(device: torch.device) -> int:
    if device.type == "cuda":
        reserve = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0] + reserve)
    return int(psutil.virtual_memory().available)


def free_bytes_here() -> int:
    """Return the bytes of main memory that could be taken now."""
    return free_bytes(torch.device("cpu"))


def bytes_of(trace: Trace, itemsize: int, *, graph: bool) -> int:
    """Return about how many bytes a forward takes at once: all its values with a graph, else the four largest."""
    sizes = [torch.Size(shape).numel() * itemsize for op in trace for shape in op.output_shapes]
    return sum(sizes) if graph else sum(sorted(sizes)[-4:])


def fitting(device: torch.device, bytes_each: int) -> int:
    """Return how many runs of ``bytes_each`` bytes fit into a chunk; at least one."""
    return max(1, int(SHARE * free_bytes(device)) // max(bytes_each, 1))


def exhausted(error: BaseException | None) -> bool:
    """Whether an error, or the one that it came from, says that memory did not suffice."""
    if error is None:
        return False
    words = isinstance(error, RuntimeError) and "can't allocate memory" in str(error)  # a CPU's allocator
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or words or exhausted(error.__cause__)

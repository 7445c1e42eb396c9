"""Beside what matxai is measured: a table of libraries and works, filled by the modules that are named for a library.

A peer is prepared once (objects made, composites registered, on a module of its own) and then called; what it prepares
is not measured. A library is optional: it is imported when one of its works is prepared.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from subjects import Subject
from torch import Tensor, nn

Call = Callable[[Tensor], Any]
Prepare = Callable[[nn.Module, Subject], Call]
LIBRARIES = ("captum", "zennit", "grad-cam", "autolrp")
BARE = "bare PyTorch"
TARGETS = 4


@dataclass(frozen=True)
class Peer:
    """One way to do a work that is not ours."""

    library: str
    work: str
    prepare: Prepare


PEERS: list[Peer] = []


def peer(library: str, *works: str) -> Callable[[Prepare], Prepare]:
    """Register a function as a library's way to do these works."""

    def put(prepare: Prepare) -> Prepare:
        PEERS.extend(Peer(library, work, prepare) for work in works)
        return prepare

    return put


def peers_of(work: str) -> list[Peer]:
    """Return who can do a work."""
    return [p for p in PEERS if p.work == work]


def leave_out(which: Iterable[str]) -> None:
    """Take ``library/work`` out of the table.

    Raises
    ------
    ValueError
        If there is no such peer.
    """
    for one in which:
        library, _, work = one.partition("/")
        found = [p for p in PEERS if (p.library, p.work) == (library, work)]
        if not found:
            known = ", ".join(f"{p.library}/{p.work}" for p in PEERS if p.work == work or p.library == library)
            raise ValueError(f"no peer is called {one!r}; there are {known or 'none like it'}")
        PEERS.remove(found[0])


def versions() -> dict[str, str]:
    """Return the version of each library, or why it is absent."""
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = f"absent: pip install {name}"
    return found


def seeds(out: Tensor, target: int) -> Tensor:
    """Return the score itself as the start of relevance: one class's column, zero elsewhere."""
    start = torch.zeros_like(out)
    start[:, target] = out[:, target].detach()
    return start


def layers_of(module: nn.Module, names: Iterable[str]) -> list[nn.Module]:
    """Return the modules of these names."""
    return [module.get_submodule(n) for n in names]

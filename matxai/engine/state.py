"""The promise that the user's module is after a call what it was before: modes, attributes, one call at a time."""

from __future__ import annotations

import operator
import threading
import weakref
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from matxai.engine.inputs import user_module
from matxai.engine.wrapped import run_as_written

if TYPE_CHECKING:
    from collections.abc import Iterator

_guard = threading.Lock()
_locks: weakref.WeakKeyDictionary[nn.Module, threading.RLock] = weakref.WeakKeyDictionary()
_CONTENTS = ("_parameters", "_buffers", "_modules")


@contextmanager
def untouched(module: nn.Module) -> Iterator[list[str]]:
    """Hold a module in evaluation mode and out of compiled code, and put back every attribute that its forward rebinds.

    What was decided about wrappers comes as sentences.

    Calls on the same module wait for each other: its modes and hooks belong to all of them. Values that a forward
    writes into parameters and buffers are put back by the capture, which sees the writes.
    """
    with locked(user_module(module)):
        before = [(m, _snapshot(m)) for m in module.modules()]
        try:
            for m, _ in before:
                if isinstance(m, torch.jit.ScriptModule):
                    m.train(mode=False)
                else:
                    m.training = False
            yield run_as_written(module)
        finally:
            for m, snapshot in before:
                _put_back(m, snapshot)


@contextmanager
def locked(module: nn.Module) -> Iterator[None]:
    """Keep other threads from this module, and from what is remembered of it."""
    with _guard:
        lock = _locks.setdefault(module, threading.RLock())
    with lock:
        yield


def _snapshot(module: nn.Module) -> tuple[bool, dict[str, Any], dict[str, dict[str, Any]]]:
    if isinstance(module, torch.jit.ScriptModule):
        return module.training, {}, {}
    return module.training, dict(module.__dict__), {k: dict(module.__dict__[k]) for k in _CONTENTS}


def _same(now: dict[str, Any], before: dict[str, Any]) -> bool:
    """Whether two dictionaries hold the same objects in the same order; asked of every layer at every call."""
    return (
        len(now) == len(before)
        and all(map(operator.is_, now.values(), before.values()))
        and all(map(operator.eq, now, before))
    )


def _put_back(module: nn.Module, snapshot: tuple[bool, dict[str, Any], dict[str, dict[str, Any]]]) -> None:
    training, attributes, contents = snapshot
    if isinstance(module, torch.jit.ScriptModule):
        module.train(training)
        return
    held = module.__dict__
    if _same(held, attributes) and all(_same(held[name], members) for name, members in contents.items()):
        return
    for name in [n for n in held if n not in attributes]:
        del held[name]
    for name, value in attributes.items():
        if held.get(name, held) is not value:
            held[name] = value
    for name, members in contents.items():
        now = held[name]
        if now.keys() != members.keys() or any(now[k] is not v for k, v in members.items()):
            now.clear()
            now.update(members)

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
from matxai.engine.wrapped import as_written

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_released = threading.Condition()
_holders: list[tuple[int, frozenset[int]]] = []  # (thread, the ids of the layers that it works on)
_held: weakref.WeakKeyDictionary[nn.Module, _Held] = weakref.WeakKeyDictionary()
_CONTENTS = ("_parameters", "_buffers", "_modules")


@contextmanager
def untouched(module: nn.Module) -> Iterator[list[str]]:
    """Hold a module in evaluation mode and out of compiled code, and put back every attribute that its forward rebinds.

    What was decided about wrappers comes as sentences.

    Calls on modules that share a layer wait for each other: its modes and hooks belong to all of them. Values that a
    forward writes into parameters and buffers are put back by the capture, which sees the writes.
    """
    owner = user_module(module)
    with locked(owner):
        parts, outer = list(module.modules()), _held.get(owner)
        modes = [(m, m.training) for m in parts]
        try:
            for m in parts:
                _set_mode(m, training=False)
            with as_written(module) as decided:
                held = _held[owner] = _Held(parts)
                try:
                    yield decided
                finally:
                    held.put_back()
        finally:
            _held.pop(owner, None)
            if outer is not None:
                _held[owner] = outer
            for m, training in modes:
                _set_mode(m, training=training)


def begin_forward(module: nn.Module) -> None:
    """Put back what earlier forwards under the same :func:`untouched` rebound: each begins with the same attributes."""
    held = _held.get(user_module(module))
    if held is not None:
        held.begin()


@contextmanager
def locked(module: nn.Module) -> Iterator[None]:
    """Keep other threads from this module's layers, and from what is remembered of it.

    All layers are taken at once, so that calls on modules that share some wait for each other whatever the order.
    """
    mine = threading.get_ident(), frozenset(map(id, module.modules()))
    with _released:
        while any(thread != mine[0] and not mine[1].isdisjoint(layers) for thread, layers in _holders):
            _released.wait()
        _holders.append(mine)
    try:
        yield
    finally:
        with _released:
            _holders.remove(mine)
            _released.notify_all()


class _Held:
    """The attributes of a module's parts as every forward finds them."""

    def __init__(self, parts: Sequence[nn.Module]) -> None:
        self._before = [(m, _snapshot(m)) for m in parts if not isinstance(m, torch.jit.ScriptModule)]
        self._used = False

    def begin(self) -> None:
        """Note that a forward begins; the first of a call, which is the only one as a rule, needs no look."""
        if self._used:
            self.put_back()
        self._used = True

    def put_back(self) -> None:
        for m, snapshot in self._before:
            _put_back(m, snapshot)


def _set_mode(module: nn.Module, *, training: bool) -> None:
    """Set the mode of one module alone."""
    if isinstance(module, torch.jit.ScriptModule):
        module.train(mode=training)
    else:
        module.training = training


def _snapshot(module: nn.Module) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    return dict(module.__dict__), {k: dict(module.__dict__[k]) for k in _CONTENTS}


def _same(now: dict[str, Any], before: dict[str, Any]) -> bool:
    """Whether two dictionaries hold the same objects in the same order; asked of every layer at every call."""
    return (
        len(now) == len(before)
        and all(map(operator.is_, now.values(), before.values()))
        and all(map(operator.eq, now, before))
    )


def _put_back(module: nn.Module, snapshot: tuple[dict[str, Any], dict[str, dict[str, Any]]]) -> None:
    attributes, contents = snapshot
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

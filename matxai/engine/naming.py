"""Which layer is running: names for the trace and outputs of layers, from hooks or from an exported graph's nodes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

import torch
from torch import nn

from matxai.engine.inputs import WithInputs
from matxai.engine.wrapped import inner
from matxai.errors import ModelError

OnOutput: TypeAlias = Callable[[str, int, str, Any], Any]
"""Called with a layer's name, which call of it this was (from 1), its type, and its output.

What it returns takes the output's place, unless it is ``None``.
"""


class Naming:
    """Runs a module, knows at every moment which layer is running, and reports every layer's output.

    Ordinary modules are followed by hooks, which are gone when :meth:`call` returns, whatever happened. The graph of a
    ``torch.export`` program has no sub-modules to hook: its nodes remember the layers that they came from. With
    ``only``, ordinary modules other than these (names, ``name@call``) are not followed: a hook costs as much as a small
    operation.
    """

    def __init__(
        self,
        module: nn.Module,
        on_output: OnOutput,
        on_enter: Callable[[], None] | None = None,
        only: frozenset[str] | None = None,
    ) -> None:
        self._module = module
        self._only = only
        self._on_output = on_output
        self._on_enter = on_enter
        self._stack: list[str] = [""]
        self._calls: dict[str, int] = {}
        self._thread = threading.get_ident()

    @property
    def current(self) -> str:
        """The innermost layer that is running; empty for the module itself."""
        return self._stack[-1]

    def call(self, *inputs: Any) -> Any:
        """Run the module."""
        if isinstance(self._module, WithInputs) and is_exported(self._module.behind):
            raise ModelError("A torch.export program is explained with one input; give its module with several.")
        if isinstance(self._module, torch.fx.GraphModule) and is_exported(self._module):
            return _Exported(self._module, self).run(*inputs)
        with self._hooks():
            return inner(self._module)(*inputs)

    def enter(self, name: str) -> None:
        """Note that a layer has begun."""
        if self._on_enter is not None:
            self._on_enter()
        self._stack.append(name)

    def leave(self, name: str, type_: str, output: Any) -> Any:
        """Note that a layer has ended, report its output, and return what takes its place, if anything."""
        while len(self._stack) > 1 and self._stack.pop() != name:
            pass
        self._calls[name] = self._calls.get(name, 0) + 1
        return self._on_output(name, self._calls[name], type_, output)

    @contextmanager
    def _hooks(self) -> Iterator[None]:
        handles = []
        try:
            layers = self._module.named_modules() if self._only is None else self._followed(self._only)
            for name, layer in layers:
                if not name or isinstance(layer, torch.jit.ScriptModule):
                    continue
                handles.append(layer.register_forward_pre_hook(self._before(name)))
                handles.append(layer.register_forward_hook(self._after(name)))
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _followed(self, names: frozenset[str]) -> Iterator[tuple[str, nn.Module]]:
        bases = dict.fromkeys(name.partition("@")[0] for name in sorted(names))
        return ((name, self._module.get_submodule(name)) for name in bases)

    def _before(self, name: str) -> Callable[[nn.Module, Any], None]:
        def hook(_layer: nn.Module, _args: Any) -> None:
            if threading.get_ident() == self._thread:
                self.enter(name)

        return hook

    def _after(self, name: str) -> Callable[[nn.Module, Any, Any], Any]:
        def hook(layer: nn.Module, _args: Any, output: Any) -> Any:
            if threading.get_ident() == self._thread:
                return self.leave(name, type(layer).__name__, output)
            return None

        return hook


def is_exported(module: nn.Module) -> bool:
    """Whether the module is the flat graph of a ``torch.export`` program."""
    if not isinstance(module, torch.fx.GraphModule):
        return False
    return any("nn_module_stack" in n.meta for n in module.graph.nodes if n.op == "call_function")


def layer_names(module: nn.Module) -> dict[str, str]:
    """Return every name that a layer goes by, with the name that stands for it (shared layers have several)."""
    if isinstance(module, torch.fx.GraphModule) and is_exported(module):
        paths = (path for n in module.graph.nodes for _, path, _ in _layers_of(n))
        return {p: p for p in paths if p}
    primary = {id(m): name for name, m in module.named_modules()}
    return {name: primary[id(m)] for name, m in module.named_modules(remove_duplicate=False) if name}


def _layers_of(node: torch.fx.Node) -> list[tuple[str, str, str]]:
    """Return (key, name, type) of the layers around a node, outermost first."""
    stack: dict[str, Any] = node.meta.get("nn_module_stack") or {}
    return [
        (key, str(path), str(getattr(type_, "__name__", type_)).rsplit(".", 1)[-1])
        for key, (path, type_) in stack.items()
        if path
    ]


class _Exported(torch.fx.Interpreter):
    """Runs an exported graph node by node and tells the naming where it is."""

    def __init__(self, module: torch.fx.GraphModule, naming: Naming) -> None:
        super().__init__(module)
        self._naming = naming
        nodes = [n for n in module.graph.nodes if n.op == "call_function" and n.meta.get("nn_module_stack")]
        self._next: dict[torch.fx.Node, torch.fx.Node | None] = dict(
            zip(nodes, [*nodes[1:], None], strict=True)  # what follows decides which layers end
        )
        self._open: list[tuple[str, str, str]] = []

    def run_node(self, n: torch.fx.Node) -> Any:
        """Run one node between the beginnings and ends of its layers."""
        if n not in self._next:
            return super().run_node(n)
        layers = _layers_of(n)
        for layer in layers[_shared(self._open, layers) :]:
            self._naming.enter(layer[1])
        self._open = layers
        result = super().run_node(n)
        following = self._next[n]
        ahead = _layers_of(following) if following is not None else []
        for _, name, type_ in reversed(layers[_shared(layers, ahead) :]):
            instead = self._naming.leave(name, type_, result)
            result = result if instead is None else instead
        self._open = layers[: _shared(layers, ahead)]
        return result


def _shared(a: Sequence[object], b: Sequence[object]) -> int:
    """Return how many entries two stacks have in common from the outside."""
    count = 0
    for x, y in zip(a, b, strict=False):
        if x != y:
            break
        count += 1
    return count

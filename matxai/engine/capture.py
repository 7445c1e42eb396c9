"""The capture: sees every tensor function of a forward, writes the trace, and puts stand-ins into the graph.

A :class:`Capture` is a ``TorchFunctionMode``: it sees modules, functional code, in-place expressions and statements and
exported graphs alike. Forward values are always computed by the function that the model called, so the model's output
is its own; what changes is what the graph keeps and how it is pulled back. Which stand-in an operation gets is in
:mod:`matxai.engine.standins`.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from matxai.engine.batches import Batches
from matxai.engine.biases import tapped
from matxai.engine.constants import is_constant, marked
from matxai.engine.differences import difference
from matxai.engine.edges import edge_of
from matxai.engine.facts import SOFTMAXES
from matxai.engine.inputs import FURTHER
from matxai.engine.nested import tensors_in
from matxai.engine.nodes import Root, Store, Switch
from matxai.engine.operations import LINEAR_KINDS, TABLE, Passage, Row, unlisted
from matxai.engine.output import before_activation, tail_behind
from matxai.engine.signs import stays_nonnegative
from matxai.engine.standins import STAND_INS, WRITTEN_OUT, Call
from matxai.engine.standins.call import put
from matxai.engine.standins.linear import TapNode
from matxai.engine.standins.unknown import metered
from matxai.engine.trace import INPUT, Operation, Trace
from matxai.engine.values import Keep, Spot, Value
from matxai.engine.wrapped import in_recomputed_block, is_recomputed, saving_is_hooked
from matxai.engine.writes import Writes, target_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from matxai.engine.folds import Norm
    from matxai.engine.naming import Naming
    from matxai.engine.prepared import Noted, Passing, Ready
    from matxai.engine.standins.linear import LinearNode
    from matxai.engine.values import Tail

_MARK = "_matxai_value"
_PLAIN = frozenset({int, float, bool, str, type(None)})


class Capture(TorchFunctionMode):
    """Records one forward; see the module's docstring. Made for one run and used once.

    ``shielded``: what PyTorch's own operations save is held by the run, so that it is copied before the model writes
    into it, and a block that would recompute itself in the backward keeps it. PyTorch refuses a backward through the
    first, and recomputes the second without the stand-ins; both are found when a backward fails for the first time.
    """

    def __init__(self, module: nn.Module, keep: Keep, switch: Switch) -> None:
        super().__init__()
        self.keep = keep
        self.switch = switch
        self.store = Store()
        self.trace = Trace()
        self.batches = Batches(self.trace)
        self.naming: Naming | None = None
        self.input: Spot | None = None
        self.further: dict[str, Spot] = {}
        self.pending: tuple[Tensor, LinearNode, Tensor] | None = None
        self.entries: dict[int, Tensor] = {}
        self.tail: Tail | None = None
        self.ready: Ready | None = None
        self.noted: dict[int, Noted | Norm] | None = None
        self.passing: Passing | None = None
        self.ask: Callable[[], None] | None = None
        self.watch: Callable[[Operation, Tensor], None] | None = None
        self.shielded = self.recomputed = False
        self.stuck: dict[int, str] = {}
        self._next = INPUT + 1
        self._constants: dict[int, tuple[Tensor, Tensor]] = {}
        self._origins: dict[int, Tensor] = {}
        self._writes = Writes(module)
        self._aside = False

    # -- what the run does -------------------------------------------------------------------------------------------

    def begin(self, x: Tensor) -> Spot:
        """Make ``x`` (a tensor of the run's own) the input's value, with a graph behind it where one is needed."""
        self.batches.begin(tuple(x.shape))
        self.input = self._spot("input", x, INPUT, root=self.keep.at_input)
        return self.input

    def begin_further(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Make values of further inputs; return tensors of the run's own for them."""
        own = {name: t.detach().clone() for name, t in inputs.items()}
        for number, (name, t) in enumerate(own.items(), 1):
            self.batches.begin(tuple(t.shape), INPUT - number)
            self.further[FURTHER + name] = self._spot(FURTHER + name, t, INPUT - number, root=self.keep.at_input)
        return own

    def keep_output(self, name: str, tensor: Tensor) -> Spot:
        """Keep the output of a layer; the graph begins here if it has not begun before."""
        tensor = self.straight(tensor)
        value = self.value(tensor)
        if value is not None and value.passing is not None and self.ready is not None:
            raise self.ready.deviates(value.passing)
        id_ = value.id if value is not None else self._new_id()
        if not self._graph_is_hidden():
            return self._spot(name, tensor, id_, root=self.keep.graph)
        with torch.enable_grad():
            spot = self._spot(name, tensor, id_, root=True)
            self._keep_way(tensor)
        return spot

    def _spot(self, name: str, tensor: Tensor, value_id: int, *, root: bool) -> Spot:
        cell = self.store.keep(tensor)
        old = self.value(tensor)
        if root and not tensor.requires_grad and tensor.is_floating_point():
            # made here: what the mode sifts loses its requires_grad
            Root.apply(tensor, torch.zeros((), device=tensor.device, requires_grad=True))
        self._aside = True  # what PyTorch does to find the edge is none of the model's operations
        edge = edge_of(tensor) if tensor.requires_grad else None
        self._aside = False
        spot = Spot(name, value_id, cell, edge)
        mark = Value(self, value_id, tensor._version, clean=value_id <= INPUT)
        if old is not None:
            mark.nonnegative, mark.clean = old.nonnegative, old.clean
            mark.node, mark.source = old.node, old.source
        mark.spot = spot
        tensor.__dict__[_MARK] = mark
        return spot

    def restore(self) -> None:
        """Undo what the forward wrote into the module's own parameters and buffers."""
        self._writes.undo()

    # -- values ------------------------------------------------------------------------------------------------------

    def value(self, tensor: Any) -> Value | None:
        """Return what is known of a tensor, None for constants."""
        if not isinstance(tensor, Tensor):
            return None
        found: Value | None = tensor.__dict__.get(_MARK)
        return found if found is not None and found.owner is self else None

    def is_nonnegative(self, tensor: Tensor) -> bool:
        """Whether the operation that made the tensor cannot give negative values, and nothing was written since."""
        value = self.value(tensor)
        return value is not None and value.nonnegative and value.version == tensor._version

    def _new_id(self) -> int:
        self._next += 1
        return self._next - 1

    # -- the mode ----------------------------------------------------------------------------------------------------

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Record a call, and give its result a stand-in where the plan needs one."""
        kwargs = kwargs or {}
        if self._aside:
            return func(*args, **kwargs)
        row = TABLE.get(func)
        if row is None:
            if getattr(func, "__name__", "") in ("__get__", "size", "dim", "is_floating_point", "stride", "numel"):
                return func(*args, **kwargs)
            row = unlisted(func)
        if self.ask is not None:
            self.ask()
        live: list[Tensor] = []
        args = tuple([a if a.__class__ in _PLAIN else self._sift(a, live) for a in args])
        if kwargs:
            kwargs = {k: self._sift(v, live) for k, v in kwargs.items()}
        target = target_of(row, args, kwargs)
        if target is not None:
            args, kwargs, target = self._before_write(args, kwargs, target)
        if not live:
            return marked(func(*args, **kwargs), self) if self.keep.exact else func(*args, **kwargs)
        if self._graph_is_hidden():
            return self._in_recomputed_block(row, func, args, kwargs, live, target)
        return self._perform(row, func, args, kwargs, live, target)

    def _in_recomputed_block(
        self, row: Row, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any],
        live: list[Tensor], target: Tensor | None,
    ) -> Any:  # fmt: skip
        """Perform an operation with a graph, and keep a way to it: the end of the block puts its own in the place."""
        with torch.enable_grad():
            result = self._perform(row, func, args, kwargs, live, target)
            for tensor in tensors_in(result):
                self._keep_way(tensor)
        return result

    def _graph_is_hidden(self) -> bool:
        """Whether this is a block that recomputes itself in the backward, and hides its graph until then."""
        return self.keep.graph and not torch.is_grad_enabled() and in_recomputed_block()

    def _keep_way(self, tensor: Tensor) -> None:
        """Keep a way to the graph of a tensor that the end of such a block is about to hide."""
        value = self.value(tensor)
        if value is None or not tensor.requires_grad:
            return
        self.recomputed = self._aside = True
        alias = value.straight = put(TapNode(tensor.detach()), tensor)
        self._aside = False
        alias.__dict__[_MARK] = replace(value, straight=None)

    def _sift(self, arg: Any, live: list[Tensor]) -> Any:
        """Collect the values that depend on the input, and hide the graph of everything else."""
        if isinstance(arg, Tensor):
            found = arg.__dict__.get(_MARK)
            if found is not None and found.owner is self:
                live.append(arg if found.straight is None else (arg := self.straight(arg)))
                return arg
            held = self._constants.get(id(arg))
            if held is not None:
                if self.value(held[1]) is not None:
                    live.append(held[1])
                return held[1]
            if arg.is_inference():
                return self._stand_in_constant(arg, arg.clone())
            if not arg.requires_grad or (self.keep.exact and is_constant(arg, self)):
                return arg
            if not arg.is_leaf and self.keep.graph and self._writes.owner(arg) is None:
                self.unseen(arg)
                live.append(arg)
                return arg
            return self._stand_in_constant(arg, arg.data)  # no view: what is written there stays apart
        if isinstance(arg, list | tuple) and arg and not isinstance(arg, torch.Size):
            if all(isinstance(a, int | float | str | None) for a in arg):
                return arg
            sifted = [self._sift(a, live) for a in arg]
            return type(arg)(*sifted) if hasattr(arg, "_fields") else type(arg)(sifted)
        return arg

    def joined(self, values: tuple[int, ...]) -> int:
        """Return a value made of several: what a score of more than one of them begins at."""
        op = Operation(len(self.trace), "add", "score", "", values, (self._new_id(),), ((),) * len(values), ((),))
        self.trace.append(op)
        return op.output

    def _stand_in_constant(self, tensor: Tensor, other: Tensor) -> Tensor:
        self._constants[id(tensor)] = (tensor, other)  # holding the first keeps its id its own
        self._origins[id(other)] = tensor
        return other

    def straight(self, tensor: Tensor) -> Tensor:
        """Return the tensor, or what it was before a block that recomputes itself in the backward hid its graph."""
        value = self.value(tensor)
        if value is None or value.straight is None:
            return tensor
        # no node: nothing in front of the block has a graph, so its end took off what began inside
        return value.straight if tensor.grad_fn is None or is_recomputed(tensor.grad_fn) else tensor

    def origin(self, tensor: Tensor) -> Tensor:
        """Return the module's own tensor for a constant that a call was given in its place."""
        return self._origins.get(id(tensor), tensor)

    def unseen(self, tensor: Tensor, name: str = "hidden function") -> None:
        """Give a value to the output of something that the capture cannot see into."""
        if self.keep.exact and is_constant(tensor, self):
            return
        op = Operation(
            len(self.trace), "unseen", name, self._place(), (INPUT,), (self._new_id(),), ((),), (tuple(tensor.shape),),
            refused="is hidden from the engine (TorchScript, a custom autograd function, or torch.func such as vmap)",
        )  # fmt: skip
        self.trace.append(op)
        tensor.__dict__[_MARK] = Value(self, op.output, tensor._version)

    def _before_write(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], target: Tensor
    ) -> tuple[tuple[Any, ...], dict[str, Any], Tensor]:
        """Protect what the run holds and what the module owns from a write."""
        self.store.before_write(target)
        if self.value(target) is not None:
            return args, kwargs, target
        if self._writes.keep(target) is not target:
            return args, kwargs, target
        alias = self._stand_in_constant(target, target.data)  # never hang a graph on the module's own tensor
        kwargs = {k: alias if v is target else v for k, v in kwargs.items()}
        return tuple(alias if a is target else a for a in args), kwargs, alias

    def _perform(
        self, row: Row, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any],
        live: list[Tensor], target: Tensor | None,
    ) -> Any:  # fmt: skip
        """Call the function or its stand-in, and record it."""
        marks = [cast("Value", self.value(t)) for t in live]
        nonnegative = stays_nonnegative(row, args, kwargs, live, self.is_nonnegative)
        clean = all(m.clean for m in marks)
        logits = before_activation(self, row, args, target)
        op = Operation(
            len(self.trace), row.kind, row.base, self._place(), tuple(m.id for m in marks), (),
            tuple(tuple(t.shape) for t in live), (), in_place=target is not None,
        )  # fmt: skip
        if row.passage is Passage.REFUSED:
            op.refused = "has no LRP rule"
        graph = torch.is_grad_enabled() and any(t.requires_grad for t in live)
        if self.ready is not None and row.kind not in ("batch_norm", "relu"):
            for mark in marks:
                if mark.passing is not None:
                    raise self.ready.deviates(mark.passing)
        with self.store.shield(target) if graph and (self.shielded or saving_is_hooked()) else nullcontext():
            call = Call(self, row, func, args, kwargs, op, graph)
            result = self._computed(call, target)
            result = tapped(self, call, result) if self.keep.biases and graph else result
        if op.kind == WRITTEN_OUT:  # its steps are in the trace in its place
            return result
        mixes = op.kind in LINEAR_KINDS or row.kind in LINEAR_KINDS
        if op.kind != "constant":  # what does not depend on the input any more
            self._record(op, result, live, target, nonnegative=nonnegative, clean=clean and not mixes)
            self.tail = tail_behind(self.tail, call, live, logits)
            if self.keep.biases:
                self.batches.follow(call)
        if self.passing is not None:
            value, passing, self.passing = self.value(result), self.passing, None
            if value is not None:
                value.passing = passing
        if self.pending is not None:  # a batch norm that follows is folded into the operation that made its input
            made, node, source = self.pending
            self.pending = None
            value = self.value(made)
            if value is not None:
                value.node, value.source = node, source
        return result

    def replaced(self, before: Tensor, after: Tensor) -> Tensor:
        """Let ``after`` stand for ``before``: the same value from the graph's point of view."""
        mark = cast("Value", self.value(before))
        op = Operation(
            len(self.trace), "identity", "identity", self._place(), (mark.id,), (), (tuple(before.shape),), ()
        )
        self._record(op, after, [before], None, nonnegative=mark.nonnegative, clean=mark.clean)
        return after

    def _computed(self, call: Call, target: Tensor | None) -> Any:
        """Return what the stand-in gives, or the function itself."""
        stand_in = STAND_INS.get(call.row.kind)
        result = difference(call) if self.keep.difference and call.graph else NotImplemented
        if result is NotImplemented and stand_in is not None:
            result = stand_in(call)
        if result is NotImplemented:
            if self.keep.unknown and call.graph and (call.op.refused or call.op.kind in SOFTMAXES):
                return metered(call, target)
            if target is None or not call.graph or call.kwargs.get("out") is not target:
                return call.function(*call.args, **call.kwargs)
            kwargs = {k: v for k, v in call.kwargs.items() if k != "out"}  # autograd refuses out=
            result = call.function(*call.args, **kwargs)
        if target is not None and result is not target:  # computed apart, written where the model wanted it
            self.store.before_write(target)  # the stand-in may have kept what is overwritten now
            return target.copy_(result[0] if isinstance(result, tuple) else result)
        return result

    def _record(
        self,
        op: Operation,
        result: Any,
        live: Sequence[Tensor],
        target: Tensor | None,
        *,
        nonnegative: bool,
        clean: bool,
    ) -> None:
        outputs: list[Tensor] = [t for t in tensors_in(result) if t.is_floating_point() or t.is_complex()]
        if target is not None and not any(t is target for t in outputs):
            outputs.append(target)
        if target is None:  # dropout in evaluation mode, .to() without a change: the same tensor comes back
            outputs = [t for t in outputs if not any(t is a for a in live)]
        if not outputs:
            self.stuck.pop(op.index, None)  # what was said of it holds for no operation: the next has its index
            return
        op.outputs = tuple(self._new_id() for _ in outputs)
        op.output_shapes = tuple(tuple(t.shape) for t in outputs)
        self.trace.append(op)
        for tensor, id_ in zip(outputs, op.outputs, strict=True):
            tensor.__dict__[_MARK] = Value(self, id_, tensor._version, nonnegative, clean)
            if self.watch is not None:
                self.watch(op, tensor)
        if target is not None and target._base is not None:  # the tensor behind the view has changed as well
            self._changed_behind(target, op)

    def _changed_behind(self, view: Tensor, op: Operation) -> None:
        base = cast("Tensor", view._base)
        old = self.value(base)
        inputs = (op.output,) if old is None else (old.id, op.output)
        write = Operation(
            len(self.trace), "write", op.name, op.module, inputs, (self._new_id(),), (tuple(view.shape),) * len(inputs),
            (tuple(base.shape),), in_place=True,
        )  # fmt: skip
        self.trace.append(write)
        base.__dict__[_MARK] = Value(self, write.output, base._version)

    def _place(self) -> str:
        return self.naming.current if self.naming is not None else ""

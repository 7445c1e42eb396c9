"""The prepared plan: what is known of a model in advance, so that its forward costs less. The default, exact without.

From the first look at a model it is known which linear operation's output goes to one batch norm and nowhere else.
Later forwards are the model's own Python still; only, at the linear operation a copy runs that has the norm folded in,
and at the norm the value passes. On the CPU copies lie in memory as the kernels want them. Where no backward passes, a
ReLU that alone takes the value, with a norm in between or without, is computed at once and in place.

A forward that deviates (another consumer, a value that somebody keeps) is noticed and run again without, which its
counts show. Copies are compared with the module's tensors at each call, and made anew where those have changed.
"""

from __future__ import annotations

import time
import weakref
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from matxai.engine import memory
from matxai.engine.folds import Fold, Norm, Sources, slots
from matxai.engine.packing import Room, count_flops, packing_works

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from torch import nn

    from matxai.engine.layers import Layer
    from matxai.engine.linear import LinearMap
    from matxai.engine.nodes import Cell
    from matxai.engine.trace import Trace

SHARE = 0.25
"""Of the free memory, what the copies of one model may take."""
ASKED = 1.0
"""After how many seconds it is asked again how much memory is free."""

LAST = {4: torch.channels_last, 5: torch.channels_last_3d}
"""The layout with channels last in memory, by the number of axes."""


class DeviatedError(BaseException):
    """The forward does not go as it was prepared. No ``Exception``: a model's own ``except`` must not see it."""


@dataclass(frozen=True, eq=False)
class Noted:
    """The tensors of one linear operation that the first look saw."""

    map: LinearMap
    weight: Tensor
    bias: Tensor | None


@dataclass(eq=False)
class Passing:
    """What stands for a linear operation's output until its batch norm (and ReLU) has been passed.

    Attributes
    ----------
    fold
        Whose output it is.
    source
        The operation's input, in the graph where there is one.
    graph
        Whether a backward passes here.
    entry
        The operation's index in the trace.
    rectify
        Whether the value is rectified already, and a ReLU must come.
    normed
        Whether the batch norm has been passed.
    x, nonnegative
        For relevance: the operation's input as it was.
    """

    fold: Fold
    source: Tensor
    graph: bool
    entry: int
    rectify: bool
    normed: bool = False
    x: Cell | None = None
    nonnegative: bool = False


@dataclass(eq=False)
class Ready:
    """The prepared plan as one forward uses it.

    Attributes
    ----------
    folds
        By the id of the weight.
    last
        Whether activations have their channels last in memory.
    read
        Names of the layers that this call reads.
    """

    plan: Prepared
    folds: dict[int, Fold]
    last: bool
    read: frozenset[str]
    _open: set[Passing] = field(default_factory=set)
    _gone: list[tuple[weakref.ref[Tensor], Fold]] = field(default_factory=list)

    def rectifies(self, fold: Fold) -> bool:
        """Whether the ReLU behind may be computed at once."""
        return fold.rectified and not self.read & fold.behind

    def opens(self, passing: Passing) -> None:
        """Note a value behind which a batch norm or ReLU must come, that alone may see it."""
        self._open.add(passing)

    def leaves(self, passing: Passing, value: Tensor) -> None:
        """Note a value that nobody may have when the forward is over."""
        self._gone.append((weakref.ref(value), passing.fold))

    def closes(self, passing: Passing) -> None:
        """Note that what had to come has come."""
        self._open.discard(passing)

    def followed(self, *, relevance: bool) -> frozenset[str] | None:
        """Return the layers that must be followed: those read, where all operations are known; None: all of them.

        Rules for relevance go by layers' names, so those are not taken from an earlier forward.
        """
        return None if relevance or not self.plan.names else self.read

    def name(self, trace: Trace) -> None:
        """Put the layers' names into the trace of a forward in which they were not followed."""
        if [op.kind for op in trace] == [kind for kind, _ in self.plan.names]:
            for op, (_, module) in zip(trace, self.plan.names, strict=True):
                op.module = module

    def settle(self) -> None:
        """Raise if the forward did not go as prepared."""
        kept = [fold for value, fold in self._gone if value() is not None] + [p.fold for p in self._open]
        if kept:
            self.plan.leave_out(kept)
            raise DeviatedError

    def deviates(self, passing: Passing) -> DeviatedError:
        """Return the error to raise where a value meets what it was not prepared for; it is not prepared again."""
        self.plan.leave_out([passing.fold])
        return DeviatedError()


class Prepared:
    """What is prepared of one model; made from its first look, filled when it is used first.

    ``names`` are kind and layer of each operation of the look; none where layers must be followed to see all of them.
    """

    def __init__(
        self, module: nn.Module, folds: Sequence[Fold], names: Sequence[tuple[str, str]], *, ordered: bool
    ) -> None:
        self._folds = list(folds)
        self.names = names
        self._ordered = ordered
        self._sources: Sources | None = None
        self._refused = False
        self._asked = 0.0
        self._plain: set[object] = set()
        self._module = weakref.ref(module)
        self._room = Room()
        for fold in self._folds:
            fold.packed = replace(fold.packed, room=self._room)

    def ready(self, x: Tensor, layers: Iterable[str]) -> Ready | None:
        """Return the plan for one forward; None where nothing is prepared, or memory does not allow it.

        Parameters
        ----------
        x
            The input.
        layers
            Names of the layers that the call reads.
        """
        module = self._module()
        if self._refused or not self._folds or module is None or torch.is_autocast_enabled(x.device.type):
            return None
        if not self._fits(x.device):
            return None
        if self._sources is None or not self._sources.same():
            self._anew(module, x.device)
        last = self._last(x)
        read = frozenset(layers)
        folds = {id(f.weight): f for f in self._folds if not (f.norm is not None and read & f.layers)}
        if not last:  # a copy that nothing is folded into pays by its layout alone
            folds = {k: f for k, f in folds.items() if f.norm is not None or f.rectified}
        return Ready(self, folds, last, read) if folds else None

    def _fits(self, device: torch.device) -> bool:
        """Whether memory allows the copies; those that are held go when less is free than they take."""
        size, now = sum(f.nbytes() for f in self._folds), time.monotonic()
        if self._sources is None:
            fits = size <= SHARE * memory.free_bytes(device)
        elif now - self._asked < ASKED:
            return True
        else:
            fits = size <= memory.free_bytes(device)
        self._asked = now
        if not fits:
            self.drop()
        return fits

    def _anew(self, module: nn.Module, device: torch.device) -> None:
        for fold in self._folds:
            fold.drop()
        self._room.left = SHARE * memory.free_bytes(device) - sum(f.nbytes() for f in self._folds)
        self._sources = Sources(module, (t for f in self._folds if f.copied for t in f.tensors()))

    def _last(self, x: Tensor) -> bool:
        """Whether channels-last pays: half precision, and float32 on a CPU with oneDNN. float64 has kernels of its own.

        On CUDA only half precision: its kernels for float32 want the channels first.
        """
        if not self._ordered or x.ndim not in (4, 5) or key(x) in self._plain:
            return False
        if x.device.type == "cpu":
            count_flops()
            return x.dtype in (torch.float32, torch.bfloat16) and packing_works()
        return x.dtype in (torch.float16, torch.bfloat16)

    def leave_out(self, folds: Iterable[Fold]) -> None:
        """Do not prepare these any more."""
        out = {id(f) for f in folds}
        self._folds = [f for f in self._folds if id(f) not in out]

    def give_up(self, x: Tensor, ready: Ready) -> None:
        """Do without what this forward failed with: first the layout for inputs like this, then everything."""
        if ready.last:
            self._plain.add(key(x))
        else:
            self.drop(refused=True)

    def drop(self, *, refused: bool = False) -> None:
        """Let the copies go; ``refused``: for good."""
        for fold in self._folds:
            fold.drop()
        self._sources = None
        self._refused |= refused

    def nbytes(self) -> int:
        """Return the bytes that the copies take at most."""
        return sum(f.nbytes() for f in self._folds) if self._sources is not None else 0


def key(x: Tensor) -> object:
    """Return what a plan is made for."""
    return tuple(x.shape), x.dtype, x.device


def prepared(
    module: nn.Module, trace: Trace, noted: dict[int, Noted | Norm], calls: Sequence[Layer], outputs: set[int]
) -> Prepared:
    """Work out from the first look at a model what can be prepared.

    Parameters
    ----------
    module
        The model.
    trace, noted
        The operations of the look, and the tensors of its linear operations and batch norms by their index.
    calls
        Every call of a layer, with its output's value.
    outputs
        The values that the model returned.
    """
    own = {id(s.tensor) for s in slots(module)}
    consumers, names = trace.consumers(), _names(calls)
    found: dict[int, list[Fold]] = {}
    for op in trace:
        linear = noted.get(op.index)
        if not isinstance(linear, Noted) or not op.outputs:
            continue
        norm_op = _only(consumers, op.output, outputs, "batch_norm")
        norm = noted.get(norm_op.index) if norm_op is not None else None
        fold = Fold(linear.map, linear.weight, linear.bias, norm if isinstance(norm, Norm) else None)
        if linear.map.kind == "linear" and len(op.output_shapes[0]) != 2:
            fold.norm = None
        if fold.norm is not None and norm_op is not None:
            fold.rectified = _only(consumers, norm_op.output, outputs, "relu") is not None
            fold.layers, fold.behind = names.get(op.output, frozenset()), names.get(norm_op.output, frozenset())
        elif norm_op is None:
            fold.rectified = _only(consumers, op.output, outputs, "relu") is not None
            fold.behind = names.get(op.output, frozenset())
        found.setdefault(id(linear.weight), []).append(fold)
    common = [_one(several) for several in found.values()]
    folds = [
        f for f in common if f is not None and all(id(t) in own for t in f.tensors()) and (f.copied or f.rectified)
    ]
    known = [] if any(op.kind == "unseen" for op in trace) else [(op.kind, op.module) for op in trace]
    return Prepared(module, folds, known, ordered=all(op.name not in _BY_STRIDES for op in trace))


_BY_STRIDES = frozenset({"as_strided", "as_strided_", "set_", "view_as_real", "view_as_complex"})


def _names(calls: Sequence[Layer]) -> dict[int, frozenset[str]]:
    found: dict[int, set[str]] = {}
    for c in calls:
        found.setdefault(c.value, set()).update((c.name, f"{c.name}@{c.calls}"))
    return {value: frozenset(names) for value, names in found.items()}


def _only(consumers: dict[int, list[Any]], value: int, outputs: set[int], kind: str) -> Any:
    """Return the operation that alone takes a value, if it is of this kind."""
    used = consumers.get(value, [])
    if value in outputs or len(used) != 1 or used[0].kind != kind or used[0].inputs != (value,):
        return None
    return used[0]


def _one(several: list[Fold]) -> Fold | None:
    """Return what all uses of one weight have in common; None where they differ."""
    first = several[0]
    for other in several[1:]:
        same = first.norm is other.norm or (
            first.norm is not None and other.norm is not None and first.norm.is_(other.norm)
        )
        if not same or first.bias is not other.bias or first.map != other.map:
            return None
        first.rectified &= other.rectified
        first.layers |= other.layers
        first.behind |= other.behind
    return first

"""Modes under which a forward computes only what follows one layer: the rest gives tensors of the right shape alone.

:class:`Recording` watches one whole forward and keeps what crosses: values in front of the layer, or beside it, that an
operation behind it reads (skip connections). :class:`Skipping` then runs the model's own Python code again, perhaps
with another batch size: what does not depend on the layer's output is carried out on tensors without storage (PyTorch's
``meta`` device), what does is computed. :mod:`matxai.engine.tail` drives both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from matxai.engine.nested import tensors_in
from matxai.engine.nodes import Store
from matxai.engine.operations import TABLE, unlisted
from matxai.engine.writes import target_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from matxai.engine.nodes import Cell

_MARK = "_matxai_skipping"
#: What a stand-in itself knows better than its twin without storage.
_OF_THE_DEVICE = frozenset(
    (
        *(getattr(Tensor, name).__get__ for name in ("device", "is_cuda", "is_cpu", "is_meta", "layout")),
        Tensor.get_device,
    )
)


class Unsuitable(Exception):  # noqa: N818 - no error: a reason to run the whole forward
    """Why what follows a layer cannot be run by itself."""


@dataclass(frozen=True, slots=True)
class _Mark:
    """What is known of a tensor: whose it is, whether it follows the layer, and its twin without storage."""

    owner: object
    follows: bool
    twin: Tensor | None = None


@dataclass(frozen=True)
class Crossing:
    """What one operation behind the layer read of values that do not depend on it, in the order of its arguments."""

    function: Callable[..., Any]
    values: tuple[Cell, ...]


class _Marking(TorchFunctionMode):
    """What both modes share: which tensors depend on the input, and which of them on the layer's output."""

    def mark(self, tensor: Tensor) -> _Mark | None:
        """Return what is known of a tensor; None for constants."""
        found: _Mark | None = tensor.__dict__.get(_MARK)
        return found if found is not None and found.owner is self else None

    def set(self, tensor: Tensor, *, follows: bool, twin: Tensor | None = None) -> None:
        """Write down what a tensor is from now on."""
        tensor.__dict__[_MARK] = _Mark(self, follows, twin)

    def follow(self, result: Any, target: Tensor | None) -> None:
        """Mark what an operation behind the layer gave, and what it wrote into."""
        for tensor in tensors_in(result):
            self.set(tensor, follows=True)
        if target is not None:
            self.set(target, follows=True)
            if target._base is not None:
                self.set(target._base, follows=True)


class Recording(_Marking):
    """Watches one forward; see the module's docstring.

    Attributes
    ----------
    crossings
        In the order of the operations.
    """

    def __init__(self) -> None:
        super().__init__()
        self.crossings: list[Crossing] = []
        self._store = Store()
        self._changed: set[int] = set()

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Carry an operation out, and keep what crosses."""
        kwargs = kwargs or {}
        marked = [(t, m) for t in tensors_in((args, kwargs)) if (m := self.mark(t)) is not None]
        before = [t for t, m in marked if not m.follows]
        follows = len(before) < len(marked)
        target = written_to(func, args, kwargs)
        if before and self._changed and any(_storage(t) in self._changed for t in before):
            raise Unsuitable("it writes behind the layer into tensors that were made in front of it")
        if before and follows:
            self.crossings.append(Crossing(func, tuple(self._store.keep(t) for t in before)))
            if any(t is target for t in before):
                self._changed.add(_storage(target))
        if target is not None:
            self._store.before_write(target)
        result = func(*args, **kwargs)
        if follows:
            self.follow(result, target)
        elif marked:
            for tensor in tensors_in(result):
                self.set(tensor, follows=False)
            if target is not None:
                self.set(target, follows=False)
                if target._base is not None and self.mark(target._base) is None:
                    self.set(target._base, follows=False)
        return result


class Skipping(_Marking):
    """Runs what follows the layer alone; see the module's docstring.

    Parameters
    ----------
    crossings
        What a recording kept; ``None``: nothing was recorded yet.
    owned
        The module's own parameters and buffers: what the skipped part would write into them is unknown.
    """

    def __init__(self, crossings: list[Crossing] | None, owned: Iterable[Tensor]) -> None:
        super().__init__()
        self.missing = False
        self._crossings = crossings
        self._crossed = 0
        self._owned = {_storage(t) for t in owned}
        self._constants: dict[int, tuple[Tensor, Tensor]] = {}

    def computed(self, tensor: object) -> bool:
        """Whether a tensor holds values, and is no stand-in."""
        mark = self.mark(tensor) if isinstance(tensor, Tensor) else None
        return mark is not None and mark.follows

    def stand_in(self, twin: Tensor, device: torch.device) -> Tensor:
        """Return a tensor of its twin's shape and type that holds a single number."""
        made = torch.zeros((), dtype=twin.dtype, device=device).expand(twin.shape).data  # no view: it may be rebound
        self.set(made, follows=False, twin=twin)
        return made

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Compute an operation behind the layer; of any other work out the shape."""
        kwargs = kwargs or {}
        marked = [(t, m) for t in tensors_in((args, kwargs)) if (m := self.mark(t)) is not None]
        if not marked:
            return func(*args, **kwargs)
        before = [t for t, m in marked if not m.follows]
        if len(before) == len(marked):
            return self._skip(func, args, kwargs, before[0])
        target = written_to(func, args, kwargs)
        if before:
            known = self._cross(func, before, target)
            args, kwargs = _exchanged(args, known), _exchanged(kwargs, known)
        result = func(*args, **kwargs)
        self.follow(result, target)
        return result

    def _cross(self, func: Callable[..., Any], before: list[Tensor], target: Tensor | None) -> dict[int, Tensor]:
        """Return the values of the stand-ins that an operation behind the layer reads, by their ids."""
        if self._crossings is None:
            self.missing = True
            raise Unsuitable("what crosses was not recorded")
        number, self._crossed = self._crossed, self._crossed + 1
        crossing = self._crossings[number] if number < len(self._crossings) else None
        if crossing is None or crossing.function != func or len(crossing.values) != len(before):
            raise Unsuitable("its forward takes another way than before")
        known: dict[int, Tensor] = {}
        for tensor, cell in zip(before, crossing.values, strict=True):
            value = _for_batch(cell.tensor, tensor.shape)
            if tensor is target:
                _give(tensor, value.clone())
                value = tensor
            known[id(tensor)] = value
        return known

    def _skip(self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], first: Tensor) -> Any:
        """Return stand-ins for the result of an operation that is not carried out."""
        if func in _OF_THE_DEVICE:
            with torch._C.DisableTorchFunction():
                return func(*args, **kwargs)
        target = written_to(func, args, kwargs)
        if target is not None and self.mark(target) is None and _storage(target) in self._owned:
            raise Unsuitable("its forward fills buffers of its own in front of the layer")
        twins: dict[int, Tensor] = {}
        plain_args, plain_kwargs = self._plain(args, twins), self._plain(kwargs, twins)
        with torch._C.DisableTorchFunction():
            result = func(*plain_args, **plain_kwargs)
            device = first.device
        known = {id(twin): tensor for tensor in tensors_in((args, kwargs))
                 if (twin := twins.get(id(tensor))) is not None}  # fmt: skip
        if target is not None:
            self.set(target, follows=False, twin=twins[id(target)])
            base = target._base
            if base is not None and self.mark(base) is None:
                self.set(base, follows=False, twin=self._constant(base))
        return self._stood_in(result, known, device)

    def _plain(self, arg: Any, twins: dict[int, Tensor]) -> Any:
        """Return arguments with the twin of every tensor, and no other device than theirs."""
        if isinstance(arg, Tensor):
            if (seen := twins.get(id(arg))) is not None:
                return seen
            mark = self.mark(arg)
            twin = mark.twin if mark is not None else self._constant(arg)
            twins[id(arg)] = twin if twin is not None else arg
            return twins[id(arg)]
        if isinstance(arg, dict):
            return {k: "meta" if k == "device" else self._plain(v, twins) for k, v in arg.items()}
        if isinstance(arg, torch.device):
            return torch.device("meta")
        if isinstance(arg, list | tuple) and not isinstance(arg, torch.Size):
            several = [self._plain(a, twins) for a in arg]
            return type(arg)(*several) if hasattr(arg, "_fields") else type(arg)(several)
        return arg

    def _constant(self, tensor: Tensor) -> Tensor:
        held = self._constants.get(id(tensor))
        if held is None:
            with torch._C.DisableTorchFunction():
                held = self._constants[id(tensor)] = (tensor, torch.empty_like(tensor, device="meta"))
        return held[1]

    def _stood_in(self, result: Any, known: dict[int, Tensor], device: torch.device) -> Any:
        if isinstance(result, Tensor):
            if id(result) in known:
                return known[id(result)]
            with torch._C.DisableTorchFunction():
                return self.stand_in(result, device)
        if isinstance(result, list | tuple) and not isinstance(result, torch.Size):
            several = [self._stood_in(r, known, device) for r in result]
            return type(result)(*several) if hasattr(result, "_fields") else type(result)(several)
        return result


def substitute(tensor: Tensor, values: Tensor) -> Tensor:
    """Return a layer's output with other values: the same object, so that every name the model has for it sees them.

    ``values`` are copied, in the order in memory that the layer gave them. A view of something else cannot be given
    other values without changing what lies behind it: instead of one, another tensor is returned.

    Raises
    ------
    Unsuitable
        If the values do not have the output's shape and type.
    """
    with torch._C.DisableTorchFunction():
        twin = getattr(tensor.__dict__.get(_MARK), "twin", None)
        like = tensor if twin is None else twin
        if like.shape != values.shape or like.dtype != values.dtype:
            raise Unsuitable(f"the layer gives {tuple(like.shape)} of {like.dtype} this time")
        strides = like.stride()
        order = sorted(range(like.ndim), key=lambda axis: -strides[axis])
        back = sorted(range(like.ndim), key=lambda at: order[at])
        laid = values.detach().permute(order).clone(memory_format=torch.contiguous_format).permute(back).data
        if tensor._is_view():
            return laid
        tensor.data = laid
        return tensor


def _give(tensor: Tensor, values: Tensor) -> None:
    mark = tensor.__dict__[_MARK]
    with torch._C.DisableTorchFunction():
        if mark.twin._is_view():
            raise Unsuitable("it writes behind the layer into tensors that were made in front of it")
        if values.dtype != tensor.dtype:
            raise Unsuitable("the type of what it computes depends on the device")
        tensor.data = values


def written_to(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor | None:
    """Return the tensor that a call writes into, if any."""
    return target_of(TABLE.get(func) or unlisted(func), args, kwargs)


def _storage(tensor: Tensor | None) -> int:
    assert tensor is not None  # noqa: S101 - asked of what was written to: says so to the type checker
    with torch._C.DisableTorchFunction():
        return tensor.untyped_storage().data_ptr()


def _exchanged(arg: Any, known: dict[int, Tensor]) -> Any:
    if isinstance(arg, Tensor):
        return known.get(id(arg), arg)
    if isinstance(arg, dict):
        return {k: _exchanged(v, known) for k, v in arg.items()}
    if isinstance(arg, list | tuple) and not isinstance(arg, torch.Size):
        several = [_exchanged(a, known) for a in arg]
        return type(arg)(*several) if hasattr(arg, "_fields") else type(arg)(several)
    return arg


def _for_batch(value: Tensor, shape: torch.Size) -> Tensor:
    """Return a value of the clean forward for so many copies of the batch, one after the other."""
    if value.shape == shape:
        return value
    if value.ndim == len(shape):
        axes = [i for i, (a, b) in enumerate(zip(value.shape, shape, strict=True)) if a != b]
        if len(axes) == 1 and shape[axes[0]] % max(value.shape[axes[0]], 1) == 0:
            count = shape[axes[0]] // value.shape[axes[0]]
            if value.shape[axes[0]] == 1:
                return value.expand(shape)
            return value.repeat(*(count if i == axes[0] else 1 for i in range(len(shape))))
    raise Unsuitable("what it reads from in front of the layer does not grow with the batch along one axis")

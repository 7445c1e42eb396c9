"""Copies of a model's weights that are ready to use: batch norm folded in, channels last, packed for the CPU.

A :class:`Fold` is one linear operation of a model with the batch norm behind it, and the copies made of their tensors;
:class:`Sources` tells whether those tensors are still what they were. Which operations are folded, and when, is in
:mod:`matxai.engine.prepared`.
"""

from __future__ import annotations

import math
import weakref
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from matxai.engine.packing import PackedMap

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from matxai.engine.linear import LinearMap

_WHOLE = 4096
"""Tensors of up to so many values are compared whole; of larger ones some, since each costs a miss of the cache."""
_BITS = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


@dataclass(frozen=True, eq=False)
class Norm:
    """A batch norm in evaluation mode: its tensors, weight and bias ``None`` where it has none."""

    mean: Tensor
    var: Tensor
    weight: Tensor | None
    bias: Tensor | None
    eps: float

    def tensors(self) -> tuple[Tensor | None, ...]:
        """The module's tensors in it."""
        return self.mean, self.var, self.weight, self.bias

    def is_(self, other: Norm) -> bool:
        """Whether both are made of the same objects."""
        return self.eps == other.eps and all(a is b for a, b in zip(self.tensors(), other.tensors(), strict=True))

    def affine(self) -> tuple[Tensor, Tensor]:
        """Return scale and shift (K,) of z = scale * x + shift, in float32 at least."""
        wide = torch.promote_types(self.var.dtype, torch.float32)
        scale = torch.rsqrt(self.var.to(wide) + self.eps)
        if self.weight is not None:
            scale = scale * self.weight
        shift = -self.mean * scale
        return scale, shift if self.bias is None else shift + self.bias


@dataclass(eq=False)
class Fold:
    """One linear operation of a model, with the batch norm that takes its output, and what was prepared of them.

    Attributes
    ----------
    map
        The geometry.
    weight, bias, norm
        The module's own tensors; ``norm`` is ``None`` where no batch norm is folded in.
    rectified
        Whether only a ReLU takes what the norm gives, or the operation itself where there is no norm.
    layers, behind
        Names of the layers that give the operation's own output, and of those that give what the ReLU takes: where a
        call reads them, they must be computed.
    """

    map: LinearMap
    weight: Tensor
    bias: Tensor | None
    norm: Norm | None
    rectified: bool = False
    layers: frozenset[str] = frozenset()
    behind: frozenset[str] = frozenset()
    _dense: dict[bool, tuple[Tensor, Tensor | None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.packed = PackedMap.of(self.map)

    @property
    def copied(self) -> bool:
        """Whether a copy of the weights pays: with a norm to fold in, or where they can lie differently in memory."""
        return self.norm is not None or (self.map.kind == "convolution" and self.weight.ndim in (4, 5))

    def tensors(self) -> Iterable[Tensor]:
        """The module's tensors that the copies are made of."""
        of_norm = () if self.norm is None else self.norm.tensors()
        return (t for t in (self.weight, self.bias, *of_norm) if t is not None)

    def dense(self, *, last: bool) -> tuple[Tensor, Tensor | None]:
        """Return weight and bias with the norm in them; ``last``: with the channels last in memory."""
        if last not in self._dense:
            made = self._dense[last] = self._folded(last=last)
            if last:
                self.packed.own(made[0])
        return self._dense[last]

    def _folded(self, *, last: bool) -> tuple[Tensor, Tensor | None]:
        with torch.no_grad():
            weight, bias = self.weight.detach(), None if self.bias is None else self.bias.detach()
            if self.norm is not None:
                scale, shift = self.norm.affine()
                bias = shift if bias is None else bias * scale + shift
                weight = self.map.scaled(weight.to(scale.dtype), scale).to(self.weight.dtype)
                bias = bias.to(self.weight.dtype)
            return channels_last(weight) if last else weight, bias

    def apply(self, x: Tensor, *, last: bool, rectify: bool = False) -> Tensor:
        """Return the norm of the map of ``x``, rectified if asked; no graph is made."""
        return self.packed.apply(x, *self.dense(last=last), rectify=rectify)

    def geometry(self, *, last: bool) -> LinearMap:
        """Return the map that backwards go by."""
        return self.packed if last and self.map.kind == "convolution" else self.map

    def nbytes(self) -> int:
        """Return the bytes that the copies take at most: one folded, two packed, for the map and for its adjoint."""
        return 3 * self.weight.numel() * self.weight.element_size() if self.copied else 0

    def drop(self) -> None:
        """Let the copies go."""
        self._dense.clear()
        self.packed.drop()


def channels_last(weight: Tensor) -> Tensor:
    """Return a copy of a weight (K, C, *kernel) with C innermost in memory; of other tensors the copy as it is.

    The strides are written out: PyTorch leaves kernels of size 1 as they are, and then takes them for the other layout.
    """
    if weight.ndim not in (4, 5):
        return weight.contiguous()
    outer, inner, *kernel = weight.shape
    strides = [inner * math.prod(kernel[i + 1 :]) for i in range(len(kernel))]
    made = weight.new_empty_strided(weight.shape, (inner * math.prod(kernel), 1, *strides))
    return made.copy_(weight) if outer else made


class Sources:
    """Tensors of a module that copies were made of, where they stand in it, and how to tell that they have changed.

    Compared are the objects themselves, where their data lie, their versions, and a sample of their values (writes
    through ``.data`` count up no version), all of them in one comparison.
    """

    def __init__(self, module: nn.Module, tensors: Iterable[Tensor]) -> None:
        found = {id(t): t for t in tensors}
        self._slots = [s for s in slots(module) if id(s.tensor) in found]
        self._tensors = list(found.values())
        self._marks = [_mark(t) for t in self._tensors]
        self._samples = [s for t in self._tensors if t.numel() for s in _samples(t)]
        self._values = self._sampled()

    def same(self) -> bool:
        """Whether nothing has changed since this was made."""
        if any(not s.holds() for s in self._slots) or [_mark(t) for t in self._tensors] != self._marks:
            return False
        now = self._sampled()
        return all(torch.equal(now[k], v) for k, v in self._values.items())

    def _sampled(self) -> Mapping[Any, Tensor]:
        groups: dict[Any, list[Tensor]] = {}
        for s in self._samples:
            groups.setdefault((s.device, s.dtype), []).append(s)
        return {key: torch.cat(group) for key, group in groups.items()}


@dataclass(frozen=True)
class Slot:
    """A place in a module that holds a parameter or buffer; it keeps the module from nothing."""

    owner: weakref.ref[nn.Module]
    name: str
    tensor: Tensor

    def holds(self) -> bool:
        """Whether the tensor is still there."""
        owner = self.owner()
        if owner is None:
            return False
        return owner._parameters.get(self.name) is self.tensor or owner._buffers.get(self.name) is self.tensor


def slots(module: nn.Module) -> list[Slot]:
    """Return every place of a module's tensors."""
    return [
        Slot(weakref.ref(m), name, t)
        for m in module.modules()
        if not isinstance(m, torch.jit.ScriptModule)
        for held in (m._parameters, m._buffers)
        for name, t in held.items()
        if isinstance(t, Tensor)
    ]


def _mark(tensor: Tensor) -> tuple[int, int]:
    return tensor.data_ptr(), -1 if tensor.is_inference() else tensor._version


def _samples(tensor: Tensor) -> list[Tensor]:
    """Return views of a tensor's values, as integers of their bits: NaN is equal to itself then.

    Of a large weight (K, C, *kernel) every filter gives at least one value, and their places in the filters go on from
    one to the next, so that a change of one filter or of one channel in all of them is seen.
    """
    values = (
        tensor.data.view(_BITS[tensor.element_size()]) if not tensor.is_complex() else torch.view_as_real(tensor.data)
    )
    if values.ndim < 2:
        return [values.view(-1) if values.ndim == 0 else values]
    dense = values.permute(sorted(range(values.ndim), key=values.stride, reverse=True))
    if not dense.is_contiguous():
        return [line for axis in (0, 1) for line in _lines(values, axis)]
    if values.numel() <= _WHOLE:
        return [dense.view(-1)]
    flat, each, kernel = dense.view(-1), dense[0].numel(), values[0, 0].numel()
    step = min(max(1, (kernel - 2) | 1), max(1, each // 2))  # odd: coprime to the usual numbers of channels
    walk = flat[:: max(1, each - step)]
    return [walk] if walk.numel() * step >= each else [walk, *_lines(values, 1)]


def _lines(values: Tensor, axis: int) -> list[Tensor]:
    """Return one value of each index along an axis, from the beginning, the middle and the end of the others."""
    last = values.movedim(axis, -1)
    return [last[tuple(int(part * (n - 1)) for n in last.shape[:-1])] for part in (0, 0.5, 1)]

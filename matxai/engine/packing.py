"""Convolutions whose weights lie as the CPU's kernels want them: packed once, for the map and for its adjoint.

PyTorch packs a weight at every call, and with one thread and a small batch takes kernels that copy their input as well:
on ResNet-50 at 224, batch 1, the adjoints of all convolutions took 170 ms of a core, and take 89 ms packed.
"""

from __future__ import annotations

import contextlib
import functools
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F  # noqa: N812 - everybody's name for it
from torch import Tensor

from matxai.engine.linear import LinearMap

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_FORMS = 3
"""A weight that is remembered is held as it is, packed for the map, and packed for its adjoint."""


@dataclass
class Room:
    """The bytes that may still be spent on what is not indispensable, such as weights by sign."""

    left: float = 0

    def take(self, tensor: Tensor) -> bool:
        """Take the room for all forms of a weight, and return whether there was any."""
        size = _FORMS * tensor.numel() * tensor.element_size()
        if size > self.left:
            return False
        self.left -= size
        return True


@dataclass(frozen=True, eq=False)
class PackedMap(LinearMap):
    """The geometry of a convolution, and the packed forms of the weights that it was told to remember.

    Other weights, types and devices go the way of :class:`~matxai.engine.linear.LinearMap`.
    """

    room: Room = field(default_factory=Room)
    _known: dict[str, Tensor] = field(default_factory=dict)
    _packed: dict[tuple[int, bool], Tensor] = field(default_factory=dict)

    @classmethod
    def of(cls, plain: LinearMap) -> PackedMap:
        """Return the same geometry, with nothing remembered."""
        return cls(**{name: getattr(plain, name) for name in LinearMap.__dataclass_fields__})

    def remember(self, name: str, make: Callable[[], Tensor]) -> Tensor:
        """Return the weight of this name; it is held where there is room for it."""
        found = self._known.get(name)
        if found is None:
            found = make()
            if self.room.take(found):
                self._known[name] = found
        return found

    def own(self, weight: Tensor) -> None:
        """Remember the operation's own weight, whose room is reserved."""
        self._known["W"] = weight

    def apply(self, x: Tensor, weight: Tensor, bias: Tensor | None = None, *, rectify: bool = False) -> Tensor:
        """Return the map of ``x`` (B, C, *spatial), rectified if asked."""
        packed = self._form(x, weight, adjoint=False)
        if packed is None:
            z = super().apply(x, weight, bias)
            return z.relu_() if rectify else z
        out: Tensor = torch.ops.mkldnn._convolution_pointwise.default(
            x, packed, bias, self.padding, self.stride, self.dilation, self.groups, "relu" if rectify else "none", [],
            "",
        )  # fmt: skip
        return out

    def adjoint(self, s: Tensor, weight: Tensor, shape: Sequence[int]) -> Tensor:
        """Return the transposed map of ``s``, of the input's ``shape``."""
        packed = self._form(s, weight, adjoint=True, shape=shape)
        if packed is None:
            return super().adjoint(s, weight, shape)
        out: Tensor = torch.ops.mkldnn._convolution_transpose_pointwise.default(
            s, packed, None, self.padding, self._over(s, weight, shape), self.stride, self.dilation, self.groups,
            "none", [], "",
        )  # fmt: skip
        return out

    def packs(self, x: Tensor) -> bool:
        """Whether weights are packed for inputs like this."""
        return (
            x.dtype is torch.float32
            and x.device.type == "cpu"
            and self.kind == "convolution"
            and x.ndim in (4, 5)
            and not self.margin
            and packing_works()
        )

    def nbytes(self) -> int:
        """Return the bytes of the weights that are held beside the operation's own."""
        return sum(_FORMS * w.numel() * w.element_size() for name, w in self._known.items() if name != "W")

    def drop(self) -> None:
        """Forget everything."""
        self._packed.clear()
        self._known.clear()

    def _form(self, x: Tensor, weight: Tensor, *, adjoint: bool, shape: Sequence[int] = ()) -> Tensor | None:
        """Return a weight's packed form; None where it is not remembered, or not packed for inputs like this."""
        form: Tensor | None = self._packed.get((id(weight), adjoint))  # ids of remembered weights are nobody else's
        if form is not None and x.dtype is torch.float32:
            return form
        if not self.packs(x) or not any(w is weight for w in self._known.values()):
            return None
        with torch.no_grad():
            if adjoint:
                form = torch.ops.mkldnn._reorder_convolution_transpose_weight(
                    weight, self.padding, self._over(x, weight, shape), self.stride, self.dilation, self.groups, x.shape
                )
            else:
                form = torch.ops.mkldnn._reorder_convolution_weight(
                    weight, self.padding, self.stride, self.dilation, self.groups, x.shape
                )
        assert form is not None  # noqa: S101 - says so to the type checker
        self._packed[id(weight), adjoint] = form
        return form

    def _over(self, s: Tensor, weight: Tensor, shape: Sequence[int]) -> list[int]:
        """Return how many positions at the end of each axis of the input no output reaches."""
        return [
            shape[2 + i] - ((s.shape[2 + i] - 1) * self.stride[i] - 2 * self.padding[i]
                            + self.dilation[i] * (weight.shape[2 + i] - 1) + 1)
            for i in range(s.ndim - 2)
        ]  # fmt: skip


@functools.cache
def packing_works() -> bool:
    """Whether this PyTorch packs weights for oneDNN and computes with them what ``torch.convolution`` computes.

    The operations are PyTorch's own but not promised to stay, so they are tried; where they are not there, the same
    convolution runs on weights that are not packed. On ResNet-50 packed weights take 0.7 of the time at batch 1, where
    every call spends as much on bringing weights into order as on computing.
    """
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    x, weight, bias = torch.arange(50.0).view(1, 2, 5, 5), torch.arange(36.0).view(2, 2, 3, 3) - 17, torch.ones(2)
    at = ((1, 1), (2, 2), (1, 1), 1)
    try:
        with torch.no_grad():
            packed = torch.ops.mkldnn._reorder_convolution_weight(weight, *at, x.shape)
            got = torch.ops.mkldnn._convolution_pointwise.default(x, packed, bias, *at, "relu", [], "")
            expected = F.conv2d(x, weight, bias, 2, 1).relu()
            packed = torch.ops.mkldnn._reorder_convolution_transpose_weight(weight, (1, 1), (0, 0), *at[1:], got.shape)
            back = torch.ops.mkldnn._convolution_transpose_pointwise.default(
                got, packed, None, (1, 1), (0, 0), *at[1:], "none", [], ""
            )
            expected_back = F.conv_transpose2d(expected, weight, None, 2, 1)
    except (AttributeError, RuntimeError, TypeError):
        return False
    return bool(torch.allclose(got, expected)) and bool(torch.allclose(back, expected_back))


def count_flops() -> None:
    """Tell PyTorch's counter of FLOPs what packed convolutions cost, where somebody counts: it would count nothing.

    The counter is not imported for this: it brings Triton with it, whose LLVM crashes beside that of a software OpenGL.
    A ``FlopCounterMode`` takes its formulas when it is made: one made before any call does not know these.
    """
    counter: Any = sys.modules.get("torch.utils.flop_counter")
    if not hasattr(counter, "conv_flop_count"):
        return
    for name, transposed in (("_convolution_pointwise", False), ("_convolution_transpose_pointwise", True)):
        operation = getattr(torch.ops.mkldnn, name, None)
        if operation is None or operation in counter.flop_registry:
            continue

        def formula(x: Any, w: Any, *_rest: Any, out_shape: Any = None, _t: bool = transposed, **_others: Any) -> int:
            return int(counter.conv_flop_count(x, w, out_shape, transposed=_t))

        with contextlib.suppress(RuntimeError):  # another thread was first
            counter.register_flop_formula(operation)(formula)


count_flops()  # for a counter that is there already

"""What happened in one forward: values that depend on the input, and the operations between them, in their order.

The capture writes it; receptive fields, default layers, first-layer rules and refusals are read from it afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

INPUT = 0
"""The id of the input's value."""


@dataclass(eq=False)
class Operation:
    """One call of a tensor function on values that depend on the input.

    Attributes
    ----------
    index
        Its place in the order of calls.
    kind
        What it does, as :mod:`matxai.engine.operations` calls it: ``"convolution"``, ``"max_pool"``, ``"add"``, ...
    name
        The function's own name, for people.
    module
        The innermost module that was running (``""``: the model itself).
    inputs, outputs
        Ids of values that depend on the input; constants have none.
    input_shapes, output_shapes
        Their shapes, in the same order.
    params
        What the geometry needs: ``kernel_size, stride, padding, dilation, ceil_mode, output_padding, groups, ...``
    in_place
        Whether it wrote into its first argument.
    refused
        Why LRP cannot pass here; empty where it can.
    """

    index: int
    kind: str
    name: str
    module: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    input_shapes: tuple[tuple[int, ...], ...]
    output_shapes: tuple[tuple[int, ...], ...]
    params: dict[str, Any] = field(default_factory=dict)
    in_place: bool = False
    refused: str = ""

    @property
    def output(self) -> int:
        """The id of the (first) output."""
        return self.outputs[0]

    def where(self) -> str:
        """Say which operation of which layer this is, as errors do."""
        return f"'{self.name}' in layer '{self.module}'" if self.module else f"'{self.name}' in the model's own forward"


class Trace(list[Operation]):
    """The operations of one forward, with the questions that are asked about them, each in linear time."""

    def producers(self) -> dict[int, Operation]:
        """Return, for each value, the operation that made it."""
        return {value: op for op in self for value in op.outputs}

    def consumers(self) -> dict[int, list[Operation]]:
        """Return, for each value, the operations that used it."""
        used: dict[int, list[Operation]] = {}
        for op in self:
            for value in op.inputs:
                used.setdefault(value, []).append(op)
        return used

    def leading_to(self, values: Iterable[int]) -> set[int]:
        """Return the ids of all values on which the given ones depend, themselves included."""
        wanted = set(values)
        for op in reversed(self):
            if wanted.intersection(op.outputs):
                wanted.update(op.inputs)
        return wanted

    def following(self, value: int) -> Trace:
        """Return the operations that depend on a value."""
        reached, found = {value}, Trace()
        for op in self:
            if reached.intersection(op.inputs):
                reached.update(op.outputs)
                found.append(op)
        return found

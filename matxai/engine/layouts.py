"""How a layer lays out its cells: channels first as in convolutional networks, channels last, or a sequence of tokens.

Class, register and distillation tokens stand in front of the cells' own and belong nowhere on the input; they are
dropped. What a layout is follows from the recorded operations: the axes that the input's positions went along, else the
nearest operation that has its channels on a known axis; the grid of a sequence from the patch embedding's output.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from matxai.engine.place import Place, stretched
from matxai.engine.places import centres, placed
from matxai.errors import LayerError, nearest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

    from matxai.engine.trace import Operation, Trace

Shape: TypeAlias = tuple[int, ...]

FIRST, LAST, TOKENS = KINDS = ("channels_first", "channels_last", "tokens")
#: Tokens in front of the cells at most, where nobody says how the cells lie: class, distillation and registers.
MOST_EXTRA = 16
_CHANNELS_FIRST = frozenset(
    ("convolution", "transposed_convolution", "batch_norm", "max_pool", "average_pool", "adaptive_pool", "interpolate")
)
_FIRST_NORMS = ("group_norm", "instance_norm", "native_group_norm")
_LAST_NORMS = ("layer_norm", "native_layer_norm", "rms_norm", "_fused_rms_norm")
_THROUGH = frozenset(
    ("add", "activation", "relu", "identity", "product", "scale", "gate", "piecewise", "clamp", "quotient", "norm")
)


@dataclass(frozen=True)
class Layout:
    """How one layer's output ``(B, ...)`` holds its cells.

    Attributes
    ----------
    kind
        ``channels_first``: (B, K, *grid); ``channels_last``: (B, *grid, K); ``tokens``: (B, extra + cells, K), the
        cells in the order of the grid's rows.
    grid
        Cells along each axis of the input.
    extra
        Tokens in front of the cells, which are dropped.
    """

    kind: str
    grid: tuple[int, ...]
    extra: int = 0

    def cells(self, tensor: Tensor) -> Tensor:
        """Return activations or gradients (..., B, *as the layer has them) as (..., B, K, *grid)."""
        if self.kind == FIRST:
            return tensor
        if self.kind == LAST:
            return tensor.movedim(-1, -1 - len(self.grid))
        own = tensor[..., self.extra :, :].transpose(-1, -2)
        return own.reshape(*own.shape[:-1], *self.grid)

    def restored(self, cells: Tensor, clean: Tensor) -> Tensor:
        """Return cells (n, B, K, *grid) as the layer has them; other tokens are the ``clean`` output's (B, N, K)."""
        import torch

        if self.kind == FIRST:
            return cells
        if self.kind == LAST:
            return cells.movedim(-1 - len(self.grid), -1)
        own = cells.flatten(-len(self.grid)).transpose(-1, -2)
        return torch.cat([clean[:, : self.extra].to(own.dtype).expand(len(own), -1, -1, -1), own], dim=2)


def layout_of(
    trace: Trace,
    size: Shape,
    name: str,
    value: int,
    shape: Shape,
    *,
    layout: str | None = None,
    grid: Sequence[int] | None = None,
) -> tuple[Layout, Place | None]:
    """Return a layer's layout and where its cells lie; no place for channels first, which :mod:`.places` knows.

    Parameters
    ----------
    trace, size
        The operations of one forward, and the input's pixels along each axis.
    name, value, shape
        Of the layer: its name, its value in the trace, its output's shape.
    layout, grid
        As the user says; ``None``: found.

    Raises
    ------
    LayerError
        If the layout cannot be told, or what the user says does not fit.
    """
    if layout is not None and layout not in KINDS:
        raise LayerError(f"There is no layout '{layout}'. {nearest(layout, KINDS)}")
    spatial = len(size)
    kind = layout or (TOKENS if grid is not None else _told(trace, size, value, shape))
    if kind == FIRST:
        return Layout(FIRST, tuple(shape[2:])), None
    if kind == LAST:
        if len(shape) != spatial + 2:
            msg = f"Layer '{name}' gives {shape}, which is no (B, *cells, K) with {spatial} axes of cells."
            raise LayerError(msg)
        cells = tuple(shape[1:-1])
        return Layout(LAST, cells), _last_place(trace, size, value, cells)
    if len(shape) != 3:
        raise LayerError(f"Layer '{name}' gives {shape}, which is no sequence of tokens (B, N, K).")
    if grid is not None:
        given = tuple(int(n) for n in grid)
        extra = shape[1] - math.prod(given)
        if len(given) != spatial or extra < 0 or min(given) < 1:
            msg = (
                f"grid={given} does not fit layer '{name}' {shape}: it must be {spatial} numbers of cells, with a"
                f" product of at most {shape[1]}."
            )
            raise LayerError(msg)
        return Layout(TOKENS, given, extra), stretched(given, size, size)
    found = _grid(trace, size, value, shape[1])
    if found is None:
        msg = (
            f"How the {shape[1]} tokens of layer '{name}' {shape} lie on the input {size} cannot be told; say it"
            f" with grid=({', '.join(['cells'] * spatial)}) of the method's object: tokens in front of the"
            " cells are dropped."
        )
        raise LayerError(msg)
    cells, place = found
    return Layout(TOKENS, cells, shape[1] - math.prod(cells)), place


def mixes(trace: Trace, value: int) -> bool:
    """Whether attention lies in front of a value: then every cell may have seen the whole input."""
    behind = trace.leading_to([value])
    return any(
        op.kind in ("attention", "softmax") and len(op.output_shapes[0]) > 2 and behind.intersection(op.outputs)
        for op in trace
    )


def _told(trace: Trace, size: Shape, value: int, shape: Shape) -> str:
    """Return the kind of a layout from the operations around it."""
    spatial = len(size)
    nearest_channels = next((seen for op in _around(trace, value) if (seen := _channels(op)) is not None), None)
    if len(shape) != spatial + 2:
        return TOKENS if len(shape) == 3 and nearest_channels != FIRST else FIRST
    axes = centres(trace, (shape[0], 1, *size), [value]).get(value, ())
    live = [i for i, c in enumerate(axes) if c is not None]
    if len(live) == spatial and shape[1] not in shape[2:]:  # of equal axes arithmetic cannot say which is which
        last = live == list(range(1, spatial + 1))
    else:
        last = nearest_channels == LAST
    if not last:
        return FIRST
    return LAST if spatial > 1 else TOKENS


def _channels(op: Operation) -> str | None:
    """Return on which axis an operation has its channels, where that is known."""
    if op.kind in _CHANNELS_FIRST or op.name in _FIRST_NORMS:
        return FIRST
    wide = bool(op.input_shapes) and len(op.input_shapes[0]) > 2
    return LAST if (op.kind == "linear" and wide) or op.name in _LAST_NORMS else None


def _around(trace: Trace, value: int) -> Iterator[Operation]:
    """Yield what made a value and what uses it, through operations that leave every axis where it is."""
    producers, consumers = trace.producers(), trace.consumers()
    shapes = {v: s for op in trace for v, s in zip(op.outputs, op.output_shapes, strict=True)}
    for step in ("back", "forth"):
        todo, seen = [value], {value}
        while todo:
            at = todo.pop(0)
            ops = [producers[at]] if step == "back" and at in producers else consumers.get(at, [])
            for op in ops if step == "forth" or at in producers else ():
                yield op
                if op.kind not in _THROUGH:
                    continue
                for following in op.inputs if step == "back" else op.outputs:
                    if following not in seen and shapes.get(following) == shapes.get(at):
                        seen.add(following)
                        todo.append(following)


def _last_place(trace: Trace, size: Shape, value: int, cells: Shape) -> Place:
    """Return where cells with channels last lie: by arithmetic, or as patches that tile the input."""
    axes = centres(trace, (1, 1, *size), [value]).get(value, ())
    known = placed((None, None, *axes[1:-1]), (1, 1, *cells), len(size)) if axes else None
    return stretched(cells, size, size) if known is None else known


def _grid(trace: Trace, size: Shape, value: int, tokens: int) -> tuple[Shape, Place] | None:
    """Return the grid of a sequence and where its cells lie: the patch embedding's, else patches that tile the input.

    Attention lets every cell see the whole input: that is its receptive field, and its place is its patch's.
    """
    wanted = trace.leading_to([value])
    best: tuple[int, Shape, int] | None = None
    for op in trace:
        shape = op.output_shapes[0] if op.outputs else ()
        if op.kind in _CHANNELS_FIRST and len(shape) == len(size) + 2 and wanted.intersection(op.outputs):
            extra = tokens - math.prod(shape[2:])
            if 0 <= extra <= MOST_EXTRA and (best is None or extra <= best[0]):
                best = (extra, tuple(shape[2:]), op.output)
    if best is not None:
        _, cells, at = best
        known = placed(centres(trace, (1, 1, *size), [at]).get(at, ()), (1, 1, *cells), len(size))
        if known is None:
            return cells, stretched(cells, size, size)
        return cells, Place(known.origin, known.step, cells, tuple(float(n) for n in size), known.source)
    for extra in range(min(MOST_EXTRA, tokens - 1) + 1):
        patch = (math.prod(size) / (tokens - extra)) ** (1 / len(size))
        step = round(patch)
        if step > 0 and all(n % step == 0 for n in size) and math.prod(n // step for n in size) == tokens - extra:
            cells = tuple(n // step for n in size)
            return cells, stretched(cells, size, size)
    return None

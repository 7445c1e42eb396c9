"""Where each value of a forward lies on the input: receptive-field arithmetic over the recorded operations.

Every axis of a value either has :class:`~matxai.engine.receptive_field.Centres` or has lost them (``None``): pooled
away, mixed by a product of matrices, or met by a branch that lies elsewhere. Layers that lost theirs are probed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any, TypeAlias

from matxai.engine.place import Place
from matxai.engine.receptive_field import Centres, interpolated, merged, pooled, shifted, transposed, windowed
from matxai.engine.trace import INPUT, Operation, Trace

Axes: TypeAlias = tuple[Centres | None, ...]
Shape: TypeAlias = tuple[int, ...]

#: Selections that keep a cell where it is as long as no axis changes its size.
STILL = frozenset(
    (
        *("getitem", "__getitem__", "chunk", "split", "split_with_sizes", "tensor_split", "narrow", "select", "slice"),
        *("index", "index_select", "masked_fill", "where", "repeat", "tile", "broadcast_to", "tril", "triu"),
    )
)
#: Views that change the order of axes.
PERMUTING = frozenset(
    ("permute", "transpose", "movedim", "moveaxis", "swapaxes", "swapdims", "t", "T", "mT", "adjoint")
)
#: How far an interpolation reaches, in cells to each side.
TAPS = {
    "nearest": 0.0,
    "nearest-exact": 0.0,
    "linear": 1.0,
    "bilinear": 1.0,
    "trilinear": 1.0,
    "bicubic": 2.0,
    "area": 0.5,
}


def centres(trace: Trace, shape: Shape, values: Iterable[int]) -> dict[int, Axes]:
    """Return the centres along each axis of the given values, and of all that lead to them.

    Parameters
    ----------
    trace
        The operations of one forward.
    shape
        The input's, ``(B, C, *spatial)``.
    values
        Ids of values of the trace.
    """
    known: dict[int, Axes] = {INPUT: (None, None, *(Centres(axis) for axis in range(len(shape) - 2)))}
    wanted = trace.leading_to(values)
    for op in trace:
        if not wanted.intersection(op.outputs):
            continue
        through = PASSAGES.get(op.kind, _lost)
        inputs = [known.get(value, (None,) * len(s)) for value, s in zip(op.inputs, op.input_shapes, strict=True)]
        for value, out in zip(op.outputs, op.output_shapes, strict=True):
            known[value] = through(op, inputs, out) if inputs else (None,) * len(out)
    return known


def placed(axes: Axes, shape: Shape, spatial: int) -> Place | None:
    """Return the place of a value ``(B, K, *cells)``, or ``None`` if any of its spatial axes lost its centres.

    Parameters
    ----------
    axes, shape
        Of the value.
    spatial
        How many spatial axes the input has; the value must have as many, in the same order.
    """
    found = [c for c in axes[2:] if c is not None]
    if len(axes) != spatial + 2 or [c.axis for c in found] != list(range(spatial)):
        return None
    return Place(
        origin=tuple(c.origin for c in found),
        step=tuple(c.step for c in found),
        shape=tuple(shape[2:]),
        field=tuple(c.field for c in found),
    )


def _per_axis(value: Any, axes: int, default: int) -> tuple[int, ...]:
    """Return one number for each axis, from a number, a sequence or nothing."""
    if value is None or (isinstance(value, Sequence) and not value):
        return (default,) * axes
    if isinstance(value, Sequence):
        return tuple(int(v) for v in value) if len(value) == axes else (int(value[0]),) * axes
    return (int(value),) * axes


def _lost(_op: Operation, _inputs: Sequence[Axes], out: Shape) -> Axes:
    return (None,) * len(out)


def _window(op: Operation, inputs: Sequence[Axes], out: Shape) -> Axes:
    """Convolutions and pools: the last axes are the spatial ones."""
    spatial = len(out) - 2 if op.kind == "convolution" else _pool_axes(op, out)
    p = op.params
    if "kernel_size" not in p:
        return _lost(op, inputs, out)
    kernel, stride = _per_axis(p["kernel_size"], spatial, 1), _per_axis(p.get("stride"), spatial, 1)
    dilation = _per_axis(p.get("dilation"), spatial, 1)
    margin = tuple(p.get("margin") or (0,) * 2 * spatial)[::2][::-1]  # of padding="same": pairs, the last axis first
    before = tuple(b + m for b, m in zip(_per_axis(p.get("padding"), spatial, 0), margin, strict=True))
    cut = len(out) - spatial
    moved = [
        None if c is None else windowed(c, k, s, b, d)
        for c, k, s, b, d in zip(inputs[0][-spatial:], kernel, stride, before, dilation, strict=True)
    ]
    head: Axes = (None,) * cut if op.kind == "convolution" else inputs[0][:cut]
    return (*head, *moved)


def _pool_axes(op: Operation, out: Shape) -> int:
    """Return how many axes a pooling works on, from its name (``max_pool2d``)."""
    digits = [int(c) for c in op.name if c in "123"]
    return digits[-1] if digits else len(out) - 2


def _transposed(op: Operation, inputs: Sequence[Axes], out: Shape) -> Axes:
    spatial = len(out) - 2
    p = op.params
    values = [
        _per_axis(p.get(k), spatial, d) for k, d in (("kernel_size", 1), ("stride", 1), ("padding", 0), ("dilation", 1))
    ]
    moved = [
        None if c is None else transposed(c, k, s, b, d) for c, k, s, b, d in zip(inputs[0][2:], *values, strict=True)
    ]
    return (None, None, *moved)


def _adaptive(op: Operation, inputs: Sequence[Axes], out: Shape) -> Axes:
    return tuple(
        None if c is None else (c if n == m else pooled(c, n, m))
        for c, n, m in zip(inputs[0], op.input_shapes[0], out, strict=True)
    )


def _interpolate(op: Operation, inputs: Sequence[Axes], out: Shape) -> Axes:
    p = op.params
    mode = str(p.get("mode") or next((m for m in ("nearest", "bicubic") if m in op.name), "linear"))
    scale = p.get("scale_factor")
    moved: list[Centres | None] = []
    for i, (c, n, m) in enumerate(zip(inputs[0], op.input_shapes[0], out, strict=True)):
        if c is None or i < 2:
            moved.append(None)
        elif p.get("align_corners"):
            moved.append(interpolated(c, (n - 1) / max(m - 1, 1), corners=True, taps=TAPS.get(mode, 1.0)))
        else:
            given = scale[i - 2] if isinstance(scale, Sequence) else scale
            moved.append(interpolated(c, 1 / float(given) if given else n / m, taps=TAPS.get(mode, 1.0)))
    return tuple(moved)


def _elementwise(op: Operation, inputs: Sequence[Axes], out: Shape) -> Axes:
    """Operands meet place by place; one that is spread along an axis (a gate of one value per channel) says nothing."""
    moved: list[Centres | None] = []
    for i in range(-len(out), 0):
        met = [a[i] for a, s in zip(inputs, op.input_shapes, strict=True) if len(s) >= -i and s[i] == out[i]]
        known = [c for c in met if c is not None]
        # a value of one cell along an axis is that of all cells wherever it came from
        moved.append(merged(known) if known and (out[i] == 1 or len(known) == len(met)) else None)
    return tuple(moved)


def _still(op: Operation, inputs: Sequence[Axes], out: Shape) -> Axes:
    if op.name.removesuffix("_").split(".")[0] not in STILL:
        return _lost(op, inputs, out)
    return _reshaped(op, inputs[:1], out)


def _reshaped(op: Operation, inputs: Sequence[Axes], out: Shape) -> Axes:
    """Follow a view: an axis goes on where all live axes are found again in their order, and in one way only.

    Trailing axes that are left alone (``(B, g, K / g, H, W)``) go first, unless the axes change places.
    """
    axes, shape = inputs[0], op.input_shapes[0]
    live = [i for i, c in enumerate(axes) if c is not None]
    if not live:
        return _lost(op, inputs, out)
    tail = len(shape) - live[0]
    if op.name.rstrip("_") not in PERMUTING and tail <= len(out) and out[len(out) - tail :] == shape[live[0] :]:
        return (*(None,) * (len(out) - tail), *axes[live[0] :])
    sizes = [shape[i] for i in live]
    ways = [w for w in combinations(range(1, len(out)), len(live)) if [out[i] for i in w] == sizes]
    if len(ways) != 1:
        return _lost(op, inputs, out)
    found = dict(zip(ways[0], (axes[i] for i in live), strict=True))
    return tuple(found.get(i) for i in range(len(out)))


def _pad(op: Operation, inputs: Sequence[Axes], out: Shape) -> Axes:
    pad = op.params.get("pad")
    if not isinstance(pad, Sequence):
        return _reshaped(op, inputs, out)
    moved = list(inputs[0])
    for i in range(len(pad) // 2):  # pairs, the last axis first
        at = moved[-1 - i]
        moved[-1 - i] = None if at is None else shifted(at, float(pad[2 * i]))
    return tuple(moved)


def _cat(op: Operation, inputs: Sequence[Axes], out: Shape) -> Axes:
    if any(len(s) != len(out) for s in op.input_shapes):
        return _lost(op, inputs, out)
    dim = int(op.params.get("dim") or 0) % len(out)
    return tuple(None if i == dim else _met([a[i] for a in inputs]) for i in range(len(out)))


def _met(branches: list[Centres | None]) -> Centres | None:
    known = [c for c in branches if c is not None]
    return merged(known) if known and len(known) == len(branches) else None


def _linear(op: Operation, inputs: Sequence[Axes], out: Shape) -> Axes:
    if op.params.get("product") or len(inputs[0]) != len(out):  # which axes are mixed is not known
        return _lost(op, inputs, out)
    return (*inputs[0][:-1], None)


Passage: TypeAlias = Callable[[Operation, Sequence[Axes], Shape], Axes]

PASSAGES: Mapping[str, Passage] = {
    "convolution": _window,
    "max_pool": _window,
    "average_pool": _window,
    "transposed_convolution": _transposed,
    "adaptive_pool": _adaptive,
    "interpolate": _interpolate,
    "pad": _pad,
    "cat": _cat,
    "linear": _linear,
    "view": _reshaped,
    "mean": _reshaped,
    "sum": _reshaped,
    "select": _still,
    **dict.fromkeys(
        (
            *(
                "batch_norm",
                "relu",
                "activation",
                "piecewise",
                "clamp",
                "add",
                "identity",
                "detach",
                "product",
                "quotient",
            ),
            *("softmax", "log_softmax", "norm", "write", "gate", "scale"),
        ),
        _elementwise,
    ),
}


def places(trace: Trace, shape: Shape, values: Mapping[str, tuple[int, Shape]]) -> dict[str, Place | None]:
    """Return the place of each layer by arithmetic, or ``None`` where it fails.

    Parameters
    ----------
    trace
        The operations of one forward.
    shape
        The input's, ``(B, C, *spatial)``.
    values
        For each layer's name: the id of its value in the trace, and its shape.
    """
    known = centres(trace, shape, (value for value, _ in values.values()))
    return {
        name: placed(known.get(value, (None,) * len(cells)), cells, len(shape) - 2)
        for name, (value, cells) in values.items()
    }

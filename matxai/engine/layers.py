"""The layers of a model as one forward shows them: names, shapes, the default layer; and how users' words find them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from matxai.engine.naming import layer_names
from matxai.engine.trace import INPUT, Operation, Trace
from matxai.errors import LayerError, MatxaiError, ModelError, nearest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_TRANSPARENT = frozenset({"view", "identity", "select", "interpolate", "pad", "softmax", "log_softmax"})


@dataclass(frozen=True)
class Layer:
    """One layer as it ran: its name, type, the shape of its output, how often it was called, its value in the trace."""

    name: str
    type: str
    shape: tuple[int, ...]
    calls: int
    value: int


@dataclass(frozen=True)
class Layers:
    """What :func:`layers` found.

    Attributes
    ----------
    rows
        Every layer that ran and gave one tensor, in the order in which they ended (of their last call).
    default
        The layer that CAM methods read when none is named; empty where the model has no spatial part.
    convolutions
        The layers that are convolutions, in the order of their last call; negative indices count back from the last.
    names
        Every name that a layer goes by -> the name that stands for it.
    obstacle
        What keeps a default layer from being found although there may be feature maps: the error and its sentence.
    hidden
        The first layer that is TorchScript (``""``: the model itself): what runs inside has no names here.
    """

    rows: tuple[Layer, ...]
    default: str
    convolutions: tuple[str, ...]
    names: dict[str, str]
    obstacle: tuple[type[MatxaiError], str] | None = None
    hidden: str | None = None

    def __iter__(self) -> Iterator[Layer]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __str__(self) -> str:
        wide = max((len(r.name) for r in self.rows), default=4)
        lines = [f"{r.name:<{wide}}  {r.type:<20} {'x'.join(map(str, r.shape[1:]))}" for r in self.rows]
        return "\n".join(f"{line}  <- default" if r.name == self.default else line for line, r in
                         zip(lines, self.rows, strict=True))  # fmt: skip

    def place(self, layer: str | int | None) -> str:
        """Return what :meth:`resolve` does, as a run calls the place; ``"input"`` is there the input, and no layer."""
        name = self.resolve(layer)
        return f"{name}@{next(r.calls for r in self.rows if r.name == name)}" if name == "input" else name

    def resolve(self, layer: str | int | None) -> str:
        """Return the name of a layer given by name, by ``name@call``, by negative index, or ``None`` for the default.

        Raises
        ------
        LayerError
            With the nearest names, if the model has no such layer or its forward does not reach it.
        ModelError
            If the layer is inside of TorchScript, or the forward cuts the way from the feature maps to the scores.
        """
        if layer is None:
            if not self.default:
                if self.obstacle is not None:
                    error, sentence = self.obstacle
                    raise error(sentence)
                msg = "The model has no layer with spatial axes that a map could be read from; name one with layers=."
                raise LayerError(msg)
            return self.default
        if isinstance(layer, int):
            if not self.convolutions and self.hidden is not None:
                raise ModelError(_in_torchscript(self.hidden))
            if not -len(self.convolutions) <= layer < 0:
                count = len(self.convolutions)
                msg = (
                    f"Layer index {layer} is out of range: indices count back from the last of the model's {count} "
                    f"convolutions, -1 to -{count}."
                    if count
                    else f"Layer index {layer} means nothing here: the model has no convolution."
                )
                raise LayerError(msg)
            return self.convolutions[layer]
        base, _, call = layer.partition("@")
        known = {r.name: r for r in self.rows}
        if base not in self.names:
            raise LayerError(f"The model has no layer '{base}'. {nearest(base, self.names, label='Layers')}")
        row = known.get(self.names[base])
        if row is None and self.hidden is not None and f"{base}.".startswith(self.hidden and f"{self.hidden}."):
            raise ModelError(_in_torchscript(self.hidden))
        if row is None:
            msg = f"The model's forward never gets a tensor from layer '{base}'. {nearest(base, known, label='Layers')}"
            raise LayerError(msg)
        if call and not (call.isdigit() and 1 <= int(call) <= row.calls):
            raise LayerError(f"Layer '{base}' runs {row.calls} time(s); '{layer}' names no call of it.")
        return f"{row.name}@{call}" if call else row.name


def layers(module: nn.Module, x: Tensor) -> Layers:
    """List the layers of a model that run on ``x`` (B, C, *spatial), and the default one; one forward without a graph.

    Examples
    --------
    >>> import torch
    >>> net = torch.nn.Sequential(torch.nn.Conv1d(1, 4, 3), torch.nn.ReLU(), torch.nn.Flatten())
    >>> layers(net, torch.zeros(1, 1, 8)).default
    '1'
    """
    from matxai.engine.passes import inspected

    return inspected(module, x).layers


def table(module: nn.Module, x: Tensor, trace: Trace, calls: Sequence[Layer], output: Tensor | None, value: int | None
          ) -> Layers:  # fmt: skip
    """Make the table from one recorded forward: layers' calls in their order, the explained output and its value."""
    last: dict[str, Layer] = {}
    for call in calls:
        last.pop(call.name, None)
        last[call.name] = call
    rows = tuple(last.values())
    made = {op.module for op in trace if op.kind in ("convolution", "transposed_convolution")}
    convolutions = tuple(r.name for r in rows if r.name in made)
    default = ""
    if output is not None and value is not None:
        dense = output.ndim == x.ndim and _extended(output.shape)
        ids = _coarsest(trace, value, x.ndim, rows) if dense else _last_spatial(trace, value, x.ndim)
        default = next((name for v in ids if (name := _outermost(v, rows))), "")
        if not dense:
            default = _of_tokens(trace, value, rows, default) or default
    hidden = next((name for name, m in module.named_modules() if isinstance(m, torch.jit.ScriptModule)), None)
    obstacle = None if default else _obstacle(rows, hidden, x.ndim, known=output is not None, cut=_is_cut(trace, value))
    return Layers(rows, default, convolutions, layer_names(module), obstacle, hidden)


def _of_tokens(trace: Trace, value: int, rows: Sequence[Layer], default: str) -> str:
    """Return the norm in front of the last attention, where the spatial part ends in a sequence of tokens; else ``""``.

    Where the scores read a class token, gradients behind the last attention are 0 at all other tokens. The norm that
    the last attention reads is the last layer at which every token matters.
    """
    behind = trace.leading_to([value])
    mixes = [op for op in trace if op.kind in ("attention", "softmax") and behind.intersection(op.outputs)
             and len(op.output_shapes[0]) > 2]  # fmt: skip
    if not mixes:
        return ""
    before = trace.leading_to(mixes[-1].inputs)
    found = next((r for r in rows if r.name == default), None)
    if found is not None and found.value not in before and not _one_token_is_read(trace, found.value):
        return ""  # the spatial part goes on behind the last attention
    norms = [r.name for r in rows if r.value in before and "Norm" in r.type and len(r.shape) == 3 and r.shape[1] > 1]
    return norms[-1] if norms else ""


def _one_token_is_read(trace: Trace, value: int) -> bool:
    """Whether only a single entry along an axis is taken from a sequence of tokens, behind norms."""
    users = trace.consumers()
    while len(following := users.get(value, [])) == 1 and following[0].kind in ("norm", "identity"):
        value = following[0].output
    return bool(following) and all(
        op.kind == "select" and len(op.output_shapes[0]) < len(op.input_shapes[0]) for op in following
    )


def _is_cut(trace: Trace, value: int | None) -> bool:
    """Whether what leads to the scores begins somewhere in the forward, and not at the input."""
    if value is None:
        return True
    wanted = trace.leading_to([value])
    return any(op.kind == "unseen" and wanted.intersection(op.outputs) for op in trace)


def _obstacle(
    rows: Sequence[Layer], hidden: str | None, ndim: int, *, known: bool, cut: bool
) -> tuple[type[MatxaiError], str] | None:
    """Return why no layer is known to lead to the scores; ``None`` where there is simply none with spatial axes."""
    if hidden is not None:
        return ModelError, _in_torchscript(hidden)
    spatial = [r.name for r in rows if len(r.shape) == ndim and _extended(r.shape)]
    if not spatial:
        return None
    if not known:
        return LayerError, (
            "It is open which tensor of the model's output holds the scores; name it with output=, or a layer with"
            " layers=."
        )
    if cut:
        return ModelError, (
            f"The forward cuts the way from layer '{spatial[-1]}' to the scores (detach, NumPy, or a custom function), "
            "so no map can be read there; leave the scores in the graph that PyTorch records."
        )
    return LayerError, (
        f"No layer with spatial axes lies on the way to the scores; name one with layers= ('{spatial[-1]}' ran last)."
    )


def _in_torchscript(name: str) -> str:
    part = f"The layer '{name}'" if name else "The model"
    return (
        f"{part} is a TorchScript program, whose layers cannot be seen from outside; for maps of layers give the model "
        "as a module or a torch.export program, or use a method that reads the input, such as saliency."
    )


def _extended(shape: Sequence[int]) -> bool:
    return len(shape) >= 3 and any(s > 1 for s in shape[2:])


def _outermost(value: int, rows: Sequence[Layer]) -> str:
    """Return the outermost of the layers that give this value: the one with the shortest path."""
    names = [r.name for r in rows if r.value == value]
    return min(names, key=lambda n: n.count("."), default="")


def _last_spatial(trace: Trace, output: int, ndim: int) -> Iterator[int]:
    """Yield the tensor in front of the pooling or flattening that ends the spatial part, then what leads to it."""
    producers = trace.producers()
    seen, ends, todo = {output}, list[tuple[int, int]](), [output]
    while todo:  # back from the scores, through what has no space any more
        op = producers.get(todo.pop())
        if op is None:
            continue
        for value, shape in zip(op.inputs, op.input_shapes, strict=True):
            if value in seen:
                continue
            seen.add(value)
            if len(shape) == ndim and _extended(shape):
                ends.append((op.index, value))
            else:
                todo.append(value)
    if not ends:
        return
    yield from _upstream(producers, max(ends)[1], ndim)


def _upstream(producers: dict[int, Operation], value: int, ndim: int) -> Iterator[int]:
    """Yield a value, or what lies in front of it as long as that is a pooling to a fixed size or changes nothing."""
    op = producers.get(value)
    while op is not None and op.kind in ("adaptive_pool", "identity") and _extended(op.input_shapes[0]):
        value = op.inputs[0]
        op = producers.get(value)
    while value != INPUT:
        op = producers.get(value)
        if op is None or _extended(op.output_shapes[op.outputs.index(value)]):
            yield value
        if op is None or len(op.input_shapes[0]) != ndim:
            return
        value = op.inputs[0]


def _coarsest(trace: Trace, output: int, ndim: int, rows: Sequence[Layer]) -> Iterator[int]:
    """Yield the values with the fewest positions on the way to a dense output, the last first; never the scores."""
    scores, producers = {output}, trace.producers()
    todo = [output]
    while todo:
        op = producers.get(todo.pop())
        if op is not None and op.kind in _TRANSPARENT | {"activation"}:
            scores.add(op.inputs[0])
            todo.append(op.inputs[0])
    wanted = trace.leading_to([output])
    candidates = [
        r for r in rows
        if r.value in wanted and r.value not in scores and len(r.shape) == ndim and _extended(r.shape)
    ]  # fmt: skip
    fewest = min((torch.Size(r.shape[2:]).numel() for r in candidates), default=0)
    yield from (r.value for r in reversed(candidates) if torch.Size(r.shape[2:]).numel() == fewest)

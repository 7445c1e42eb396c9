"""Where the layers of one call lie on the input: by arithmetic, else by a probe, else stretched, and said so."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from matxai.engine.forgetting import cache_on_models
from matxai.engine.place import Place, stretched
from matxai.errors import LayerError

if TYPE_CHECKING:
    from collections.abc import MutableMapping, Sequence

    from torch import nn

    from matxai.engine import Captured
    from matxai.engine.layouts import Layout

    Shape: TypeAlias = tuple[int, ...]


def as_stretched(place: Place, size: Sequence[int]) -> Place:
    """Return the place of the same cells when the map is stretched over the input; the receptive field stays."""
    return stretched(place.shape, size, place.field)


@dataclass(frozen=True)
class Lying:
    """The place and layout of each layer, what had to be decided in sentences, and the passes that it took.

    ``untold`` holds the layers whose layout cannot be told, and why: an error for whoever reads them.
    """

    places: dict[str, Place]
    layouts: dict[str, Layout] = field(default_factory=dict)
    untold: dict[str, LayerError] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    forwards: int = 0
    backwards: int = 0


#: The arithmetic of a model's last call, good for as long as it runs through the same operations.
_known: MutableMapping[nn.Module, _Arithmetic] = cache_on_models()


@dataclass(frozen=True)
class _Arithmetic:
    """By layer: its place, and its layout with the place that this gives."""

    key: object
    places: dict[str, Place | None]
    layouts: dict[str, tuple[Layout, Place | None]] = field(default_factory=dict)


def _arithmetic(module: nn.Module, captured: Captured, values: dict[str, tuple[int, Shape]]) -> _Arithmetic:
    from matxai.engine.places import places

    shape = tuple(captured.input.shape)
    key = (shape, values, [(op.kind, op.name, op.inputs, op.input_shapes, op.params) for op in captured.trace])
    held: _Arithmetic | None = _known.get(module)
    if held is None or held.key != key:
        held = _known[module] = _Arithmetic(key, places(captured.trace, shape, values))
    return held


def lying(module: nn.Module, captured: Captured, *, probe: bool = True) -> Lying:
    """Return the place of each layer of a run.

    Parameters
    ----------
    module
        For the probe, which runs it once more where arithmetic fails.
    captured
        What the run recorded.
    probe
        Whether to probe at all: a stretched map needs no place.
    """
    from matxai.engine.layouts import layout_of, mixes
    from matxai.engine.probe import probed

    names = list(dict.fromkeys(captured.layers))
    size = tuple(captured.input.shape[2:])
    values = {n: (captured.value(n), tuple(captured.activation(n).shape)) for n in names}
    found: dict[str, Place] = {}
    notes: list[str] = []
    forwards = backwards = 0
    layouts: dict[str, Layout] = {}
    untold: dict[str, LayerError] = {}
    arithmetic = _arithmetic(module, captured, values)
    for name, place in arithmetic.places.items():
        cells = values[name][1][2:]
        try:
            if name not in arithmetic.layouts:
                arithmetic.layouts[name] = layout_of(captured.trace, size, name, *values[name])
            layouts[name], of_layout = arithmetic.layouts[name]
        except LayerError as error:
            untold[name] = error
            continue
        if of_layout is not None:
            found[name] = of_layout
            extra = layouts[name].extra
            if extra:
                notes.append(f"the {extra} token(s) of layer '{name}' in front of its cells are dropped")
            continue
        if place is None and len(cells) == len(size) and mixes(captured.trace, values[name][0]):
            place = stretched(cells, size, size)  # a cell's place is its patch
        if place is None and len(cells) == len(size) and probe:
            place, more_forwards, more_backwards = probed(module, captured.input, name, cells)
            forwards, backwards = forwards + more_forwards, backwards + more_backwards
            notes.append(
                f"Where the cells of layer '{name}' lie does not follow from kernels and strides: "
                + ("a probe of its gradients found it." if place else "its map is stretched over the input.")
            )
        if place is None and len(cells) == len(size):
            place = stretched(cells, size)
        if place is not None:
            found[name] = place
    return Lying(found, layouts, untold, tuple(notes), forwards, backwards)

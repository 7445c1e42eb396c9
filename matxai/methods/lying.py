"""Where the layers of one call lie on the input: by arithmetic, else by a probe, else stretched, and said so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matxai.engine.place import Place, stretched

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

    from matxai.engine import Captured


def as_stretched(place: Place, size: Sequence[int]) -> Place:
    """Return the place of the same cells when the map is stretched over the input; the receptive field stays."""
    return stretched(place.shape, size, place.field)


def lying(module: nn.Module, captured: Captured) -> tuple[dict[str, Place], tuple[str, ...]]:
    """Return the place of each layer of a run, and what had to be decided.

    Parameters
    ----------
    module
        For the probe, which runs it once more where arithmetic fails.
    captured
        What the run recorded.
    """
    from matxai.engine.places import places
    from matxai.engine.probe import probed

    names = list(dict.fromkeys(captured.layers))
    size = tuple(captured.input.shape[2:])
    values = {n: (captured.value(n), tuple(captured.activation(n).shape)) for n in names}
    found: dict[str, Place] = {}
    notes: list[str] = []
    for name, place in places(captured.trace, tuple(captured.input.shape), values).items():
        cells = values[name][1][2:]
        if place is None and len(cells) == len(size):
            place = probed(module, captured.input, name, cells)
            if place is not None:
                notes.append(
                    f"Where the cells of layer '{name}' lie does not follow from kernels and strides: a probe of its"
                    " gradients found it, with one more forward."
                )
        if place is None and len(cells) == len(size):
            place = stretched(cells, size)
            notes.append(f"Where the cells of layer '{name}' lie is not known: its map is stretched over the input.")
        if place is not None:
            found[name] = place
    return found, tuple(notes)

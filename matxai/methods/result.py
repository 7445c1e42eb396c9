"""What an attribution returns beside its maps: scores, where the maps lie, what they cost and what was decided."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from matxai.engine import Plan
    from matxai.engine.place import Place
    from matxai.methods.method import Empty, Method


@dataclass(frozen=True)
class Attribution:
    """The maps of one call and how they came about.

    Attributes
    ----------
    maps
        By key, in the order asked for: what :func:`matxai.attribute` returns.
    methods
        The methods with their options, by the same keys.
    logits
        The model's output that was explained, without a graph; ``None`` where a callable target had the whole output.
    target
        The targets as the engine resolved them.
    scores
        ``(B,)`` or, for several targets, ``(T, B)``: what the maps explain.
    layers
        The names of the call's layers, in order; empty where no method reads layers.
    layers_of
        The names of the layers of each method that reads layers, by key.
    places
        For each layer: origin, step, shape and receptive field along each axis, in input pixels.
    plan
        The passes that were merged.
    forwards, backwards
        The passes that were run, those of a probe for a layer's place included.
    tails, tail_backwards
        Runs of what follows a layer, from activations that were handed in: parts of a forward, counted apart.
    notes
        What was decided for the user, in sentences.
    ledger
        What each operation of a relevance pass kept and lost.
    empty
        One record for each all-zero CAM.
    cells
        What the maps of some methods cannot look into, in input pixels along each axis, by key.
    figures
        By method: numbers that belong to its map, such as what the quadrature missed; tensors (B,) or (T, B).
    warnings
        What the user should be warned about, in sentences; they stand in ``notes`` as well.
    left_out
        Methods that this model or input does not allow, by key, and why; only where leaving out was asked for.
    """

    maps: dict[str, Tensor | tuple[Tensor, ...] | dict[str, Tensor]]
    methods: Mapping[str, Method]
    logits: Tensor | None
    target: Any
    scores: Tensor
    layers: tuple[str, ...]
    layers_of: Mapping[str, tuple[str, ...]]
    places: Mapping[str, Place]
    plan: Plan
    forwards: int
    backwards: int
    notes: tuple[str, ...]
    ledger: Any
    empty: tuple[Empty, ...]
    cells: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    figures: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    tails: int = 0
    tail_backwards: int = 0


def said_once(said: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """Return sentences of methods without repetition: what several say of themselves names them all.

    Parameters
    ----------
    said
        (key of the method, sentence) each. ``KEY: ...`` is what a method says of itself; other sentences stay as they
        are.
    """
    about: dict[tuple[bool, str], list[str]] = {}
    for key, sentence in said:
        own = sentence.startswith(f"{key}: ")
        keys = about.setdefault((own, sentence.removeprefix(f"{key}: ") if own else sentence), [])
        keys += [] if key in keys else [key]
    return tuple(f"{_listed(keys)}: {rest}" if own else rest for (own, rest), keys in about.items())


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))

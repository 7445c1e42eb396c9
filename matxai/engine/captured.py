"""What a run hands out: tensors at the input and at layers, without a graph, and how they came about."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from matxai.engine.composites import Composite
from matxai.engine.inputs import FURTHER
from matxai.engine.ledger import Balance, stack
from matxai.engine.plan import Rule, rule_name
from matxai.errors import LayerError, MethodError, OperationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from matxai.engine.assignment import Assignment
    from matxai.engine.biases import BiasGradient
    from matxai.engine.targets import Target
    from matxai.engine.trace import Trace


@dataclass
class Place:
    """One place where tensors were read: its value in the trace, the tensor, and what each backward left there."""

    value: int
    tensor: Tensor
    gradients: dict[Rule, list[Tensor]] = field(default_factory=dict)
    relevances: dict[Rule, list[Tensor]] = field(default_factory=dict)


@dataclass
class Captured:
    """The results of :func:`matxai.engine.run`; read it, do not write it.

    Attributes
    ----------
    input
        The batch (B, C, *spatial) that went in.
    output
        What the model returned, without a graph.
    logits
        The scores that were explained: the output, or the input of the softmax or sigmoid that made it.
    target
        What was explained, in words; one entry for each target.
    targets
        The number of targets of ``each``, None for a single one: with it results have a leading axis T.
    layers
        The names of the layers that were read, in the order asked for.
    trace
        The operations of the forward.
    notes
        What was decided for the user.
    forwards, backwards
        Passes really run. A forward that deviated from the prepared plan and ran again without it counts twice, and so
        do passes that run again, on a model's first call, because it overwrites what a backward needs. The look at a
        model's first call (one forward without a graph, to which the output is compared) is not among them; later
        calls have none.
    kept_bytes
        Bytes that stand-ins held for relevance and captured tensors at the end of the backwards.
    fixed
        The targets as they are at this input: areas that depend on the output keep their positions in copies of it.
    seconds
        How long each pass took, by its label; what a prediction goes by. On a model's first call, when it is prepared
        as well, the forward counts no more than the first look at it.
    refused
        Backwards that were left out, and why.
    assignments
        For each composite: which operation got which rule.
    biases
        For each target: the gradients of all biases, where the plan reads them.
    """

    input: Tensor
    output: Any
    logits: Tensor | None
    target: list[str]
    targets: int | None
    layers: tuple[str, ...]
    trace: Trace
    notes: list[str]
    forwards: int = 1
    backwards: int = 0
    kept_bytes: int = 0
    places: dict[str, Place] = field(default_factory=dict)
    score_list: list[Tensor] = field(default_factory=list)
    fixed: tuple[Target, ...] = ()
    seconds: dict[str, float] = field(default_factory=dict)
    refused: dict[Rule, str] = field(default_factory=dict)
    assignments: dict[Rule, Assignment] = field(default_factory=dict)
    balances: dict[Rule, list[Balance]] = field(default_factory=dict)
    biases: list[list[BiasGradient]] = field(default_factory=list)

    @property
    def scores(self) -> Tensor:
        """The explained scores: (B,), or (T, B)."""
        return self._joined(self.score_list)

    def seen_from(self, name: str) -> Captured:
        """Return the same as if a further input, by its keyword or position, were the first."""
        place = self._place(FURTHER + name)
        return replace(self, input=place.tensor, places={**self.places, "input": place})

    def activation(self, name: str) -> Tensor:
        """Return the output of a layer, (B, K, *spatial)."""
        return wide(self._place(name).tensor)

    def value(self, name: str) -> int:
        """Return the id in the trace of a layer's output; of ``"input"`` it is 0."""
        return self._place(name).value

    def gradient(self, rule: Rule, at: str) -> Tensor:
        """Return what a backward left at ``"input"`` or a layer, of its shape, with a leading T for several targets.

        For a composite it is relevance divided by the value there (0 where the value is 0 and a first-layer rule gave
        relevance all the same: :meth:`relevance` has it).
        """
        return self._joined(self._read(self._place(at).gradients, rule, at))

    def relevance(self, rule: Composite, at: str) -> Tensor:
        """Return the relevance that a composite left at ``"input"`` or a layer: value times gradient, or as given."""
        return self._joined(self._read(self._place(at).relevances, rule, at))

    @property
    def ledger(self) -> dict[str, Balance]:
        """For each composite's name: where its relevance went."""
        return {
            rule_name(rule).removeprefix("lrp:"): (many[0] if self.targets is None else stack(many))
            for rule, many in self.balances.items()
        }

    def add(self, rule: Rule, name: str, kept: Tensor, g: Tensor | None, laid: Tensor | None) -> None:
        """Put down what a backward left at a place: ``g`` flowed there, ``laid`` is relevance of a first-layer rule."""
        place = self.places[name]
        g = torch.zeros_like(kept) if g is None else g
        if isinstance(rule, Composite):
            relevance = wide(kept) * wide(g)
            if laid is not None:
                relevance = relevance + wide(laid)
                g = torch.where(kept == 0, g, relevance / torch.where(kept == 0, torch.ones_like(kept), kept))
            place.relevances.setdefault(rule, []).append(relevance)
        place.gradients.setdefault(rule, []).append(wide(g))

    def boil_down(self, rule: Rule, reduce: Callable[[int, Tensor], Tensor]) -> None:
        """Keep of the input's latest relevance only what ``reduce(number of the target, relevance)`` returns."""
        place = self.places["input"]
        many = place.relevances[rule]
        many[-1] = reduce(len(many) - 1, many[-1])
        place.gradients.pop(rule, None)

    def latest_relevance(self, rule: Rule, name: str) -> Tensor:
        """Return the relevance of the target that came last."""
        return self.places[name].relevances[rule][-1]

    def _place(self, name: str) -> Place:
        if name not in self.places:
            raise LayerError(f"Nothing was read at '{name}'; the run read {', '.join(map(repr, self.places))}.")
        return self.places[name]

    def _read(self, held: dict[Rule, list[Tensor]], rule: Rule, at: str) -> list[Tensor]:
        if rule in self.refused:
            raise OperationError(self.refused[rule])
        if rule not in held:
            raise MethodError(f"The plan had no backward '{rule_name(rule)}' that is read at '{at}'.")
        return held[rule]

    def _joined(self, many: list[Tensor]) -> Tensor:
        return many[0] if self.targets is None else torch.stack(many)


def wide(tensor: Tensor) -> Tensor:
    """Return half precision as float32, everything else as it is."""
    return tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor

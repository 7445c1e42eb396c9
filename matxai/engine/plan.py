"""Which passes a request needs: rules of a backward, needs of a method, and the plan that merges them. No tensors here.

A method states its :class:`Needs`; :func:`merge` turns the needs of all the methods asked for into the fewest passes:
one forward, and one backward for each different rule, whoever asked for it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, TypeAlias

from matxai.engine.composites import Composite

if TYPE_CHECKING:
    from collections.abc import Iterable


class Slope(Enum):
    """What a backward without relevance does at a ReLU (with differences: wherever it is not linear)."""

    GRADIENT = "gradient"
    GUIDED = "guided"
    DECONVNET = "deconvnet"
    DIFFERENCE = "difference"

    def __repr__(self) -> str:
        return self.name


GRADIENT = Slope.GRADIENT
GUIDED = Slope.GUIDED
DECONVNET = Slope.DECONVNET
DIFFERENCE = Slope.DIFFERENCE
"""Ratios of differences between the two halves of the batch, inputs and baselines: a rule that runs by itself."""

Rule: TypeAlias = Slope | Composite


def rule_name(rule: Rule) -> str:
    """Return how plans, notes and errors call a rule: ``"gradient"``, ``"lrp:epsilon_plus"``."""
    return rule.value if isinstance(rule, Slope) else f"lrp:{rule.name}"


@dataclass(frozen=True)
class Backward:
    """One backward over the shared forward.

    Parameters
    ----------
    rule
        ``GRADIENT``, ``GUIDED``, ``DECONVNET`` or a :class:`~matxai.engine.composites.Composite`.
    at_input, at_layers
        Where its result is read; it goes no deeper than the shallowest of them.
    at_biases
        Whether the gradients of all biases on its way are read; of the plain gradient alone.
    """

    rule: Rule
    at_input: bool = False
    at_layers: bool = False
    at_biases: bool = False


@dataclass(frozen=True)
class Needs:
    """What one method needs from the engine.

    Parameters
    ----------
    activations
        Whether the outputs of the layers are wanted.
    backwards
        The backwards that it reads.
    copies
        How many perturbed copies of the input it runs through the model besides, at most.
    gradients
        How many of them have a backward, for each target.
    tails
        How often it runs what follows a layer from activations of its own, at most.
    """

    activations: bool = False
    backwards: tuple[Backward, ...] = ()
    copies: int = 0
    gradients: int = 0
    tails: int = 0


@dataclass(frozen=True)
class Plan:
    """The passes of one call: made by :func:`merge`, run by :func:`matxai.engine.run`.

    Attributes
    ----------
    activations
        Whether layer outputs are kept.
    passes
        One backward for each different rule, in the order in which they were asked for first.
    targets
        For how many targets at once: the forward is shared, each backward runs once for each target.
    copies, gradients
        Perturbed copies in all, and how many of them have a backward for each target: passes of the sampling methods,
        not of the shared one. Methods that depend on the input's size or stop early run fewer.
    tails
        Runs of what follows a layer: no forwards, and not counted among them.
    layers
        The layers that are read: names, indices, ``None`` for the default layer; empty where that is not said yet.
    explains
        The targets in words; empty where they are not resolved yet.
    """

    activations: bool = False
    passes: tuple[Backward, ...] = ()
    targets: int = 1
    copies: int = 0
    gradients: int = 0
    tails: int = 0
    layers: tuple[str | int | None, ...] = ()
    explains: tuple[str, ...] = ()

    @property
    def forwards(self) -> int:
        """Forwards through the model: the shared one, and one for each perturbed copy."""
        return 1 + self.copies

    @property
    def backwards(self) -> int:
        """Backwards through the model, over all targets."""
        return (len(self.passes) + self.gradients) * self.targets

    @property
    def at_input(self) -> bool:
        """Whether any backward goes back to the input."""
        return any(b.at_input for b in self.passes)

    @property
    def at_layers(self) -> bool:
        """Whether any backward is read at the layers."""
        return any(b.at_layers for b in self.passes)

    @property
    def at_biases(self) -> bool:
        """Whether the plain gradient is read at the biases as well."""
        return any(b.at_biases for b in self.passes)

    @property
    def composites(self) -> tuple[Composite, ...]:
        """The LRP composites among the rules."""
        return tuple(b.rule for b in self.passes if isinstance(b.rule, Composite))

    @property
    def difference(self) -> bool:
        """Whether differences between the halves of the batch stand in the place of slopes."""
        return any(b.rule is DIFFERENCE for b in self.passes)

    @property
    def rectified(self) -> bool:
        """Whether a rule treats ReLUs in a way of its own."""
        return any(b.rule in (GUIDED, DECONVNET) for b in self.passes)

    def describe(self) -> str:
        """Return the plan as text: a line for each pass, where it is read, what is kept for it, and what is explained.

        Examples
        --------
        >>> print(merge([Needs(True, (Backward(GRADIENT, at_layers=True),))], layers=["layer4"]).describe())
        1 forward, 1 backward
          forward: keeps the layers' outputs; no graph in front of them
          gradient: read at the layers
          layers: layer4
        """
        kept = ["the layers' outputs"] if self.activations or self.at_layers else []
        if self.composites:
            kept.append("inputs and outputs of linear operations")
        many = f" for each of {self.targets} targets" if self.targets > 1 else ""
        count = len(self.passes)
        lines = [
            f"{_counted(self.forwards, 'forward')}, {_counted(count, 'backward')}{many}",
            f"  forward: keeps {' and '.join(kept) or 'nothing but what the gradient needs'}{self._graph()}",
        ]
        for b in self.passes:
            where = [
                w
                for w, on in (("the input", b.at_input), ("the layers", b.at_layers), ("the biases", b.at_biases))
                if on
            ]
            once = self.targets > 1 and not b.at_biases and b.rule in (GRADIENT, GUIDED, DECONVNET)
            lines.append(
                f"  {rule_name(b.rule)}: read at {' and '.join(where)}{', all targets at once' if once else ''}"
            )
        if self.layers and (self.activations or self.at_layers):
            lines.append(f"  layers: {', '.join('the default' if n is None else str(n) for n in self.layers)}")
        if self.explains:
            lines.append(f"  explained: {'; '.join(self.explains)}")
        if self.copies:
            pulled = f", {self.gradients} of them one backward{many}" if self.gradients else ""
            lines.append(f"  at most {self.copies} perturbed copies: one forward each{pulled}")
        if self.tails:
            lines.append(f"  at most {self.tails} runs of what follows a layer, and two that check each: no forwards")
        return "\n".join(lines)

    def _graph(self) -> str:
        """Say how much of the forward has a graph."""
        if not self.passes:
            return "; no graph at all"
        return "" if self.at_input else "; no graph in front of them"


def merge(needs: Iterable[Needs], *, targets: int = 1, layers: Iterable[str | int | None] = ()) -> Plan:
    """Merge the needs of several methods into one plan: equal rules share a backward.

    Parameters
    ----------
    needs
        One for each method.
    targets
        For how many targets at once.
    layers
        The layers that will be read, for :meth:`Plan.describe`.

    Returns
    -------
    Plan
        Backwards that are read nowhere are left out.
    """
    activations, copies, gradients, tails = False, 0, 0, 0
    merged: dict[Rule, Backward] = {}
    for need in needs:
        activations |= need.activations
        copies += need.copies
        gradients += need.gradients
        tails += need.tails
        for b in need.backwards:
            if b.at_input or b.at_layers:
                seen = merged.setdefault(b.rule, b)
                merged[b.rule] = replace(
                    seen,
                    at_input=seen.at_input or b.at_input,
                    at_layers=seen.at_layers or b.at_layers,
                    at_biases=seen.at_biases or b.at_biases,
                )
    return Plan(activations, tuple(merged.values()), targets, copies, gradients, tails, tuple(layers))


def _counted(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"

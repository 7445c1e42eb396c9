"""From a card and a network to a :class:`Model`: what the card leaves open is read from the network, and said."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from matxai.errors import CardError, ModelError
from matxai.modelcard.model import Model

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import torch
    from torch import nn

    from matxai.modelcard.architectures import Architecture
    from matxai.modelcard.card import Card


@dataclass(frozen=True)
class Facts:
    """What the network itself tells: ``None`` for what it does not."""

    kind: str | None = None
    channels: int | None = None
    size: tuple[int, ...] | None = None
    outputs: int | None = None
    task: str | None = None


def build_and_fill(
    card: Card, architecture: Architecture, weights: Path, *, limit: int | None, kind_given: bool
) -> tuple[nn.Module, Facts]:
    """Build the architecture as large as the weights ask for, and put them in; errors as in ``checkpoint.load_into``."""
    from matxai.modelcard.checkpoint import fit_names, load_into, read_weights
    from matxai.modelcard.sizes import infer_sizes

    tensors = read_weights(weights, limit=limit)
    kind = card.input.kind if kind_given else kind_of(tensors) or card.input.kind
    asked = len(card.classes) or None
    classes, channels = infer_sizes(architecture.build, lambda names: fit_names(names, tensors), kind, classes=asked,
                                    channels=card.input.channels)  # fmt: skip
    if classes is None:
        raise ModelError(
            f"{weights} does not tell how many classes '{architecture.name}' has; give their names (classes)."
        )
    if channels is None:
        channels = 1 if kind == "1d" else 3
    module = architecture.build(classes=classes, channels=channels, kind=kind)
    load_into(module, tensors, architecture=architecture.name, origin=weights)
    return module, Facts(kind, channels, outputs=classes)


def kind_of(tensors: Mapping[str, torch.Tensor]) -> str | None:
    """Return the number of spatial axes on which most of the weights convolve, as ``1d``, ``2d`` or ``3d``."""
    axes = Counter(t.ndim - 2 for key, t in tensors.items() if key.endswith("weight") and 3 <= t.ndim <= 5)
    return f"{axes.most_common(1)[0][0]}d" if axes else None


def facts_of_module(module: nn.Module, card: Card, kind_given: bool) -> Facts:
    """Return what a module's first convolution tells: the kind of its input and its channels."""
    from torch.nn.modules.conv import _ConvNd

    first = next((m for m in module.modules() if isinstance(m, _ConvNd)), None)
    if first is None:
        return Facts(card.input.kind if kind_given else None, card.input.channels)
    kind = card.input.kind if kind_given else f"{len(first.kernel_size)}d"
    return Facts(kind, card.input.channels or first.in_channels)


def assemble(
    card: Card,
    module: nn.Module,
    facts: Facts,
    *,
    architecture: str,
    sha256: str | None,
    device: Any,
    bare: bool,
    given: frozenset[str] = frozenset(),
    notes: tuple[str, ...] = (),
) -> Model:
    """Put a model together, complete its card, and note what was assumed.

    Raises
    ------
    CardError
        If the card's kind, channels or classes contradict the network.
    ModelError
        If the device is unknown.
    """
    from matxai.modelcard.preprocessing import Preprocessing

    assumed = list(notes)
    module = _placed(_evaluating(module), device)
    kind = _kind(card, facts, bare, given)
    channels = _channels(card, facts, kind, assumed)
    section: dict[str, Any] = {"kind": kind, "channels": channels}
    if card.input.size is None and facts.size is not None:
        section["size"] = list(facts.size)
    task, outputs = _task_and_outputs(
        card, module, facts, kind, channels, section.get("size") or card.input.size, bare, given
    )
    classes = _classes(card, outputs, task, assumed)
    if bare:
        assumed += _bare_assumptions(task, given, section.get("size"))
    card = card.model_copy(update={"task": task, "input": _completed(card, section)})
    return Model(
        module=module,
        name=card.name,
        task=task,
        classes=classes,
        kind=kind,
        channels=channels,
        preprocessing=Preprocessing.from_card(card.input),
        card=card,
        activation=card.output.activation,
        layers=tuple(card.layers),
        licence=card.licence,
        source=card.source,
        sha256=sha256,
        assumptions=tuple(assumed),
        architecture=architecture,
    )


def _completed(card: Card, section: dict[str, Any]) -> Any:
    from pydantic import ValidationError

    from matxai.modelcard.card import InputSpec

    try:
        return InputSpec.model_validate({**card.input.model_dump(exclude_unset=True), **section})
    except ValidationError as problem:
        message = str(problem.errors()[0]["msg"]).removeprefix("Value error, ")
        raise CardError(f"The input section of '{card.name}' does not fit its network: {message}.") from None


def _evaluating(module: nn.Module) -> nn.Module:
    try:
        return module.eval()
    except NotImplementedError:  # torch.export's modules have one mode, that in which they were exported
        return module


def _placed(module: nn.Module, device: Any) -> nn.Module:
    import torch

    if device is None:
        return module
    try:
        target = torch.device(device)
        if target.type == "cuda" and not torch.cuda.is_available():
            raise ModelError(f"There is no CUDA device here, but '{device}' was asked for; use 'cpu'.")
        return module.to(target)
    except (RuntimeError, AssertionError) as problem:
        raise ModelError(f"The device '{device}' cannot be used: {str(problem).splitlines()[0].rstrip('.')}.") from None


def _kind(card: Card, facts: Facts, bare: bool, given: frozenset[str]) -> str:
    said = card.input.kind if not bare or "kind" in given else None
    if said and facts.kind and said != facts.kind:
        raise CardError(
            f"The input kind of '{card.name}' is given as {said}, but its network takes {facts.kind} input."
        )
    return said or facts.kind or card.input.kind


def _channels(card: Card, facts: Facts, kind: str, assumed: list[str]) -> int:
    said = card.input.channels
    if said and facts.channels and said != facts.channels:
        raise CardError(f"'{card.name}' is said to have {said} input channels, but its network takes {facts.channels}.")
    if said or facts.channels:
        return int(said or facts.channels or 1)
    channels = len(card.input.mean) if card.input.mean and len(card.input.mean) > 1 else 1
    assumed.append(f"Nothing tells the number of input channels of this {kind} network: {channels} assumed.")
    return channels


def _task_and_outputs(
    card: Card,
    module: nn.Module,
    facts: Facts,
    kind: str,
    channels: int,
    size: list[int] | None,
    bare: bool,
    given: frozenset[str],
) -> tuple[str, int | None]:
    """Return the task (as said, else as the output's shape shows) and the number of outputs."""
    from matxai.modelcard.sizes import probe_output

    task = card.task if not bare or "task" in given else facts.task
    outputs = facts.outputs
    if task is None or (outputs is None and not card.classes):
        seen, number = probe_output(module, kind, channels, size)
        task = task or seen
        outputs = outputs if outputs is not None else number
    return task or card.task, outputs


def _classes(card: Card, outputs: int | None, task: str, assumed: list[str]) -> tuple[str, ...]:
    names = tuple(card.classes)
    if names:
        fits = outputs is None or len(names) == outputs or (outputs == 1 and len(names) == 2)
        if not fits and task in {"classification", "segmentation"}:
            raise CardError(
                f"'{card.name}' names {len(names)} classes ({', '.join(names[:6])}), but its network has {outputs}."
            )
        return names
    if outputs is None or task == "regression":
        return ()
    count = 2 if outputs == 1 else outputs
    assumed.append(f"Nobody named the classes: they are numbers, 0 to {count - 1}.")
    return tuple(str(index) for index in range(count))


def _bare_assumptions(task: str, given: frozenset[str], size: list[int] | None) -> list[str]:
    sentences = []
    if "task" not in given:
        sentences.append(f"Nobody named the task: {task}, as the shape of the output has it.")
    if not given & {"scale", "mean", "std", "steps"}:
        sentences.append("Nobody said how values are scaled: integers are divided by the largest value of their type.")
    if not given & {"size", "steps"}:
        expects = f"; the program takes {' x '.join(str(n) for n in size)}" if size else ""
        sentences.append(f"Nothing is resized{expects}.")
    return sentences

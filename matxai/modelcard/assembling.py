"""From a card and a network to a :class:`Model`: what the card leaves open is read from the network, and said."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from matxai.errors import CardError, ModelError
from matxai.modelcard.card import InputSpec
from matxai.modelcard.located_yaml import plain
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
    """What the network itself tells: ``None`` for what it does not.

    ``asked`` is whether it may be run to be looked at: a function or a command of the user's may not.
    """

    kind: str | None = None
    channels: int | None = None
    size: tuple[int, ...] | None = None
    batch: int | None = None
    outputs: int | None = None
    task: str | None = None
    asked: bool = True


@dataclass(frozen=True)
class Said:
    """Where the card comes from.

    Attributes
    ----------
    label
        What errors call it.
    bare
        Whether nobody wrote it: a bare file, or a module handed over.
    fields
        The fields that were given beside it.
    sha256
        Of the weights' file.
    device
        Where the module goes; ``None`` leaves it.
    """

    label: str
    bare: bool
    fields: frozenset[str]
    sha256: str | None
    device: Any


def build_and_fill(
    card: Card, architecture: Architecture, weights: Path, *, limit: int | None
) -> tuple[nn.Module, Facts, tuple[str, ...]]:
    """Build the architecture as large as the weights ask for, and put them in; errors as in ``load_into``."""
    from matxai.modelcard.checkpoint import fit_names, load_into, read_weights
    from matxai.modelcard.sizes import infer_sizes, probe_channels, probe_output

    tensors = read_weights(weights, limit=limit)
    kind = _said_kind(card) or kind_of(tensors) or card.input.kind
    told, channels = infer_sizes(
        architecture.build,
        lambda names: fit_names(names, tensors),
        kind,
        classes=None,
        channels=card.input.channels,
    )
    classes = told or len(card.classes) or None
    if classes is None and not architecture.own:
        architecture.build(
            classes=2, channels=channels or 3, kind=kind
        )  # says it where the architecture is what is wrong
        raise ModelError(
            f"{weights} does not tell how many classes '{architecture.name}' has; give their names (classes)."
        )
    if channels is None and not architecture.own:
        channels = 1 if kind == "1d" else 3
    module = architecture.build(classes=classes, channels=channels, kind=kind)
    notes = load_into(module, tensors, architecture=architecture.name, origin=weights)
    if not architecture.own:
        return module, Facts(kind, channels, outputs=classes), (*architecture.notes, *notes)
    # A factory may do as it likes with the numbers it is offered, so that the network itself is asked.
    module.eval()
    channels = probe_channels(module, kind, card.input.size) or channels
    task, outputs = probe_output(module, kind, channels or 1, card.input.size)
    return module, Facts(kind, channels, outputs=outputs or told, task=task), (*architecture.notes, *notes)


def _said_kind(card: Card) -> str | None:
    return card.input.kind if "kind" in card.input.model_fields_set else None


def kind_of(tensors: Mapping[str, torch.Tensor]) -> str | None:
    """Return the number of spatial axes on which most of the weights convolve, as ``1d``, ``2d`` or ``3d``."""
    axes = Counter(t.ndim - 2 for key, t in tensors.items() if key.endswith("weight") and 3 <= t.ndim <= 5)
    return f"{axes.most_common(1)[0][0]}d" if axes else None


def facts_of_module(module: nn.Module, card: Card) -> Facts:
    """Return what a module's convolutions tell: the kind of its input and its channels."""
    from torch.nn.modules.conv import _ConvNd

    from matxai.opaque import BlackBox

    if isinstance(module, BlackBox):
        return Facts(asked=False)
    first = next((m for m in module.modules() if isinstance(m, _ConvNd)), None)
    if first is None:
        return Facts()
    from matxai.modelcard.sizes import probe_channels

    kind = _said_kind(card) or f"{len(first.kernel_size)}d"
    seen = card.input.channels or probe_channels(module, kind, card.input.size)
    return Facts(kind, seen or first.in_channels)


def assemble(
    card: Card, module: nn.Module, facts: Facts, said: Said, architecture: str, *, notes: tuple[str, ...] = ()
) -> Model:
    """Put a model together, complete its card, and note what was assumed.

    Raises
    ------
    CardError
        If the card's kind, channels, size or classes contradict the network.
    ModelError
        If the device is unknown.
    """
    from matxai.modelcard.preprocessing import Preprocessing

    assumed = list(notes)
    module = _placed(_evaluating(module), said.device)
    section: dict[str, Any] = {"kind": _kind(card, facts, said)}
    section["channels"] = _channels(card, facts, section["kind"], said, assumed)
    preprocessed = _completed(card, section, said)
    if facts.size is not None:
        if card.input.size is not None and tuple(card.input.size) != facts.size:
            raise CardError(f"{said.label}: input.size is {card.input.size}, but the program takes {list(facts.size)}.")
        axis = card.input.axis
        if axis is not None and axis.points is not None and (axis.points,) != facts.size and card.input.size is None:
            raise CardError(
                f"{said.label}: input.axis has {axis.points} points, but the program takes {facts.size[0]}; the axis "
                "is that on which it was trained."
            )
        section["size"] = list(facts.size)
    completed = _completed(card, section, said)
    task, outputs = _task_and_outputs(card, module, facts, completed, said)
    classes = _classes(card, outputs, task, said, assumed)
    assumed += _assumptions(task, facts, said)
    try:
        preprocessing = Preprocessing.from_card(preprocessed)
    except CardError as problem:
        raise CardError(f"{said.label}: {problem}") from None
    return Model(
        module=module,
        name=card.name,
        task=task,
        classes=classes,
        kind=completed.kind,
        channels=section["channels"],
        preprocessing=preprocessing,
        card=card.model_copy(update={"task": task, "input": completed}),
        activation=card.output.activation,
        layers=tuple(card.layers),
        licence=card.licence,
        source=card.source,
        size=facts.size,
        batch=facts.batch,
        sha256=said.sha256,
        assumptions=tuple(assumed),
        architecture=architecture,
    )


def _completed(card: Card, section: dict[str, Any], said: Said) -> InputSpec:
    try:
        return InputSpec.model_validate({**card.input.model_dump(exclude_unset=True), **section})
    except ValidationError as problem:
        message = plain(problem.errors()[0])
        if said.bare:
            raise CardError(f"{message}, as the network of {said.label} takes them.") from None
        raise CardError(f"{said.label}: the input section does not fit the network: {message}.") from None


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


def _kind(card: Card, facts: Facts, said: Said) -> str:
    stated = _said_kind(card)
    if stated and facts.kind and stated != facts.kind:
        raise CardError(f"{said.label}: input.kind is {stated}, but the network takes {facts.kind} input.")
    return stated or facts.kind or card.input.kind


def _channels(card: Card, facts: Facts, kind: str, said: Said, assumed: list[str]) -> int:
    stated = card.input.channels
    if stated and facts.channels and stated != facts.channels:
        raise CardError(f"{said.label}: input.channels is {stated}, but the network takes {facts.channels}.")
    if stated or facts.channels:
        return int(stated or facts.channels or 1)
    channels = len(card.input.mean) if card.input.mean and len(card.input.mean) > 1 else 1
    assumed.append(f"Nothing tells the number of input channels of this {kind} network: {channels} assumed.")
    return channels


def _task_and_outputs(
    card: Card, module: nn.Module, facts: Facts, spec: InputSpec, said: Said
) -> tuple[str, int | None]:
    """Return the task (as said, else as the output's shape shows) and the number of outputs."""
    from matxai.modelcard.sizes import probe_output

    task = card.task if not said.bare or "task" in said.fields else facts.task
    outputs = facts.outputs
    if facts.asked and (task is None or (outputs is None and not card.classes)):
        seen, number = probe_output(module, spec.kind, spec.channels or 1, spec.size, facts.batch or 1)
        task = task or seen
        outputs = outputs if outputs is not None else number
    return task or card.task, outputs


def _classes(card: Card, outputs: int | None, task: str, said: Said, assumed: list[str]) -> tuple[str, ...]:
    names = tuple(card.classes)
    if names:
        fits = outputs is None or len(names) == outputs or (outputs == 1 and len(names) == 2)
        if not fits and task in {"classification", "segmentation"}:
            shown = ", ".join(names[:6])
            raise CardError(f"{said.label} names {len(names)} classes ({shown}), but the network has {outputs}.")
        return names
    if outputs is None or task == "regression":
        return ()
    count = 2 if outputs == 1 else outputs
    assumed.append(f"Nobody named the classes: they are numbers, 0 to {count - 1}.")
    return tuple(str(index) for index in range(count))


def _assumptions(task: str, facts: Facts, said: Said) -> list[str]:
    sentences = []
    if said.bare:
        if "task" not in said.fields:
            how = ", by the shape of the output" if facts.asked else " assumed"
            sentences.append(f"Nobody named the task: {task}{how}.")
        if not said.fields & {"scale", "mean", "std", "steps"}:
            sentences.append(
                "Nobody said how values are scaled: integers are divided by the largest value of their type."
            )
        if not said.fields & {"size", "steps"}:
            takes = f"; the program takes {' x '.join(str(n) for n in facts.size)}" if facts.size else ""
            sentences.append(f"Nothing is resized{takes}.")
    if facts.batch is not None:
        sentences.append(f"The program was exported for batches of {facts.batch}, and takes no others.")
    return sentences

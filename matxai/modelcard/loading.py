"""``load_model``: from whatever the user hands over to a :class:`~matxai.modelcard.model.Model`.

A card's folder, that folder zipped, a bare file of weights with an architecture, a ``torch.export`` program, a module,
or the name of a model that comes along. Nothing that is read runs code, except Python factories that the user trusts.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matxai.errors import CardError, FileError, ModelError, UnsafeFileError, nearest
from matxai.modelcard.architectures import architectures, is_architecture, resolve_architecture
from matxai.modelcard.card import CARD_NAME, Card, CommandSpec, InputSpec, card_from_fields, inside, read_card
from matxai.modelcard.checkpoint import load_checkpoint
from matxai.modelcard.command import Command, command_of
from matxai.modelcard.contents import WHAT_TO_DO, Content, content_of, sha256_of
from matxai.modelcard.finding import card_folder, find_model

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import torch
    from torch import nn

    from matxai.modelcard.model import Model

INPUT_FIELDS = tuple(InputSpec.model_fields)
TOP_FIELDS = ("name", "task", "classes", "layers", "licence", "source")
CARD_FIELDS = (*TOP_FIELDS, "activation", *INPUT_FIELDS)


@dataclass(frozen=True)
class _Wish:
    """What the caller asked for beside the model itself."""

    arch: str | None = None
    trust: bool = False
    device: Any = None
    limit: int | None = None
    command: Command | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)


def load_model(
    source: str | os.PathLike[str] | nn.Module | None = None,
    /,
    *,
    arch: str | None = None,
    trust: bool = False,
    device: str | torch.device | None = None,
    precision: str = "float32",
    limit: int | None = None,
    command: str | Sequence[str] | Command | None = None,
    **card_fields: Any,
) -> Model:
    """Load a trained model.

    Parameters
    ----------
    source
        A folder with ``matxai.yaml``, that folder zipped (``NAME.matxai``), a ``torch.export`` program (``.pt2``),
        weights (safetensors or a checkpoint) together with ``arch``, an ONNX model, an ``nn.Module`` or a black box
        (:func:`matxai.black_box`), the name of a model that comes along, or a Python factory (``model.py:build``) whose
        network has its weights already. With ``command``: the card that says what the command takes, or nothing.
    arch
        ``family:name`` (``torchvision:resnet18``), or a Python factory ``module:function`` or ``model.py:build``.
    trust
        Whether a Python factory may run. It is for factories alone: weights never run code.
    device
        Where the module goes; by default it stays on the CPU (a module handed over, where it is).
    precision
        ``float32`` leaves the module as it is; ``float64`` doubles its memory (of a module handed over, a copy's);
        ``bfloat16`` and ``float16`` run it under ``torch.autocast``.
    limit
        Bytes to which an archive may unfold, where the default (512 MB, a hundred times its size) is too little.
    command
        A program that is asked for predictions in the place of weights, as text, as words or as a
        :class:`~matxai.modelcard.command.Command`: ``"python predict.py {input} {output}"``.
    **card_fields
        What a card would say, or other than it says: ``name, task, classes, layers, licence, source, activation, kind,
        channels, size, scale, mean, std, steps, axis``.

    Returns
    -------
    Model
        With its module in evaluation mode, and in ``assumptions`` what nobody said.

    Raises
    ------
    FileError, UnsafeFileError
        If a file is missing, damaged, not a model, or could run code.
    CardError
        If the card is wrong; the message names file, line and field.
    ModelError
        If the network cannot be built, or the weights do not fit it (with a table of the keys); for a precision that
        it cannot run in.
    """
    from matxai.modelcard.precision import in_precision

    unknown = [key for key in card_fields if key not in CARD_FIELDS]
    if unknown:
        raise CardError(f"There is no card field '{unknown[0]}'. {nearest(unknown[0], CARD_FIELDS)}")
    wish = _Wish(arch, trust, device, limit, None if command is None else command_of(command), card_fields)
    handed_over = source is not None and not isinstance(source, str | os.PathLike)
    return in_precision(_from_source(source, wish), precision, own=not handed_over)


def _from_source(source: str | os.PathLike[str] | nn.Module | None, wish: _Wish) -> Model:
    if source is None:
        return _from_command(wish)
    if not isinstance(source, str | os.PathLike):
        return _from_module(source, wish)
    if isinstance(source, str) and not os.path.exists(source) and is_architecture(source):  # noqa: PTH110 - any text
        return _from_factory(source, wish)
    path = find_model(source)
    if wish.command is not None:
        path = path.parent if path.name == CARD_NAME else path
        if path.is_file() and path.suffix != ".matxai":
            raise ModelError(f"{path} is no card; with a command give the card that says what it takes, or no model.")
    content = None if path.is_dir() else content_of(path)
    if content is None or content is Content.CARD_ARCHIVE:
        with card_folder(path, limit=wish.limit) as folder:
            return _from_folder(folder, path, wish)
    return _from_bare(path, content, wish)


def merged(fields: Mapping[str, Any], card_fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return a card's fields with the flat keyword arguments of ``load_model`` put where they belong."""
    result = {**fields, **{key: value for key, value in card_fields.items() if key in TOP_FIELDS}}
    for key in ("classes", "layers"):
        if isinstance(result.get(key), tuple):
            result[key] = list(result[key])
    section = {key: value for key, value in card_fields.items() if key in INPUT_FIELDS}
    if section:
        result["input"] = {**result.get("input", {}), **section}
    if "activation" in card_fields:
        result["output"] = {"activation": card_fields["activation"]}
    return result


def _from_folder(folder: Path, origin: Path, wish: _Wish) -> Model:
    label = f"{origin.name}/{CARD_NAME}"
    if not (folder / CARD_NAME).is_file():
        raise CardError(f"{origin} has no {CARD_NAME}; 'matxai model init' writes one.")
    card = read_card(folder, name=label)
    if wish.fields:
        card = card_from_fields(merged(card.model_dump(exclude_unset=True, exclude={"version"}), wish.fields), label)
    if wish.command is not None or isinstance(card.weights, CommandSpec):
        return _from_command(wish, card, origin, label)
    weights = inside(folder, card.weights, "weights")
    if card.reference is not None:
        inside(folder, card.reference.input, "reference.input")
        inside(folder, card.reference.output, "reference.output")
    inner = folder if wish.arch is None else None
    wish = replace(wish, arch=wish.arch or card.architecture)
    return replace(_load(card, weights, content_of(weights), wish, inner, label), origin=origin)


def _from_bare(path: Path, content: Content, wish: _Wish) -> Model:
    fields = {"name": path.stem, "task": "classification", "weights": path.name}
    if wish.arch is not None:
        fields["architecture"] = wish.arch
    card = card_from_fields(merged(fields, wish.fields), f"The card of {path.name}")
    return replace(_load(card, path, content, wish, None, None), origin=path)


def _load(card: Card, weights: Path, content: Content, wish: _Wish, folder: Path | None, label: str | None) -> Model:
    """Load the weights that a card names, and put the model together.

    ``folder`` is where the card's own factory must lie; ``label`` is ``None`` where nobody wrote the card.
    """
    from matxai.modelcard.assembling import Facts, Said, assemble, build_and_fill

    if content in WHAT_TO_DO:
        raise FileError(f"{weights} {WHAT_TO_DO[content]}.")
    if content is Content.CARD_ARCHIVE:
        raise UnsafeFileError(f"{weights} is a card's archive inside a card; unfold it first.")
    said = Said(label or weights.name, label is None, frozenset(wish.fields), sha256_of(weights), wish.device)
    if content is Content.PROGRAM:
        from matxai.modelcard.export import load_program

        if wish.arch is not None:
            raise ModelError(f"{weights} is a torch.export program and its own architecture; leave '{wish.arch}' out.")
        program = load_program(weights, limit=wish.limit)
        facts = Facts(program.kind, program.channels, program.size, program.batch, program.outputs, program.task)
        return assemble(card, program.module, facts, said, "torch.export")
    if content is Content.ONNX:
        from matxai.modelcard.onnx_model import load_onnx

        if wish.arch is not None:
            raise ModelError(f"{weights} is an ONNX model and its own architecture; leave '{wish.arch}' out.")
        box, facts, notes = load_onnx(weights)
        return assemble(card, box, facts, said, "black box (ONNX)", notes=notes)
    if wish.arch is None:
        if content is Content.CHECKPOINT:
            load_checkpoint(weights, limit=wish.limit)  # an architecture is no help to a pickled object: said at once
        hint = "with arch='family:name' (--arch)" if label is None else "with 'architecture: family:name' in the card"
        raise ModelError(f"{weights} is {content.value}, which holds weights without their program; name it {hint}.")
    resolved = resolve_architecture(wish.arch, folder=folder, trust=wish.trust)
    module, facts, notes = build_and_fill(card, resolved, weights, limit=wish.limit)
    return assemble(card, module, facts, said, wish.arch, notes=notes)


def _from_command(wish: _Wish, card: Card | None = None, origin: Path | None = None, label: str | None = None) -> Model:
    """Return the model that is a command: the caller's own, or a card's that the caller trusts."""
    from matxai.modelcard.assembling import Facts, Said, assemble

    if wish.arch is not None:
        raise ModelError(f"A command is its own architecture; leave '{wish.arch}' out.")
    command = wish.command
    if command is None and (card is None or not isinstance(card.weights, CommandSpec)):
        raise ModelError("No model was named; give a path, a name, a torch.nn.Module or command=.")
    if command is None and card is not None and isinstance(card.weights, CommandSpec):
        if not wish.trust:
            raise UnsafeFileError(
                f"{label}: its weights are a command, which would run with your rights; allow it with trust=True"
                " (--trust) only if it is your own."
            )
        if origin is None or not origin.is_dir():
            raise CardError(f"{label}: a command runs in its card's folder; unfold the archive first.")
        spec = card.weights
        command = Command(tuple(spec.command), spec.timeout, spec.batch, origin.resolve())
    assert command is not None  # noqa: S101 - one of both: says so to the type checker
    bare = card is None
    if card is None:
        fields = {"name": Path(command.words[0]).stem, "task": "classification", "weights": "(a command)"}
        card = card_from_fields(merged(fields, wish.fields), "The card of the command")
    said = Said(label or "the command", bare, frozenset(wish.fields), None, wish.device)
    return replace(assemble(card, command.box(), Facts(asked=False), said, "black box (command)"), origin=origin)


def _from_factory(source: str, wish: _Wish) -> Model:
    from matxai.modelcard.assembling import Said, assemble, facts_of_module

    if wish.arch is not None:
        raise ModelError(f"'{source}' is an architecture itself; leave '{wish.arch}' out, or give the file of weights.")
    left, _, right = source.rpartition(":")
    if source.partition(":")[0] in architectures:
        raise ModelError(
            f"'{source}' is an architecture without weights; give the file of its weights and --arch {source}."
        )
    title = left.replace("\\", "/").rpartition("/")[2].removesuffix(".py") if left.endswith(".py") else right
    fields = merged({"name": title, "task": "classification", "weights": "(in memory)"}, wish.fields)
    card = card_from_fields(fields, f"The card of {source}")
    resolved = resolve_architecture(source, folder=None, trust=wish.trust)
    kind = card.input.kind if "kind" in wish.fields else None
    module = resolved.build(classes=len(card.classes) or None, channels=card.input.channels, kind=kind).eval()
    said = Said(source, True, frozenset(wish.fields), None, wish.device)
    return assemble(card, module, facts_of_module(module, card), said, source, notes=resolved.notes)


def _from_module(module: Any, wish: _Wish) -> Model:
    from torch import nn

    from matxai.modelcard.assembling import Said, assemble, facts_of_module
    from matxai.opaque import BlackBox

    if not isinstance(module, nn.Module):
        hint = "; a function that predicts is one as matxai.black_box(function)" if callable(module) else ""
        raise ModelError(f"A {type(module).__name__} is no model; give a path, a name or a torch.nn.Module{hint}.")
    if wish.command is not None:
        raise ModelError("A module and a command were given; with a command give a card, or no model.")
    if wish.arch is not None:
        raise ModelError(f"A module holds its own architecture; leave arch='{wish.arch}' out.")
    title = type(module).__name__
    fields = merged({"name": title, "task": "classification", "weights": "(in memory)"}, wish.fields)
    card = card_from_fields(fields, f"The card of {title}")
    said = Said(title, True, frozenset(wish.fields), None, wish.device)
    called = "black box (function)" if isinstance(module, BlackBox) else f"{type(module).__module__}:{title}"
    return assemble(card, module, facts_of_module(module, card), said, called)

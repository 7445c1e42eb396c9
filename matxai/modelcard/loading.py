"""``load_model``: from whatever the user hands over to a :class:`~matxai.modelcard.model.Model`.

A card's folder, that folder zipped, a bare file of weights with an architecture, a ``torch.export`` program, a module, or
the name of a model that comes along. Nothing that is read runs code, except Python factories that the user trusts.
"""

from __future__ import annotations

import contextlib
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matxai.errors import CardError, FileError, ModelError, UnsafeFileError, nearest
from matxai.modelcard.architectures import resolve_architecture
from matxai.modelcard.archives import opened_archive, unfold
from matxai.modelcard.card import CARD_NAME, Card, InputSpec, card_from_fields, inside, read_card
from matxai.modelcard.contents import WHAT_TO_DO, Content, content_of, sha256_of
from matxai.registry import Registry

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator

    import torch
    from torch import nn

    from matxai.modelcard.model import Model

shipped_models: Registry[Callable[[], dict[str, Any]]] = Registry("model", entry_point="matxai.models", error=FileError)

INPUT_FIELDS = tuple(InputSpec.model_fields)
TOP_FIELDS = ("name", "task", "classes", "layers", "licence", "source")
CARD_FIELDS = (*TOP_FIELDS, "activation", *INPUT_FIELDS)


def load_model(
    source: str | os.PathLike[str] | nn.Module,
    /,
    *,
    arch: str | None = None,
    trust: bool = False,
    device: str | torch.device | None = None,
    limit: int | None = None,
    **card_fields: Any,
) -> Model:
    """Load a trained model.

    Parameters
    ----------
    source
        A folder with ``matxai.yaml``, that folder zipped (``NAME.matxai``), a ``torch.export`` program (``.pt2``), weights
        (safetensors or a checkpoint) together with ``arch``, an ``nn.Module``, or the name of a model that comes along.
    arch
        ``family:name`` (``torchvision:resnet18``), or a Python factory ``module:function`` or ``model.py:build``.
    trust
        Whether a Python factory may run. It is for factories alone: weights never run code.
    device
        Where the module goes; by default it stays on the CPU (a module handed over, where it is).
    limit
        Bytes to which an archive may unfold, where the default (512 MB, a hundred times its size) is too little.
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
        If the network cannot be built, or the weights do not fit it (with a table of the keys).
    """
    unknown = [key for key in card_fields if key not in CARD_FIELDS]
    if unknown:
        raise CardError(f"There is no card field '{unknown[0]}'. {nearest(unknown[0], CARD_FIELDS)}")
    if not isinstance(source, str) and not hasattr(source, "__fspath__"):
        return _from_module(source, arch, device, card_fields)
    path = find_model(source)
    if path.is_dir():
        return _from_folder(path, path, arch, trust, device, limit, card_fields)
    content = content_of(path)
    if content is Content.CARD_ARCHIVE:
        with card_folder(path, limit=limit) as folder:
            return _from_folder(folder, path, arch, trust, device, limit, card_fields)
    return _from_bare(path, content, arch, trust, device, limit, card_fields)


def find_model(source: str | os.PathLike[str]) -> Path:
    """Return the path of a model given as a path, as its ``matxai.yaml``, or by the name of one that comes along."""
    path = Path(source)
    if path.exists():
        return path.parent if path.name == CARD_NAME else path
    if path.is_symlink():
        raise FileError(f"{path} is a link to a file that does not exist.")
    known = shipped_paths()
    if str(source) in known:
        return known[str(source)]
    raise FileError(f"{path} does not exist. {nearest(str(source), known, label='Models that come along')}")


def shipped_paths() -> dict[str, Path]:
    """Return the folders of the models that come along, by name."""
    return {name: Path(folder) for announce in shipped_models.values() for name, folder in announce().items()}


@contextlib.contextmanager
def card_folder(path: Path, *, limit: int | None = None) -> Iterator[Path]:
    """Give the folder of a card: ``path`` itself, or a zipped one unfolded for as long as the context lasts."""
    if path.is_dir():
        yield path
        return
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="matxai-")))
        archive = stack.enter_context(opened_archive(path, limit=limit))
        unfold(archive, path, folder)
        if not (folder / CARD_NAME).is_file():
            folders = [p for p in folder.iterdir() if (p / CARD_NAME).is_file()]
            if len(folders) != 1:
                raise CardError(f"{path} has no {CARD_NAME} at its top.")
            folder = folders[0]
        yield folder


def merged(fields: dict[str, Any], card_fields: dict[str, Any]) -> dict[str, Any]:
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


def _from_folder(
    folder: Path,
    origin: Path,
    arch: str | None,
    trust: bool,
    device: Any,
    limit: int | None,
    card_fields: dict[str, Any],
) -> Model:
    label = f"{origin.name}/{CARD_NAME}"
    if not (folder / CARD_NAME).is_file():
        raise CardError(f"{origin} has no {CARD_NAME}; 'matxai model init' writes one.")
    card = read_card(folder, name=label)
    if card_fields:
        card = card_from_fields(merged(card.model_dump(exclude_unset=True, exclude={"version"}), card_fields), label)
    weights = inside(folder, card.weights, "weights")
    if card.reference is not None:
        inside(folder, card.reference.input, "reference.input")
        inside(folder, card.reference.output, "reference.output")
    content = content_of(weights)
    name = arch or card.architecture
    model = _load(card, weights, content, name, folder if arch is None else None, trust, device, limit, bare=False)
    return replace(model, origin=origin)


def _from_bare(
    path: Path,
    content: Content,
    arch: str | None,
    trust: bool,
    device: Any,
    limit: int | None,
    card_fields: dict[str, Any],
) -> Model:
    fields = {"name": path.stem, "task": "classification", "weights": path.name}
    card = card_from_fields(merged({**fields, **({"architecture": arch} if arch else {})}, card_fields), path.name)
    model = _load(card, path, content, arch, None, trust, device, limit, bare=True, given=frozenset(card_fields))
    return replace(model, origin=path)


def _load(
    card: Card,
    weights: Path,
    content: Content,
    architecture: str | None,
    folder: Path | None,
    trust: bool,
    device: Any,
    limit: int | None,
    *,
    bare: bool,
    given: frozenset[str] = frozenset(),
) -> Model:
    """Load the weights that a card (read, or made for a bare file) names, and put the model together."""
    from matxai.modelcard.assembling import Facts, assemble

    if content in WHAT_TO_DO:
        raise FileError(f"{weights} {WHAT_TO_DO[content]}.")
    digest = sha256_of(weights)
    if content is Content.PROGRAM:
        from matxai.modelcard.export import load_program

        if architecture is not None:
            raise ModelError(
                f"{weights} is a torch.export program, which holds its own architecture; leave '{architecture}' out."
            )
        program = load_program(weights, limit=limit)
        facts = Facts(program.kind, program.channels, program.size, program.outputs, program.task)
        return assemble(
            card,
            program.module,
            facts,
            architecture="torch.export",
            sha256=digest,
            device=device,
            bare=bare,
            given=given,
        )
    if content is Content.CARD_ARCHIVE:
        raise UnsafeFileError(f"{weights} is a card's archive inside a card; unfold it first.")
    if architecture is None:
        hint = "with arch='family:name' (--arch)" if bare else "with 'architecture: family:name' in the card"
        raise ModelError(f"{weights} is {content.value}, which holds weights without their program; name it {hint}.")
    from matxai.modelcard.assembling import build_and_fill

    resolved = resolve_architecture(architecture, folder=folder, trust=trust)
    module, facts = build_and_fill(card, resolved, weights, limit=limit, kind_given=not bare or "kind" in given)
    return assemble(
        card, module, facts, architecture=architecture, sha256=digest, device=device, bare=bare, given=given,
        notes=resolved.notes,
    )  # fmt: skip


def _from_module(module: Any, arch: str | None, device: Any, card_fields: dict[str, Any]) -> Model:
    from torch import nn

    from matxai.modelcard.assembling import Facts, assemble, facts_of_module

    if not isinstance(module, nn.Module):
        raise ModelError(f"A {type(module).__name__} is no model; give a path, a name or a torch.nn.Module.")
    if arch is not None:
        raise ModelError(f"A module holds its own architecture; leave arch='{arch}' out.")
    title = type(module).__name__
    fields = merged({"name": title, "task": "classification", "weights": "(in memory)"}, card_fields)
    card = card_from_fields(fields, f"the card of {title}")
    facts: Facts = facts_of_module(module, card, "kind" in card_fields)
    return assemble(
        card, module, facts, architecture=f"{type(module).__module__}:{type(module).__qualname__}", sha256=None, device=device,
        bare=True, given=frozenset(card_fields),
    )  # fmt: skip

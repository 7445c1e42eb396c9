"""``matxai model init``: a card for weights that exist, in a folder or an archive that loads without further words."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matxai.errors import FileError
from matxai.modelcard.architectures import is_architecture
from matxai.modelcard.card import CARD_NAME, card_from_fields, write_card
from matxai.modelcard.contents import Content, content_of
from matxai.modelcard.loading import load_model, merged

if TYPE_CHECKING:
    from matxai.modelcard.model import Model


def init_card(
    weights: str | Path,
    *,
    out: str | Path | None = None,
    arch: str | None = None,
    trust: bool = False,
    overwrite: bool = False,
    limit: int | None = None,
    **card_fields: Any,
) -> Path:
    """Write a card for existing weights, with the weights beside it, and return the model's folder or archive.

    The model is loaded before anything is written and once more from what was written. Checkpoints become safetensors,
    which hold tensors and nothing else; a ``model.py`` factory is copied into the folder.

    Parameters
    ----------
    weights
        Safetensors, a checkpoint, a ``torch.export`` program, or a Python factory (``model.py:build``) whose network
        has its weights already.
    out
        A folder, or ``NAME.matxai``; by default the folder ``NAME`` beside the weights.
    arch, trust, limit, **card_fields
        As in :func:`matxai.load_model`.
    overwrite
        Whether a card that is there already is replaced.

    Raises
    ------
    FileError
        If ``out`` holds a card already or cannot be written.
    MatxaiError
        Whatever :func:`matxai.load_model` finds.
    """
    source: str | Path = weights
    path = Path(weights)
    if not path.exists() and is_architecture(str(weights)):
        source = str(weights)
        left, _, right = source.rpartition(":")
        path, content = Path(left if left.endswith(".py") else right), Content.CHECKPOINT
    else:
        content = content_of(path)
    if content is Content.CARD_ARCHIVE:
        raise FileError(f"{path} holds a card already; 'matxai model show' shows it.")
    target = Path(out) if out is not None else path.with_suffix("")
    existing = target if target.suffix == ".matxai" else target / CARD_NAME
    if existing.exists() and not overwrite:
        raise FileError(f"{existing} exists already; name another place with out= (--out), or allow to overwrite it.")
    model = load_model(source, arch=arch, trust=trust, limit=limit, **card_fields)
    arch = arch or (source if isinstance(source, str) and model.origin is None else None)
    try:
        with tempfile.TemporaryDirectory(prefix="matxai-") as temporary:
            folder = Path(temporary)
            _fill(folder, path, content, model, arch, card_fields)
            load_model(folder, trust=trust, limit=limit)
            _deliver(folder, target)
    except OSError as problem:
        raise FileError(f"{target} cannot be written: {problem.strerror or problem}.") from None
    return target


def _fill(
    folder: Path, path: Path, content: Content, model: Model, arch: str | None, card_fields: dict[str, Any]
) -> None:
    name = path.name
    if content is Content.CHECKPOINT:
        from safetensors.torch import save_file

        name = f"{path.stem}.safetensors"
        # clones: safetensors refuses tensors that share memory, which tied weights do
        save_file(
            {key: value.detach().clone().contiguous() for key, value in model.module.state_dict().items()},
            folder / name,
        )
    else:
        shutil.copyfile(path, folder / name)
        for beside in _beside(path, content):
            shutil.copyfile(beside, folder / beside.name)
    fields: dict[str, Any] = {"name": model.name, "task": model.task, "weights": name, "classes": list(model.classes)}
    if arch is not None:
        file, _, function = arch.rpartition(":")
        if file.endswith(".py"):
            shutil.copyfile(file, folder / Path(file).name)
            arch = f"{Path(file).name}:{function}"
        fields["architecture"] = arch
    fields["input"] = {"kind": model.kind, "channels": model.channels}
    if model.card.input.size is not None:
        fields["input"]["size"] = model.card.input.size
    write_card(card_from_fields(merged(fields, card_fields), CARD_NAME), folder)


def _beside(path: Path, content: Content) -> tuple[Path, ...]:
    """Return the files beside an ONNX model that hold part of its weights."""
    if content is not Content.ONNX:
        return ()
    from matxai.modelcard.onnx_audit import audited

    files = audited(path)
    apart = next((f for f in files if f.parent != path.resolve().parent), None)
    if apart is not None:
        raise FileError(f"{path} keeps weights in the folder {apart.parent.name}; init takes those beside it.")
    return files


def _deliver(folder: Path, target: Path) -> None:
    if target.suffix != ".matxai":
        target.mkdir(parents=True, exist_ok=True)
        for file in sorted(
            folder.iterdir(), key=lambda p: p.name == CARD_NAME
        ):  # the card last: it makes the model whole
            shutil.copyfile(file, target / file.name)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(".matxai.partial")
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive:
        for file in sorted(folder.iterdir()):
            archive.write(file, file.name)
    partial.replace(target)

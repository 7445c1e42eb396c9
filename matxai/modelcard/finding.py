"""Where a model is: a path, a zipped card unfolded for a while, or the folder of a model that comes along."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matxai.errors import CardError, FileError, MatxaiError, nearest
from matxai.modelcard.archives import opened_archive, unfold
from matxai.modelcard.card import CARD_NAME
from matxai.registry import Registry

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator

shipped_models: Registry[Callable[[], dict[str, Any]]] = Registry("model", entry_point="matxai.models", error=FileError)


def find_model(source: str | os.PathLike[str]) -> Path:
    """Return the path of a model given as a path, as its ``matxai.yaml``, or by the name of one that comes along.

    Raises
    ------
    FileError
        If there is neither such a path nor such a name; the nearest names are offered.
    """
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
    """Give the folder of a card: ``path`` itself, or a zipped one unfolded for as long as the context lasts.

    Raises
    ------
    UnsafeFileError, FileError
        See :func:`matxai.modelcard.archives.opened_archive`. Errors from inside the context name the archive and not
        the place where it was unfolded.
    """
    if path.is_dir():
        yield path
        return
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="matxai-"))).resolve()
        with opened_archive(path, limit=limit) as archive:
            unfold(archive, path, folder)
        if not (folder / CARD_NAME).is_file():
            folders = [p for p in folder.iterdir() if (p / CARD_NAME).is_file()]
            if len(folders) != 1:
                raise CardError(f"{path} has no {CARD_NAME} at its top.")
            folder = folders[0]
        try:
            yield folder
        except MatxaiError as problem:
            raise type(problem)(str(problem).replace(str(folder), str(path))) from problem.__cause__

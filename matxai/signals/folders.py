"""Which files of a folder are signals: images that are slices of a stack, or spectra of a set."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matxai.errors import FileError
from matxai.signals.reader import HEAD_BYTES, by_priority, readers

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def announced(path: Path) -> bool:
    """Whether a reader takes a file: by its suffix, or, where that says nothing (``.txt``), by what it holds."""
    takers = [r for r in readers.values() if path.suffix.lower() in r.suffixes]
    return bool(takers) and (not any(r.by_content for r in takers) or _recognised(path))


def members(folder: Path, key: Callable[[Path], object]) -> list[Path]:
    """Return the slices or spectra of a folder, ordered by ``key``.

    Images are slices of a stack; other files beside them (tables, sidecars) are not looked at unless they are at least
    as many. Without images, all files that a reader takes are spectra of a set.

    Raises
    ------
    FileError
        If there are neither, or as many spectra as images.
    """
    try:
        files = sorted((p for p in folder.iterdir() if p.is_file() and not p.name.startswith(".")), key=key)  # type: ignore[arg-type]
    except OSError as error:
        msg = f"the folder {folder.name} cannot be looked into: {error.strerror or error}"
        raise FileError(msg) from error
    images = {s for r in readers.values() if r.slices for s in r.suffixes}
    slices = [p for p in files if p.suffix.lower() in images]
    spectra = [p for p in files if p not in set(slices) and announced(p)]
    if slices and len(spectra) < len(slices):
        return slices
    if slices:
        msg = (
            f"the folder {folder.name} holds {len(slices)} images (such as {slices[0].name}) and {len(spectra)} other "
            f"signals (such as {spectra[0].name}); name those that you mean with a pattern: {folder.name}/*"
            f"{slices[0].suffix}"
        )
        raise FileError(msg)
    if not spectra:
        inside = f"it holds {', '.join(p.name for p in files[:5])}" if files else "it holds no files"
        msg = (
            f"the folder {folder.name} has no images that could be slices ({', '.join(sorted(images))}) and no "
            f"spectra: {inside}"
        )
        raise FileError(msg)
    return spectra


def _recognised(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError:
        return False
    return bool(head) and any(r.recognises(path, head) for r in by_priority())

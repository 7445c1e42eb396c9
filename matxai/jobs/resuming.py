"""What a result was made from, and whether a finished one can be taken up: the key of an input and its record."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from matxai._version import __version__

if TYPE_CHECKING:
    from pathlib import Path

    from matxai.jobs.inputs import Input
    from matxai.modelcard import Model

RECORD = "result.json"
FORMAT, VERSION = "matxai-result", 1


@lru_cache(maxsize=1024)
def _digest(path: Path, size: int, changed: int) -> str:  # noqa: ARG001 - size and time make the cache notice a change
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def content(path: Path) -> list[str]:
    """Return names and checksums of a file and its sidecars, which hold its calibration, or of a folder's files."""
    if path.is_dir():
        files = sorted(p for p in path.rglob("*") if p.is_file())
    else:
        files = sorted(p for p in path.parent.iterdir() if p.is_file() and p.name.startswith(path.stem))
    return [f"{p.name} {_digest(p, p.stat().st_size, p.stat().st_mtime_ns)}" for p in files]


def key_of(model: Model, one: Input, options: dict[str, Any]) -> str | None:
    """Return what a result depends on, as one checksum; None where the model has none, so that nothing is taken up.

    Parameters
    ----------
    model
        Its weights' checksum and its card count.
    one
        Its files count, sidecars included.
    options
        All of them.
    """
    if model.sha256 is None or not one.path.exists():
        return None
    parts = [__version__, model.sha256, repr(model.card), content(one.path), one.slice, one.item, one.dataset, options]
    return hashlib.sha256(json.dumps(parts, default=str, sort_keys=True).encode()).hexdigest()


def read_record(folder: Path) -> dict[str, Any]:
    """Return the record of a folder's result; empty where there is none that can be read."""
    try:
        content = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) and content.get("format") == FORMAT else {}


def write_record(
    folder: Path,
    key: str | None,
    name: str,
    evidence: list[dict[str, Any]],
    before: set[str],
    later: set[str],
    zones: Any = None,
) -> None:
    """Write the record that says that a result is complete, with the files that belong to it, now or ``later``."""
    files = sorted(later | {p.name for p in folder.iterdir() if p.is_file() and p.name not in before})
    content = {"format": FORMAT, "version": VERSION, "key": key, "name": name, "files": files, "evidence": evidence}
    content |= {} if zones is None else {"zones": zones}
    (folder / RECORD).write_text(json.dumps(content, indent=1), encoding="utf-8")


def clear(folder: Path) -> set[str]:
    """Remove the files of an earlier result and return the names of what else lies there."""
    for name in [RECORD, *map(str, read_record(folder).get("files", []))]:
        if name in {".", ".."} or "/" in name or "\\" in name:
            continue  # a record is a file like any other: it names nothing outside its folder
        (folder / name).unlink(missing_ok=True)
    return {p.name for p in folder.iterdir()}

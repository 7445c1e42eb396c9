"""Zip archives from strangers: what they hold is checked before anything of it is unfolded.

Used for ``NAME.matxai``, ``torch.export`` programs and checkpoints.
"""

from __future__ import annotations

import stat
import struct
import zipfile
import zlib
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from matxai.errors import FileError, UnsafeFileError

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_UNFOLDED = 512 * 1024**2
MAX_RATIO = 100
MAX_MEMBERS = 100_000


@contextmanager
def opened_archive(path: Path, *, limit: int | None = None) -> Iterator[zipfile.ZipFile]:
    """Open a zip archive whose members have been checked.

    Parameters
    ----------
    path
        The archive.
    limit
        Bytes to which it may unfold. By default 512 MB and a hundred times its own size, whichever is less; what merely
        stores its members, and so asks for no more than it holds, may be of any size.

    Raises
    ------
    UnsafeFileError
        For members that leave the archive's folder, links, encrypted or doubled members, or too much to unfold.
    FileError
        If it is no zip archive or is damaged.
    """
    with ExitStack() as stack:
        with damage_told(path):
            archive = stack.enter_context(zipfile.ZipFile(path))
        check_members(archive, path, limit)
        yield archive


@contextmanager
def damage_told(path: Path) -> Iterator[None]:
    """Turn whatever ``zipfile`` raises for a damaged archive into a ``FileError`` that names it."""
    try:
        yield
    except zipfile.BadZipFile as problem:
        raise FileError(f"{path} is damaged or cut off: {str(problem).rstrip('.')}; copy it again.") from None
    except (OSError, EOFError, ValueError, RuntimeError, OverflowError, struct.error, zlib.error) as problem:
        told = str(problem).rstrip(".") or "it ends too early"
        raise FileError(f"{path} cannot be unfolded, its directory and its members disagree: {told}.") from None


def check_members(archive: zipfile.ZipFile, path: Path, limit: int | None) -> None:
    """Refuse an archive that unfolds too far or has members that do not belong into one; see ``opened_archive``."""
    members = archive.infolist()
    if len(members) > MAX_MEMBERS:
        raise UnsafeFileError(f"{path} has {len(members)} members; more than {MAX_MEMBERS} are not unfolded.")
    seen: set[str] = set()
    for member in members:
        _check_name(member, path)
        folded = member.filename.casefold()
        if folded in seen:
            raise UnsafeFileError(f"{path} holds '{member.filename}' twice, so readers would disagree on what it is.")
        seen.add(folded)
    size = path.stat().st_size
    total = sum(member.file_size for member in members)
    allowed = limit if limit is not None else max(size, min(MAX_UNFOLDED, MAX_RATIO * size))
    if total > allowed:
        raise UnsafeFileError(
            f"{path} has {size} bytes and would unfold to {total}; more than {allowed} are unfolded only with a higher "
            "limit (--limit)."
        )


def _check_name(member: zipfile.ZipInfo, path: Path) -> None:
    name = member.filename.replace("\\", "/")
    parts = PurePosixPath(name).parts
    if name.startswith("/") or ".." in parts or (parts and ":" in parts[0]) or "\0" in name or not name:
        raise UnsafeFileError(f"{path} has the member '{member.filename}', which would be written outside its folder.")
    mode = member.external_attr >> 16
    if stat.S_IFMT(mode) not in {0, stat.S_IFREG, stat.S_IFDIR}:
        raise UnsafeFileError(f"{path} has the member '{member.filename}', which is a link or a device and no file.")
    if member.flag_bits & 0x1:
        raise FileError(
            f"{path} has the member '{member.filename}', which is encrypted; hand the archive over without."
        )


def read_member(archive: zipfile.ZipFile, name: str, path: Path) -> bytes:
    """Return one member; another length than the directory of the archive says, or a wrong checksum, is an error."""
    member = archive.getinfo(name)
    with damage_told(path), archive.open(member) as stream:
        data = stream.read(member.file_size + 1)
    if len(data) != member.file_size:
        raise UnsafeFileError(f"{path} says that '{name}' has {member.file_size} bytes, but it holds another number.")
    return data


def unfold(archive: zipfile.ZipFile, path: Path, folder: Path) -> None:
    """Write the members of a checked archive under ``folder``."""
    for member in archive.infolist():
        target = folder.joinpath(*PurePosixPath(member.filename.replace("\\", "/")).parts)
        if member.is_dir():
            target.mkdir(parents=True, exist_ok=True)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        left = member.file_size
        with damage_told(path), archive.open(member) as stream, target.open("xb") as out:
            while left >= 0 and (block := stream.read(min(1 << 20, left + 1))):
                left -= len(block)
                out.write(block)
        if left != 0:
            raise UnsafeFileError(
                f"{path} says that '{member.filename}' has {member.file_size} bytes, but it holds others."
            )

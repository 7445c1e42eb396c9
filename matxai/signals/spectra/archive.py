"""Zip files of XML and text from instruments: names looked at before anything is unfolded, members as text."""

from __future__ import annotations

import re
import zipfile
import zlib
from typing import TYPE_CHECKING

from matxai.errors import FileError
from matxai.signals.formats.zarr_metadata import checked_members
from matxai.signals.limits import check_unfolding
from matxai.signals.vendors.calibration import decoded
from matxai.signals.vendors.xml_text import parsed

if TYPE_CHECKING:
    from pathlib import Path
    from xml.etree.ElementTree import Element

MAGIC = b"PK\x03\x04"
_UNREADABLE = (
    zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, RuntimeError, NotImplementedError
)  # fmt: skip


def has_member(path: Path, head: bytes, pattern: str) -> bool:
    """Whether a file is a zip archive with a member whose whole name matches; false for a damaged archive."""
    if not head.startswith(MAGIC):
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            return any(re.fullmatch(pattern, name) for name in archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return False


class Archive:
    """The members of a zip file, after a look at their names and at what all of them unfold to.

    Raises
    ------
    FileError
        If it is no readable zip archive.
    UnsafeFileError
        If a name leads out of it, a member is a link, or it would unfold beyond the limit.
    """

    def __init__(self, path: Path, limit: int | None) -> None:
        self.path = path
        self._members = {m.filename.replace("\\", "/"): m for m in checked_members(path, limit)}
        unfolded = sum(m.file_size for m in self._members.values())
        stored = sum(m.compress_size for m in self._members.values())
        check_unfolding(path.name, unfolded, stored, limit, what="members together")

    def names(self, pattern: str) -> list[str]:
        """Return the members whose whole name matches, ``RawData2`` before ``RawData10``."""
        found = [n for n in self._members if re.fullmatch(pattern, n)]
        return sorted(found, key=lambda n: [int(p) if p.isdecimal() else p for p in re.split(r"(\d+)", n)])

    def __contains__(self, name: str) -> bool:
        return name in self._members

    def text(self, name: str) -> str:
        """Return a member as text.

        Raises
        ------
        FileError
            If it is damaged.
        """
        try:
            with zipfile.ZipFile(self.path) as archive:
                return decoded(archive.read(self._members[name]))
        except _UNREADABLE as error:
            msg = f"{self.path.name} is damaged: '{name}' in it cannot be read ({error}); copy it again"
            raise FileError(msg) from error

    def xml(self, name: str) -> Element:
        """Return the root of a member's XML, tags without namespaces.

        Raises
        ------
        FileError
            If it is no XML.
        UnsafeFileError
            If it declares entities or a document type.
        """
        root = parsed(self.text(name), self.path.name, f"'{name}'")
        if root is None:
            msg = f"{self.path.name} is damaged: '{name}' in it is no XML; copy it again"
            raise FileError(msg)
        return root

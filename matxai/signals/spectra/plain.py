"""A file's bytes as lines of text: encodings with and without a mark, ends of lines, and what is no text at all."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from typing import TYPE_CHECKING

from matxai.errors import FileError, UnsafeFileError
from matxai.signals.limits import MOST_BYTES, said_bytes

if TYPE_CHECKING:
    from pathlib import Path

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_ALLOWED = frozenset(b"\t\n\r\f\v\x1a")  # ^Z ended text files under DOS
_CONTROL = frozenset(range(32)) - _ALLOWED | {127}


@dataclass(frozen=True)
class Plain:
    """The lines of a text file (without their ends), and the encoding that they were read in."""

    name: str
    lines: list[str]
    encoding: str
    ended: bool
    """Whether the last line has an end of line; a truncated file often has none."""


def encoding_of(head: bytes, *, whole: bool = False) -> str | None:
    """Return the encoding of a text from its first bytes, or None where they are no text.

    A byte-order mark decides; then UTF-16 shows by zeros in every second byte, then what is valid UTF-8 is that, and
    the rest is cp1252 (Latin-1 where it has bytes that cp1252 lacks). Control characters are no text.

    Parameters
    ----------
    head
        The first bytes.
    whole
        Whether they are the whole file; if not, a character may be cut in two at their end.
    """
    for mark, name in _MARKS:
        if head.startswith(mark):
            return name
    for name, zeros, others in (("utf-16-le", head[1::2], head[::2]), ("utf-16-be", head[::2], head[1::2])):
        if len(head) >= 8 and zeros.count(0) > 0.8 * len(zeros) and others.count(0) < 0.05 * len(others):
            return name
    if _CONTROL.intersection(head):
        return None
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head, whole)
    except UnicodeDecodeError:
        pass
    else:
        return "utf-8"
    try:
        head.decode("cp1252")
    except UnicodeDecodeError:
        return "latin-1"
    return "cp1252"


def decode(head: bytes, *, whole: bool = False) -> str | None:
    """Return the text that bytes are, or None where they are none."""
    name = encoding_of(head, whole=whole)
    if name is None:
        return None
    if name.startswith("utf-16") and len(head) % 2:
        head = head[:-1]
    text = head.decode(name, errors="replace")
    odd = sum(ord(c) < 32 and ord(c) not in _ALLOWED for c in text[:4096]) if name.startswith("utf-16") else 0
    return None if odd else text.replace("\x00", "")


def plain_text(path: Path, limit: int | None = None) -> Plain:
    """Return the lines of a text file.

    Raises
    ------
    FileError
        If the file is no text.
    UnsafeFileError
        If it is larger than ``limit`` (by default 512 MB): text unfolds to several times its size.
    """
    size, most = path.stat().st_size, MOST_BYTES if limit is None else limit
    if size > most:
        msg = (
            f"{path.name} is a text of {said_bytes(size)}, more than the {said_bytes(most)} allowed; if you trust it, "
            f"allow more with limit={size} (--limit)"
        )
        raise UnsafeFileError(msg)
    raw = path.read_bytes()
    encoding = encoding_of(raw, whole=True)
    text = decode(raw, whole=True)
    if text is None or encoding is None:
        at = next((i for i, byte in enumerate(raw) if byte in _CONTROL), 0)
        msg = f"{path.name} is no text: byte {at} is {raw[at]:#04x}, which no text has; it is binary or damaged"
        raise FileError(msg)
    lines = text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\x1a").split("\n")
    ended = not lines[-1]
    return Plain(path.name, lines[:-1] if ended else lines, encoding, ended)

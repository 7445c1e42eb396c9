"""Perl's data as Data::Dumper writes them (``@x = ('1', '2');``), read by a small grammar: nothing is evaluated.

A statement is a name with its sigil, ``=``, a value, ``;``. A value is a quoted string, a number, ``undef``, or a list
in ``()``, ``[]`` or ``{}`` of values divided by ``,`` or ``=>``. Whatever else stands in the text is refused.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from matxai.errors import FileError

if TYPE_CHECKING:
    from collections.abc import Iterator

Value = str | None | list["Value"]

_WORD = re.compile(
    r"""\s*(?:
        (?P<string>'(?:[^'\\]|\\.)*'|"(?:[^"\\$@]|\\.)*")
      | (?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
      | (?P<undef>undef\b)
      | (?P<name>[$@%]\w+)
      | (?P<mark>=>|[=;,()\[\]{}])
    )""",
    re.VERBOSE | re.DOTALL,
)
_LINE = re.compile(r"\s*(#[^\n]*|\[record\][^\n]*|1;)?\s*(\n|$)")
_CLOSING = {"(": ")", "[": "]", "{": "}"}
_DEEPEST = 20
RECORD = "[record]"


def statements(text: str, file: str) -> Iterator[tuple[str, Value]]:
    """Yield the statements of a text as ``(name with sigil, value)``, and ``(RECORD, None)`` where a record ends.

    Raises
    ------
    FileError
        If anything else stands in it; the sentence names the line.
    """
    place = 0
    while place < len(text):
        line = _LINE.match(text, place)
        if line is not None and line.end() > place:
            place = line.end()
            if (line[1] or "").startswith(RECORD):
                yield RECORD, None
            continue
        name, place = _next(text, place, file, "name")
        _, place = _expect(text, place, file, "=")
        value, place = _value(text, place, file, 0)
        _, place = _expect(text, place, file, ";")
        yield name, value


def _next(text: str, place: int, file: str, *kinds: str) -> tuple[str, int]:
    match = _WORD.match(text, place)
    if match is None or match.lastgroup not in kinds:
        raise FileError(_odd(text, place, file))
    return match[match.lastgroup], match.end()


def _expect(text: str, place: int, file: str, mark: str) -> tuple[str, int]:
    found, end = _next(text, place, file, "mark")
    if found != mark:
        raise FileError(_odd(text, place, file))
    return found, end


def _value(text: str, place: int, file: str, depth: int) -> tuple[Value, int]:
    word, end = _next(text, place, file, "string", "number", "undef", "mark")
    if word == "undef":
        return None, end
    if word[0] in "'\"":
        return re.sub(r"\\(.)", r"\1", word[1:-1], flags=re.DOTALL), end
    if word not in _CLOSING:
        if word in "=>,;)]}":
            raise FileError(_odd(text, place, file))
        return word, end
    if depth >= _DEEPEST:
        msg = f"{file} nests its lists more than {_DEEPEST} deep; no project does"
        raise FileError(msg)
    found: list[Value] = []
    while True:
        match = _WORD.match(text, end)
        if match is not None and match["mark"] == _CLOSING[word]:
            return found, match.end()
        value, end = _value(text, end, file, depth + 1)
        found.append(value)
        match = _WORD.match(text, end)
        if match is not None and match["mark"] in (",", "=>"):
            end = match.end()
        elif match is None or match["mark"] != _CLOSING[word]:
            raise FileError(_odd(text, end, file))


def _odd(text: str, place: int, file: str) -> str:
    rest = text[place:].lstrip()
    line = text.count("\n", 0, len(text) - len(rest)) + 1
    if not rest:
        return f"{file} is truncated: it ends within a list or statement in line {line}; copy it again"
    return f"{file} is damaged or no project: line {line} has {rest[:30]!r} where plain data should stand"

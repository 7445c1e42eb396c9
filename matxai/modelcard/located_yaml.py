"""YAML that knows its lines: plain values from the safe loader, and the line on which each of them stands.

Tags that would construct Python objects, alias bombs and duplicate keys are refused. What a value means is not known
here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from matxai.errors import CardError, MatxaiError, nearest

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import BaseModel, ValidationError

MAX_BYTES = 1_000_000
MAX_NODES = 20_000
_PLAIN_TAGS = frozenset(f"tag:yaml.org,2002:{kind}" for kind in ("map", "seq", "str", "int", "float", "bool", "null"))

Path_ = tuple[str | int, ...]

_PLAIN = {
    "bool_parsing": "it should be true or false",
    "bool_type": "it should be true or false",
    "dict_type": "it should be fields with values",
    "float_parsing": "it should be a number",
    "float_type": "it should be a number",
    "int_from_float": "it should be a whole number",
    "int_parsing": "it should be a whole number",
    "int_type": "it should be a whole number",
    "mapping_type": "it should be fields with values",
    "model_attributes_type": "it should be fields with values",
    "model_type": "it should be fields with values",
    "string_type": "it should be a text",
    "tuple_type": "it should be a list",
}
"""Kinds of pydantic's findings, and what the file should hold."""


@dataclass(frozen=True)
class LocatedYaml:
    """A document: its plain ``data`` and, for the path of each value, its line (from 1)."""

    data: Any
    lines: Mapping[Path_, int]

    def line(self, path: Sequence[str | int]) -> int:
        """Return the line of the value at ``path``, or of the nearest part of the document that holds it."""
        known = tuple(path)
        while known and known not in self.lines:
            known = known[:-1]
        return self.lines.get(known, 1)

    def below(self, path: Sequence[str | int]) -> LocatedYaml:
        """Return the part of the document at ``path`` as a document of its own, with the lines of the whole."""
        start, data = tuple(path), self.data
        for part in start:
            data = data[part]
        lines = {key[len(start) :]: line for key, line in self.lines.items() if key[: len(start)] == start}
        return LocatedYaml(data, {(): self.line(start), **lines})


def parse_yaml(text: str, name: str, *, error: type[MatxaiError] = CardError) -> LocatedYaml:
    """Return the plain values of a YAML text and their lines.

    Parameters
    ----------
    text
        The document; at most 1 MB and 20 000 values, aliases counted as often as they are used.
    name
        What errors call it, as a rule the file's name.
    error
        The class of the errors.

    Raises
    ------
    MatxaiError
        Of class ``error``: no YAML, duplicate keys, a tag that asks for a Python object, or too large.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    if len(text) > MAX_BYTES:
        raise error(f"{name} has {len(text)} characters; at most {MAX_BYTES} are read.")
    try:
        root = YAML(typ="safe", pure=True).compose(text)
        lines: dict[Path_, int] = {}
        _walk(root, (), lines, [0], name, error)
        data = YAML(typ="safe", pure=True).load(text)
    except MarkedYAMLError as problem:
        mark = problem.problem_mark or problem.context_mark
        where = f", line {mark.line + 1}" if mark is not None else ""
        what = str(problem.problem or problem.context).strip()
        if "'\\t'" in what:
            what = "a tab stands where a field begins; YAML is indented with spaces"
        raise error(f"{name}{where} is no valid YAML: {what}.") from None
    except (YAMLError, ValueError, RecursionError) as problem:
        first = str(problem).strip().splitlines()[:1]
        raise error(f"{name} is no valid YAML: {first[0] if first else type(problem).__name__}.") from None
    return LocatedYaml(data, lines)


def _walk(
    node: Any, path: Path_, lines: dict[Path_, int], count: list[int], name: str, error: type[MatxaiError]
) -> None:
    if node is None:
        return
    count[0] += 1
    line = node.start_mark.line + 1
    if count[0] > MAX_NODES or len(path) > 50:
        raise error(
            f"{name}, line {line} unfolds to more than {MAX_NODES} values or 50 levels; write it without aliases."
        )
    tag = str(node.tag)
    if tag not in _PLAIN_TAGS:
        raise error(f"{name}, line {line} has the tag '{tag}'; only plain text, numbers, lists and mappings are read.")
    lines.setdefault(path, line)
    if isinstance(node.value, list):
        for index, item in enumerate(node.value):
            if isinstance(item, tuple):
                key, value = item
                below = (*path, str(key.value))
                _walk(key, below, lines, count, name, error)
                _walk(value, below, lines, count, name, error)
            else:
                _walk(item, (*path, index), lines, count, name, error)


def read_yaml(path: Path, *, error: type[MatxaiError] = CardError) -> LocatedYaml:
    """Return the values and lines of a YAML file; the errors are those of :func:`parse_yaml` and name the file."""
    try:
        if path.stat().st_size > 4 * MAX_BYTES:
            raise error(f"{path.name} has {path.stat().st_size} bytes; at most {MAX_BYTES} are read.")
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise error(f"{path.name} is no text in UTF-8, so it is no YAML.") from None
    except OSError as problem:
        raise error(f"{path} cannot be read: {problem.strerror or problem}.") from None
    return parse_yaml(text, path.name, error=error)


def validation_error(
    problem: ValidationError,
    document: LocatedYaml,
    name: str,
    model: type[BaseModel],
    *,
    error: type[MatxaiError] = CardError,
) -> MatxaiError:
    """Return the first finding of pydantic as one sentence with file, line and field, and the nearest field's name."""
    found = problem.errors()
    # a misspelt field is missing under its right name as well: what stands there is said first
    finding = next((f for f in found if f["type"] == "extra_forbidden"), found[0])
    place = tuple(part for part in finding["loc"] if part in _walkable(document.data, finding["loc"]))
    field = ".".join(str(part) for part in finding["loc"]) or "the document"
    start = f"{name}, line {document.line(place)}: "
    if finding["type"] == "extra_forbidden":
        known = _fields_at(model, finding["loc"][:-1])
        owner = ".".join(str(part) for part in finding["loc"][:-1])
        inside = f" in '{owner}'" if owner else ""
        return error(
            f"{start}there is no field '{finding['loc'][-1]}'{inside}. {nearest(str(finding['loc'][-1]), known)}"
        )
    if finding["type"] == "missing":
        return error(f"{start}the field '{field}' is missing.")
    if finding["type"] == "literal_error":
        allowed = str(finding.get("ctx", {}).get("expected", "")).replace("'", "").replace(" or ", ", ").split(", ")
        return error(f"{start}'{field}' is {finding['input']!r}. {nearest(str(finding['input']), allowed)}")
    message = _ended(plain(finding))
    if finding["type"] == "value_error" and isinstance(finding["input"], Mapping):  # it names what does not go together
        if finding["loc"]:
            return error(f"{start}in '{field}', {message}")
        named = [word for word in message.split("'")[1::2] if word in finding["input"]]
        return error(f"{name}, line {document.line(named[:1])}: {message}")
    return error(f"{start}'{field}' is {_short(finding['input'])}: {message[:1].lower()}{message[1:]}")


def plain(finding: Mapping[str, Any]) -> str:
    """Return what a finding of pydantic says, in the words of someone who writes YAML.

    Examples
    --------
    >>> plain({"type": "list_type", "msg": "Input should be a valid list"})
    'it should be a list'
    """
    said = _PLAIN.get(str(finding["type"]))
    if said is not None:
        return said
    text = str(finding["msg"]).removeprefix("Value error, ")
    return text.replace("Input should be", "it should be").replace("a valid ", "a ")


def _ended(text: str) -> str:
    return text if text.endswith("?") else text.rstrip(".") + "."


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _walkable(document: Any, path: Sequence[str | int]) -> set[str | int]:
    """Return the parts of pydantic's location that are keys of the document (union members add parts of their own)."""
    data: Any = document
    parts: set[Any] = set()
    part: Any
    for part in path:
        if (isinstance(data, Mapping) and part in data) or (
            isinstance(data, list) and isinstance(part, int) and part < len(data)
        ):
            data = data[part]
        else:
            continue
        parts.add(part)
    return parts


def _fields_at(model: type[BaseModel], path: Sequence[str | int]) -> list[str]:
    from pydantic import BaseModel

    for part in path:
        field = model.model_fields.get(str(part))
        annotation = field.annotation if field is not None else None
        options = [annotation, *getattr(annotation, "__args__", ())]
        inner = next((o for o in options if isinstance(o, type) and issubclass(o, BaseModel)), None)
        if inner is None:
            return []
        model = inner
    return [field.alias or key for key, field in model.model_fields.items()]

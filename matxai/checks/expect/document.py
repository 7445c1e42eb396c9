"""Reading an expectations file: each field checked, each error with the line and the field that it is about."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from matxai.checks.expect.measures import measures
from matxai.checks.expect.schema import (
    COMBINATORS,
    VERSION,
    Absent,
    AllOf,
    AnyOf,
    Common,
    Expectation,
    Head,
    Insertion,
    Some,
    with_fields_of,
)
from matxai.checks.expect.where import Where, region_of
from matxai.errors import ExpectationError, nearest
from matxai.modelcard.located_yaml import LocatedYaml, parse_yaml, read_yaml, validation_error

M = TypeVar("M", bound=BaseModel)
_DEEPEST = 4


@dataclass(frozen=True)
class Asks:
    """One expectation of one region and one measure.

    Parameters
    ----------
    name, line
        What it is called, and where it begins in the file.
    fields
        What it says; also the fields of its measure.
    where
        Its region.
    """

    name: str
    line: int
    fields: Expectation
    where: Where


@dataclass(frozen=True)
class AsksAbsence:
    """One expectation that something is absent; ``insertion`` says how it is put there."""

    name: str
    line: int
    fields: Absent
    where: Where
    insertion: Insertion


@dataclass(frozen=True)
class AsksSeveral:
    """At least ``k`` of the ``parts``; all of them where ``k`` is their number."""

    name: str
    line: int
    fields: Common
    parts: tuple[Asked_, ...]
    k: int


Asked_ = Asks | AsksAbsence | AsksSeveral


@dataclass(frozen=True)
class Expectations:
    """A checked file of expectations.

    Parameters
    ----------
    file
        What errors call it.
    base
        The folder that its relative paths start from.
    model, data
        As the file names them; None where it does not.
    items
        The expectations, in their order.
    text
        The file as it was read.
    """

    file: str
    base: Path
    model: str | None
    data: str | None
    items: tuple[Asked_, ...]
    text: str = ""

    def leaves(self) -> Iterator[Asks | AsksAbsence]:
        """Yield every expectation that is measured, those inside of ``any_of`` and ``all_of`` too."""
        yield from _leaves(self.items)

    def check_classes(self, classes: tuple[str, ...], whose: str) -> None:
        """Check that every class that is named exists.

        Raises
        ------
        ExpectationError
            If one does not: with its line and the nearest.
        """
        for asks in self.leaves():
            named = [] if asks.fields.classes == "all" else list(asks.fields.classes)
            if isinstance(asks, AsksAbsence):
                named += asks.insertion.contrast
            for name in named:
                if name not in classes:
                    raise ExpectationError(
                        f"{self.file}, line {asks.line}: '{asks.name}' is about the class '{name}', which {whose} does "
                        f"not have. {nearest(name, classes)}"
                    )


def _leaves(items: tuple[Asked_, ...]) -> Iterator[Asks | AsksAbsence]:
    for item in items:
        if isinstance(item, AsksSeveral):
            yield from _leaves(item.parts)
        else:
            yield item


def read_expectations(path: str | Path) -> Expectations:
    """Return the expectations that a YAML file holds.

    Parameters
    ----------
    path
        The file; relative paths in it start from its folder.

    Raises
    ------
    ExpectationError
        If it is no YAML, of a newer version, or anything in it is unknown or impossible: with line and field.
    """
    file = Path(path)
    if not file.is_file():
        raise ExpectationError(f"{file} is not there; 'matxai check new' writes a file of expectations.")
    document = read_yaml(file, error=ExpectationError)
    return _expectations(document, file.name, file.resolve().parent, file.read_text(encoding="utf-8-sig"))


def expectations_of(text: str, base: str | Path = ".", name: str = "expectations") -> Expectations:
    """Return the expectations that a YAML text holds; errors as in :func:`read_expectations`."""
    return _expectations(parse_yaml(text, name, error=ExpectationError), name, Path(base).resolve(), text)


def _expectations(document: LocatedYaml, name: str, base: Path, text: str) -> Expectations:
    data = document.data
    if not isinstance(data, Mapping):
        raise ExpectationError(f"{name} holds no fields; it starts with 'version: {VERSION}' and 'expectations:'.")
    version = data.get("version")
    if isinstance(version, int) and not isinstance(version, bool) and version != VERSION:
        line = document.line(("version",))
        what = (
            f"needs a newer matxai, as this one reads up to version {VERSION}; 'pip install -U matxai' brings it"
            if version > VERSION
            else f"does not exist; the first is {VERSION}"
        )
        raise ExpectationError(f"{name}, line {line}: version {version} of expectations {what}.")
    head = _valid(Head, document, name)
    reader = _Reader(document, name)
    items = tuple(reader.item(("expectations", i), "") for i in range(len(head.expectations)))
    _check_names(items, document, name)
    return Expectations(name, base, head.model, head.data, items, text)


def _valid(model: type[M], document: LocatedYaml, name: str) -> M:
    try:
        return model.model_validate(document.data)
    except ValidationError as problem:
        raise validation_error(problem, document, name, model, error=ExpectationError) from None


class _Reader:
    """Turns parts of one document into expectations."""

    def __init__(self, document: LocatedYaml, name: str) -> None:
        self.document = document
        self.name = name

    def item(
        self, path: tuple[str | int, ...], called: str, inherited: Mapping[str, Any] | None = None, depth: int = 0
    ) -> Asked_:
        """Return the expectation at ``path``; a part without a name is called ``called``, classes are inherited."""
        part = self.document.below(path)
        line = part.line(())
        if not isinstance(part.data, Mapping):
            raise ExpectationError(f"{self.name}, line {line}: an expectation is a mapping with a name, not a value.")
        if depth > _DEEPEST:
            raise ExpectationError(f"{self.name}, line {line}: expectations lie at most {_DEEPEST} deep in each other.")
        given = {str(k): v for k, v in part.data.items()}
        if depth:
            given = {**(inherited or {}), **given}
            given.setdefault("name", called)
        part = LocatedYaml(given, part.lines)
        kinds = [c for c in COMBINATORS if c in given]
        if len(kinds) > 1:
            raise ExpectationError(f"{self.name}, line {line}: '{kinds[0]}' and '{kinds[1]}' are not given together.")
        if not kinds:
            return self._single(part, line)
        return self._absent(part, line) if kinds == ["absent"] else self._several(part, path, kinds[0], line, depth)

    def _single(self, part: LocatedYaml, line: int) -> Asks:
        measure = part.data.get("measure")
        if isinstance(measure, str) and measure not in measures:
            where = part.line(("measure",))
            raise ExpectationError(
                f"{self.name}, line {where}: there is no measure '{measure}'. {nearest(measure, measures)}"
            )
        fields = _valid(with_fields_of(measure) if isinstance(measure, str) else Expectation, part, self.name)
        return Asks(fields.name, line, fields, region_of(part.below(("region",)), self.name, fields.tolerance))

    def _absent(self, part: LocatedYaml, line: int) -> AsksAbsence:
        fields = _valid(Absent, part, self.name)
        inner = part.below(("absent",))
        insertion = _valid(Insertion, inner, self.name)
        return AsksAbsence(fields.name, line, fields, region_of(inner.below(("region",)), self.name), insertion)

    def _several(self, part: LocatedYaml, path: tuple[str | int, ...], kind: str, line: int, depth: int) -> AsksSeveral:
        model: type[AnyOf | AllOf] = AnyOf if kind == "any_of" else AllOf
        fields = _valid(model, part, self.name)
        below: tuple[str | int, ...] = (kind,)
        if isinstance(fields, AnyOf):
            some = _valid(Some, part.below(below), self.name)
            count, k, below = len(some.of), some.k, (kind, "of")
        else:
            count = k = len(fields.all_of)
        inherited = {"classes": fields.classes}
        parts = tuple(
            self.item((*path, *below, i), f"{fields.name}, part {i + 1}", inherited, depth + 1) for i in range(count)
        )
        for one in parts:
            if isinstance(one, Asks) and measures[one.fields.measure].of is None and k < count:
                raise ExpectationError(
                    f"{self.name}, line {one.line}: '{one.fields.measure}' is asked of the whole set at one level, so "
                    "it is no part of 'any_of'; write it as an expectation of its own."
                )
            if one.fields.role == "may":
                raise ExpectationError(
                    f"{self.name}, line {one.line}: '{one.name}' is part of '{kind}' and demands nothing; a part is "
                    "must or must_not."
                )
        return AsksSeveral(fields.name, line, fields, parts, k)


def _check_names(items: tuple[Asked_, ...], document: LocatedYaml, name: str) -> None:
    seen: dict[str, int] = {}
    for index, item in enumerate(items):
        if item.name in seen:
            line = document.line(("expectations", index, "name"))
            raise ExpectationError(
                f"{name}, line {line}: 'name' is '{item.name}', as on line {seen[item.name]}; names tell them apart."
            )
        seen[item.name] = document.line(("expectations", index, "name"))

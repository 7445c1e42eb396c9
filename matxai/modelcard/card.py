"""The card of a model, ``matxai.yaml``: what its fields are, and how it is read, checked and written.

Building the model from it is :mod:`matxai.modelcard.loading`'s, applying its input section
:mod:`matxai.modelcard.preprocessing`'s.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from matxai.errors import CardError
from matxai.modelcard.located_yaml import LocatedYaml, read_yaml, validation_error

CARD_NAME = "matxai.yaml"
CARD_VERSION = 1

Task = Literal["classification", "segmentation", "detection", "regression"]
Kind = Literal["1d", "2d", "3d"]
Step = str | dict[str, Any]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AxisSpec(_Section):
    """The axis on which a 1-D network was trained; a signal is brought to it before the network sees it.

    Attributes
    ----------
    name
        The axis' name as signals call it: ``two_theta``, ``energy``, ``raman_shift``, ...
    units
        A word that pint reads.
    start, stop
        The first and the last position, in ``units``.
    points
        How many positions, evenly spaced, both ends included.
    wavelength
        Of the diffraction patterns that it was trained on, in angstrom. A pattern that names another is refused.
    convert
        Whether a pattern of another wavelength is brought to this one by Bragg's law instead.
    read
        ``linear`` between measured points, as ``numpy.interp`` does, or ``average`` over those that a step spans.
    outside
        What stands where a measurement does not reach: an ``error``, its ``edge`` value, or ``zero``.
    """

    name: str | None = None
    units: str | None = None
    start: float | None = None
    stop: float | None = None
    points: int | None = Field(default=None, ge=2)
    wavelength: float | None = Field(default=None, gt=0)
    convert: bool = False
    read: Literal["linear", "average"] = "linear"
    outside: Literal["error", "edge", "zero"] = "error"

    @model_validator(mode="after")
    def _converts_to(self) -> AxisSpec:
        if self.convert and self.wavelength is None:
            msg = "'convert' needs 'wavelength', the one that patterns are converted to"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _ascending(self) -> AxisSpec:
        if self.start is not None and self.stop is not None and self.stop <= self.start:
            msg = f"the axis must ascend, but its start is {self.start:g} and its stop {self.stop:g}"
            raise ValueError(msg)
        return self


class InputSpec(_Section):
    """What the network expects: kind, channels, size, and the steps from a measured signal to its tensor."""

    kind: Kind = "2d"
    channels: int | None = Field(default=None, ge=1)
    size: list[int] | None = None
    scale: Literal["dtype", "image", "none"] = "dtype"
    mean: list[float] | None = None
    std: list[float] | None = None
    steps: list[Step] = Field(default_factory=list)
    axis: AxisSpec | None = None

    @field_validator("mean", "std", "size", mode="before")
    @classmethod
    def _as_list(cls, value: Any) -> Any:
        if isinstance(value, tuple):
            return list(value)
        return [value] if isinstance(value, int | float) and not isinstance(value, bool) else value

    @field_validator("steps")
    @classmethod
    def _single_keys(cls, value: list[Step]) -> list[Step]:
        for step in value:
            if isinstance(step, dict) and len(step) != 1:
                msg = f"a step is a name or one 'name: options', but one has the names {', '.join(step) or 'none'}"
                raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _fits(self) -> InputSpec:
        axes = int(self.kind[0])
        if self.size is not None and (len(self.size) != axes or min(self.size) < 1):
            msg = f"a {self.kind} input has {axes} positive sizes, but 'size' is {self.size}"
            raise ValueError(msg)
        if (self.mean is None) != (self.std is None):
            msg = "'mean' and 'std' are given together or not at all"
            raise ValueError(msg)
        for label, values in (("mean", self.mean), ("std", self.std)):
            if values is not None and self.channels is not None and len(values) not in {1, self.channels}:
                msg = f"'{label}' has {len(values)} values for {self.channels} channels; give one, or one for each"
                raise ValueError(msg)
        if self.std is not None and not all(value > 0 for value in self.std):
            msg = f"'std' must be positive, but it is {self.std}"
            raise ValueError(msg)
        return self


class OutputSpec(_Section):
    """What the network ends with: its last activation, or ``none`` for logits."""

    activation: Literal["none", "softmax", "sigmoid"] = "none"


class ReferenceSpec(_Section):
    """An input and the output that the network gave for it where it was trained; paths relative to the card.

    Attributes
    ----------
    input
        A file that matxai reads as a signal; with ``prepared``, an ``.npy`` batch ``(B, C, *spatial)`` as the network
        receives it.
    output
        An ``.npy`` file with the network's output ``(B, ...)``.
    tolerance
        The largest difference that is accepted, relative to the output's largest magnitude.
    """

    input: str
    output: str
    tolerance: float = Field(default=1e-4, gt=0)
    prepared: bool = False


class CommandSpec(_Section):
    """A command in the place of weights: a program that is asked for predictions, see :mod:`matxai.modelcard.command`.

    Attributes
    ----------
    command
        The program and its arguments, with ``{input}`` and ``{output}``; it runs in the card's folder.
    timeout
        Seconds that one call may take.
    batch
        Samples in one call at most.
    """

    command: list[str] = Field(min_length=1)
    timeout: float = Field(default=600.0, gt=0)
    batch: int | None = Field(default=None, ge=1)


class Card(_Section):
    """A model's card. Only ``version``, ``name``, ``task`` and ``weights`` are required."""

    version: int
    name: str = Field(min_length=1)
    task: Task
    weights: str | CommandSpec
    architecture: str | None = None
    classes: list[str] = Field(default_factory=list)
    input: InputSpec = Field(default_factory=InputSpec)
    output: OutputSpec = Field(default_factory=OutputSpec)
    layers: list[str] = Field(default_factory=list)
    licence: str | None = None
    source: str | None = None
    reference: ReferenceSpec | None = None

    @field_validator("weights", mode="plain")
    @classmethod
    def _file_or_command(cls, value: Any) -> str | CommandSpec:
        if isinstance(value, CommandSpec) or (isinstance(value, str) and value):
            return value
        if not isinstance(value, dict):
            msg = "it must be the name of a file, or 'command: [...]'"
            raise ValueError(msg)
        try:
            return CommandSpec.model_validate(value)
        except ValidationError as problem:
            first = problem.errors()[0]
            msg = f"'{'.'.join(map(str, first['loc']))}': {first['msg'][:1].lower()}{first['msg'][1:]}"
            raise ValueError(msg) from None

    @field_validator("classes", mode="before")
    @classmethod
    def _words(cls, value: Any) -> Any:
        if isinstance(value, list | tuple):
            return [str(v) if isinstance(v, int) and not isinstance(v, bool) else v for v in value]
        return value

    @field_validator("classes")
    @classmethod
    def _distinct(cls, value: list[str]) -> list[str]:
        twice = sorted({name for name in value if value.count(name) > 1})
        if twice:
            msg = f"each class has a name of its own, but '{twice[0]}' stands there twice"
            raise ValueError(msg)
        return value


def read_card(path: str | Path, *, name: str | None = None) -> Card:
    """Return the card of a model's folder, or that in a ``matxai.yaml``; ``name`` is what errors call it.

    Raises
    ------
    CardError
        If it is missing, no YAML, of a newer version, or has an unknown field or a wrong value: with file, line, field.
    """
    path = Path(path)
    file = path / CARD_NAME if path.is_dir() else path
    if not file.is_file():
        raise CardError(f"{path} has no {CARD_NAME}; 'matxai model init' writes one.")
    return card_from_yaml(read_yaml(file), name or f"{file.parent.name}/{file.name}")


def card_from_yaml(document: LocatedYaml, name: str = CARD_NAME) -> Card:
    """Return the card that a YAML document holds; ``name`` is what errors call it. Errors as in :func:`read_card`."""
    data = document.data
    if not isinstance(data, dict):
        raise CardError(f"{name} holds no fields; a card starts with 'version: {CARD_VERSION}' and 'name: ...'.")
    version = data.get("version")
    if isinstance(version, int) and not isinstance(version, bool) and version != CARD_VERSION:
        line = document.line(("version",))
        if version > CARD_VERSION:
            raise CardError(
                f"{name}, line {line}: the card has version {version}, which needs a newer matxai; this one reads "
                f"cards up to version {CARD_VERSION}. Update with 'pip install -U matxai'."
            )
        raise CardError(f"{name}, line {line}: there is no card of version {version}; the first is 1.")
    try:
        return Card.model_validate(data)
    except ValidationError as problem:
        raise validation_error(problem, document, name, Card) from None


def card_from_fields(fields: dict[str, Any], name: str) -> Card:
    """Return a card made of Python values; an error names the field. ``name`` is what the values belong to."""
    try:
        return Card.model_validate({"version": CARD_VERSION, **fields})
    except ValidationError as problem:
        found = validation_error(problem, LocatedYaml(fields, {}), name, Card)
        raise CardError(str(found).replace(f"{name}, line 1: ", f"{name}: ")) from None


def write_card(card: Card, folder: str | Path) -> Path:
    """Write a card into ``folder`` as ``matxai.yaml`` and return its path; fields with their default are left out."""
    from ruamel.yaml import YAML

    file = Path(folder) / CARD_NAME
    data = {"version": card.version, **card.model_dump(exclude_defaults=True, exclude_none=True)}
    yaml = YAML()
    yaml.default_flow_style = None
    yaml.width = 110
    partial = file.with_suffix(".yaml.partial")
    try:
        with partial.open("w", encoding="utf-8", newline="\n") as stream:
            yaml.dump(data, stream)
        partial.replace(file)
    except OSError as problem:
        raise CardError(f"{file} cannot be written: {problem.strerror or problem}.") from None
    return file


def inside(folder: Path, relative: str, field: str) -> Path:
    """Return the file that a card names, which must exist and lie in the card's folder.

    Raises
    ------
    CardError
        If the path is absolute, leaves the folder (also by a link), or names no file.
    """
    root = folder.resolve()
    target = (root / relative.replace("\\", "/")).resolve()
    if Path(relative).is_absolute() or not target.is_relative_to(root):
        raise CardError(
            f"{CARD_NAME}: '{field}' is '{relative}', which lies outside the card's folder; put the file into it."
        )
    if not target.is_file():
        names = sorted(p.name for p in root.iterdir() if p.is_file() and p.name != CARD_NAME)
        near = ", ".join(names[:8]) or "no other file"
        raise CardError(
            f"{CARD_NAME}: '{field}' is '{relative}', but the card's folder has no such file; it has {near}."
        )
    return target

"""From the name of an architecture to an empty network: ``family:name`` from the registry, or a Python factory.

Families come from the entry points of the group ``matxai.architectures``: each is a callable
``(name, *, classes, channels, kind, **options) -> nn.Module``. A factory (``module:function``, ``model.py:build``) is
the user's own code and runs only where the user said so.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import logging
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from matxai.errors import MatxaiError, ModelError, nearest
from matxai.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import nn

    Tensors = Mapping[str, Any]

log = logging.getLogger(__name__)

architectures: Registry[Callable[..., nn.Module]] = Registry(
    "architecture family", entry_point="matxai.architectures", error=ModelError
)


@dataclass(frozen=True)
class Architecture:
    """A resolved name: a factory that takes ``classes``, ``channels`` and ``kind``, and what is to be said about it.

    A factory of the user's ``own`` also takes ``None`` for what nothing tells: then its own defaults hold.
    """

    name: str
    build: Callable[..., nn.Module]
    notes: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    own: bool = False


def resolve_architecture(name: str, *, folder: Path | None, trust: bool) -> Architecture:
    """Return the factory that a card or ``--arch`` names.

    Parameters
    ----------
    name
        ``family:name``, also with options (``family:name?width=32``), ``module:function`` or ``file.py:function``.
    folder
        The card's folder, in which a ``file.py`` must lie; ``None`` for one named on the command line.
    trust
        Whether Python factories may run.

    Raises
    ------
    ModelError
        If the family is unknown, the factory is missing, or it would run without trust.
    """
    left, separator, right = name.rpartition(":")
    if not separator or not left or not right:
        raise ModelError(
            f"'{name}' is no architecture; it is written 'family:name' (families: {', '.join(architectures)}), "
            "'module:function' or 'model.py:build'."
        )
    if left.endswith(".py"):
        return _file_factory(name, left, right, folder, trust)
    family, _, rest = name.partition(":")
    if family in architectures:
        inner, _, query = rest.partition("?")
        options = {key: _plain(value) for key, value in parse_qsl(query, keep_blank_values=True)}
        return Architecture(name, _family_factory(name, family, inner, options), options=options)
    if not trust:
        raise ModelError(
            f"There is no architecture family '{left}'. {nearest(left, architectures)} If '{name}' is a Python factory "
            "of your own, it runs code: allow it with trust=True or --trust."
        )
    return _module_factory(name, left, right)


def _plain(value: str) -> Any:
    for convert in (int, float):
        try:
            return convert(value)
        except ValueError:
            continue
    return {"true": True, "false": False}.get(value.lower(), value)


def _family_factory(name: str, family: str, inner: str, options: Mapping[str, Any]) -> Callable[..., nn.Module]:
    factory = architectures[family]

    def build(*, classes: int, channels: int, kind: str) -> nn.Module:
        return _call(name, factory, (inner,), {"classes": classes, "channels": channels, "kind": kind, **options})

    return build


def _call(name: str, factory: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> nn.Module:
    from torch import nn

    try:
        module = factory(*args, **kwargs)
    except MatxaiError:
        raise
    except Exception as problem:
        log.debug("building %s failed", name, exc_info=True)
        what = f"{type(problem).__name__}: {problem}".strip().splitlines()[0]
        raise ModelError(f"The architecture '{name}' could not be built with {kwargs}: {what}") from problem
    if not isinstance(module, nn.Module):
        raise ModelError(f"The factory '{name}' returned a {type(module).__name__}; it must return a torch.nn.Module.")
    return module


def _module_factory(name: str, module_name: str, attribute: str) -> Architecture:
    try:
        module = importlib.import_module(module_name)
    except ImportError as problem:
        raise ModelError(
            f"The module '{module_name}' of the architecture '{name}' cannot be imported: {problem}."
        ) from problem
    note = f"The factory {name} was run because you trust it."
    return Architecture(name, _own_factory(name, module, attribute), (note,), own=True)


def _file_factory(name: str, file: str, attribute: str, folder: Path | None, trust: bool) -> Architecture:
    from matxai.modelcard.card import inside

    path = inside(folder, file, "architecture") if folder is not None else Path(file)
    if not path.is_file():
        raise ModelError(f"There is no file '{file}' for the architecture '{name}'.")
    code = path.read_bytes()
    digest = hashlib.sha256(code).hexdigest()
    if not trust:
        raise ModelError(
            f"'{name}' is a Python file (sha256 {digest[:12]}) that would run to build the network: read it, then "
            "allow it with trust=True or --trust."
        )
    module_name = f"_matxai_factory_{digest[:16]}"
    spec = importlib.util.spec_from_file_location(module_name, path)
    if spec is None or spec.loader is None:
        raise ModelError(f"'{file}' of the architecture '{name}' is no Python file.")
    module = importlib.util.module_from_spec(spec)
    try:
        # compiled from the bytes that were hashed, so that what is noted is what ran
        exec(compile(code, str(path), "exec"), module.__dict__)  # noqa: S102 - the user trusts this very file
    except Exception as problem:
        what = f"{type(problem).__name__}: {problem}".strip().splitlines()[0]
        raise ModelError(f"'{file}' of the architecture '{name}' failed when it was run: {what}") from problem
    note = f"{path.name} (sha256 {digest}) was run because you trust it."
    return Architecture(name, _own_factory(name, module, attribute), (note,), own=True)


def _own_factory(name: str, module: Any, attribute: str) -> Callable[..., nn.Module]:
    factory = getattr(module, attribute, None)
    if not callable(factory):
        functions = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        raise ModelError(
            f"The architecture '{name}' names no function. {nearest(attribute, functions, label='It has')}"
        )

    def build(*, classes: int | None, channels: int | None, kind: str | None) -> nn.Module:
        return _call(name, factory, (), _accepted(name, factory, classes, channels, kind))

    return build


def _accepted(
    name: str, factory: Callable[..., Any], classes: int | None, channels: int | None, kind: str | None
) -> dict[str, Any]:
    """Return those arguments that a user's own factory takes and that are known, under the names in use for them."""
    offered = {
        "classes": classes, "num_classes": classes, "n_classes": classes,
        "channels": channels, "in_channels": channels, "in_chans": channels, "n_channels": channels,
        "kind": kind,
    }  # fmt: skip
    try:
        parameters = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError):
        return {}
    taken = [p for p in parameters if p.name in offered and p.kind is not p.VAR_KEYWORD]
    for p in taken:
        if offered[p.name] is None and p.default is p.empty:
            raise ModelError(
                f"The factory '{name}' needs '{p.name}', which nothing tells; give it a default, or say it in a card."
            )
    return {p.name: offered[p.name] for p in taken if offered[p.name] is not None}


_FACTORY = re.compile(r"(?P<left>[^\s:]{2,}):[^\W\d]\w*(?:\?.*)?")


def python_of(name: str, folder: Path | None = None) -> str:
    """Return which Python of the user's own an architecture would run, a file with its SHA-256; empty for none.

    Parameters
    ----------
    name
        As :func:`resolve_architecture` takes it.
    folder
        The card's folder, in which a ``file.py`` must lie; ``None`` for one that was named elsewhere.

    Raises
    ------
    ModelError
        If there is no such file.
    CardError
        If it lies outside the card's folder.
    """
    from matxai.modelcard.card import inside

    left, _, right = name.rpartition(":")
    if not left or not right or name.partition(":")[0] in architectures:
        return ""
    if not left.endswith(".py"):
        return f"The factory '{name}'"
    path = inside(folder, left, "architecture") if folder is not None else Path(left)
    if not path.is_file():
        raise ModelError(f"There is no file '{left}' for the architecture '{name}'.")
    return f"The file {left} (sha256 {hashlib.sha256(path.read_bytes()).hexdigest()})"


def is_architecture(source: str) -> bool:
    """Return whether what stands for a model is the name of an architecture: ``family:name`` or a Python factory."""
    match = _FACTORY.fullmatch(source)
    left = match["left"] if match else ""
    return left.endswith(".py") or left in architectures or all(part.isidentifier() for part in left.split("."))

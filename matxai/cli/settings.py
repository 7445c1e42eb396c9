"""Where an option's value comes from: the line, then ``MATXAI_*`` variables, then the user's file, then defaults.

The user's file is ``settings.yaml`` in the configuration folder of the platform (``MATXAI_CONFIG`` names another one):
options for every command (``device: cuda``) or for one (``explain: {methods: [grad_cam, lrp]}``). A variable is
``MATXAI_OPTION`` for every command or ``MATXAI_COMMAND_OPTION`` for one. ``--trust`` comes from the line alone.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from matxai.errors import FileError, MatxaiError, nearest

FROM_THE_LINE = frozenset({"trust", "version", "help"})
"""Never from elsewhere: code runs only where this very command says so."""


def settings_file() -> Path:
    """Return where the user's file lies on this platform, whether it exists or not."""
    named = os.environ.get("MATXAI_CONFIG")
    if named:
        return Path(named)
    if sys.platform == "win32":
        base = Path(os.environ.get("APPDATA", Path.home() / "AppData" / "Roaming"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_CONFIG_HOME", Path.home() / ".config"))
    return base / "matxai" / "settings.yaml"


@dataclass(frozen=True)
class Settings:
    """What is set beside the line.

    Attributes
    ----------
    values
        Click's default map: options for each command, groups nested.
    origins
        Where each value comes from, by command and option, for sentences.
    """

    values: dict[str, Any] = field(default_factory=dict)
    origins: dict[tuple[str, ...], str] = field(default_factory=dict)

    def switched_on(self, way: tuple[str, ...], option: str) -> bool:
        """Return whether an option is set to true for a command."""
        values: Any = self.values
        for word in way:
            values = values.get(word, {})
        return values.get(option) is True


def called(app: Any, argv: Sequence[str]) -> tuple[str, ...]:
    """Return the command that a line calls, as in ``("model", "check")``."""
    way: tuple[str, ...] = ()
    for word in argv:
        if word in getattr(app, "commands", {}):
            app, way = app.commands[word], (*way, word)
    return way


def load(app: Any) -> Settings:
    """Return what the user's file and the variables set for a built command line.

    Raises
    ------
    FileError
        If the user's file is there but is no mapping of options, or is named and is not there.
    MatxaiError
        For a key that is no option of any command, or a value that cannot be; variables included.
    """
    path, content = _read()
    _refuse_unknown(app, content, path, ())
    origins: dict[tuple[str, ...], str] = {}
    return Settings(_values(app, content, {}, path, (), origins), origins)


def _read() -> tuple[Path, dict[str, Any]]:
    path = settings_file()
    if not path.is_file():
        if not os.environ.get("MATXAI_CONFIG"):
            return path, {}
        beside = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        near = nearest(path.name, beside, label="Its folder holds")
        msg = f"MATXAI_CONFIG names the settings file {path}, which does not exist. {near}"
        raise FileError(msg)
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        content = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError, YAMLError) as error:
        what = " ".join(str(error).split()).rstrip(".")
        msg = f"The settings file {path} cannot be read: {what}. It is YAML, a line 'option: value' each."
        raise FileError(msg) from error
    if not isinstance(content, dict):
        msg = f"The settings file {path} holds a {type(content).__name__}; it should be lines of 'option: value'."
        raise FileError(msg)
    return path, {str(key): value for key, value in content.items()}


def _options(command: Any) -> dict[str, Any]:
    """Return a command's options under the names that people write: ``width_mm`` for ``--width-mm``."""
    found = {}
    for one in getattr(command, "params", ()):
        if one.param_type_name == "option" and one.name not in FROM_THE_LINE:
            long = max(one.opts, key=len).lstrip("-").replace("-", "_")
            found[long] = one
    return found


def _known(command: Any) -> set[str]:
    """Return the options of a command and of all below it."""
    below = (_known(c) for c in getattr(command, "commands", {}).values())
    return set(_options(command)).union(*below)


def _refuse_unknown(command: Any, content: Mapping[str, Any], path: Path, way: tuple[str, ...]) -> None:
    commands = getattr(command, "commands", {})
    known = _known(command)
    for key, value in content.items():
        name = str(key)
        where = f"The settings file {path} has '{'.'.join((*way, name))}'"
        if name in commands:
            if not isinstance(value, Mapping):
                msg = f"{where}, which is a command; write its options below it, as in '{name}: {{json: true}}'."
                raise MatxaiError(msg)
            _refuse_unknown(commands[name], value, path, (*way, name))
        elif name in FROM_THE_LINE:
            msg = f"{where}, which is given on the line alone, each time."
            raise MatxaiError(msg)
        elif _spelt(name) not in known:
            owner = f"option of 'matxai {' '.join(way)}'" if way else "option"
            near = nearest(_spelt(name), sorted(known | set(commands)))
            msg = f"{where}, which is no {owner}. {near}"
            raise MatxaiError(msg)


def _spelt(name: str) -> str:
    return name.lstrip("-").replace("-", "_")


def _values(
    command: Any,
    own: Mapping[str, Any],
    common: Mapping[str, Any],
    path: Path,
    way: tuple[str, ...],
    origins: dict[tuple[str, ...], str],
) -> dict[str, Any]:
    """Return the default map of a command: the settings of what stands above it, then its own, then variables."""
    commands = getattr(command, "commands", {})
    settings = {**common, **{_spelt(str(k)): v for k, v in own.items() if k not in commands}}
    result: dict[str, Any] = {}
    for name, option in _options(command).items():
        given = [(settings[name], f"the setting '{name}' in {path}")] if name in settings else []
        given += [(os.environ[v], f"the variable {v}") for v in _variables(name, way) if v in os.environ]
        for value, origin in given:
            result[option.name] = _value(option, value, origin)
            origins[(*way, option.name)] = origin
    for name, below in commands.items():
        result[name] = _values(below, own.get(name, {}), settings, path, (*way, name), origins)
    return result


def _variables(option: str, way: tuple[str, ...]) -> Iterator[str]:
    """Yield the variables of an option, the one that counts most last."""
    for length in range(len(way) + 1):
        yield "_".join(("MATXAI", *way[:length], option)).upper()


def _value(option: Any, value: Any, origin: str) -> Any:
    """Return a value as it would stand on the line: a list becomes text, a flag true or false."""
    start = origin[0].upper() + origin[1:]
    if getattr(option, "is_flag", False):
        word = str(value).strip().lower()
        if word not in _WORDS:
            msg = f"{start} is {word!r}; it should be true or false."
            raise MatxaiError(msg)
        return _WORDS[word]
    if isinstance(value, list):
        return ",".join(map(str, value))
    if value is None or isinstance(value, Mapping | bool):
        shown = "empty" if value is None else "a table" if isinstance(value, Mapping) else f"'{value}'".lower()
        msg = f"{start} is {shown}; it should be one value, or a list."
        raise MatxaiError(msg)
    return str(value)


_WORDS = {**dict.fromkeys(("1", "true", "yes", "on"), True), **dict.fromkeys(("0", "false", "no", "off"), False)}

"""Where an option's value comes from: the line, then ``MATXAI_*`` variables, then the user's file, then defaults.

The user's file is ``settings.yaml`` in the configuration folder of the platform (``MATXAI_CONFIG`` names another one):
either options for every command (``device: cuda``) or for one (``explain: {methods: "grad_cam,lrp"}``).
"""

from __future__ import annotations

import os
import sys
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

from matxai.errors import FileError

COMMANDS = ("demo", "info", "explain", "model", "methods", "datasets", "view", "doctor")


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


def defaults() -> MutableMapping[str, Any]:
    """Return the user's file as click's default map: a mapping of options for each command.

    Raises
    ------
    FileError
        If the file is there but is no mapping of options.
    """
    path = settings_file()
    if not path.is_file():
        return {}
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        content = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError, YAMLError) as error:
        msg = f"The settings file {path} cannot be read: {error}. It is YAML, a line 'option: value' each."
        raise FileError(msg) from error
    if not isinstance(content, dict):
        msg = f"The settings file {path} holds a {type(content).__name__}; it should be lines of 'option: value'."
        raise FileError(msg)
    common = {k: v for k, v in content.items() if not isinstance(v, dict)}
    per_command: dict[str, Any] = {c: dict(common) for c in COMMANDS}
    for command, options in content.items():
        if isinstance(options, dict):
            per_command.setdefault(command, dict(common)).update(options)
    return per_command

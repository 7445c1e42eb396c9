"""What window tests need of the interpreter."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import sys

BROKEN = (
    sys.version_info < (3, 12)
    and importlib.util.find_spec("PySide6") is not None
    and importlib.metadata.version("PySide6") == "6.12.0"
)
"""PySide6 6.12.0 before Python 3.12 gives one reference to None, True or False away with every call that returns it,
until none is left and the interpreter aborts. The extra ``gui`` leaves it out; who has it all the same can test."""

KEPT = [None] * 1_000_000 + [True] * 1_000_000 + [False] * 1_000_000 if BROKEN else []
"""So many calls no run makes."""

"""What window tests need of the interpreter."""

from __future__ import annotations

import sys

# PySide6 6.12.0 on Python 3.11 gives one reference to None, True or False away with every call that returns it, until
# none is left and the interpreter aborts. So many calls no run makes.
KEPT = [None] * 1_000_000 + [True] * 1_000_000 + [False] * 1_000_000 if sys.version_info < (3, 12) else []

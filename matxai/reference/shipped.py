"""The tables that ship beside this module: rows of comma- or semicolon-separated facts below their sources."""

from __future__ import annotations

import csv
import functools
from importlib.resources import files


@functools.cache
def rows(name: str, separator: str = ",") -> tuple[tuple[str, ...], ...]:
    """Return the rows of ``tables/NAME.csv`` without its comments."""
    text = (files("matxai.reference") / "tables" / f"{name}.csv").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return tuple(tuple(row) for row in csv.reader(lines, delimiter=separator))

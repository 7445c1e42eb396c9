"""The page on expectations says what the schema says, and every YAML on it is valid."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

from matxai.checks.expect import expectations_of

ROOT = Path(__file__).parents[2]


def test_tables_of_the_page_are_current() -> None:
    script = runpy.run_path(str(ROOT / "docs" / "make_expectations.py"))
    assert script["main"](["--check"]) == 0


def test_the_example_is_valid() -> None:
    page = (ROOT / "docs" / "expectations.md").read_text(encoding="utf-8")
    (text,) = re.findall(r'write_text\("""(.*?)"""\)', page, re.DOTALL)
    assert [a.name for a in expectations_of(text).items] == ["points at pores"]

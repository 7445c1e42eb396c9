"""The page on expectations says what the schema says, and every YAML on it is valid."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from matxai.checks.expect import expectations_of

ROOT = Path(__file__).parents[2]


def test_tables_of_the_page_are_current() -> None:
    script = ROOT / "docs" / "make_expectations.py"
    done = subprocess.run([sys.executable, str(script), "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_example_is_valid() -> None:
    page = (ROOT / "docs" / "expectations.md").read_text(encoding="utf-8")
    (text,) = re.findall(r'write_text\("""(.*?)"""\)', page, re.DOTALL)
    assert [a.name for a in expectations_of(text).items] == ["points at pores"]

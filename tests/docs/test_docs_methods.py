"""What the pages say of the methods is what the methods say of themselves."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from matxai.methods.method import help_of, methods

ROOT = Path(__file__).parents[2]


def test_tables_of_readme_and_docs_are_current() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "make_methods.py"), "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", list(methods))
def test_a_method_says_all_that_a_user_must_know(name: str) -> None:
    said = help_of(name)
    for heading in ("answers", "works on", "resolution", "costs", "certain", "misleads", "verified", "paper"):
        assert len(said[heading]) > 8, heading
    assert any(c.isdigit() for c in said["paper"])
    assert "F" in said["costs"].split() or "forward" in said["costs"]

"""Ruff with its broad rule set, and the type checker in strict mode over the library, are tests like any other."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("command", [["check", "."], ["format", "--check", "."]], ids=["lint", "format"])
def test_ruff(command: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ruff", *command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("package", ["matxai.signals", "matxai.engine", "matxai"])
def test_types_are_strict(package: str) -> None:
    """The packages at the bottom first: the last one finds them checked."""
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "-p", package], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]

"""Makes a virtual environment beside the sources and installs matxai into it. Needs Python 3.11 or newer alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SUPPORTED = ((3, 11), (3, 13))


def say(text: str) -> None:
    print(f"[matxai] {text}", flush=True)


def run(*command: str | Path, **kwargs: object) -> int:
    """Run a command in the project's root and return its exit code."""
    return subprocess.run([str(c) for c in command], cwd=ROOT, check=False, **kwargs).returncode  # type: ignore[call-overload]


def make(name: str, extras: str) -> Path:
    """Make (or reuse) the environment ``name`` with matxai and ``extras``; return its Python."""
    if not SUPPORTED[0] <= sys.version_info[:2] <= SUPPORTED[1]:
        sys.exit(
            f"matxai needs Python 3.11 to 3.13; this is {sys.version.split()[0]}. Run the command with one of those."
        )
    folder = ROOT / name
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    started = time.monotonic()
    if not python.exists():
        say(f"making the environment {name}")
        venv.create(folder, with_pip=True, clear=True)
    # what an earlier build left would be installed along with what is here now
    shutil.rmtree(ROOT / "build", ignore_errors=True)
    say(f"installing matxai[{extras}]: PyTorch alone is some gigabytes, so the first time takes minutes" if extras else
        "installing matxai: PyTorch alone is some gigabytes, so the first time takes minutes")  # fmt: skip
    target = f".[{extras}]" if extras else "."
    for arguments in (("--upgrade", "pip"), (target,)):
        if run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments):
            sys.exit("[matxai] the installation failed; pip's own words stand above.")
    say(f"installed in {time.monotonic() - started:.0f} s")
    return python

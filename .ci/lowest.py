"""Install the lowest versions that pyproject.toml allows, and run the tests against them.

    python3 .ci/lowest.py [arguments of pytest]

What it proves is that the lower bounds are true. Some fifteen minutes: an installation of its own, then the tests.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib

from environment import ROOT, SUPPORTED, run, say

NAME = ".venv-lowest"
EXTRAS = ("formats", "zoo", "onnx")  # the extras whose bounds are tested as well, because `test` brings them


def oldest_python() -> str:
    """Return the lowest Python that is supported: the lowest versions have wheels for no other."""
    wanted = "python{}.{}".format(*SUPPORTED[0])
    found = sys.executable if sys.version_info[:2] == SUPPORTED[0] else shutil.which(wanted)
    if not found or subprocess.run([found, "--version"], capture_output=True, check=False).returncode:
        sys.exit(f"[matxai] the lowest versions belong to the lowest Python, and there is no {wanted} here.")
    return found


def lowest(requirements: list[str]) -> list[str]:
    """``name[extra]>=1.2`` becomes ``name==1.2``; one without a lower bound would prove nothing and is an error."""
    pinned = []
    for requirement in requirements:
        match = re.match(r"([A-Za-z0-9_.-]+)(\[[^\]]*\])?\s*>=\s*([0-9][^,;\s]*)", requirement)
        if not match:
            sys.exit(f"[matxai] pyproject.toml gives no lower bound for {requirement!r}.")
        pinned.append(f"{match[1]}=={match[3]}")
    return pinned


def main(arguments: list[str]) -> int:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pins = lowest(project["dependencies"] + [r for e in EXTRAS for r in project["optional-dependencies"][e]])
    say("lowest versions: " + ", ".join(pins))
    folder = ROOT / NAME
    run(oldest_python(), "-m", "venv", "--clear", folder)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    constraints = folder / "lowest.txt"
    constraints.write_text("\n".join(pins) + "\n", encoding="utf-8")
    shutil.rmtree(ROOT / "build", ignore_errors=True)
    # uv and not pip: where two bounds exclude each other it says which, at once, and pip searches for minutes
    install = (python, "-m", "uv", "pip", "install", "--quiet", "--python", python, "--constraints", constraints)
    say("installing: PyTorch alone is some gigabytes, so the first time takes minutes")
    if run(python, "-m", "pip", "install", "--quiet", "uv") or run(*install, ".[test]"):
        return 1
    # -P: the installed package is tested and not the sources beside it. Style and types are checked with the newest
    # tools, windows with the newest napari; without a Qt binding pytest-qt would refuse to start.
    pytest = (python, "-P", "-m", "pytest", "-p", "no:pytest-qt", "-m", "not window", "-n", "2", "--dist", "loadfile")
    environment = {"OMP_NUM_THREADS": "1", **os.environ}  # two workers: a thread each
    return run(*pytest, "--ignore=tests/project/test_style.py", *arguments, env=environment)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

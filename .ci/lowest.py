"""Install the lowest versions that pyproject.toml allows, and run the tests against them.

    python3 .ci/lowest.py [arguments of pytest]

What it proves is that the lower bounds are true. It takes as long as the tests do, with an installation of its own.
"""

from __future__ import annotations

import re
import shutil
import sys
import tomllib

from environment import ROOT, make, run, say


def lowest(requirements: list[str]) -> list[str]:
    """``name>=1.2`` becomes ``name==1.2``; requirements without a lower bound stay as they are."""
    pinned = []
    for requirement in requirements:
        match = re.match(r"([A-Za-z0-9_.-]+)(\[[^\]]*\])?\s*>=\s*([0-9][^,;\s]*)", requirement)
        pinned.append(f"{match[1]}{match[2] or ''}=={match[3]}" if match else requirement)
    return pinned


def main(arguments: list[str]) -> int:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pins = lowest(project["dependencies"])
    say("lowest versions: " + ", ".join(pins))
    shutil.rmtree(ROOT / ".venv-lowest", ignore_errors=True)
    python = make(".venv-lowest", "test")
    if run(python, "-m", "pip", "install", "--quiet", *pins):
        return 1
    # style and types are checked with the newest tools, windows with the newest napari
    return run(
        python, "-m", "pytest", "-m", "not window", "--ignore=tests/project/test_style.py", "-n", "2", *arguments
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

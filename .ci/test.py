"""Make an environment, install all that the tests need, system packages for a virtual screen included, and run them.

Five to fifteen minutes the first time, half of it installing; two to seven after that. Other arguments go to pytest.

    python3 .ci/test.py                  everything; on Linux windows are tested on a virtual screen
    python3 .ci/test.py --no-windows     everything but the tests that open windows
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

from environment import ROOT, make, run, say

PACKAGES = (
    "xvfb", "xauth", "libgl1-mesa-dri", "libegl1", "libopengl0", "libxcb-cursor0", "libxcb-icccm4", "libxcb-keysyms1",
    "libxcb-image0", "libxcb-render-util0", "libxcb-shape0", "libxcb-xkb1", "libxkbcommon-x11-0", "libdbus-1-3",
    "libfontconfig1", "libglib2.0-0",
)  # fmt: skip


def missing_packages() -> list[str]:
    """The Debian packages of the virtual screen that are not installed; all of them where dpkg is not there to ask."""
    if shutil.which("dpkg-query") is None:
        return [] if shutil.which("xvfb-run") else list(PACKAGES)
    return [p for p in PACKAGES if run("dpkg-query", "-s", p, stdout=-3, stderr=-3)]


def prepare_screen() -> list[str]:
    """Install what a virtual screen needs where that is allowed; return the packages that are still missing."""
    if not sys.platform.startswith("linux"):
        return []
    missing = missing_packages()
    if missing and hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get"):
        say(f"installing system packages for a virtual screen: {' '.join(missing)}")
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        run("apt-get", "update", "-qq", env=environment)
        run("apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing, env=environment, stdout=-3)
        missing = missing_packages()
    return missing


def main(arguments: list[str]) -> int:
    say("this installs matxai with everything its tests need into .venv-test and runs the tests")
    say("(five to fifteen minutes the first time, half of it installing; two to seven after that)")
    windows = "--no-windows" not in arguments
    arguments = [a for a in arguments if a != "--no-windows"]
    missing = prepare_screen() if windows else []
    python = make(".venv-test", "gui,rosetta,test")
    pytest = [str(python), "-m", "pytest", "-n", "2", "--dist", "loadfile", *arguments]
    with tempfile.TemporaryDirectory() as scratch:
        environment = {
            **os.environ,
            "NAPARI_ASYNC": "0",
            "NAPARI_CONFIG": str(Path(scratch) / "napari.yaml"),
            "QT_API": "pyside6",
            "PYTHONSAFEPATH": "1",  # the installed package is tested, not the sources beside it
            "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"),  # two workers: a thread each
        }
        if windows and not missing:
            if sys.platform.startswith("linux"):
                environment.pop("QT_QPA_PLATFORM", None)
                pytest = ["xvfb-run", "-a", "-s", "-screen 0 1280x1024x24", *pytest]
            return run(*pytest, env=environment)
        code = run(*pytest, "-m", "not window", env=environment)
    if windows:
        say(f"FAILED: windows could not be tested; missing system packages: {' '.join(missing)}")
        say("install them as root (apt-get install ...), or give --no-windows to leave those tests out")
        return code or 1
    return code


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.exit(main(sys.argv[1:]))

"""``import matxai`` and ``matxai --help`` open at once: no torch, no plotting, no Qt."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = (
    "torch",
    "torchvision",
    "matplotlib",
    "napari",
    "qtpy",
    "PySide6",
    "PyQt6",
    "pyqtgraph",
    "skimage.segmentation",
)


@pytest.mark.parametrize(
    "code",
    [
        "import matxai; dir(matxai)",
        "import matxai.signals, matxai.regions, matxai.modelcard, matxai.methods, matxai.engine",
        "import matxai.explanation, matxai.checks, matxai.report, matxai.jobs",
        "import matxai_datasets, matxai_models, napari_matxai",
        "from matxai.cli.main import main; main(['--help'])",
    ],
)
def test_opens_without_heavy_imports(code: str) -> None:
    program = f"import sys\ntry:\n    exec({code!r})\nexcept SystemExit as e:\n    assert not e.code, e.code\n"
    program += f"heavy = [m for m in {HEAVY!r} if m in sys.modules]\nassert not heavy, heavy\n"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


def test_every_public_name_is_there() -> None:
    import matxai

    for name in matxai.__all__:
        assert getattr(matxai, name) is not None

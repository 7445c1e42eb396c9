"""Mesa's LLVM and Triton's end a process together: a model of torchvision where napari draws in software."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("napari", reason="the plugin's tests need napari")
pytest.importorskip("qtpy", reason="the plugin's tests need a Qt binding")

SCRIPT = """
import time
import napari, numpy as np
from napari_matxai.native import keep_apart
from qtpy.QtWidgets import QApplication
viewer = napari.Viewer()
viewer.add_image(np.zeros((8, 8)))
for _ in range(10):
    QApplication.processEvents()
    time.sleep(0.02)
viewer.screenshot(flash=False)
print("kept apart", keep_apart(), keep_apart())
import torchvision
print("alive", flush=True)
viewer.close()
"""


@pytest.mark.window
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Mesa's LLVM is a matter of Linux")
def test_torchvision_can_be_imported_where_a_window_was_drawn_in_software() -> None:
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", SCRIPT], capture_output=True, text=True, timeout=120)
    assert "alive" in done.stdout, done.stdout + done.stderr
    if "kept apart True" in done.stdout:
        assert "kept apart True False" in done.stdout


def test_without_llvm_nothing_is_kept_out() -> None:
    code = (
        "import sys, pathlib; from napari_matxai import native; native.MAPS = pathlib.Path('/no/such/file'); "
        "print(native.keep_apart(), 'triton' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["False", "False"], done.stderr

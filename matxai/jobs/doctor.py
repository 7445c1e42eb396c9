"""One block to paste into a bug report: versions, devices, readers, screen. Names no user and no folder."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import sys
from typing import Any

from matxai._version import __version__

PACKAGES = (
    "torch", "torchvision", "numpy", "xarray", "dask", "zarr", "h5py", "tifffile", "imagecodecs", "scikit-image",
    "scipy", "matplotlib", "pint", "napari", "magicgui", "npe2", "PySide6", "PyQt6", "pyqtgraph", "ncempy", "mrcfile",
    "rosettasciio", "onnxruntime",
)  # fmt: skip


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _devices() -> list[str]:
    import torch

    found = [f"cpu ({torch.get_num_threads()} threads)"]
    for number in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(number)
        found.append(f"cuda:{number} {properties.name}, {properties.total_memory / 2**30:.0f} GiB")
    if torch.backends.mps.is_available():
        found.append("mps")
    return found


def _screen() -> str:
    if platform.system() == "Linux":
        display = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
        return f"display {display}" if display else "none: napari needs an X server with OpenGL (xvfb-run gives one)"
    return "the desktop's own"


def diagnose() -> dict[str, Any]:
    """Return versions, devices, readers and screen as names and plain values."""
    from matxai.signals import readers

    readable = {}
    for name in readers:
        needs = getattr(readers[name], "needs", None)
        missing = needs is not None and importlib.util.find_spec(needs) is None
        readable[name] = f"missing: {needs}" if missing else "ready"
    return {
        "matxai": __version__,
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "packages": {name: _version(name) or "not installed" for name in PACKAGES},
        "devices": _devices(),
        "readers": readable,
        "screen": _screen(),
    }

"""Native libraries that must not meet in one process: two copies of LLVM, one of Mesa and one of Triton.

Where napari draws with Mesa's software renderer, as over remote desktops and on virtual screens, importing Triton ends
the process without a word (seen with LLVM 15 of Mesa and PyTorch 2.15, whose compiler torchvision imports). Nothing
here compiles, so Triton is kept out then; PyTorch takes it for not installed.
"""

from __future__ import annotations

import sys
from pathlib import Path

MAPS = Path("/proc/self/maps")


def keep_apart() -> bool:
    """Keep Triton out where a copy of LLVM was loaded before it; return whether that was done.

    Called before anything imports PyTorch. A Triton that was imported already, and survived, is left alone.
    """
    if "triton" in sys.modules or not _has_llvm():
        return False
    sys.modules["triton"] = None  # type: ignore[assignment] - what makes an import fail, by the language's reference
    return True


def _has_llvm() -> bool:
    try:
        return "libLLVM" in MAPS.read_text()
    except OSError:  # not Linux
        return False

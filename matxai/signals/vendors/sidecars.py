"""Text files that lie beside an image and describe it: found by name, told apart by what they hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matxai.signals.vendors import hitachi, jeol, tescan
from matxai.signals.vendors.calibration import Calibration, decoded

if TYPE_CHECKING:
    from pathlib import Path

LONGEST = 2**20


def sidecar(path: Path, width: int, height: int) -> Calibration | None:
    """Return what the sidecar of an image says (JEOL, Hitachi, TESCAN), or None where there is none.

    Asked in this order: ``NAME.txt``, ``NAME-tif.hdr`` (``-png``, ``-jpg``), ``NAME.hdr``, ``NAME.tif.txt``; upper or
    lower case.
    """
    kind = path.suffix.lower().lstrip(".")
    stem = path.stem
    names = [f"{stem}.txt", f"{stem}-{kind}.hdr", f"{stem}.hdr", f"{path.name}.txt", f"{stem}.TXT", f"{stem}.HDR"]
    for name in dict.fromkeys(names):
        beside = path.with_name(name)
        if beside == path or not beside.is_file() or beside.stat().st_size > LONGEST:
            continue
        text = decoded(beside.read_bytes())
        if jeol.is_jeol(text):
            return jeol.from_text(text, width, height, source=f"JEOL sidecar {name}")
        if hitachi.is_hitachi(text):
            return hitachi.from_text(text, width, height, source=f"Hitachi sidecar {name}")
        if tescan.is_tescan(text):
            return tescan.from_text(text, height, source=f"TESCAN sidecar {name}")
    return None

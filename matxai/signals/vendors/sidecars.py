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
        maker = maker_of(text)
        if maker == "JEOL":
            return jeol.from_text(text, width, height, source=f"JEOL sidecar {name}")
        if maker == "Hitachi":
            return hitachi.from_text(text, width, height, source=f"Hitachi sidecar {name}")
        if maker == "TESCAN":
            return tescan.from_text(text, height, source=f"TESCAN sidecar {name}")
    return None


def maker_of(text: str) -> str:
    """Return whose sidecar a text is, or ``''``."""
    tests = {"JEOL": jeol.is_jeol, "Hitachi": hitachi.is_hitachi, "TESCAN": tescan.is_tescan}
    return next((maker for maker, test in tests.items() if test(text)), "")

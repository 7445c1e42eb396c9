"""TESCAN: the ini text of TIFF tag 50431, or of the sidecar ``NAME-tif.hdr``; sizes in metres, bar in rows."""

from __future__ import annotations

from matxai.signals.vendors.calibration import Calibration, bar_below, from_metres, number, sections, whole


def from_tag(raw: bytes, height: int) -> Calibration | None:
    """Return what tag 50431 says (a thumbnail, then ini text), or None if no text is found in it."""
    starts = [at for mark in (b"[MAIN]", b"AccFrames=") if (at := raw.find(mark)) >= 0]
    if not starts:
        return None
    text = raw[min(starts) :].decode("utf-8", errors="replace")
    return from_text(text, height, source="TESCAN tag 50431")


def from_text(text: str, height: int, *, source: str) -> Calibration:
    """Return what the ini text says about a file of this size; ``ImageStripSize`` is the height of the bar."""
    found = sections(text)
    everything = {key: value for part in found.values() for key, value in part.items()}
    main = {**everything, **found.get("MAIN", {})}
    strip = whole(main.get("ImageStripSize"))
    return from_metres(
        f"{source} PixelSizeX",
        number(main.get("PixelSizeX")),
        number(main.get("PixelSizeY")),
        metadata=found,
        info_bar=bar_below(height, height - strip) if strip else None,
    )


def is_tescan(text: str) -> bool:
    """Whether a sidecar is TESCAN's."""
    return "[MAIN]" in text[:2000] and "PixelSizeX" in text

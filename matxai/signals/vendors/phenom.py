"""Phenom: XML (root ``FeiImage``) in TIFF tag 34683 or among a JPEG's bytes; the bar is ``databarHeight`` rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matxai.signals.vendors.calibration import Calibration, bar_below, from_unit, number, whole
from matxai.signals.vendors.xml_text import as_dict

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_OPENS, _CLOSES = b"<FeiImage", b"</FeiImage>"


def from_xml(root: Element, height: int, *, source: str) -> Calibration:
    """Return what Phenom's XML says about a file of this height."""
    metadata = as_dict(root)
    x, y = number(root.findtext("pixelWidth")), number(root.findtext("pixelHeight"))
    element = root.find("pixelWidth")
    unit = element.get("unit") if element is not None else None
    rows = whole(root.findtext("databarHeight"))
    return from_unit(
        f"{source} pixelWidth",
        {"x": x, "y": y if y is not None else x},
        unit,
        metadata=metadata if isinstance(metadata, dict) else {},
        info_bar=bar_below(height, height - rows) if rows else None,
    )


def is_phenom(root: Element) -> bool:
    """Whether an XML root is Phenom's."""
    return root.tag == "FeiImage"


def xml_among(raw: bytes) -> str:
    """Return Phenom's XML from among the bytes of a file, or ''."""
    start = raw.find(_OPENS)
    stop = raw.find(_CLOSES, start) if start >= 0 else -1
    if stop < 0:
        return ""
    declared = raw.rfind(b"<!DOCTYPE", max(0, start - 4096), start)  # kept, so that it is refused and not overlooked
    return raw[declared if declared >= 0 else start : stop + len(_CLOSES)].decode("utf-8", errors="replace")

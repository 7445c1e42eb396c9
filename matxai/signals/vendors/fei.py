"""FEI / Thermo Fisher: the text of tags 34680 (SFEG) and 34682 (HELIOS), and the XML of the newer programs.

Sizes are in metres. The bar's rows are the file's height minus ``Image.ResolutionY``; ``PrivateFei.DatabarHeight`` is
only asked where that is missing, for it says 0 in files whose bar is burnt in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from matxai.signals.vendors.calibration import (
    Calibration,
    bar_below,
    from_metres,
    number,
    positive,
    sections,
    stale,
    uncalibrated,
    whole,
)
from matxai.signals.vendors.xml_text import as_dict

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element


def from_text(text: str, width: int, height: int, *, tag: int) -> Calibration:
    """Return what the ini-like text of tag 34680 or 34682 says about a file of this size."""
    found = sections(text)
    image = found.get("Image", {})
    columns, rows = whole(image.get("ResolutionX")), whole(image.get("ResolutionY"))
    why = stale(width, height, columns, rows)
    if why:
        return uncalibrated(f"FEI tag {tag}: {why}", metadata=found)
    bar = bar_below(height, rows)
    if rows is None and (bar_rows := whole(found.get("PrivateFei", {}).get("DatabarHeight"))):
        bar = bar_below(height, height - bar_rows)
    x, y = _pixel(found, columns or width)
    return from_metres(f"FEI tag {tag}", x, y, metadata=found, info_bar=bar)


def _pixel(found: dict[str, dict[str, Any]], columns: int) -> tuple[float | None, float | None]:
    """Pixel width and height in metres: the scan's, else the field width of the beam that made the image."""
    beam = str(found.get("Beam", {}).get("Beam", ""))
    scan = str(found.get("Beam", {}).get("Scan", ""))
    for name in ("Scan", scan, "EScan", "IScan"):
        x = number(found.get(name, {}).get("PixelWidth"))
        if positive(x):
            return x, number(found[name].get("PixelHeight"))
    for name in (beam, "IRBeam", "EBeam", "IBeam"):
        field = number(found.get(name, {}).get("HFW"))
        if field is not None and positive(field):
            return field / columns, None
    return None, None


def from_xml(root: Element, width: int, height: int, *, tag: int) -> Calibration:
    """Return what the XML form (root ``Metadata``) says: ``BinaryResult/PixelSize`` in m or 1/m, ``ImageSize``."""
    metadata = as_dict(root)
    metadata = metadata if isinstance(metadata, dict) else {}
    size = "BinaryResult/ImageSize" if root.find("BinaryResult/ImageSize") is not None else "ScanSettings/ScanSize"
    columns = whole(root.findtext(f"{size}/X") or root.findtext(f"{size}/Width"))
    rows = whole(root.findtext(f"{size}/Y") or root.findtext(f"{size}/Height"))
    why = stale(width, height, columns, rows)
    if why:
        return uncalibrated(f"FEI XML in tag {tag}: {why}", metadata=metadata)
    bar = bar_below(height, rows)
    x = number(root.findtext("BinaryResult/PixelSize/X"))
    y = number(root.findtext("BinaryResult/PixelSize/Y"))
    element = root.find("BinaryResult/PixelSize/X")
    unit = element.get("unit", "m") if element is not None else "m"
    source = f"FEI XML in tag {tag}"
    if unit == "m":
        if x is None and (field := number(root.findtext("Optics/ScanFieldOfView/X"))) is not None:
            x = field / width
        return from_metres(source, x, y, metadata=metadata, info_bar=bar)
    if unit in {"1/m", "m^-1"} and x is not None and positive(x):
        y = y if y is not None and positive(y) else x
        sizes = {"x": float(f"{x * 1e-9:.12g}"), "y": float(f"{y * 1e-9:.12g}")}
        return Calibration(source, spacing=sizes, units=dict.fromkeys(sizes, "1/nm"), metadata=metadata, info_bar=bar)
    return uncalibrated(f"{source} gives the pixel size in {unit!r}", metadata=metadata, info_bar=bar)


def is_fei(root: Element) -> bool:
    """Whether an XML root is Thermo's (``Metadata`` with an instrument or a result in it)."""
    return root.tag == "Metadata" and any(
        root.find(part) is not None for part in ("BinaryResult", "Instrument", "Core")
    )

"""OME-TIFF: the XML of the image description; physical sizes, their units, and the order of the pages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from matxai.signals.units import unit_word
from matxai.signals.vendors.calibration import Calibration, number, positive, uncalibrated, whole
from matxai.signals.vendors.xml_text import as_dict

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element


@dataclass(frozen=True)
class Order:
    """How the pages of one image follow one another: sizes of the axes, and their order (``"ZCT"``: Z is fastest)."""

    z: int
    c: int
    t: int
    order: str


def is_ome(root: Element) -> bool:
    """Whether an XML root is OME's."""
    return root.tag == "OME"


def from_xml(root: Element, width: int, height: int) -> tuple[Calibration, Order | None]:
    """Return calibration and order of the pages of the first image, for a file of this size."""
    image = root.find("Image")
    pixels = image.find("Pixels") if image is not None else None
    if image is None or pixels is None:
        return uncalibrated("OME XML without pixels"), None
    spacing: dict[str, float] = {}
    units: dict[str, str] = {}
    for dim in "xyz":
        size = number(pixels.get(f"PhysicalSize{dim.upper()}"))
        unit = unit_word(pixels.get(f"PhysicalSize{dim.upper()}Unit", "um"))
        if size is not None and positive(size) and unit is not None and unit != "pixel":
            spacing[dim], units[dim] = size, unit
    step, unit_t = number(pixels.get("TimeIncrement")), unit_word(pixels.get("TimeIncrementUnit", "s"))
    if step is not None and positive(step) and unit_t is not None:
        spacing["t"], units["t"] = step, unit_t
    metadata = {"Image": dict(image.attrib), "Pixels": dict(pixels.attrib)}
    for part in ("Instrument", "Experimenter"):
        if (element := root.find(part)) is not None:
            metadata[part] = {"text": as_dict(element), **element.attrib}
    sizes = [whole(pixels.get(f"Size{axis}")) or 1 for axis in "ZCT"]
    samples = sum(whole(channel.get("SamplesPerPixel")) or 1 for channel in pixels.findall("Channel")) or 1
    channels = len(pixels.findall("Channel")) or sizes[1]
    of_pages = sizes[1] if samples == channels else channels  # samples of one page are no pages
    order = Order(sizes[0], of_pages, sizes[2], pixels.get("DimensionOrder", "XYCZT")[2:])
    origin: dict[str, float] = {}
    plane = pixels.find("Plane")
    for dim in "xyz":
        at = number(plane.get(f"Position{dim.upper()}")) if plane is not None else None
        unit = unit_word(plane.get(f"Position{dim.upper()}Unit", "")) if plane is not None else None
        if at is not None and dim in spacing and unit == units[dim]:
            origin[dim] = at
    if not {"x", "y"} <= set(spacing):
        return uncalibrated("OME XML without PhysicalSizeX and PhysicalSizeY", metadata=metadata), order
    columns, rows = whole(pixels.get("SizeX")), whole(pixels.get("SizeY"))
    if (columns or width, rows or height) != (width, height):
        why = (
            f"OME XML is of an image {columns} x {rows} and this one has {width} x {height}: it was rescaled or cropped"
        )
        return uncalibrated(why, metadata=metadata), order
    source = "OME PhysicalSizeX"
    return Calibration(source, spacing=spacing, units=units, origin=origin, metadata=metadata), order

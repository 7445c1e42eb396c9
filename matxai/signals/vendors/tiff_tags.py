"""Which tag of a TIFF page or which sidecar holds its pixel size: makers first, then programs, dots per inch never."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from matxai.signals.vendors import fei, gatan, imagej, olympus, ome, phenom, sidecars, tescan, zeiss
from matxai.signals.vendors.calibration import Calibration, decoded, uncalibrated
from matxai.signals.vendors.xml_text import LONGEST, parsed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAKERS = (34682, 34680, 34683, 34118, 50431, 33560, 65009)
"""Tags by which a page is known to come from an instrument."""


def calibration(page: Any, path: Path, width: int, height: int) -> tuple[Calibration, ome.Order | None]:
    """Return what is known of a page: the first source that holds a pixel size, else the first reason why none does.

    Parameters
    ----------
    page
        A page of an open ``tifffile.TiffFile``.
    path
        The file, for its name and its sidecars.
    width, height
        The page's own size, against which the tags are held.

    Raises
    ------
    UnsafeFileError
        If a tag's XML declares entities.
    """
    found = list(_from_makers(page, path.name, width, height))
    described, order = _from_description(page, path.name, width, height)
    found.extend(c for c in (described, sidecars.sidecar(path, width, height)) if c is not None)
    best = next((c for c in found if c.known), None)
    if best is None:
        best = found[0] if found else uncalibrated(_resolution(page))
    bar = best.info_bar or next((c.info_bar for c in found if c.info_bar), None)
    metadata = best.metadata or next((c.metadata for c in found if c.metadata), {})
    return replace(best, info_bar=bar, metadata=metadata), order


def has_maker(page: Any) -> bool:
    """Whether a page carries an instrument's own tag."""
    return any(code in page.tags for code in MAKERS)


def _from_makers(page: Any, name: str, width: int, height: int) -> Iterator[Calibration]:
    for code in (34682, 34680, 34683):
        text = decoded(raw) if (raw := _raw(page, code)) else ""
        if text.lstrip().startswith("<"):
            root = parsed(text, name, f"tag {code}")
            if root is None:
                yield uncalibrated(f"the XML in tag {code} cannot be parsed")
            elif phenom.is_phenom(root):
                yield phenom.from_xml(root, height, source=f"Phenom XML in tag {code}")
            elif fei.is_fei(root):
                yield fei.from_xml(root, width, height, tag=code)
        elif "[" in text:
            yield fei.from_text(text, width, height, tag=code)
    if raw := _raw(page, 34118):
        yield zeiss.from_text(raw.decode("latin-1"), width, height)
    if (raw := _raw(page, 50431)) and (one := tescan.from_tag(raw, height)) is not None:
        yield one
    if 33560 in page.tags:
        entries = page.tags[33560].value
        yield olympus.from_tag(entries if isinstance(entries, dict) else {})
    if 65009 in page.tags:
        yield gatan.from_tags({code: page.tags[code].value for code in range(65003, 65014) if code in page.tags})


def _from_description(page: Any, name: str, width: int, height: int) -> tuple[Calibration | None, ome.Order | None]:
    text = page.description or ""
    if (settings := imagej.settings(text)) is not None:
        return imagej.from_settings(settings, _per_unit(page, 282), _per_unit(page, 283)), None
    if text.lstrip().startswith("<"):
        root = parsed(text, name, "the image description")
        if root is not None and ome.is_ome(root):
            return ome.from_xml(root, width, height)
    return None, None


def _raw(page: Any, code: int) -> bytes:
    """Return a tag's bytes as they lie in the file, at most 64 MiB of them."""
    if code not in page.tags:
        return b""
    tag, file = page.tags[code], page.parent.filehandle
    file.seek(tag.valueoffset)
    held: bytes = file.read(min(int(tag.valuebytecount), LONGEST + 1))
    return held


def _per_unit(page: Any, code: int) -> float | None:
    if code not in page.tags:
        return None
    value = page.tags[code].value
    if isinstance(value, tuple) and len(value) == 2:
        return float(value[0]) / float(value[1]) if value[1] else None
    return None


def _resolution(page: Any) -> str:
    per, unit = _per_unit(page, 282), page.tags[296].value if 296 in page.tags else 2
    if per and int(unit) in (2, 3) and per > 1:
        dots = per if int(unit) == 2 else per * 2.54
        return f"the file holds no pixel size ({dots:g} dots per inch are a screen's or a printer's)"
    return "the file holds no pixel size"

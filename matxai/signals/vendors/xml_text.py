"""XML from image files, parsed without entities; a file that declares any is refused, not repaired."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from matxai.errors import UnsafeFileError
from matxai.signals.vendors.calibration import plain

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

LONGEST = 64 * 2**20
DEEPEST = 40


def parsed(text: str, name: str, where: str) -> Element | None:
    """Return the root of an XML text without namespaces in its tags, or None if it is no XML.

    Parameters
    ----------
    text
        The XML.
    name, where
        The file and the tag, for the sentence.

    Raises
    ------
    UnsafeFileError
        If it declares entities or a document type, or is longer than 64 MiB.
    """
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import ParseError, fromstring

    if len(text) > LONGEST:
        msg = f"{name} holds {len(text)} characters of XML in {where}, more than the {LONGEST} that are read"
        raise UnsafeFileError(msg)
    start = text.find("<")
    try:
        root: Element = fromstring(text[max(start, 0) :].rstrip("\x00 \r\n\t"), forbid_dtd=True)
    except DefusedXmlException as error:
        msg = (
            f"{name} declares entities or a document type in the XML of {where} ({type(error).__name__}), "
            f"which can exhaust a machine; it was not loaded"
        )
        raise UnsafeFileError(msg) from error
    except (ParseError, ValueError):
        return None
    for element in root.iter():
        if isinstance(element.tag, str):
            element.tag = element.tag.rpartition("}")[2]
    return root


def as_dict(element: Element, depth: int = 0) -> Any:
    """Return an element as nested dicts of numbers and strings (repeated children become lists)."""
    if len(element) == 0 or depth > DEEPEST:
        return plain(element.text or "")
    found: dict[str, Any] = {}
    for child in element:
        value = as_dict(child, depth + 1)
        if child.tag in found:
            earlier = found[child.tag]
            found[child.tag] = [*earlier, value] if isinstance(earlier, list) else [earlier, value]
        else:
            found[child.tag] = value
    return found

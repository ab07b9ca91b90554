"""XML from strangers: no entities, no document types, nothing fetched, and not without end."""

from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, ParseError

from whenabouts.core.errors import ProjectError
from whenabouts.data.importers.annotation_files import Unreadable, bytes_of


def xml_of(path: Path) -> Element:
    """The root element of a file; Unreadable where it is no XML, or XML that declares entities."""
    try:
        from defusedxml import DefusedXmlException
        from defusedxml.ElementTree import fromstring
    except ImportError:
        raise ProjectError("Reading XML safely needs defusedxml: pip install 'whenabouts[formats]'.") from None
    try:
        root: Any = fromstring(bytes_of(path), forbid_dtd=True, forbid_entities=True, forbid_external=True)
    except DefusedXmlException as error:
        raise Unreadable("its XML declares a document type or entities, which are not read", str(error)[:80]) from None
    except (ParseError, ValueError, RecursionError, LookupError) as error:
        raise Unreadable("it is not XML", str(error)[:80]) from None
    found: Element = root
    return found


def name_of(element: Element) -> str:
    """An element's name without its namespace."""
    return str(element.tag).rpartition("}")[2]


def text_in(element: Element | None) -> str:
    """An element's text, "" where there is none."""
    return (element.text or "").strip() if element is not None else ""

"""Reading XML of strangers: record by record, without entities, without network, within bounds."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

from django.conf import settings
from lxml import etree

from catalog.ingestion.bounds import BoundedStream
from catalog.ingestion.reader import Findings, UnreadableDelivery

Element = Any
"""An lxml element; the stubs call it private."""

_SAFE: Any = {
    "resolve_entities": False, "no_network": True, "load_dtd": False, "huge_tree": False, "remove_comments": True,
    "remove_pis": True,
}  # fmt: skip
_MAX_ERRORS = 20


def records(stream: BinaryIO, *, root: frozenset[str], names: frozenset[str]) -> Iterator[tuple[Element, Element]]:
    """Yield each element that is called so in any namespace, with the root, in constant memory.

    An element within one that is yielded is part of that. Raises UnreadableDelivery for what is no XML,
    has another root or declares a document type, where entities would come from.
    """
    bounded = BoundedStream(stream)
    top: Element = None
    inside: Element = None
    depth = 0
    try:
        for event, element in etree.iterparse(bounded, events=("start", "end"), **_SAFE):
            if event == "start":
                if top is None:
                    top = element
                    _check_root(top, root)
                if inside is None and name_of(element) in names:
                    inside = element
                depth += 1
                continue
            depth -= 1
            if element is inside:
                inside = None
                yield top, element
                bounded.record_ended()
            if inside is None and depth:
                # Whatever is not part of a record has been read, or says nothing that we want.
                _drop(element, keep_text=name_of(element) not in names)
    except etree.XMLSyntaxError as error:
        # What a programmer might allow is nothing that a partner can do.
        said = error.msg.replace(", use XML_PARSE_HUGE option", "")
        raise UnreadableDelivery(f"The file is not sound XML: {said}. Correct it and deliver it again.") from error
    if top is None:
        raise UnreadableDelivery("The file is empty. Deliver it again.")


def parse(content: bytes) -> Element:
    """Read one record's XML, as `records` found it and `written` wrote it."""
    return etree.fromstring(content, etree.XMLParser(**_SAFE))


def written(element: Element) -> bytes:
    """Answer an element as bytes, with the namespaces that it needs."""
    content: bytes = etree.tostring(element, with_tail=False)
    return content


def name_of(element: Element) -> str:
    """Answer what an element is called, without its namespace."""
    return str(etree.QName(element).localname)


def namespace_of(element: Element) -> str:
    return etree.QName(element).namespace or ""


def all_of(element: Element | None, path: str) -> list[Element]:
    """Answer the elements at a path of names such as People/Name, in any namespace."""
    found = [] if element is None else [element]
    for step in path.split("/"):
        found = [child for parent in found for child in parent if name_of(child) == step]
    return found


def first(element: Element | None, path: str) -> Element | None:
    return next(iter(all_of(element, path)), None)


def words(element: Element | None, path: str = "") -> str:
    """Answer the text at a path, without what is marked up in it; empty if there is none."""
    found = first(element, path) if path else element
    return "" if found is None else "".join(found.itertext()).strip()


def every(element: Element | None, path: str) -> list[str]:
    """Answer each text at a path that is not empty."""
    return [text for found in all_of(element, path) if (text := words(found))]


def unread(element: Element, read: frozenset[str]) -> set[str]:
    """Answer the names of what stands in an element, says something and is not among `read`.

    `read` has names that are read wherever they stand, and names with that of what they stand in (Rating/Region). What
    is within something unread is told of by the name of that.
    """
    found: set[str] = set()
    for child in element:
        name = name_of(child)
        if name in read or f"{name_of(element)}/{name}" in read:
            found |= unread(child, read)
        elif words(child):
            found.add(name)
    return found


def validate(element: Element, family: str, version: str, findings: Findings) -> None:
    """Check a record against the schema of its version, where the operator has given their folder (MOVIELABS_SCHEMAS).

    `family` is avails or mdmec. A version without a schema is not checked, which a note says.
    """
    if not settings.MOVIELABS_SCHEMAS:
        return
    path = Path(settings.MOVIELABS_SCHEMAS) / f"{family}-v{version}.xsd"
    if not path.is_file():
        findings.add(
            "info", "", "no_schema", f"There is no {path.name} to check it by: only our own rules were applied."
        )
        return
    schema = _schema(path)
    if schema.validate(element):
        return
    for error in list(schema.error_log)[:_MAX_ERRORS]:
        message = error.message.replace(f"{{{namespace_of(element)}}}", "")
        findings.add("error", "", "schema", f"{message} The schema {path.name} says what is expected: correct it.")


@cache
def _schema(path: Path) -> Any:
    parser = etree.XMLParser(no_network=True, resolve_entities=False)
    return etree.XMLSchema(etree.parse(str(path), parser))


def _check_root(top: Element, root: frozenset[str]) -> None:
    if top.getroottree().docinfo.internalDTD is not None:
        raise UnreadableDelivery(
            "The file declares a document type (<!DOCTYPE ...>), from which entities could be expanded: remove that line."
        )
    if name_of(top) not in root:
        wanted = " or ".join(f"<{name}>" for name in sorted(root))
        raise UnreadableDelivery(
            f"The file begins with <{name_of(top)[:100]}> instead of {wanted}. Choose the right format."
        )


def _drop(element: Element, *, keep_text: bool) -> None:
    """Forget an element that was read, and its older siblings."""
    if not keep_text:
        element.clear(keep_tail=False)
    parent = element.getparent()
    while parent is not None and element.getprevious() is not None:
        del parent[0]

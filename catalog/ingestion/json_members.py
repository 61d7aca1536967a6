"""Reading one large JSON document of strangers: member by member, within bounds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

import ijson  # type: ignore[import-untyped]  # it has none
import jsonschema_rs
import orjson

from catalog.ingestion.bounds import BoundedStream
from catalog.ingestion.reader import Findings, UnreadableDelivery
from catalog.ingestion.records import Problem, RawRecord

MAX_DEPTH = 40
"""Feeds are nested ten deep; a document nested deeper than this is an attack."""
_MAX_ERRORS = 20
_BEGINS, _ENDS = frozenset({"start_map", "start_array"}), frozenset({"end_map", "end_array"})


def scalars(stream: BinaryIO) -> dict[str, Any]:
    """Answer the plain values of the outermost object, and its lists of plain values; rewinds the stream.

    A list of anything else is there too, and empty.
    """
    found: dict[str, Any] = {}
    bounded = BoundedStream(stream)
    for path, event, value in _events(bounded):
        bounded.record_ended()
        if event == "start_array" and len(path) == 1:
            found.setdefault(path[0], [])
        if event in _BEGINS or event in _ENDS or event == "map_key":
            continue
        if len(path) == 1:
            found[path[0]] = value
        elif len(path) == 2 and path[1] == "item":
            found.setdefault(path[0], []).append(value)
    stream.seek(0)
    return found


def members(stream: BinaryIO, *paths: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    """Yield each object at one of the paths, such as ("assets", "item"), with the first name of its path.

    An array's members are called item. Raises UnreadableDelivery for what is no JSON.
    """
    bounded = BoundedStream(stream)
    builder: Any = None
    at: tuple[str, ...] = ()
    for path, event, value in _events(bounded):
        if builder is None:
            if event != "start_map" or path not in paths:
                continue
            builder, at = ijson.ObjectBuilder(), path
        builder.event(event, value)
        if event == "end_map" and path == at:
            yield at[0] if at else "", builder.value
            builder = None
            bounded.record_ended()


def raw(number: int, external_id: object, data: Any, *, content: Any = None, implied: bool = False) -> RawRecord:
    """Answer a member as a record; its bytes are `content` or else the data, keys in order."""
    known = external_id if isinstance(external_id, str) else ""
    try:
        written = orjson.dumps(data if content is None else content, option=orjson.OPT_SORT_KEYS)
    except (TypeError, ValueError) as error:
        fault = Problem(
            number, known, "", "unusable", "error", f"Cannot be used: {error}. Correct it and deliver again."
        )
        return RawRecord(number, known, b"", fault=fault)
    return RawRecord(number, known, written, data, implied=implied)


def unread(data: Mapping[str, Any], read: frozenset[str], path: str = "") -> set[str]:
    """Answer the names in an object that say something and are not among `read`, as paths such as credits.birthDate.

    A path in `read` stands for all that is within it, unless a longer one does.
    """
    found: set[str] = set()
    for name, value in data.items():
        own = f"{path}{name}"
        if value in (None, "", [], {}):
            continue
        if any(item.startswith(f"{own}.") for item in read):
            for part in value if isinstance(value, list) else [value]:
                if isinstance(part, dict):
                    found |= unread(part, read, f"{own}.")
        elif own not in read:
            found.add(own[:200])
    return found


def whole(value: object) -> int | None:
    """Answer a whole number, and None for anything else: also for true, which is an int to Python alone."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


class Shape:
    """The types that a reader relies on. Built of names and the JSON types they may have; null and absence are allowed but in arrays."""

    def __init__(self, **types: Any) -> None:
        self._validator = jsonschema_rs.Draft202012Validator(_schema(types))

    def fits(self, data: Any, findings: Findings) -> bool:
        """Say whether a member has it; note the errors where it has not."""
        if self._validator.is_valid(data):
            return True
        for error in list(self._validator.iter_errors(data))[:_MAX_ERRORS]:
            path = ".".join(str(part) for part in error.instance_path)
            findings.add("error", path, "type", f"{error.message[:300]}. Send what the format defines here.")
        return False


def _schema(types: Any) -> dict[str, Any]:
    """Answer the JSON Schema of "string", {"name": ...} for an object, or [...] for an array of such."""
    if isinstance(types, dict):
        return {"type": ["object", "null"], "properties": {name: _schema(part) for name, part in types.items()}}
    if isinstance(types, list):
        return {"type": ["array", "null"], "items": {"not": {"type": "null"}, **_schema(types[0])}}
    return {"type": [types, "null"]}


def _events(stream: BoundedStream) -> Iterator[tuple[tuple[str, ...], str, Any]]:
    """Yield events with the path of what they tell of."""
    path: list[str] = []
    try:
        for event, value in ijson.basic_parse(_WithoutMark(stream), use_float=True):
            if event == "map_key":
                path[-1] = value
                yield tuple(path), event, value
            elif event in _BEGINS:
                yield tuple(path), event, value
                path.append("item" if event == "start_array" else "")
                if len(path) > MAX_DEPTH:
                    raise UnreadableDelivery(
                        f"The file is nested more than {MAX_DEPTH} deep, which no feed needs. Choose the right format."
                    )
            elif event in _ENDS:
                path.pop()
                yield tuple(path), event, value
            else:
                yield tuple(path), event, value
    except (ijson.JSONError, UnicodeDecodeError, ValueError) as error:
        told = error.args[0] if error.args else ""
        words = told.decode(errors="replace") if isinstance(told, bytes) else str(error)
        raise UnreadableDelivery(
            f"The file is not JSON in UTF-8: {' '.join(words.split())[:200]}. Correct it and deliver it again."
        ) from error


class _WithoutMark:
    """A stream without the byte order mark of UTF-8."""

    def __init__(self, stream: BoundedStream) -> None:
        self._stream = stream
        self._begun = False

    def read(self, size: int) -> bytes:
        if self._begun or not size:
            return self._stream.read(size) if size else b""
        self._begun = True
        block = self._stream.read(size)
        return block.removeprefix(b"\xef\xbb\xbf") or self._stream.read(size)

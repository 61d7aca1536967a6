"""A run's problems as files people open (CSV, JSON), and the answer that a studio's system reads (MovieLabs Avails)."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import orjson
from lxml import etree

from catalog.selectors.offers import OfferStatus

# Spreadsheets take a cell that begins so for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class _Echo:
    def write(self, line: str) -> str:
        return line


def as_csv(columns: Iterable[str], rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the lines of a CSV; text that a spreadsheet would run as a formula is quoted with an apostrophe."""
    columns = list(columns)
    writer = csv.writer(_Echo())
    yield writer.writerow(columns)
    for row in rows:
        yield writer.writerow([_harmless(row[column]) for column in columns])


def as_json(rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield a JSON array, one object a line."""
    separator = "["
    for row in rows:
        yield f"{separator}\n{orjson.dumps(row).decode()}"
        separator = ","
    yield "[]\n" if separator == "[" else "\n]\n"


_AVAILS = "http://www.movielabs.com/schema/avails/v2.7/avails"


def as_offer_status_list(statuses: Iterable[OfferStatus], now: datetime) -> Iterator[bytes]:
    """Yield an OfferStatusList of MovieLabs Avails 2.7, valid by its schema where there is any status."""
    yield f'<?xml version="1.0" encoding="UTF-8"?>\n<avails:OfferStatusList xmlns:avails="{_AVAILS}">\n'.encode()
    for status in statuses:
        yield _offer_status(status, now) + b"\n"
    yield b"</avails:OfferStatusList>\n"


def _offer_status(status: OfferStatus, now: datetime) -> bytes:
    offer = etree.Element(f"{{{_AVAILS}}}OfferStatus", nsmap={"avails": _AVAILS}, timestamp=_instant(now))
    _add(offer, "ALID", status.alid)
    overall = etree.SubElement(offer, f"{{{_AVAILS}}}OverallStatus")
    _add(overall, "ProgressCode", status.progress)
    if status.start is not None:
        _add(overall, "Start", _instant(status.start))
    else:
        _add(overall, "StartCondition", "Immediate" if status.is_known else "Unknown")
    if status.end is not None:
        _add(overall, "End", _instant(status.end))
    elif status.is_known:
        _add(overall, "EndCondition", "Open")
    if status.comments:
        _add(overall, "Comments", status.comments)
    written = io.BytesIO()
    # The list says the namespace for all of them.
    etree.ElementTree(offer).write(written)
    return written.getvalue().replace(f' xmlns:avails="{_AVAILS}"'.encode(), b"", 1)


def _add(parent: Any, name: str, text: str) -> None:
    etree.SubElement(parent, f"{{{_AVAILS}}}{name}").text = "".join(
        character for character in text if character.isprintable() or character in "\t\n"
    )


def _instant(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _harmless(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value

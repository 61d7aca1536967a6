"""A run's problems as files people open: CSV and JSON."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson

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


def _harmless(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value

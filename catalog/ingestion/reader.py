"""What a reader is, and what readers share.

A new format is one module in `catalog.ingestion.readers` with a class like these, and its line in
`catalog.ingestion.formats`.
"""

from __future__ import annotations

import html
from collections.abc import Iterator
from datetime import date
from typing import BinaryIO, ClassVar, Protocol

import nh3
import pycountry

from catalog import rules
from catalog.ingestion.records import Header, PartialDate, Problem, RawRecord, Severity, TitleRecord

MAX_LINE = 1 << 20
"""The longest line in bytes; a title needs a few thousand."""


class UnreadableDelivery(Exception):
    """The delivery as a whole is not in the format that was named; the message says what to do."""


class Reader(Protocol):
    """Reads one format, in constant memory."""

    name: ClassVar[str]
    """How commands and the admin call the format."""
    label: ClassVar[str]
    version: ClassVar[int]
    """Raised when the same bytes would give another record, so that everything is read anew."""
    carries_licences: ClassVar[bool]
    """Whether a record can say where and when it may be shown; else the provider's default licence holds."""

    def split(self, stream: BinaryIO) -> Iterator[Header | RawRecord]:
        """Yield a delivery's records, unread; raises UnreadableDelivery."""
        ...

    def normalise(self, raw: RawRecord, findings: Findings) -> TitleRecord | None:
        """Answer what a record means; None when `findings` holds the errors that reject it."""
        ...


class Findings:
    """The problems of one record, as a reader comes upon them."""

    def __init__(self, row_number: int, external_id: str) -> None:
        self.row_number = row_number
        self.external_id = external_id
        self.problems: list[Problem] = []

    def add(self, severity: Severity, field: str, code: str, message: str) -> None:
        self.problems.append(Problem(self.row_number, self.external_id, field, code, severity, message))

    @property
    def rejected(self) -> bool:
        return any(problem.severity == "error" for problem in self.problems)

    def text(self, field: str, text: str) -> str:
        """Answer `text` clean and plain, noting what had to be mended."""
        if "<" in text and (plain := html.unescape(nh3.clean(text, tags=set()))) != text:
            self.add("warning", field, "markup", "Contains HTML, which was removed: send plain text.")
            text = plain
        cleaned = rules.clean(text)
        if cleaned == text:
            return text
        visible = rules.without_invisible(text)
        if visible != text:
            self.add(
                "warning", field, "invisible_characters",
                "Contains zero-width or control characters, which were removed: remove them at the source.",
            )  # fmt: skip
        if len(visible.strip().splitlines()) > 1:
            self.add("warning", field, "line_break", "Contains a line break, which became a space: send one line.")
        elif " ".join(visible.split()) != visible:
            self.add(
                "warning", field, "white_space",
                "Has white space at its ends, doubled or of an unusual kind, which was mended: send single spaces.",
            )  # fmt: skip
        return cleaned


def lines(stream: BinaryIO) -> Iterator[tuple[int, bytes, bool]]:
    """Yield each line with its number and whether it was cut because it is longer than MAX_LINE."""
    number = 0
    while line := stream.readline(MAX_LINE):
        number += 1
        cut = len(line) == MAX_LINE and not line.endswith(b"\n")
        if cut:
            while (rest := stream.readline(MAX_LINE)) and not rest.endswith(b"\n"):
                pass
        yield number, line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line, cut


def partial_date(text: str) -> PartialDate:
    """Read 1922, 1922-03 or 1922-03-04. Raises ValueError for what the calendar lacks."""
    match text.count("-"):
        case 0:
            return PartialDate(date(int(text), 1, 1), "year")
        case 1:
            return PartialDate(date.fromisoformat(f"{text}-01"), "month")
        case _:
            return PartialDate(date.fromisoformat(text), "day")


FORMER_COUNTRIES = frozenset(country.alpha_2 for country in pycountry.historic_countries)
"""ISO 3166-3: where older titles were made, such as SU or YU."""

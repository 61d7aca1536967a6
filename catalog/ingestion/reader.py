"""What a reader is, and what readers share.

A new format is one module in `catalog.ingestion.readers` whose `READER` is a `Reader`; nothing else changes.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from datetime import date
from typing import BinaryIO, ClassVar, Protocol

import nh3
import pycountry
from msgspec.structs import replace

from catalog import rules
from catalog.ingestion.records import Header, PartialDate, Problem, RawRecord, Severity, Text, TitleRecord

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

    describes: ClassVar[bool]
    """Whether records are made to describe titles; what licences say of theirs in passing gives way to such."""

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
        self.left_out: set[str] = set()
        """What the record says and we have no place for, by its name in the format; a run reports each name once."""

    def add(self, severity: Severity, field: str, code: str, message: str) -> None:
        self.problems.append(Problem(self.row_number, self.external_id, field, code, severity, message))

    @property
    def rejected(self) -> bool:
        return any(problem.severity == "error" for problem in self.problems)

    def plain(self, text: str) -> str:
        """Answer HTML, which a format allows, as text on one line."""
        spaced = re.sub(r"(?i)</p>|<br[^>]{0,20}>", " ", text)
        return rules.clean(_without_markup(spaced)) if "<" in text or "&" in text else text

    def synopsis(self, field: str, text: Text, synopsis: str) -> Text:
        """Answer `text` with a synopsis in the shortest place that has room for it and is free; too long ones are cut."""
        if len(synopsis) > 4000:
            self.add(
                "warning", field, "too_long", "Is longer than 4,000 characters, so its end was cut off: shorten it."
            )
            synopsis = synopsis[:3999] + "…"
        if not synopsis or synopsis in {text.short, text.medium, text.long}:
            return text
        places = (("short", 190), ("medium", 400), ("long", 4000))
        place = next((name for name, room in places if len(synopsis) <= room and not getattr(text, name)), None)
        return replace(text, **{place: synopsis}) if place else text

    def text(self, field: str, text: str) -> str:
        """Answer `text` clean and plain, noting what had to be mended."""
        if not text or (text.isascii() and "<" not in text and rules.clean(text) == text):
            return text
        if "<" in text and (plain := _without_markup(text)) != text:
            self.add("warning", field, "markup", "Contains HTML, which was removed: send plain text.")
            text = plain
        if "\ufffd" in text:
            self.add(
                "warning", field, "lost_characters",
                "Contains the sign for characters that were lost in a conversion: send the original again.",
            )  # fmt: skip
        elif _is_mojibake(text):
            self.add(
                "warning",
                field,
                "mojibake",
                "Looks like UTF-8 that was read as Latin-1: correct the encoding at the source.",
            )
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


def _without_markup(text: str) -> str:
    return html.unescape(nh3.clean(text, tags=set()))


def _is_mojibake(text: str) -> bool:
    """Say whether two letters in a row are what a byte-wise reading makes of one accented letter."""
    if not _MOJIBAKE.search(text):
        return False
    try:
        return text.encode("cp1252").decode() != text
    except UnicodeError:
        return False


_MOJIBAKE = re.compile(
    "[\u00c2\u00c3\u00c5\u00e2][\u0080-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013-\u203a\u20ac\u2122]"
)


_FOREIGN = {
    b"\x1f\x8b": "packed (gzip): unpack it", b"PK\x03\x04": "packed, or a workbook (ZIP): unpack it",
    b"BZh": "packed (bzip2): unpack it", b"\xfd7zXZ": "packed (xz): unpack it", b"\x28\xb5\x2f\xfd": "packed (zstd): unpack it",
    b"%PDF": "a PDF: ask for the data itself", b"\xd0\xcf\x11\xe0": "an old workbook (.xls): save it anew",
}  # fmt: skip


def refuse_foreign(beginning: bytes) -> None:
    """Raise UnreadableDelivery for what begins as no text does, and say what it is."""
    for sign, said in _FOREIGN.items():
        if beginning.startswith(sign):
            raise UnreadableDelivery(f"The file is {said}, and deliver that, or choose the right format.")


def lines(stream: BinaryIO) -> Iterator[tuple[int, bytes, bool]]:
    """Yield each line with its number and whether it was cut because it is longer than MAX_LINE."""
    number = 0
    while line := stream.readline(MAX_LINE):
        number += 1
        if number == 1:
            refuse_foreign(line)
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

"""The CSV of the titles datasets on Kaggle (Netflix, Prime Video and others): 12 columns, much of it untidy."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from datetime import date, datetime
from typing import BinaryIO, ClassVar

from catalog import rules
from catalog.ingestion import meaning
from catalog.ingestion.reader import MAX_LINE, Findings, UnreadableDelivery, lines
from catalog.ingestion.records import (
    Credit,
    Header,
    PartialDate,
    Problem,
    Rating,
    RawRecord,
    Text,
    TitleRecord,
)

_COLUMNS = (
    "show_id", "type", "title", "director", "cast", "country",
    "date_added", "release_year", "rating", "duration", "listed_in", "description",
)  # fmt: skip
_PEOPLE = frozenset({"director", "cast"})
_KINDS = {"Movie": "movie", "TV Show": "series"}
_SHOW_ID = re.compile(r"s\d{1,9}")
_RUNTIME = re.compile(r"(\d{1,4}) min")
_SEASONS = re.compile(r"(\d{1,3}) Seasons?")


class KaggleTitlesReader:
    """Films and series as one list; a series comes with its number of seasons alone."""

    name: ClassVar[str] = "kaggle-titles"
    label: ClassVar[str] = "Kaggle titles (CSV)"
    version: ClassVar[int] = 3
    carries_licences: ClassVar[bool] = False
    describes: ClassVar[bool] = True

    def split(self, stream: BinaryIO) -> Iterator[Header | RawRecord]:
        source = _Lines(stream)
        rows = csv.reader(source, strict=True)
        try:
            header = next(rows, [])
        except csv.Error:
            header = []
        if tuple(header) != _COLUMNS:
            raise UnreadableDelivery(
                f"The first line must name these columns, with commas: {','.join(_COLUMNS)}. "
                f"It is {','.join(header)[:200]!r}. Choose the right format, or correct the file."
            )
        source.take()
        while True:
            number, row, error = source.number + 1, [], ""
            try:
                row = next(rows)
            except StopIteration:
                return
            except csv.Error as found:
                error = str(found)
            content = source.take()
            if not content.strip():
                continue
            external_id = row[0].strip() if row else ""
            if fault := source.fault(row, error, content):
                code, message = fault
                problem = Problem(
                    number, external_id[:255], "", code, "error", f"{message} Correct it and deliver again."
                )
                # Of a broken row only what looks like an id is believed: a wrong one would hide that a title is missing.
                yield RawRecord(number, external_id if _SHOW_ID.fullmatch(external_id) else "", content, fault=problem)
            else:
                is_ended = _is_ended(content)
                # As it is known, or will be once there are rows behind it: a line break changes nothing.
                content += b"" if is_ended else source.line_break
                yield RawRecord(number, external_id, content, (dict(zip(_COLUMNS, row, strict=True)), is_ended))

    def normalise(self, raw: RawRecord, findings: Findings) -> TitleRecord | None:
        row, is_ended = raw.data
        if not is_ended:
            findings.add("warning", "", "unended", _UNENDED)
        return _Row(row, findings).record()


READER = KaggleTitlesReader()

_UNENDED = (
    "The last line has no line break at its end. It has all columns and was taken, but may have lost the end of its last"
    " text, and lines behind it: look at it, and end the file with a line break."
)


def _is_ended(content: bytes) -> bool:
    return content.endswith((b"\n", b"\r"))


class _Row:
    """One row being understood."""

    def __init__(self, row: dict[str, str], findings: Findings) -> None:
        self.findings = findings
        self.row = {column: findings.text(column, text) for column, text in row.items()}

    def record(self) -> TitleRecord | None:
        row = self.row
        kind, runtime, seasons = _KINDS.get(row["type"]), *self.length()
        released = self.released()
        if kind is None:
            self.error("type", "unknown_type", f"{row['type']!r} is neither 'Movie' nor 'TV Show': correct it.")
        if not row["title"]:
            self.error("title", "missing", "Has no title: give it one.")
        if len(row["title"]) > 500:
            self.error("title", "too_long", "Is longer than 500 characters: shorten it.")
        added = self.added(released)
        if kind is None or self.findings.rejected:
            return None
        return TitleRecord(
            external_id=row["show_id"],
            kind=kind,
            texts=(self.text(),),
            release_date=released,
            runtime_seconds=runtime,
            season_count=seasons,
            countries=self.countries(),
            genres=self.names("listed_in"),
            credits=(
                *(Credit(name, "director", billing=place) for place, name in enumerate(self.names("director"), 1)),
                *(Credit(name, "actor", billing=place) for place, name in enumerate(self.names("cast"), 1)),
            ),
            ratings=self.ratings(),
            added_on=added,
        )

    def text(self) -> Text:
        description = self.row["description"]
        if not description:
            self.missing("description")
        if len(description) <= 190:
            return Text("en", self.row["title"], short=description)
        if len(description) <= 400:
            return Text("en", self.row["title"], medium=description)
        if len(description) > 4000:
            self.warning("description", "too_long", "Is longer than 4,000 characters and was cut there: shorten it.")
        return Text("en", self.row["title"], long=description[:4000])

    def length(self) -> tuple[int | None, int | None]:
        """Answer the running time in seconds and the number of seasons."""
        text = self.row["duration"]
        if not text and _RUNTIME.fullmatch(self.row["rating"]):
            text, self.row["rating"] = self.row["rating"], ""
            self.warning(
                "rating", "shifted_column",
                f"Holds the duration, {text!r}, which was moved to where it belongs: move it, and give the rating.",
            )  # fmt: skip
            self.shifted = True
        if match := _RUNTIME.fullmatch(text):
            if int(match[1]):
                return int(match[1]) * 60, None
            self.warning("duration", "unlikely", "A running time of 0 minutes was left out: give the real one.")
        elif match := _SEASONS.fullmatch(text):
            return None, int(match[1])
        elif text:
            self.warning(
                "duration", "unknown_duration", f"{text[:50]!r} is neither '90 min' nor '2 Seasons': left out."
            )
        else:
            self.missing("duration")
        return None, None

    shifted = False

    def released(self) -> PartialDate | None:
        text = self.row["release_year"]
        if re.fullmatch(r"\d{4}", text) and int(text) >= 1870:
            return PartialDate(date(int(text), 1, 1), "year")
        if text:
            self.warning(
                "release_year", "impossible_date", f"{text[:50]!r} is no year of cinema: left out. Correct it."
            )
        else:
            self.missing("release_year")
        return None

    def added(self, released: PartialDate | None) -> date | None:
        text = self.row["date_added"]
        if not text:
            self.missing("date_added")
            return None
        try:
            added = datetime.strptime(text, "%B %d, %Y").date()  # noqa: DTZ007 - a day, without a zone
        except ValueError:
            self.warning("date_added", "impossible_date", f"{text[:50]!r} is no date like 'March 4, 2020': left out.")
            return None
        if released and added.year < released.date.year:
            self.warning(
                "date_added", "added_before_release",
                f"Added in {added.year}, before its release in {released.date.year}: correct one of them.",
            )  # fmt: skip
        return added

    def ratings(self) -> tuple[Rating, ...]:
        """Answer the rating, which is of the US, or Amazon's own."""
        if value := self.row["rating"]:
            found = meaning.rating(self.findings, "", value, country="US", field="rating")
            return (found,) if found else ()
        if not self.shifted:
            self.missing("rating")
        return ()

    def countries(self) -> tuple[str, ...]:
        codes = []
        for name in self.names("country"):
            if code := meaning.countries_by_name().get(name.lower()):
                codes.append(code)
            else:
                self.warning(
                    "country", "unknown_country", f"{name[:50]!r} is no country we know: left out. Correct it."
                )
        return tuple(dict.fromkeys(codes))

    def names(self, column: str) -> tuple[str, ...]:
        """Answer the names in a column, each once."""
        if not self.row[column]:
            self.missing(column)
            return ()
        names: dict[str, str] = {}
        listed = self.row[column]
        for name in meaning.people(listed) if column in _PEOPLE else map(str.strip, listed.split(",")):
            if not name:
                self.warning(column, "stray_comma", "Has a comma with no name beside it: remove it.")
            elif (key := rules.fold(name) or name) in names:
                self.warning(column, "duplicate", f"Names {name!r} twice: one was left out.")
            else:
                names[key] = name
        return tuple(name[:500] for name in names.values())

    def error(self, field: str, code: str, message: str) -> None:
        self.findings.add("error", field, code, message)

    def warning(self, field: str, code: str, message: str) -> None:
        self.findings.add("warning", field, code, message)

    def note(self, field: str, code: str, message: str) -> None:
        self.findings.add("info", field, code, message)

    def missing(self, field: str) -> None:
        self.note(field, "missing", "Is empty: fill it in where it is known.")


class _Lines:
    """The lines of a file as csv wants them, remembering what a row was made of."""

    def __init__(self, stream: BinaryIO) -> None:
        self._lines = lines(stream)
        self._taken: list[bytes] = []
        self._fresh = True
        self.number = 0
        self.cut = False
        self.undecodable = False
        self.line_break = b"\n"

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        self.number, line, cut = next(self._lines)
        if self._fresh:
            self._fresh, self.cut, self.undecodable = False, False, False
        self.cut |= cut
        if self.number == 1 and line.endswith(b"\r\n"):
            self.line_break = b"\r\n"
        self._taken.append(line)
        try:
            return line.decode()
        except UnicodeDecodeError:
            self.undecodable = True
            return line.decode(errors="replace")

    def fault(self, row: list[str], error: str, content: bytes) -> tuple[str, str] | None:
        """Answer what is wrong with the row that was just taken, as a code and a sentence. Raises UnreadableDelivery."""
        if self.cut:
            return "line_too_long", f"A line is longer than {MAX_LINE:,} bytes."
        if not _is_ended(content) and (self.undecodable or error or len(row) != len(_COLUMNS)):
            raise UnreadableDelivery(
                f"Line {self.number:,}, the last one, breaks off: the file was cut off. Deliver it whole."
            )
        if self.undecodable:
            return "invalid_utf8", "The line is not UTF-8."
        if error:
            return "invalid_csv", f"The line is not CSV: {error}."
        if len(row) != len(_COLUMNS):
            return "wrong_columns", f"Has {len(row)} columns instead of {len(_COLUMNS)}."
        return None

    def take(self) -> bytes:
        """Answer the bytes of the row that was just read."""
        content = b"".join(self._taken)
        self._taken.clear()
        self._fresh = True
        return content

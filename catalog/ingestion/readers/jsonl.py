"""Our own feed format: JSON Lines, described in docs/feed-format.md, defined by schema/feed.schema.json."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from itertools import count, islice
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import jsonschema_rs
import orjson

from catalog.ingestion import meaning
from catalog.ingestion.reader import (
    FORMER_COUNTRIES,
    MAX_LINE,
    Findings,
    UnreadableDelivery,
    lines,
    partial_date,
)
from catalog.ingestion.records import (
    AlternateName,
    AlternateNumber,
    Credit,
    Header,
    Identifier,
    Image,
    Problem,
    Rating,
    RawRecord,
    Text,
    TitleRecord,
    Window,
    moment,
)
from core import geo

_SCHEMA = Path(__file__).parent.parent / "schema" / "feed.schema.json"
_VALIDATOR = jsonschema_rs.Draft202012Validator(orjson.loads(_SCHEMA.read_bytes()), validate_formats=True)
_MAX_ERRORS = 20
# Where none of so many lines at the beginning is one of ours, the file is of another format.
_FIRST = 20


class JsonLinesReader:
    """One title a line; a first line of kind "feed" may say that the delivery is full."""

    name: ClassVar[str] = "jsonl"
    label: ClassVar[str] = "Feed (JSON Lines)"
    version: ClassVar[int] = 3
    carries_licences: ClassVar[bool] = True
    describes: ClassVar[bool] = True

    def split(self, stream: BinaryIO) -> Iterator[Header | RawRecord]:
        records = self._records(stream)
        begun = list(islice(records, _FIRST))
        if begun and all(isinstance(record, RawRecord) and record.fault for record in begun):
            raise UnreadableDelivery(
                "None of its first lines is a JSON object in UTF-8: choose the format that it has, or write one object a line."
            )
        yield from begun
        yield from records

    def _records(self, stream: BinaryIO) -> Iterator[Header | RawRecord]:
        announced, found = None, 0
        for entry in self._lines(stream):
            if isinstance(entry, RawRecord):
                found += 1
                yield entry
            else:
                header, announced = entry
                yield header
        if announced not in (None, found):
            raise UnreadableDelivery(
                f"The header says that {announced:,} lines follow, and there are {found:,}: the file was cut off, or put"
                " together of several. Deliver it whole, or correct the header."
            )

    def _lines(self, stream: BinaryIO) -> Iterator[tuple[Header, int | None] | RawRecord]:
        """Yield each line's record, and of the header how many are to follow, if it says so."""
        is_sound = False
        for number, line, cut in lines(stream):
            content = line.strip()
            if not content:
                continue
            if cut:
                yield _unreadable(
                    number, content[:100], "line_too_long", f"The line is longer than {MAX_LINE:,} bytes."
                )
                continue
            try:
                data = orjson.loads(content)
            except orjson.JSONDecodeError as error:
                if is_sound and not line.endswith(b"\n"):
                    raise UnreadableDelivery(
                        f"Line {number:,}, the last one, breaks off: the file was cut off. Deliver it whole."
                    ) from error
                yield _unreadable(number, content, "invalid_json", f"The line is not JSON in UTF-8: {error}.")
                continue
            if number == 1 and isinstance(data, dict) and data.get("kind") == "feed":
                is_sound = True
                yield _header(data), data.get("titles")
                continue
            if not isinstance(data, dict):
                yield _unreadable(number, content, "not_an_object", "The line is no JSON object.")
                continue
            is_sound = True
            if data.get("kind") == "feed":
                yield _unreadable(number, content, "misplaced_header", "A header stands in the first line alone.")
                continue
            external_id = data.get("id")
            yield RawRecord(number, external_id if isinstance(external_id, str) else "", content, data)

    def normalise(self, raw: RawRecord, findings: Findings) -> TitleRecord | None:
        data = raw.data
        if not _VALIDATOR.is_valid(data):
            _explain(data, findings)
            return None
        if data.get("withdrawn"):
            return TitleRecord(data["id"], data["kind"], withdrawn=True)
        reading = _Reading(data, findings)
        record = reading.record()
        return None if findings.rejected else record


READER = JsonLinesReader()


class _Reading:
    """One title's line, valid by the schema, being understood."""

    def __init__(self, data: dict[str, Any], findings: Findings) -> None:
        self.data = data
        self.findings = findings

    def record(self) -> TitleRecord:
        data, text = self.data, self.findings.text
        return TitleRecord(
            external_id=data["id"],
            kind=data["kind"],
            parent=data.get("season") or data.get("series") or data.get("of") or "",
            number=_whole(data.get("number")),
            alternate_numbers=tuple(
                AlternateNumber(item["order"], int(item["number"]), _whole(item.get("season")))
                for item in data.get("alternate_numbers", ())
            ),
            texts=self.texts(),
            original_title=text("original_title", data.get("original_title", "")),
            original_language=data.get("original_language", ""),
            alternate_names=tuple(
                AlternateName(
                    text("alternate_titles", name["title"]), name.get("language", ""), name.get("type", "alternative")
                )
                for name in data.get("alternate_titles", ())
            ),
            release_date=self.partial_date("release_date"),
            end_date=self.partial_date("end_date"),
            runtime_seconds=_whole(data.get("runtime_seconds")),
            countries=self.countries("countries", data.get("countries", ()), FORMER_COUNTRIES),
            made_for_kids=data.get("made_for_kids", False),
            companies=tuple(data.get("companies", ())),
            tracks=tuple(data.get("tracks", ())),
            genres=tuple(text("genres", name) for name in data.get("genres", ())),
            keywords=tuple(text("keywords", name) for name in data.get("keywords", ())),
            credits=tuple(self.credit(index, item) for index, item in enumerate(data.get("people", ()))),
            ratings=tuple(filter(None, map(self.rating, count(), data.get("ratings", ())))),
            external_ids=tuple(Identifier(**item) for item in data.get("external_ids", ())),
            windows=tuple(self.window(index, item) for index, item in enumerate(data.get("availability", ()))),
            artwork=tuple(
                Image(
                    item["kind"],
                    item.get("url") or item["file"],
                    item.get("language", ""),
                    self.region(index, item),
                    **{f"focal_{axis}": value for axis, value in item.get("focal_point", {}).items()},
                )
                for index, item in enumerate(data.get("artwork", ()))
            ),
        )

    def texts(self) -> tuple[Text, ...]:
        names, synopses = self.data.get("titles", {}), self.data.get("synopses", {})
        return tuple(
            Text(
                language,
                self.findings.text(f"titles.{language}", names.get(language, "")),
                **{
                    length: self.paragraphs(f"synopses.{language}.{length}", synopsis)
                    for length, synopsis in synopses.get(language, {}).items()
                },
            )
            for language in sorted({*names, *synopses})
        )

    def paragraphs(self, field: str, text: str) -> str:
        return "\n".join(self.findings.text(field, line) for line in text.strip().splitlines())

    def credit(self, index: int, item: dict[str, Any]) -> Credit:
        text, field = self.findings.text, f"people[{index}]"
        return Credit(
            name=text(f"{field}.name", item["name"]),
            job=item["job"],
            job_display=text(f"{field}.job_display", item.get("job_display", "")),
            character=text(f"{field}.character", item.get("character", "")),
            billing=_whole(item.get("billing")),
            guest=item.get("guest", False),
            person_id=item.get("id", ""),
        )

    def rating(self, index: int, item: dict[str, Any]) -> Rating | None:
        field = f"ratings[{index}]"
        self.countries(f"{field}.country", [item["country"]])
        if self.findings.rejected:
            return None
        return meaning.rating(
            self.findings, item["system"], item["value"], country=item["country"],
            reasons=tuple(item.get("reasons", ())), field=field,
        )  # fmt: skip

    def region(self, index: int, item: dict[str, Any]) -> str:
        return "".join(self.countries(f"artwork[{index}].region", [item["region"]] if "region" in item else []))

    def window(self, index: int, item: dict[str, Any]) -> Window:
        field = f"availability[{index}]"
        excluded = item.get("territories_excluded", ())
        start, end = self.moment(f"{field}.start", item), self.moment(f"{field}.end", item)
        if start and end and type(start) is type(end) and start >= end:
            self.findings.add(
                "error", f"{field}.end", "ends_before_start",
                f"Ends at {item['end']}, which is not after its start, {item['start']}. Correct one of them.",
            )  # fmt: skip
        return Window(
            license_type=item["license_type"],
            territories=self.countries(f"{field}.territories", excluded or item.get("territories", ())),
            excluded=bool(excluded),
            announce=self.moment(f"{field}.announce", item),
            start=start,
            end=end,
            languages=tuple(item.get("languages", ())),
            holdback_languages=tuple(item.get("holdback_languages", ())),
            formats=tuple(item.get("formats", ())),
            grant_id=item.get("id", ""),
            contract_id=item.get("contract_id", ""),
            reporting_id=item.get("reporting_id", ""),
        )

    def countries(self, field: str, codes: Any, also: frozenset[str] = frozenset()) -> tuple[str, ...]:
        for code in codes:
            if code not in also and not geo.is_country(code):
                self.findings.add("error", field, "unknown_country", f"{code!r} is no code of ISO 3166-1: correct it.")
        return tuple(codes)

    def partial_date(self, field: str) -> Any:
        if (text := self.data.get(field)) is None:
            return None
        try:
            return partial_date(text)
        except ValueError:
            self.impossible_date(field, text)
            return None

    def moment(self, field: str, item: dict[str, Any]) -> datetime | date | None:
        if (text := item.get(field.rpartition(".")[2])) is None:
            return None
        try:
            return moment(text)
        except ValueError:
            self.impossible_date(field, text)
            return None

    def impossible_date(self, field: str, text: str) -> None:
        self.findings.add("error", field, "impossible_date", f"{text} is no date of the calendar: correct it.")


def _whole(number: float | None) -> int | None:
    """Answer what is valid as an integer: 3.0 is one to JSON Schema, and a float to Python."""
    return None if number is None else int(number)


def _header(data: dict[str, Any]) -> Header:
    if errors := [f"{_path(error)}: {error.message}" for error in _VALIDATOR.iter_errors(data)]:
        raise UnreadableDelivery(
            f"The header in line 1 is not valid: {'; '.join(errors)}. Correct it and deliver again."
        )
    return Header(data["delivery"])


def _unreadable(number: int, content: bytes, code: str, message: str) -> RawRecord:
    fault = Problem(number, "", "", code, "error", f"{message} Write one JSON object a line and deliver it again.")
    return RawRecord(number, "", content, fault=fault)


def _explain(data: Any, findings: Findings) -> None:
    errors = sorted(_VALIDATOR.iter_errors(data), key=lambda error: (_path(error), error.message))
    for error in errors[:_MAX_ERRORS]:
        code = type(error.kind).__name__.removeprefix("ValidationErrorKind_")
        findings.add(
            "error", _path(error), _code(code), f"{error.message}. The feed format says what is expected here."
        )


def _path(error: jsonschema_rs.ValidationError) -> str:
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.instance_path)
    return path.removeprefix(".")[:200]


def _code(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")

"""Media RSS as Roku's Direct Publisher took it: each item is a film, or a short video when it is shorter than a quarter of an hour."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from email.utils import parsedate_to_datetime
from typing import BinaryIO, ClassVar

from catalog.ingestion import meaning, xml
from catalog.ingestion.reader import Findings
from catalog.ingestion.records import Credit, Header, Image, PartialDate, Rating, RawRecord, Text, TitleRecord

_SHORT = 15 * 60
_READ = frozenset(
    {
        "guid", "title", "description", "pubDate", "group", "content", "keywords", "category", "credit", "rating",
        "thumbnail", "valid",
    }
)  # fmt: skip
_SCHEMES = {"urn:mpaa": "MPAA", "urn:v-chip": "TVPG", "urn:tvpg": "TVPG", "urn:simple": ""}


class MrssReader:
    """The media namespace, and dcterms:valid for the time in which an item may be shown."""

    name: ClassVar[str] = "mrss"
    label: ClassVar[str] = "Media RSS (Roku Direct Publisher)"
    version: ClassVar[int] = 3
    carries_licences: ClassVar[bool] = False
    describes: ClassVar[bool] = True

    def split(self, stream: BinaryIO) -> Iterator[Header | RawRecord]:
        found = xml.records(stream, root=frozenset({"rss"}), names=frozenset({"item"}))
        for number, (top, item) in enumerate(found, 1):
            language = xml.words(top, "channel/language") or "en"
            yield RawRecord(number, xml.words(item, "guid"), xml.written(item), language)

    def normalise(self, raw: RawRecord, findings: Findings) -> TitleRecord | None:
        item = _Item(raw, findings)
        findings.left_out |= xml.unread(item.item, _READ)
        record = item.record()
        return None if findings.rejected else record


READER = MrssReader()


class _Item:
    def __init__(self, raw: RawRecord, findings: Findings) -> None:
        self.raw = raw
        self.item = xml.parse(raw.content)
        self.content = xml.first(self.item, "group/content")
        if self.content is None:
            self.content = xml.first(self.item, "content")
        self.findings = findings

    def record(self) -> TitleRecord:
        findings = self.findings
        name = findings.text("title", self.words("title"))[:500]
        if not name:
            findings.add("error", "title", "missing", "Has no title: give it one.")
        language = meaning.language(findings, "channel.language", self.raw.data) or "en"
        runtime = self.runtime()
        start, end = self.valid()
        return TitleRecord(
            external_id=self.raw.external_id,
            kind="special" if runtime is not None and runtime < _SHORT else "movie",
            texts=(findings.synopsis("description", Text(language, name), findings.plain(self.words("description"))),),
            release_date=self.released(),
            runtime_seconds=runtime,
            genres=tuple(findings.text("category", word)[:100] for word in self.every("category") if word),
            keywords=tuple(word.strip().lower()[:100] for word in self.words("keywords").split(",") if word.strip()),
            credits=self.credits(),
            ratings=self.ratings(),
            artwork=self.artwork(),
            valid_from=start,
            valid_until=end,
        )

    def words(self, name: str) -> str:
        """Answer what the item says under a name, or else its media content."""
        for place in (self.item, self.content, xml.first(self.item, "group")):
            if text := xml.words(place, name) if place is not None else "":
                return text
        return ""

    def every(self, name: str) -> list[str]:
        places = (self.item, self.content, xml.first(self.item, "group"))
        return list(dict.fromkeys(text for place in places for text in xml.every(place, name)))

    def runtime(self) -> int | None:
        text = "" if self.content is None else self.content.get("duration", "")
        if text.replace(".", "", 1).isdecimal():
            return round(float(text)) if 0 < float(text) < 360_000 else None
        return meaning.duration(self.findings, "media:content.duration", text)

    def released(self) -> PartialDate | None:
        text = self.words("pubDate")
        try:
            return PartialDate(parsedate_to_datetime(text).date(), "day") if text else None
        except ValueError:
            self.findings.add(
                "warning", "pubDate", "impossible_date", f"{text[:50]!r} is no date: left out. Correct it."
            )
            return None

    def credits(self) -> tuple[Credit, ...]:
        found = [credit for place in (self.item, self.content) for credit in xml.all_of(place, "credit")]
        made = (meaning.credit(self.findings, xml.words(item), item.get("role", "other")) for item in found)
        return tuple(credit for credit in made if credit)

    def ratings(self) -> tuple[Rating, ...]:
        found = [item for place in (self.item, self.content) for item in xml.all_of(place, "rating")]
        made = []
        for item in found:
            scheme = item.get("scheme", "urn:simple")
            value = xml.words(item)
            # Of the scheme without a board, "nonadult" says nothing; "adult" is no age.
            if value != "nonadult":
                system = _SCHEMES.get(scheme, scheme.removeprefix("urn:"))
                made.append(meaning.rating(self.findings, system, value))
        return tuple(rating for rating in made if rating)

    def artwork(self) -> tuple[Image, ...]:
        places = (self.item, self.content, xml.first(self.item, "group"))
        found = [item.get("url", "") for place in places for item in xml.all_of(place, "thumbnail")]
        return tuple(Image("backdrop", address) for address in dict.fromkeys(found) if 0 < len(address) <= 2000)

    def valid(self) -> tuple[datetime | date | None, datetime | date | None]:
        """Answer the bounds of dcterms:valid, such as start=2024-01-01T00:00Z;end=..."""
        parts = dict(part.strip().split("=", 1) for part in self.words("valid").split(";") if "=" in part)
        start, end = (
            meaning.instant(self.findings, "dcterms:valid", parts[name], end=name == "end") if parts.get(name) else None
            for name in ("start", "end")
        )
        return (start, end) if meaning.ends_after_start(self.findings, "dcterms:valid", start, end) else (None, None)

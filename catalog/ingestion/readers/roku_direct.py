"""The feed of Roku's Direct Publisher: films, specials, short videos, and series with all of their episodes within."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any, BinaryIO, ClassVar

from catalog.ingestion import json_members, meaning
from catalog.ingestion.reader import Findings, UnreadableDelivery, partial_date
from catalog.ingestion.records import (
    Credit,
    Header,
    Identifier,
    Image,
    PartialDate,
    Rating,
    RawRecord,
    Text,
    TitleRecord,
)

_ARRAYS = {
    "movies": "movie", "series": "series", "shortFormVideos": "special", "tvSpecials": "special", "liveFeeds": "live",
}  # fmt: skip
_NAMESPACES = {"TMS": "tms", "ROVI": "rovi", "IMDB": "imdb", "EIDR": "eidr"}


_READ = frozenset(
    {
        "id", "title", "shortDescription", "longDescription", "episodeNumber", "seasonNumber", "number", "releaseDate",
        "genres", "tags", "credits.name", "credits.role", "rating.rating", "rating.ratingSource", "externalIds.id",
        "externalIds.idType", "thumbnail", "content.language", "content.duration", "content.dateAdded",
        "content.validityPeriodStart", "content.validityPeriodEnd", "content.captions.language",
        "content.captions.captionType",
    }
)  # fmt: skip
_ROOT = frozenset({"providerName", "lastUpdated", "language", *_ARRAYS})


class RokuDirectReader:
    """Each series, season and episode of the nested document is a record of its own."""

    name: ClassVar[str] = "roku-direct"
    label: ClassVar[str] = "Roku Direct Publisher (JSON)"
    version: ClassVar[int] = 3
    carries_licences: ClassVar[bool] = False
    describes: ClassVar[bool] = True

    def split(self, stream: BinaryIO) -> Iterator[Header | RawRecord]:
        about = json_members.scalars(stream)
        if "providerName" not in about:
            raise UnreadableDelivery(
                "The file has no providerName, which a Direct Publisher feed must have. Choose the right format."
            )
        language = str(about.get("language") or "en")
        # The first record tells of what stands beside the titles, such as categories and playlists.
        beside = sorted(about.keys() - _ROOT)
        number = 0
        for array, data in json_members.members(stream, *((name, "item") for name in _ARRAYS)):
            for own, kind, of, item in _parts(data, _ARRAYS[array]):
                number += 1
                told = {"kind": kind, "of": of, "language": language, "item": item}
                yield json_members.raw(number, own, {**told, "beside": beside}, content=told)
                beside = []

    def normalise(self, raw: RawRecord, findings: Findings) -> TitleRecord | None:
        findings.left_out |= {*json_members.unread(raw.data["item"], _READ), *raw.data["beside"]}
        record = _Item(raw, findings).record()
        return None if findings.rejected else record


READER = RokuDirectReader()


def _parts(data: dict[str, Any], kind: str) -> Iterator[tuple[object, str, str, dict[str, Any]]]:
    """Yield a title and what is within it: id, kind, id of the whole, its own facts."""
    own = data.get("id")
    yield own, kind, "", {key: value for key, value in data.items() if key not in {"seasons", "episodes"}}
    if kind != "series" or not isinstance(own, str):
        return
    for place, season in enumerate(_objects(data.get("seasons")), 1):
        number = season.get("seasonNumber")
        number = int(str(number)) if str(number).isdecimal() else place
        season_id = f"{own}/s{number}"
        facts = {key: value for key, value in season.items() if key != "episodes"} | {"number": number}
        yield season_id, "season", own, facts
        for episode in _objects(season.get("episodes")):
            yield episode.get("id"), "episode", season_id, episode
    for episode in _objects(data.get("episodes")):
        yield episode.get("id"), "episode", own, episode


def _objects(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


class _Item:
    def __init__(self, raw: RawRecord, findings: Findings) -> None:
        self.raw = raw
        self.item: dict[str, Any] = raw.data["item"]
        self.content: dict[str, Any] = self.item["content"] if isinstance(self.item.get("content"), dict) else {}
        self.findings = findings

    def record(self) -> TitleRecord | None:
        item, kind = self.item, self.raw.data["kind"]
        if kind == "live":
            self.findings.add(
                "error", "liveFeeds", "unsupported", "A live channel is no title: leave it out of what you send here."
            )
            return None
        name = self.text("title")[:500]
        start, end = (self.moment(f"validityPeriod{bound}", self.content) for bound in ("Start", "End"))
        meaning.ends_after_start(self.findings, "content.validityPeriodEnd", start, end)
        if not name and kind != "season":
            self.findings.add("error", "title", "missing", "Has no title: give it one.")
        number = item.get("number") if kind == "season" else item.get("episodeNumber")
        number = int(str(number)) if str(number).isdecimal() and int(str(number)) <= 100_000 else None
        if kind == "episode" and number is None:
            self.findings.add("error", "episodeNumber", "missing", "Has no number of its episode: add it.")
        language = self.language(self.content.get("language")) or self.language(self.raw.data["language"]) or "en"
        text = Text(language, name)
        for field in ("shortDescription", "longDescription"):
            if synopsis := self.text(field):
                text = self.findings.synopsis(field, text, synopsis)
        return TitleRecord(
            external_id=self.raw.external_id,
            kind=kind,
            parent=self.raw.data["of"],
            number=number,
            texts=(text,) if text != Text(language) else (),
            original_language=self.language(self.content.get("language")) or "",
            release_date=self.released(),
            runtime_seconds=self.runtime(),
            genres=self.words("genres", capital=True),
            keywords=self.words("tags"),
            credits=self.credits(),
            ratings=self.ratings(),
            external_ids=self.identifiers(),
            artwork=self.artwork(kind),
            added_on=self.added(),
            tracks=self.tracks(),
            valid_from=start,
            valid_until=end,
        )

    def text(self, field: str) -> str:
        value = self.item.get(field)
        return self.findings.text(field, value) if isinstance(value, str) else ""

    def words(self, field: str, *, capital: bool = False) -> tuple[str, ...]:
        found = self.item.get(field)
        named = (
            [self.findings.text(field, word)[:100] for word in found if isinstance(word, str)]
            if isinstance(found, list)
            else []
        )
        return tuple(word.capitalize() if capital else word.lower() for word in named if word)

    def released(self) -> PartialDate | None:
        text = str(self.item.get("releaseDate") or "")[:10]
        try:
            return partial_date(text) if text else None
        except ValueError:
            self.findings.add(
                "warning", "releaseDate", "impossible_date", f"{text!r} is no date: left out. Correct it."
            )
            return None

    def runtime(self) -> int | None:
        seconds = json_members.whole(self.content.get("duration"))
        return seconds if seconds and 0 < seconds < 360_000 else None

    def credits(self) -> tuple[Credit, ...]:
        made = (
            meaning.credit(self.findings, str(item.get("name") or ""), str(item.get("role") or "other"))
            for item in _objects(self.item.get("credits"))
        )
        return tuple(credit for credit in made if credit)

    def ratings(self) -> tuple[Rating, ...]:
        given = self.item.get("rating")
        if not isinstance(given, dict):
            return ()
        found = meaning.rating(self.findings, str(given.get("ratingSource") or "MPAA"), str(given.get("rating") or ""))
        return (found,) if found else ()

    def identifiers(self) -> tuple[Identifier, ...]:
        found = []
        for item in _objects(self.item.get("externalIds")):
            namespace, value = _NAMESPACES.get(str(item.get("idType")).upper()), str(item.get("id") or "")[:255]
            if namespace == "eidr":
                found.append(meaning.eidr(self.findings, "externalIds", value))
            elif namespace and value:
                found.append(Identifier(namespace, value))
        return tuple(identifier for identifier in found if identifier)

    def artwork(self, kind: str) -> tuple[Image, ...]:
        address = self.item.get("thumbnail")
        if not isinstance(address, str) or not address or len(address) > 2000:
            return ()
        return (Image("still" if kind == "episode" else "backdrop", address),)

    def added(self) -> date | None:
        """Answer the day since which the provider has it, where it says one that there is."""
        try:
            return datetime.fromisoformat(str(self.content.get("dateAdded"))).date()
        except ValueError:
            return None

    def tracks(self) -> tuple[dict[str, Any], ...]:
        """Answer the subtitles that come with it, each language and kind once."""
        found: list[dict[str, Any]] = []
        for item in _objects(self.content.get("captions")):
            if language := self.language(item.get("language")):
                sdh = {"sdh": True} if str(item.get("captionType")).upper() == "CLOSED_CAPTION" else {}
                found.append({"type": "subtitle", "language": language, **sdh})
        return tuple(track for place, track in enumerate(found) if track not in found[:place])

    def moment(self, field: str, item: dict[str, Any]) -> datetime | date | None:
        if not isinstance(item.get(field), str) or not item[field]:
            return None
        return meaning.instant(self.findings, f"content.{field}", item[field], end=field.endswith("End"))

    def language(self, tag: object) -> str | None:
        return meaning.language(self.findings, "language", tag) if isinstance(tag, str) and tag else None

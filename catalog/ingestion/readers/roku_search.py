"""The feed of Roku's search: one JSON document of assets, in several languages, with play options by country."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any, BinaryIO, ClassVar

from catalog.ingestion import json_members, meaning
from catalog.ingestion.reader import Findings, UnreadableDelivery, partial_date
from catalog.ingestion.records import (  # fmt: skip
    Credit,
    Header,
    Identifier,
    Image,
    PartialDate,
    Rating,
    RawRecord,
    Text,
    TitleRecord,
    Window,
)

_KINDS = {
    "movie": "movie", "tvSpecial": "special", "series": "series", "season": "season", "episode": "episode",
    "shortForm": "special",
}  # fmt: skip
_IMAGES = {"main": "poster", "keyart": "poster", "background": "backdrop", "logo": "logo", "dark_logo": "logo"}
_FORMATS = {"sd": "SD", "hd": "HD", "fhd": "HD", "uhd": "UHD", "4k": "UHD", "hdr": "HDR"}


_WORDS = {"value": "string", "languages": ["string"]}
_SHAPE = json_members.Shape(
    titles=[_WORDS], shortDescriptions=[_WORDS], longDescriptions=[_WORDS], genres=["string"], tags=["string"],
    releaseDate="string", credits=[{"name": "string", "role": "string"}],
    advisoryRatings=[{"source": "string", "value": "string", "descriptors": ["string"]}],
    externalIds=[{"id": "string", "source": "string"}], seasonInfo={}, episodeInfo={},
    images=[{"type": "string", "url": "string", "languages": ["string"]}],
    content={
        "media": {
            "originalProductionLanguage": "string", "audioTracks": [{"type": "string", "language": "string"}],
            "secondaryAudioLanguages": ["string"], "captions": [{"captionType": "string", "language": "string"}],
        },
        "playOptions": [{"license": "string", "quality": "string", "availabilityInfo": {"country": ["string"]}}],
    },
)  # fmt: skip


_READ = frozenset(
    {
        "id", "type", "titles.value", "titles.languages", "shortDescriptions.value", "shortDescriptions.languages",
        "longDescriptions.value", "longDescriptions.languages", "releaseDate", "releaseYear", "genres", "tags",
        "credits.name", "credits.role", "advisoryRatings.source", "advisoryRatings.value", "advisoryRatings.descriptors",
        "externalIds.id", "externalIds.source", "images.type", "images.url", "images.languages", "durationInSeconds",
        "durationInMilliseconds", "seasonInfo.seriesId", "seasonInfo.seasonNumber", "episodeInfo.seriesId",
        "episodeInfo.seasonNumber", "episodeInfo.episodeNumber", "content.media.originalProductionLanguage",
        "content.media.audioTracks.type", "content.media.audioTracks.language", "content.media.audioTracks.label",
        "content.media.secondaryAudioLanguages", "content.media.captions.captionType", "content.media.captions.language",
        "content.playOptions.license", "content.playOptions.quality", "content.playOptions.playId",
        "content.playOptions.availabilityStartTimeStamp", "content.playOptions.availabilityEndTimeStamp",
        "content.playOptions.availabilityStartTime", "content.playOptions.availabilityEndTime",
        "content.playOptions.availabilityInfo.country",
    }
)  # fmt: skip


class RokuSearchReader:
    """Seasons without an asset of their own become titles by their episodes."""

    name: ClassVar[str] = "roku-search"
    label: ClassVar[str] = "Roku search feed (JSON)"
    version: ClassVar[int] = 4
    carries_licences: ClassVar[bool] = True
    describes: ClassVar[bool] = True

    def split(self, stream: BinaryIO) -> Iterator[Header | RawRecord]:
        about = json_members.scalars(stream)
        if "version" not in about:
            raise UnreadableDelivery(
                "The file has no version, which Roku's search feed begins with. Choose the right format."
            )
        countries = about.get("defaultAvailabilityCountries")
        defaults = {
            "language": str(about.get("defaultLanguage") or "en"),
            "countries": countries if isinstance(countries, list) else [],
        }
        number = 0
        seasons: set[str] = set()
        next_page = str(about.get("nextPageUrl") or "")
        for _, data in json_members.members(stream, ("assets", "item")):
            season = _season_of(data)
            if season and season not in seasons:
                seasons.add(season)
                if data.get("type") == "episode":
                    number += 1
                    info = {"seriesId": season.rpartition("/s")[0], "seasonNumber": int(season.rpartition("/s")[2])}
                    implied = {"type": "season", "seasonInfo": info}
                    yield json_members.raw(number, season, {**defaults, "asset": implied}, implied=True)
            number += 1
            own = season if data.get("type") == "season" else data.get("id")
            asset = {**defaults, "asset": data}
            # The address of the next page says nothing of the asset: another one leaves it unchanged.
            yield json_members.raw(number, own, {**asset, "next_page": next_page}, content=asset)
            next_page = ""

    def normalise(self, raw: RawRecord, findings: Findings) -> TitleRecord | None:
        if not _SHAPE.fits(raw.data["asset"], findings):
            return None
        if page := raw.data.get("next_page"):
            findings.add(
                "warning", "nextPageUrl", "more_pages",
                f"The feed goes on at {page[:200]}, which was not fetched: deliver every page, none of them as full.",
            )  # fmt: skip
        findings.left_out |= json_members.unread(raw.data["asset"], _READ)
        record = _Asset(raw, findings).record()
        return None if findings.rejected else record


READER = RokuSearchReader()


def _season_of(data: dict[str, Any]) -> str:
    """Answer our id of the season that an asset is or belongs to: seasons have none of their own."""
    info = data.get("seasonInfo") or data.get("episodeInfo")
    if not isinstance(info, dict):
        return ""
    series, number = info.get("seriesId"), json_members.whole(info.get("seasonNumber"))
    return f"{series}/s{number}" if isinstance(series, str) and number is not None and number >= 0 else ""


class _Asset:
    def __init__(self, raw: RawRecord, findings: Findings) -> None:
        self.raw = raw
        self.data: dict[str, Any] = raw.data["asset"]
        self.default_language = raw.data["language"]
        self.default_countries = raw.data["countries"]
        self.findings = findings

    def record(self) -> TitleRecord | None:
        data, kind = self.data, _KINDS.get(str(self.data.get("type")))
        if kind is None:
            self.findings.add(
                "error", "type", "unknown_type",
                f"{str(data.get('type'))[:50]!r} tells of no title that we could show: leave it out of what you send here.",
            )  # fmt: skip
            return None
        texts = self.texts()
        if kind not in {"season", "episode"} and not any(text.name for text in texts):
            self.findings.add("error", "titles", "missing", "Has no title: give it one.")
        parent, number = self.place(kind)
        media = (data.get("content") or {}).get("media") or {}
        return TitleRecord(
            external_id=self.raw.external_id,
            kind=kind,
            parent=parent,
            number=number,
            texts=texts,
            original_language=self.language("content.media", media.get("originalProductionLanguage")) or "",
            release_date=self.released(),
            runtime_seconds=self.runtime(),
            tracks=self.tracks(media),
            genres=tuple(
                self.findings.text("genres", str(name))[:100].capitalize() for name in data.get("genres") or ()
            ),
            keywords=tuple(self.findings.text("tags", str(name))[:100].lower() for name in data.get("tags") or ()),
            credits=self.credits(),
            ratings=self.ratings(),
            external_ids=self.identifiers(),
            windows=self.windows(),
            names_licences=bool((data.get("content") or {}).get("playOptions")),
            artwork=self.artwork(),
        )

    def identifiers(self) -> tuple[Identifier, ...]:
        found = []
        for item in self.data.get("externalIds") or ():
            source, value = str(item.get("source") or ""), str(item.get("id") or "")[:255]
            if source in {"tms", "gsd"} and value:
                found.append(Identifier(source, value))
            elif value:
                self.findings.left_out.add(f"externalIds {source}"[:100])
        return tuple(found)

    def artwork(self) -> tuple[Image, ...]:
        found = []
        for image in self.data.get("images") or ():
            kind, address = _IMAGES.get(str(image.get("type"))), str(image.get("url") or "")
            if kind is None:
                self.findings.left_out.add(f"images {image.get('type')}"[:100])
            elif address:
                found.append(Image(kind, address[:2000], self.image_language(image)))
        return tuple(found)

    def tracks(self, media: dict[str, Any]) -> tuple[dict[str, Any], ...]:
        """Answer what is said of sound and subtitles, each language and kind once."""
        found: list[dict[str, Any]] = []
        for item in media.get("audioTracks") or ():
            if language := self.language("content.media.audioTracks", item.get("language")):
                kind = {"original": {"original": True}, "audio description": {"audio_description": True}}
                found.append({"type": "audio", "language": language, **kind.get(str(item.get("type")), {})})
        found += [
            {"type": "audio", "language": language}
            for tag in media.get("secondaryAudioLanguages") or ()
            if (language := self.language("content.media.secondaryAudioLanguages", tag))
        ]
        for item in media.get("captions") or ():
            if language := self.language("content.media.captions", item.get("language")):
                sdh = {"sdh": True} if item.get("captionType") == "closed_caption" else {}
                found.append({"type": "subtitle", "language": language, **sdh})
        return tuple(track for place, track in enumerate(found) if track not in found[:place])

    def place(self, kind: str) -> tuple[str, int | None]:
        """Answer what an asset belongs to, and its number there."""
        if kind == "season":
            info = self.data.get("seasonInfo") or {}
            return str(info.get("seriesId") or ""), json_members.whole(info.get("seasonNumber"))
        if kind != "episode":
            return "", None
        info = self.data.get("episodeInfo") or {}
        number = json_members.whole(info.get("episodeNumber"))
        if not info.get("seriesId") or number is None or not 0 <= number <= 100_000:
            self.findings.add(
                "error", "episodeInfo", "missing", "Does not say which episode of which series it is: add that."
            )
        return _season_of(self.data) or str(info.get("seriesId") or ""), number

    def texts(self) -> tuple[Text, ...]:
        found: dict[str, dict[str, str]] = {}
        fields = (("titles", "name"), ("shortDescriptions", "short"), ("longDescriptions", "long"))
        for field, part in fields:
            for item in self.data.get(field) or ():
                text = self.findings.text(field, str(item.get("value") or ""))
                for tag in item.get("languages") or [self.default_language]:
                    if language := self.language(field, tag):
                        found.setdefault(language, {}).setdefault(part, text)
        texts = []
        for language, parts in sorted(found.items()):
            told = Text(language, parts.get("name", "")[:500])
            for part in ("short", "long"):
                told = self.findings.synopsis("longDescriptions", told, parts.get(part, ""))
            texts.append(told)
        return tuple(texts)

    def released(self) -> PartialDate | None:
        text = str(self.data.get("releaseDate") or self.data.get("releaseYear") or "")
        try:
            return partial_date(text[:10]) if text else None
        except ValueError:
            self.findings.add(
                "warning", "releaseDate", "impossible_date", f"{text[:50]!r} is no date: left out. Correct it."
            )
            return None

    def runtime(self) -> int | None:
        seconds = json_members.whole(self.data.get("durationInSeconds"))
        thousandths = self.data.get("durationInMilliseconds")
        if seconds is None and isinstance(thousandths, int | float) and 0 < thousandths < 360_000_000:
            seconds = int(thousandths / 1000)
        return seconds if seconds and 0 < seconds < 360_000 else None

    def credits(self) -> tuple[Credit, ...]:
        made = (
            meaning.credit(self.findings, str(item.get("name") or ""), str(item.get("role") or "other"))
            for item in self.data.get("credits") or ()
        )
        return tuple(credit for credit in made if credit)

    def ratings(self) -> tuple[Rating, ...]:
        made = (
            meaning.rating(
                self.findings,
                str(item.get("source") or ""),
                str(item.get("value") or ""),
                reasons=tuple(map(str, item.get("descriptors") or ())),
            )
            for item in self.data.get("advisoryRatings") or ()
        )
        return tuple(rating for rating in made if rating)

    def windows(self) -> tuple[Window, ...]:
        windows = []
        for index, option in enumerate((self.data.get("content") or {}).get("playOptions") or ()):
            field = f"content.playOptions[{index}]"
            licence = meaning.licence(self.findings, f"{field}.license", str(option.get("license") or ""))
            named = (option.get("availabilityInfo") or {}).get("country") or self.default_countries
            codes = [meaning.country(self.findings, f"{field}.country", str(code)) for code in named]
            start = self.moment(field, option, "availabilityStartTime")
            end = self.moment(field, option, "availabilityEndTime")
            if licence and meaning.ends_after_start(self.findings, field, start, end):
                quality = [str(option.get("quality") or "")]
                windows.append(
                    Window(
                        license_type=licence,
                        territories=tuple(dict.fromkeys(code for code in codes if code)),
                        start=start,
                        end=end,
                        formats=meaning.allowed_formats(self.findings, f"{field}.quality", quality, _FORMATS),
                        grant_id=str(option.get("playId") or "")[:255],
                    )
                )
        return tuple(windows)

    def moment(self, field: str, option: dict[str, Any], name: str) -> datetime | date | None:
        """Answer a bound in milliseconds since 1970, or in ISO 8601."""
        if isinstance(stamp := option.get(f"{name}Stamp"), int | float):
            try:
                return datetime.fromtimestamp(stamp / 1000, UTC)
            except (ValueError, OverflowError, OSError):
                self.findings.add(
                    "error", f"{field}.{name}Stamp", "impossible_date", f"{stamp} is no moment: correct it."
                )
                return None
        text = option.get(name)
        return (
            meaning.instant(self.findings, f"{field}.{name}", str(text), end=name.endswith("EndTime")) if text else None
        )

    def image_language(self, image: dict[str, Any]) -> str:
        """Answer the one language of an image; one that serves several has no words that matter."""
        tags = image.get("languages") or []
        return (self.language("images", tags[0]) or "") if len(tags) == 1 else ""

    def language(self, field: str, tag: object) -> str | None:
        return meaning.language(self.findings, field, str(tag)) if tag else None

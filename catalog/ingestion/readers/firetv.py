"""Amazon's Catalog Data Format for Fire TV: films, shows, seasons, episodes, specials and extras with their offers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import BinaryIO, ClassVar

from catalog.ingestion import meaning, xml
from catalog.ingestion.reader import Findings, partial_date
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
    "Movie": "movie", "TvShow": "series", "MiniSeries": "series", "TvSeason": "season", "TvEpisode": "episode",
    "MiniSeriesEpisode": "episode", "TvSpecial": "special", "Extra": "extra",
}  # fmt: skip
_READ = frozenset(
    {
        "ID", "Title", "ShortDescription", "Synopsis", "OriginalLanguage", "Language", "ReleaseDate", "OriginalAirDate",
        "ReleaseYear", "RuntimeMinutes", "CountryOfOrigin", "Keywords", "ExternalID", "Genres", "Genre", "Images", "Image",
        "Url", "ShowID", "SeasonID", "SeasonInShow", "EpisodeInSeason", "EpisodeInSeries", "MiniSeriesID",
        "RelatesToExternalID", "ParentID", "Credits", "CastMember", "CrewMember", "Name", "Role", "ContentRatings",
        "Rating", "ContentRating", "Offers", "FreeOffer", "SubscriptionOffer", "RentalOffer", "PurchaseOffer", "Regions",
        "Country", "WindowStart", "WindowEnd", "LaunchDetails", "Quality", "AudioLanguage",
    }
)  # fmt: skip
_FORMATS = {"sd": "SD", "hd": "HD", "fhd": "HD", "uhd": "UHD", "4k": "UHD", "hdr": "HDR"}


class FireTvReader:
    """Works of any version of the schema, by the names of its elements."""

    name: ClassVar[str] = "firetv"
    label: ClassVar[str] = "Amazon Fire TV catalogue (CDF XML)"
    version: ClassVar[int] = 4
    carries_licences: ClassVar[bool] = True
    describes: ClassVar[bool] = True

    def split(self, stream: BinaryIO) -> Iterator[Header | RawRecord]:
        number = 0
        seasons: set[str] = set()
        for _, work in xml.records(stream, root=frozenset({"Catalog"}), names=frozenset(_KINDS)):
            kind, own = xml.name_of(work), xml.words(work, "ID")
            season = _season_of(work)
            if kind == "TvSeason" and own:
                seasons.add(own)
            elif season and season not in seasons:
                seasons.add(season)
                number += 1
                place = (xml.words(work, "ShowID"), xml.words(work, "SeasonInShow"))
                yield RawRecord(number, season, repr(place).encode(), place, implied=True)
            number += 1
            yield RawRecord(number, own, xml.written(work))

    def normalise(self, raw: RawRecord, findings: Findings) -> TitleRecord | None:
        if raw.implied:
            show, season = raw.data
            return TitleRecord(raw.external_id, "season", parent=show, number=int(season))
        work = _Work(raw, findings)
        findings.left_out |= xml.unread(work.work, _READ)
        record = work.record()
        return None if findings.rejected else record


READER = FireTvReader()


def _season_of(work: xml.Element) -> str:
    """Answer the id of the season that an episode belongs to; ours, where it has none."""
    if xml.name_of(work) != "TvEpisode":
        return ""
    show, season = xml.words(work, "ShowID"), xml.words(work, "SeasonInShow")
    if named := xml.words(work, "SeasonID"):
        return named if show and _number(season) is not None else ""
    return f"{show}/s{season}" if show and _number(season) is not None else ""


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() and int(text) <= 100_000 else None


class _Work:
    def __init__(self, raw: RawRecord, findings: Findings) -> None:
        self.raw = raw
        self.work = xml.parse(raw.content)
        self.findings = findings

    def record(self) -> TitleRecord:
        kind = _KINDS[xml.name_of(self.work)]
        texts = self.texts()
        if not any(text.name for text in texts) and kind != "season":
            self.findings.add("error", "Title", "missing", "Has no title: give it one.")
        parent, number = self.place(kind)
        language = xml.words(self.work, "OriginalLanguage") or xml.words(self.work, "Language")
        return TitleRecord(
            external_id=self.raw.external_id,
            kind=kind,
            parent=parent,
            number=number,
            texts=texts,
            original_language=(meaning.language(self.findings, "Language", language) or "") if language else "",
            release_date=self.released(),
            runtime_seconds=self.runtime(),
            countries=self.countries(),
            genres=self.genres(),
            keywords=tuple(
                word.strip().lower()[:100]
                for words in xml.every(self.work, "Keywords")
                for word in words.split(",")
                if word.strip()
            ),
            credits=self.credits(),
            ratings=self.ratings(),
            external_ids=tuple(
                Identifier(item.get("scheme", "").lower()[:50], xml.words(item)[:255])
                for item in xml.all_of(self.work, "ExternalID")
                if item.get("scheme") and xml.words(item)
            ),
            windows=tuple(self.windows()),
            names_licences=bool(xml.all_of(self.work, "Offers")),
            # Fire TV asks for images of 16:9 alone.
            artwork=tuple(
                Image("still" if kind == "episode" else "backdrop", address[:2000])
                for address in xml.every(self.work, "Images/Image/Url")
            ),
        )

    def place(self, kind: str) -> tuple[str, int | None]:
        """Answer what a work belongs to, and its number there."""
        work = self.work
        if kind == "season":
            number = _number(xml.words(work, "SeasonInShow"))
            parent = xml.words(work, "ShowID")
        elif kind == "episode":
            number = _number(xml.words(work, "EpisodeInSeason") or xml.words(work, "EpisodeInSeries"))
            parent = _season_of(work) or xml.words(work, "ShowID") or xml.words(work, "MiniSeriesID")
        elif kind == "extra":
            return xml.words(work, "RelatesToExternalID") or xml.words(work, "ParentID"), None
        else:
            return "", None
        if number is None:
            self.findings.add("error", "number", "missing", f"Does not say which {kind} it is: add its number.")
        if not parent:
            self.findings.add("error", "ShowID", "missing", "Does not say to which show it belongs: add the show's id.")
        return parent, number

    def texts(self) -> tuple[Text, ...]:
        found: dict[str, Text] = {}
        for item in xml.all_of(self.work, "Title"):
            language = self.language(item)
            found[language] = Text(language, self.findings.text("Title", xml.words(item))[:500])
        for name in ("ShortDescription", "Synopsis"):
            for item in xml.all_of(self.work, name):
                language = self.language(item)
                text = found.get(language, Text(language))
                found[language] = self.findings.synopsis(name, text, self.findings.text(name, xml.words(item)))
        return tuple(found[language] for language in sorted(found))

    def language(self, item: xml.Element) -> str:
        return meaning.language(self.findings, "locale", item.get("locale", "en")) or "en"

    def released(self) -> PartialDate | None:
        text = xml.words(self.work, "ReleaseDate") or xml.words(self.work, "OriginalAirDate")
        text = text[:10] or xml.words(self.work, "ReleaseYear")
        try:
            return partial_date(text) if text else None
        except ValueError:
            self.findings.add(
                "warning", "ReleaseYear", "impossible_date", f"{text[:50]!r} is no date: left out. Correct it."
            )
            return None

    def runtime(self) -> int | None:
        minutes = _number(xml.words(self.work, "RuntimeMinutes"))
        return minutes * 60 if minutes and minutes < 6000 else None

    def countries(self) -> tuple[str, ...]:
        found = (
            meaning.country(self.findings, "CountryOfOrigin", code, former=True)
            for code in xml.every(self.work, "CountryOfOrigin")
        )
        return tuple(code for code in found if code)

    def genres(self) -> tuple[str, ...]:
        english = [item for item in xml.all_of(self.work, "Genres/Genre") if self.language(item).startswith("en")]
        chosen = english or xml.all_of(self.work, "Genres/Genre")
        return tuple(self.findings.text("Genre", xml.words(item))[:100] for item in chosen if xml.words(item))

    def credits(self) -> tuple[Credit, ...]:
        cast = [
            meaning.credit(
                self.findings, xml.words(item, "Name"), "actor", character=xml.words(item, "Role"), billing=place
            )
            for place, item in enumerate(xml.all_of(self.work, "Credits/CastMember"), 1)
        ]
        crew = [
            meaning.credit(self.findings, xml.words(item, "Name"), xml.words(item, "Role") or "other", billing=place)
            for place, item in enumerate(xml.all_of(self.work, "Credits/CrewMember"), 1)
        ]
        return tuple(credit for credit in (*cast, *crew) if credit)

    def ratings(self) -> tuple[Rating, ...]:
        found = [*xml.all_of(self.work, "ContentRatings/Rating"), *xml.all_of(self.work, "ContentRating")]
        made = [meaning.rating(self.findings, item.get("system", ""), xml.words(item)) for item in found]
        return tuple(rating for rating in made if rating)

    def windows(self) -> Iterator[Window]:
        for index, offer in enumerate(child for offers in xml.all_of(self.work, "Offers") for child in offers):
            field = f"Offers[{index}]"
            licence = meaning.licence(self.findings, field, xml.name_of(offer))
            named = xml.every(offer, "Regions/Country")
            codes = [meaning.country(self.findings, f"{field}.Country", code) for code in named]
            start, end = (self.moment(offer, f"{field}.{name}") for name in ("WindowStart", "WindowEnd"))
            if not named:
                self.findings.add(
                    "error", f"{field}.Regions", "missing", "An offer names no country, so it holds nowhere: add one."
                )
            if licence and named and meaning.ends_after_start(self.findings, field, start, end):
                qualities, tags = (xml.every(offer, f"LaunchDetails/{name}") for name in ("Quality", "AudioLanguage"))
                yield Window(
                    license_type=licence,
                    territories=tuple(dict.fromkeys(code for code in codes if code)),
                    start=start,
                    end=end,
                    languages=meaning.allowed_languages(self.findings, f"{field}.AudioLanguage", tags),
                    formats=meaning.allowed_formats(self.findings, f"{field}.Quality", qualities, _FORMATS),
                )

    def moment(self, offer: xml.Element, field: str) -> date | None:
        name = field.rpartition(".")[2]
        text = xml.words(offer, name)
        return meaning.instant(self.findings, field, text, end=name == "WindowEnd") if text else None

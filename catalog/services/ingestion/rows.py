"""What a record becomes: the rows of each table, in the order of their columns. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

import orjson

from accounts.maturity import minimum_age
from catalog import lexemes
from catalog.ingestion.records import TitleRecord, Window
from catalog.models import (
    AlternateTitle,
    Artwork,
    AvailabilityWindow,
    ContentRating,
    Credit,
    ExternalId,
    Provider,
    TitleGenre,
    TitleKeyword,
    TitleNumber,
    TitleText,
)
from catalog.services.ingestion.spelling import AS_DELIVERED, Spelling
from catalog.services.search import Entry, is_searched

TITLE_COLUMNS = (
    "id", "kind", "parent_id", "series_id", "number", "original_title", "original_language", "release_date",
    "release_precision", "end_date", "end_precision", "runtime_seconds", "season_count", "countries", "made_for_kids",
    "companies", "tracks", "state", "published_at", "withdrawn_at", "revision", "edited", "provenance", "created_at", "updated_at",
)  # fmt: skip
FED_COLUMNS = TITLE_COLUMNS[2:17]
"""The columns of a title that a later delivery may change, unless an editor has."""

PARTS: Mapping[str, tuple[type[Any], tuple[str, ...]]] = {
    "texts": (TitleText, ("title_id", "language", "name", "synopsis_short", "synopsis_medium", "synopsis_long")),
    "alternate_titles": (AlternateTitle, ("title_id", "name", "language", "type")),
    "alternate_numbers": (TitleNumber, ("title_id", "order", "season_number", "number")),
    "genres": (TitleGenre, ("title_id", "genre_id", "position")),
    "keywords": (TitleKeyword, ("title_id", "keyword_id")),
    "credits": (Credit, ("title_id", "person_id", "job", "job_display", "character", "billing", "guest")),
    "ratings": (ContentRating, ("title_id", "country", "system", "value", "reasons", "minimum_age")),
    "external_ids": (ExternalId, ("title_id", "namespace", "value")),
    "windows": (
        AvailabilityWindow,
        (
            "title_id", "territories", "excluded", "announce_at", "announce_on", "starts_at", "starts_on", "ends_at",
            "ends_on", "license_type", "languages", "holdback_languages", "formats", "grant_id", "contract_id",
            "reporting_id", "source_id",
        ),
    ),
    "artwork": (
        Artwork,
        ("title_id", "kind", "language", "region", "position", "source", "file", "width", "height", "placeholder", "renditions", "focal_x", "focal_y"),
    ),
}  # fmt: skip
"""The tables that hang on a title, by the name under which editors' changes are remembered."""


def title_values(record: TitleRecord, *, parent_id: UUID | None, series_id: UUID | None) -> tuple[Any, ...]:
    """Answer the values of FED_COLUMNS."""
    released, ended = record.release_date, record.end_date
    return (
        parent_id,
        series_id,
        record.number,
        record.original_title,
        record.original_language,
        released.date if released else None,
        released.precision if released else "",
        ended.date if ended else None,
        ended.precision if ended else "",
        record.runtime_seconds,
        record.season_count,
        _array(record.countries),
        record.made_for_kids,
        orjson.dumps(record.companies).decode(),
        orjson.dumps(record.tracks).decode(),
    )


def search_entry(title_id: UUID, record: TitleRecord, document: lexemes.Document) -> Entry:
    """Answer a title's document with its place among equals."""
    base = lexemes.standing(weight=0, released=record.release_date.date if record.release_date else None)
    return Entry(title_id, document, base, is_part=_is_part(record))


def search_document(record: TitleRecord, spelling: Spelling = AS_DELIVERED) -> lexemes.Document | None:
    """Answer what the search reads of a title, people and tags as they are spelled here; of an episode its names alone.

    None of what is not searched.
    """
    if not is_searched(record.kind, is_part=_is_part(record)):
        return None
    names = [(text.language, text.name) for text in record.texts if text.name]
    if record.original_title:
        names.append((record.original_language, record.original_title))
    other_names = [(name.language, name.name) for name in record.alternate_names]
    if _is_part(record):
        return lexemes.document(names=names, other_names=other_names, is_part=True)
    about = [("en", spelling.genres.get(name, name)) for name in record.genres]
    about += [("en", spelling.keywords.get(name, name)) for name in record.keywords]
    about += [(text.language, text.short or text.medium) for text in record.texts]
    people = [spelling.person(credit.name, credit.person_id) for credit in record.credits]
    return lexemes.document(names=names, other_names=other_names, people=people, about=about)


def _is_part(record: TitleRecord) -> bool:
    return bool(record.parent or record.parent_identifier)


def texts(title_id: UUID, record: TitleRecord) -> Iterable[tuple[Any, ...]]:
    return ((title_id, text.language, text.name, text.short, text.medium, text.long) for text in record.texts)


def alternate_titles(title_id: UUID, record: TitleRecord) -> Iterable[tuple[Any, ...]]:
    distinct = {(name.name, name.language): name for name in record.alternate_names}
    return ((title_id, name.name, name.language, name.type) for name in distinct.values())


def alternate_numbers(title_id: UUID, record: TitleRecord) -> Iterable[tuple[Any, ...]]:
    distinct = {number.order: number for number in record.alternate_numbers}
    return ((title_id, number.order, number.season, number.number) for number in distinct.values())


def genres(title_id: UUID, record: TitleRecord, ids: Mapping[str, int]) -> Iterable[tuple[Any, ...]]:
    distinct = dict.fromkeys(ids[name] for name in record.genres if name in ids)
    return ((title_id, genre_id, position) for position, genre_id in enumerate(distinct))


def keywords(title_id: UUID, record: TitleRecord, ids: Mapping[str, int]) -> Iterable[tuple[Any, ...]]:
    return ((title_id, keyword_id) for keyword_id in dict.fromkeys(ids[name] for name in record.keywords))


def credits(  # noqa: A001 - what they are
    title_id: UUID, record: TitleRecord, person_ids: Iterable[str]
) -> Iterable[tuple[Any, ...]]:
    distinct: dict[tuple[Any, ...], tuple[Any, ...]] = {}
    for credit, person_id in zip(record.credits, person_ids, strict=True):
        distinct.setdefault(
            (person_id, credit.job, credit.job_display, credit.character),
            (title_id, person_id, credit.job, credit.job_display, credit.character, credit.billing, credit.guest),
        )
    return distinct.values()


def ratings(title_id: UUID, record: TitleRecord) -> Iterable[tuple[Any, ...]]:
    """Answer the ratings, of each board its strictest."""
    strictest: dict[tuple[str, str], tuple[Any, ...]] = {}
    for rating in record.ratings:
        age = minimum_age(rating.country, rating.system, rating.value)
        kept = strictest.get((rating.country, rating.system))
        if kept is None or (age is not None and (kept[-1] is None or age > kept[-1])):
            row = (title_id, rating.country, rating.system, rating.value, _array(rating.reasons), age)
            strictest[rating.country, rating.system] = row
    return strictest.values()


def windows(title_id: UUID, record: TitleRecord, provider: Provider, source_id: int) -> Iterable[tuple[Any, ...]]:
    """Answer the licences: the record's own, else the provider's default for what stands alone."""
    given = record.windows
    if not given and not record.names_licences and not record.parent and provider.has_default_licence:
        given = (
            Window(
                license_type=provider.default_license_type,
                territories=tuple(provider.default_territories),
                start=_narrower(provider.default_starts_on, record.valid_from, later=True),
                end=_narrower(provider.default_ends_on, record.valid_until, later=False),
            ),
        )
    return (
        (
            title_id,
            _array(window.territories),
            window.excluded,
            *_moment(window.announce),
            *_moment(window.start),
            *_moment(window.end),
            window.license_type,
            _array(window.languages),
            _array(window.holdback_languages),
            _array(window.formats),
            window.grant_id,
            window.contract_id,
            window.reporting_id,
            source_id,
        )
        for window in given
    )


def _narrower(day: date | None, other: datetime | date | None, *, later: bool) -> datetime | date | None:
    """Answer the bound that grants less; a day and an instant of it count as the instant."""
    if day is None or other is None:
        return other or day
    its_day = other.date() if isinstance(other, datetime) else other
    return other if (its_day >= day if later else its_day < day) else day


Arrived = tuple[str, int | None, int | None, str, str]
"""Of an image that has arrived: file, width, height, placeholder, and renditions as JSON."""
NOT_ARRIVED: Arrived = ("", None, None, "", "[]")


def artwork(
    title_id: UUID, record: TitleRecord, arrived: Mapping[tuple[UUID, str], Arrived]
) -> Iterable[tuple[Any, ...]]:
    """Answer the announced images; those that have `arrived`, by title and source, keep their files."""
    places: dict[tuple[str, str, str], int] = {}
    for image in record.artwork:
        place = (image.kind, image.language, image.region)
        position = places.get(place, 0)
        places[place] = position + 1
        file = arrived.get((title_id, image.source), NOT_ARRIVED)
        yield (title_id, *place, position, image.source, *file, image.focal_x, image.focal_y)


def _array(values: Sequence[str]) -> list[str] | str:
    """Answer an array for COPY; codes as PostgreSQL reads them, since most arrays are of codes, and finding their type takes long."""
    if all(value.isascii() and value.isalnum() and value.lower() != "null" for value in values):
        return "{" + ",".join(values) + "}"
    return list(values)


def _moment(value: datetime | date | None) -> tuple[datetime | None, date | None]:
    """Answer an instant and a day, at most one of them stated."""
    return (value, None) if isinstance(value, datetime) else (None, value)

"""Everything that hangs on titles, in one query however many they are.

Prefetching asks once for each kind of part; here PostgreSQL answers all kinds at once, as JSON, and what it says
takes the place of what would have been prefetched.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import orjson
from django.db import connection, models

from catalog.models import (
    AlternateTitle,
    Artwork,
    AvailabilityWindow,
    ContentRating,
    Credit,
    Title,
    TitleGenre,
    TitleKeyword,
    TitleNumber,
    TitleText,
    offering,
)
from catalog.models.titles import Kind

_Model = TypeVar("_Model", bound=models.Model)
_FROM_TEXT = ("DateField", "DateTimeField", "UUIDField")


@dataclass(frozen=True)
class _Part:
    """One kind of part: its table, how it is ordered, what is fetched along with each row, and its columns, if not all."""

    model: type[models.Model]
    order: str = "own.id"
    along: str = ""
    condition: str = ""
    only: Collection[str] = ()
    columns: list[str] = field(init=False)
    readers: list[tuple[int, Callable[[Any], Any]]] = field(init=False)

    def __post_init__(self) -> None:
        fields = [item for item in self.model._meta.concrete_fields if not self.only or item.attname in self.only]
        object.__setattr__(self, "columns", [item.attname for item in fields])
        object.__setattr__(
            self,
            "readers",
            [
                (place, item.to_python)
                for place, item in enumerate(fields)
                if getattr(item, "target_field", item).get_internal_type() in _FROM_TEXT
            ],
        )

    def sql(self, name: str, ids: str) -> str:
        """Answer the query of all rows of these titles, one array for each title."""
        quoted = [f'own."{item.column}"' for item in self.model._meta.concrete_fields]
        joined = ""
        if self.along:
            other = self._other()
            quoted += [f'other."{item.column}"' for item in other._meta.concrete_fields]
            joined = f'JOIN {other._meta.db_table} AS other ON other.id = own."{self.along}_id"'
        return (
            f"SELECT '{name}', own.title_id, json_agg(json_build_array({', '.join(quoted)}) ORDER BY {self.order})::text"  # noqa: S608 - our own names
            f" FROM {self.model._meta.db_table} AS own {joined}"
            f" WHERE own.title_id = ANY(%({ids})s) {self.condition} GROUP BY own.title_id"
        )

    def rows(self, text: str) -> list[models.Model]:
        """Make the objects of one title's array."""
        made = []
        width = len(self.columns)
        for values in orjson.loads(text):
            for place, read in self.readers:
                if values[place] is not None:
                    values[place] = read(values[place])
            row = self.model.from_db("default", self.columns, values[:width])
            if self.along:
                other = self._other()
                setattr(
                    row, self.along, other.from_db("default", [item.attname for item in other._meta.concrete_fields], values[width:])
                )  # fmt: skip
            made.append(row)
        return made

    def _other(self) -> type[models.Model]:
        related: Any = self.model._meta.get_field(self.along)
        return related.related_model  # type: ignore[no-any-return]  # a model's class


_CARD = {
    "texts": _Part(TitleText),
    "ratings": _Part(ContentRating),
    "windows": _Part(AvailabilityWindow),
    "artwork": _Part(Artwork, "own.position, own.id", condition="AND own.file <> ''"),
    "title_genres": _Part(TitleGenre, "own.position", along="genre"),
}
_PAGE = {
    "alternate_titles": _Part(AlternateTitle),
    "alternate_numbers": _Part(TitleNumber),
    "credits": _Part(Credit, "own.billing NULLS LAST, own.id", along="person"),
    "title_keywords": _Part(TitleKeyword, "other.name", along="keyword"),
}
_WHOLES, _PROMOTIONS = (Kind.SERIES, Kind.SEASON), (Kind.TRAILER, Kind.EXTRA)
# What a licence allows, without what tells apart those that allow the same: the episodes of a season have as many.
_TERMS = [
    item.attname
    for item in AvailabilityWindow._meta.concrete_fields
    if item.attname not in {"id", "title_id", "series_id", "source_id", "grant_id", "contract_id", "reporting_id"}
]
# Ended anywhere: days end everywhere within two days of those of UTC.
_OFFERS = f"""
    SELECT 'offers', asked.id, json_agg(DISTINCT jsonb_build_array({", ".join(f"own.{name}" for name in _TERMS)}))::text
    FROM catalog_title AS asked CROSS JOIN LATERAL ({offering.deciding("asked")}) AS own
    WHERE asked.id = ANY(%(wholes)s) AND (%(since)s::timestamptz IS NULL
        OR (own.ends_at IS NULL OR own.ends_at > %(since)s)
        AND (own.ends_on IS NULL OR own.ends_on > (%(since)s::timestamptz - interval '2 days')::date))
    GROUP BY asked.id
"""  # noqa: S608 - our own text
_OFFER = _Part(AvailabilityWindow, only=_TERMS)
_CARDS = " UNION ALL ".join(part.sql(name, "ids") for name, part in _CARD.items())
_PAGES = " UNION ALL ".join([_CARDS, *(part.sql(name, "pages") for name, part in _PAGE.items())])


def fetch(titles: Collection[Title], *, page: Title | None = None, since: datetime | None = None) -> None:
    """Fetch what cards show of these titles, and of what they belong to as far as that was fetched; one query.

    For `page`, one of them, also what its own page shows. Of a series' or season's parts no licences are fetched that have
    ended before `since`.
    """
    line = {id(level): level for title in titles for level in line_of(title)}.values()
    if not line:
        return
    wholes = {whole.pk for title in (titles if page is None else [page]) if (whole := _goes_by_parts(title))}
    asked = {
        "ids": list({level.pk for level in line}), "pages": [page.pk] if page else [], "wholes": list(wholes), "since": since,
    }  # fmt: skip
    found: dict[tuple[str, UUID], list[models.Model]] = {}
    with connection.cursor() as cursor:
        # Only where it is needed: films are most of what is asked for, and a longer statement takes longer to plan.
        cursor.execute((_PAGES if page else _CARDS) + (f" UNION ALL {_OFFERS}" if wholes else ""), asked)
        for name, title_id, text in cursor.fetchall():
            found[name, title_id] = (_CARD.get(name) or _PAGE.get(name) or _OFFER).rows(text)
    for level in line:
        _keep(level, found, _CARD)
        if level.pk in wholes:
            _keep(level, found, ["offers"])
    if page:
        _keep(page, found, _PAGE)


def licences_of(title: Title) -> list[AvailabilityWindow]:
    """Answer the licences by which a title goes, as `catalog.models.offering` says; of what was fetched."""
    if title.kind in _WHOLES:
        return _offers(title)
    for level in line_of(title):
        if windows := list(level.windows.all()):
            return windows
    whole = _goes_by_parts(title)
    return _offers(whole) if whole else []


def _goes_by_parts(title: Title) -> Title | None:
    """Answer the series or season whose parts' licences count for a title: itself, or what it promotes."""
    whole = title._state.fields_cache.get("parent") if title.kind in _PROMOTIONS else title
    return whole if whole is not None and whole.kind in _WHOLES else None


def _offers(whole: Title) -> list[AvailabilityWindow]:
    offers: list[AvailabilityWindow] = whole.__dict__["_prefetched_objects_cache"]["offers"]
    return offers


def line_of(title: Title) -> list[Title]:
    """Answer a title and what it belongs to, nearest first, as far as that was fetched."""
    fetched = title._state.fields_cache
    parent = fetched.get("parent")
    wholes = (parent, parent._state.fields_cache.get("parent") if parent else None, fetched.get("series"))
    return [title, *(whole for whole in wholes if whole is not None)]


def _keep(title: Title, found: dict[tuple[str, UUID], list[models.Model]], names: Iterable[str]) -> None:
    """Put the parts where prefetching would: `title.texts.all()` answers them."""
    kept: dict[str, Any] = title.__dict__.setdefault("_prefetched_objects_cache", {})
    for name in names:
        kept[name] = found.get((name, title.pk), [])

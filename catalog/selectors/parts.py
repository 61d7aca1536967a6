"""Everything that hangs on titles, in one query however many they are.

Prefetching asks once for each kind of part; here PostgreSQL answers all kinds at once, as JSON, and what it says
takes the place of what would have been prefetched.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
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
)

_Model = TypeVar("_Model", bound=models.Model)
_FROM_TEXT = ("DateField", "DateTimeField", "UUIDField")


@dataclass(frozen=True)
class _Part:
    """One kind of part: its table, how it is ordered, and what is fetched along with each row."""

    model: type[models.Model]
    order: str = "own.id"
    along: str = ""
    condition: str = ""
    columns: list[str] = field(init=False)
    readers: list[tuple[int, Callable[[Any], Any]]] = field(init=False)

    def __post_init__(self) -> None:
        fields = self.model._meta.concrete_fields
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
_CARDS = " UNION ALL ".join(part.sql(name, "ids") for name, part in _CARD.items())
_PAGES = " UNION ALL ".join([_CARDS, *(part.sql(name, "pages") for name, part in _PAGE.items())])


def fetch(titles: Collection[Title], *, page: Title | None = None) -> None:
    """Fetch what cards show of these titles, and of what they belong to as far as that was fetched; one query.

    For `page`, one of them, also what its own page shows.
    """
    line = {id(level): level for title in titles for level in line_of(title)}.values()
    if not line:
        return
    asked = {"ids": list({level.pk for level in line}), "pages": [page.pk] if page else []}
    found: dict[tuple[str, UUID], list[models.Model]] = {}
    with connection.cursor() as cursor:
        cursor.execute(_PAGES if page else _CARDS, asked)
        for name, title_id, text in cursor.fetchall():
            found[name, title_id] = (_CARD.get(name) or _PAGE[name]).rows(text)
    for level in line:
        _keep(level, found, _CARD)
    if page:
        _keep(page, found, _PAGE)


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
